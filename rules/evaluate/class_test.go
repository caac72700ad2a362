package evaluate_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// TestClassesAreAlike holds what classes promise: under random tables, on random
// hosts, packets of one class come to the same end, but for what passes through
// unchanged. NATTUI_SEED repeats a run, NATTUI_CLASS_TABLES makes it longer.
func TestClassesAreAlike(t *testing.T) {
	tables := number(t, "NATTUI_CLASS_TABLES", 90)
	g := &generator{Rand: rand.New(rand.NewPCG(seedOf(t), 7)), open: true}
	var sum classTally
	for n := range tables {
		g.family = rules.Family(n % 2)
		text, next := g.divisible(), (func(landmarks) evaluate.Packet)(nil)
		if n%3 == 0 {
			text, next = g.sparse(), g.far
		}
		read, err := rules.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		programs := []*evaluate.Program{evaluate.Compile(&rules.Ruleset{Family: g.family, Tables: read})}
		if g.chance(4) {
			programs = append(programs, evaluate.Compile(&rules.Ruleset{Family: g.family, Backend: rules.Legacy, Tables: read}))
		}
		host := g.host()
		e := evaluate.NewEvaluator(host, programs...)
		if e.Classes() == nil {
			t.Fatal("no classes")
		}
		near := g.landmarks(text, host)
		sum.alike(t, g, e, near, next, fmt.Sprintf("table %d:\n%s\n%+v", n, text, host.Interfaces))
	}
	sum.enough(t)
}

// classTally counts what the comparison of classes saw.
type classTally struct{ packets, compared, alone, particular int }

// alike sends packets, and holds that those of one class come to the same end. next makes packets far from each other;
// nil: most of them are neighbours.
func (sum *classTally) alike(t *testing.T, g *generator, e *evaluate.Evaluator, near landmarks, next func(landmarks) evaluate.Packet, about string) {
	t.Helper()
	classes := e.Classes()
	foresight, brief := e.Foresight(false), e.Foresight(true)
	first := map[evaluate.Class]outcome{}
	var p evaluate.Packet
	for i := range 600 {
		switch {
		case next != nil:
			p = next(near)
		case i%6 == 0:
			p = g.plain(near)
		default:
			p = g.neighbour(p, near)
		}
		sum.packets++
		foreseenAlike(t, e, foresight, brief, p, about)
		h := p.Tuple()
		class, ok := classes.Of(&h, &h)
		if !ok {
			sum.alone++
			continue
		}
		got := outcome{packet: p, common: true}
		var outcomes []evaluate.Outcome
		outcomes, got.certain, got.common = classes.Outcomes(nil, &p)
		if whole, certain := e.Outcomes(nil, &p); certain != got.certain || len(whole) != len(outcomes) {
			t.Fatalf("%+v: certain %t with classes, %t without", p, got.certain, certain)
		}
		got.end = passing(&p, outcomes)
		before, known := first[class]
		switch {
		case !known:
			first[class] = got
		case before.common != got.common || got.common && (before.certain != got.certain || before.end != got.end):
			t.Fatalf("%s\nof one class:\n%+v\n%+v", about, before, got)
		case got.common:
			sum.compared++
		}
		if !got.common {
			sum.particular++
		}
	}
}

func (sum *classTally) enough(t *testing.T) {
	t.Helper()
	t.Logf("%d packets, %d compared with another of their class, %d in none, %d particular", sum.packets, sum.compared, sum.alone, sum.particular)
	if sum.compared < sum.packets/10 || sum.alone > sum.packets/3 || sum.particular > sum.packets/2 {
		t.Error("the packets say little about classes")
	}
}

