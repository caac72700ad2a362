package doctor

import (
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// network is what the host knows of the networks around it.
type network struct {
	*facts.Facts
	named []netip.Addr // strangers that rules speak of, as lists of bad networks do: nobody to ask for everybody
}

// namedStrangers are the strangers in networks that rules of these sets, and native filters, name.
func namedStrangers(sets map[rules.Variant]*rules.Ruleset, listed *nativeLists) (named []netip.Addr) {
	for _, n := range slices.Concat(listed.sources, listed.dests) {
		for _, a := range strangers {
			if n.Contains(a) {
				named = append(named, a)
			}
		}
	}
	speaksOf := func(n rules.Net, a netip.Addr) bool { return !n.Any() && n.Contains(a) }
	for _, s := range sets {
		for _, t := range s.Tables {
			for _, c := range t.Chains {
				for i := range c.Rules {
					for _, a := range strangers {
						if s.Family.Holds(a) && (speaksOf(c.Rules[i].Source, a) || speaksOf(c.Rules[i].Dest, a)) && !slices.Contains(named, a) {
							named = append(named, a)
						}
					}
				}
			}
		}
	}
	return named
}

// neighbours tells that two machines are on one network of this host's, and
// answer each other directly.
func (n network) neighbours(a, b netip.Addr) bool {
	for _, x := range n.Addresses {
		if x.Scope != facts.ScopeLink && !x.Prefix.IsSingleIP() && x.Prefix.Contains(a) && x.Prefix.Contains(b) {
			return !n.IsLocal(a) && !n.IsLocal(b)
		}
	}
	return false
}

// isSession tells the operator's own connection.
func (n network) isSession(f *flow.Flow) bool {
	s := n.Session
	return s != nil && f.Proto() == rules.TCP && (f.Client() == s.Client || f.ServedBy() == s.Client || f.AskedFor() == s.Client)
}

// inUse are the addresses of a link, "" of all, that the kernel takes packets to. Of IPv6 it does so once it knows that
// nobody else has them (RFC 4862, 5.4), and where nothing is asked a moment after they were added: then they are routed
// to this host.
func (n network) inUse(link string) []facts.Address {
	return slices.DeleteFunc(slices.Clone(n.Addresses), func(a facts.Address) bool {
		to := a.Prefix.Addr()
		if link != "" && a.Link != link || a.Tentative {
			return true
		}
		if to.Is4() || a.Scope != facts.ScopeGlobal || n.Routes == nil {
			return false
		}
		route, certain := n.Lookup(evaluate.RouteQuery{Dst: to, In: a.Link})
		return certain && route.Kind != facts.RouteLocal
	})
}

// ownAddr is this host's address that a machine behind a link knows it by.
func (n network) ownAddr(link string, to netip.Addr) (netip.Addr, bool) {
	var any netip.Addr
	for _, a := range n.inUse(link) {
		if a.Prefix.Addr().Is4() != to.Is4() || a.Scope != facts.ScopeGlobal {
			continue
		}
		if a.Prefix.Contains(to) {
			return a.Prefix.Addr(), true
		}
		if !any.IsValid() {
			any = a.Prefix.Addr()
		}
	}
	return any, any.IsValid()
}

// redirectAddr is the address that REDIRECT gives what arrives on a link: the
// first one.
func (n network) redirectAddr(link string, like netip.Addr) (netip.Addr, bool) {
	for _, a := range n.inUse(link) {
		if a.Prefix.Addr().Is4() == like.Is4() && a.Scope != facts.ScopeLink {
			return a.Prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// uplink is the link of the best default route of a family.
func (n network) uplink(family rules.Family) (string, bool) {
	r, ok := n.DefaultRoute(family)
	if !ok {
		return "", false
	}
	return r.Hops[0].Out, true
}

// outward tells that the Internet is beyond a link: it has a default route in some
// table, or a public IPv4 address.
func (n network) outward(link string) bool {
	for _, r := range n.Routes {
		if r.Dst.Bits() == 0 && slices.ContainsFunc(r.Hops, func(h facts.Hop) bool { return h.Out == link }) {
			return true
		}
	}
	return slices.ContainsFunc(n.AddressesOn(link), func(a facts.Address) bool {
		return a.Scope == facts.ScopeGlobal && a.Prefix.Addr().Is4() && !isInner(a.Prefix.Addr())
	})
}

// shared is the network of carriers' own NAT (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// isInner tells an address that the Internet has no way to.
func isInner(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() || shared.Contains(a)
}

// strangers are addresses of somebody on the Internet, from the blocks that are
// reserved for documentation.
var strangers = []netip.Addr{
	netip.MustParseAddr("198.51.100.201"), netip.MustParseAddr("192.0.2.201"), netip.MustParseAddr("203.0.113.201"), netip.MustParseAddr("198.18.7.201"),
	netip.MustParseAddr("2001:db8:c9c9::c9"), netip.MustParseAddr("2001:db8:f00d::c9"),
	// Once reserved too; no list of reserved networks has these.
	netip.MustParseAddr("128.66.7.201"), netip.MustParseAddr("2a00:c9c9::c9"),
}

// worldAddr is an address of somebody who is on no network of this host, reached
// by a link, or by any if that is empty.
func (n network) worldAddr(family rules.Family, link string) (netip.Addr, bool) {
	var spare netip.Addr
	for _, a := range strangers {
		if !family.Holds(a) || n.IsLocal(a) {
			continue
		}
		if _, near := n.LinkOf(a); near {
			continue
		}
		if !spare.IsValid() {
			spare = a
		}
		if slices.Contains(n.named, a) {
			continue
		}
		if r, _ := n.Lookup(evaluate.RouteQuery{Dst: a}); r.Kind == facts.RouteUnicast && (link == "" || r.Out == link) {
			return a, true
		}
	}
	return spare, spare.IsValid()
}

// beyondLink is an address of somebody whom machines inside may ask for by a way out: on the Internet, or where no default
// route leads there, of which checkDefaultRoutes tells, in the network next to it.
func (n network) beyondLink(family rules.Family, out string) (netip.Addr, bool) {
	if !n.anyDefault(family) {
		if near, ok := n.insider(out, family, func(a netip.Addr) bool { return family.Holds(a) && !n.IsLocal(a) }); ok {
			return near, true
		}
	}
	return n.worldAddr(family, out)
}

// insider is a machine on a network of a link: one that is known, or one that
// might be there.
func (n network) insider(link string, family rules.Family, fits func(netip.Addr) bool) (netip.Addr, bool) {
	for _, m := range n.Neighbours {
		if m.Link == link && m.Reachable && fits(m.Addr) && !m.Addr.IsLinkLocalUnicast() && n.onNet(link, m.Addr) {
			return m.Addr, true
		}
	}
	for _, a := range n.AddressesOn(link) {
		p := a.Prefix.Masked()
		if a.Peer.IsValid() && fits(a.Peer) {
			return a.Peer, true
		}
		if !family.Holds(p.Addr()) || a.Scope == facts.ScopeLink || p.IsSingleIP() {
			continue
		}
		candidate := p.Addr()
		for range 64 {
			if candidate = candidate.Next(); !p.Contains(candidate) {
				break
			}
			if fits(candidate) {
				return candidate, true
			}
		}
	}
	return netip.Addr{}, false
}

// onNet tells that an address is in one of a link's networks.
func (n network) onNet(link string, a netip.Addr) bool {
	return slices.ContainsFunc(n.AddressesOn(link), func(x facts.Address) bool { return x.Prefix.Contains(a) })
}

// netOf is the network of a link that an address is in.
func (n network) netOf(link string, a netip.Addr) (netip.Prefix, bool) {
	for _, x := range n.AddressesOn(link) {
		if x.Prefix.Contains(a) {
			return x.Prefix, true
		}
	}
	return netip.Prefix{}, false
}

// innerLinks are the links with networks inside.
func (n network) innerLinks(family rules.Family, wan string) []string {
	var list []string
	for _, l := range n.Links {
		if l.Name == wan || l.Kind == "loopback" || !l.Up || n.outward(l.Name) {
			continue
		}
		if slices.ContainsFunc(n.AddressesOn(l.Name), func(a facts.Address) bool { return family.Holds(a.Prefix.Addr()) && a.Scope == facts.ScopeGlobal }) {
			list = append(list, l.Name)
		}
	}
	return list
}

func (n network) linkNames() string {
	var names []string
	for _, l := range n.Links {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}

// standby tells that another host may have this one's addresses at times.
func (t *trial) standby() bool {
	if _, ok := t.Present("keepalived"); ok {
		return true
	}
	for _, v := range t.variants() { // a filter that lets VRRP in (RFC 9568), where the program's name is not seen
		c, ok := t.sets[v].Chain("filter", "INPUT")
		if ok && slices.ContainsFunc(c.Rules, func(r rules.Rule) bool {
			n, known := r.Protocol.Number()
			return known && !r.Protocol.Not && n == 112 && r.Target.Kind == rules.Accept
		}) {
			return true
		}
	}
	return false
}

func (n network) addressesText(link string) string {
	var list []string
	for _, a := range n.AddressesOn(link) {
		if a.Scope == facts.ScopeGlobal {
			list = append(list, a.Prefix.String())
		}
	}
	if len(list) == 0 {
		return "no address"
	}
	return strings.Join(list, ", ")
}

// neighbour is what is known of the next machine on the way to an address.
func (n network) neighbour(to netip.Addr) (next facts.Neighbour, hop netip.Addr, ok bool) {
	route, _ := n.Lookup(evaluate.RouteQuery{Dst: to})
	hop = to
	if route.Gateway.IsValid() {
		hop = route.Gateway
	}
	for _, m := range n.Neighbours {
		if m.Addr == hop && m.Link == route.Out {
			return m, hop, true
		}
	}
	return facts.Neighbour{}, hop, false
}

// insideLink is the link by which packets of a machine inside come: whose network it is on, or which leads to it.
func (n network) insideLink(a netip.Addr) (string, bool) {
	if link, ok := n.LinkOf(a); ok {
		return link, true
	}
	route, certain := n.Lookup(evaluate.RouteQuery{Dst: a})
	return route.Out, certain && route.Kind == facts.RouteUnicast && isInner(a) && !n.outward(route.Out)
}

// comesBy tells that packets from an address may come by a link: the way back leads there, and it is not a private
// address of which only the default route knows.
func (n network) comesBy(a netip.Addr, link string) bool {
	route, certain := n.Lookup(evaluate.RouteQuery{Dst: a})
	return certain && route.Kind == facts.RouteUnicast && route.Out == link && (!isInner(a) || !n.outward(link) || n.onNet(link, a))
}
