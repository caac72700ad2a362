package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Neighbour discovery (RFC 4861) is to IPv6 what ARP is to IPv4, and filter rules see it: where they drop it, no machine on
// the link finds this host, or this host none of them, and whatever is forwarded ends there.

// The types of ICMPv6 that machines on one link find each other with.
const (
	routerAdvertisement    = 134
	neighbourSolicitation  = 135
	neighbourAdvertisement = 136
)

// discovery is a message of neighbour discovery on a link, as any of several senders may say it.
type discovery struct {
	kind    uint8
	what    string // without it, what does not work
	packets []evaluate.Packet
}

// checkDiscovery tells of filter rules that drop neighbour discovery on the links of an IPv6 gateway.
func checkDiscovery(x *Examination) (list []Finding) {
	if x.Settings.Forwarding6 != facts.SettingOn {
		return nil
	}
	for _, l := range x.Links {
		if !l.Up || l.Kind == "loopback" || isTunnel(l) {
			continue
		}
		for _, d := range x.discoveries(l.Name) {
			if found := discoveryDropped(x, l.Name, &d); found.Check != "" {
				list = append(list, found)
			}
		}
	}
	return list
}

// discoveries are the messages that have to pass on a link with IPv6.
func (n network) discoveries(link string) []discovery {
	addresses := n.inUse(link)
	i := slices.IndexFunc(addresses, func(a facts.Address) bool {
		return a.Scope == facts.ScopeGlobal && a.Prefix.Addr().Is6() && !a.Prefix.IsSingleIP()
	})
	if i < 0 {
		return nil
	}
	own := addresses[i].Prefix.Addr()
	peers := []netip.Addr{netip.MustParseAddr("fe80::ff:fec9:c9c9")}
	if a, ok := n.insider(link, rules.IPv6, func(a netip.Addr) bool { return a.Is6() && !n.IsLocal(a) }); ok {
		peers = append(peers, a)
	}
	message := func(kind uint8, in bool, from, to netip.Addr) evaluate.Packet {
		p := evaluate.Packet{Protocol: rules.ICMPv6, Src: from, Dst: to, ICMPType: kind, Has: evaluate.HasICMP, State: evaluate.StateUntracked, TTL: 255, In: link}
		if !in {
			p.In, p.Out, p.Local = "", link, true
		}
		return p
	}
	var asked, told, asks, tells, routers []evaluate.Packet
	for _, peer := range peers {
		asked = append(asked, message(neighbourSolicitation, true, peer, solicited(own)), message(neighbourSolicitation, true, peer, own))
		told = append(told, message(neighbourAdvertisement, true, peer, own))
		asks = append(asks, message(neighbourSolicitation, false, own, solicited(peer)))
		tells = append(tells, message(neighbourAdvertisement, false, own, peer))
	}
	list := []discovery{
		{neighbourSolicitation, "nobody there finds this host's addresses", asked},
		{neighbourAdvertisement, "this host does not hear who answers there", told},
		{neighbourSolicitation, "this host finds nobody there", asks},
		{neighbourAdvertisement, "nobody there hears that this host answers", tells},
	}
	if n.Settings.Links[link].AcceptRA == 2 {
		routers = append(routers, message(routerAdvertisement, true, peers[0], netip.MustParseAddr("ff02::1")))
		list = append(list, discovery{routerAdvertisement, "this host loses the routes that routers there tell of", routers})
	}
	return list
}

// undiscovered tells that neighbour discovery is dropped on the link to the next machine on a forward's way, so that it cannot
// be found there.
func undiscovered(x *Examination, f *Forward, hop netip.Addr) Finding {
	route, certain := x.Lookup(evaluate.RouteQuery{Dst: hop})
	if f.Rule.Family != rules.IPv6 || !certain || route.Kind != facts.RouteUnicast {
		return Finding{}
	}
	return x.discoveryFails(route.Out)
}

