package nfnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Message is one of the nf_tables subsystem.
type Message struct {
	Kind       byte   // NFT_MSG_…
	Family     byte   // NFPROTO_…
	Generation uint16 // the low half of the generation it belongs to
	Attrs      Attributes
}

// Each calls do for every message of the subsystem in a datagram, as the kernel sends them to a multicast group.
func Each(datagram []byte, do func(Message)) {
	for p := range packets(datagram) {
		if m, ok := p.message(); ok {
			do(m)
		}
	}
}

// AppendMessage appends a message of the subsystem (struct nlmsghdr, struct nfgenmsg).
func AppendMessage(b []byte, kind, flags uint16, seq uint32, family byte, attrs []byte) []byte {
	return appendPacket(b, unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, seq, family, 0, attrs)
}

func appendPacket(b []byte, kind, flags uint16, seq uint32, family byte, resource uint16, attrs []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+4+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, family, unix.NFNETLINK_V0)
	b = binary.BigEndian.AppendUint16(b, resource)
	return append(b, attrs...)
}

// packet is a netlink message of whatever kind; whole is false for one that is cut short, which is the last.
type packet struct {
	kind, flags uint16
	seq         uint32
	content     []byte
	whole       bool
}

// packets are the messages of a datagram.
func packets(b []byte) func(yield func(packet) bool) {
	return func(yield func(packet) bool) {
		for len(b) >= unix.SizeofNlMsghdr {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				yield(packet{})
				return
			}
			p := packet{binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint32(b[8:]), b[unix.SizeofNlMsghdr:size], true}
			b = b[min(align4(size), len(b)):]
			if !yield(p) {
				return
			}
		}
	}
}

// message is the packet as one of the subsystem, if it is.
func (p packet) message() (Message, bool) {
	if p.kind>>8 != unix.NFNL_SUBSYS_NFTABLES || len(p.content) < 4 {
		return Message{}, false
	}
	return Message{byte(p.kind), p.content[0], binary.BigEndian.Uint16(p.content[2:]), p.content[4:]}, true
}

// failure is the error number of the end of an answer, or of an acknowledgement; 0 for success.
func (p packet) failure() unix.Errno {
	if len(p.content) < 4 {
		return 0
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(p.content)))
}
