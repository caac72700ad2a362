package evaluate

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"nattui/rules"
)

// Class is a value that two flows have in common if neither a rule, nor an address
// of this host, nor a route tells their first packets apart, nor what became of
// them: the evaluator's answer for the one then holds for the other. Of its bits
// only equality means anything, and that for one Classes.
type Class [3]uint64

// Classes sort flows into classes: the packets of a gateway fall into few, and an
// answer that is remembered for a class need not be found again for each of them.
//
// Each of a packet's addresses and ports is an axis, and every comparison that may
// be made on a packet's way cuts an axis where its answer changes: a rule's
// networks and ports, this host's addresses and their networks, the networks that
// the routes tell apart, the ends of what translations give. Between two cuts all
// answers are the same (the atoms of Yang and Lam, "Real-time verification of
// network properties using atomic predicates", and of Horn et al., "Delta-net").
// So two packets of one class meet the same rules with the same answers and divide
// at the same matches. What they end as is, end by end, either what each of them
// began with, or the same value; such a value has an interval of its own, so that
// no packet but the one that has it passes for one that was given it.
//
// Not all can be cut: a mask with holes, an address by a hash, NETMAP. The machine
// notes where it comes to that, as it does for all packets of a class or for none,
// and Outcomes says so. Classes are immutable and safe for concurrent use.
type Classes struct {
	evaluator *Evaluator
	families  [2]*division
}

// division is how the packets of a family are divided.
type division struct {
	src, dst            addrAxis
	sport, dport, ident portAxis
}

// Classes divide the packets of flows as this evaluator tells them apart. It is nil
// where that is not known: where the host's routes do not say what they look at, or
// the flows that exist bear on each packet. Ten thousand rules take some
// milliseconds.
func (e *Evaluator) Classes() *Classes {
	if e.host.Flows != nil || e.host.Route != nil && e.host.RouteNets == nil {
		return nil
	}
	c := &Classes{evaluator: e}
	for f := range c.families {
		c.families[f] = e.divide(rules.Family(f))
	}
	return c
}

// Of is the class of a flow, from its first packet as it reaches this host and as
// it leaves it: with the source and destination that the flow's translation gives.
// That one's ICMP type and code do not count. False: the flow belongs to no class,
// and is to be looked at by itself.
func (c *Classes) Of(first, last *rules.Tuple) (class Class, ok bool) {
	if c == nil || first.Family != last.Family || first.Proto != last.Proto {
		return class, false
	}
	d := c.families[first.Family&1]
	if d == nil {
		return class, false
	}
	src, srcOK := addressed(first.Family, &first.Src)
	dst, dstOK := addressed(first.Family, &first.Dst)
	if !srcOK || !dstOK {
		return class, false
	}
	// What has stayed the same lies in the same interval, and is told from what
	// merely comes to lie there.
	const sameSrc, sameDst, sameSport, sameDport = 1 << 9, 1 << 10, 1 << 11, 1 << 12
	same := uint64(0)
	srcAt, dstAt := d.src.at(src), d.dst.at(dst)
	seenAt, servedAt := srcAt, dstAt
	if seen, ok := addressed(first.Family, &last.Src); seen == src {
		same |= sameSrc
	} else if seenAt = d.src.at(seen); !ok {
		return class, false
	}
	if served, ok := addressed(first.Family, &last.Dst); served == dst {
		same |= sameDst
	} else if servedAt = d.dst.at(served); !ok {
		return class, false
	}
	var sport, dport, seenPort, servedPort uint16
	switch {
	case first.Proto.HasPorts():
		if sport = d.sport.at(first.SrcPort); first.SrcPort == last.SrcPort {
			same, seenPort = same|sameSport, sport
		} else {
			seenPort = d.sport.at(last.SrcPort)
		}
		if dport = d.dport.at(first.DstPort); first.DstPort == last.DstPort {
			same, servedPort = same|sameDport, dport
		} else {
			servedPort = d.dport.at(last.DstPort)
		}
	case first.Proto == rules.ICMP || first.Proto == rules.ICMPv6:
		dport = first.DstPort // type and code, as they are
		if sport = d.ident.at(first.SrcPort); first.SrcPort == last.SrcPort {
			same, seenPort = same|sameSport, sport
		} else {
			seenPort = d.ident.at(last.SrcPort)
		}
	}
	return Class{
		uint64(first.Proto) | uint64(first.Family)<<8 | same | uint64(srcAt)<<16 | uint64(dstAt)<<40,
		uint64(sport) | uint64(dport)<<16 | uint64(seenPort)<<32 | uint64(servedPort)<<48,
		uint64(seenAt) | uint64(servedAt)<<24,
	}, true
}

// Outcomes is Evaluator.Outcomes for the first packet of a flow, of which nothing
// but its tuple is known. common is false where that of another packet of its
// class may be different all the same; it is alike for all packets of a class.
func (c *Classes) Outcomes(buf []Outcome, p *Packet) (outcomes []Outcome, certain, common bool) {
	return c.outcomes(buf, p, false)
}

