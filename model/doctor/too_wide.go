package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// catchesAll tells of a translation that takes what is meant for somebody else.
func catchesAll(x *Examination, at evaluate.RuleRef, r *rules.Rule, s sketch) []Finding {
	if r.Target.Kind != rules.DNAT && r.Target.Kind != rules.Redirect || s.marked || s.open() || !x.takesOthers(&s) {
		return nil
	}
	wan, ok := x.uplink(at.Family)
	if !ok && at.Backend != rules.Native {
		return nil
	}
	found := Finding{
		Check: "dnat-too-wide", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{x.textOf(at, r)},
		Sentence: "The rule names neither an address nor an interface: it also matches what machines inside send to that port of anyone on the Internet.",
	}
	changed := ownOnly(*r)
	if other, ok := x.otherIn(s.dst); ok {
		found.Sentence = fmt.Sprintf("The rule names no interface, and a network, %s, that holds others' addresses, such as %s: it also matches what machines inside send to that port of these.", s.dst, other)
	}
	if r.Target.Kind == rules.Redirect {
		found.Check = "redirect-too-wide"
	}
	if r.Target.Kind == rules.Redirect && s.dst.Any() {
		found.Sentence = "The rule names no interface: it also matches what comes from the Internet, so that anyone can use the local service."
		narrower, ok := x.narrower(at, *r)
		if !ok {
			found.Sentence += fmt.Sprintf(" What it is meant for decides the cure: -i INTERFACE for what machines there ask of anybody, -m addrtype --dst-type LOCAL for what is asked of this host's own addresses, ! -i %s for all but the Internet.", wan)
			return []Finding{found}
		}
		changed = narrower
	}
	if vain := x.stats.of(at).taken; len(vain) > 0 {
		f := &vain[0]
		found.Severity = SeverityError
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s from inside taken from others, none answered: %s to %s, sent to %s", rules.Plural(len(vain), "connection"), f.Client(), f.AskedFor(), f.ServedBy()))
	}
	if r.Target.Kind == rules.DNAT && slices.ContainsFunc(x.stats.of(at).answered, func(f flow.Flow) bool { return x.IsLocal(f.AskedFor().Addr()) }) {
		found.narrows, found.spares = at, true // it publishes a service: what it took from others it was not made for
	}
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s take only what is meant for it", at.Position, at.Chain),
		Steps: []rules.Step{x.replace(at, *r, changed, "what is meant for others passes untouched")},
	}
	return []Finding{found}
}

// tooWideFor tells that a forward's rule takes what is meant for others, where it is the administrator's own.
func tooWideFor(x *Examination, f *Forward) []Finding {
	if f.Owner != "" || f.Rule.Backend == rules.Native {
		return nil
	}
	return catchesAll(x, f.Rule, f.rule, f.via)
}

// takesOthers tells that a rule which gives another destination takes what is meant for somebody else, by whichever way
// it comes: one that names an interface or who asks is meant to.
func (n network) takesOthers(s *sketch) bool {
	if !s.in.Any() || s.toHost || !s.src.Any() || len(s.notIn) > 0 {
		return false
	}
	_, ok := n.otherIn(s.dst)
	return ok || s.dst.Any()
}

// otherIn is somebody's address in a network that a rule names: that of a router next to this host, or of a neighbour by
// a way to the Internet. false where none is known.
func (n network) otherIn(dst rules.Net) (netip.Addr, bool) {
	if _, single := dst.Host(); single || dst.Any() {
		return netip.Addr{}, false
	}
	for _, r := range n.Routes {
		for _, h := range r.Hops {
			if h.Gateway.IsValid() && dst.Contains(h.Gateway) && !n.IsLocal(h.Gateway) {
				return h.Gateway, true
			}
		}
	}
	for _, m := range n.Neighbours {
		if m.Reachable && n.outward(m.Link) && dst.Contains(m.Addr) && !n.IsLocal(m.Addr) {
			return m.Addr, true
		}
	}
	return netip.Addr{}, false
}

// wideForwards are the rules of forwards that take what is meant for others.
func wideForwards(x *Examination) map[evaluate.RuleRef]bool {
	wide := map[evaluate.RuleRef]bool{}
	for i := range x.forwards {
		if f := &x.forwards[i]; x.takesOthers(&f.via) {
			wide[f.Rule] = true
		}
	}
	return wide
}

// ownOnly is a rule that takes only what is asked of this host's own addresses.
func ownOnly(r rules.Rule) rules.Rule {
	r.Matches = append(slices.Clone(r.Matches), rules.AddrType{Dest: &rules.TypesMatch{Types: []string{"LOCAL"}}})
	return r
}

// narrower is a redirection that takes only what is asked of this host's own addresses, where it has been used for
// nothing else. What it took from others' connections may be a proxy's work or a mistake: that it cannot tell.
func (x *Examination) narrower(at evaluate.RuleRef, r rules.Rule) (rules.Rule, bool) {
	used := x.stats.of(at).answered
	if len(used) == 0 || slices.ContainsFunc(used, func(f flow.Flow) bool { return !x.IsLocal(f.AskedFor().Addr()) }) {
		return r, false
	}
	return ownOnly(r), true
}