// TestTranslationsOfAClass holds that flows of one class were translated alike, as
// far as it can be compared with an outcome.
func TestTranslationsOfAClass(t *testing.T) {
	g := &generator{Rand: rand.New(rand.NewPCG(seedOf(t), 8)), open: true}
	compared, tables := 0, number(t, "NATTUI_CLASS_TABLES", 90)
	for n := range tables {
		g.family = rules.Family(n % 2)
		text := g.divisible()
		read, err := rules.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		host := g.host()
		classes := evaluate.NewEvaluator(host, evaluate.Compile(&rules.Ruleset{Family: g.family, Tables: read})).Classes()
		near := g.landmarks(text, host)
		type shape struct{ text, example string }
		first := map[evaluate.Class]shape{}
		var p, last evaluate.Packet
		for i := range 400 {
			if i%8 != 0 {
				p = g.neighbour(p, near)
			} else {
				p = g.plain(near)
			}
			outcomes, _, common := classes.Translations(nil, &p)
			last.Protocol, last.ICMPType, last.ICMPCode, last.Has = p.Protocol, p.ICMPType, p.ICMPCode, p.Has
			if i%8 == 0 || g.chance(4) {
				last = p
			}
			if g.chance(2) {
				last.Src = pick(g, near.addrs...)
			}
			if g.chance(2) {
				last.Dst = pick(g, near.addrs...)
			}
			if p.Protocol.HasPorts() && g.chance(2) {
				last.SrcPort, last.DstPort = g.near(near.ports), pick(g, p.DstPort, g.near(near.ports))
			} else if p.ICMPID != 0 && g.chance(3) {
				last.ICMPID = g.near(near.ports)
			}
			if g.chance(2) && len(outcomes) > 0 {
				o := pick(g, outcomes...)
				if o.Src.Addr.IsValid() && o.Dst.Addr.IsValid() {
					last.Src, last.Dst = o.Src.Addr, o.Dst.Addr
				}
			}
			from, to := p.Tuple(), last.Tuple()
			class, ok := classes.Of(&from, &to)
			if !ok || !common {
				continue
			}
			src, dst := endsOf(to)
			got := shape{text: fmt.Sprint(last.Src == p.Src, last.Dst == p.Dst, src.Port() == from.SrcPort, dst.Port() == from.DstPort)}
			for _, o := range outcomes {
				if last.Protocol == p.Protocol && o.Dst.Addr.IsValid() && !p.Protocol.HasPorts() {
					dst = netip.AddrPortFrom(dst.Addr(), o.Dst.Ports.Lo)
				}
				got.text += fmt.Sprint(" ", o.Src.Holds(src), o.Src.Addr == last.Src, o.Src.Addr == p.Src, o.Dst.Holds(dst), o.Dst.Addr == last.Dst)
			}
			got.example = fmt.Sprintf("%+v\nbecame %+v", p, last)
			before, known := first[class]
			switch {
			case !known:
				first[class] = got
			case before.text != got.text:
				t.Fatalf("table %d:\n%s\nof one class:\n%s\n%s", n, text, before, got)
			default:
				compared++
			}
		}
	}
	t.Logf("%d compared", compared)
	if compared < 20*tables {
		t.Error("the packets say little about classes")
	}
}

// TestNoClasses: where what bears on a packet is not known, there are none.
func TestNoClasses(t *testing.T) {
	route := func(evaluate.RouteQuery) evaluate.Decision { return evaluate.Decision{} }
	if evaluate.NewEvaluator(evaluate.Host{Route: route}).Classes() != nil {
		t.Error("classes, where nobody knows what the routes look at")
	}
	if evaluate.NewEvaluator(evaluate.Host{Flows: noFlows{}}).Classes() != nil {
		t.Error("classes, where other flows bear on each packet")
	}
	classes := evaluate.NewEvaluator(evaluate.Host{Route: route, RouteNets: []netip.Prefix{}}).Classes()
	of := func(src, dst string) bool {
		p := evaluate.Packet{Protocol: rules.UDP, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)}
		tuple := p.Tuple()
		_, ok := classes.Of(&tuple, &tuple)
		return ok
	}
	if !of("192.0.2.1", "192.0.2.2") || !of("2001:db8::1", "2001:db8::2") {
		t.Error("an ordinary flow is in no class")
	}
	if of("192.0.2.1", "224.0.0.1") || of("2001:db8::1", "ff02::1") || of("2001:db8::1", "::ffff:192.0.2.1") {
		t.Error("a group, or an IPv4 address in the clothes of IPv6, is in a class")
	}
}

type noFlows struct{}

func (noFlows) InUse(rules.Tuple) bool                                           { return false }
func (noFlows) Mapped(rules.Protocol, netip.AddrPort, func(netip.AddrPort) bool) {}

