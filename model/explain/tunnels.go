package explain

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// This file finds by which packets a VPN or a tunnel of this host lives. Unlike those of a server, they may begin at this
// host as well, and from another port than the one it listens on: those of VXLAN and Geneve always do (RFC 7348, 5).

// ofTunnel makes a connection of the kernel's table the way in that it is, if it is that of a tunnel of this host.
func ofTunnel(tunnels []facts.Way, f *facts.Facts, g *flow.Flow) (facts.Way, bool) {
	if len(tunnels) == 0 || !hasAddress(f, g.ServedBy().Addr()) && !hasAddress(f, g.Client().Addr()) {
		return facts.Way{}, false
	}
	for _, w := range tunnels {
		if g.Proto() != w.Proto {
			continue
		}
		port := w.Server.Port()
		if port == 0 || slices.Contains([]uint16{g.ServedBy().Port(), g.Client().Port(), g.AskedFor().Port()}, port) {
			w.Kind, w.Client, w.Server = facts.WayTunnel, g.Client(), g.AskedFor()
			return w, true
		}
	}
	return facts.Way{}, false
}

// isTunnel tells a way in that has packets of its own with an end that is not known.
func isTunnel(w facts.Way) bool {
	return w.Kind == facts.WayVPN || w.Kind == facts.WayRelay && !w.Client.IsValid()
}

// tunnelsOf are those of the ways in that are VPN servers, tunnels and relays.
func tunnelsOf(ways []facts.Way) (all []facts.Way) {
	for _, w := range ways {
		if isTunnel(w) {
			all = append(all, w)
		}
	}
	return all
}

// firstUnprivileged is the least port that the kernel chooses by itself for a socket (net.ipv4.ip_local_port_range).
const firstUnprivileged = 1024

// outwards are the packets that this host sends to the other end of a tunnel first, and their answers.
func (c *conversation) outwards(f *facts.Facts, ins []string, ports []uint16) []probe {
	own := c.served.Port()
	ends := [][2]uint16{{own, c.seen.Port()}, {c.seen.Port(), own}, {own, own}}
	for _, port := range ports {
		if ends = append(ends, [2]uint16{own, port}); port >= firstUnprivileged {
			ends = append(ends, [2]uint16{port, own})
		}
	}
	if !c.Proto.HasPorts() {
		ends = ends[:1]
	}
	var all []probe
	for _, e := range ends {
		out := *c
		out.client, out.asked = netip.AddrPortFrom(c.served.Addr(), e[0]), netip.AddrPortFrom(c.seen.Addr(), e[1])
		out.served, out.seen = out.asked, out.client
		out.fromHere, out.toHere = true, false
		all = append(all, out.packets(f, ins)...)
	}
	return all
}

// otherPorts are probes like the first packet of a connection, from other ports: whoever comes again comes from another one.
func otherPorts(probes []probe, ports []uint16) []probe {
	if len(probes) == 0 || probes[0].packet.Local || !probes[0].packet.Protocol.HasPorts() {
		return nil
	}
	var all []probe
	for _, port := range ports {
		p := probes[0]
		p.packet.SrcPort = port
		all = append(all, p)
	}
	return all
}

// portsNamed are numbers that changed rules name and that may be ports.
func portsNamed(plan rules.Plan) []uint16 {
	const most = 8
	var all []uint16
	words := nativeWords(plan)
	for _, c := range plan.Changes() {
		for _, r := range []rules.Rule{c.Rule, c.Old} {
			words = append(words, strings.Fields(r.String())...)
		}
	}
	for _, word := range words {
		for _, number := range strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune(",:-", r) }) {
			port, err := strconv.ParseUint(number, 10, 16)
			if err == nil && port != 0 && len(all) < most && !slices.Contains(all, uint16(port)) {
				all = append(all, uint16(port))
			}
		}
	}
	return all
}