func (c *Classes) outcomes(buf []Outcome, p *Packet, through bool) (outcomes []Outcome, certain, common bool) {
	m := machines.Get().(*machine)
	defer m.release()
	if !m.begins(c.evaluator, p) {
		return buf, false, true
	}
	m.through = through
	m.run()
	byPort := c.evaluator.host.RoutesByPort && p.Protocol.HasPorts() // the way back to it as well, by which it is taken to have come
	return append(buf, m.outcomes...), m.certain(), !m.particular && !byPort
}

// addressed is an address as the axes have it, its first bits in the first bits of
// hi. Group addresses, and IPv4 ones in the clothes of IPv6, belong to no class:
// they are few, and routes treat them in ways of their own.
func addressed(f rules.Family, a *[16]byte) (bits128, bool) {
	if f == rules.IPv4 {
		n := uint64(binary.BigEndian.Uint32(a[12:])) << 32
		return bits128{n, 0}, n>>60 != 0xe
	}
	b := bits128{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
	return b, b.hi>>56 != 0xff && (b.hi != 0 || b.lo>>32 != 0xffff)
}

// addrAxis are the intervals of an address: interval n begins at borders[n-1].
type addrAxis struct {
	borders []bits128 // ascending
	from    []uint32  // by an address' first bits: how many borders lie below all that have these
}

const (
	axisTop    = 12      // bits
	maxBorders = 1 << 24 // that a Class has room for
)

func newAddrAxis(borders []bits128) addrAxis {
	slices.SortFunc(borders, func(a, b bits128) int {
		switch {
		case a.less(b):
			return -1
		case b.less(a):
			return 1
		}
		return 0
	})
	x := addrAxis{slices.Compact(borders), make([]uint32, 1<<axisTop+1)}
	for _, b := range x.borders {
		x.from[b.hi>>(64-axisTop)+1]++
	}
	for i := range x.from[1:] {
		x.from[i+1] += x.from[i]
	}
	return x
}

// at is the interval that an address lies in.
func (x *addrAxis) at(a bits128) uint32 {
	top := a.hi >> (64 - axisTop)
	low, high := x.from[top], x.from[top+1]
	for low < high {
		if middle := (low + high) / 2; a.less(x.borders[middle]) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// portAxis are the intervals of a port: those that one begins at, as bits, and how
// many begin below each 64 of them.
type portAxis struct {
	begins [1024]uint64
	below  [1024]uint16
}

// cut makes the ports of a range differ from all others.
func (x *portAxis) cut(p rules.Ports) {
	if p.Lo > 0 {
		x.begins[p.Lo/64] |= 1 << (p.Lo % 64)
	}
	if p.Hi < 65535 {
		x.begins[(p.Hi+1)/64] |= 1 << ((p.Hi + 1) % 64)
	}
}

func (x *portAxis) count() {
	for i := range x.begins[1:] {
		x.below[i+1] = x.below[i] + uint16(bits.OnesCount64(x.begins[i]))
	}
}

// at is the interval that a port lies in.
func (x *portAxis) at(port uint16) uint16 {
	return x.below[port/64] + uint16(bits.OnesCount64(x.begins[port/64]&(2<<(port%64)-1)))
}

// end is a packet's source or destination, as bits.
type end uint8

const (
	ofSource end = 1 << iota
	ofDest
	ofBoth = ofSource | ofDest
)

// cuts collects where a family's packets are told apart.
type cuts struct {
	family              rules.Family
	src, dst            []bits128
	sport, dport, ident portAxis
	masquerades         bool
}

// divide collects the cuts; nil: there are too many.
func (e *Evaluator) divide(f rules.Family) *division {
	c := &cuts{family: f}
	c.constants()
	for _, p := range e.families[f].programs {
		for _, chain := range p.chains {
			for i := range chain.rules {
				c.rule(&chain.rules[i])
			}
		}
	}
	e.host.Native.divide(c)
	for _, i := range e.host.Interfaces {
		for _, a := range i.Addrs {
			c.interfaceAddr(a)
		}
	}
	for _, p := range e.host.RouteNets {
		c.prefix(ofBoth, p)
	}
	if len(c.src) >= maxBorders || len(c.dst) >= maxBorders {
		return nil
	}
	d := &division{src: newAddrAxis(c.src), dst: newAddrAxis(c.dst), sport: c.sport, dport: c.dport, ident: c.ident}
	d.sport.count()
	d.dport.count()
	d.ident.count()
	return d
}

// constants are what the evaluation itself tells apart.
var constants = [2][]netip.Prefix{
	rules.IPv4: prefixes("0.0.0.0/32", "0.0.0.0/8", "127.0.0.0/8", "127.0.0.1/32", "169.254.0.0/16", "255.255.255.255/32"),
	rules.IPv6: prefixes("::/128", "::1/128", "fe80::/10"),
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

func (c *cuts) constants() {
	for _, p := range constants[c.family] {
		c.prefix(ofBoth, p)
	}
	for _, l := range labels6 {
		c.prefix(ofDest, l.net)
	}
	// Port 0 stands for one that is not known, and what portClass makes of these
	// system ports is another range for each.
	c.ports(ofBoth, rules.Port(0))
	for port := uint16(512); port < 600; port++ {
		c.ports(ofSource, rules.Port(port))
	}
	c.ports(ofSource, rules.Ports{Lo: 600, Hi: 1023})
}

// rule collects the comparisons and the translation of a rule.
func (c *cuts) rule(r *code) {
	if r.what&onSrc != 0 {
		c.net(ofSource, &r.src)
	}
	if r.what&onDst != 0 {
		c.net(ofDest, &r.dst)
	}
	if r.what&onSport != 0 {
		c.ports(ofSource, r.sport)
	}
	if r.what&onDport != 0 {
		c.ports(ofDest, r.dport)
	}
	for i := range r.tests {
		if r.tests[i].sees != nil {
			r.tests[i].sees(c)
		}
	}
	if r.translation != nil {
		c.translation(r.translation)
	}
}

func (c *cuts) translation(t *translation) {
	to := ofDest
	if t.kind == rules.SNAT || t.kind == rules.Masquerade {
		to = ofSource
	}
	c.masquerades = c.masquerades || t.kind == rules.Masquerade
	if t.addrs {
		c.addrs(to, t.lo, t.lo)
		c.addrs(to, t.hi, t.hi)
	}
	if t.hasPorts {
		c.ports(to, t.ports)
		c.ports(to, rules.Port(t.ports.Lo))
		// An ICMP message has but one, whichever end is translated.
		c.ident.cut(t.ports)
		c.ident.cut(rules.Port(t.ports.Lo))
	}
}

// interfaceAddr collects what the evaluation looks at in an address of this host.
func (c *cuts) interfaceAddr(a InterfaceAddr) {
	addr := a.Addr()
	if !addr.IsValid() || rules.FamilyOf(addr) != c.family {
		return
	}
	c.prefix(ofBoth, a.Prefix)
	c.single(ofBoth, addr)
	c.single(ofBoth, a.Broadcast)
	c.single(ofBoth, a.Peer)
	if addr.Is4() {
		c.single(ofBoth, lastOf(a.Prefix))
		if a.Peer.Is4() {
			c.prefix(ofDest, netip.PrefixFrom(a.Peer, a.Bits()))
		}
		return
	}
	if !c.masquerades {
		return
	}
	// Of several source addresses the one is chosen that has more bits in common
	// with the destination.
	for length := 1; length <= a.Bits(); length++ {
		c.prefix(ofDest, netip.PrefixFrom(addr, length))
	}
}

func (c *cuts) single(of end, a netip.Addr) {
	if a.IsValid() {
		c.prefix(of, netip.PrefixFrom(a, a.BitLen()))
	}
}

func (c *cuts) prefix(of end, p netip.Prefix) {
	if p.IsValid() && rules.FamilyOf(p.Addr()) == c.family {
		c.net(of, &maskedAddr{value: bitsOf(p.Addr()), mask: bitsOf(rules.MaskOf(p.Addr().BitLen(), p.Bits()))})
	}
}

// net cuts a network off; one whose mask has holes is left to the machine to note.
func (c *cuts) net(of end, m *maskedAddr) {
	if hosts, ok := m.hosts(c.family); ok {
		lo := bits128{m.value.hi & m.mask.hi, m.value.lo & m.mask.lo}
		c.addrs(of, lo, bits128{lo.hi | hosts.hi, lo.lo | hosts.lo})
	}
}

// hosts are the bits that do not count; ok is false if some of them stand before
// one that does.
func (m *maskedAddr) hosts(f rules.Family) (hosts bits128, ok bool) {
	hosts = bits128{^m.mask.hi, ^m.mask.lo}
	if f == rules.IPv4 {
		hosts = bits128{0, uint64(^uint32(m.mask.lo))}
	}
	next, _ := hosts.next()
	return hosts, hosts.hi&next.hi|hosts.lo&next.lo == 0
}

// next is the number after b, false after the last one.
func (b bits128) next() (bits128, bool) {
	lo, carry := bits.Add64(b.lo, 1, 0)
	hi, over := bits.Add64(b.hi, 0, carry)
	return bits128{hi, lo}, over == 0
}

// addrs makes the addresses from lo to hi differ from all others.
func (c *cuts) addrs(of end, lo, hi bits128) {
	borders := []bits128{lo}
	if after, ok := hi.next(); ok && (c.family == rules.IPv6 || after.lo>>32 == 0) {
		borders = append(borders, after)
	}
	for _, b := range borders {
		if c.family == rules.IPv4 {
			b = bits128{b.lo << 32, 0}
		}
		if of&ofSource != 0 {
			c.src = append(c.src, b)
		}
		if of&ofDest != 0 {
			c.dst = append(c.dst, b)
		}
	}
}

// ports makes the ports of a range differ from all others. The identifier of an
// ICMP message stands where others have the source's port.
func (c *cuts) ports(of end, p rules.Ports) {
	if p.Lo > p.Hi {
		return // none is in it
	}
	if of&ofSource != 0 {
		c.sport.cut(p)
		c.ident.cut(p)
	}
	if of&ofDest != 0 {
		c.dport.cut(p)
	}
}