// outcome is what is to be alike in a class.
type outcome struct {
	packet          evaluate.Packet
	end             string
	certain, common bool
}

// passing writes outcomes down, with what a packet brought as "its own".
func passing(p *evaluate.Packet, outcomes []evaluate.Outcome) string {
	var b strings.Builder
	t := p.Tuple()
	point := func(e evaluate.Endpoint, own netip.AddrPort) {
		if e.Addr == own.Addr() {
			b.WriteString(" own")
		} else {
			fmt.Fprint(&b, " ", e.Addr)
		}
		if e.Ports == rules.Port(own.Port()) {
			b.WriteString(":own")
		} else {
			fmt.Fprint(&b, ":", e.Ports)
		}
	}
	src, dst := endsOf(t)
	for _, o := range outcomes {
		fmt.Fprint(&b, o.Delivered, o.NAT(), " ", o.In, " ", o.Out, " ", o.Tracked, " [", o.DNATBy, "] [", o.SNATBy, "] [", o.DroppedBy, "]")
		point(o.Src, src)
		point(o.Dst, dst)
		b.WriteByte('\n')
	}
	return b.String()
}

// divisible is a table of which most rules are such as classes are divided by.
func (g *generator) divisible() string {
	text := g.tables(rules.NFT)
	if g.chance(5) {
		return text
	}
	return strings.NewReplacer("/255.255.0.7", "/20", "/ffff:ffff:ffff::7", "/56", "-j NETMAP --to", "-j RETURN -m comment --comment", g.span(), g.of(lan4, lan6)).Replace(text)
}

