package conntrack

import "time"

const (
	// eventCost is what an event takes in the receive buffer, as the kernel counts, eventLeast less than any takes.
	eventCost  = 1280
	eventLeast = 256
	// calmAfter is how long no event must have been missed until the table is read again
	// without further waiting.
	calmAfter = 50 * time.Millisecond
)

// losses is what is known of the events that the kernel could not deliver. The kernel says once that its
// buffer is full, and then drops all that comes until what is in there has been read (netlink_overrun and
// netlink_rcv_wake in net/netlink/af_netlink.c). How many it dropped it counts apart, from Linux 4.12 on.
type losses struct {
	room      int       // how many events the receive buffer holds at the very most
	drops     uint32    // how many datagrams the kernel had dropped when that was last counted
	counted   bool      // some were counted of which the kernel is still to say that it dropped them
	congested int       // how many more may be read while the kernel still drops what comes; 0 if it does not
	last      time.Time // when events were last missed since the last listing began, zero if none were
}

// roomFor is how many events a receive buffer of so many bytes holds at the very most: the kernel
// lets it grow to twice what was asked for.
func roomFor(buffer int) int { return 2*buffer/eventLeast + 1 }

// count returns how many events were dropped since it last did; 0 where the kernel does not tell.
func (l *losses) count(drops uint32, known bool) (missed uint32) {
	if !known {
		return 0
	}
	missed, l.drops = drops-l.drops, drops // which may wrap around
	return missed
}

// overrun notes that the kernel said it has dropped events, and returns how many more are known to be
// missing: one at least, if they have not been counted before the kernel said so. Where its counter has not moved,
// one was lost before it came to the socket, or the kernel does not count them.
func (l *losses) overrun(drops uint32, known bool) (missed uint32) {
	if missed = l.count(drops, known); missed == 0 && !l.counted {
		missed = 1
	}
	l.counted = false
	l.congested = l.room
	return missed
}

// drain notes that so many datagrams were read, and tells whether that has emptied the buffer, so that the
// kernel no longer drops what comes and what it did drop is to be counted: see settle.
func (l *losses) drain(datagrams int) (emptied bool) {
	if l.congested == 0 {
		return false
	}
	if l.congested = max(0, l.congested-datagrams); datagrams < eventDatagrams {
		l.congested = 0
	}
	return l.congested == 0
}

// settle counts what was dropped until the buffer was empty.
func (l *losses) settle(drops uint32, known bool) (missed uint32) {
	if missed = l.count(drops, known); missed > 0 {
		l.counted = true
	}
	return missed
}

// calm tells that events were missed, but none since a while: the flood is over, or
// has become one that we keep up with.
func (l *losses) calm(now time.Time) bool {
	at, ok := l.calmAt()
	return ok && !now.Before(at)
}

// calmAt is when it will be calm if no more events are missed, false if none were.
func (l *losses) calmAt() (time.Time, bool) {
	return l.last.Add(calmAfter), !l.last.IsZero()
}
