package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nattui/rules"
)

// Moment is one turn in a flow's life: what it had become at the time At.
type Moment struct {
	At int64
	// Kind is how it became known: an event, or Refreshed, Listed or Gone where no
	// event told and an answer of the kernel did.
	Kind   MessageKind
	State  State
	Status Status
	Mark   uint32
}

// statusTurns are the bits of a flow's status that are worth a moment.
const statusTurns = StatusSeenReply | StatusAssured | StatusOffloaded | StatusHWOffloaded

// turns tells whether a flow is not what it was at the moment before.
func (m Moment) turns(before Moment) bool {
	return m.State != before.State || (m.Status^before.Status)&statusTurns != 0 || m.Mark != before.Mark
}

// Story is what is known of one flow's life, from the events that were seen.
type Story struct {
	// Flow is the flow as it was last told of.
	Flow Flow
	// Moments are its turns, oldest first, no more than storyRoom.
	Moments []Moment
	// Left is how many moments were left out between the first and the second of Moments.
	Left int
	// Ended tells that the flow has gone, Stop when, by the kernel's clock; 0 if that is unknown.
	Ended bool
	Stop  int64
}

// storyRoom is how many moments of a story are kept: its beginning and the latest ones.
const storyRoom = 64

// add takes a moment, if it is a turn.
func (s *Story) add(m Moment) {
	if n := len(s.Moments); n > 0 {
		over := m.Kind == EventDestroy || m.Kind == Gone
		if !over && !m.turns(s.Moments[n-1]) || s.Ended {
			return
		}
		if n >= storyRoom {
			s.Moments = slices.Delete(s.Moments, 1, 2)
			s.Left++
		}
	}
	s.Moments = append(s.Moments, m)
	s.Ended = m.Kind == EventDestroy || m.Kind == Gone
}

// Begun tells whether the flow's beginning was seen.
func (s *Story) Begun() bool { return len(s.Moments) > 0 && s.Moments[0].Kind == EventNew }

// StoryLine is one line of a story: when, what the flow was then, and what that means.
type StoryLine struct {
	At int64
	// Exact is false where At is only when something was noticed.
	Exact bool
	// What is NEW, DESTROY or the state's name; Means says it in words.
	What, Means string
}

// Lines tell the story, oldest first. They begin with the time at which the
// kernel made the flow where its beginning was not seen, and say what is not known.
func (s *Story) Lines() []StoryLine {
	var lines []StoryLine
	f := &s.Flow
	if !s.Begun() {
		switch {
		case f.Start != 0:
			lines = append(lines, StoryLine{f.Start, true, "NEW", "made by the kernel; watched from " + s.watched()})
		default:
			lines = append(lines, StoryLine{f.First, false, "", "first seen; when it began was not noted"})
		}
	}
	var before Moment
	for i, m := range s.Moments {
		if i == 1 && s.Left > 0 {
			lines = append(lines, StoryLine{0, false, "…", fmt.Sprintf("%d more turns", s.Left)})
		}
		l := StoryLine{At: m.At, Exact: m.Kind.IsEvent(), What: s.stateOf(m), Means: s.means(m, before, i == 0)}
		switch m.Kind {
		case EventNew:
			l.What = strings.TrimSpace("NEW " + s.stateOf(m))
		case EventDestroy:
			l.What = "DESTROY"
			if s.Stop != 0 {
				l.At = s.Stop
			}
		case Gone:
			l.What = "GONE"
		}
		lines = append(lines, l)
		before = m
	}
	return lines
}

// watched is how far from the beginning the first moment is, in words.
func (s *Story) watched() string {
	if len(s.Moments) == 0 {
		return "now on"
	}
	late := time.Duration(s.Moments[0].At - s.Flow.Start)
	switch {
	case late < time.Second:
		return "then on"
	case late < time.Minute:
		return fmt.Sprintf("%.0f s later on", late.Seconds())
	case late < time.Hour:
		return fmt.Sprintf("%.0f min later on", late.Minutes())
	case late < 48*time.Hour:
		return fmt.Sprintf("%.0f h later on", late.Hours())
	}
	return fmt.Sprintf("%.0f days later on", late.Hours()/24)
}

func (s *Story) stateOf(m Moment) string { return StateName(s.Flow.Orig.Proto, m.State) }

// tcpMeanings say what a TCP state means to somebody who has not read RFC 9293.
var tcpMeanings = map[State]string{
	TCPSynSent: "the client asks to connect", TCPSynRecv: "the server agrees", TCPEstablished: "connected",
	TCPFinWait: "one side has said it all", TCPCloseWait: "the other side knows", TCPLastAck: "both have said it all",
	TCPTimeWait: "closed, awaits stragglers", TCPClose: "broken off (RST)", TCPSynSent2: "both ask to connect at once",
}

