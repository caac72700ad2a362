package evaluate

import (
	"math/bits"
	"net/netip"

	"nattui/rules"
)

// translation is what a NAT target asks for (struct nf_nat_range2).
type translation struct {
	kind       rules.Kind
	lo, hi     bits128
	addrs      bool // lo and hi are given
	mask       bits128
	ports      rules.Ports
	hasPorts   bool
	base       uint16
	hasBase    bool
	random     bool // NF_NAT_RANGE_PROTO_RANDOM or _RANDOM_FULLY
	persistent bool
}

func translationOf(t rules.Target) *translation {
	to := t.To
	r := &translation{
		kind: t.Kind, ports: to.Ports, hasPorts: to.HasPorts, base: to.Base, hasBase: to.HasBase,
		random: to.Random || to.RandomFully, persistent: to.Persistent,
	}
	if !to.Addrs.IsZero() {
		r.lo, r.hi, r.addrs = bitsOf(to.Addrs.Lo), bitsOf(to.Addrs.Hi), true
	}
	if !to.Net.Any() {
		r.lo, r.mask = bitsOf(to.Net.Addr), bitsOf(to.Net.Mask)
	}
	if r.ports.Lo > r.ports.Hi {
		r.ports.Lo, r.ports.Hi = r.ports.Hi, r.ports.Lo
	}
	return r
}

// translate does what a NAT target does with a flow's first packet; false: the
// packet is dropped. After it no other rule of the nat table is asked.
func (m *machine) translate(st *state, t translation, here ruleRef) bool {
	source := st.stage.bindsSource()
	switch t.kind {
	case rules.DNAT, rules.SNAT, rules.Masquerade, rules.Redirect:
	default:
		m.particular = true // the new address is made of the old one
	}
	fits := t.kind == rules.Netmap || source == (t.kind == rules.SNAT || t.kind == rules.Masquerade)
	if !fits || !st.stage.isNAT() {
		return m.unknownTarget(st, translationNames[t.kind], false, here)
	}
	switch t.kind {
	case rules.Masquerade:
		if m.pkt.Src.Is4() && m.pkt.Src.IsUnspecified() {
			return true // no source yet: left alone
		}
		if !m.masquerade(st, &t) {
			m.finish(st, Dropped, here.ref(), "the outgoing interface has no address to masquerade as")
			return false
		}
	case rules.Redirect:
		if !m.redirect(st, &t) {
			m.finish(st, Dropped, here.ref(), "the incoming interface has no address to redirect to")
			return false
		}
	case rules.Netmap:
		a, known := st.addr(source)
		if !known {
			t.hi = bits128{^uint64(0), ^uint64(0)}
		}
		t.lo = bits128{a.hi&^t.mask.hi | t.lo.hi&t.mask.hi, a.lo&^t.mask.lo | t.lo.lo&t.mask.lo}
		t.hi, t.addrs = t.lo, true
		if !known {
			m.bindUnknown(st, &t, source, here)
			return true
		}
	}
	m.stack = m.stack[:0] // the table is done with
	if st.has&blurredBinding != 0 {
		st.has &^= blurredBinding
		m.bindUnknown(st, &t, source, here)
		return true
	}
	m.bind(st, &t, here)
	return true
}

// blurredBinding marks, for the moment, a translation to an address of this
// host that is not known.
const blurredBinding unknowns = 1 << 7

func (m *machine) masquerade(st *state, t *translation) bool {
	if !m.e.addrs.known || st.has&(unknownOut|unknownDst) != 0 {
		m.doubt(Doubt{What: "the address of the outgoing interface is not known"})
		st.has |= blurredBinding
		return true
	}
	a, ok := m.e.addrs.masqueradeAs(st.out, st.dst.addr(m.family), st.nextHop)
	if ok {
		t.lo, t.hi, t.addrs = bitsOf(a), bitsOf(a), true
	}
	return ok
}

func (m *machine) redirect(st *state, t *translation) bool {
	a := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if m.family == rules.IPv6 {
		a = netip.IPv6Loopback()
	}
	if st.stage == stageNATPrerouting {
		if !m.e.addrs.known || st.has&unknownIn != 0 {
			m.doubt(Doubt{What: "the address of the incoming interface is not known"})
			st.has |= blurredBinding
			st.toLocal = true
			return true
		}
		var ok bool
		if a, ok = m.e.addrs.redirectTo(st.in, m.pkt.Dst); !ok {
			return false
		}
	}
	t.lo, t.hi, t.addrs = bitsOf(a), bitsOf(a), true
	return true
}

