package evaluate

import (
	"encoding/binary"
	"net/netip"

	"nattui/rules"
	"nattui/rules/nft"
)

// This file cuts classes of packets apart where native rules look at addresses and ports. It follows what registers hold
// through a rule; what it cannot follow makes the rule particular: packets that meet it are looked at each by itself.

// axes follows the registers of one rule.
type axes struct {
	family rules.Family
	held   map[uint8]held
	cuts   []func(*cuts)
	lost   bool // something was looked at that is not followed
}

// held is an address or port in a register.
type held struct {
	of   end
	size uint8  // in bytes: of a port, of an address, or of its beginning
	mask []byte // nil: all of it
	port bool
}

func (x *axes) addrSize() uint8 {
	if x.family == rules.IPv6 {
		return 16
	}
	return 4
}

// take follows an expression.
func (x *axes) take(e nft.Expr, sets map[string]*nativeSet) {
	switch e := e.(type) {
	case nft.Payload:
		x.payload(e)
	case nft.Meta:
		x.forget(placeOf(e.Reg, 16), !e.Set)
	case nft.CT:
		x.ct(e)
	case nft.Fib:
		x.forget(placeOf(e.Into, 16), true)
	case nft.Numgen:
		x.forget(placeOf(e.Into, 4), true)
	case nft.Hash:
		x.lost = true
	case nft.Immediate:
		if e.Verdict == nil {
			x.forget(placeOf(e.Into, uint32(len(e.Data))), true)
			x.given(e.Data)
		}
	case nft.Bitwise:
		x.bitwise(e)
	case nft.ByteOrder:
		x.lost = x.lost || x.within(placeOf(e.From, e.Len))
	case nft.Cmp:
		x.compare(e)
	case nft.Range:
		p := placeOf(e.Reg, uint32(len(e.From)))
		x.each(p, func(at uint8, h held) { x.between(h, e.From[at:], e.To[at:]) })
	case nft.Lookup:
		x.lookup(e, sets[e.Set])
	case nft.Masq:
		x.cuts = append(x.cuts, func(c *cuts) { c.masquerades = true })
	case nft.PayloadSet, nft.Dynset, nft.Unknown:
		x.lost = true
	}
}

// forget notes that a place is loaded with something else.
func (x *axes) forget(p place, loaded bool) {
	if !loaded {
		return
	}
	p = p.room()
	for at := range x.held {
		if p.covers(at) {
			delete(x.held, at)
		}
	}
}

func (x *axes) hold(at uint8, h held) {
	if x.held == nil {
		x.held = map[uint8]held{}
	}
	x.held[at] = h
}

// within tells whether a place holds an address or port.
func (x *axes) within(p place) bool {
	for at := range x.held {
		if p.covers(at) {
			return true
		}
	}
	return false
}

// each visits what a place holds, by how far into it.
func (x *axes) each(p place, do func(at uint8, h held)) {
	for at, h := range x.held {
		if p.covers(at) {
			if at+h.size > p.at+p.len {
				h.size = p.at + p.len - at // only its beginning is compared
			}
			do(at-p.at, h)
		}
	}
}

func (x *axes) payload(e nft.Payload) {
	p := placeOf(e.Into, e.Len)
	x.forget(p, true)
	put := func(from, size uint32, h held) {
		switch {
		case e.Offset+e.Len <= from || from+size <= e.Offset: // it is not loaded
		case e.Offset > from:
			x.lost = true // not from its beginning
		default:
			h.size = uint8(min(size, e.Offset+e.Len-from))
			x.hold(p.at+uint8(from-e.Offset), h)
		}
	}
	switch e.Base {
	case nft.NetworkHeader:
		size, src, dst := uint32(4), uint32(12), uint32(16)
		if x.family == rules.IPv6 {
			size, src, dst = 16, 8, 24
		}
		put(src, size, held{of: ofSource})
		put(dst, size, held{of: ofDest})
	case nft.TransportHeader:
		put(0, 2, held{of: ofSource, port: true})
		put(2, 2, held{of: ofDest, port: true})
		put(4, 2, held{of: ofSource, port: true}) // the identifier of an ICMP message
	}
}

func (x *axes) ct(e nft.CT) {
	if e.Set {
		return
	}
	p := placeOf(e.Reg, 16)
	x.forget(p, true)
	switch e.Key {
	case "src", "dst", "src_ip", "dst_ip", "src_ip6", "dst_ip6":
		if !ctAddrOf(e.Key, x.family) {
			break
		}
		x.hold(p.at, held{of: ofBoth, size: x.addrSize()})
	case "proto_src", "proto_dst":
		x.hold(p.at, held{of: ofBoth, size: 2, port: true})
	}
}

func (x *axes) bitwise(e nft.Bitwise) {
	from, into := placeOf(e.From, e.Len), placeOf(e.Into, e.Len)
	found := map[uint8]held{}
	x.each(from, func(at uint8, h held) {
		if e.Op != 0 || len(e.Mask) < int(at+h.size) || len(e.Xor) < int(at+h.size) || h.mask != nil || h.port {
			x.lost = true
			return
		}
		for _, b := range e.Xor[at : at+h.size] {
			x.lost = x.lost || b != 0
		}
		h.mask = e.Mask[at : at+h.size]
		found[into.at+at] = h
	})
	x.forget(into, true)
	for at, h := range found {
		x.hold(at, h)
	}
}

