package flow

import (
	"strings"
	"testing"
	"time"

	"nattui/rules"
)

// told is a story in one line a turn, without times.
func told(s Story) string {
	var lines []string
	for _, l := range s.Lines() {
		lines = append(lines, strings.TrimSpace(l.What+": "+l.Means))
	}
	return strings.Join(lines, "\n")
}

// TestStory tells the life of a TCP flow from its events, whether they came before
// somebody looked or after.
func TestStory(t *testing.T) {
	f := *sampleFlows()["web"]
	at := func(state State, status Status) Flow {
		g := f
		g.State, g.Status = state, status|StatusConfirmed
		return g
	}
	life := []struct {
		kind MessageKind
		flow Flow
	}{
		{EventNew, at(TCPSynSent, 0)},
		{EventUpdate, at(TCPSynRecv, StatusSeenReply)},
		{EventUpdate, at(TCPEstablished, StatusSeenReply)},
		{EventUpdate, at(TCPEstablished, StatusSeenReply|StatusAssured)},
		{EventUpdate, at(TCPEstablished, StatusSeenReply|StatusAssured)}, // says nothing new
		{EventDestroy, at(TCPEstablished, StatusSeenReply|StatusAssured)},
	}
	const whole = "NEW SYN_SENT: the client asks to connect, mark 0x11\nSYN_RECV: the server agrees\nESTABLISHED: connected\nESTABLISHED: assured\nDESTROY: the kernel dropped it"
	for look := range len(life) + 1 {
		log := NewEventLog(10)
		for i, e := range life {
			if i == look {
				log.Watch(&e.flow, int64(i)*second)
			}
			log.Append(&Batch{At: int64(i+1) * second, Messages: []Message{{Kind: e.kind, Flow: e.flow}}})
		}
		if look == len(life) {
			log.Watch(&life[len(life)-1].flow, 100*second)
		}
		s, ok := log.Story(f.Key())
		want := whole
		if look == 0 {
			// The flow was there before its events: it was looked at then.
			want = "SYN_SENT: first look: the client asks to connect, mark 0x11" + strings.TrimPrefix(whole, "NEW SYN_SENT: the client asks to connect, mark 0x11")
		}
		got := told(s)
		if look == 0 {
			_, got, _ = strings.Cut(got, "\n") // when it began
		}
		if !ok || got != want || !s.Ended {
			t.Errorf("looked at before event %d, the story is\n%s\nnot\n%s", look+1, got, want)
		}
	}
}

// TestStoryWithoutBeginning says what is not known.
func TestStoryWithoutBeginning(t *testing.T) {
	f := *sampleFlows()["web"]
	f.First = 5 * second
	log := NewEventLog(10)
	f.Start = 0
	log.Watch(&f, 10*second)
	s, _ := log.Story(f.Key())
	if got := told(s); !strings.HasPrefix(got, ": first seen; when it began was not noted\n") {
		t.Errorf("the story is\n%s", got)
	}
	f.Start = 2 * second
	log.Watch(&f, 10*second)
	s, _ = log.Story(f.Key())
	if got := told(s); !strings.HasPrefix(got, "NEW: made by the kernel; watched from 8 s later on\n") {
		t.Errorf("the story is\n%s", got)
	}
	other := f
	other.ID++
	if _, ok := log.Story(other.Key()); ok {
		t.Error("another flow of the same tuple has the same story")
	}
	log.Append(&Batch{At: 11 * second, Messages: []Message{{Kind: EventUpdate, Flow: other}, {Kind: Gone, Flow: f}}})
	s, _ = log.Story(f.Key())
	if got := told(s); !s.Ended || !strings.HasSuffix(got, "GONE: found gone when asked; no event told its end") {
		t.Errorf("the story is\n%s", got)
	}
}

