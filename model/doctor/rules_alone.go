package doctor

import (
	"fmt"

	"nattui/model/facts"
	"nattui/rules"
)

// ofRules is what rules tell that somebody sent without their gateway: those that no packet meets, whatever passes there.
// Nothing is cured by that, and all else is not known.
func ofRules(g *Gateway) []Finding {
	t := newTrial(&facts.Facts{Settings: facts.UnknownSettings()}, g.Sets, nil)
	found := unreachedRules(&t)
	for i := range found {
		found[i].Cure = rules.Plan{}
	}
	found = append(found, unread(&t)...)
	rest := unknown("Whether anything else is wrong is not known, as " + facts.RulesAlone + ". What nattui record writes there tells more.")
	rest.Check, rest.Subject = "rules-alone", "this gateway"
	return append(found, rest)
}

// unread tells of rules that cannot be taken apart, of which nothing else is told.
func unread(t *trial) (list []Finding) {
	for _, p := range t.variants() {
		for _, table := range t.sets[p].Tables {
			for _, c := range table.Chains {
				for i := range c.Rules {
					if err := c.Rules[i].Unparseable(); err != nil && len(list) < reachLimit {
						f := unknown(fmt.Sprintf("What rule %d of %s does is not known: it cannot be parsed: %v.", i+1, c.Name, err), c.Rules[i].String())
						f.Check, f.Subject = "rule-unread", fmt.Sprintf("%s %s %d%s", table.Name, c.Name, i+1, variantNote(p))
						list = append(list, f)
					}
				}
			}
		}
	}
	return list
}
