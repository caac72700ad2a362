package explain

import (
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// unmet remembers of rules that translate when they were last seen without any packet counted, or not at all: what began before
// was made by another rule, of which the kernel keeps nothing, or by the same one before it was added again or its counters were
// cleared. The kernel has a rule that translates counted once a connection, at its first packet. Times are nanoseconds
// since 1970, 0 is not known.
type unmet struct {
	at     int64 // when rules of iptables were read last
	sets   map[rules.Variant]bool
	last   map[namedRule]int64  // of all rules then
	met    map[namedRule]uint64 // the packets of those that count them
	names  map[evaluate.RuleRef]namedRule
	native map[nativePlace]namedRule // nil where native tables were not read
}

// nativePlace is where a native rule is: another one may be there when its table was made anew, or it was replaced.
type nativePlace struct {
	table  string
	handle uint64
}

// namedRule is a rule wherever it stands, by what it says: one of a native table by its handle too.
type namedRule struct {
	at           rules.Variant
	table        string // of a native one, as evaluate.RuleRef has it
	chain, text  string
	equalsBefore int // rules that say the same stand before it
	handle       uint64
}

// see takes rules as they were read.
func (u *unmet) see(sets map[rules.Variant]*rules.Ruleset, native *nft.Ruleset, at Read) {
	before := *u
	*u = unmet{at: at.Rules, sets: map[rules.Variant]bool{}, last: map[namedRule]int64{}, met: map[namedRule]uint64{}, names: map[evaluate.RuleRef]namedRule{}}
	for v, set := range sets {
		u.sets[v] = true
		for i := range set.Tables {
			if table := &set.Tables[i]; table.Name == "nat" {
				u.seeTable(v, table, &before)
			}
		}
	}
	if native == nil {
		return
	}
	u.native = map[nativePlace]namedRule{}
	for _, t := range native.Tables {
		for _, c := range t.Chains {
			u.seeNative(c, at.Native, &before)
		}
	}
}

func (u *unmet) seeNative(c *nft.Chain, at int64, before *unmet) {
	for _, r := range c.Rules {
		said := r.Read(c, nil)
		if !said.Translates() {
			continue
		}
		place := nativePlace{c.Table.Family.String() + " " + c.Table.Name, r.Handle}
		name := namedRule{table: place.table, chain: c.Name, text: nft.Uncounted(said.Text()), handle: r.Handle}
		u.native[place] = name
		if counted, has := r.Counter(); has {
			u.met[name] = counted.Packets
		}
		u.note(name, before.native != nil, at, before)
	}
}

func (u *unmet) seeTable(v rules.Variant, table *rules.Table, before *unmet) {
	for _, chain := range table.Chains {
		equal := map[string]int{}
		for i := range chain.Rules {
			r := &chain.Rules[i]
			if !r.Target.Kind.Translates() {
				continue
			}
			name := namedRule{at: v, chain: chain.Name, text: r.String()}
			name.equalsBefore, equal[name.text] = equal[name.text], equal[name.text]+1
			u.names[evaluate.RuleRef{Variant: v, Table: table.Name, Chain: chain.Name, Position: i + 1}] = name
			if r.Counters.Known {
				u.met[name] = r.Counters.Packets
			}
			u.note(name, before.sets[v], u.at, before)
		}
	}
}

// note notes a rule that counted no packet, or fewer than before, or that was not there before although its like was read then.
func (u *unmet) note(name namedRule, wasRead bool, at int64, before *unmet) {
	last, known := before.last[name]
	packets, counts := u.met[name]
	if counts && (packets == 0 || packets < before.met[name]) || !known && wasRead && before.at != 0 {
		last = at
	}
	u.last[name] = last
}

// name is the rule that stands at a place.
func (u *unmet) name(r evaluate.RuleRef) namedRule {
	if r.Handle != 0 {
		return u.native[nativePlace{r.Table, r.Handle}]
	}
	return u.names[r]
}

// of is until when no packet had met one of the rules of an explanation; 0 where that is not known of any.
func (u *unmet) of(e *Explanation) int64 {
	if !e.names() {
		return 0
	}
	return max(u.last[u.name(e.DNAT)], u.last[u.name(e.SNAT)])
}

// names tells that an explanation names rules, without several being possible.
func (e *Explanation) names() bool {
	return (e.Confidence == Exact || e.Confidence == Inferred) && !e.Rule().IsZero()
}

// dated is an explanation of a flow by rules that no packet had met until then.
func (e Explanation) dated(f *flow.Flow, until int64) Explanation {
	if until != 0 && !f.BeganAfter(until) {
		e.Confidence, e.Older = Inferred, true
	}
	return e
}