// TestStoryOfAnOldCopy: a connection that is chosen with what it was before the last event has not been that again after it.
func TestStoryOfAnOldCopy(t *testing.T) {
	f := *sampleFlows()["web"]
	f.State, f.Told = TCPEstablished, 5*second
	closed := f
	closed.State = TCPTimeWait
	log := NewEventLog(10)
	log.Append(&Batch{At: 6 * second, Messages: []Message{{Kind: EventUpdate, Flow: closed}}})
	log.Watch(&f, 7*second)
	s, _ := log.Story(f.Key())
	if n := len(s.Moments); n != 1 || s.Moments[0].State != TCPTimeWait {
		t.Errorf("the story is\n%s", told(s))
	}
}

// TestStoryStaysShort keeps the beginning and the end of a flow that turns all the time.
func TestStoryStaysShort(t *testing.T) {
	f := *sampleFlows()["web"]
	log := NewEventLog(10)
	b := &Batch{At: second}
	for i := range 3 * storyRoom {
		f.Mark = uint32(i)
		kind := EventUpdate
		if i == 0 {
			kind = EventNew
		}
		b.Messages = append(b.Messages, Message{Kind: kind, Flow: f})
	}
	log.Append(b)
	log.Watch(&f, second)
	s, _ := log.Story(f.Key())
	if !s.Begun() || len(s.Moments) != storyRoom || s.Left != 2*storyRoom || s.Moments[storyRoom-1].Mark != f.Mark {
		t.Errorf("%d moments, %d left out", len(s.Moments), s.Left)
	}
}

// TestEventGaps shows a loss of events where it happened, once.
func TestEventGaps(t *testing.T) {
	f := *sampleFlows()["web"]
	log := NewEventLog(10)
	event := &Batch{At: second, Messages: []Message{{Kind: EventNew, Flow: f}}}
	log.Append(event)
	log.Gap(100, 2*second, 0)
	log.Append(event)
	log.Gap(300, 3*second, 0)
	log.Gap(300, 4*second, time.Second/2)
	log.Append(event)
	var got []uint64
	for _, e := range log.Tail(10, 0) {
		got = append(got, e.Missed)
		if e.Missed > 0 && e.Resync != time.Second/2 {
			t.Errorf("resynced in %v", e.Resync)
		}
	}
	if want := []uint64{0, 300, 0, 0}; len(got) != len(want) || got[1] != 300 {
		t.Errorf("missed %v, not %v", got, want)
	}
	log.SetFilter(func(f *Flow, _ int64, _ MessageKind) bool { return f.Proto() == rules.ICMP }, second)
	if events := log.Tail(10, 0); len(events) != 1 || events[0].Missed != 300 {
		t.Errorf("a filter leaves %v", events)
	}
	log.Gap(5, 9*second, 0)
	if events := log.Tail(10, 0); len(events) != 2 {
		t.Errorf("another loss is told as the same: %v", events)
	}
}

func TestTimeoutSetting(t *testing.T) {
	flow := func(p rules.Protocol, s State, status Status) *Flow {
		return &Flow{Orig: rules.Tuple{Proto: p}, State: s, Status: status}
	}
	for want, f := range map[string]*Flow{
		"nf_conntrack_tcp_timeout_established": flow(rules.TCP, TCPEstablished, 0),
		"nf_conntrack_tcp_timeout_syn_sent":    flow(rules.TCP, TCPSynSent2, 0),
		"nf_conntrack_udp_timeout":             flow(rules.UDP, 0, StatusSeenReply),
		"nf_conntrack_udp_timeout_stream":      flow(rules.UDP, 0, StatusSeenReply|StatusAssured),
		"nf_conntrack_icmpv6_timeout":          flow(rules.ICMPv6, 0, 0),
		"nf_conntrack_gre_timeout":             flow(rules.GRE, 0, 0),
		"nf_conntrack_generic_timeout":         flow(89, 0, 0),
		"":                                     flow(rules.TCP, TCPEstablished, StatusOffloaded),
	} {
		if got, ok := f.TimeoutSetting(); got != want || ok != (want != "") {
			t.Errorf("%v in %s: %q, not %q", f.Orig.Proto, f.StateName(), got, want)
		}
	}
}
