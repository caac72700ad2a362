package nft

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// term is what lies in a register: something that the rule looks at, or a value.
type term struct {
	text string
	typ  *dataType
	size uint32 // in bytes
	// inPacket terms lie in the packet and get their name when they are used: it hangs on the protocol.
	inPacket     bool
	base         Header
	offset, bits uint32
	// value is a constant's, as the register holds it; nil for other terms.
	value []byte
	// parts are the types of what comes out of a map, where that is more than one value.
	parts  []*dataType
	mapped *Set // the map, and by what it is asked
	key    string
	chance string // how a number was made that hangs on no single packet
	// mask and xor were computed with it, in network order.
	mask, xor []byte
	turned    bool // by byteorder, to network order
}

// host tells that the register has it in this machine's byte order.
func (t *term) host() bool { return t.typ != nil && t.typ.host && !t.turned }

// slots are the registers of 4 bytes each, in which those of 16 bytes lie too.
type slots [20]struct {
	term *term
	part uint32 // how many bytes of the term lie before
}

func slot(r Register) (int, bool) {
	switch {
	case r >= 1 && r <= 4:
		return int(r-1) * 4, true
	case r >= 8 && int(r-8) < len(slots{}):
		return int(r - 8), true
	}
	return 0, false
}

// load puts a term into a register and those that it goes on into.
func (s *slots) load(r Register, t *term) {
	at, ok := slot(r)
	if !ok {
		return
	}
	for part := uint32(0); (part < t.size || part == 0) && at < len(s); part += 4 {
		s[at].term, s[at].part = t, part
		at++
	}
}

// at is the term that begins in a register; nil where none does.
func (s *slots) at(r Register) *term {
	if i, ok := slot(r); ok && s[i].part == 0 {
		return s[i].term
	}
	return nil
}

// within is the term that a register has a part of.
func (s *slots) within(r Register) *term {
	if i, ok := slot(r); ok {
		return s[i].term
	}
	return nil
}

// gather are the terms that fill so many bytes from a register on.
func (s *slots) gather(r Register, size uint32) []*term {
	var all []*term
	i, ok := slot(r)
	for done := uint32(0); ok && done < size && i < len(s); {
		t := s[i].term
		if t == nil || s[i].part != 0 || t.size == 0 {
			break
		}
		all = append(all, t)
		step := (t.size + 3) &^ 3
		done += step
		i += int(step / 4)
	}
	return all
}

// piece is a field, or its beginning, with the bits of a term that belong to it.
type piece struct {
	header string
	field
	take uint32 // bits of the field that there are
}

func (p piece) text() string {
	if p.header == "" {
		return p.name
	}
	return p.header + " " + p.name
}

// rawPiece is a stretch of a header that has no name.
func rawPiece(base Header, offset, n uint32) piece {
	short := map[Header]string{LinkHeader: "ll", NetworkHeader: "nh", TransportHeader: "th", InnerHeader: "ih"}[base]
	return piece{field: field{fmt.Sprintf("@%s,%d,%d", short, offset, n), offset, n, hexType}, take: n}
}

// cover finds the fields of a header that lie one after the other from an offset on, in bits; the last may be there in part.
func cover(header string, base Header, offset, n uint32) []piece {
	var all []piece
	for n > 0 {
		i := slices.IndexFunc(fields[header], func(f field) bool { return f.offset == offset && (f.bits <= n || n%8 == 0) })
		if i < 0 {
			return []piece{rawPiece(base, all0(all, offset), n+covered(all))}
		}
		f := fields[header][i]
		take := min(f.bits, n)
		all = append(all, piece{header, f, take})
		offset, n = offset+take, n-take
	}
	return all
}

// all0 is where the pieces begin.
func all0(all []piece, offset uint32) uint32 { return offset - covered(all) }

func covered(all []piece) (n uint32) {
	for _, p := range all {
		n += p.take
	}
	return n
}

// masked finds the field of a header that exactly the mask's bits are.
func masked(header string, offset uint32, mask []byte) (piece, bool) {
	lead, ones, ok := run(mask)
	if !ok {
		return piece{}, false
	}
	for _, f := range fields[header] {
		if f.offset == offset+lead && f.bits == ones {
			return piece{header, f, ones}, true
		}
	}
	return piece{}, false
}

// run measures a mask whose ones are together: how many zeros lead, and how many ones there are.
func run(mask []byte) (lead, ones uint32, ok bool) {
	state := 0
	for i := range uint32(len(mask) * 8) {
		one := mask[i/8]&(0x80>>(i%8)) != 0
		switch {
		case one && state == 2:
			return 0, 0, false
		case one:
			state = 1
			ones++
		case state == 1:
			state = 2
		case state == 0:
			lead++
		}
	}
	return lead, ones, ones > 0
}

// cut is a stretch of bits of a value, right-aligned in as few bytes as hold it.
func cut(b []byte, from, n uint32) []byte {
	out := make([]byte, (n+7)/8)
	shift := uint32(len(out))*8 - n
	for i := range n {
		at := from + i
		if int(at/8) < len(b) && b[at/8]&(0x80>>(at%8)) != 0 {
			to := shift + i
			out[to/8] |= 0x80 >> (to % 8)
		}
	}
	return out
}

// prefixText is an address or number with the length of its prefix.
func prefixText(t *dataType, b []byte, n uint32, full uint32) string {
	whole := append(slices.Clone(b), make([]byte, max(0, int(full/8)-len(b)))...)
	if n == full {
		return t.say(whole)
	}
	return fmt.Sprintf("%s/%d", t.say(whole), n)
}

// intervalText is a range of values in network order, ends included, as a prefix where it is one.
func intervalText(t *dataType, low, high []byte) string {
	if bytes.Equal(low, high) {
		return t.say(low)
	}
	if n, ok := prefixOf(low, high); ok && t.prefixes() {
		return fmt.Sprintf("%s/%d", t.say(low), n)
	}
	return t.say(low) + "-" + t.say(high)
}

// prefixes tells that nft writes prefixes of the type (DTYPE_F_PREFIX).
func (t *dataType) prefixes() bool { return t == ipv4Addr || t == ipv6Addr || t == markType }

// prefixOf is the length of the prefix that a range is; false where it is none.
func prefixOf(low, high []byte) (int, bool) {
	n, open := 0, false
	for i := range low {
		diff := low[i] ^ high[i]
		if open && diff != 0xff || !open && diff&(diff+1) != 0 || diff&low[i] != 0 || len(high) != len(low) {
			return 0, false
		}
		n += 8 - bits.OnesCount8(diff)
		open = open || diff != 0
	}
	return n, true
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func inverted(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

func joined(b, with []byte, op func(x, y byte) byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		if i < len(with) {
			out[i] = op(b[i], with[i])
		}
	}
	return out
}

func quoted(s string) string { return `"` + s + `"` }

func optional(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}
