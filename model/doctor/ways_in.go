package doctor

import (
	"fmt"
	"slices"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// This file asks by which interface the clients of a forward come, where its rule names one.

// unaddressed tells of a rule that waits at an interface by which no packet of its family comes: it has no address, and no
// route leads out by it. What is sent over it belongs to another interface, as with PPPoE.
func unaddressed(x *Examination, f *Forward) Finding {
	in := f.via.in
	if link, ok := x.LinkNamed(f.Link); !ok || in.Any() || in.Not || link.Master != "" || x.Addresses == nil || x.Routes == nil || x.carries(f.Link, f.Rule.Family) {
		return Finding{}
	}
	found := Finding{
		Check: "wrong-interface", Severity: SeverityWarning, Subject: ruleName(f.Rule),
		Evidence: []string{fmt.Sprintf("%s has no %s address, and no route leads out by it", f.Link, f.Rule.Family.Title()), f.ruleCount()},
		Sentence: fmt.Sprintf("The rule takes what comes by %s, by which no %s packet comes: it has no address, and no route leads out by it.", f.Link, f.Rule.Family.Title()),
	}
	for _, l := range x.Links {
		if l.Name != f.Link && l.Up && x.outward(l.Name) && x.carries(l.Name, f.Rule.Family) {
			found.Severity = SeverityError
			found.Sentence += fmt.Sprintf(" Clients on the Internet come by %s: that is the interface to name.", l.Name)
			return found
		}
	}
	return found
}

// carries tells that a link has an address of the family, or that a route of it leads out by it.
func (n network) carries(link string, family rules.Family) bool {
	if slices.ContainsFunc(n.AddressesOn(link), func(a facts.Address) bool {
		return family.Holds(a.Prefix.Addr()) && !a.Prefix.Addr().IsLinkLocalUnicast()
	}) {
		return true
	}
	return slices.ContainsFunc(n.Routes, func(r facts.RouteEntry) bool {
		return family.Holds(r.Dst.Addr()) && !r.Dst.Addr().IsLinkLocalUnicast() && !r.Dst.Addr().IsMulticast() && slices.ContainsFunc(r.Hops, func(h facts.Hop) bool { return h.Out == link })
	})
}

// missedOutside tells of a forward of an address that the Internet knows, whose rule takes what comes from inside alone:
// clients outside come to this host itself, where nobody listens.
func missedOutside(x *Examination, f *Forward) Finding {
	in, to := f.via.in, f.Asked
	if in.Any() || in.Not || f.via.dst.Any() || f.Owner != "" || x.outward(f.Link) || !to.Addr().IsValid() {
		return Finding{}
	}
	for _, a := range x.inUse("") {
		if a.Prefix.Addr() != to.Addr() || a.Link == f.Link || in.Matches(a.Link) || !x.outward(a.Link) {
			continue
		}
		p, ok := x.askingBy(a.Link, f.Proto, to)
		if way := x.fate(p); !ok || !way.arrives() || len(way.Outcomes) != 1 || way.Outcomes[0].Delivered != evaluate.Delivered || way.Outcomes[0].DNAT {
			continue
		}
		if _, listens := x.ListensOn(f.Proto, to, a.Link); listens || x.Listeners == nil {
			continue // another service for those outside
		}
		return Finding{
			Check: "wrong-interface", Severity: SeverityWarning, Subject: ruleName(f.Rule),
			Evidence: []string{fmt.Sprintf("%s lies on %s, and the rule asks for %s", to.Addr(), a.Link, in.Name), f.ruleCount()},
			Sentence: fmt.Sprintf("Clients on the Internet come by %s, and the rule takes what comes by %s alone: whoever asks for %s from outside is sent to this host itself, where nobody listens.", a.Link, in.Name, to),
		}
	}
	return Finding{}
}

// older tells of connections for what a forward waits for that go on untranslated: they began before its rule.
func older(x *Examination, f *Forward) Finding {
	c := x.stats.of(f.Rule).older
	if c.flows == 0 {
		return Finding{}
	}
	sentence := fmt.Sprintf("A connection to %s comes by %s and is not translated: it began before the rule was there. Each of its packets keeps it alive, and none of them meets the rule.", f.Asked, f.Link)
	if c.flows > 1 {
		sentence = fmt.Sprintf("%s to %s come by %s and are not translated: they began before the rule was there. Each of their packets keeps them alive, and none of them meets the rule.", rules.Plural(c.flows, "connection"), f.Asked, f.Link)
	}
	found := Finding{
		Check: "stale-flows", Severity: SeverityWarning, Subject: ruleName(f.Rule), Sentence: sentence,
		Cure: rules.Plan{Title: "Forget " + rules.Plural(min(c.flows, len(c.first)), "connection") + ", so that today's rules decide about their next packets", Steps: x.forget(c.first)},
	}
	for i := range c.first[:min(3, len(c.first))] {
		g := &c.first[i]
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s %s to %s is served by %s", g.Proto(), g.Client(), g.AskedFor(), g.ServedBy()))
	}
	return found
}

// cameBy tells that a client's packets come by a link, as far as the routes say: its own network, or the way back to it.
func (x *Examination) cameBy(link string, f *flow.Flow) bool {
	if at, ok := x.LinkOf(f.Client().Addr()); ok {
		return at == link
	}
	back, certain := x.Lookup(evaluate.RouteQuery{Dst: f.Client().Addr()})
	return certain && back.Out == link
}
