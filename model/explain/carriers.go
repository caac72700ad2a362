package explain

import (
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// This file finds what a connection lives by besides its own packets: the words about their size, and, for
// IPv6, neighbour discovery, without which its neighbours no longer find this host (RFC 4861, RFC 8201).

// ICMP messages that connections live by (linux/icmp.h, linux/icmpv6.h).
const (
	destinationUnreachable, fragmentationNeeded = 3, 4
	packetTooBig                                = 2
	routerAdvertisement                         = 134
	neighbourSolicitation                       = 135
	neighbourAdvertisement                      = 136
)

// carriersOf are probes of what carries a way in to this host.
func carriersOf(w facts.Way, f *facts.Facts) []probe {
	if w.Kind == facts.WayThrough {
		return nil
	}
	var all []probe
	for _, a := range f.Addresses {
		own := a.Prefix.Addr()
		switch {
		case own.IsLoopback() || a.Tentative || w.Client.IsValid() && w.Client.Addr().Is4() != own.Is4():
			continue
		case w.Server.Addr().IsValid() && !w.Server.Addr().IsUnspecified() && w.Server.Addr() != own:
			continue
		}
		all = append(all, sizeOf(w, own)...)
		if own.Is6() {
			all = append(all, neighboursOf(a)...)
		}
	}
	return all
}

// sizeOf is the message that packets to a client are too big for some router.
func sizeOf(w facts.Way, own netip.Addr) []probe {
	from, protocol := w.Client.Addr(), rules.Protocol(rules.ICMP)
	kind, code := uint8(destinationUnreachable), uint8(fragmentationNeeded)
	if own.Is6() {
		protocol, kind, code = rules.ICMPv6, packetTooBig, 0
	}
	if !from.IsValid() {
		from = anywhere[rules.FamilyOf(own)]
	}
	p := evaluate.Packet{Protocol: protocol, Src: from, Dst: own, ICMPType: kind, ICMPCode: code, Has: evaluate.HasICMP, State: evaluate.StateRelated}
	return []probe{{p, "word that packets to " + from.String() + " are too big"}}
}

// neighboursOf are the questions and answers by which neighbours on a link find each other.
func neighboursOf(a facts.Address) []probe {
	own, link := a.Prefix.Addr(), a.Link
	neighbour, all := netip.MustParseAddr("fe80::ff:fe00:1"), netip.MustParseAddr("ff02::1")
	of := func(kind uint8, src, dst netip.Addr, in string) probe {
		p := evaluate.Packet{Protocol: rules.ICMPv6, Src: src, Dst: dst, In: in, Local: in == "", ICMPType: kind, Has: evaluate.HasICMP, State: evaluate.StateUntracked}
		if in == "" {
			p.Out = link
		}
		return probe{p, "neighbour discovery on " + link}
	}
	return []probe{
		of(neighbourSolicitation, neighbour, own, link), of(neighbourSolicitation, neighbour, solicited(own), link),
		of(neighbourAdvertisement, neighbour, own, link), of(routerAdvertisement, neighbour, all, link),
		of(neighbourAdvertisement, own, neighbour, ""), of(neighbourAdvertisement, own, neighbourOf(a.Prefix), ""),
		of(neighbourSolicitation, own, solicited(neighbour), ""),
	}
}

// solicited is the multicast address by which an address is asked for (RFC 4291, 2.7.1).
func solicited(a netip.Addr) netip.Addr {
	b, to := a.As16(), netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(to[13:], b[13:])
	return netip.AddrFrom16(to)
}

// takesARP tells that a native change may be about ARP: it is made in a family whose chains see it (nft(8), "Address families"),
// and in netdev does not begin by matching IP alone: what comes later may be an exception, a comment or a map.
func takesARP(plan rules.Plan) bool {
	return slices.ContainsFunc(plan.Natives(), func(c rules.NativeChange) bool {
		switch c.Family {
		case "arp", "bridge":
			return true
		case "netdev":
			first, _, _ := strings.Cut(c.Text, " ")
			return !slices.Contains(aboutIP, first)
		}
		return false
	})
}

// aboutIP are the first words of rules that match no packets of family netdev but those of IP.
var aboutIP = []string{"ip", "ip6", "tcp", "udp", "icmp", "icmpv6", "sctp", "udplite", "dccp", "th"}
