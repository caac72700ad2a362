package conntrack

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/rules"
)

// Message types and attributes of include/uapi/linux/netfilter/nfnetlink_conntrack.h.
const (
	msgNew    = unix.NFNL_SUBSYS_CTNETLINK << 8   // IPCTNL_MSG_CT_NEW, which is 0
	msgGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1 // IPCTNL_MSG_CT_GET
	msgDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE

	ctaTupleOrig     = 1
	ctaTupleReply    = 2
	ctaStatus        = 3
	ctaProtoInfo     = 4
	ctaTimeout       = 7
	ctaMark          = 8
	ctaCountersOrig  = 9
	ctaCountersReply = 10
	ctaID            = 12
	ctaZone          = 18
	ctaTimestamp     = 20

	ctaTupleIP    = 1
	ctaTupleProto = 2
	ctaTupleZone  = 3

	ctaIPv4Src = 1
	ctaIPv4Dst = 2
	ctaIPv6Src = 3
	ctaIPv6Dst = 4

	ctaProtoNum        = 1
	ctaProtoSrcPort    = 2
	ctaProtoDstPort    = 3
	ctaProtoICMPID     = 4
	ctaProtoICMPType   = 5
	ctaProtoICMPCode   = 6
	ctaProtoICMPv6ID   = 7
	ctaProtoICMPv6Type = 8
	ctaProtoICMPv6Code = 9

	ctaProtoInfoTCP  = 1
	ctaProtoInfoDCCP = 2
	ctaProtoInfoSCTP = 3
	ctaState         = 1 // CTA_PROTOINFO_TCP_STATE and its kin for SCTP and DCCP

	ctaCountersPackets = 1
	ctaCountersBytes   = 2

	ctaTimestampStart = 1
	ctaTimestampStop  = 2

	typeMask = 0x3fff // NLA_TYPE_MASK: the two highest bits are flags

	sizeofNfgenmsg = 4
	sizeofHeader   = unix.SizeofNlMsghdr
)

// message is one netlink message: the header's fields and what follows it.
type message struct {
	kind  uint16
	flags uint16
	seq   uint32
	body  []byte
}

// nextMessage cuts the first message off a datagram. It is false when what is
// left is no whole message.
func nextMessage(b []byte) (m message, rest []byte, ok bool) {
	if len(b) < sizeofHeader {
		return m, nil, false
	}
	size := int(binary.NativeEndian.Uint32(b))
	if size < sizeofHeader || size > len(b) {
		return m, nil, false
	}
	m = message{
		kind:  binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		body:  b[sizeofHeader:size],
	}
	return m, b[min(len(b), align(size)):], true
}

// errno is what an NLMSG_ERROR or NLMSG_DONE message reports, 0 for success.
func (m *message) errno() unix.Errno {
	if len(m.body) < 4 {
		return 0
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(m.body)))
}

func align(n int) int { return (n + 3) &^ 3 }

// attributes walks the attributes of a message or of an attribute that contains others:
//
//	for a := (attributes{rest: b}); a.next(); { … a.kind, a.value … }
//
// Afterwards, broken tells whether it stopped at one that is not whole.
type attributes struct {
	rest   []byte
	kind   uint16
	value  []byte
	broken bool
}

func (a *attributes) next() bool {
	if len(a.rest) < 4 {
		a.broken = len(a.rest) != 0
		return false
	}
	size := int(binary.NativeEndian.Uint16(a.rest))
	if size < 4 || size > len(a.rest) {
		a.broken = true
		return false
	}
	a.kind = binary.NativeEndian.Uint16(a.rest[2:]) & typeMask
	a.value = a.rest[4:size]
	a.rest = a.rest[min(len(a.rest), align(size)):]
	return true
}

// u8, u16, u32 and u64 read the value, which is in network order; one of another
// size is broken.
func (a *attributes) u8() uint8 {
	if len(a.value) != 1 {
		a.broken = true
		return 0
	}
	return a.value[0]
}

func (a *attributes) u16() uint16 {
	if len(a.value) != 2 {
		a.broken = true
		return 0
	}
	return binary.BigEndian.Uint16(a.value)
}

func (a *attributes) u32() uint32 {
	if len(a.value) != 4 {
		a.broken = true
		return 0
	}
	return binary.BigEndian.Uint32(a.value)
}

func (a *attributes) u64() uint64 {
	if len(a.value) != 8 {
		a.broken = true
		return 0
	}
	return binary.BigEndian.Uint64(a.value)
}

