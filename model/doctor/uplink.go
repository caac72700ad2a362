package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkUplinkAddress tells that the way to the Internet has no public address.
func checkUplinkAddress(x *Examination) []Finding {
	wan, ok := x.WAN()
	if !ok || !wan.IPv4.Prefix.IsValid() || !isInner(wan.IPv4.Prefix.Addr()) {
		return nil
	}
	a := wan.IPv4.Prefix.Addr()
	sentence := fmt.Sprintf("%s has the private address %s: another router translates once more, and from the Internet only what that one forwards arrives here.", wan.Link, a)
	if shared.Contains(a) {
		sentence = fmt.Sprintf("%s has %s, an address of the provider's own NAT (RFC 6598): nobody on the Internet can open a connection to this host over IPv4.", wan.Link, a)
	}
	return []Finding{{Check: "cgnat", Severity: SeverityNote, Subject: wan.Link, spare: true, Evidence: []string{wan.Link + " has " + wan.IPv4.Prefix.String()}, Sentence: sentence}}
}

// checkDefaultRoutes tells of a host that forwards and has no way to the Internet, or is about to lose it.
func checkDefaultRoutes(x *Examination) (list []Finding) {
	if name, ok := x.DeafToRouters(); ok && x.Settings.Forwarding6 == facts.SettingOn {
		list = append(list, Finding{
			Check: "deaf-to-routers", Severity: SeverityWarning, Subject: name, Evidence: []string{name + " = 1, net.ipv6.conf.all.forwarding = 1", "the IPv6 default route comes from a router"},
			Sentence: "This host forwards IPv6, and with accept_ra = 1 a host that forwards hears no router: its IPv6 default route goes when its lifetime ends.",
			Cure:     rules.Plan{Title: "Hear routers while forwarding", Steps: []rules.Step{setting(name, "1", "2", "a host that forwards hears its own router only with 2")}},
		})
	}
	if x.Routes == nil || x.RoutesCut {
		return list
	}
	for _, family := range rules.Families {
		if x.anyDefault(family) || !x.sharesOut(family) || x.Settings.ForwardsFrom("", family) == facts.SettingOff {
			continue
		}
		found := Finding{
			Check: "no-default-route", Severity: SeverityError, Subject: family.Title(), Evidence: []string{"no route to " + family.Whole().String() + " in any table"},
			Sentence: fmt.Sprintf("There is no %s default route: rules share this host's address with networks, and nothing of them gets to the Internet.", family.Title()),
		}
		if out, ok := x.publicIPv6(); family == rules.IPv6 && ok {
			found.Severity = SeverityWarning
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s has %s", out.Link, out.Prefix))
		} else if family == rules.IPv6 {
			found.Severity = SeverityNote // IPv6 inside alone is nothing odd
		}
		if near := x.answeredNear(family); near.IsValid() {
			found.Severity = SeverityNote
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s, which a route leads to, has been answered or has answered", near))
			found.Sentence = fmt.Sprintf("There is no %s default route: rules share this host's address with networks, and what these send gets to the networks next to it, not to the Internet.", family.Title())
		}
		if family == rules.IPv4 && x.Drops.InNoRoute > 0 {
			found.Severity = max(found.Severity, SeverityWarning)
			found.Evidence = append(found.Evidence, rules.Plural(x.Drops.InNoRoute, "packet")+" found no route so far")
		}
		if link, ok := x.hearsNoRouter(family); ok {
			found.Severity = max(found.Severity, SeverityWarning)
			name := facts.LinkSetting6(link, "accept_ra")
			found.Evidence = append(found.Evidence, name+" = 1, net.ipv6.conf.all.forwarding = 1")
			found.Sentence += fmt.Sprintf(" %s hears no router as long as this host forwards, unless accept_ra is 2.", link)
			found.Cure = rules.Plan{Title: "Hear routers while forwarding", Steps: []rules.Step{setting(name, "1", "2", "a host that forwards hears its own router only with 2")}}
		}
		list = append(list, found)
	}
	return list
}

// publicIPv6 is an address by which the Internet knows a way out of this host over IPv6, as a provider gives it.
func (n network) publicIPv6() (facts.Address, bool) {
	all := n.inUse("")
	i := slices.IndexFunc(all, func(a facts.Address) bool {
		return a.Prefix.Addr().Is6() && a.Scope == facts.ScopeGlobal && !a.Deprecated && !isInner(a.Prefix.Addr()) && n.outward(a.Link)
	})
	if i < 0 {
		return facts.Address{}, false
	}
	return all[i], true
}

// answeredNear is somebody next to a way to the Internet who has answered machines inside, or was answered by them.
func (x *Examination) answeredNear(family rules.Family) netip.Addr {
	near := func(a netip.Addr) bool {
		route, certain := x.Lookup(evaluate.RouteQuery{Dst: a})
		return family.Holds(a) && certain && route.Kind == facts.RouteUnicast && (x.outward(route.Out) || !isInner(a))
	}
	for end, seen := range x.stats.answering {
		if x.IsLocal(seen) && near(end.Addr()) {
			return end.Addr()
		}
	}
	for _, t := range x.stats.byRule {
		for i := range t.answered {
			if a := t.answered[i].Client().Addr(); near(a) {
				return a
			}
		}
	}
	return netip.Addr{}
}

// anyDefault tells that some table has a default route of a family.
func (n network) anyDefault(family rules.Family) bool {
	return slices.ContainsFunc(n.Routes, func(r facts.RouteEntry) bool {
		halves := r.Dst.Bits() <= 1 && r.Dst.Bits() >= 0                                                                               // 0.0.0.0/1 and 128.0.0.0/1, as VPNs have them
		return halves && family.Holds(r.Dst.Addr()) && len(r.Hops) > 0 || r.Dst.Bits() == 3 && family == rules.IPv6 && len(r.Hops) > 0 // 2000::/3
	})
}

// sharesOut tells that a rule of the administrator shares an address with what leaves for anybody.
func (t *trial) sharesOut(family rules.Family) bool {
	for _, p := range t.variants() {
		c, ok := t.sets[p].Chain("nat", "POSTROUTING")
		if ok && p.Family == family && slices.ContainsFunc(c.Rules, func(r rules.Rule) bool {
			return (r.Target.Kind == rules.SNAT || r.Target.Kind == rules.Masquerade) && r.Dest.Any() && rules.OwnerOf(r) == "" && !r.Out.Any() && !t.fitsNone(r.Out)
		}) {
			return true
		}
	}
	return t.sharesOutNatively(family)
}

// sharesOutNatively tells that a native rule of the administrator shares the address of a way to the Internet with a
// network that is there.
func (t *trial) sharesOutNatively(family rules.Family) (shares bool) {
	t.nativeHooked(family, "nat", "POSTROUTING", func(_ evaluate.RuleRef, r *rules.Rule, s sketch) {
		shares = shares || (r.Target.Kind == rules.SNAT || r.Target.Kind == rules.Masquerade) && ownerOf(r, s) == "" && s.dst.Any() &&
			!s.out.Any() && !s.out.Not && t.outward(s.out.Name) && len(t.innerLinks(family, s.out.Name)) > 0
	})
	return shares
}

// hearsNoRouter is the link that would learn a default route from a router, if it listened.
func (n network) hearsNoRouter(family rules.Family) (string, bool) {
	if family != rules.IPv6 || n.Settings.Forwarding6 != facts.SettingOn {
		return "", false
	}
	up, ok := n.uplink(rules.IPv4)
	return up, ok && n.Settings.On(up).AcceptRA == 1
}
