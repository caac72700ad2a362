package explain

import (
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// unmet are the rules that no packet had met when they were read, as far as the kernel counts: they did not make what began
// before, unless somebody has set their counters to 0 since.
type unmet struct {
	rules map[evaluate.RuleRef]bool
	at    int64 // when they were read, in nanoseconds since 1970
}

func unmetIn(sets map[rules.Variant]*rules.Ruleset, at int64) unmet {
	found := unmet{map[evaluate.RuleRef]bool{}, at}
	for v, set := range sets {
		for _, table := range set.Tables {
			for _, chain := range table.Chains {
				for i := range chain.Rules {
					if n := &chain.Rules[i].Counters; n.Known && n.Packets == 0 {
						found.rules[evaluate.RuleRef{Variant: v, Table: table.Name, Chain: chain.Name, Position: i + 1}] = true
					}
				}
			}
		}
	}
	return found
}

// doubts tells that a rule of an explanation did not make the flow, for all that is counted: today's rules would translate it
// like that, and it is older.
func (u *unmet) doubts(e *Explanation, f *flow.Flow) bool {
	return e.Confidence == Exact && f.First <= u.at && (u.rules[e.DNAT] || u.rules[e.SNAT])
}
