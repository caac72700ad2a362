package paste

import "nattui/rules"

// lineCount counts the lines of a chain, each as it was read and as it is written from its parts, so that a line that
// nothing is like is found to be new without looking at every rule.
type lineCount map[string]int

// place names a chain.
type place struct {
	variant      rules.Variant
	table, chain string
}

// lines are the forms in which a rule's line may be looked for.
func (im *importer) lines(r rules.Rule) []string {
	line := r.String()
	if other := im.rewritten(r, line); other != line {
		return []string{line, other}
	}
	return []string{line}
}

// rewritten is the line of a rule as it is written from its parts.
func (im *importer) rewritten(r rules.Rule, line string) string {
	if r.Unparseable() != nil {
		return line
	}
	other, ok := im.edited[line]
	if !ok {
		other = r.Edited().String()
		im.edited[line] = other
	}
	return other
}

// note keeps the counts up to date with a change that was made.
func (im *importer) note(variant rules.Variant, c rules.Change) {
	at := place{variant, c.Table, c.Chain}
	count := im.standing[at]
	switch {
	case count == nil:
	case c.Op == rules.Insert:
		for _, line := range im.lines(c.Rule.InChain(c.Chain)) {
			count[line]++
		}
	case c.Op == rules.Delete:
		for _, line := range im.lines(c.Rule.InChain(c.Chain)) {
			count[line]--
		}
	case c.Op != rules.Move && c.Op != rules.SetPolicy:
		delete(im.standing, at)
	}
}

// standsAt is where the same rule stands in a chain of a table, however its line is written; 0 if nowhere.
func (im *importer) standsAt(variant rules.Variant, table string, chain *rules.Chain, rule rules.Rule) int {
	if chain == nil {
		return 0
	}
	at := place{variant, table, chain.Name}
	if im.standing[at] == nil {
		count := lineCount{}
		for _, r := range chain.Rules {
			for _, line := range im.lines(r) {
				count[line]++
			}
		}
		im.standing[at] = count
	}
	line := rule.String()
	if im.standing[at][line] == 0 {
		return 0
	}
	for i, other := range chain.Rules {
		if was := other.String(); was == line || im.rewritten(other, was) == line {
			return i + 1
		}
	}
	return 0
}
