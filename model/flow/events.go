package flow

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// Event is something that the kernel told of a flow, with all that was known of the
// flow then. Events of one log are numbered in their order, from 1.
type Event struct {
	Number uint64
	At     int64
	Kind   MessageKind
	// Stop is when the flow ended, by the kernel's clock, if it keeps timestamps.
	Stop int64
	// Unknown tells that the flow ended without its beginning ever having been told.
	Unknown bool
	// Missed marks a gap: no event, but how many could not be delivered here; Kind
	// is 0 then. Resync is how long it took to make up for them, 0 while that goes on.
	Missed uint64
	Resync time.Duration
	// Silence is 0 but where somebody told the kernel to send no events (SilenceBegins), and where it sends some again
	// (SilenceEnds): what happened in between is not told.
	Silence Silence
	Flow    Flow
}

// Silence is a change between events and none.
type Silence uint8

// The changes.
const (
	SilenceBegins Silence = iota + 1
	SilenceEnds
)

// IsGap tells that it is no event: it stands where some are missing.
func (e *Event) IsGap() bool { return e.Missed > 0 || e.Silence != 0 }

// EventLog keeps the last events, and of those that match a filter the last ones too,
// however many others there are: what scrolls by on the event screen. Older ones make room
// for newer ones. Its methods may be called from several goroutines.
type EventLog struct {
	mu     sync.RWMutex
	where  Condition // nil: no filter
	all    eventRing
	found  eventRing // those that match, while there is a filter
	counts EventCounts
	gap    uint64 // number of the last gap
	// recent remembers moments of all flows, watched is the story of one.
	recent  traces
	watched *Story
}

// EventCounts are how many events there have been, whether or not they match.
type EventCounts struct {
	New, Update, Destroy uint64
	// Silent tells that the kernel sent none for a while, so that there have been more.
	Silent bool
}

// NewEventLog keeps up to so many events, 220 bytes each, which are allocated as they come; and
// as many that match once there is a filter.
func NewEventLog(room int) *EventLog { return &EventLog{all: eventRing{room: max(1, room)}} }

// Append adds the events of a batch to which Flows.Apply has been applied.
func (l *EventLog) Append(b *Batch) {
	if len(b.Messages) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range b.Messages {
		c := &b.Messages[i]
		if l.watched != nil {
			l.watch(c, b)
		}
		switch c.Kind {
		case EventNew:
			l.counts.New++
		case EventUpdate:
			l.counts.Update++
		case EventDestroy:
			l.counts.Destroy++
		default:
			continue
		}
		l.recent.keep(c, b.At)
		e := l.next()
		e.At, e.Kind, e.Stop, e.Unknown, e.Missed, e.Resync, e.Silence = b.At, c.Kind, c.Stop, c.Unknown, 0, 0, 0
		e.Flow = c.Flow // beside the rest: a whole Event would be made first, and copied
		l.sift(e)
	}
}

// Gap notes that so many events could not be delivered at a time, and how long it
// took to make up for them: 0 while that goes on. A gap whose resync was still to
// come is told of by the same entry.
func (l *EventLog) Gap(missed uint64, at int64, resync time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := false
	for _, ring := range []*eventRing{&l.all, &l.found} {
		if e := ring.find(l.gap); e != nil && e.Missed > 0 && e.Resync == 0 {
			e.Missed, e.Resync, told = missed, resync, true
		}
	}
	if !told {
		e := l.next()
		*e = Event{Number: e.Number, At: at, Missed: missed, Resync: resync}
		l.sift(e)
		l.gap = l.all.total
	}
}

// Silent notes at a time that the kernel sends no events from now on, or again.
func (l *EventLog) Silent(change Silence, at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.next()
	*e = Event{Number: e.Number, At: at, Silence: change}
	l.sift(e)
	l.counts.Silent = l.counts.Silent || change == SilenceBegins
}

