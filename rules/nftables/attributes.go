package nftables

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// attributes are netlink attributes (struct nlattr), still encoded. Their lengths and kinds are in the
// byte order of the machine that made them, numbers inside of nf_tables' in network order.
type attributes struct {
	b     []byte
	order binary.ByteOrder
}

// next takes the first attribute off; ok is false at the end.
func (a *attributes) next() (kind uint16, value attributes, ok bool) {
	b := a.b
	if len(b) < unix.SizeofNlAttr {
		return 0, attributes{}, false
	}
	size := int(a.order.Uint16(b))
	if size < unix.SizeofNlAttr || size > len(b) {
		return 0, attributes{}, false
	}
	kind = a.order.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	a.b = b[min((size+3)&^3, len(b)):]
	return kind, attributes{b[unix.SizeofNlAttr:size], a.order}, true
}

// get is the first attribute of the kind; it has no bytes where there is none.
func (a attributes) get(kind uint16) attributes {
	for {
		k, v, ok := a.next()
		if !ok {
			return attributes{nil, a.order}
		}
		if k == kind {
			return v
		}
	}
}

func (a attributes) has(kind uint16) bool {
	for {
		k, _, ok := a.next()
		if !ok || k == kind {
			return ok
		}
	}
}

// text is a string up to its NUL.
func (a attributes) text() string {
	for i, c := range a.b {
		if c == 0 {
			return string(a.b[:i])
		}
	}
	return string(a.b)
}

func (a attributes) bytes() []byte { return append([]byte(nil), a.b...) }

// number is a number in network order, of one to eight bytes; 0 where there is none.
func (a attributes) number() uint64 {
	switch len(a.b) {
	case 1:
		return uint64(a.b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(a.b))
	case 4:
		return uint64(binary.BigEndian.Uint32(a.b))
	case 8:
		return binary.BigEndian.Uint64(a.b)
	}
	return 0
}

// each calls yield for every attribute.
func (a attributes) each(yield func(kind uint16, value attributes)) {
	for {
		kind, value, ok := a.next()
		if !ok {
			return
		}
		yield(kind, value)
	}
}
