package evaluate

import (
	"bytes"
	"encoding/binary"

	"nattui/rules"
	"nattui/rules/nft"
)

// registers are those of the kernel's machine (struct nft_regs), of which each bit may be known or not.
type registers struct {
	value, known [registerBytes]byte

	// ports are places that hold a port of which only the range is known.
	ports  [4]portsAt
	ranges uint8
	// number is a place that holds one of several numbers, such as numgen makes.
	number numberAt
	// choice is a place that holds one of the values that elements of a map have.
	choice choiceAt
}

const registerBytes = 64

// place is a part of the registers.
type place struct{ at, len uint8 }

type portsAt struct {
	at uint8
	rules.Ports
}

// numberAt is a 32-bit number from Lo on, of which there are Count.
type numberAt struct {
	at         uint8
	lo, count  uint32
	bigEndian  bool
	everyValue bool // each of them comes up sometime
}

type choiceAt struct {
	place
	values [][]byte
}

// placeOf is where a register begins (nft_parse_register), for so many bytes.
func placeOf(r nft.Register, n uint32) place {
	at := uint32(0)
	switch {
	case r >= 8:
		at = uint32(r-8) * 4
	case r > 0:
		at = uint32(r-1) * 16
	}
	if at >= registerBytes {
		at = 0
	}
	return place{uint8(at), uint8(min(n, registerBytes-at))}
}

// room is the place with the rest of its last word, which loads set to zero.
func (p place) room() place { return place{p.at, min((p.len+3)&^3, registerBytes-p.at)} }

func (p place) covers(at uint8) bool { return p.at <= at && at < p.at+p.len }

// clear makes a place ready for what is loaded: zero, and known.
func (r *registers) clear(p place) (value, known []byte) {
	p = p.room()
	value, known = r.value[p.at:p.at+p.len], r.known[p.at:p.at+p.len]
	for i := range value {
		value[i], known[i] = 0, 0xff
	}
	kept := uint8(0)
	for i := range r.ranges {
		if s := r.ports[i]; !p.covers(s.at) && !p.covers(s.at+1) {
			r.ports[kept] = s
			kept++
		}
	}
	r.ranges = kept
	if r.number.count > 0 && p.covers(r.number.at) {
		r.number.count = 0
	}
	if r.choice.values != nil && (p.covers(r.choice.at) || r.choice.covers(p.at)) {
		r.choice.values = nil
	}
	return value, known
}

func (r *registers) set(p place, data []byte) {
	value, _ := r.clear(p)
	copy(value[:p.len], data)
}

// setWord loads a number as this machine keeps it, of which some bits are known.
func (r *registers) setWord(p place, n, known uint32) {
	value, mask := r.clear(place{p.at, 4})
	binary.NativeEndian.PutUint32(value, n&known)
	binary.NativeEndian.PutUint32(mask, known)
}

// setByte and setShort load a small number (nft_reg_store8, nft_reg_store16).
func (r *registers) setByte(p place, n byte) {
	value, _ := r.clear(place{p.at, 4})
	value[0] = n
}

func (r *registers) setShort(p place, n uint16) {
	value, _ := r.clear(place{p.at, 4})
	binary.NativeEndian.PutUint16(value, n)
}

// setPort loads a port as it stands in packets.
func (r *registers) setPort(p place, ports rules.Ports) {
	value, known := r.clear(place{p.at, 2})
	if ports.Single() {
		binary.BigEndian.PutUint16(value, ports.Lo)
		return
	}
	r.addRange(p.at, ports, known)
}

// addRange notes that two bytes hold a port of a range.
func (r *registers) addRange(at uint8, ports rules.Ports, known []byte) {
	known[0], known[1] = 0, 0
	if int(r.ranges) < len(r.ports) {
		r.ports[r.ranges] = portsAt{at, ports}
		r.ranges++
	}
}

func (r *registers) setUnknown(p place) {
	_, known := r.clear(p)
	clear(known[:p.len])
}

