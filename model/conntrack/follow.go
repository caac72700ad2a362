package conntrack

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
)

const (
	// eventDatagrams is how many events are read a call, eventRoom what one may take: the
	// kernel's are 200 to 700 bytes.
	eventDatagrams = 512
	eventRoom      = 2048
	// dumpSteps is how many datagrams of a dump are read between two looks for events: about 2 ms.
	dumpSteps = 6
	// eventReads is how often events are read between two steps of a dump.
	eventReads = 8
	// refreshShare is the part of one core that a refresh of the whole table may take
	// when it is wanted, reconcileShare when it only looks for flows that ended silently.
	refreshShare   = 0.04
	reconcileShare = 0.003
	// refreshRest and reconcileRest are the shortest times between two rounds.
	refreshRest   = time.Second
	reconcileRest = 2 * time.Second
	// Where nothing moved in calmRounds rounds one after the other, each rest is twice the one before, until
	// the rounds take no more than idleShare of one core or longestRest is reached: reading walks the kernel's whole hash
	// table, which all namespaces share, also where there is next to nothing in it.
	calmRounds  = 2
	idleShare   = 0.001
	longestRest = 30 * time.Second
	// eventlessRest is the longest rest where no event would end it.
	eventlessRest = 5 * time.Second
	// longestFrame is how long events gather at most. The first event after a rest is delivered at once;
	// each frame wakes the runtime, which at 100 frames a second costs as much as decoding 20,000 events.
	longestFrame = 80 * time.Millisecond
	// calmAfter is how long no event must have been missed until the table is read again
	// without further waiting.
	calmAfter = 50 * time.Millisecond
	// eventCost is what an event takes in the receive buffer, as the kernel counts, eventLeast less than any takes.
	eventCost  = 1280
	eventLeast = 256
	// settingsPace is how often it is looked at whether the kernel still sends events: it does not say so.
	settingsPace = 2 * time.Second
)

// follower is the state of one Follow.
type follower struct {
	table   *Table
	deliver func(*flow.Batch)
	batch   flow.Batch
	frame   time.Duration

	listing *listing
	urgent  bool // the listing under way is not to be paced
	again   bool // events were missed: another listing is due
	began   time.Time
	cost    time.Duration // processor time that the listing under way has taken so far
	busy    time.Duration // time that went by meanwhile
	due     time.Time     // when the next listing, or step of a paced one, may be made
	rested  time.Time     // when a listing may begin even if events were missed
	lost    time.Time     // when events were last missed since the last listing began, zero if none were
	anew    bool          // the listing under way replaced one that could not be whole
	silent  int           // flows of whose end the kernel may not tell

	drops     uint32 // datagrams that the kernel has dropped so far
	counted   bool   // it may be that some were, of which the kernel is still to say that it did
	congested int    // how many more may be read while the kernel still drops what comes; 0 if it does not

	looked time.Time // at the settings
	off    bool      // there were no events then

	still    int    // rounds in which nothing moved, one after the other
	sum      uint64 // of what the last round told
	wasFresh bool   // the whole table was wanted when that was last looked at
}

// Follow keeps deliver informed of the table until ctx is done, which is no
// error: first of all flows that there are, and of every event from then on, in
// order, in frames of some milliseconds. The batch is valid only until deliver returns;
// while deliver runs, the kernel buffers events, and so a slow receiver in the end
// causes an overrun, which is repaired and told by Feed.
//
// Follow may be called again after it has returned, but not twice at a time. It
// returns early only when the kernel refuses: an error with ErrNotPermitted or ErrUnsupported.
func (t *Table) Follow(ctx context.Context, deliver func(*flow.Batch)) error {
	f := &follower{table: t, frame: frameFor(t.buffer.Got), urgent: true}
	f.drops, _ = t.events.drops()
	defer f.unsubscribe()
	for _, group := range eventGroups {
		if err := t.events.join(group); err != nil {
			return explain("subscribing to connection events", err)
		}
	}
	f.deliver = func(b *flow.Batch) {
		t.delivery.Lock()
		defer t.delivery.Unlock()
		deliver(b)
	}
	t.state.live.Store(true)
	defer t.state.live.Store(false)
	defer context.AfterFunc(ctx, t.events.interrupt)()
	return f.run(ctx)
}

var eventGroups = []int{unix.NFNLGRP_CONNTRACK_NEW, unix.NFNLGRP_CONNTRACK_UPDATE, unix.NFNLGRP_CONNTRACK_DESTROY}

// unsubscribe leaves the groups, and counts what is still in the buffer and what was lost.
func (f *follower) unsubscribe() {
	for _, group := range eventGroups {
		_ = f.table.events.leave(group)
	}
	for n, err := f.table.events.poll(); n > 0 || err != nil; n, err = f.table.events.poll() {
		f.table.state.unread.Add(uint64(max(0, n)))
	}
	f.lose()
}

// frameFor is how long events may gather between two reads: long enough to take
// many at once, short enough that a flood of 100,000 a second fills no more than a fifth of the buffer.
func frameFor(buffer int) time.Duration {
	fill := time.Duration(buffer/eventCost) * (time.Second / 100_000)
	if d := fill / 5; d >= time.Millisecond {
		return min(d, longestFrame)
	}
	return 0
}

