package iptables

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

var orders = []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}

// entryOf is an entry of a legacy table (struct ipt_entry or ip6t_entry, and a target) as a machine of that
// order has it.
func entryOf(l layout, order binary.ByteOrder, target string, payload []byte, packets, bytes uint64) []byte {
	start := alignU64(l.counters + 16)
	e := make([]byte, start+alignU64(targetHeader+len(payload)))
	order.PutUint16(e[l.targetOffset:], uint16(start))
	order.PutUint16(e[l.targetOffset+2:], uint16(len(e)))
	order.PutUint64(e[l.counters:], packets)
	order.PutUint64(e[l.counters+8:], bytes)
	order.PutUint16(e[start:], uint16(len(e)-start))
	copy(e[start+2:], target)
	copy(e[start+targetHeader:], payload)
	return e
}

// TestBlobInBothOrders reads the counters of a table of a little-endian and of a big-endian machine: two
// built-in chains and one of a person's.
func TestBlobInBothOrders(t *testing.T) {
	for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
		for _, order := range orders {
			b := &blob{layout: layoutOf(family), order: order}
			add := func(target, name string, n uint64) (at uint32) {
				at = uint32(len(b.entries))
				payload := make([]byte, errorName)
				copy(payload, name)
				b.entries = append(b.entries, entryOf(b.layout, order, target, payload, n, n<<33)...)
				return at
			}
			b.hooks = 1<<1 | 1<<3 // INPUT, OUTPUT
			b.entry[1] = add("", "", 1)
			add("", "", 0x0102030405060708)
			b.underflow[1] = add("", "", 3)
			b.entry[3] = add("", "", 4)
			b.underflow[3] = b.entry[3]
			add("ERROR", "people", 0)
			add("", "", 5)
			add("", "", 6) // the RETURN
			add("ERROR", "ERROR", 0)

			count := func(n uint64) rules.Counters { return rules.Counters{Packets: n, Bytes: n << 33, Known: true} }
			want := map[string]*chainCounters{
				"INPUT":  {policy: count(3), hasPolicy: true, rules: []rules.Counters{count(1), count(0x0102030405060708)}},
				"OUTPUT": {policy: count(4), hasPolicy: true},
				"people": {rules: []rules.Counters{count(5)}},
			}
			if got := b.chains(); !reflect.DeepEqual(got, want) {
				t.Errorf("%v, %v: %s, want %s", family, order, text(got), text(want))
			}
		}
	}
}

func text(all map[string]*chainCounters) (s string) {
	for name, c := range all {
		s += fmt.Sprintf("%s %+v ", name, *c)
	}
	return s
}

// TestNoticeInNativeOrder takes apart a notice of nf_tables written byte by byte: headers are in the machine's order,
// numbers in network order. Run for a machine of each order, it proves both: see the Makefile's bigendian.
func TestNoticeInNativeOrder(t *testing.T) {
	notice := map[bool][]byte{
		false: {
			44, 0, 0, 0, 15, 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x12, 0x34, // struct nlmsghdr, struct nfgenmsg
			8, 0, 1, 0, 0xab, 0xcd, 0x12, 0x34, 8, 0, 2, 0, 0, 0, 1, 2, 7, 0, 3, 0, 'i', 'p', 0, 0,
		},
		true: {
			0, 0, 0, 44, 10, 15, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 2, 0, 0x12, 0x34,
			0, 8, 0, 1, 0xab, 0xcd, 0x12, 0x34, 0, 8, 0, 2, 0, 0, 1, 2, 0, 7, 0, 3, 'i', 'p', 0, 0,
		},
	}[binary.NativeEndian.Uint16([]byte{1, 2}) == 0x0102]
	seen := 0
	nfnetlink.Each(append(notice[:len(notice):len(notice)], notice...), func(m nfnetlink.Message) {
		seen++
		generation, by := generationNotice(m)
		if m.Kind != unix.NFT_MSG_NEWGEN || m.Family != unix.NFPROTO_IPV4 || m.Generation != 0x1234 || generation != 0xabcd1234 || by != (nfnetlink.Process{PID: 0x102, Name: "ip"}) {
			t.Errorf("the notice is %+v: generation %#x by %+v", m, generation, by)
		}
	})
	if seen != 2 {
		t.Errorf("%d notices of 2", seen)
	}
}
