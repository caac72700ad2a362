package model

import (
	"sync"
	"time"
)

// Event is something that the kernel told of a flow, with all that was known of the
// flow then. Events of one log are numbered in their order, from 1.
type Event struct {
	Number uint64
	At     int64
	Kind   ChangeKind
	// Stop is when the flow ended, by the kernel's clock, if it keeps timestamps.
	Stop int64
	// Unknown tells that the flow ended without its beginning ever having been told.
	Unknown bool
	// Missed marks a gap: no event, but how many could not be delivered here; Kind
	// is 0 then. Resync is how long it took to make up for them, 0 while that goes on.
	Missed uint64
	Resync time.Duration
	Flow   Flow
}

// EventLog keeps the last events that match a filter: what scrolls by on the
// event screen. Older ones make room for newer ones. Its methods may be called from
// several goroutines.
type EventLog struct {
	mu     sync.RWMutex
	query  Query
	ring   []Event
	room   int
	total  uint64 // events kept so far, also those that have made room
	counts EventCounts
	gap    uint64 // number of the last gap
	// recent remembers moments of all flows, watched is the story of one.
	recent  traces
	watched *Story
}

// EventCounts are how many events there have been, whether or not they match.
type EventCounts struct {
	New, Update, Destroy uint64
}

// NewEventLog keeps up to so many events, 220 bytes each, which are allocated as they come.
func NewEventLog(room int) *EventLog { return &EventLog{room: max(1, room)} }

// Append adds the events of a batch to which Flows.Apply has been applied. It
// costs nothing for those that do not match.
func (l *EventLog) Append(b *Batch) {
	if len(b.Changes) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range b.Changes {
		c := &b.Changes[i]
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
		if l.query.Match(&c.Flow, b.At) {
			l.keep(Event{At: b.At, Kind: c.Kind, Stop: c.Stop, Unknown: c.Unknown, Flow: c.Flow})
		}
	}
}

// Gap notes that so many events could not be delivered at a time, and how long it
// took to make up for them: 0 while that goes on. A gap whose resync was still to
// come is told of by the same entry.
func (l *EventLog) Gap(missed uint64, at int64, resync time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gap != 0 && l.total-l.gap < uint64(len(l.ring)) {
		if e := &l.ring[(l.gap-1)%uint64(l.room)]; e.Missed > 0 && e.Resync == 0 {
			e.Missed, e.Resync = missed, resync
			return
		}
	}
	l.keep(Event{At: at, Missed: missed, Resync: resync})
	l.gap = l.total
}

// keep puts an event into the ring.
func (l *EventLog) keep(e Event) {
	l.total++
	e.Number = l.total
	if len(l.ring) < l.room {
		l.ring = append(l.ring, e)
		return
	}
	l.ring[(l.total-1)%uint64(l.room)] = e
}

// Counts are how many events there have been.
func (l *EventLog) Counts() EventCounts {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.counts
}

// Last is the number of the newest event that matched, 0 if there is none. As long
// as it stays, nothing new is to be drawn.
func (l *EventLog) Last() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.total
}

// Tail copies up to n events, oldest first, that end with the one numbered until, or with the
// newest if until is 0. Where events have already made room for others it begins later.
func (l *EventLog) Tail(n int, until uint64) []Event {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if until == 0 || until > l.total {
		until = l.total
	}
	oldest := l.total - uint64(len(l.ring)) // the number before the oldest one kept
	from := max(oldest, until-min(until, uint64(max(0, n))))
	var events []Event
	for number := from + 1; number <= until; number++ {
		events = append(events, l.ring[(number-1)%uint64(l.room)])
	}
	return events
}

// SetQuery changes the filter. Of the events kept so far those that match stay, numbered anew; now is for
// conditions on age.
func (l *EventLog) SetQuery(q Query, now int64) {
	kept := l.Tail(l.room, 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.query, l.total, l.gap = q, 0, 0
	l.ring = l.ring[:0]
	for i := range kept {
		if e := &kept[i]; e.Missed > 0 || q.Match(&e.Flow, now) {
			l.total++
			if e.Missed > 0 {
				l.gap = l.total
			}
			e.Number = l.total
			l.ring = append(l.ring, *e)
		}
	}
}