func (f *follower) run(ctx context.Context) error {
	defer f.abandon()
	f.begin(true)
	for ctx.Err() == nil {
		if err := f.list(); err != nil {
			return err
		}
		n, err := f.read()
		if err != nil {
			return explain("reading connection events", err)
		}
		if more := n >= eventReads*eventDatagrams; n > 0 && !more && !f.hurried() {
			time.Sleep(f.frame)
		}
	}
	return nil
}

// hurried tells whether a listing is under way that should be over soon.
func (f *follower) hurried() bool { return f.listing != nil && f.urgent }

// read reads events: those that are there while a listing hurries, else it waits for some.
func (f *follower) read() (total int, err error) {
	s := f.table.events
	for reads := 0; reads < eventReads; reads++ {
		n := 0
		if total > 0 || f.hurried() {
			n, err = s.poll()
		} else {
			n, err = s.wait(f.patience())
		}
		switch {
		case errors.Is(err, unix.ENOBUFS):
			f.overrun()
			continue
		case err != nil:
			return total, err
		}
		if n > 0 {
			f.frameOf(n)
		}
		f.drain(n)
		if total += n; n < eventDatagrams {
			break
		}
	}
	return total, nil
}

// patience is how long to wait for events: until the next step of a listing may be made, or
// the settings are to be looked at.
func (f *follower) patience() time.Duration {
	due := f.due
	if calm := f.lost.Add(calmAfter); !f.lost.IsZero() && calm.Before(due) {
		due = calm
	}
	if look := f.looked.Add(settingsPace); look.Before(due) {
		due = look
	}
	return max(0, time.Until(due))
}

// frameOf decodes n datagrams of events and delivers them.
func (f *follower) frameOf(n int) {
	f.batch.Reset(now())
	malformed := 0
	for i := range n {
		b, whole := f.table.events.datagram(i)
		for more := true; more; more = len(b) > 0 {
			var m message
			var ok bool
			if m, b, ok = nextMessage(b); !ok || !whole {
				malformed++
				break
			}
			if !m.event(f.batch.Next()) {
				f.batch.Drop()
				malformed++
			}
		}
	}
	f.table.state.events.Add(uint64(len(f.batch.Changes)))
	f.table.state.malformed.Add(uint64(malformed))
	f.deliver(&f.batch)
	if f.fresh() {
		f.stir() // what has events has traffic
	}
}

// stir ends a long rest between two rounds: something moves again.
func (f *follower) stir() {
	if f.still == 0 {
		return
	}
	f.hasten()
}

// hasten has the next round begin as if something had moved in the last one.
func (f *follower) hasten() {
	f.still = 0
	f.table.resting.Store(false)
	if _, rest := f.pace(); f.listing == nil && f.wanted() {
		if soon := f.rested.Add(rest); soon.Before(f.due) {
			f.due = soon
		}
	}
}

// noteMoves counts the rounds in which nothing moved: no counter if counters are wanted, else none
// of the flows of whose end the kernel may not tell.
func (f *follower) noteMoves(silent int) {
	sum := uint64(silent)
	if f.fresh() {
		sum = f.listing.sum
	}
	if sum == f.sum && (f.fresh() || silent > 0) {
		f.still++
	} else {
		f.still = 0
	}
	f.sum = sum
	f.table.resting.Store(f.still > calmRounds)
}

// overrun notes that events were lost. The kernel says so once, and then drops all that comes until
// what is in the buffer has been read (netlink_overrun and netlink_rcv_wake in net/netlink/af_netlink.c).
func (f *follower) overrun() {
	f.table.state.overrun()
	if f.lose() == 0 && !f.counted {
		f.missed(1) // one was lost before it came to the socket, or the kernel does not count them
	} else {
		f.missed(0)
	}
	f.counted = false
	f.congested = 2*f.table.buffer.Got/eventLeast + 1
}

// drain notes that so many datagrams were read, and counts what was lost meanwhile when the buffer
// is empty. No listing begins before: what is dropped after it passed would never be known.
func (f *follower) drain(n int) {
	if f.congested == 0 {
		return
	}
	if f.congested = max(0, f.congested-n); n < eventDatagrams {
		f.congested = 0
	}
	if f.congested == 0 && f.lose() > 0 {
		f.counted = true
	}
}

// lose counts the events that were lost since it last did, if the kernel tells.
func (f *follower) lose() (missed uint32) {
	drops, ok := f.table.events.drops()
	if !ok {
		return 0
	}
	missed, f.drops = drops-f.drops, drops
	if missed > 0 {
		f.missed(missed)
	}
	return missed
}

// missed has the table dumped anew.
func (f *follower) missed(events uint32) {
	f.table.state.miss(uint64(events))
	f.again = true
	f.due = f.rested
	f.lost = time.Now()
}

