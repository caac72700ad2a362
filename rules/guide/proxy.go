package guide

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Proxy sends what passes the gateway to a service of the gateway itself, as a
// transparent proxy wants it.
type Proxy struct {
	Family   rules.Family
	Protocol string // tcp or udp; "" is tcp
	In       string // the interface that the clients' packets arrive on
	Port     string // what the clients ask for
	ToPort   string // where the service of this host listens
	// Except is a destination network that is not redirected; "" none.
	Except string
}

// Advise makes the plan.
func (p Proxy) Advise(h Host) Advice {
	b := newBuilder(h, p.Family, "Redirect port "+p.Port)
	if p.Protocol == "" {
		p.Protocol = "tcp"
	}
	number, ok := rules.ProtoNumber(p.Protocol)
	if !ok || !number.HasPorts() {
		b.wrong("proto", "tcp", "%q has no ports: choose tcp or udp", p.Protocol)
	}
	inside := b.insideLink(b.Uplinks[p.Family].Link)
	b.checkLink("in", p.In, inside)
	port, ok1 := b.ports("port", p.Port)
	to, ok2 := b.ports("to", p.ToPort)
	if ok2 && !to.Single() {
		b.wrong("to", fmt.Sprint(to.Lo), "a service listens on one port")
	}
	if !ok1 || !ok2 || b.failed() {
		return b.advice()
	}
	if p.In == "lo" {
		b.wrong("in", inside, "nothing from outside arrives on lo: it is this host itself")
		return b.advice()
	}
	if p.In == h.Uplinks[p.Family].Link {
		b.warn("in", inside, "%s is the uplink: strangers would be sent to the proxy, not your own machines", p.In)
	}
	b.plan.Title = fmt.Sprintf("Redirect %s port %s from %s to port %d of this host", p.Protocol, portText(port), p.In, to.Lo)
	local := b.checkListener(p, number, port, to.Lo)
	except := ""
	if p.Except != "" {
		net, ok := b.network("except", p.Except)
		if ok && !b.family.Holds(net.Addr()) {
			b.wrong("except", "", "this is for %s, and %s is not", b.family.Title(), net)
		}
		if b.failed() {
			return b.advice()
		}
		except = "! -d " + net.String()
	}
	match := fmt.Sprintf("-A PREROUTING %s -i %s -p %s -m %s --dport %s", except, link(p.In), p.Protocol, p.Protocol, port)
	if local {
		match += " -m addrtype ! --dst-type LOCAL"
	}
	if !b.redirected(p, number, port, to.Lo) {
		b.instead("port", rule("%s -j REDIRECT --to-ports %d", match, to.Lo),
			fmt.Sprintf("Packets that arrive on %s for port %s, whatever their destination, are redirected to port %d of this host. What the proxy itself sends passes OUTPUT and is not redirected, so there is no loop.", p.In, portText(port), to.Lo),
			b.passingSome(p, number, port)...)
	}
	b.passProxy(p, number, port, to.Lo)
	b.proof.Protocol, b.proof.In, b.proof.Port = number, p.In, port.Lo
	b.proof.Try = fmt.Sprintf("from a machine behind %s, open a connection to port %d of any server", p.In, port.Lo)
	if own := b.addressOn(p.In); own.IsValid() {
		b.proof.Server = netip.AddrPortFrom(own, to.Lo)
	}
	return b.advice()
}

func (b *builder) insideLink(out string) string {
	for _, l := range b.Links {
		if l.Name != out && l.Name != "lo" && l.Up && b.addressOn(l.Name).IsValid() {
			return l.Name
		}
	}
	return ""
}

// checkListener asks whether anything takes what is redirected; local is set
// where the host has a service of its own at the port asked for.
func (b *builder) checkListener(p Proxy, number rules.Protocol, port rules.Ports, to uint16) (local bool) {
	if b.Listens == nil {
		return false
	}
	own := b.addressOn(p.In)
	if !own.IsValid() {
		b.warn("in", "", "%s has no %s address; REDIRECT needs one to send packets to", p.In, b.family.Title())
		return false
	}
	if _, ok := b.Listens(number, netip.AddrPortFrom(own, to)); !ok {
		loopback := netip.MustParseAddr("127.0.0.1")
		if b.family == rules.IPv6 {
			loopback = netip.IPv6Loopback()
		}
		if program, ok := b.Listens(number, netip.AddrPortFrom(loopback, to)); ok {
			b.warn("to", "", "%s listens on %s only: redirected packets go to %s, so it must listen there or on all addresses", strings.TrimSpace("the service "+program), loopback, own)
		} else {
			b.warn("to", "", "nothing listens on port %d now: until something does, connections are refused", to)
		}
	}
	if program, ok := b.Listens(number, netip.AddrPortFrom(own, port.Lo)); ok && port.Lo != to {
		if program == "" {
			program = "a program"
		}
		b.note("%s of this host listens on port %d itself: packets for this host are not redirected.", program, port.Lo)
		return true
	}
	return false
}