// undiscoveredLater tells the same of both ends of a forward that works as long as neighbours are known from before.
func undiscoveredLater(x *Examination, f *Forward) (list report) {
	if f.Rule.Family != rules.IPv6 {
		return nil
	}
	ends := []string{f.Link}
	if route, certain := x.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()}); certain && route.Kind == facts.RouteUnicast && !f.local {
		ends = append(ends, route.Out)
	}
	for _, link := range ends {
		list.take([]Finding{x.discoveryFails(link)})
	}
	return list
}

// discoveryFails is the first message of neighbour discovery that does not get through on a link.
func (x *Examination) discoveryFails(link string) Finding {
	l, ok := x.LinkNamed(link)
	if !ok || !l.Up || l.Kind == "loopback" || isTunnel(l) {
		return Finding{}
	}
	for _, d := range x.discoveries(link) {
		if found := discoveryDropped(x, link, &d); found.Check != "" {
			return found
		}
	}
	return Finding{}
}

// solicited is the multicast address at which a machine is asked for its own (RFC 4291, 2.7.1).
func solicited(a netip.Addr) netip.Addr {
	b, group := a.As16(), netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], b[13:])
	return netip.AddrFrom16(group)
}

// discoveryDropped tells which rule or policy drops a message, whoever of the link sends it.
func discoveryDropped(x *Examination, link string, d *discovery) Finding {
	var first evaluate.Outcome
	var way fate
	for _, p := range d.packets {
		next := x.fate(p)
		o, blocked := next.blocked()
		switch {
		case blocked && !o.DroppedBy.IsZero():
			first, way = o, next
		case !p.Dst.IsMulticast() || next.arrives():
			return Finding{} // who is in a group is not always known: then it is as with what is for one machine
		}
	}
	if first.DroppedBy.IsZero() {
		return Finding{}
	}
	name := map[uint8]string{neighbourSolicitation: "neighbour solicitations", neighbourAdvertisement: "neighbour advertisements", routerAdvertisement: "router advertisements"}[d.kind]
	direction := "that come by " + link
	if d.packets[0].Local {
		direction = "that this host sends by " + link
	}
	by := dropperName(first.DroppedBy, way.hook(first.DroppedBy))
	found := Finding{
		Check: "discovery-dropped", Severity: SeverityError, Subject: ruleName(first.DroppedBy),
		Evidence: []string{fmt.Sprintf("ICMPv6 type %d (%s) %s", d.kind, name, direction), x.dropperText(first.DroppedBy)},
		Sentence: fmt.Sprintf("%s drops %s (ICMPv6 type %d) %s: %s, and no IPv6 packet gets through there.", by, name, d.kind, direction, d.what),
	}
	found.Cure, _ = x.titled("Let machines on one link find each other over IPv6", nil, x.discoveryPassages(first.DroppedBy), func(t *trial) bool {
		y := t.fate(way.Packet)
		_, blocked := y.blocked()
		return !blocked
	})
	return uncertain(found, &way)
}

// discoveryPassages are the messages on all links that a rule or policy drops, each with the rule that lets it through.
func (x *Examination) discoveryPassages(by evaluate.RuleRef) (list []passage) {
	for _, l := range x.Links {
		if !l.Up || l.Kind == "loopback" || isTunnel(l) {
			continue
		}
		for _, d := range x.discoveries(l.Name) {
			line := fmt.Sprintf("-A %%s -p ipv6-icmp -m icmp6 --icmpv6-type %d -j ACCEPT", d.kind)
			last := d.packets[len(d.packets)-1]
			way := x.fate(last)
			if o, blocked := way.blocked(); blocked && o.DroppedBy == by {
				list = append(list, passage{last, line, "IPv6 finds neighbours by these messages, as IPv4 does by ARP, which no filter rule sees: without it " + strings.TrimSuffix(d.what, ".")})
			}
		}
	}
	return list
}
