package conntrack

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/flow"
	"nattui/rules/traffic"
)

const (
	// eventDatagrams is how many events are read a call, eventRoom what one may take: the
	// kernel's are 200 to 700 bytes.
	eventDatagrams = 512
	eventRoom      = 2048
	// dumpSteps is how many datagrams of a dump are read between two looks for events: about 2 ms, where no larger share
	// was asked for. While events come there is one step a frame.
	dumpSteps = 6
	// eventReads is how often events are read between two steps of a dump.
	eventReads = 8
	// longestFrame is how long events gather at most. The first event after a rest is delivered at once;
	// each frame wakes the runtime, which at 100 frames a second costs as much as decoding 20,000 events.
	longestFrame = 80 * time.Millisecond
)

// follower is one Follow: it reads events, and the table as a whole when its schedule
// says so or events were lost.
type follower struct {
	table    *Table
	deliver  func(*flow.Batch)
	batch    flow.Batch
	frame    time.Duration
	losses   losses
	schedule schedule
	round    round

	traffic    traffic.Watch
	quietAsked time.Time // when that was last asked
	passed     bool      // packets have passed since the last round began, as far as was looked

	emptied int64 // when no event waited, as far as was looked
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
	f := &follower{table: t, schedule: schedule{share: t.share}, frame: frameFor(t.buffer.Got), losses: losses{room: roomFor(t.buffer.Got)}}
	f.losses.drops, _ = t.events.drops()
	f.emptied = now()
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
	if missed := f.losses.count(f.table.events.drops()); missed > 0 {
		f.missed(missed)
	}
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
	defer f.endRound()
	f.begin(true)
	for ctx.Err() == nil {
		if err := f.list(); err != nil {
			return err
		}
		n, err := f.read()
		if err != nil {
			return explain("reading connection events", err)
		}
		if more := n >= eventReads*eventDatagrams; n > 0 && !more && !f.round.hurried() {
			time.Sleep(f.frame)
		}
	}
	return nil
}

// read reads events: those that are there while a listing hurries, else it waits for some.
func (f *follower) read() (total int, err error) {
	s := f.table.events
	for reads := 0; reads < eventReads; reads++ {
		f.giveWay()
		n := 0
		if total > 0 || f.round.hurried() {
			n, err = s.poll()
		} else {
			n, err = s.wait(f.patience())
		}
		switch {
		case errors.Is(err, unix.ENOBUFS):
			f.table.state.overrun()
			f.missed(f.losses.overrun(f.table.events.drops()))
			continue
		case err != nil:
			return total, err
		}
		at := now()
		if n > 0 {
			f.frameOf(n, at)
		}
		if n < eventDatagrams { // none waited then; while these were delivered others may have come
			f.emptied = at
		}
		f.drain(n)
		if total += n; n < eventDatagrams {
			break
		}
	}
	return total, nil
}

// patience is how long to wait for events: until there is something else to do.
func (f *follower) patience() time.Duration {
	next := f.schedule.next()
	if calm, ok := f.losses.calmAt(); ok && calm.Before(next) {
		next = calm
	}
	return max(0, time.Until(next))
}

// frameOf decodes n datagrams of events, read at a time, and delivers them.
func (f *follower) frameOf(n int, at int64) {
	f.batch.Reset(at)
	f.batch.Quiet = f.emptied
	f.batch.Late = f.batch.At-f.emptied > int64(flow.PromptWithin) && f.emptied < f.table.milestone.Load()
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
	f.table.state.events.Add(uint64(len(f.batch.Messages)))
	f.table.state.malformed.Add(uint64(malformed))
	f.deliver(&f.batch)
	if f.schedule.fresh {
		f.stir() // what has events has traffic
	}
}

// stir ends a long rest between two rounds: something moves again.
func (f *follower) stir() {
	if f.schedule.still > 0 {
		f.hasten()
	}
}