// bindUnknown makes a binding to an address that is not known.
func (m *machine) bindUnknown(st *state, t *translation, source bool, by ruleRef) {
	if source {
		st.has |= unknownSrc
	} else {
		st.has |= unknownDst
	}
	ports := *st.port(source)
	switch {
	case t.hasPorts:
		ports = t.ports
	case source && (t.random || m.e.host.Flows != nil):
		ports = portClass(ports)
	}
	m.bound(st, source, bits128{}, ports, by)
}

// bound notes a binding and translates the packet. The flow counts as
// translated if that changes anything.
func (m *machine) bound(st *state, source bool, a bits128, ports rules.Ports, by ruleRef) {
	st.free = false
	before, known := st.addr(source)
	changed := !known || a != before || ports != *m.keyPorts(st, source)
	if source {
		st.src, st.srcDone, st.snatBy = a, true, by
		st.ct.snat = st.ct.snat || changed
	} else {
		st.dst, st.dstDone, st.dnatBy = a, true, by
		st.ct.dnat = st.ct.dnat || changed
	}
	if m.pkt.isICMP() {
		st.sport = ports // the identifier, whichever end is translated
	} else {
		*st.port(source) = ports
	}
}

// keyPorts is what the kernel may change beside the address: the port of the
// translated end, or the identifier of an ICMP message.
func (m *machine) keyPorts(st *state, source bool) *rules.Ports {
	if m.pkt.isICMP() {
		return &st.sport
	}
	return st.port(source)
}

// bind chooses the new address and port of a flow as nf_nat_setup_info and
// get_unique_tuple do. Without a rule (t nil) the address stays, and the port
// too unless that clashes with another flow.
func (m *machine) bind(st *state, t *translation, by ruleRef) {
	source := st.stage.bindsSource()
	if t == nil {
		a, known := st.addr(source)
		t = &translation{lo: a, hi: a, addrs: true}
		if !known {
			m.bound(st, source, a, *m.keyPorts(st, source), by)
			return
		}
	}
	have, _ := st.addr(source)
	key := *m.keyPorts(st, source)
	if source && !t.random {
		if t.inRange(m, have, key) == Yes {
			if m.takeIfFree(st, source, have, key, by) {
				return
			}
		} else if m.e.host.Flows != nil && m.followMapped(st, t, key, by) {
			return
		}
	}
	a := have
	if t.addrs {
		a = m.pickAddr(st, t, source)
	}
	if !t.random {
		if !t.hasPorts {
			if m.takeIfFree(st, source, a, key, by) {
				return
			}
		} else if !t.hasBase && m.portsHold(t, key) == Yes {
			if t.ports.Single() {
				m.bound(st, source, a, key, by)
				return
			}
			if m.takeIfFree(st, source, a, key, by) {
				return
			}
		}
	}
	picked := m.pickPorts(st, t, source, a, key)
	m.bound(st, source, a, picked, by)
	// Out of several the kernel picks one that is free, if there is any.
	st.free = !picked.Single() && picked != key && m.taken(st, st.src, st.sport, st.dst, st.dport) != Yes
}

// takeIfFree makes a binding unless a flow has the tuple that it leads to. Where
// that cannot be known, a branch takes it and this one does not.
func (m *machine) takeIfFree(st *state, source bool, a bits128, key rules.Ports, by ruleRef) bool {
	switch m.takenWith(st, source, a, key) {
	case No:
		m.bound(st, source, a, key, by)
		return true
	case Unknown:
		m.forkBound(st, source, a, key, by)
	}
	return false
}

// forkBound puts a branch aside that has the binding.
func (m *machine) forkBound(st *state, source bool, a bits128, key rules.Ports, by ruleRef) {
	other := *st
	m.bound(&other, source, a, key, by)
	other.sub = finished
	m.fork(&other)
	m.undecided(by, "which existing connections conflict with it")
}

// portsHold is l4proto_in_range.
func (m *machine) portsHold(t *translation, key rules.Ports) Truth {
	if m.portless() {
		return Yes
	}
	return within(key, t.ports)
}

// inRange reports whether a source lies in what the rule asks for (nf_in_range).
func (t *translation) inRange(m *machine, a bits128, key rules.Ports) Truth {
	if t.addrs && (a.less(t.lo) || t.hi.less(a)) {
		return No
	}
	if !t.hasPorts {
		return Yes
	}
	return m.portsHold(t, key)
}

