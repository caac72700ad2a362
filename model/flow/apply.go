package flow

import (
	"time"
)

// Apply makes the changes of a batch. It also completes them: an event's flow
// becomes all that is known of it, counters and times included, where the message
// had only told what changed; so the batch can go to an event log afterwards.
func (t *Flows) Apply(b *Batch) {
	if b.Begin {
		t.beginListing(b.Count)
	}
	for rest := b.Messages; len(rest) > 0; {
		n := min(len(rest), applySlice)
		t.approach(rest[:n])
		t.mu.Lock()
		for i := range rest[:n] {
			t.apply(t.near.hashes[i], &rest[i], b)
		}
		t.unlock()
		rest = rest[n:]
	}
	if t.listing.on && b.lists() {
		t.listing.ended, t.listing.endedBefore = t.listing.endedBefore, t.listing.ended
		clear(t.listing.ended)
	}
	if b.End {
		t.endListing()
		b.Silent = t.totals.Silent
	}
}

// near is what Apply finds out of a slice of changes before it makes them.
type near struct {
	hashes [applySlice]uint64
	first  [applySlice]uint64 // the slot of the index where the search begins
	seen   uint32             // has what is read count as used
}

// approach looks at where the flows of the changes are, each of which is another place of a large memory: read one after
// the other without use of what is read, the processor fetches many at a time, and waits for each when they are applied.
func (t *Flows) approach(changes []Message) {
	near := &t.near
	for i := range changes {
		f := &changes[i].Flow
		near.hashes[i] = t.hash(&f.Orig, f.Zone)
	}
	for i, hash := range near.hashes[:len(changes)] {
		near.first[i] = t.index.first(hash)
	}
	for i, slot := range near.first[:len(changes)] {
		if slot != 0 && slot>>32 == near.hashes[i]&0xffffffff {
			near.seen += t.at(uint32(slot) - 1).ID
		}
	}
}

func (t *Flows) apply(hash uint64, c *Message, b *Batch) {
	f := &c.Flow
	pos := t.find(hash, &f.Orig, f.Zone, f.ID)
	switch c.Kind {
	case EventNew, EventUpdate:
		if pos >= 0 && c.Kind == EventNew && t.at(uint32(pos)).known&heard != 0 {
			t.vanish(hash, uint32(pos)) // the kernel may give the same ID again
			pos = -1
		}
		if pos < 0 {
			t.insert(hash, c, b)
			return
		}
		t.change(uint32(pos), func(kept *Flow) {
			kept.tell(c, b.At)
			kept.epoch = t.listing.epoch
			kept.known |= b.beginning(c)
		})
		t.hear(t.at(uint32(pos)))
		c.Flow = *t.at(uint32(pos))
	case EventDestroy, Gone:
		if c.Kind == Gone && pos >= 0 && t.at(uint32(pos)).heardSince(b.Since) {
			return // its end will be told, or this is already another one
		}
		if t.listing.on {
			t.listing.ended[hash^uint64(f.ID)] = struct{}{}
		}
		if pos < 0 {
			c.Unknown = true
			if c.Kind == EventDestroy {
				t.totals.Unheard++
			}
			return
		}
		kept := t.at(uint32(pos))
		if c.Kind == EventDestroy {
			kept.tellEnd(c, b.At)
		}
		c.Flow = *kept
		t.remove(hash, uint32(pos))
	case Listed:
		if pos >= 0 && t.at(uint32(pos)).startedElse(c) {
			t.vanish(hash, uint32(pos))
			pos = -1
		}
		if pos < 0 {
			if !t.hasEnded(hash ^ uint64(f.ID)) {
				t.insert(hash, c, b)
			}
			return
		}
		t.at(uint32(pos)).epoch = t.listing.epoch
		t.change(uint32(pos), func(kept *Flow) { kept.list(c, b) })
	case Refreshed:
		if pos >= 0 {
			t.change(uint32(pos), func(kept *Flow) { kept.list(c, b) })
		}
	}
}

// tell takes what an event says; what it does not mention stays.
func (f *Flow) tell(c *Message, at int64) {
	told := &c.Flow
	f.Reply = told.Reply
	f.Told = at
	if c.Has&HasStatus != 0 {
		f.Status = told.Status
	}
	if c.Has&HasState != 0 {
		f.State = told.State
	}
	if c.Has&HasTimeout != 0 {
		f.Timeout = told.Timeout
	}
	if c.Has&HasMark != 0 {
		f.Mark = told.Mark
	}
	if c.Has&HasStart != 0 {
		f.Start = told.Start
	}
	if c.Has&HasCounts != 0 {
		f.count(told, at, false)
	}
}

