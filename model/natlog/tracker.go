package natlog

import (
	"nattui/model/flow"
)

// Tracker makes records of what the kernel tells of connections. It is for one goroutine.
type Tracker struct {
	// Rule tells which rule made a connection that has just begun: the member "rule" of its JSON object, and nothing
	// where no rule did. Out tells by which interface its server is reached. Either may be nil.
	Rule func(m *flow.Message, b *flow.Batch) []byte
	Out  func(*flow.Flow) string

	flows *flow.Flows
	emit  func(*Record)
	at    int64
	begun bool  // the table is known
	since int64 // since when
	// gone are connections that a listing no longer had, whose end the kernel may still tell; order is that of their time.
	gone    map[flow.Key]vanished
	order   []flow.Key
	known   [][]byte
	numbers map[string]uint32
	missed  uint64
}

// NewTracker hands records to emit, in the order of what they tell, but for ends that were found missing: these wait for what the
// kernel may still tell of them. Close it when the last batch was taken.
func NewTracker(emit func(*Record)) *Tracker {
	t := &Tracker{flows: flow.NewFlows(), emit: emit, gone: map[flow.Key]vanished{}, numbers: map[string]uint32{}}
	t.flows.Vanished(func(f *flow.Flow) {
		t.gone[f.Key()] = vanished{*f, t.at}
		t.order = append(t.order, f.Key())
	})
	return t
}

// vanished is a connection that a listing no longer had, and when that was.
type vanished struct {
	flow flow.Flow
	at   int64
}

// toldWithin is how long after a listing the kernel may still tell the end of a connection that it no longer had: what
// it told meanwhile waits behind the listing (nanoseconds).
const toldWithin = 2e9

// settle tells the ends that the kernel has not told by a time.
func (t *Tracker) settle(by int64) {
	for ; len(t.order) > 0; t.order = t.order[1:] {
		v, waits := t.gone[t.order[0]]
		if !waits {
			continue
		}
		if v.at > by {
			return
		}
		delete(t.gone, t.order[0])
		now := t.at
		t.at = v.at
		t.tell(End, &v.flow, Found, 0)
		t.at = now
	}
}

// Close tells the ends that have waited to be told by the kernel.
func (t *Tracker) Close() { t.settle(t.at) }

// ends is the end of a connection that the kernel tells. Of one that a listing no longer had it is the only one.
func (t *Tracker) ends(m *flow.Message) {
	if v, ok := t.gone[m.Flow.Key()]; ok && m.Unknown {
		m.Flow.Rule, m.Flow.RuleGen = v.flow.Rule, v.flow.RuleGen
		delete(t.gone, m.Flow.Key())
	}
	t.tell(End, &m.Flow, Told, m.Stop)
}

// ownGeneration marks numbers of rules that are the tracker's own, and not of a table of explanations.
const ownGeneration = ^uint16(0)

// Take makes records of a batch. feed is how well the kernel is heard, at the time of the batch: what has been missed
// since the last one comes first. (What was in the buffer already when the kernel began to drop comes after that, too.)
func (t *Tracker) Take(b *flow.Batch, feed flow.Feed) {
	t.at = b.At
	t.settle(b.At - toldWithin)
	if n := feed.Missed - t.missed; n > 0 {
		t.missed = feed.Missed
		t.emit(&Record{Kind: Lost, At: b.At, Count: n, Where: InKernel})
	}
	for i := range b.Messages {
		if m := &b.Messages[i]; m.Kind == flow.EventNew || m.Kind == flow.Listed {
			t.mark(m, b)
		}
	}
	t.flows.Apply(b)
	for i := range b.Messages {
		switch m := &b.Messages[i]; {
		case m.Kind == flow.EventNew && t.begun && m.Flow.First > t.since && m.Flow.First < b.At:
			// a listing had it before, and it was told as found
		case m.Kind == flow.EventNew:
			t.tell(Begin, &m.Flow, Told, 0)
		case m.Kind == flow.EventDestroy:
			t.ends(m)
		case m.Kind == flow.Listed && t.begun && m.Flow.First == b.At:
			t.tell(Begin, &m.Flow, Found, 0) // it was not known before
		}
	}
	if b.End && !t.begun {
		t.begun, t.since = true, b.At
		totals := t.flows.Totals()
		t.emit(&Record{Kind: Start, At: b.At, Count: uint64(totals.NAT[flow.NATSrc] + totals.NAT[flow.NATDst] + totals.NAT[flow.NATBoth])})
	}
}

// mark notes which rule has made a connection, while the rules are those that it began with.
func (t *Tracker) mark(m *flow.Message, b *flow.Batch) {
	if t.Rule == nil || m.Flow.NAT() == flow.NATNone {
		return
	}
	text := t.Rule(m, b)
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
