package doctor

import (
	"fmt"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/nft"
)

// ofRules is what rules tell that somebody sent without their gateway: those that no packet meets, whatever passes there.
// Nothing is cured by that, and all else is not known.
func ofRules(g *Gateway) []Finding {
	t := newTrial(&facts.Facts{Settings: facts.UnknownSettings()}, g.Sets, nil)
	found := unreachedRules(&t)
	for i := range found {
		found[i].Cure = rules.Plan{}
	}
	found = append(append(found, unread(&t)...), unreadNatives(g.NativeAlone)...)
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
					if err := c.Rules[i].Unparseable(); err != nil {
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

// unreadNatives tells of native rules of which something is not understood.
func unreadNatives(set *nft.Ruleset) (list []Finding) {
	if set == nil {
		return nil
	}
	for _, t := range set.Tables {
		for _, c := range t.Chains {
			for i, r := range c.Rules {
				if r.HasUnknown() {
					list = append(list, unreadNative(c, i+1, r.Text(c, set.Links)))
				}
			}
		}
	}
	return list
}

func unreadNative(c *nft.Chain, at int, text string) Finding {
	f := unknown(fmt.Sprintf("What rule %d of %s matches or does is not known, nor what becomes of packets behind it: a part of it cannot be read.", at, c.Name), text)
	f.Check, f.Subject = "rule-unread", fmt.Sprintf("%s %s %s %d", c.Table.Family, c.Table.Name, c.Name, at)
	return f
}

// RulesAloneVerdict says in a sentence what rules tell alone that show no problem.
func RulesAloneVerdict(found []Finding) string {
	if slices.ContainsFunc(found, func(f Finding) bool { return f.Check == "rule-unread" }) {
		return "The rules that can be read show no problem; what others do, and whether the gateway has a problem, is not known."
	}
	return "The rules alone show no problem; whether the gateway has one is not known."
}