// means says a moment in words: what has turned since the one before.
func (s *Story) means(m, before Moment, first bool) string {
	var words []string
	add := func(on bool, word string) {
		if on {
			words = append(words, word)
		}
	}
	turned := m.Status &^ before.Status
	switch {
	case m.Kind == EventDestroy:
		return "the kernel dropped it"
	case m.Kind == Gone:
		return "found gone when asked; no event told its end"
	}
	if meaning := tcpMeanings[m.State]; s.Flow.Orig.Proto == rules.TCP && (first || m.State != before.State) {
		if m.Kind == EventNew && m.State != TCPSynSent {
			meaning = "taken up in the middle"
		}
		add(meaning != "", meaning)
	}
	if s.Flow.Orig.Proto != rules.TCP || !first && m.State == before.State {
		add(m.Kind == EventNew, "the first packet")
		add(turned&StatusSeenReply != 0, "answered")
	}
	add(turned&StatusAssured != 0, "assured")
	add(turned&(StatusOffloaded|StatusHWOffloaded) != 0, "offloaded: its packets pass by conntrack")
	add(before.Status&^m.Status&(StatusOffloaded|StatusHWOffloaded) != 0, "no longer offloaded")
	add(m.Mark != before.Mark, fmt.Sprintf("mark 0x%x", m.Mark))
	if first && m.Kind != EventNew {
		return strings.TrimSuffix("first look: "+strings.Join(words, ", "), ": ")
	}
	return strings.Join(words, ", ")
}

// trace is a moment of any flow, kept for a while in case somebody asks. Ports and
// protocol tell flows of equal ID apart.
type trace struct {
	moment       Moment
	id           uint32
	sport, dport uint16
	proto        rules.Protocol
}

func (t *trace) of(f *Flow) bool {
	return t.id == f.ID && t.sport == f.Orig.SrcPort && t.dport == f.Orig.DstPort && t.proto == f.Orig.Proto
}

func momentOf(kind MessageKind, f *Flow, at int64) Moment {
	return Moment{at, kind, f.State, f.Status, f.Mark}
}

// traces is a ring of the latest moments of all flows.
type traces struct {
	ring  []trace
	total uint64
}

// tracesKept is how many moments are remembered, 32 bytes each: hours of a quiet
// gateway, a second of a flood.
const tracesKept = 1 << 16

func (r *traces) keep(c *Message, at int64) {
	f := &c.Flow
	t := trace{momentOf(c.Kind, f, at), f.ID, f.Orig.SrcPort, f.Orig.DstPort, f.Orig.Proto}
	if len(r.ring) < tracesKept {
		r.ring = append(r.ring, t)
	} else {
		r.ring[r.total%tracesKept] = t
	}
	r.total++
}

// story is what the ring remembers of a flow.
func (r *traces) story(f *Flow) Story {
	s := Story{Flow: *f}
	from := r.total - uint64(len(r.ring))
	for n := from; n < r.total; n++ {
		if t := &r.ring[n%tracesKept]; t.of(f) {
			s.add(t.moment)
		}
	}
	return s
}

// Watch begins to collect the story of a flow, from what is still remembered of it
// on. Only one flow is watched at a time.
func (l *EventLog) Watch(f *Flow, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.recent.story(f)
	if n := len(s.Moments); !s.Ended && (n == 0 || s.Moments[n-1].At <= f.Told) { // else an event came after what f is a copy of
		s.add(momentOf(Refreshed, f, now))
	}
	l.watched = &s
}

// Story is a copy of the story of the flow that is watched; false if it is another one.
func (l *EventLog) Story(k Key) (Story, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.watched == nil || l.watched.Flow.Key() != k {
		return Story{}, false
	}
	s := *l.watched
	s.Moments = slices.Clone(s.Moments)
	return s, true
}

// watch adds what a change says of the watched flow.
func (l *EventLog) watch(c *Message, b *Batch) {
	s := l.watched
	if c.Flow.ID != s.Flow.ID || s.Ended || c.Flow.Key() != s.Flow.Key() {
		return
	}
	if c.Kind == Refreshed || c.Kind == Listed {
		if n := len(s.Moments); n > 0 && s.Moments[n-1].At >= b.Since {
			return // an event came after the question, and knows better
		}
	} else {
		s.Flow, s.Stop = c.Flow, c.Stop
	}
	s.add(momentOf(c.Kind, &c.Flow, b.At))
}
