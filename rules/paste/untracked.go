package paste

import (
	"slices"

	"nattui/rules"
)

// doubtUntracked says where a new rule and another one of the tables undo each other: what raw leaves
// untracked is never translated.
func (im *importer) doubtUntracked(r *commandReader, rule rules.Rule) {
	set := im.set(rules.Variant{Family: r.family, Backend: r.backend})
	against := func(table, chain string, other func(rules.Rule) bool) {
		c, ok := set.Chain(table, chain)
		if !ok {
			return
		}
		for at, o := range c.Rules {
			if other(o) && overlap(rule, o) {
				im.remark(r, Note, "what is not tracked is not translated, and packets may meet both this and rule %d of %s %s:  %s", at+1, table, chain, o)
				return
			}
		}
	}
	switch {
	case r.table == "raw" && untracks(rule):
		against("nat", r.chain, func(o rules.Rule) bool { return o.Target.Kind.Translates() })
		if r.chain == "PREROUTING" {
			against("nat", "POSTROUTING", func(o rules.Rule) bool { return o.Target.Kind.Translates() })
		}
	case r.table == "nat" && rule.Target.Kind.Translates():
		chain := r.chain
		if chain == "POSTROUTING" {
			chain = "PREROUTING"
		}
		against("raw", chain, untracks)
	}
}

// untracks reports a rule by which packets are not tracked.
func untracks(r rules.Rule) bool {
	return r.Target.Name == "NOTRACK" || r.Target.Name == "CT" && slices.Contains(r.Target.Options, "--notrack")
}

// overlap reports that protocol, destination port and interface of two rules do not keep them apart.
func overlap(a, b rules.Rule) bool {
	differ := func(x, y string) bool { return x != "" && y != "" && x != y }
	if a.Protocol.Not || b.Protocol.Not || a.In.Not || b.In.Not {
		return true
	}
	pa, pb := destPort(a), destPort(b)
	return !differ(a.Protocol.Name, b.Protocol.Name) && !differ(a.In.Name, b.In.Name) &&
		(pa == nil || pb == nil || pa.Not || pb.Not || pa.Lo <= pb.Hi && pb.Lo <= pa.Hi)
}

func destPort(r rules.Rule) *rules.PortMatch {
	for _, m := range r.Matches {
		if t, ok := m.(rules.Transport); ok {
			return t.Dest
		}
	}
	return nil
}