// tellEnd takes the last words of a flow: its final counters, but not the state
// and timeout that the kernel leaves out or sets to nothing at the end.
func (f *Flow) tellEnd(c *Message, at int64) {
	if c.Has&HasStatus != 0 {
		f.Status = c.Flow.Status
	}
	if c.Has&HasState != 0 && c.Flow.State != 0 {
		f.State = c.Flow.State
	}
	if c.Has&HasStart != 0 {
		f.Start = c.Flow.Start
	}
	if c.Has&HasCounts != 0 {
		f.count(&c.Flow, at, true)
	}
	f.Told, f.Timeout = at, 0
}

// list takes what the kernel said when asked: the whole flow, but an event that
// came after the asking knows better.
func (f *Flow) list(c *Message, b *Batch) {
	told := &c.Flow
	if f.Told < b.Since || f.Told == 0 {
		f.Reply, f.Status, f.State, f.Mark = told.Reply, told.Status, told.State, told.Mark
		f.Timeout, f.Told = told.Timeout, b.At
	}
	if c.Has&HasStart != 0 {
		f.Start = told.Start
	}
	if c.Has&HasCounts != 0 {
		f.count(told, b.At, false)
	}
}

// heardSince tells whether an event has told of the flow at that time or later.
func (f *Flow) heardSince(at int64) bool { return at != 0 && f.known&heard != 0 && f.Told >= at }

// startedElse tells whether the kernel made the flow of c at another time than this one.
func (f *Flow) startedElse(c *Message) bool {
	return c.Has&HasStart != 0 && f.Start != 0 && f.Start != c.Flow.Start
}

// insert puts a flow into the table that nobody had told of before.
func (t *Flows) insert(hash uint64, c *Message, b *Batch) {
	f := &c.Flow
	f.First, f.Told = b.At, b.At
	if c.Has&HasCounts != 0 {
		f.known |= countsKnown
		f.Counted = b.At
	}
	if c.Kind.IsEvent() {
		f.known |= heard | b.beginning(c)
	}
	f.epoch = t.listing.epoch
	pos := t.claim()
	k := t.chunks[pos>>chunkBits]
	k.flows[pos&(chunkSize-1)] = *f
	k.unexplained++
	t.index.insert(hash, pos)
	t.totals.add(f, f.NAT(), 1)
	t.changes++
}

// beginning is what a message tells of when its flow began: that it was not long before.
func (b *Batch) beginning(c *Message) knowledge {
	if c.Kind == EventNew && !b.Late {
		return begun
	}
	return 0
}

// After tells of a flow whose beginning the batch tells that it began after a time, as BeganAfter does of one of the table.
func (b *Batch) After(f *Flow, at int64) bool {
	if f.Start != 0 {
		return f.Start > at
	}
	return b.Quiet != 0 && b.Quiet >= at || !b.Late && b.At-int64(PromptWithin) > at
}

// change lets edit alter a flow and keeps the totals true.
func (t *Flows) change(pos uint32, edit func(*Flow)) {
	f := t.at(pos)
	before, nat := *f, f.NAT()
	edit(f)
	if now := f.NAT(); now != nat || f.State != before.State {
		was := before.State
		t.totals.NAT[nat]--
		t.totals.NAT[now]++
		t.totals.state(f.Orig.Proto, was, -1)
		t.totals.state(f.Orig.Proto, f.State, 1)
		if now != nat {
			t.unexplain(pos, f)
		}
	}
	if f.moved(&before) {
		t.changes++
	}
}

// moved tells whether a flow is another than it was: that it was heard of again, and that its
// timeout runs down, is no change.
func (f *Flow) moved(before *Flow) bool {
	was := *before
	was.Told, was.Timeout, was.Counted, was.epoch = f.Told, f.Timeout, f.Counted, f.epoch
	was.known = was.known.withQuiet(f.known.quiet())
	if was != *f {
		return true
	}
	const rounding = 2 * int64(time.Second) // the kernel tells whole seconds
	d := f.ends() - before.ends()
	return d > rounding || d < -rounding
}

// ends is when the flow's timeout is over.
func (f *Flow) ends() int64 { return f.Told + int64(f.Timeout)*int64(time.Second) }
