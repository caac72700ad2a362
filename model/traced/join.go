package traced

import (
	"net/netip"
	"time"

	"nattui/rules"
)

// TraceJoin puts the kernel's reports together to packets, and replies to the
// packets they answer. The zero value is ready; one goroutine may use it.
type TraceJoin struct {
	// FirstReplies asks for no more than the first reply to a packet.
	FirstReplies bool

	count    int
	underway map[uint32]*tracedUnderway
	byEnds   map[traceEnds]*answered
	byConn   map[uint32]*answered
	order    []*answered
}

// tracedUnderway is a packet whose end is not known yet.
type tracedUnderway struct {
	Traced
	connID   uint32
	latest   time.Time
	constant string
}

// traceEnds are protocol and ends of a reply that is expected.
type traceEnds struct {
	proto    rules.Protocol
	src, dst netip.AddrPort
}

// answered is a packet that replies may answer.
type answered struct {
	number  int
	ends    traceEnds
	connID  uint32
	replied bool
}

// TracePatience is how long after its last report a packet counts as lost.
const TracePatience = 500 * time.Millisecond

// maxAnswered bounds the packets whose replies are waited for.
const maxAnswered = 4096

// Take takes a report. It returns the packet whose way ends with it; nil if none does.
func (j *TraceJoin) Take(m *TraceMessage, now time.Time) *Traced {
	switch m.Mark {
	case TraceRequestBegins, TraceReplyBegins:
		return j.begin(m, now)
	case TraceNothing:
		return nil
	}
	p := j.underway[m.ID]
	if p == nil {
		p = j.renumbered(m)
	}
	if p == nil {
		return nil // somebody else's trace, or the beginning was lost
	}
	p.latest = now
	if m.Packet != nil {
		p.Last = *m.Packet
	}
	if m.Constant != "" {
		p.constant = m.Constant
	}
	if m.ConnID != 0 {
		p.connID = m.ConnID
	}
	switch m.Mark {
	case TraceLeaves:
		return j.end(m.ID, TraceForwarded)
	case TraceArrives:
		return j.end(m.ID, TraceLocal)
	case TraceHere:
		return nil
	}
	hop := m.Hop
	hop.Packet = p.Last
	p.Hops = append(p.Hops, hop)
	switch hop.Verdict {
	case "drop":
		return j.end(m.ID, TraceDropped)
	case "stolen", "queue":
		return j.end(m.ID, TraceStolen)
	}
	return nil
}

// renumbered finds the packet that goes on under another number, as one does that came by a bridge (Traced.Bridge), where
// there is one alone that it can be: what is constant of it is the same, and so are its connection, or its ends where the kernel
// does not tell that.
func (j *TraceJoin) renumbered(m *TraceMessage) *tracedUnderway {
	if m.Packet == nil || m.Constant == "" || m.Packet.In == "" {
		return nil
	}
	var found *tracedUnderway
	var as uint32
	for id, p := range j.underway {
		same := p.connID != 0 && p.connID == m.ConnID || (p.connID == 0 || m.ConnID == 0) && p.Last.sameEnds(m.Packet)
		if !same || p.constant != m.Constant || p.Last.In != m.Packet.In {
			continue
		}
		if found != nil {
			return nil // either may be it
		}
		found, as = p, id
	}
	if found != nil {
		delete(j.underway, as)
		j.underway[m.ID] = found
	}
	return found
}

// begin takes note of a new packet. One that had the same number has been lost.
func (j *TraceJoin) begin(m *TraceMessage, now time.Time) (lost *Traced) {
	if m.Packet == nil {
		return nil
	}
	if p := j.underway[m.ID]; p != nil {
		if m.Mark == TraceReplyBegins && p.Last.sameEnds(m.Packet) {
			// The reply fits the filter itself, and was traced for that already.
			if a := j.answers(m); a != nil {
				p.Reply, p.ReplyTo, a.replied = true, a.number, true
			}
			return nil
		}
		lost = j.end(m.ID, TraceLost)
	}
	p := &tracedUnderway{Traced: Traced{At: now, First: *m.Packet, Last: *m.Packet}, connID: m.ConnID, latest: now, constant: m.Constant}
	if m.Mark == TraceReplyBegins {
		a := j.answers(m)
		if a == nil || j.FirstReplies && a.replied {
			return lost
		}
		a.replied = true
		p.Reply, p.ReplyTo = true, a.number
	}
	if j.underway == nil {
		j.underway, j.byEnds, j.byConn = map[uint32]*tracedUnderway{}, map[traceEnds]*answered{}, map[uint32]*answered{}
	}
	j.count++
	p.Number = j.count
	j.underway[m.ID] = p
	return lost
}

// answers finds the packet that a reply answers.
func (j *TraceJoin) answers(m *TraceMessage) *answered {
	if a := j.byConn[m.ConnID]; a != nil && m.ConnID != 0 {
		return a
	}
	return j.byEnds[traceEnds{m.Packet.Proto, m.Packet.Src, m.Packet.Dst}]
}

func (j *TraceJoin) end(id uint32, e TraceEnd) *Traced {
	p := j.underway[id]
	delete(j.underway, id)
	p.End = e
	if !p.Reply && e != TraceDropped {
		j.expect(p)
	}
	return &p.Traced
}

// expect takes note of what the replies to a packet look like: they come from where
// it went, as it was when it left.
func (j *TraceJoin) expect(p *tracedUnderway) {
	a := &answered{number: p.Number, connID: p.connID, ends: traceEnds{p.Last.Proto, p.Last.Dst, p.Last.Src}}
	j.byEnds[a.ends] = a
	if a.connID != 0 {
		j.byConn[a.connID] = a
	}
	j.order = append(j.order, a)
	if len(j.order) > maxAnswered {
		oldest := j.order[0]
		j.order = j.order[1:]
		if j.byEnds[oldest.ends] == oldest {
			delete(j.byEnds, oldest.ends)
		}
		if j.byConn[oldest.connID] == oldest {
			delete(j.byConn, oldest.connID)
		}
	}
}

// Lost ends the packets of which nothing was reported for TracePatience.
func (j *TraceJoin) Lost(now time.Time) []*Traced {
	var lost []*Traced
	for id, p := range j.underway {
		if now.Sub(p.latest) >= TracePatience {
			lost = append(lost, j.end(id, TraceLost))
		}
	}
	return lost
}

// Underway is how many packets' ends are not known yet.
func (j *TraceJoin) Underway() int { return len(j.underway) }
