package explain

import (
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// This file finds what keeps the route to a client and the address that it came to: the messages of routing daemons and of
// DHCP. Where they stop, the way in ends minutes later.

// keeper is how daemons of a protocol speak to each other.
type keeper struct {
	protocol rules.Protocol
	port     uint16 // of both ends, or of the one that waits; 0 none
	groups   [2]netip.Addr
	name     string
}

func groups(ipv4, ipv6 string) (all [2]netip.Addr) {
	all[rules.IPv6] = netip.MustParseAddr(ipv6)
	if ipv4 != "" {
		all[rules.IPv4] = netip.MustParseAddr(ipv4)
	}
	return all
}

// keepers are the protocols by the name of the origin that the kernel notes with a route (rtnetlink.h, RTPROT_*). Multicast
// groups and ports are those of IANA.
var keepers = map[string]keeper{
	"ospf":       {89, 0, groups("224.0.0.5", "ff02::5"), "OSPF"},
	"bgp":        {rules.TCP, 179, [2]netip.Addr{}, "BGP"},
	"rip":        {rules.UDP, 520, groups("224.0.0.9", "ff02::9"), "RIP"},
	"babel":      {rules.UDP, 6696, groups("", "ff02::1:6"), "Babel"},
	"eigrp":      {88, 0, groups("224.0.0.10", "ff02::a"), "EIGRP"},
	"openr":      {rules.UDP, 6666, groups("", "ff02::1"), "Open/R"},
	"keepalived": {112, 0, groups("224.0.0.18", "ff02::12"), "VRRP"},
}

// Bidirectional forwarding detection (RFC 5880, 5881), by which daemons notice that a neighbour is gone.
var detection = keeper{rules.UDP, 3784, [2]netip.Addr{}, "BFD"}

// anyDaemon are origins of programs that speak several of these protocols.
var anyDaemon = []string{"zebra", "bird", "gated", "xorp", "mrt", "mrouted"}

// upkeepOf are probes of what keeps the routes to a way's clients, and its address here.
func upkeepOf(w facts.Way, f *facts.Facts) []probe {
	return append(routesOf(w, f), leasesOf(w, f)...)
}

// routesOf are the messages of the daemons that have made a route to a client.
func routesOf(w facts.Way, f *facts.Facts) (all []probe) {
	type spoken struct {
		name string
		hop  facts.Hop
	}
	seen := map[spoken]bool{}
	for _, to := range clientsOf(w) {
		for _, r := range f.Routes {
			if !r.Dst.Contains(to) {
				continue
			}
			for _, k := range keepersOf(r.Origin) {
				for _, hop := range r.Hops {
					if s := (spoken{k.name, hop}); !seen[s] {
						seen[s] = true
						all = append(all, k.messages(f, hop)...)
					}
				}
			}
		}
	}
	return all
}

// clientsOf is the client of a way, or somebody on the Internet where it waits for anybody.
func clientsOf(w facts.Way) []netip.Addr {
	if a := w.Client.Addr(); a.IsValid() {
		return []netip.Addr{a}
	}
	return anywhere[:]
}

// keepersOf are the protocols that may keep routes of an origin.
func keepersOf(origin string) (all []keeper) {
	switch k, ok := keepers[origin]; {
	case ok:
		all = append(all, k)
	case slices.Contains(anyDaemon, origin):
		for _, name := range []string{"ospf", "bgp", "rip", "babel", "eigrp"} {
			all = append(all, keepers[name])
		}
	default:
		return nil
	}
	return append(all, detection)
}

// messages are what is said between this host and a neighbour on a link, in either direction, and what begins it.
func (k *keeper) messages(f *facts.Facts, hop facts.Hop) (all []probe) {
	for _, a := range f.AddressesOn(hop.Out) {
		own, family := a.Prefix.Addr(), rules.FamilyOf(a.Prefix.Addr())
		next := hop.Gateway
		if !next.IsValid() || !family.Holds(next) {
			next = neighbourOf(a.Prefix)
		}
		for _, far := range []netip.Addr{next, anywhere[family]} {
			if far.IsValid() && !a.Tentative {
				all = append(all, k.between(far, own, hop.Out)...)
			}
		}
		if group := k.groups[family]; group.IsValid() {
			all = append(all, k.message(next, group, hop.Out, true), k.message(own, group, hop.Out, false))
		}
	}
	return all
}

// between are messages to one machine, and its answers.
func (k *keeper) between(far, own netip.Addr, link string) []probe {
	all := []probe{k.message(far, own, link, true), k.message(own, far, link, false)}
	for _, p := range all[:2] {
		if k.protocol != rules.TCP {
			break
		}
		p.packet.State = evaluate.StateEstablished
		all = append(all, p)
		p.packet.SrcPort, p.packet.DstPort = p.packet.DstPort, p.packet.SrcPort
		all = append(all, p)
	}
	return all
}

// message is one message that comes in, or leaves.
func (k *keeper) message(src, dst netip.Addr, link string, in bool) probe {
	p := evaluate.Packet{Protocol: k.protocol, Src: src, Dst: dst, In: link, State: evaluate.StateNew, TTL: 1}
	if k.port != 0 {
		p.SrcPort, p.DstPort = k.port, k.port
		if k.protocol == rules.TCP {
			p.SrcPort = 50000
		}
	}
	if !in {
		p.In, p.Out, p.Local = "", link, true
	}
	return probe{p, k.name + " on " + link + ", which keeps the route to it,"}
}

// leasesOf are the messages by which this host keeps an address that it was lent, which a client came to or is routed by.
func leasesOf(w facts.Way, f *facts.Facts) (all []probe) {
	for _, a := range f.Addresses {
		own := a.Prefix.Addr()
		to := w.Server.Addr()
		lent := a.Dynamic && a.Valid > 0 && a.Scope == facts.ScopeGlobal
		if !lent || to.IsValid() && !to.IsUnspecified() && to != own && w.Kind != facts.WayThrough && w.Kind != facts.WayPath {
			continue
		}
		server, asks, answers, everybody := neighbourOf(a.Prefix), uint16(68), uint16(67), netip.MustParseAddr("255.255.255.255")
		if own.Is6() {
			server, asks, answers, everybody = netip.MustParseAddr("fe80::ff:fe00:1"), 546, 547, netip.MustParseAddr("ff02::1:2")
		}
		message := func(src, dst netip.Addr, sport, dport uint16, in string) {
			p := evaluate.Packet{Protocol: rules.UDP, Src: src, Dst: dst, SrcPort: sport, DstPort: dport, In: in, Local: in == "", State: evaluate.StateNew}
			if in == "" {
				p.Out = a.Link
			}
			all = append(all, probe{p, "DHCP on " + a.Link + ", which keeps the address " + own.String() + ","})
			p.State = evaluate.StateEstablished
			all = append(all, probe{p, all[len(all)-1].what})
		}
		message(own, server, asks, answers, "")
		message(own, everybody, asks, answers, "")
		message(server, own, answers, asks, a.Link)
	}
	return all
}
