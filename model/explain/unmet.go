package explain

import (
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// unmet remembers of rules that translate when they were last seen without any packet counted, or not at all: what began before
// was made by another rule, of which the kernel keeps nothing, or by the same one before it was put in anew or its counters were
// cleared. The kernel has a rule of a nat table counted once a connection, at its first packet. Times are nanoseconds
// since 1970, 0 is not known.
type unmet struct {
	at    int64 // when rules were read last
	sets  map[rules.Variant]bool
	last  map[namedRule]int64 // of all rules then
	until map[evaluate.RuleRef]int64
}

// namedRule is a rule wherever it stands in its chain.
type namedRule struct {
	at           rules.Variant
	chain, text  string
	equalsBefore int // rules that say the same stand before it
}

// see takes rules as they were read at a time; 0 says that it is not known when.
func (u *unmet) see(sets map[rules.Variant]*rules.Ruleset, at int64) {
	before := *u
	u.at, u.sets, u.last, u.until = at, map[rules.Variant]bool{}, map[namedRule]int64{}, map[evaluate.RuleRef]int64{}
	for v, set := range sets {
		u.sets[v] = true
		for i := range set.Tables {
			if table := &set.Tables[i]; table.Name == "nat" {
				u.seeTable(v, table, &before)
			}
		}
	}
}

func (u *unmet) seeTable(v rules.Variant, table *rules.Table, before *unmet) {
	for _, chain := range table.Chains {
		equal := map[string]int{}
		for i := range chain.Rules {
			r := &chain.Rules[i]
			name := namedRule{v, chain.Name, r.String(), 0}
			name.equalsBefore, equal[name.text] = equal[name.text], equal[name.text]+1
			last, known := before.last[name]
			if r.Counters.Known && r.Counters.Packets == 0 || !known && before.at != 0 && before.sets[v] {
				last = u.at
			}
			if u.last[name] = last; last != 0 {
				u.until[evaluate.RuleRef{Variant: v, Table: table.Name, Chain: chain.Name, Position: i + 1}] = last
			}
		}
	}
}

// of is until when no packet had met one of the rules of an explanation; 0 where that is not known of any.
func (u *unmet) of(e *Explanation) int64 {
	if e.Confidence != Exact && e.Confidence != Inferred || len(u.until) == 0 {
		return 0
	}
	return max(u.until[e.DNAT], u.until[e.SNAT])
}

// dated is an explanation of a flow by rules that no packet had met until then.
func (e Explanation) dated(f *flow.Flow, until int64) Explanation {
	if until != 0 && !f.BeganAfter(until) {
		e.Confidence, e.Older = Inferred, true
	}
	return e
}