// isKnown reports whether every bit of a place is.
func (r *registers) isKnown(p place) bool {
	for _, k := range r.known[p.at : p.at+p.len] {
		if k != 0xff {
			return false
		}
	}
	return true
}

// limits are the least and the greatest value that a place may hold.
func (r *registers) limits(p place, low, high *[registerBytes]byte) (least, greatest []byte) {
	for i := uint8(0); i < p.len; i++ {
		at := p.at + i
		low[i], high[i] = r.value[at]&r.known[at], r.value[at]|^r.known[at]
	}
	for i := range r.ranges {
		if s := r.ports[i]; p.covers(s.at) && p.covers(s.at+1) {
			binary.BigEndian.PutUint16(low[s.at-p.at:], s.Lo)
			binary.BigEndian.PutUint16(high[s.at-p.at:], s.Hi)
		}
	}
	return low[:p.len], high[:p.len]
}

// equals compares a place with data.
func (r *registers) equals(p place, data []byte) Truth {
	all := Yes
	for i := range data {
		at := int(p.at) + i
		if (r.value[at]^data[i])&r.known[at] != 0 {
			return No
		}
		if r.known[at] != 0xff {
			all = Unknown
		}
	}
	if all == Unknown && r.ranges > 0 {
		for i := range r.ranges {
			if s := r.ports[i]; p.covers(s.at) && p.covers(s.at+1) && !s.Contains(binary.BigEndian.Uint16(data[s.at-p.at:])) {
				return No
			}
		}
	}
	return all
}

// between compares a place with two ends, both of which are in it.
func (r *registers) between(p place, from, to []byte) Truth {
	if r.isKnown(p) {
		have := r.value[p.at : p.at+p.len]
		return truth(bytes.Compare(have, from) >= 0 && bytes.Compare(have, to) <= 0)
	}
	var low, high [registerBytes]byte
	least, greatest := r.limits(p, &low, &high)
	switch {
	case bytes.Compare(least, from) >= 0 && bytes.Compare(greatest, to) <= 0:
		return Yes
	case bytes.Compare(greatest, from) < 0 || bytes.Compare(least, to) > 0:
		return No
	}
	return Unknown
}

// compareTest is a comparison (nft_cmp_eval), which is that of bytes.
func compareTest(e nft.Cmp) func(*machine, *state) Truth {
	p, data := placeOf(e.Reg, uint32(len(e.Data))), e.Data
	if int(p.len) < len(data) {
		return unknownTest // no kernel takes that
	}
	switch e.Op {
	case "eq":
		return func(m *machine, _ *state) Truth { return m.regs.equals(p, data) }
	case "neq":
		return func(m *machine, _ *state) Truth { return m.regs.equals(p, data).flip(true) }
	}
	return func(m *machine, _ *state) Truth {
		var low, high [registerBytes]byte
		least, greatest := m.regs.limits(p, &low, &high)
		return ordered(e.Op, bytes.Compare(least, data), bytes.Compare(greatest, data))
	}
}

// ordered decides a comparison by how the least and the greatest possible value compare.
func ordered(op string, least, greatest int) Truth {
	decide := func(yes, no bool) Truth {
		switch {
		case yes:
			return Yes
		case no:
			return No
		}
		return Unknown
	}
	switch op {
	case "lt":
		return decide(greatest < 0, least >= 0)
	case "lte":
		return decide(greatest <= 0, least > 0)
	case "gt":
		return decide(least > 0, greatest <= 0)
	case "gte":
		return decide(least >= 0, greatest < 0)
	}
	return Unknown
}

func rangeTest(e nft.Range) func(*machine, *state) Truth {
	p := placeOf(e.Reg, uint32(len(e.From)))
	return func(m *machine, _ *state) Truth { return m.regs.between(p, e.From, e.To).flip(e.Op == "neq") }
}

