package flow

import "time"

// Feed tells how well the flow table is known: whether the kernel's events
// arrive, what was missed, and how it was made good.
type Feed struct {
	// Live is true while events are followed. Listing is true while the whole
	// table is read in a hurry, at the beginning or after an overrun; Listings is
	// how often it has been read, in a hurry or not.
	Live, Listing bool
	Listings      uint64
	// Events received. Missed is how many the kernel could not deliver, in how
	// many Overruns (a kernel older than 4.12 does not tell how many, and each
	// overrun counts as one). LastMissed is that of the last overrun, and of all
	// that came before the table was whole again.
	Events, Missed, LastMissed, Overruns uint64
	// Lost is true from an overrun until the table is whole again. LostAt is when
	// the last overrun was noticed, 0 for never.
	Lost   bool
	LostAt int64
	// LastResync is how long it took from an overrun until the table was whole
	// again, Resyncs how often that was.
	LastResync time.Duration
	Resyncs    uint64
	// Malformed messages could not be decoded, or were cut off, and were left out.
	Malformed uint64
	// Unread events had come when following ended, and nobody wanted them any more.
	Unread uint64
	// Buffer is the receive buffer for events.
	Buffer Buffer
	// Fresh tells whether the whole table is being refreshed, Round how long the
	// last round took, and Every the time from one round to the next, rests
	// included; 0 before two rounds are over.
	Fresh        bool
	Round, Every time.Duration
	// CountedAt is up to when the counters of all flows are known, in nanoseconds since 1970: the middle of the time in
	// which they were last read, or now where no packet has passed since, and then it may go back; 0 before the table has
	// been read once.
	CountedAt int64
	// Counting is true while they are read again: those of some flows are known up to a later time then.
	Counting bool
	// EventsOff tells that nf_conntrack_events is 0, so that the table is known by
	// reading it again and again alone.
	EventsOff bool
	// Err is why the table cannot be followed at all; nil while it is.
	Err error
}

// Buffer is the receive buffer for events, in bytes.
type Buffer struct {
	Wished, Got int
	// Short says why Got is less than Wished, and what would help.
	Short string
}
