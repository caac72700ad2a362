package natlog

import (
	"nattui/model/flow"
)

// Tracker makes records of what the kernel tells of connections. It is for one goroutine.
type Tracker struct {
	// Rule tells which rule made a connection that has just begun: the member "rule" of its JSON object, and nothing
	// where no rule did. Out tells by which interface its server is reached. Either may be nil.
	Rule func(*flow.Flow) []byte
	Out  func(*flow.Flow) string

	flows   *flow.Flows
	emit    func(*Record)
	at      int64
	begun   bool // the table is known
	known   [][]byte
	numbers map[string]uint32
	missed  uint64
}

// NewTracker hands records to emit, in the order of what they tell.
func NewTracker(emit func(*Record)) *Tracker {
	t := &Tracker{flows: flow.NewFlows(), emit: emit, numbers: map[string]uint32{}}
	t.flows.Vanished(func(f *flow.Flow) {
		gone := *f
		t.tell(End, &gone, Found, 0)
	})
	return t
}

// ownGeneration marks numbers of rules that are the tracker's own, and not of a table of explanations.
const ownGeneration = ^uint16(0)

// Take makes records of a batch. feed is how well the kernel is heard, at the time of the batch: what has been missed
// since the last one comes first. (What was in the buffer already when the kernel began to drop comes after that, too.)
func (t *Tracker) Take(b *flow.Batch, feed flow.Feed) {
	t.at = b.At
	if n := feed.Missed - t.missed; n > 0 {
		t.missed = feed.Missed
		t.emit(&Record{Kind: Lost, At: b.At, Count: n, Where: InKernel})
	}
	for i := range b.Messages {
		if m := &b.Messages[i]; m.Kind == flow.EventNew || m.Kind == flow.Listed {
			t.mark(m)
		}
	}
	t.flows.Apply(b)
	for i := range b.Messages {
		switch m := &b.Messages[i]; {
		case m.Kind == flow.EventNew:
			t.tell(Begin, &m.Flow, Told, 0)
		case m.Kind == flow.EventDestroy:
			t.tell(End, &m.Flow, Told, m.Stop)
		case m.Kind == flow.Listed && t.begun && m.Flow.First == b.At:
			t.tell(Begin, &m.Flow, Found, 0) // it was not known before
		}
	}
	if b.End && !t.begun {
		t.begun = true
		totals := t.flows.Totals()
		t.emit(&Record{Kind: Start, At: b.At, Count: uint64(totals.NAT[flow.NATSrc] + totals.NAT[flow.NATDst] + totals.NAT[flow.NATBoth])})
	}
}

// mark notes which rule has made a connection, while the rules are those that it began with.
func (t *Tracker) mark(m *flow.Message) {
	if t.Rule == nil || m.Flow.NAT() == flow.NATNone {
		return
	}
	text := t.Rule(&m.Flow)
	number, ok := t.numbers[string(text)]
	if !ok {
		number = uint32(len(t.known))
		t.known = append(t.known, text)
		t.numbers[string(text)] = number
	}
	m.Flow.Rule, m.Flow.RuleGen = number, ownGeneration
}

func (t *Tracker) tell(kind Kind, f *flow.Flow, from Source, ended int64) {
	if f.NAT() == flow.NATNone {
		return
	}
	r := Record{Kind: kind, At: t.at, From: from, Flow: *f, Ended: ended}
	if f.RuleGen == ownGeneration {
		r.Rule = t.known[f.Rule]
	}
	if t.Out != nil {
		r.Out = t.Out(f)
	}
	t.emit(&r)
}