// event decodes a message of the event groups into c. It is false for a message
// that is no event or is malformed.
func (m *message) event(c *flow.Message) bool {
	switch {
	case m.kind == msgDelete:
		c.Kind = flow.EventDestroy
	case m.kind == msgNew && m.flags&(unix.NLM_F_CREATE|unix.NLM_F_EXCL) != 0:
		c.Kind = flow.EventNew
	case m.kind == msgNew:
		c.Kind = flow.EventUpdate
	default:
		return false
	}
	return decode(m.body, c)
}

// decode reads a flow: the body of a message, which begins with struct nfgenmsg.
// It is false for one that is malformed or has no tuples. It takes whatever it
// does not know for an attribute of a later kernel.
func decode(body []byte, c *flow.Message) bool {
	if len(body) < sizeofNfgenmsg {
		return false
	}
	f := &c.Flow
	var counts [4]uint64
	tuples := 0 // a bit for each direction
	a := attributes{rest: body[sizeofNfgenmsg:]}
	ok := true
	for ok && a.next() {
		switch a.kind {
		case ctaTupleOrig:
			ok = decodeTuple(a.value, &f.Orig, f, flow.ZoneOrig)
			tuples |= 1
		case ctaTupleReply:
			ok = decodeTuple(a.value, &f.Reply, f, flow.ZoneReply)
			tuples |= 2
		case ctaStatus:
			f.Status = flow.Status(a.u32())
			c.Has |= flow.HasStatus
		case ctaProtoInfo:
			ok = decodeState(a.value, c)
		case ctaTimeout:
			f.Timeout = a.u32()
			c.Has |= flow.HasTimeout
		case ctaMark:
			f.Mark = a.u32()
			c.Has |= flow.HasMark
		case ctaCountersOrig:
			ok = decodeCounts(a.value, &counts[0], &counts[1])
			c.Has |= flow.HasCounts
		case ctaCountersReply:
			ok = decodeCounts(a.value, &counts[2], &counts[3])
			c.Has |= flow.HasCounts
		case ctaID:
			f.ID = a.u32()
		case ctaZone:
			f.Zone, f.ZoneSide = a.u16(), flow.ZoneBoth
		case ctaTimestamp:
			ok = decodeTimes(a.value, c)
		}
	}
	if c.Has&flow.HasCounts != 0 {
		f.SetCounts(counts[0], counts[1], counts[2], counts[3])
	}
	return ok && !a.broken && tuples == 3 && f.Orig.Family == f.Reply.Family
}

func decodeTuple(b []byte, t *rules.Tuple, f *flow.Flow, side flow.ZoneSide) bool {
	return plainTuple(b, t) || walkTuple(b, t, f, side)
}

func walkTuple(b []byte, t *rules.Tuple, f *flow.Flow, side flow.ZoneSide) bool {
	ok := true
	a := attributes{rest: b}
	for ok && a.next() {
		switch a.kind {
		case ctaTupleIP:
			ok = decodeAddresses(a.value, t)
		case ctaTupleProto:
			ok = decodeProto(a.value, t)
		case ctaTupleZone:
			f.Zone, f.ZoneSide = a.u16(), side
		}
	}
	return ok && !a.broken
}

// head is the first word of an attribute (struct nlattr) as it lies in memory.
func head(size, kind uint16) uint32 {
	var b [4]byte
	binary.NativeEndian.PutUint16(b[:], size)
	binary.NativeEndian.PutUint16(b[2:], kind)
	return binary.NativeEndian.Uint32(b[:])
}

// The attributes of a tuple with ports, in the one order in which the kernel writes
// them (ctnetlink_dump_tuples in nf_conntrack_netlink.c).
var (
	headIPv4    = head(4+8+8, unix.NLA_F_NESTED|ctaTupleIP)
	headIPv4Src = head(8, ctaIPv4Src)
	headIPv4Dst = head(8, ctaIPv4Dst)
	headIPv6    = head(4+20+20, unix.NLA_F_NESTED|ctaTupleIP)
	headIPv6Src = head(20, ctaIPv6Src)
	headIPv6Dst = head(20, ctaIPv6Dst)
	headProto   = head(4+3*8, unix.NLA_F_NESTED|ctaTupleProto)
	headNum     = head(5, ctaProtoNum)
	headSrcPort = head(6, ctaProtoSrcPort)
	headDstPort = head(6, ctaProtoDstPort)
)

