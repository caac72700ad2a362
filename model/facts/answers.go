package facts

import (
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// AnswersFor tells whether this host answers ARP, or neighbour discovery, for an address on a link, where others look for it so
// that lie in one network with it: because it has the address there, because it was told to, or, over IPv4, because it has the
// address anywhere and arp_ignore lets it, or, with proxy_arp, because it routes the address to another link (arp_process in
// net/ipv4/arp.c). Over IPv6 an address of another link is none of this one's (ndisc_recv_ns in net/ipv6/ndisc.c). On links
// without such questions, such as tunnels, whatever arrives is taken.
func (f *Facts) AnswersFor(link string, a netip.Addr) bool {
	a = a.Unmap()
	asked := true
	if l, ok := f.LinkNamed(link); ok {
		asked = !l.PointToPoint && l.MAC != ""
	}
	switch {
	case f.IsLocal(a) && !asked:
		return true
	case a.Is6():
		return f.hasOn(link, a) || f.proxied(link, a)
	case f.IsLocal(a):
		return f.answersARP(link, a)
	}
	return f.proxied(link, a)
}

// hasOn tells that a link itself has an address.
func (f *Facts) hasOn(link string, a netip.Addr) bool {
	return slices.ContainsFunc(f.Addresses, func(x Address) bool { return x.Link == link && x.Prefix.Addr() == a })
}

// answersARP tells what arp_ignore makes of a question for an address of this host (ip-sysctl in the kernel's documentation; the
// larger value of all and of the link counts).
func (f *Facts) answersARP(link string, a netip.Addr) bool {
	has := func(fits func(Address) bool) bool {
		return slices.ContainsFunc(f.Addresses, func(x Address) bool { return x.Prefix.Addr() == a && fits(x) })
	}
	switch f.ARPIgnored(link) {
	case 1, 2:
		return f.hasOn(link, a)
	case 3:
		return has(func(x Address) bool { return x.Scope != ScopeHost })
	case 8:
		return false
	}
	return true
}

// ARPIgnored is the mode of arp_ignore that is in effect on a link.
func (f *Facts) ARPIgnored(link string) int {
	return max(f.Settings.All.ARPIgnore, f.Settings.On(link).ARPIgnore)
}

// proxied tells that this host answers for an address that it does not have on a link. Over IPv4 that has to be routed to
// another link, whether it was told so for one address (ip neigh add proxy) or for all (proxy_arp); over IPv6 it takes both
// the address and proxy_ndp.
func (f *Facts) proxied(link string, a netip.Addr) bool {
	told := slices.Contains(f.Proxied, Proxied{link, a})
	if f.Settings.ForwardsFrom(link, rules.FamilyOf(a)) != SettingOn {
		return false
	}
	if a.Is6() {
		return told && either(f.Settings.All.ProxyNDP, f.Settings.On(link).ProxyNDP) != SettingOff
	}
	if !told && either(f.Settings.All.ProxyARP, f.Settings.On(link).ProxyARP) != SettingOn {
		return false
	}
	route, certain := f.Lookup(evaluate.RouteQuery{Dst: a})
	return certain && route.Kind == RouteUnicast && route.Out != link
}
