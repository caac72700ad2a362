package conntrack

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/rules"
)

const (
	// queryDatagrams is how many questions are asked at once: each has an answer of its own.
	queryDatagrams = 64
	// queryPatience is how long an answer may take. The kernel answers within the call that
	// asks, so this is for a kernel that does not answer at all.
	queryPatience = time.Second
)

// Refresh asks the kernel for the present counters, timeouts and states of some
// flows, as those on the screen, and delivers a batch with a Refreshed change for each that
// is still there and a Gone one for each that is not. The batch is valid only until
// deliver returns; deliver does not run at the same time as that of Follow. A flow
// costs some microseconds. It blocks for at most a second.
func (t *Table) Refresh(flows []flow.Flow, deliver func(*flow.Batch)) error {
	var b flow.Batch
	b.Reset(now())
	b.Since = b.At
	resting, moved := t.resting.Load(), false
	err := t.ask(flows, appendGet, func(f *flow.Flow, m *message) {
		c := b.Next()
		switch {
		case m.kind == msgNew:
			c.Kind = flow.Refreshed
			if !decode(m.body, c) {
				b.Drop()
				t.state.malformed.Add(1)
			} else if c.Flow.ID != f.ID {
				// The tuple is in use again: another flow, of which events or a dump will tell.
				*c = flow.Message{Kind: flow.Gone, Flow: *f}
			} else if resting && sumOf(&c.Flow) != sumOf(f) {
				moved = true
			}
		case m.errno() == unix.ENOENT:
			c.Kind, c.Flow, moved = flow.Gone, *f, resting
		default:
			b.Drop()
		}
	})
	if err != nil {
		return explain("asking for connections", err)
	}
	t.give(&b, deliver)
	if moved && !t.stirred.Swap(true) {
		t.events.interrupt() // counters move: Follow has rested long enough
	}
	return nil
}

// Forget deletes flows from the kernel's table, delivers a Gone change for each, and
// returns how many were still there. One that has gone already is no error. What is in the table
// under the same tuple but with another ID is another flow, and stays.
//
// This does not end connections: the next packet of a live one makes a new flow,
// which passes the NAT rules of today.
func (t *Table) Forget(flows []flow.Flow, deliver func(*flow.Batch)) (forgotten int, err error) {
	var b flow.Batch
	b.Reset(now())
	b.Since = b.At
	var refused unix.Errno
	err = t.ask(flows, appendDelete, func(f *flow.Flow, m *message) {
		switch errno := m.errno(); errno {
		case 0:
			forgotten++
			fallthrough
		case unix.ENOENT:
			c := b.Next()
			c.Kind, c.Flow = flow.Gone, *f
		default:
			refused = errno
		}
	})
	t.give(&b, deliver)
	if err == nil && refused != 0 {
		err = refused
	}
	return forgotten, explain("forgetting connections", err)
}

func (t *Table) give(b *flow.Batch, deliver func(*flow.Batch)) {
	b.At = now()
	t.delivery.Lock()
	defer t.delivery.Unlock()
	deliver(b)
}

// ask sends a question for each flow, many in one message to the kernel, and calls answer
// with what the kernel says to each.
func (t *Table) ask(flows []flow.Flow, question func([]byte, *flow.Flow, uint32) []byte, answer func(*flow.Flow, *message)) error {
	t.asking.Lock()
	defer t.asking.Unlock()
	for len(flows) > 0 {
		n := min(len(flows), queryDatagrams)
		if err := t.askSome(flows[:n], question, answer); err != nil {
			return err
		}
		flows = flows[n:]
	}
	return nil
}

func (t *Table) askSome(flows []flow.Flow, question func([]byte, *flow.Flow, uint32) []byte, answer func(*flow.Flow, *message)) error {
	t.questions = t.questions[:0]
	first := t.seq + 1
	for i := range flows {
		t.seq++
		t.questions = question(t.questions, &flows[i], t.seq)
	}
	if err := t.query.send(t.questions); err != nil {
		return err
	}
	for answers := 0; answers < len(flows); {
		n, err := t.query.wait(queryPatience)
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		if n == 0 {
			return nil // what has not come stays as it was
		}
		for i := range n {
			datagram, _ := t.query.datagram(i)
			for len(datagram) > 0 {
				m, rest, ok := nextMessage(datagram)
				if !ok {
					break
				}
				datagram = rest
				// What does not belong to these questions answers earlier ones, of which we had given up hope.
				if i := m.seq - first; i < uint32(len(flows)) {
					answers++
					if m.kind == unix.NLMSG_ERROR && m.errno() == unix.EPERM {
						return m.errno()
					}
					answer(&flows[i], &m)
				}
			}
		}
	}
	return nil
}