func (f *follower) hasten() {
	f.schedule.hasten(f.round.underWay())
	f.table.resting.Store(false)
}

// drain notes that so many datagrams were read, and counts what was lost meanwhile when the buffer is empty.
func (f *follower) drain(datagrams int) {
	if !f.losses.drain(datagrams) {
		return
	}
	if missed := f.losses.settle(f.table.events.drops()); missed > 0 {
		f.missed(missed)
	}
}

// missed has the table read anew, as so many more events are known to be lost; 0 for such as were known before.
func (f *follower) missed(events uint32) {
	f.table.state.miss(uint64(events))
	f.losses.last = time.Now()
	f.schedule.redo()
}

// list goes on with a round, or begins one that is due.
func (f *follower) list() error {
	if !time.Now().Before(f.schedule.lookAt()) {
		f.look()
	}
	if f.schedule.want(f.table.keepFresh.Load() || f.schedule.eventless) {
		f.hasten()
	} else if f.table.stirred.Swap(false) {
		f.stir()
	}
	next := f.round.next(time.Now(), &f.losses, &f.schedule)
	switch next {
	case doBegin:
		f.begin(f.schedule.again)
	case doReplace:
		f.endRound()
		f.begin(true)
		f.round.anew = true
	}
	if next != doNothing && f.round.underWay() {
		return f.steps()
	}
	return nil
}

// steps reads some datagrams of the listing under way. Where another round follows, it is no longer paced.
func (f *follower) steps() error {
	f.round.urgent = f.round.urgent || f.schedule.again
	watch := startWatch()
	for range f.schedule.steps() {
		f.giveWay()
		l := f.round.listing
		b, done, err := l.step(f.table.count())
		if err != nil {
			f.endRound()
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
				return explain("reading the connection table", err)
			}
			f.schedule.retry(time.Now())
			f.losses.last = time.Time{}
			return nil
		}
		if b.End {
			f.table.state.counted(time.Since(f.round.began))
		}
		f.deliver(b)
		if b.End {
			f.schedule.note(l.sum, b.Silent)
			f.table.resting.Store(f.schedule.resting())
		}
		if done {
			f.round.spend(watch.read())
			f.finish()
			return nil
		}
	}
	used, passed := watch.read()
	f.round.spend(used, passed)
	f.schedule.stepped(watch.began, used)
	return nil
}

// look looks at the settings, and whether anything moves.
func (f *follower) look() {
	f.table.noteSysctls()
	now := time.Now()
	saw := glance{eventless: f.table.state.eventsOff.Load(), quiet: f.schedule.quiet, count: f.table.count()}
	if now.Sub(f.quietAsked) >= quietSpan {
		f.quietAsked, saw.quiet = now, f.traffic.Quiet()
	}
	f.passed = f.passed || !saw.quiet
	read := !f.passed && !f.round.underWay()
	f.table.state.still.Store(read)
	if f.schedule.look(now, saw, read) {
		f.stir()
	}
}

// begin starts a round.
func (f *follower) begin(urgent bool) {
	f.look()
	watch := startWatch()
	l, err := openListing()
	f.losses.last = time.Time{}
	if err != nil {
		f.schedule.retry(time.Now())
		return
	}
	f.round.begin(l, urgent, watch)
	f.table.state.counting.Store(true)
	f.passed = false
	f.schedule.again = false
	f.table.state.listing.Store(urgent)
}

// finish ends a round that has come to its end.
func (f *follower) finish() {
	end, r := time.Now(), &f.round
	f.schedule.again = f.schedule.again || r.listing.again
	f.table.state.malformed.Add(uint64(r.listing.malformed))
	f.table.state.listed(end.Sub(r.began), r.urgent, f.schedule.again)
	f.schedule.finished(end, r)
	r.anew = false
	f.endRound()
}

// endRound gives up the round under way, if there is one.
func (f *follower) endRound() {
	f.round.end()
	f.table.state.listing.Store(false)
	f.table.state.counting.Store(false)
}