// sparse is a table that cuts little, so that what the evaluation and the host have of
// their own shows.
func (g *generator) sparse() string {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for range g.IntN(3) {
		match := pick(g, "", "", "-m addrtype --dst-type "+pick(g, "LOCAL", "UNICAST", "MULTICAST", g.either("BROADCAST", "UNSPEC")), "-m pkttype --pkt-type "+pick(g, "broadcast", "multicast", "unicast"))
		fmt.Fprintf(&b, "-A %s %s %s\n", pick(g, "PREROUTING", "OUTPUT"), match, pick(g, "-j REDIRECT", "-p udp -j REDIRECT --to-ports 53", "-j ACCEPT", "-j DNAT --to-destination "+g.of(lan4, lan6)))
	}
	if !g.chance(4) {
		fmt.Fprintf(&b, "-A POSTROUTING %s\n", pick(g, "-j MASQUERADE", "-j MASQUERADE", "-j MASQUERADE --random", "-p tcp -j MASQUERADE --to-ports 2000-2009"))
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// corners are addresses that are treated in ways of their own, and some beside them.
var corners = [2][]string{
	rules.IPv4: {"0.0.0.0", "0.0.0.1", "0.255.255.255", "1.0.0.0", "126.1.1.1", "127.0.0.1", "127.0.0.2", "127.255.255.255", "128.0.0.1", "169.254.7.7", "203.0.113.9", "192.168.0.9", "223.255.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.254", "255.255.255.255"},
	rules.IPv6: {"::", "::1", "::2", "::ffff:0", "::ffff:192.0.2.1", "::fffe:192.0.2.1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8:1::9", "2001:db8:2::9", "2002::1", "2003::1", "3000::1", "fc00::1", "fd00::9", "fe80::5", "fe80:1::5", "fec0::1", "ff02::1", "ff05::1"},
}

// far is a packet as a flow tells of it, between corners or any other addresses.
func (g *generator) far(near landmarks) evaluate.Packet {
	p := g.plain(near)
	for _, a := range []*netip.Addr{&p.Src, &p.Dst} {
		*a = netip.MustParseAddr(pick(g, corners[g.family]...))
		if g.chance(3) {
			*a = pick(g, near.addrs...)
		}
		for g.chance(2) {
			b := a.AsSlice()
			b[g.IntN(len(b))] ^= 1 << g.IntN(8)
			*a, _ = netip.AddrFromSlice(b)
		}
	}
	return p
}

// landmarks are the addresses and ports that tables and hosts have to do with.
type landmarks struct {
	addrs []netip.Addr
	ports []uint16
}

// landmarks are those that the text names, and those of the host.
func (g *generator) landmarks(text string, h evaluate.Host) landmarks {
	var near landmarks
	add := func(a netip.Addr) {
		if a.IsValid() && a.Is6() == (g.family == rules.IPv6) {
			near.addrs = append(near.addrs, a, a.Next(), a.Prev())
		}
	}
	addNet := func(p netip.Prefix) {
		add(p.Addr())
		add(p.Masked().Addr())
		last := p.Masked().Addr().As16()
		for i := p.Bits() + 128 - p.Addr().BitLen(); i < 128; i++ {
			last[i/8] |= 0x80 >> (i % 8)
		}
		end := netip.AddrFrom16(last)
		if p.Addr().Is4() {
			end = end.Unmap()
		}
		add(end)
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \n-[],", r) }) {
		if p, err := netip.ParsePrefix(word); err == nil {
			addNet(p)
		}
		if a, err := netip.ParseAddr(word); err == nil {
			add(a)
		}
		if a, err := netip.ParseAddrPort(word); err == nil {
			add(a.Addr())
		}
	}
	for _, i := range h.Interfaces {
		for _, a := range i.Addrs {
			addNet(a.Prefix)
			add(a.Peer)
			add(a.Broadcast)
		}
	}
	for _, p := range h.RouteNets {
		addNet(p)
	}
	for _, s := range []string{"0.0.0.0", "127.0.0.1", "127.3.0.1", "255.255.255.255", "169.254.0.9", "224.0.0.251", "::", "::1", "fe80::5", "ff02::1", "2002::1", "fd00::1", "::ffff:192.0.2.1"} {
		add(netip.MustParseAddr(s))
	}
	near.addrs = slicesOf(near.addrs)
	near.ports = []uint16{0, 1, 2, 511, 512, 550, 551, 599, 600, 1023, 1024, 65535, 2000, 2009, 6000, 6009, 6999, 30000, 40000}
	for _, p := range ports {
		near.ports = append(near.ports, uint16(p))
	}
	return near
}

// slicesOf leaves out what is no address.
func slicesOf(addrs []netip.Addr) []netip.Addr {
	kept := addrs[:0]
	for _, a := range addrs {
		if a.IsValid() {
			kept = append(kept, a)
		}
	}
	return kept
}

// near is a port by a landmark, or anywhere.
func (g *generator) near(ports []uint16) uint16 {
	if g.chance(3) {
		return uint16(g.IntN(65536))
	}
	return pick(g, ports...) + uint16(g.IntN(3)) - 1
}

// plain is a packet as a flow tells of it, often by a landmark.
func (g *generator) plain(near landmarks) evaluate.Packet {
	addr := func() netip.Addr {
		switch g.IntN(4) {
		case 0: // somewhere in the same network
			a := pick(g, near.addrs...)
			if b := a.AsSlice(); len(b) > 0 {
				b[len(b)-1-g.IntN(min(3, len(b)))] = byte(g.Uint32())
				a, _ = netip.AddrFromSlice(b)
			}
			return a
		case 1:
			return netip.MustParseAddr(g.anyAddr())
		}
		return pick(g, near.addrs...)
	}
	p := evaluate.Packet{Protocol: pick(g, rules.TCP, rules.TCP, rules.UDP, rules.Protocol(rules.ICMP), rules.GRE), Src: addr(), Dst: addr()}
	switch p.Protocol {
	case rules.TCP, rules.UDP:
		p.SrcPort, p.DstPort = g.near(near.ports), g.near(near.ports)
		if g.chance(2) {
			p.SrcPort = 40001 + uint16(g.IntN(20000))
		}
	case rules.ICMP:
		if g.family == rules.IPv6 {
			p.Protocol = rules.ICMPv6
		}
		p.ICMPID, p.Has = g.near(near.ports), evaluate.HasICMP
		p.ICMPType = pick(g, uint8(8), 13, 128, 128, 8, 0, 135)
	}
	return p
}

// neighbour is a packet that differs from another one a little.
func (g *generator) neighbour(p evaluate.Packet, near landmarks) evaluate.Packet {
	beside := func(a netip.Addr) netip.Addr {
		b := a.AsSlice()
		at := len(b) - 1 - g.IntN(min(4, len(b)))
		if g.chance(2) {
			at = len(b) - 1
		}
		b[at] ^= 1 << g.IntN(8)
		a, _ = netip.AddrFromSlice(b)
		return a
	}
	for range 1 + g.IntN(2) {
		switch g.IntN(4) {
		case 0:
			p.Src = beside(p.Src)
		case 1:
			p.Dst = beside(p.Dst)
		case 2:
			if p.Protocol.HasPorts() {
				p.SrcPort ^= 1 << g.IntN(16)
			} else if p.Has&evaluate.HasICMP != 0 {
				p.ICMPID ^= 1 << g.IntN(16)
			}
		case 3:
			if p.Protocol.HasPorts() {
				p.DstPort ^= 1 << g.IntN(16)
			}
		}
	}
	return p
}

// host is a gateway with random networks and routes.
func (g *generator) host() evaluate.Host {
	var h evaluate.Host
	networks := func(name string, four, six []string) {
		i := evaluate.Interface{Name: name}
		for _, text := range append(append([]string{}, four...), six...) {
			a := netip.MustParseAddr(text)
			bits := pick(g, 24, 16, 30, 32, 31)
			if a.Is6() {
				bits = pick(g, 64, 48, 128, 120)
			}
			at := evaluate.InterfaceAddr{
				Prefix: netip.PrefixFrom(a, bits), Secondary: g.chance(8), Deprecated: g.chance(8), Tentative: g.chance(10), Temporary: g.chance(8),
				Scope: pick(g, evaluate.ScopeGlobal, evaluate.ScopeGlobal, evaluate.ScopeLink),
			}
			if g.chance(5) {
				at.Peer = netip.MustParseAddr(g.anyAddr())
			}
			if a.Is4() && g.chance(5) {
				at.Broadcast = netip.MustParseAddr(pick(g, far4...))
			}
			i.Addrs = append(i.Addrs, at)
		}
		h.Interfaces = append(h.Interfaces, i)
	}
	if !g.chance(6) {
		if !g.chance(3) {
			networks("lo", []string{"127.0.0.1"}, []string{"::1"})
			h.Interfaces[0].Addrs[0].Prefix = netip.MustParsePrefix("127.0.0.1/8")
		}
		networks("wan0", own4[:2], own6[:2])
		networks("lan0", own4[3:4], append([]string{"fe80::1"}, own6[2:3]...))
		if g.chance(2) {
			networks("ppp0", []string{"100.64.0.1", "10.64.0.1"}, []string{"fd00::1", "2002:cb00:7101::1"})
		}
		networks("dmz0", own4[4:], own6[3:])
	}
	h.Tracks, h.RandomDNATPort = g.chance(3), g.chance(6)
	if g.chance(6) {
		return h
	}
	// A route leads each network somewhere, and there are sources that are not believed.
	type way struct {
		net   netip.Prefix
		route evaluate.Decision
	}
	var ways, sources []way
	for range 2 + g.IntN(8) {
		a := netip.MustParseAddr(g.anyAddr())
		p := netip.PrefixFrom(a, g.IntN(a.BitLen()+1))
		r := evaluate.Decision{Kind: pick(g, evaluate.RoutedForward, evaluate.RoutedForward, evaluate.RoutedForward, evaluate.RoutedLocal, evaluate.RoutedNone, evaluate.RoutedUnknown), Out: pick(g, "wan0", "lan0", "dmz0", "ppp0")}
		if g.chance(2) {
			r.NextHop = netip.MustParseAddr(g.anyAddr())
		}
		if g.chance(4) {
			sources = append(sources, way{p, evaluate.Decision{Kind: evaluate.RoutedRefused}})
		} else {
			ways = append(ways, way{p, r})
		}
		h.RouteNets = append(h.RouteNets, p)
	}
	local, uplink := map[netip.Addr]bool{}, pick(g, "wan0", "wan0", "ppp0")
	for _, i := range h.Interfaces {
		for _, a := range i.Addrs {
			local[a.Addr()] = true
		}
	}
	h.Route = func(q evaluate.RouteQuery) evaluate.Decision {
		if local[q.Dst] {
			return evaluate.Decision{Kind: evaluate.RoutedLocal, Out: "lo"}
		}
		for _, w := range sources {
			if w.net.Contains(q.Src) && q.In != "" {
				return w.route
			}
		}
		for _, w := range ways {
			if w.net.Contains(q.Dst) && (q.Mark == 0 || w.route.Out != "dmz0") {
				return w.route
			}
		}
		return evaluate.Decision{Kind: evaluate.RoutedForward, Out: uplink}
	}
	return h
}

// TestClassesPart has pairs of packets that hardly differ, and that something on a
// gateway treats differently all the same.
func TestClassesPart(t *testing.T) {
	link := func(name string, addrs ...evaluate.InterfaceAddr) evaluate.Interface {
		return evaluate.Interface{Name: name, Addrs: addrs}
	}
	at := func(prefix string) evaluate.InterfaceAddr {
		return evaluate.InterfaceAddr{Prefix: netip.MustParsePrefix(prefix)}
	}
	temporary := func(a evaluate.InterfaceAddr) evaluate.InterfaceAddr { a.Temporary = true; return a }
	peer := at("10.1.1.1/24")
	peer.Peer = netip.MustParseAddr("172.16.5.1")
	wan := link("wan0", at("203.0.113.1/24"), at("2001:db8:1::1/64"))
	for _, c := range []struct {
		name, rules string
		host        []evaluate.Interface
		one, other  string
	}{
		{"what a REDIRECT of this host's own leads to", "-A OUTPUT -j REDIRECT", []evaluate.Interface{wan}, "udp 203.0.113.1:9 127.0.0.1:53", "udp 203.0.113.1:9 127.0.0.2:53"},
		{
			"labels of addresses", "-A POSTROUTING -j MASQUERADE",
			[]evaluate.Interface{link("wan0", temporary(at("2001:db8:1::1/64")), at("fd00::1/64"))},
			"udp 2001:db8:9::9:9 2002::1:53", "udp 2001:db8:9::9:9 2003::1:53",
		},
		{
			"bits that addresses have in common", "-A POSTROUTING -j MASQUERADE",
			[]evaluate.Interface{link("wan0", at("2001:db8:1::1/64"), at("2001:db8:1:4000::1/64"))},
			"udp 2001:db8:9::9:9 2001:db8:1:3fff::1:53", "udp 2001:db8:9::9:9 2001:db8:1:4001::1:53",
		},
		{
			"the network of a peer", "-A POSTROUTING -j MASQUERADE",
			[]evaluate.Interface{link("wan0", at("10.9.9.9/24"), peer)},
			"udp 192.0.2.1:9 172.16.5.9:53", "udp 192.0.2.1:9 172.16.6.9:53",
		},
		{
			"the network of an address", "-A POSTROUTING -j MASQUERADE",
			[]evaluate.Interface{link("wan0", at("10.9.9.9/24"), at("10.1.1.1/24"))},
			"udp 192.0.2.1:9 10.1.1.254:53", "udp 192.0.2.1:9 10.1.2.0:53",
		},
		{"an identifier in a range of ports", "-A POSTROUTING -j MASQUERADE --to-ports 2000-2009", []evaluate.Interface{wan}, "icmp 203.0.113.1:2005 192.0.2.7", "icmp 203.0.113.1:2010 192.0.2.7"},
		{"an identifier that a port is for", "-A POSTROUTING -j SNAT --to-source 203.0.113.1:2000-2009", []evaluate.Interface{wan}, "icmp 203.0.113.1:1999 192.0.2.7", "icmp 203.0.113.1:2000 192.0.2.7"},
		{"an identifier, though it is the destination that changes", "-A PREROUTING -j DNAT --to-destination 192.0.2.8:2000-2009", []evaluate.Interface{wan}, "icmp 198.51.100.7:2009 192.0.2.8", "icmp 198.51.100.7:2010 192.0.2.8"},
		{"ports that are named twice", "-A PREROUTING -p tcp -m tcp --dport 1:1000 -m tcp ! --dport 80 -j DNAT --to-destination 192.0.2.8", []evaluate.Interface{wan}, "tcp 198.51.100.7:9000 203.0.113.1:80", "tcp 198.51.100.7:9000 203.0.113.1:81"},
		{"the first port of a range", "-A PREROUTING -p tcp -j DNAT --to-destination 192.0.2.8:6000-6009", []evaluate.Interface{wan}, "tcp 198.51.100.7:9000 192.0.2.8:5999", "tcp 198.51.100.7:9000 192.0.2.8:6000"},
		{"a mask with holes", "-A POSTROUTING -s 10.0.0.5/255.0.0.7 -j MASQUERADE", []evaluate.Interface{wan}, "udp 10.0.0.5:9 192.0.2.7:53", "udp 10.0.0.4:9 192.0.2.7:53"},
		{"a mask with holes, of a flow", "-A POSTROUTING -m conntrack --ctorigsrc 10.0.0.5/255.0.0.7 -j MASQUERADE", []evaluate.Interface{wan}, "udp 10.0.0.5:9 192.0.2.7:53", "udp 10.0.0.4:9 192.0.2.7:53"},
		{"a network mapped onto another", "-A PREROUTING -d 10.0.0.0/24 -j NETMAP --to 10.9.0.0/24", []evaluate.Interface{wan}, "udp 198.51.100.7:9 10.0.0.4:53", "udp 198.51.100.7:9 10.0.0.5:53"},
		{"an address by a hash", "-A POSTROUTING -j SNAT --to-source 192.0.2.64-192.0.2.127", []evaluate.Interface{wan}, "udp 10.0.0.5:9 192.0.2.7:53", "udp 10.0.0.4:9 192.0.2.7:53"},
		{"ports from a base", "-A PREROUTING -p tcp -j DNAT --to-destination 192.0.2.8:6000-6999/80", []evaluate.Interface{wan}, "tcp 198.51.100.7:9000 203.0.113.1:1200", "tcp 198.51.100.7:9000 203.0.113.1:1201"},
	} {
		p, q := parsePlain(t, c.one), parsePlain(t, c.other)
		family := rules.IPv4
		if p.Src.Is6() {
			family = rules.IPv6
		}
		read, err := rules.Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + c.rules + "\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		host := evaluate.Host{Interfaces: c.host, RouteNets: []netip.Prefix{}, Route: func(evaluate.RouteQuery) evaluate.Decision {
			return evaluate.Decision{Kind: evaluate.RoutedForward, Out: "wan0"}
		}}
		classes := evaluate.NewEvaluator(host, evaluate.Compile(&rules.Ruleset{Family: family, Tables: read})).Classes()
		of := func(p *evaluate.Packet) (evaluate.Class, string, bool) {
			h := p.Tuple()
			class, ok := classes.Of(&h, &h)
			if !ok {
				t.Errorf("%s: %+v is in no class", c.name, p)
			}
			outcomes, certain, common := classes.Outcomes(nil, p)
			return class, fmt.Sprint(certain, passing(p, outcomes)), common
		}
		class1, end1, common1 := of(&p)
		class2, end2, common2 := of(&q)
		if end1 == end2 {
			t.Errorf("%s makes no difference: %s", c.name, end1)
		}
		if class1 == class2 && (common1 || common2) {
			t.Errorf("%s: the two are alike, and end as\n%s%s", c.name, end1, end2)
		}
	}
}

// parsePlain reads PROTOCOL SRC:PORT DST:PORT; for ICMP the identifier stands by the
// source.
func parsePlain(t *testing.T, text string) evaluate.Packet {
	t.Helper()
	words := strings.Fields(text)
	number, ok := rules.ProtoNumber(words[0])
	if !ok || len(words) != 3 {
		t.Fatalf("%q", text)
	}
	end := func(word string) (netip.Addr, uint16) {
		addr, port := word, uint64(0)
		if i := strings.LastIndexByte(word, ':'); i >= 0 {
			n, err := strconv.ParseUint(word[i+1:], 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			addr, port = word[:i], n
		}
		return netip.MustParseAddr(addr), uint16(port)
	}
	src, sport := end(words[1])
	dst, dport := end(words[2])
	p, err := evaluate.NewPacket(number, netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport))
	if err != nil {
		t.Fatal(err)
	}
	if p.Protocol == rules.ICMP {
		p.ICMPType, p.Has = 8, evaluate.HasICMP
	}
	return p
}
