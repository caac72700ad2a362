package rules

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Tuple is one direction of a flow: what a packet of that direction carries.
// It is a plain value without pointers, comparable, 38 bytes.
//
// What the two ports mean depends on the protocol (struct nf_conntrack_tuple):
//
//   - TCP, UDP, UDP-Lite, SCTP, DCCP: ports;
//   - ICMP, ICMPv6: SrcPort is the identifier, DstPort is type<<8 | code;
//   - GRE: the two keys (PPTP call ids), 0 for plain GRE;
//   - everything else: 0.
type Tuple struct {
	// Src and Dst are addresses in 16 bytes; IPv4 ones are mapped (::ffff:a.b.c.d),
	// so that both families compare and mask alike.
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	Proto            Protocol
	Family           Family
}

// MakeTuple builds the tuple of a packet with ports. Both addresses are to be
// of one family; an IPv4-mapped IPv6 address counts as IPv6.
func MakeTuple(proto Protocol, src, dst netip.AddrPort) Tuple {
	t := Tuple{
		Src: src.Addr().As16(), Dst: dst.Addr().As16(),
		SrcPort: src.Port(), DstPort: dst.Port(),
		Proto: proto, Family: IPv4,
	}
	if src.Addr().Is6() {
		t.Family = IPv6
	}
	return t
}

// MakeICMP builds the tuple of an ICMP or ICMPv6 message.
func MakeICMP(proto Protocol, src, dst netip.Addr, id uint16, kind, code uint8) Tuple {
	t := MakeTuple(proto, netip.AddrPortFrom(src, id), netip.AddrPortFrom(dst, 0))
	t.DstPort = uint16(kind)<<8 | uint16(code)
	return t
}

// SrcAddr is the source address.
func (t *Tuple) SrcAddr() netip.Addr { return t.Addr(&t.Src) }

// DstAddr is the destination address.
func (t *Tuple) DstAddr() netip.Addr { return t.Addr(&t.Dst) }

// Source is the source address and port; the port is 0 where the protocol has none.
func (t *Tuple) Source() netip.AddrPort { return t.endpoint(&t.Src, t.SrcPort) }

// Destination is the destination address and port; the port is 0 where the
// protocol has none.
func (t *Tuple) Destination() netip.AddrPort { return t.endpoint(&t.Dst, t.DstPort) }

func (t *Tuple) endpoint(a *[16]byte, port uint16) netip.AddrPort {
	if !t.Proto.HasPorts() {
		port = 0
	}
	return netip.AddrPortFrom(t.Addr(a), port)
}

// Addr is one of the tuple's two addresses as the family has it.
func (t *Tuple) Addr(a *[16]byte) netip.Addr {
	if t.Family == IPv4 {
		return netip.AddrFrom4([4]byte(a[12:]))
	}
	return netip.AddrFrom16(*a)
}

// ICMP is the identifier, type and code; ok is false for any other protocol.
func (t *Tuple) ICMP() (id uint16, kind, code uint8, ok bool) {
	if !t.Proto.IsICMP() {
		return 0, 0, 0, false
	}
	return t.SrcPort, uint8(t.DstPort >> 8), uint8(t.DstPort), true
}

// GREKeys are the keys of the two directions (for PPTP the call ids); ok is
// false for any other protocol.
func (t *Tuple) GREKeys() (src, dst uint16, ok bool) {
	return t.SrcPort, t.DstPort, t.Proto == GRE
}

// Mirror is the tuple that a reply has if nothing is translated
// (nf_ct_invert_tuple).
func (t Tuple) Mirror() Tuple {
	m := t
	m.Src, m.Dst = t.Dst, t.Src
	if t.Proto.IsICMP() {
		m.DstPort = uint16(ICMPAnswer(t.Proto, uint8(t.DstPort>>8)))<<8 | t.DstPort&0xff
		return m
	}
	m.SrcPort, m.DstPort = t.DstPort, t.SrcPort
	return m
}

// Compare orders tuples by protocol, source and destination.
func (t *Tuple) Compare(u *Tuple) int {
	return cmp.Or(
		cmp.Compare(t.Family, u.Family), cmp.Compare(t.Proto, u.Proto),
		compareAddr(&t.Src, &u.Src), cmp.Compare(t.SrcPort, u.SrcPort),
		compareAddr(&t.Dst, &u.Dst), cmp.Compare(t.DstPort, u.DstPort))
}

func compareAddr(a, b *[16]byte) int {
	ah, al := AddrHalves(a)
	bh, bl := AddrHalves(b)
	return cmp.Or(cmp.Compare(ah, bh), cmp.Compare(al, bl))
}

// AddrHalves are the two halves of an address as numbers, for comparing and masking.
func AddrHalves(a *[16]byte) (high, low uint64) {
	return binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
}

// String is the tuple in one line: "tcp 10.0.0.1:1234 > 192.0.2.1:80",
// "icmp 10.0.0.1 > 192.0.2.1 type 8 code 0 id 7".
func (t Tuple) String() string {
	return string(t.AppendText(nil))
}

// AppendText appends what String returns.
func (t *Tuple) AppendText(b []byte) []byte {
	b = t.Proto.AppendName(b)
	b = append(b, ' ')
	b = t.AppendEndpoint(b, &t.Src, t.SrcPort)
	b = append(b, " > "...)
	b = t.AppendEndpoint(b, &t.Dst, t.DstPort)
	if id, kind, code, ok := t.ICMP(); ok {
		b = strconv.AppendUint(append(b, " type "...), uint64(kind), 10)
		b = strconv.AppendUint(append(b, " code "...), uint64(code), 10)
		b = strconv.AppendUint(append(b, " id "...), uint64(id), 10)
	}
	if src, dst, ok := t.GREKeys(); ok && (src|dst) != 0 {
		b = strconv.AppendUint(append(b, " keys "...), uint64(src), 10)
		b = strconv.AppendUint(append(b, ' '), uint64(dst), 10)
	}
	return b
}

// AppendEndpoint appends one of the two addresses, with its port where the protocol has ports.
func (t *Tuple) AppendEndpoint(b []byte, a *[16]byte, port uint16) []byte {
	if !t.Proto.HasPorts() {
		return t.Addr(a).AppendTo(b)
	}
	return netip.AddrPortFrom(t.Addr(a), port).AppendTo(b)
}