// passing is a packet that passes on its way to a server of somebody else.
func (b *builder) passing(p Proxy, number rules.Protocol, port uint16) evaluate.Packet {
	src := world(b.family)
	if _, net, ok := b.netOf(b.addressOn(p.In)); ok {
		src = b.someHost(net)
	}
	return evaluate.Packet{Protocol: number, Src: src, Dst: world(b.family), SrcPort: 40000, DstPort: port, In: p.In}
}

// redirected tells that a native rule sends all that passes to the proxy already, as far as some packets show: from two machines,
// to two servers. Rules of iptables that do the same are found when the rule is added.
func (b *builder) redirected(p Proxy, number rules.Protocol, port rules.Ports, to uint16) bool {
	there, at := p.Except == "" && port.Single(), evaluate.RuleRef{}
	for _, packet := range b.passingSome(p, number, port) {
		path, err := b.evaluator().Evaluate(packet)
		if err != nil {
			return false
		}
		for _, o := range path.Outcomes {
			here := o.Dst.Addr == b.addressOn(p.In) && o.Dst.Ports.Contains(to)
			there = there && path.Certain && here && o.DNATBy.Backend == rules.Native && (at.IsZero() || at == o.DNATBy)
			at = o.DNATBy
		}
	}
	if there && !at.IsZero() {
		b.note("rule %d of %s already sends it there: %s", at.Position, at.Chain, b.lineOf(at))
		b.proof.Translating = append(b.proof.Translating, b.watched(at))
		return true
	}
	return false
}

// passingSome are packets of different machines to different servers, and to the first and the last port.
func (b *builder) passingSome(p Proxy, number rules.Protocol, port rules.Ports) []evaluate.Packet {
	first := b.passing(p, number, port.Lo)
	last := b.passing(p, number, port.Hi)
	if next := first.Src.Next(); next != b.addressOn(p.In) {
		last.Src = next
	} else {
		last.Src = next.Next()
	}
	last.Dst = netip.MustParseAddr("192.0.2.77")
	if b.family == rules.IPv6 {
		last.Dst = netip.MustParseAddr("2001:db8:ffff::77")
	}
	crossed := first
	crossed.Dst = last.Dst
	return []evaluate.Packet{first, crossed, last}
}

// passProxy lets the redirected packets through INPUT.
func (b *builder) passProxy(p Proxy, number rules.Protocol, port rules.Ports, to uint16) {
	passing := b.passing(p, number, port.Lo)
	src := passing.Src
	b.pass(passage{
		passing,
		rule("-A INPUT -i %s -p %s -m %s --dport %d -j ACCEPT", link(p.In), p.Protocol, p.Protocol, to),
		fmt.Sprintf("After the redirect the packets are for this host itself, and its firewall blocks them at port %d.", to),
	})
	own := b.addressOn(p.In)
	if !own.IsValid() {
		return
	}
	b.pass(passage{
		evaluate.Packet{Protocol: number, Src: own, Dst: src, SrcPort: to, DstPort: 40000, Out: p.In, Local: true, State: evaluate.StateEstablished},
		rule("-A OUTPUT -o %s -p %s -m %s --sport %d %s", link(p.In), p.Protocol, p.Protocol, to, answers),
		fmt.Sprintf("The replies of port %d must also be allowed to leave this host.", to),
	})
}

// OneToOne maps an outer address or network onto an inner one, all ports, both ways.
type OneToOne struct {
	Outside, Inside string // both addresses, or networks of the same length
	Out             string // the interface to the Internet; "" is that of the default route
}