// bitwiseOp computes (register & mask) ^ xor, or shifts (nft_bitwise_eval).
func bitwiseOp(e nft.Bitwise) func(*machine, *state) Truth {
	from, into := placeOf(e.From, e.Len), placeOf(e.Into, e.Len)
	const mask, left, right = 0, 1, 2
	switch {
	case uint32(from.len) != e.Len || uint32(into.len) != e.Len: // no kernel takes that
	case e.Op == mask && len(e.Mask) == int(e.Len) && len(e.Xor) == int(e.Len):
		return func(m *machine, _ *state) Truth {
			m.regs.mask(from, into, e.Mask, e.Xor)
			return Yes
		}
	case (e.Op == left || e.Op == right) && e.Len == 4 && len(e.Shift) >= 4:
		by := binary.NativeEndian.Uint32(e.Shift)
		if e.Op == right {
			return func(m *machine, _ *state) Truth {
				value, known := m.regs.word(from)
				m.regs.setWord(into, value>>by, known>>by|^(^uint32(0)>>by))
				return Yes
			}
		}
		return func(m *machine, _ *state) Truth {
			value, known := m.regs.word(from)
			m.regs.setWord(into, value<<by, known<<by|^(^uint32(0)<<by))
			return Yes
		}
	}
	return loadUnknown(into)
}

// word is a number as this machine keeps it, and which of its bits are known.
func (r *registers) word(p place) (value, known uint32) {
	return binary.NativeEndian.Uint32(r.value[p.at:]), binary.NativeEndian.Uint32(r.known[p.at:])
}

func (r *registers) mask(from, into place, mask, xor []byte) {
	var value, known [registerBytes]byte
	for i := range mask {
		at := int(from.at) + i
		value[i] = r.value[at]&r.known[at]&mask[i] ^ xor[i]
		known[i] = r.known[at] | ^mask[i]
	}
	v, k := r.clear(into)
	copy(v[:into.len], value[:])
	copy(k[:into.len], known[:])
}

// littleEndian is set where this machine keeps a number's last byte first.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// byteOrderOp turns the bytes of numbers round where this machine keeps them the other way (nft_byteorder_eval).
func byteOrderOp(e nft.ByteOrder) func(*machine, *state) Truth {
	from, into := placeOf(e.From, e.Len), placeOf(e.Into, e.Len)
	size := max(int(e.Size), 1)
	switch {
	case from == into && int(from.len) < size:
		return func(*machine, *state) Truth { return Yes } // nothing is long enough to be turned
	case int(from.len)%size != 0 || from.len != into.len:
		return loadUnknown(into)
	}
	return func(m *machine, _ *state) Truth {
		r := &m.regs
		number := r.number
		var value, known [registerBytes]byte
		for i := range int(from.len) {
			at := i
			if littleEndian {
				at = i/size*size + size - 1 - i%size
			}
			value[at], known[at] = r.value[int(from.at)+i], r.known[int(from.at)+i]
		}
		v, k := r.clear(into)
		copy(v[:into.len], value[:])
		copy(k[:into.len], known[:])
		if number.count > 0 && number.at == from.at && size == 4 {
			number.at, number.bigEndian = into.at, !number.bigEndian
			r.number = number
		}
		return Yes
	}
}

func constant(p place, data []byte) func(*machine, *state) Truth {
	return func(m *machine, _ *state) Truth {
		m.regs.set(p, data)
		return Yes
	}
}

func loadUnknown(p place) func(*machine, *state) Truth {
	return func(m *machine, _ *state) Truth {
		m.regs.setUnknown(p)
		return Yes
	}
}

// loadNumber loads one of count numbers.
func loadNumber(p place, lo, count uint32) func(*machine, *state) Truth {
	return func(m *machine, _ *state) Truth {
		if count == 1 {
			m.regs.setWord(p, lo, ^uint32(0))
			return Yes
		}
		m.regs.setUnknown(place{p.at, 4})
		m.regs.number = numberAt{at: p.at, lo: lo, count: count, everyValue: true}
		return Yes
	}
}

// loadHash loads a hash of registers (nft_jhash_eval). Its seed is not told, so that any number may come out.
func loadHash(e nft.Hash) func(*machine, *state) Truth {
	return loadNumber(placeOf(e.Into, 4), e.Offset, e.Modulus)
}
