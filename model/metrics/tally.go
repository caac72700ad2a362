package metrics

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"nattui/rules"
)

// tally counts how often each of many keys was met, exactly, for the first mostDistinct of them; what comes after those
// is counted as omitted. A key is a number, so that a million connections of as many clients cost little more than
// reading them from the kernel: Go's maps take three times as long.
type tally struct {
	// keys are kept at the place of their hash, or at the first free one behind it. A count of 0 is a free place.
	keys    []uint64
	counts  []uint32
	used    int
	omitted uint64
}

// firstPlaces is how much room a tally has at first: a power of two.
const firstPlaces = 1 << 8

func (t *tally) add(key uint64) {
	if t.used*4 >= len(t.keys)*3 {
		t.grow(max(firstPlaces, 2*len(t.keys)))
	}
	at := t.find(key)
	if t.counts[at] == 0 {
		if t.used >= mostDistinct {
			t.omitted++
			return
		}
		t.keys[at] = key
		t.used++
	}
	t.counts[at]++
}

// find is the place of a key, or the free one where it belongs.
func (t *tally) find(key uint64) int {
	const golden = 0x9e3779b97f4a7c15
	at := int(key * golden >> (65 - bits.Len(uint(len(t.keys)))))
	for t.counts[at] != 0 && t.keys[at] != key {
		at = (at + 1) & (len(t.keys) - 1)
	}
	return at
}

// expect makes room for so many keys.
func (t *tally) expect(keys int) {
	if room := 1 << bits.Len(uint(min(keys, mostDistinct)*4/3)); room > len(t.keys) {
		t.grow(room)
	}
}

// grow makes room, a power of two.
func (t *tally) grow(room int) {
	old := *t
	t.keys, t.counts = make([]uint64, room), make([]uint32, room)
	for i, n := range old.counts {
		if n > 0 {
			at := t.find(old.keys[i])
			t.keys[at], t.counts[at] = old.keys[i], n
		}
	}
}

// each calls visit with every key that was met.
func (t *tally) each(visit func(key uint64, count uint32)) {
	for i, n := range t.counts {
		if n > 0 {
			visit(t.keys[i], n)
		}
	}
}

// counted is a key and how often it was met.
type counted struct {
	key   uint64
	count uint32
}

// leaders are the keys that were met most often, up to a number of them: the first first, of those met equally often
// the smaller ones.
type leaders struct {
	most int
	list []counted
}

func (l *leaders) take(key uint64, count uint32) {
	order := func(a, b counted) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.key, b.key)) }
	next := counted{key, count}
	if len(l.list) == l.most && (l.most == 0 || order(next, l.list[l.most-1]) > 0) {
		return
	}
	at, _ := slices.BinarySearchFunc(l.list, next, order)
	if l.list = slices.Insert(l.list, at, next); len(l.list) > l.most {
		l.list = l.list[:l.most]
	}
}

// addresses number the addresses of each family: IPv4 ones are their own number.
type addresses struct {
	numbers map[[16]byte]uint32 // of IPv6
	known   [][16]byte
}

// number is that of an address of a family.
func (a *addresses) number(f rules.Family, addr *[16]byte) uint32 {
	if f == rules.IPv4 {
		return binary.BigEndian.Uint32(addr[12:])
	}
	n, ok := a.numbers[*addr]
	if !ok {
		if a.numbers == nil {
			a.numbers = map[[16]byte]uint32{}
		}
		n = uint32(len(a.known))
		a.numbers[*addr] = n
		a.known = append(a.known, *addr)
	}
	return n
}

// at is the address of a number.
func (a *addresses) at(f rules.Family, number uint32) netip.Addr {
	if f == rules.IPv4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], number)
		return netip.AddrFrom4(b)
	}
	return netip.AddrFrom16(a.known[number])
}