// next is room for another event, in which only its number is written.
func (l *EventLog) next() *Event {
	e := l.all.next()
	e.Number = l.all.total
	return e
}

// sift puts an event that is written beside the others that match, if it does.
func (l *EventLog) sift(e *Event) {
	if l.where != nil && l.where.passes(e, e.At) {
		*l.found.next() = *e
	}
}

// Counts are how many events there have been.
func (l *EventLog) Counts() EventCounts {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.counts
}

// Since goes through the events from a time on, oldest first, whether or not they match the filter, until f returns false.
// f must not keep what it is given, nor ask the log.
func (l *EventLog) Since(at int64, f func(*Event) bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	from := len(l.all.events)
	for from > 0 && l.all.at(from-1).At >= at {
		from--
	}
	for i := from; i < len(l.all.events); i++ {
		if !f(l.all.at(i)) {
			return
		}
	}
}

// Last is the number of the newest event, whether or not it matches, 0 if there is none.
func (l *EventLog) Last() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.all.total
}

// Matched is how many events up to the number until, or of all if until is 0, have been found to match,
// among them such as have made room since.
func (l *EventLog) Matched(until uint64) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	ring := l.shown()
	if until == 0 {
		return ring.total
	}
	return ring.total - uint64(len(ring.events)-ring.search(until+1))
}

// shown are the events that are to be seen.
func (l *EventLog) shown() *eventRing {
	if l.where == nil {
		return &l.all
	}
	return &l.found
}

// Tail copies up to n events that match, oldest first, of which the last is the newest up to the
// number until, or the newest of all if until is 0. Where events have already made room for others
// it begins later.
func (l *EventLog) Tail(n int, until uint64) []Event {
	l.mu.RLock()
	defer l.mu.RUnlock()
	ring := l.shown()
	end := len(ring.events)
	if until != 0 {
		end = ring.search(until + 1)
	}
	from := max(0, end-max(0, n))
	if from == end {
		return nil
	}
	events := make([]Event, 0, end-from)
	for i := from; i < end; i++ {
		events = append(events, *ring.at(i))
	}
	return events
}

// SetFilter changes the filter; nil shows everything. What matches is looked for anew among all events that are kept; those which
// matched the filter before and are kept for that alone stay if they match this one too. now is for
// conditions on age.
func (l *EventLog) SetFilter(where Condition, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.found
	l.where, l.found = where, eventRing{room: l.all.room}
	if where == nil {
		return
	}
	take := func(from *eventRing, until int) {
		for i := range until {
			if e := from.at(i); where.passes(e, now) {
				*l.found.next() = *e
			}
		}
	}
	if len(l.all.events) > 0 {
		take(&before, before.search(l.all.at(0).Number))
	}
	take(&l.all, len(l.all.events))
}

// eventRing keeps the last events of those that are put into it, in the order of their numbers.
type eventRing struct {
	events []Event
	room   int
	total  uint64 // put in so far
}

// next is room for one event more, which is to be overwritten; the oldest makes room.
func (r *eventRing) next() *Event {
	r.total++
	if n := len(r.events); n < r.room {
		if n == cap(r.events) {
			r.events = slices.Grow(r.events, min(max(n, 64), r.room-n))
		}
		r.events = r.events[:n+1]
		return &r.events[n]
	}
	return &r.events[(r.total-1)%uint64(r.room)]
}

// at is the i-th event that is kept, the oldest first.
func (r *eventRing) at(i int) *Event {
	first := r.total - uint64(len(r.events))
	return &r.events[(first+uint64(i))%uint64(r.room)]
}

// search is the place of the first event with that number or a later one.
func (r *eventRing) search(number uint64) int {
	return sort.Search(len(r.events), func(i int) bool { return r.at(i).Number >= number })
}

// find is the event with that number, nil if it is not kept.
func (r *eventRing) find(number uint64) *Event {
	if i := r.search(number); i < len(r.events) && r.at(i).Number == number {
		return r.at(i)
	}
	return nil
}