// appendGet appends a question for one flow, by its original tuple and zone.
func appendGet(b []byte, f *flow.Flow, seq uint32) []byte {
	start := len(b)
	b = appendFlow(b, f, msgGet, 0, seq)
	return closeMessage(b, start)
}

// appendDelete appends a request to delete one flow, which the kernel heeds only if the ID is the same too.
func appendDelete(b []byte, f *flow.Flow, seq uint32) []byte {
	start := len(b)
	b = appendFlow(b, f, msgDelete, unix.NLM_F_ACK, seq)
	b = appendAttribute(b, ctaID, binary.BigEndian.AppendUint32(nil, f.ID))
	return closeMessage(b, start)
}

func closeMessage(b []byte, start int) []byte {
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

func appendFlow(b []byte, f *flow.Flow, kind, flags uint16, seq uint32) []byte {
	family := uint8(unix.AF_INET)
	if f.Family() == rules.IPv6 {
		family = unix.AF_INET6
	}
	b = request(b, kind, unix.NLM_F_REQUEST|flags, seq, family)
	b = appendTuple(b, ctaTupleOrig, &f.Orig, f.Zone, f.ZoneSide)
	if f.Zone != 0 && f.ZoneSide == flow.ZoneBoth {
		b = appendU16(b, ctaZone, f.Zone)
	}
	return b
}

func appendTuple(b []byte, kind uint16, t *rules.Tuple, zone uint16, side flow.ZoneSide) []byte {
	b, tuple := openNest(b, kind)
	b, ip := openNest(b, ctaTupleIP)
	if t.Family == rules.IPv6 {
		b = appendAttribute(b, ctaIPv6Src, t.Src[:])
		b = appendAttribute(b, ctaIPv6Dst, t.Dst[:])
	} else {
		b = appendAttribute(b, ctaIPv4Src, t.Src[12:])
		b = appendAttribute(b, ctaIPv4Dst, t.Dst[12:])
	}
	closeNest(b, ip)
	b, proto := openNest(b, ctaTupleProto)
	b = appendAttribute(b, ctaProtoNum, []byte{byte(t.Proto)})
	switch t.Proto {
	case rules.ICMP:
		b = appendU16(b, ctaProtoICMPID, t.SrcPort)
		b = appendAttribute(b, ctaProtoICMPType, []byte{uint8(t.DstPort >> 8)})
		b = appendAttribute(b, ctaProtoICMPCode, []byte{uint8(t.DstPort)})
	case rules.ICMPv6:
		b = appendU16(b, ctaProtoICMPv6ID, t.SrcPort)
		b = appendAttribute(b, ctaProtoICMPv6Type, []byte{uint8(t.DstPort >> 8)})
		b = appendAttribute(b, ctaProtoICMPv6Code, []byte{uint8(t.DstPort)})
	default:
		b = appendU16(b, ctaProtoSrcPort, t.SrcPort)
		b = appendU16(b, ctaProtoDstPort, t.DstPort)
	}
	closeNest(b, proto)
	if zone != 0 && side == flow.ZoneOrig {
		b = appendU16(b, ctaTupleZone, zone)
	}
	closeNest(b, tuple)
	return b
}

func appendU16(b []byte, kind, v uint16) []byte {
	return appendAttribute(b, kind, []byte{byte(v >> 8), byte(v)})
}

// appendAttribute appends one attribute and pads it to four bytes.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, align(len(value))-len(value))...)
}

// openNest begins an attribute that contains others, closeNest writes its size.
func openNest(b []byte, kind uint16) (out []byte, start int) {
	start = len(b)
	return appendAttribute(b, kind|unix.NLA_F_NESTED, nil), start
}

func closeNest(b []byte, start int) {
	binary.NativeEndian.PutUint16(b[start:], uint16(len(b)-start))
}