// Advise makes the plan.
func (o OneToOne) Advise(h Host) Advice {
	family := familyOf(o.Outside)
	b := newBuilder(h, family, fmt.Sprintf("Map %s onto %s", o.Outside, o.Inside))
	if o.Out == "" {
		o.Out = h.Uplinks[family].Link
	}
	b.checkWayOut("out", o.Out)
	// Which of the public addresses is free nobody can tell from here: none is offered.
	outside, ok1 := b.oneOrMany("outside", o.Outside, "", "a public address that is routed to this host", "203.0.113.9", "203.0.113.8/29")
	near := ""
	if ok1 {
		near = b.insideFor(outside, o.Out)
	}
	inside, ok2 := b.oneOrMany("inside", o.Inside, near, "the address of a machine inside", "192.168.0.9", "192.168.0.8/29")
	b.objections = slices.DeleteFunc(b.objections, func(p Objection) bool { return p.Warning }) // one machine is what is wanted here
	if !ok1 || !ok2 || b.failed() {
		return b.advice()
	}
	switch {
	case outside.Addr().Is4() != inside.Addr().Is4():
		b.wrong("inside", b.insideFor(outside, o.Out), "%s and %s are of different families; NAT cannot translate between them", outside.Addr(), inside.Addr())
	case outside.Overlaps(inside):
		b.wrong("inside", b.insideFor(outside, o.Out), "%s is the public address itself: enter the machine's inside address", inside)
	case outside.Addr().IsUnspecified() || outside.Addr().IsLoopback() || outside.Addr().IsMulticast():
		b.wrong("outside", "", "%s is not the address of a single machine", outside.Addr())
	case inside.IsSingleIP():
		b.machine("inside", inside.Addr())
	}
	if b.failed() {
		return b.advice()
	}
	if link, net, ok := b.netOf(outside.Addr()); ok && link != o.Out {
		b.warn("outside", "", "%s is in %s, the network of %s, not on the uplink", outside.Addr(), net, link)
	}
	if outside.Bits() != inside.Bits() {
		b.wrong("inside", b.asMany(inside, outside), "%s has %d bits and %s has %d: one to one needs as many addresses on both sides", outside, outside.Bits(), inside, inside.Bits())
		return b.advice()
	}
	r, known := b.route(b.someHost(inside))
	if known && (r.Kind == evaluate.RoutedNone || r.Out == o.Out) {
		b.wrong("inside", b.insideFor(outside, o.Out), "%s is not behind this gateway", inside)
		return b.advice()
	}
	b.forwarding(o.Out, r.Out)
	b.oneToOne(o, outside, inside)
	b.passBoth(o, outside, inside, r.Out)
	b.checkArrival(o, outside)
	b.proof.Asked, b.proof.Server = netip.AddrPortFrom(outside.Addr(), 0), netip.AddrPortFrom(inside.Addr(), 0)
	b.proof.Try = fmt.Sprintf("from outside, reach %s", outside.Addr())
	return b.advice()
}

// oneOrMany reads an address, or a network of them; missing says what is asked for.
func (b *builder) oneOrMany(field, text, nearest, missing, one, many string) (netip.Prefix, bool) {
	_, notNet := netip.ParsePrefix(text)
	_, notAddr := netip.ParseAddr(text)
	switch {
	case text == "":
		b.wrong(field, nearest, "%s is missing, or a network: such as %s", missing, one)
	case notNet != nil && notAddr != nil:
		b.wrong(field, nearest, "%q is neither an address nor a network: use the form %s or %s", text, one, many)
	default:
		return b.network(field, text)
	}
	return netip.Prefix{}, false
}

// insideFor is a machine inside, or a network of them, that goes with a public one; "" where none does.
func (b *builder) insideFor(outside netip.Prefix, out string) string {
	net, err := netip.ParsePrefix(b.anInsideNet(out))
	if err != nil || net.Addr().Is4() != outside.Addr().Is4() || net.Overlaps(outside) {
		return ""
	}
	return b.asMany(net, outside)
}

// asMany are as many addresses of a network inside as a public one has; "" where it has fewer.
func (b *builder) asMany(inside, outside netip.Prefix) string {
	switch {
	case outside.Bits() < inside.Bits():
		return ""
	case outside.IsSingleIP():
		return b.someHost(inside).String()
	}
	return netip.PrefixFrom(inside.Addr(), outside.Bits()).Masked().String()
}

