package paste

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// ruleAt names a rule, however often it stands in its chain.
type ruleAt struct {
	variant            rules.Variant
	table, chain, line string
}

// origin keeps the line of the text that a change comes from.
func (im *importer) origin(c rules.Change) {
	at := ruleAt{variant: rules.Variant{Family: c.Family, Backend: c.Backend}, table: c.Table}
	if _, ok := im.origins[at]; !ok {
		im.origins[at] = im.line // of the table's first change
	}
	if c.Op != rules.Insert && c.Op != rules.Replace {
		return
	}
	at.chain, at.line = c.Chain, c.Rule.InChain(c.Chain).String()
	im.origins[at] = im.line
}

// sayUnreached names the rules that can match until the text is applied, and those of the text, that never would
// afterwards: a rule above takes all their packets, or nothing leads to their chain.
func (im *importer) sayUnreached(before map[rules.Variant]*rules.Ruleset) {
	if im.ground.AnyChain {
		return
	}
	variants := slices.SortedFunc(maps.Keys(im.ground.Sets), func(a, b rules.Variant) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Backend, b.Backend))
	})
	for _, variant := range variants {
		set := im.ground.Sets[variant]
		if set == before[variant] {
			continue
		}
		was, now := evaluate.Compile(im.orEmpty(before[variant], variant)), evaluate.Compile(set)
		for _, t := range set.Tables {
			if _, touched := im.origins[ruleAt{variant: variant, table: t.Name}]; !touched {
				continue
			}
			dead := map[ruleAt]int{}
			for _, d := range was.Reach(t.Name) {
				dead[deadAt(variant, t.Name, d)]++
			}
			for _, d := range now.Reach(t.Name) {
				at := deadAt(variant, t.Name, d)
				if dead[at]--; dead[at] < 0 {
					im.sayDead(at, d)
				}
			}
		}
	}
}

func (im *importer) orEmpty(set *rules.Ruleset, variant rules.Variant) *rules.Ruleset {
	if set == nil {
		return &rules.Ruleset{Family: variant.Family, Backend: variant.Backend}
	}
	return set
}

func deadAt(variant rules.Variant, table string, d evaluate.DeadRule) ruleAt {
	at := ruleAt{variant: variant, table: table, chain: d.Chain}
	if d.Rule != nil {
		at.line = d.Rule.InChain(d.Chain).String()
	}
	return at
}

// sayDead says that a rule never matches, at the line that makes it so.
func (im *importer) sayDead(at ruleAt, d evaluate.DeadRule) {
	line, own := im.origins[at]
	own = own && at.line != ""
	if own && d.Kind == evaluate.Duplicate {
		return // that was said where it is added
	}
	if d.ByRule != nil && !own {
		by := ruleAt{variant: at.variant, table: at.table, chain: d.By.Chain, line: d.ByRule.InChain(d.By.Chain).String()}
		line = im.origins[by]
	}
	if line == 0 {
		line = im.origins[ruleAt{variant: at.variant, table: at.table}]
	}
	sentence := d.Sentence()
	text := "in table " + at.table + " of the result, " + strings.ToLower(sentence[:1]) + strings.TrimSuffix(sentence[1:], ".")
	if !own && at.line != "" {
		text += ":  " + at.line
	}
	im.find(Remark{Line: max(line, 1), Column: 1, Level: Note, Text: text})
}