func (x *axes) compare(e nft.Cmp) {
	p := placeOf(e.Reg, uint32(len(e.Data)))
	several := 0
	x.each(p, func(at uint8, h held) {
		several++
		data := e.Data[at:]
		switch {
		case e.Op == "eq" || e.Op == "neq":
			x.equals(h, data)
		case h.mask != nil || at != 0 || h.size != uint8(len(e.Data)):
			x.lost = true
		default:
			x.between(h, data, data)
		}
	})
	if several > 1 && e.Op != "eq" && e.Op != "neq" {
		x.lost = true
	}
}

// equals cuts off one value, or what is left of it under a mask.
func (x *axes) equals(h held, data []byte) {
	if len(data) < int(h.size) {
		x.lost = true
		return
	}
	data = data[:h.size]
	if h.port {
		if h.size != 2 {
			x.lost = true
			return
		}
		x.between(h, data, data)
		return
	}
	mask := make([]byte, x.addrSize())
	value := make([]byte, x.addrSize())
	for i := range data {
		mask[i] = 0xff
		if h.mask != nil {
			mask[i] = h.mask[i]
		}
		value[i] = data[i] & mask[i]
	}
	m := maskedAddr{value: bytesBits(value), mask: bytesBits(mask)}
	if _, whole := m.hosts(x.family); !whole {
		x.lost = true
		return
	}
	of := h.of
	x.cuts = append(x.cuts, func(c *cuts) { c.net(of, &m) })
}

// between cuts off the values of a range.
func (x *axes) between(h held, from, to []byte) {
	if h.mask != nil || len(from) < int(h.size) || len(to) < int(h.size) {
		x.lost = true
		return
	}
	of := h.of
	if h.port {
		if h.size != 2 {
			x.lost = true
			return
		}
		p := rules.Ports{Lo: binary.BigEndian.Uint16(from), Hi: binary.BigEndian.Uint16(to)}
		x.cuts = append(x.cuts, func(c *cuts) { c.ports(of, p) })
		return
	}
	if h.size != x.addrSize() {
		x.lost = true
		return
	}
	lo, hi := bytesBits(from[:h.size]), bytesBits(to[:h.size])
	x.cuts = append(x.cuts, func(c *cuts) { c.addrs(of, lo, hi) })
}

func bytesBits(b []byte) bits128 {
	a, _ := netip.AddrFromSlice(b)
	return bitsOf(a)
}

func (x *axes) lookup(e nft.Lookup, s *nativeSet) {
	if s == nil {
		return
	}
	key := placeOf(e.Key, s.set.KeyLen)
	x.each(key, func(at uint8, h held) {
		for i := range s.set.Elements {
			if el := &s.set.Elements[i]; !el.CatchAll {
				x.element(h, at, el, s)
			}
		}
	})
	if !e.Map || e.Into == 0 {
		return
	}
	x.forget(placeOf(e.Into, s.set.DataLen), true)
	for i := range s.set.Elements {
		x.given(s.set.Elements[i].Data)
	}
}

// element cuts off what an element holds.
func (x *axes) element(h held, at uint8, el *nft.Element, s *nativeSet) {
	switch key := el.Key; {
	case len(key) < int(at+h.size):
		x.lost = true
	case el.KeyEnd != nil:
		x.between(h, key[at:], el.KeyEnd[at:])
	case s.set.Flags&nft.SetInterval != 0 && h.mask != nil:
		x.lost = true
	case s.set.Flags&nft.SetInterval != 0:
		x.between(h, key[at:], key[at:]) // a beginning, or what an interval ends before
		if len(key) == int(h.size) {
			x.until(h, key)
		}
	default:
		x.equals(h, key[at:])
	}
}

// until cuts between a value and the one before it.
func (x *axes) until(h held, key []byte) {
	first := make([]byte, len(key))
	last := append([]byte(nil), key...)
	for i := len(last) - 1; i >= 0; i-- {
		last[i]--
		if last[i] != 0xff {
			x.between(h, first, last)
			return
		}
	}
}

// given cuts off the address and the port that a translation may give: a value that packets are given has an interval of
// its own.
func (x *axes) given(data []byte) {
	size := int(x.addrSize())
	if len(data) >= size {
		a := bytesBits(data[:size])
		x.cuts = append(x.cuts, func(c *cuts) { c.addrs(ofBoth, a, a) })
	}
	for _, at := range [...]int{0, size} {
		if len(data) == at+2 || len(data) == at+4 && at > 0 {
			p := rules.Port(binary.BigEndian.Uint16(data[at:]))
			x.cuts = append(x.cuts, func(c *cuts) { c.ports(ofBoth, p); c.ident.cut(p) })
		}
	}
}