func (b *builder) oneToOne(o OneToOne, outside, inside netip.Prefix) {
	at := 0
	if b.translatedAlready(inside, o.Out) != "" {
		at = 1
		b.note("it goes first in POSTROUTING, where a broader rule would otherwise match these packets first.")
	}
	b.proof.Translating = nil
	var asked []evaluate.Packet
	for _, host := range b.someHosts(inside) {
		asked = append(asked, evaluate.Packet{Protocol: rules.TCP, Src: world(b.family), Dst: counterpart(host, outside), SrcPort: 40000, DstPort: unusual, In: o.Out})
	}
	const whyIn = "Packets for %s go to %s, on every port."
	const whyOut = "Connections from %s are seen as %s, so that both directions use the same address."
	if inside.IsSingleIP() {
		b.instead("outside", rule("-A PREROUTING -d %s -i %s -j DNAT --to-destination %s", outside, link(o.Out), inside.Addr()), fmt.Sprintf(whyIn, outside.Addr(), inside.Addr()), asked...)
		b.add(b.variant(), "nat", rule("-A POSTROUTING -s %s -o %s -j SNAT --to-source %s", inside, link(o.Out), outside.Addr()), at, fmt.Sprintf(whyOut, inside.Addr(), outside.Addr()))
		return
	}
	b.instead("outside", rule("-A PREROUTING -d %s -i %s -j NETMAP --to %s", outside, link(o.Out), inside), fmt.Sprintf(whyIn+" The host part of the address stays.", outside, inside), asked...)
	b.add(b.variant(), "nat", rule("-A POSTROUTING -s %s -o %s -j NETMAP --to %s", inside, link(o.Out), outside), at, fmt.Sprintf(whyOut, inside, outside))
}

// unusual is a port that no firewall lets pass by name: what it does with that it does with every port.
const unusual = 50123

func (b *builder) passBoth(o OneToOne, outside, inside netip.Prefix, in string) {
	if in == "" {
		return
	}
	for _, host := range b.someHosts(inside) {
		b.pass(passage{
			evaluate.Packet{Protocol: rules.TCP, Src: world(b.family), Dst: counterpart(host, outside), SrcPort: 40000, DstPort: unusual, In: o.Out},
			rule("-A FORWARD -d %s -i %s -o %s -j ACCEPT", inside, link(o.Out), link(in)), fmt.Sprintf("The firewall blocks forwarded packets; this lets everything for %s in.", inside),
		})
		b.pass(passage{
			evaluate.Packet{Protocol: rules.TCP, Src: host, Dst: world(b.family), SrcPort: 40000, DstPort: 443, In: in, Out: o.Out},
			rule("-A FORWARD -s %s -i %s -o %s -j ACCEPT", inside, link(in), link(o.Out)), fmt.Sprintf("This lets everything from %s out, including its replies.", inside),
		})
		b.pass(passage{
			evaluate.Packet{Protocol: rules.TCP, Src: world(b.family), Dst: host, SrcPort: 443, DstPort: 40000, In: o.Out, Out: in, State: evaluate.StateEstablished},
			rule("-A FORWARD -d %s -i %s -o %s %s", inside, link(o.Out), link(in), answers), "Replies come back.",
		})
	}
}

// counterpart is the address of a network with the machine's part of another
// (xt_NETMAP).
func counterpart(host netip.Addr, net netip.Prefix) netip.Addr {
	bytes, base := host.AsSlice(), net.Addr().AsSlice()
	for i := range bytes {
		bits := max(0, min(8, net.Bits()-8*i))
		mask := byte(0xff << (8 - bits))
		bytes[i] = base[i]&mask | bytes[i]&^mask
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// checkArrival says what the router in front has to know.
func (b *builder) checkArrival(o OneToOne, outside netip.Prefix) {
	if _, own := b.local(outside.Addr()); own && outside.IsSingleIP() {
		if outside.Addr() == b.Uplinks[b.family].Addr {
			b.warn("outside", "", "%s is this host's own address: everything sent to it goes to %s, including what is for this host", outside.Addr(), o.Inside)
		}
		if b.Session.Addr().Unmap() == outside.Addr() {
			b.warn("outside", "", "you are connected to %s: new sessions like yours would go to %s", outside.Addr(), o.Inside)
		}
		return
	}
	if link, net, ok := b.netOf(outside.Addr()); ok && link == o.Out {
		b.warn("outside", "", "%s is in %s, the network of %s, and nobody answers ARP for these addresses: add each to the interface, as with  ip address add %s dev %s", outside, net, link, full(outside.Addr()), link)
		return
	}
	b.note("the router in front must send packets for %s to this gateway", outside)
}