// calm tells that events were missed, but none since a while: the flood is over, or
// has become one that we keep up with.
func (f *follower) calm() bool { return !f.lost.IsZero() && time.Since(f.lost) >= calmAfter }

// wanted tells whether the whole table is to be read again soon: because
// events were missed, because somebody wants to see rates, because there are no events, or
// because there are flows of which the kernel sends none. Else it is read now and then
// all the same, as not all that happens to a flow makes an event.
func (f *follower) wanted() bool {
	return f.again || f.fresh() || f.silent > 0
}

func (f *follower) fresh() bool {
	return f.table.keepFresh.Load() || f.table.state.eventsOff.Load()
}

// pace is what part of a core the listing under way may take, and how long to
// rest after it at least.
func (f *follower) pace() (share float64, rest time.Duration) {
	if f.fresh() {
		return refreshShare, refreshRest
	}
	return reconcileShare, reconcileRest
}

// list goes on with a listing, or begins one that is due.
func (f *follower) list() error {
	if time.Since(f.looked) >= settingsPace {
		f.look()
	}
	if fresh := f.fresh(); fresh != f.wasFresh {
		f.wasFresh = fresh
		f.hasten()
	} else if f.table.stirred.Swap(false) {
		f.stir()
	}
	if f.congested > 0 {
		return nil
	}
	if f.listing == nil {
		if time.Now().Before(f.due) && !f.calm() {
			return nil
		}
		f.begin(f.again)
	}
	if f.calm() && !f.anew {
		// What is under way cannot become whole any more, so its end is not waited for. That
		// which replaces it is: else losses that come again and again would let none end.
		f.abandon()
		f.begin(true)
		f.anew = true
	}
	if f.again {
		f.urgent = true // what is under way is finished quickly, another one follows
	}
	if f.listing == nil || (!f.urgent && time.Now().Before(f.due)) {
		return nil
	}
	watch := startWatch()
	for range dumpSteps {
		b, done, err := f.listing.step(f.table.count())
		if err != nil {
			f.abandon()
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
				return explain("reading the connection table", err)
			}
			f.retry()
			return nil
		}
		f.deliver(b)
		if b.End {
			f.noteMoves(b.Silent)
			f.silent = b.Silent
		}
		if done {
			f.spend(watch)
			f.finish()
			return nil
		}
	}
	share, _ := f.pace()
	f.due = watch.began.Add(time.Duration(float64(f.spend(watch)) / share))
	return nil
}

// look looks at the settings. Of what began while the kernel sent no events it never will.
func (f *follower) look() {
	f.looked = time.Now()
	f.table.noteSysctls()
	if off := f.table.state.eventsOff.Load(); off != f.off {
		f.off, f.again = off, true
		f.due = f.rested
	}
}

// begin starts a listing.
func (f *follower) begin(urgent bool) {
	f.look()
	watch := startWatch()
	l, err := openListing()
	if err != nil {
		f.retry()
		return
	}
	// The kernel finds the first flows while it is asked. Where its hash table is full of
	// other namespaces' flows, that is nearly all there is to do.
	f.listing, f.urgent, f.again, f.began, f.lost = l, urgent, false, watch.began, time.Time{}
	f.cost, f.busy = 0, 0
	f.spend(watch)
	f.table.state.listing.Store(urgent)
}

// spend adds what a part of the listing under way took, and returns its processor time.
func (f *follower) spend(w stopwatch) time.Duration {
	cost, busy := w.read()
	f.cost += cost
	f.busy += busy
	return cost
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

// retry has a listing begun anew after a while.
func (f *follower) retry() {
	f.again, f.lost = true, time.Time{}
	f.due = time.Now().Add(refreshRest)
}

// finish closes a listing and says when the next one may begin: after an overrun soon, but
// not at once, so that a flood that nobody could keep up with does not become one
// dump after the other.
func (f *follower) finish() {
	end := time.Now()
	f.again = f.again || f.listing.again
	f.table.state.malformed.Add(uint64(f.listing.malformed))
	f.table.state.listed(end.Sub(f.began), f.urgent, f.again)
	f.rested = end.Add(f.busy)
	f.due, f.anew = f.rested, false
	if !f.again {
		f.due = end.Add(f.restAfter(end.Sub(f.began)))
	}
	f.abandon()
}

// restAfter is how long to rest after a round that took so long.
func (f *follower) restAfter(took time.Duration) time.Duration {
	if !f.wanted() {
		return max(longestRest, time.Duration(float64(f.cost)/idleShare))
	}
	share, least := f.pace()
	pause := max(least, time.Duration(float64(f.cost)/share)-took)
	doublings := f.still - calmRounds
	if doublings <= 0 {
		return pause
	}
	longest := min(time.Duration(float64(f.cost)/idleShare), longestRest)
	if f.table.state.eventsOff.Load() {
		longest = min(longest, eventlessRest)
	}
	const most = 5 // 32 times the least is longer than the longest
	return max(pause, min(pause<<min(doublings, most), longest))
}

func (f *follower) abandon() {
	if f.listing != nil {
		f.listing.socket.close()
		f.listing = nil
	}
	f.table.state.listing.Store(false)
}
