package conntrack

import (
	"time"

	"golang.org/x/sys/unix"
)

// round is the reading of the whole table that is under way, if one is, and what it took so far.
type round struct {
	listing *listing // nil between two rounds
	urgent  bool     // it is not to be paced
	anew    bool     // it replaced one that could not be whole
	began   time.Time
	cost    time.Duration // processor time so far
	busy    time.Duration // time that went by meanwhile
}

// underWay tells whether there is a round.
func (r *round) underWay() bool { return r.listing != nil }

// hurried tells whether a round is under way that should be over soon.
func (r *round) hurried() bool { return r.underWay() && r.urgent }

// begin starts with what asking for the listing took. The kernel finds the first flows while it is asked: where its
// hash table is full of other namespaces' flows, that is nearly all there is to do.
func (r *round) begin(l *listing, urgent bool, w stopwatch) {
	*r = round{listing: l, urgent: urgent, anew: r.anew, began: w.began}
	r.spend(w.read())
}

// spend adds what a part of the round took.
func (r *round) spend(cost, busy time.Duration) {
	r.cost += cost
	r.busy += busy
}

// end closes the listing, whether it is whole or not.
func (r *round) end() {
	if r.listing != nil {
		r.listing.socket.close()
		r.listing = nil
	}
}

// action is what is to be done about the table as a whole.
type action int

const (
	doNothing action = iota
	doBegin          // begin a round
	doReplace        // give up the round under way, and begin another one
	doStep           // go on with the round under way
)

// next says what is to be done now.
func (r *round) next(now time.Time, l *losses, s *schedule) action {
	due := !now.Before(s.due)
	switch {
	case l.congested > 0:
		return doNothing // what is dropped after a listing has passed would never be known
	case !r.underWay() && (due || l.calm(now)):
		return doBegin
	case !r.underWay():
		return doNothing
	case l.calm(now) && !r.anew:
		// What is under way cannot become whole any more, so its end is not waited for. That
		// which replaces it is: else losses that come again and again would let none end.
		return doReplace
	case r.urgent || s.again || due: // where another one follows, this one is finished quickly
		return doStep
	}
	return doNothing
}

// stopwatch measures what a piece of work takes: on a busy machine far more time goes by than a listing uses, and
// if that counted, the table would be read the more seldom the more happens.
type stopwatch struct {
	began  time.Time
	thread int
	used   time.Duration // by the thread
}

func startWatch() stopwatch {
	return stopwatch{time.Now(), unix.Gettid(), threadTime()}
}

// read returns the processor time and the time that went by. Where the goroutine has moved to another thread,
// which is rare, it takes the one for the other.
func (w stopwatch) read() (used, passed time.Duration) {
	passed = time.Since(w.began)
	if unix.Gettid() != w.thread {
		return passed, passed
	}
	return min(threadTime()-w.used, passed), passed
}

func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