// followMapped takes the translation that another flow of the same source has,
// where it suits and is free: a source keeps its face (find_appropriate_src).
// Flows with different ones divide the way.
func (m *machine) followMapped(st *state, t *translation, key rules.Ports, by ruleRef) bool {
	if !key.Single() || st.has&unknownSrc != 0 {
		return false
	}
	var seen []netip.AddrPort
	want := *t // t itself is not to be kept alive by what follows
	from := netip.AddrPortFrom(st.src.addr(m.family), key.Lo)
	m.e.host.Flows.Mapped(m.pkt.Protocol, from, func(a netip.AddrPort) bool {
		if want.inRange(m, bitsOf(a.Addr()), rules.Port(a.Port())) == Yes {
			for _, b := range seen {
				if a == b {
					return true
				}
			}
			seen = append(seen, a)
		}
		return true
	})
	// The kernel looks at one of them, whichever it finds first, and chooses anew
	// if that is taken.
	anew, free := len(seen) == 0, 0
	for _, a := range seen {
		switch m.takenWith(st, true, bitsOf(a.Addr()), rules.Port(a.Port())) {
		case Yes:
			anew = true
		case Unknown:
			anew = true
			free++
		case No:
			free++
		}
	}
	for _, a := range seen {
		to, port := bitsOf(a.Addr()), rules.Port(a.Port())
		if m.takenWith(st, true, to, port) == Yes {
			continue
		}
		if free--; free == 0 && !anew {
			m.bound(st, true, to, port, by)
			return true
		}
		m.forkBound(st, true, to, port, by)
	}
	return false
}

// pickAddr is find_best_ips_proto: an address of the range by a hash of the
// packet's addresses, the same on every host. (The words of the hash are read
// as on little-endian machines.)
func (m *machine) pickAddr(st *state, t *translation, source bool) bits128 {
	if t.lo == t.hi {
		return t.lo
	}
	m.particular = true
	words := 1
	if m.family == rules.IPv6 {
		words = 4
	}
	src, dst := wireWords(st.src, m.family), wireWords(st.dst, m.family)
	lo, hi := numbers(t.lo, m.family), numbers(t.hi, m.family)
	var seed uint32
	if !t.persistent {
		seed = dst[words-1]
	}
	j := jhash4(src, seed)
	var picked [4]uint32
	full := false
	for i := range words {
		from, span := lo[i], hi[i]-lo[i]+1
		if full {
			from, span = 0, ^uint32(0)
		}
		picked[i] = from + uint32(uint64(j)*uint64(span)>>32)
		if picked[i] != hi[i] {
			full = true
		}
		if !t.persistent {
			word := dst[i]
			if !source { // the destination is what is being written
				word = bits.ReverseBytes32(picked[i])
			}
			j ^= word
		}
	}
	if m.family == rules.IPv4 {
		return bits128{0, uint64(picked[0])}
	}
	return bits128{uint64(picked[0])<<32 | uint64(picked[1]), uint64(picked[2])<<32 | uint64(picked[3])}
}

// numbers are an address' 32-bit words as numbers, the first one first.
func numbers(a bits128, f rules.Family) [4]uint32 {
	if f == rules.IPv4 {
		return [4]uint32{uint32(a.lo)}
	}
	return [4]uint32{uint32(a.hi >> 32), uint32(a.hi), uint32(a.lo >> 32), uint32(a.lo)}
}

// wireWords are the words as a little-endian machine reads them off the wire.
func wireWords(a bits128, f rules.Family) [4]uint32 {
	w := numbers(a, f)
	for i := range w {
		w[i] = bits.ReverseBytes32(w[i])
	}
	return w
}

// jhash4 is Bob Jenkins' lookup3 hash of four words (jhash2 of linux/jhash.h).
func jhash4(k [4]uint32, seed uint32) uint32 {
	const length = uint32(len(k))
	a := 0xdeadbeef + length<<2 + seed
	b, c := a, a
	a, b, c = a+k[0], b+k[1], c+k[2]
	a -= c
	a ^= bits.RotateLeft32(c, 4)
	c += b
	b -= a
	b ^= bits.RotateLeft32(a, 6)
	a += c
	c -= b
	c ^= bits.RotateLeft32(b, 8)
	b += a
	a -= c
	a ^= bits.RotateLeft32(c, 16)
	c += b
	b -= a
	b ^= bits.RotateLeft32(a, 19)
	a += c
	c -= b
	c ^= bits.RotateLeft32(b, 4)
	b += a

	a += k[3]
	c ^= b
	c -= bits.RotateLeft32(b, 14)
	a ^= c
	a -= bits.RotateLeft32(c, 11)
	b ^= a
	b -= bits.RotateLeft32(a, 25)
	c ^= b
	c -= bits.RotateLeft32(b, 16)
	a ^= c
	a -= bits.RotateLeft32(c, 4)
	b ^= a
	b -= bits.RotateLeft32(a, 14)
	c ^= b
	c -= bits.RotateLeft32(b, 24)
	return c
}
