package trace

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// attr is a netlink attribute: a value, or attributes within.
type attr struct {
	kind   uint16
	value  []byte
	within attrs
}

type attrs []attr

func text(kind uint16, s string) attr { return attr{kind: kind, value: append([]byte(s), 0)} }

// Numbers of nf_tables are in network order.
func number(kind uint16, n uint32) attr {
	return attr{kind: kind, value: binary.BigEndian.AppendUint32(nil, n)}
}

func number64(kind uint16, n uint64) attr {
	return attr{kind: kind, value: binary.BigEndian.AppendUint64(nil, n)}
}

func data(kind uint16, value []byte) attr {
	return attr{kind: kind, within: attrs{{kind: unix.NFTA_DATA_VALUE, value: value}}}
}

// appendTo appends the attributes as they are on the wire.
func (a attrs) appendTo(b []byte) []byte {
	for _, one := range a {
		start, kind := len(b), one.kind
		b = append(b, 0, 0, 0, 0)
		if one.within != nil {
			kind |= unix.NLA_F_NESTED
			b = one.within.appendTo(b)
		} else {
			b = append(b, one.value...)
		}
		binary.NativeEndian.PutUint16(b[start:], uint16(len(b)-start))
		binary.NativeEndian.PutUint16(b[start+2:], kind)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

// each calls f for every attribute until the bytes end or make no sense.
func each(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}

// number32 is an attribute's number; 0 where it is none.
func number32(b []byte) uint32 {
	if len(b) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func textOf(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// message is an nfnetlink message: struct nfgenmsg and attributes.
func message(kind uint16, flags netlink.HeaderFlags, family byte, resource uint16, a attrs) netlink.Message {
	b := []byte{family, unix.NFNETLINK_V0}
	b = binary.BigEndian.AppendUint16(b, resource)
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags}, Data: a.appendTo(b)}
}

func nftMessage(kind uint16, flags netlink.HeaderFlags, family byte, a attrs) netlink.Message {
	return message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, family, 0, a)
}

// transact sends messages as one transaction of nf_tables, all or nothing.
func transact(c *netlink.Conn, messages []netlink.Message) error {
	batch := []netlink.Message{message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)}
	batch = append(batch, messages...)
	last := &batch[len(batch)-1]
	last.Header.Flags |= netlink.Acknowledge
	batch = append(batch, message(unix.NFNL_MSG_BATCH_END, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil))
	sent, err := c.SendMessages(batch)
	if err != nil {
		return fmt.Errorf("send a transaction to nf_tables: %w", err)
	}
	final := sent[len(sent)-2].Header.Sequence
	for {
		answers, err := c.Receive()
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Header.Type == netlink.Error && a.Header.Sequence == final {
				return nil
			}
		}
	}
}

// refusal is what the kernel said, or nil: its number, of an error of a socket.
func refusal(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
