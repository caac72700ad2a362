package evaluate

import (
	"encoding/binary"
	"net/netip"

	"nattui/rules"
	"nattui/rules/nft"
)

// This file loads what the kernel knows of a packet into registers: its bytes (nft_payload_eval), what belongs to it
// (nft_meta_get_eval), and its routes (nft_fib).

// loadPayload loads a part of the packet's headers.
func loadPayload(e nft.Payload) func(*machine, *state) Truth {
	p := placeOf(e.Into, e.Len)
	switch {
	case e.Base == nft.NetworkHeader:
		return func(m *machine, st *state) Truth { return m.loadNetwork(st, e.Offset, p) }
	case e.Base == nft.TransportHeader && e.Len == 2 && (e.Offset == 0 || e.Offset == 2):
		source := e.Offset == 0
		return func(m *machine, st *state) Truth {
			if !m.pkt.Protocol.HasPorts() {
				return m.loadTransport(st, e.Offset, p)
			}
			m.regs.setPort(p, *st.port(source))
			return Yes
		}
	case e.Base == nft.TransportHeader:
		return func(m *machine, st *state) Truth { return m.loadTransport(st, e.Offset, p) }
	case e.Base == nft.LinkHeader:
		return func(m *machine, st *state) Truth { return m.loadLink(st, e.Offset, p) }
	}
	return func(m *machine, _ *state) Truth {
		m.regs.setUnknown(p)
		return Unknown // there may be no such header
	}
}

// header is the beginning of a header, byte by byte, with what is known of it.
type header struct{ value, known [registerBytes]byte }

func (h *header) put(at int, data ...byte) {
	copy(h.value[at:], data)
	for i := range data {
		h.known[at+i] = 0xff
	}
}

