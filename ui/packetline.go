package ui

import (
	"fmt"
	"net/netip"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// packetWords say what a packet is made of.
const packetWords = "a packet is PROTO SRC:PORT DST:PORT, and the interface it arrives by if you like"

// parsePacketLine reads PROTO SRC[:PORT] DST[:PORT] [INTERFACE]. The first part that is wrong is named.
func parsePacketLine(line string) (evaluate.Packet, error) {
	f := strings.Fields(line)
	if len(f) == 0 {
		return evaluate.Packet{}, fmt.Errorf("%s", packetWords)
	}
	proto, ok := rules.ProtoNumber(strings.ToLower(f[0]))
	if !ok {
		return evaluate.Packet{}, fmt.Errorf("%q is not a protocol: use tcp, udp, icmp, another name or a number", f[0])
	}
	ends := [2]netip.AddrPort{}
	for i, name := range [2]string{"source", "destination"} {
		if len(f) < i+2 {
			return evaluate.Packet{}, fmt.Errorf("the %s is missing: %s", name, packetWords)
		}
		var err error
		if ends[i], err = parseEnd(f[i+1]); err != nil {
			return evaluate.Packet{}, fmt.Errorf("%s %s", name, err)
		}
	}
	if len(f) > 4 {
		return evaluate.Packet{}, fmt.Errorf("%q is one word too many: %s", f[4], packetWords)
	}
	if proto == rules.ICMP && ends[1].Addr().Is6() {
		proto = rules.ICMPv6
	}
	if proto.HasPorts() && ends[1].Port() == 0 {
		return evaluate.Packet{}, fmt.Errorf("%s needs a destination port: %s", f[0], netip.AddrPortFrom(ends[1].Addr(), 80))
	}
	p, err := evaluate.NewPacket(proto, ends[0], ends[1])
	if len(f) == 4 {
		p.In = f[3]
	}
	return p, err
}

// parseEnd reads an address, with a port or without.
func parseEnd(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	end, err := netip.ParseAddrPort(s)
	if err == nil {
		return end, nil
	}
	if why := rules.WrongPort(s); why != "" {
		return end, fmt.Errorf("%q: %s", s, why)
	}
	host, _, _ := strings.Cut(s, ":")
	if isName(host) {
		return end, fmt.Errorf("%q: %s is a name, and a packet has an address: use 192.0.2.1:80 or [2001:db8::1]:80", s, host)
	}
	return end, fmt.Errorf("%q is not an address: use 192.0.2.1:80 or [2001:db8::1]:80", s)
}

// isName tells whether a word reads like a host's name.
func isName(s string) bool {
	letters := strings.ContainsFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
	return letters && !strings.ContainsAny(s, "[]:/")
}