// word is beside binary.NativeEndian so that the compiler inlines it.
func word(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// plainTuple decodes a tuple of two addresses and two ports without walking its
// attributes, which takes a third of the time; nearly all tuples are like that. Where it is
// false nothing has been written.
func plainTuple(b []byte, t *rules.Tuple) bool {
	var ports []byte
	switch len(b) {
	case 4 + 2*8 + 4 + 3*8:
		if ports = b[20:]; word(b) != headIPv4 || word(b[4:]) != headIPv4Src || word(b[12:]) != headIPv4Dst || !plainPorts(ports) {
			return false
		}
		t.Family = rules.IPv4
		t.Src = mapped([4]byte(b[8:]))
		t.Dst = mapped([4]byte(b[16:]))
	case 4 + 2*20 + 4 + 3*8:
		if ports = b[44:]; word(b) != headIPv6 || word(b[4:]) != headIPv6Src || word(b[24:]) != headIPv6Dst || !plainPorts(ports) {
			return false
		}
		t.Family = rules.IPv6
		t.Src = [16]byte(b[8:])
		t.Dst = [16]byte(b[28:])
	default:
		return false
	}
	t.Proto = rules.Protocol(ports[8])
	t.SrcPort = binary.BigEndian.Uint16(ports[16:])
	t.DstPort = binary.BigEndian.Uint16(ports[24:])
	return true
}

// plainPorts tells whether b is a protocol with two ports.
func plainPorts(b []byte) bool {
	return len(b) == 4+3*8 && word(b) == headProto && word(b[4:]) == headNum && word(b[12:]) == headSrcPort && word(b[20:]) == headDstPort &&
		!rules.Protocol(b[8]).IsICMP()
}

// mapped is an IPv4 address as a tuple keeps it.
func mapped(a [4]byte) [16]byte {
	return [16]byte{10: 0xff, 11: 0xff, 12: a[0], 13: a[1], 14: a[2], 15: a[3]}
}

func decodeAddresses(b []byte, t *rules.Tuple) bool {
	seen := 0
	a := attributes{rest: b}
	for a.next() {
		switch a.kind {
		case ctaIPv4Src, ctaIPv4Dst:
			if len(a.value) != 4 {
				return false
			}
			to := &t.Src
			if a.kind == ctaIPv4Dst {
				to = &t.Dst
			}
			*to = mapped([4]byte(a.value))
			t.Family = rules.IPv4
		case ctaIPv6Src, ctaIPv6Dst:
			if len(a.value) != 16 {
				return false
			}
			to := &t.Src
			if a.kind == ctaIPv6Dst {
				to = &t.Dst
			}
			copy(to[:], a.value)
			t.Family = rules.IPv6
		default:
			continue
		}
		seen |= 1 << a.kind
	}
	return !a.broken && (seen == 1<<ctaIPv4Src|1<<ctaIPv4Dst || seen == 1<<ctaIPv6Src|1<<ctaIPv6Dst)
}

func decodeProto(b []byte, t *rules.Tuple) bool {
	var kind, code uint8
	a := attributes{rest: b}
	for a.next() {
		switch a.kind {
		case ctaProtoNum:
			t.Proto = rules.Protocol(a.u8())
		case ctaProtoSrcPort, ctaProtoICMPID, ctaProtoICMPv6ID:
			t.SrcPort = a.u16()
		case ctaProtoDstPort:
			t.DstPort = a.u16()
		case ctaProtoICMPType, ctaProtoICMPv6Type:
			kind = a.u8()
		case ctaProtoICMPCode, ctaProtoICMPv6Code:
			code = a.u8()
		}
	}
	if t.Proto.IsICMP() {
		t.DstPort = uint16(kind)<<8 | uint16(code)
	}
	return !a.broken
}

func decodeState(b []byte, c *flow.Message) bool {
	a := attributes{rest: b}
	for a.next() {
		if a.kind < ctaProtoInfoTCP || a.kind > ctaProtoInfoSCTP {
			continue
		}
		inner := attributes{rest: a.value}
		for inner.next() {
			if inner.kind == ctaState {
				c.Flow.State = flow.State(inner.u8())
				c.Has |= flow.HasState
			}
		}
		if inner.broken {
			return false
		}
	}
	return !a.broken
}

func decodeCounts(b []byte, packets, bytes *uint64) bool {
	a := attributes{rest: b}
	for a.next() {
		switch a.kind {
		case ctaCountersPackets:
			*packets = a.u64()
		case ctaCountersBytes:
			*bytes = a.u64()
		}
	}
	return !a.broken
}

func decodeTimes(b []byte, c *flow.Message) bool {
	a := attributes{rest: b}
	for a.next() {
		switch a.kind {
		case ctaTimestampStart:
			c.Flow.Start = int64(a.u64())
			c.Has |= flow.HasStart
		case ctaTimestampStop:
			c.Stop = int64(a.u64())
		}
	}
	return !a.broken
}