func (h *header) putAddr(at int, a bits128, known bool, f rules.Family) {
	if !known {
		return
	}
	if f == rules.IPv4 {
		h.put(at, byte(a.lo>>24), byte(a.lo>>16), byte(a.lo>>8), byte(a.lo))
		return
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	h.put(at, b[:]...)
}

// loadFrom copies a part of a header; what lies behind it is not known.
func (r *registers) loadFrom(h *header, offset uint32, p place) {
	value, known := r.clear(p)
	clear(known[:p.len])
	if offset < registerBytes {
		copy(value[:p.len], h.value[offset:])
		copy(known[:p.len], h.known[offset:])
	}
}

func (m *machine) loadNetwork(st *state, offset uint32, p place) Truth {
	var h header
	src, srcKnown := st.addr(true)
	dst, dstKnown := st.addr(false)
	if m.family == rules.IPv4 {
		m.ipv4Header(st, &h)
		h.putAddr(12, src, srcKnown, m.family)
		h.putAddr(16, dst, dstKnown, m.family)
	} else {
		h.value[0], h.known[0] = 0x60, 0xf0
		if m.pkt.Has&HasExt == 0 {
			h.put(6, byte(m.pkt.Protocol))
		}
		if st.knowsTTL() {
			h.put(7, st.ttl)
		}
		tos, known := st.tos&^st.tosOpen, ^st.tosOpen
		h.value[0], h.known[0] = 0x60|tos>>4, 0xf0|known>>4
		h.value[1], h.known[1] = tos<<4, known<<4
		h.putAddr(8, src, srcKnown, m.family)
		h.putAddr(24, dst, dstKnown, m.family)
	}
	m.regs.loadFrom(&h, offset, p)
	return Yes
}

func (m *machine) ipv4Header(st *state, h *header) {
	h.value[0], h.known[0] = 0x40, 0xf0 // how many options it has is not known
	h.value[1], h.known[1] = st.tos&^st.tosOpen, ^st.tosOpen
	if n := m.pkt.Length; n != 0 {
		h.put(2, byte(n>>8), byte(n))
	}
	h.known[6], h.known[7] = 0xbf, 0xff // a whole packet, which may say that it is not to be divided
	if st.knowsTTL() {
		h.put(8, st.ttl)
	}
	h.put(9, byte(m.pkt.Protocol))
}

func (m *machine) loadTransport(st *state, offset uint32, p place) Truth {
	var h header
	switch {
	case m.pkt.isICMP():
		kind, code := m.pkt.icmp()
		h.put(0, kind, code)
		if st.sport.Single() && rules.ICMPBegins(m.pkt.Protocol, kind) {
			h.put(4, byte(st.sport.Lo>>8), byte(st.sport.Lo))
		}
	case m.pkt.Protocol.HasPorts():
		if st.sport.Single() {
			h.put(0, byte(st.sport.Lo>>8), byte(st.sport.Lo))
		}
		if st.dport.Single() {
			h.put(2, byte(st.dport.Lo>>8), byte(st.dport.Lo))
		}
		if flags, known := m.pkt.tcpFlags(); known && m.pkt.Protocol == rules.TCP {
			h.put(13, flags)
		}
	}
	m.regs.loadFrom(&h, offset, p)
	if m.pkt.Protocol.HasPorts() && offset == 0 && p.len == 4 {
		for i, ports := range [...]rules.Ports{st.sport, st.dport} {
			if at := p.at + uint8(2*i); !ports.Single() {
				m.regs.addRange(at, ports, m.regs.known[at:])
			}
		}
	}
	return Yes
}

// loadLink loads a part of the Ethernet header, which packets of this host's own do not have yet.
func (m *machine) loadLink(st *state, offset uint32, p place) Truth {
	if m.pkt.Local && !st.looped {
		return No
	}
	var h header
	var mac [6]byte
	if parseMAC(m.pkt.MAC, &mac) {
		h.put(6, mac[:]...)
	}
	if m.family == rules.IPv4 {
		h.put(12, 0x08, 0x00)
	} else {
		h.put(12, 0x86, 0xdd)
	}
	m.regs.loadFrom(&h, offset, p)
	if m.pkt.MAC == "" {
		return Unknown // the link may have no such header
	}
	return Yes
}

// parseMAC reads aa:bb:cc:dd:ee:ff.
func parseMAC(text string, into *[6]byte) bool {
	if len(text) != 17 {
		return false
	}
	digit := func(c byte) int {
		switch {
		case '0' <= c && c <= '9':
			return int(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			return int(c|0x20-'a') + 10
		}
		return -1
	}
	for i := range into {
		high, low := digit(text[3*i]), digit(text[3*i+1])
		if high < 0 || low < 0 {
			return false
		}
		into[i] = byte(high<<4 | low)
	}
	return true
}

// loadFib asks the routes as nft_fib_ipv4.c and nft_fib_ipv6.c do.
func loadFib(e nft.Fib) func(*machine, *state) Truth {
	const source, mark, iif, oif = 1, 4, 8, 16 // NFTA_FIB_F_*
	const resultOIF, resultName, resultType = 1, 2, 3
	q := fibQuestion{source: e.Flags&source != 0, present: e.Flags&nft.FibPresent != 0, by: e.Flags & (iif | oif), iif: e.Flags&iif != 0, mark: e.Flags&mark != 0}
	switch e.Result {
	case resultType:
		p := placeOf(e.Into, 4)
		return func(m *machine, st *state) Truth { return m.loadAddrType(st, q, p) }
	case resultOIF:
		q.index = true
		p := placeOf(e.Into, 4)
		return func(m *machine, st *state) Truth { return m.loadWayBack(st, q, p) }
	case resultName:
		p := placeOf(e.Into, 16)
		return func(m *machine, st *state) Truth { return m.loadWayBack(st, q, p) }
	}
	return loadUnknown(placeOf(e.Into, 16))
}

type fibQuestion struct {
	source, present, iif, index, mark bool
	by                                uint32 // the interface that counts
}

// routeKinds are the kinds of address as rtnetlink numbers them (RTN_*).
var routeKinds = map[string]uint32{
	"UNICAST": 1, "LOCAL": 2, "BROADCAST": 3, "ANYCAST": 4, "MULTICAST": 5, "BLACKHOLE": 6, "UNREACHABLE": 7, "PROHIBIT": 8,
}

func (m *machine) loadAddrType(st *state, q fibQuestion, p place) Truth {
	a, known := st.addr(q.source)
	dev, devKnown := "", true
	if q.by != 0 {
		dev, devKnown = st.iface(q.iif)
	}
	if !known || !devKnown || !m.e.addrs.known {
		m.regs.setUnknown(p)
		return Yes
	}
	addr := a.addr(m.family)
	kind := m.e.addrs.addrType(addr, dev)
	if m.family == rules.IPv6 {
		switch {
		case addr.IsMulticast():
			kind = "MULTICAST"
		case kind == "UNICAST" || kind == "BROADCAST":
			kind = "UNICAST"
			if m.e.host.Route == nil {
				m.regs.setUnknown(p)
				return Yes
			}
			if m.e.host.Route(RouteQuery{Dst: addr, Bare: true}).Kind == RoutedNone {
				kind = "UNREACHABLE"
			}
		}
	}
	m.regs.setWord(p, routeKinds[kind], ^uint32(0))
	return Yes
}

// loadWayBack loads the interface that the route to an address leads to, as a number, a name, or whether there is one.
func (m *machine) loadWayBack(st *state, q fibQuestion, p place) Truth {
	name, known := m.wayBack(st, q)
	switch {
	case !known:
		m.regs.setUnknown(p)
	case q.present:
		there := byte(0)
		if name != "" {
			there = 1
		}
		m.regs.setByte(p, there)
	case q.index:
		m.setIndex(p, name, true)
	default:
		m.regs.setName(p, name)
	}
	return Yes
}

func (m *machine) wayBack(st *state, q fibQuestion) (name string, known bool) {
	a, aKnown := st.addr(q.source)
	in, inKnown := st.iface(q.iif)
	if !aKnown || m.e.host.Route == nil || q.by != 0 && !inKnown {
		return "", false
	}
	addr := a.addr(m.family)
	switch {
	case st.in == "lo" && st.stage < stageDeliver: // nft_fib_can_skip
		return "lo", true
	case m.e.addrs.isLocal(addr):
		return "", true
	case m.family == rules.IPv4 && q.source && addr.IsUnspecified():
		return in, true
	}
	other, otherKnown := st.addr(!q.source)
	if !otherKnown || q.mark && st.blurred != 0 {
		return "", false
	}
	ways := m.routeTOSes(st)
	if len(ways) > 1 {
		return "", false
	}
	ask := RouteQuery{Dst: addr, Src: other.addr(m.family), TOS: ways[0], Bare: true}
	if q.mark {
		ask.Mark = st.mark
	}
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		ask.Out = in
	}
	switch r := m.e.host.Route(ask); {
	case r.Kind == RoutedUnknown || r.Kind == RoutedLocal:
		return "", false
	case r.Kind == RoutedNone || r.Kind == RoutedRefused:
		return "", true
	case q.by != 0 && r.Out != in:
		return "", true
	default:
		return r.Out, true
	}
}

// setName loads the name of an interface, "" where there is none (nft_meta_store_ifname).
func (r *registers) setName(p place, name string) {
	value, _ := r.clear(place{p.at, 16})
	copy(value, name)
}

// setIndex loads the number of an interface, 0 where there is none.
func (m *machine) setIndex(p place, name string, known bool) {
	if known && name == "" {
		m.regs.setWord(p, 0, ^uint32(0))
		return
	}
	if i := m.e.addrs.interfaceOf(name); known && i != nil && i.Index != 0 {
		m.regs.setWord(p, uint32(i.Index), ^uint32(0))
		return
	}
	m.regs.setUnknown(place{p.at, 4})
}

// rewrite changes the packet's own bytes. Once its connection is known, no translation is looked at that comes of it.
func (m *machine) rewrite(st *state, base nft.Header, offset uint32, from place) {
	m.particular = true
	size := uint32(len(netip.IPv4Unspecified().AsSlice()))
	at := [2]uint32{12, 16}
	if m.family == rules.IPv6 {
		size, at = 16, [2]uint32{8, 24}
	}
	switch {
	case base == nft.NetworkHeader && (offset == at[0] || offset == at[1]) && uint32(from.len) == size:
		if !m.regs.isKnown(from) {
			m.incomplete = true
			break
		}
		a, _ := netip.AddrFromSlice(m.regs.value[from.at : from.at+from.len])
		if offset == at[0] {
			st.src, st.has = bitsOf(a), st.has&^unknownSrc
		} else {
			st.dst, st.has = bitsOf(a), st.has&^unknownDst
		}
		m.incomplete = m.incomplete || st.ct.hasFlow()
	case base == nft.TransportHeader && offset < 4:
		m.incomplete = true
	case base == nft.NetworkHeader:
		m.rewriteTTL(st, offset, from)
		m.rewriteTOS(st, offset, from)
	}
	if m.incomplete {
		m.doubt(Doubt{What: "a rule writes addresses or ports into the packet itself"})
	}
}
