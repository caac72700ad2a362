package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// leftBare notes a flow that left for the Internet with an address that the Internet has no way back to, and would
// do so today.
func (c *flowStats) leftBare(x *Examination, f *flow.Flow) {
	if x.leavesBare(f) {
		c.bare.add(f)
	}
}

// leavesBare tells that a flow's first packet leaves for the Internet untranslated.
func (x *Examination) leavesBare(f *flow.Flow) bool {
	client := f.Client().Addr()
	from, ok := x.insideLink(client)
	route, certain := x.Lookup(evaluate.RouteQuery{Dst: f.ServedBy().Addr(), Src: client, In: from})
	if !ok || !certain || x.IsLocal(client) || route.Kind != facts.RouteUnicast || route.Out == from || !x.outward(route.Out) {
		return false
	}
	p := explain.FirstPacket(f)
	p.In = from
	way := x.fate(p)
	return way.known && !way.Incomplete && !slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool {
		return o.SNAT || o.Delivered != evaluate.Forwarded
	})
}

// checkUntranslated tells of a network that is not translated on its way to the Internet.
func checkUntranslated(x *Examination) []Finding {
	c := x.bareOtherwise()
	if c.flows == 0 {
		return nil
	}
	f := &c.first[0]
	from, _ := x.insideLink(f.Client().Addr())
	route, _ := x.Lookup(evaluate.RouteQuery{Dst: f.ServedBy().Addr(), Src: f.Client().Addr(), In: from})
	found := Finding{
		Check: "not-translated", Severity: SeverityError, Subject: from,
		Evidence: []string{fmt.Sprintf("%s like %s %s to %s, none answered", rules.Plural(c.flows, "connection"), f.Proto(), f.Client(), f.AskedFor())},
		Sentence: fmt.Sprintf("Packets from %s leave by %s with their private address as source, to which nobody on the Internet can reply: a rule that gives them this host's address is missing.", from, route.Out),
	}
	p := explain.FirstPacket(f)
	p.In = from
	if plan, meant := x.meantFor(p); len(plan.Steps) > 0 {
		found.Cure = plan
		found.Evidence = append(found.Evidence, meant)
		found.Sentence = fmt.Sprintf("Packets from %s leave by %s with their private address as source, to which nobody on the Internet can reply: the rule that is to give them this host's address names an interface that does not exist.", from, route.Out)
	} else {
		found.Cure = x.shareAddress(f, p, route.Out)
	}
	if len(found.Cure.Steps) > 0 {
		found.Cure.Steps = append(found.Cure.Steps, x.forget(c.first[:min(len(c.first), 50)])...)
	}
	way := x.fate(explain.FirstPacket(f))
	return []Finding{uncertain(found, &way)}
}

// bareOtherwise are the flows that left with a private address, without those whose protocol is left out by the rules that
// share an address with their network: of these checkProtocols tells.
func (x *Examination) bareOtherwise() crowd {
	c := x.stats.bare
	for _, l := range x.protocolsLeftOut() {
		c.first = slices.DeleteFunc(slices.Clone(c.first), func(f flow.Flow) bool { return l.explains(x, &f) })
	}
	if c.flows <= crowdKept || len(c.first) == 0 {
		c.flows = len(c.first)
	}
	return c
}

// shareAddress is the plan that gives what a network sends by a link this host's address.
func (x *Examination) shareAddress(f *flow.Flow, p evaluate.Packet, out string) rules.Plan {
	net, ok := x.netOf(p.In, f.Client().Addr())
	if !ok {
		net, ok = x.routedNet(f.Client().Addr())
	}
	variant, known := x.usual(rules.IPv4)
	if !ok || !known {
		return rules.Plan{}
	}
	plan, _ := x.translateSource("Share the address of "+out+" with "+net.Masked().String(), variant,
		fmt.Sprintf("-A %%s -s %s -o %s -j MASQUERADE", net.Masked(), out), p, "answers then come to this host, which hands them on")
	return plan
}

// meantFor is the plan that mends the rule which would give a packet another source if it did not name an interface that
// is not there: a second rule beside it would be one too many.
func (x *Examination) meantFor(p evaluate.Packet) (plan rules.Plan, meant string) {
	w := walker{sets: x.sets}
	for _, v := range x.variants() {
		w.walk(evaluate.RuleRef{Variant: v, Table: "nat", Chain: "POSTROUTING"}, sketch{family: v.Family}, func(at evaluate.RuleRef, r *rules.Rule, _ sketch) {
			if len(plan.Steps) > 0 || r.Target.Kind != rules.SNAT && r.Target.Kind != rules.Masquerade || !x.fitsNone(r.Out) {
				return
			}
			mended := x.missingLink(at, r, r.Out.Name).Cure
			if len(mended.Steps) == 0 {
				return
			}
			if t, ok := x.after(mended); ok {
				if way := t.fate(p); slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.SNATBy == at }) {
					plan, meant = mended, ruleName(at)+": "+r.String()
				}
			}
		})
	}
	return plan, meant
}

// routedNet is the network of a route that leads to a machine inside.
func (n network) routedNet(a netip.Addr) (best netip.Prefix, ok bool) {
	for i := range n.Routes {
		if r := &n.Routes[i]; r.Table == facts.TableMain && r.Kind == facts.RouteUnicast && r.Dst.Bits() > 0 && r.Dst.Contains(a) && (!ok || r.Dst.Bits() > best.Bits()) {
			best, ok = r.Dst, true
		}
	}
	return best, ok
}
