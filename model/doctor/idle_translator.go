package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkIdleTranslators tells of chains that a program has made to give another source to what comes by its interface, and
// that hold no rule: where a network leaves by another way with addresses that only this host knows the way to.
func checkIdleTranslators(x *Examination) (list []Finding) {
	for _, p := range x.variants() {
		c, ok := x.sets[p].Chain("nat", "POSTROUTING")
		if !ok || p.Family != rules.IPv4 {
			continue
		}
		for i := range c.Rules {
			if to := c.Rules[i].Target; to.Kind == rules.Jump {
				if led, ok := x.sets[p].Chain("nat", to.Name); ok && len(led.Rules) == 0 && rules.ChainOwner(to.Name) != "" {
					list = append(list, x.idle("nat "+to.Name+variantNote(p), rules.ChainOwner(to.Name))...)
				}
			}
		}
	}
	set := x.Native.Ruleset()
	if set == nil {
		return list
	}
	for _, t := range set.Tables {
		for _, c := range t.Chains {
			if t.Dormant || !x.evaluatesNatively(t) || c.Type != "nat" || c.Hook != "postrouting" {
				continue
			}
			for _, led := range c.Led() {
				if len(led.Rules) == 0 && led.Owner() != "" {
					list = append(list, x.idle(t.Family.String()+" "+t.Name+" "+led.Name, led.Owner())...)
				}
			}
		}
	}
	return list
}

// idle tells of machines of the range that providers' own NAT and overlays give out (RFC 6598), whose packets leave by
// another way untranslated although a program's chain is there for them.
func (x *Examination) idle(chain, owner string) []Finding {
	for i := range x.Routes {
		r := &x.Routes[i]
		if len(r.Hops) != 1 || r.Kind != facts.RouteUnicast || !shared.Overlaps(r.Dst) || r.Dst.Bits() < shared.Bits() {
			continue
		}
		in, client := r.Hops[0].Out, r.Dst.Addr().Next()
		for _, l := range x.Links {
			to, ok := x.insider(l.Name, rules.IPv4, func(a netip.Addr) bool { return a.Is4() && !x.IsLocal(a) && !shared.Contains(a) })
			if !ok || l.Name == in || !l.Up || l.Kind == "loopback" || x.IsLocal(client) {
				continue
			}
			way := x.fate(evaluate.Packet{Protocol: rules.TCP, Src: client, SrcPort: 51515, Dst: to, DstPort: 443, In: in})
			if !way.passes() || slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.SNAT || o.Out != l.Name }) {
				continue
			}
			return []Finding{{
				Check: "idle-translator", Severity: SeverityUnknown, Subject: chain,
				Evidence: []string{"chain " + chain + ": no rules", fmt.Sprintf("route to %s: by %s", r.Dst, in), fmt.Sprintf("from %s to %s: out by %s, not translated", client, to, l.Name)},
				Sentence: fmt.Sprintf("The chain %s of %s is there to translate what comes by %s, and is empty: machines at %s see addresses of %s, and whether they know the way back to these is not known. Where they do not, nobody is answered: have %s translate, or give them a route by this host.", chain, owner, in, l.Name, r.Dst, owner),
			}}
		}
	}
	return nil
}
