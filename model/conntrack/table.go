package conntrack

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	timo "github.com/ti-mo/conntrack"

	"nattui/model/flow"
)

// Options say how a Table is to be opened. The zero value is what is best for a gateway.
type Options struct {
	// ReceiveBuffer is how many bytes of events the kernel may keep for us while we
	// are busy: 0 is 64 MiB, which outlasts a second of 50,000 events. It is a limit, not
	// an allocation.
	ReceiveBuffer int
	// RefreshShare is which part of one core reading all counters again and again may take (KeepFresh), above 0 to 1:
	// 0 is 0.04.
	RefreshShare float64
}

const defaultReceiveBuffer = 64 << 20

// Table is the kernel's connection table of one network namespace. Its methods
// may be called from several goroutines, but Follow from one at a time.
type Table struct {
	events *socket
	buffer flow.Buffer

	asking  sync.Mutex // held while the query socket is used
	query   *socket
	request *timo.Conn
	seq     uint32
	// questions is room for the messages to the query socket.
	questions []byte

	share     float64    // Options.RefreshShare
	delivery  sync.Mutex // held while a batch of Follow or Refresh is delivered
	keepFresh atomic.Bool
	resting   atomic.Bool // Follow takes long rests between its rounds
	stirred   atomic.Bool // somebody else saw a counter move meanwhile
	milestone atomic.Int64
	way       way
	state     state
}

// Open opens the sockets. It needs no privilege by itself; the first question or
// Follow does. An error has ErrUnsupported or ErrNotPermitted in its chain if that is why.
func Open(o Options) (*Table, error) {
	t := &Table{share: o.RefreshShare}
	var err error
	if t.events, err = openSocket(eventDatagrams, eventRoom); err != nil {
		return nil, explain("opening a netlink socket for connection events", err)
	}
	if t.query, err = openSocket(queryDatagrams, eventRoom); err != nil {
		t.Close()
		return nil, explain("opening a netlink socket for questions about connections", err)
	}
	if t.request, err = timo.Dial(nil); err != nil {
		t.Close()
		return nil, explain("opening a netlink socket for requests about connections", err)
	}
	t.setBuffer(o.ReceiveBuffer)
	t.noteSysctls()
	return t, nil
}

// Close closes the sockets. Follow is to have returned before.
func (t *Table) Close() error {
	if t.events != nil {
		t.events.close()
	}
	if t.query != nil {
		t.query.close()
	}
	if t.request != nil {
		return t.request.Close()
	}
	return nil
}

func (t *Table) setBuffer(wished int) {
	if wished <= 0 {
		wished = defaultReceiveBuffer
	}
	got, forced := t.events.setReceiveBuffer(wished)
	t.buffer = flow.Buffer{Wished: wished, Got: got}
	if got < wished && !forced {
		t.buffer.Short = fmt.Sprintf("net.core.rmem_max allows no more than %d bytes, and going beyond it needs CAP_NET_ADMIN outside of any user namespace; "+
			"sysctl -w net.core.rmem_max=%d on the host would help", got, wished)
	} else if got < wished {
		t.buffer.Short = "the kernel gave less than was asked for"
	}
}

// KeepFresh says whether Follow is to read the whole table again and again, for
// counters and rates of all flows. It takes no more than a few per cent of one core; how
// long one round takes then, Feed tells; rounds become rare while no counter moves. It is off at first, except where the
// kernel sends no events.
func (t *Table) KeepFresh(on bool) {
	if t.keepFresh.Swap(on) != on && on {
		t.events.interrupt() // wake Follow up
	}
}

// state is what Feed tells, written by Follow.
type state struct {
	live, listing, eventsOff atomic.Bool
	still                    atomic.Bool // no packet has passed since the last round began
	counting                 atomic.Bool // a round is under way, and has not read all counters
	events, malformed        atomic.Uint64
	unread                   atomic.Uint64

	mu                          sync.Mutex
	missed, lastMissed          uint64
	overruns, resyncs, listings uint64
	lastResync, round, every    time.Duration
	roundEnd                    time.Time // of the last round that was not urgent
	listedAt                    time.Time // the middle of the last round, of whatever kind
	lost                        bool      // events have been missed and not yet been made up for
	lostAt                      time.Time // since when
}

// overrun notes that the kernel could not deliver all events.
func (s *state) overrun() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overruns++
}

// miss notes that so many events are missing, which may have been noted before.
func (s *state) miss(events uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lost {
		s.lost, s.lostAt, s.lastMissed = true, time.Now(), 0
	}
	s.missed += events
	s.lastMissed += events
}

// counted notes that all counters have been read, in so much time. It is told before those who follow hear of the round's end.
func (s *state) counted(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listedAt = time.Now().Add(-took / 2) // some were read sooner, some later
	s.counting.Store(false)
}

// listed notes that the whole table has been read. It makes up for what was
// missed, unless that went on meanwhile.
func (s *state) listed(took time.Duration, urgent, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listings++
	now := time.Now()
	if urgent {
		s.roundEnd = time.Time{}
	} else {
		if s.round = took; !s.roundEnd.IsZero() {
			s.every = now.Sub(s.roundEnd)
		}
		s.roundEnd = now
	}
	if s.lost && !again {
		s.lost, s.lastResync = false, time.Since(s.lostAt)
		s.resyncs++
	}
}

// Milestone tells that something is known to have been so at a time, in nanoseconds since 1970, such as what the rules were, so
// that it matters of flows whether they began after it. The follower looks at once which events wait: those that come later are
// of later than that, however long it has been waiting for them.
func (t *Table) Milestone(at int64) {
	t.milestone.Store(at)
	t.events.interrupt()
}

// Feed tells how well the table is known. It does not block.
func (t *Table) Feed() flow.Feed {
	s := &t.state
	s.mu.Lock()
	defer s.mu.Unlock()
	f := flow.Feed{
		Live: s.live.Load(), Listing: s.listing.Load(), Listings: s.listings, Events: s.events.Load(),
		Missed: s.missed, LastMissed: s.lastMissed, Overruns: s.overruns, Lost: s.lost,
		LastResync: s.lastResync, Resyncs: s.resyncs,
		Malformed: s.malformed.Load(), Unread: s.unread.Load(), Buffer: t.buffer,
		Fresh: t.keepFresh.Load() || s.eventsOff.Load(), Round: s.round, Every: s.every, EventsOff: s.eventsOff.Load(),
	}
	if !s.lostAt.IsZero() {
		f.LostAt = s.lostAt.UnixNano()
	}
	switch {
	case s.listedAt.IsZero():
	case s.still.Load():
		f.CountedAt = time.Now().UnixNano()
	default:
		f.CountedAt, f.Counting = s.listedAt.UnixNano(), s.counting.Load()
	}
	return f
}
