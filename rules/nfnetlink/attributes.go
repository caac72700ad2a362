package nfnetlink

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Attributes are netlink attributes (struct nlattr), or the value of one, still encoded. Their lengths and kinds are in
// this machine's byte order, numbers of nf_tables in network order.
type Attributes []byte

// Next takes the first attribute off; ok is false at the end, or where the rest is cut short.
func (a *Attributes) Next() (kind uint16, value Attributes, ok bool) {
	b := *a
	if len(b) < unix.SizeofNlAttr {
		return 0, nil, false
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < unix.SizeofNlAttr || size > len(b) {
		return 0, nil, false
	}
	kind = binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	*a = b[min(align4(size), len(b)):]
	return kind, b[unix.SizeofNlAttr:size], true
}

// Each calls yield for every attribute until it returns false: range over it.
func (a Attributes) Each(yield func(kind uint16, value Attributes) bool) {
	for {
		kind, value, ok := a.Next()
		if !ok || !yield(kind, value) {
			return
		}
	}
}

// Get is the value of the first attribute of the kind; nil if there is none.
func (a Attributes) Get(kind uint16) Attributes {
	for k, v := range a.Each {
		if k == kind {
			return v
		}
	}
	return nil
}

// Has says whether there is an attribute of the kind, be it empty.
func (a Attributes) Has(kind uint16) bool { return a.Get(kind) != nil }

// Text is a value as a string, up to its NUL.
func (a Attributes) Text() string { return string(a.untilNUL()) }

// Name is a value up to its NUL, within the message: a string that nobody keeps.
func (a Attributes) Name() []byte { return a.untilNUL() }

// Is compares a value as a string, without making a string of it.
func (a Attributes) Is(s string) bool { return string(a.untilNUL()) == s }

func (a Attributes) untilNUL() []byte {
	text, _, _ := bytes.Cut(a, []byte{0})
	return text
}

// Number is a value as a number in network order, of one, two, four or eight bytes; 0 where there is none.
func (a Attributes) Number() uint64 {
	switch len(a) {
	case 1:
		return uint64(a[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(a))
	case 4:
		return uint64(binary.BigEndian.Uint32(a))
	case 8:
		return binary.BigEndian.Uint64(a)
	}
	return 0
}

// Word is Number for values of 32 bits.
func (a Attributes) Word() uint32 { return uint32(a.Number()) }

// AppendText appends a string attribute.
func AppendText(b []byte, kind uint16, s string) []byte {
	return AppendAttribute(b, kind, append([]byte(s), 0))
}

// AppendChain appends what restricts a question about rules to those of one chain (NFTA_RULE_TABLE, NFTA_RULE_CHAIN).
func AppendChain(b []byte, table, chain string) []byte {
	return AppendText(AppendText(b, unix.NFTA_RULE_TABLE, table), unix.NFTA_RULE_CHAIN, chain)
}

// AppendAttribute appends an attribute with its padding.
func AppendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func align4(n int) int { return (n + 3) &^ 3 }
