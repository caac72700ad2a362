package conntrack

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	timo "github.com/ti-mo/conntrack"
)

// Options say how a Table is to be opened. The zero value is what is best for a gateway.
type Options struct {
	// ReceiveBuffer is how many bytes of events the kernel may keep for us while we
	// are busy: 0 is 64 MiB, which outlasts a second of 50,000 events. It is a limit, not
	// an allocation.
	ReceiveBuffer int
}

const defaultReceiveBuffer = 64 << 20

// Table is the kernel's connection table of one network namespace. Its methods
// may be called from several goroutines, but Follow from one at a time.
type Table struct {
	events *socket
	buffer Buffer

	asking  sync.Mutex // held while the query socket is used
	query   *socket
	request *timo.Conn
	seq     uint32
	// questions is room for the messages to the query socket.
	questions []byte

	delivery  sync.Mutex // held while a batch of Follow or Refresh is delivered
	keepFresh atomic.Bool
	state     state
}

// Buffer is the receive buffer for events.
type Buffer struct {
	Wished, Got int // bytes
	// Short says why Got is less than Wished, and what would help; empty if it is not.
	Short string
}

// Open opens the sockets. It needs no privilege by itself; the first question or
// Follow does. An error has ErrUnsupported or ErrNotPermitted in its chain if that is why.
func Open(o Options) (*Table, error) {
	t := &Table{}
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
	t.buffer = Buffer{Wished: wished, Got: got}
	if got < wished && !forced {
		t.buffer.Short = fmt.Sprintf("net.core.rmem_max allows no more than %d bytes, and going beyond it needs CAP_NET_ADMIN outside of any user namespace; "+
			"sysctl -w net.core.rmem_max=%d on the host would help", got, wished)
	} else if got < wished {
		t.buffer.Short = "the kernel gave less than was asked for"
	}
}

// KeepFresh says whether Follow is to read the whole table again and again, for
// counters and rates of all flows. It takes no more than a few per cent of one core; how
// long one round takes then, Status tells. It is off at first, except where the
// kernel sends no events.
func (t *Table) KeepFresh(on bool) {
	if t.keepFresh.Swap(on) != on && on {
		t.events.interrupt() // wake Follow up
	}
}

// Status tells how well the table is known.
type Status struct {
	// Live is true while Follow runs. Listing is true while it reads the whole table in a
	// hurry, at the beginning or after an overrun.
	Live, Listing bool
	// Listings is how often the whole table has been read since Open.
	Listings uint64
	Events   uint64 // events received
	// Missed is how many events the kernel could not deliver, in how many Overruns (where
	// the kernel is older than 4.12, one an overrun). LastMissed is that of the last overrun, and of all that came
	// before the table was whole again.
	Missed, LastMissed uint64
	Overruns           uint64
	// LastResync is how long it took from an overrun until the table was whole again, Resyncs how often that was.
	LastResync time.Duration
	Resyncs    uint64
	Malformed  uint64 // messages that made no sense and were left out
	Buffer     Buffer
	// Fresh tells whether the whole table is being refreshed, Round how long the last round took.
	Fresh bool
	Round time.Duration
	// EventsOff tells that nf_conntrack_events is 0, so that the table is known by reading it again and again alone.
	EventsOff bool
}

// state is what Status is made of, written by Follow.
type state struct {
	live, listing, eventsOff atomic.Bool
	events, malformed        atomic.Uint64

	mu                          sync.Mutex
	missed, lastMissed          uint64
	overruns, resyncs, listings uint64
	lastResync, round           time.Duration
	lost                        bool      // events have been missed and not yet been made up for
	lostAt                      time.Time // since when
}

// overrun notes that so many events are missing.
func (s *state) overrun(missed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lost {
		s.lost, s.lostAt, s.lastMissed = true, time.Now(), 0
	}
	s.overruns++
	s.missed += missed
	s.lastMissed += missed
}

// listed notes that the whole table has been read. It makes up for what was
// missed, unless that went on meanwhile.
func (s *state) listed(took time.Duration, urgent, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listings++
	if !urgent {
		s.round = took
	}
	if s.lost && !again {
		s.lost, s.lastResync = false, time.Since(s.lostAt)
		s.resyncs++
	}
}

// Status tells how well the table is known. It does not block.
func (t *Table) Status() Status {
	s := &t.state
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{
		Live: s.live.Load(), Listing: s.listing.Load(), Listings: s.listings, Events: s.events.Load(),
		Missed: s.missed, LastMissed: s.lastMissed, Overruns: s.overruns,
		LastResync: s.lastResync, Resyncs: s.resyncs,
		Malformed: s.malformed.Load(), Buffer: t.buffer,
		Fresh: t.keepFresh.Load() || s.eventsOff.Load(), Round: s.round, EventsOff: s.eventsOff.Load(),
	}
}
