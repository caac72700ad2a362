package flow

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nattui/rules"
)

// Flows is the table of the flows that live now. One goroutine at a time applies
// batches; any number may read meanwhile. No call holds the lock for longer than a
// few hundred changes or one chunk of flows take, so a sort of a million flows
// delays neither the writer nor a look at the visible rows.
//
// A flow keeps its position as long as it lives. Flows are kept in chunks that
// are never moved and go back to the heap when they are empty; with the index a flow
// costs some 190 bytes.
type Flows struct {
	mu     sync.RWMutex
	seed   maphash.Seed
	chunks []*chunk // nil where all flows of a chunk have gone
	roomy  []uint32 // chunks with room, the last one is filled first
	spare  *chunk
	index  index
	totals Totals
	// changes counts what has happened to the table.
	changes uint64
	// shown are the numbers of flows and of changes as of the last unlock: a screen that is drawn need
	// not wait for them.
	shown struct{ flows, changes atomic.Uint64 }

	listing listing
	ruleGen uint16
	// byRule has how many flows each Flow.Rule of this generation has, by its number.
	byRule []int
	// places has the order of what Flow.Rule stands for, for sorting; nil where nobody knows it.
	places func() []uint32
}

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
	// applySlice is how many changes are made under one lock: about 0.1 ms.
	applySlice = 256
)

// chunk is a part of the table. A set bit of live tells that a position is in use.
type chunk struct {
	live        [chunkSize / 64]uint64
	used        int
	unexplained int // flows whose RuleGen is not the current one
	roomy       bool
	flows       *[chunkSize]Flow // on its own, as it fills whole pages
}

// listing is a dump that is under way.
type listing struct {
	on    bool
	epoch uint8
	// ended are flows that have been destroyed since the batch before last: a line
	// of the dump may be older than that and would bring them back.
	ended, endedBefore map[uint64]struct{}
}

// Totals are how many flows there are, altogether and of each kind.
type Totals struct {
	Flows  int
	NAT    [4]int   // by NAT kind
	Proto  [256]int // by protocol
	Family [2]int   // IPv4, IPv6
	// TCP, SCTP and DCCP by state.
	TCP, SCTP, DCCP [16]int
	// Vanished counts flows that were found gone by a dump although nobody had told of their end.
	Vanished uint64
	// Silent are the flows of which no event has told so far. With
	// nf_conntrack_events=2, the default, the kernel sends none of flows that are older than the subscription.
	Silent int
	// Unheard counts ends of flows of which nobody had told the beginning.
	Unheard uint64
}

// Ref names a flow in the table: where it is and which it was.
type Ref struct {
	Pos uint32
	ID  uint32
}

// NewFlows is an empty table.
func NewFlows() *Flows {
	return &Flows{seed: maphash.MakeSeed(), ruleGen: 1}
}

// Version changes whenever a flow has come, gone or changed. As long as it
// stays, whatever was drawn from the table is still true, as timeouts run down by themselves.
func (t *Flows) Version() uint64 { return t.shown.changes.Load() }

// unlock ends a change of the table.
func (t *Flows) unlock() {
	t.shown.flows.Store(uint64(t.totals.Flows))
	t.shown.changes.Store(t.changes)
	t.mu.Unlock()
}

// NoPlace is the place of what no rule made.
const NoPlace = ^uint32(0)

// OrderRules says how to sort by rule: places returns the place of every number that
// Flow.Rule may have, by that number.
func (t *Flows) OrderRules(places func() []uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.places = places
}

func (t *Flows) rulePlaces() []uint32 {
	t.mu.RLock()
	places := t.places
	t.mu.RUnlock()
	if places == nil {
		return nil
	}
	return places()
}

// Len is the number of flows.
func (t *Flows) Len() int { return int(t.shown.flows.Load()) }

// ByRule is how many flows Explain has given each rule's number in the generation gen, by the number.
func (t *Flows) ByRule(gen uint16) []int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if gen != t.ruleGen {
		return nil
	}
	return slices.Clone(t.byRule)
}

// Totals are the numbers of flows of each kind.
func (t *Flows) Totals() Totals {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.totals
}

// Lookup finds a flow by its original tuple and zone, and by its ID if that is not 0.
func (t *Flows) Lookup(k Key) (Flow, Ref, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	pos := t.find(t.hash(&k.Orig, k.Zone), &k.Orig, k.Zone, k.ID)
	if pos < 0 {
		return Flow{}, Ref{}, false
	}
	f := t.at(uint32(pos))
	return *f, Ref{uint32(pos), f.ID}, true
}

// Read copies the flow that ref names. It is false when that flow has gone.
func (t *Flows) Read(ref Ref, f *Flow) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	g := t.live(ref)
	if g == nil {
		return false
	}
	*f = *g
	return true
}

// Each calls yield with a copy of every flow until it says stop. Flows that come
// meanwhile may be left out. It holds no lock while yield runs.
func (t *Flows) Each(yield func(Ref, *Flow) bool) {
	room := make([]Flow, 0, chunkSize)
	refs := make([]Ref, 0, chunkSize)
	for c := 0; ; c++ {
		t.mu.RLock()
		if c >= len(t.chunks) {
			t.mu.RUnlock()
			return
		}
		room, refs = room[:0], refs[:0]
		t.eachOf(c, func(pos uint32, f *Flow) {
			room, refs = append(room, *f), append(refs, Ref{pos, f.ID})
		})
		t.mu.RUnlock()
		for i := range room {
			if !yield(refs[i], &room[i]) {
				return
			}
		}
	}
}

// eachOf visits the live flows of one chunk; the lock is held.
func (t *Flows) eachOf(c int, visit func(pos uint32, f *Flow)) {
	k := t.chunks[c]
	if k == nil {
		return
	}
	for w, word := range k.live {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			visit(uint32(c<<chunkBits|i), &k.flows[i])
		}
	}
}

// at is the flow at a position in use.
func (t *Flows) at(pos uint32) *Flow { return &t.chunks[pos>>chunkBits].flows[pos&(chunkSize-1)] }

// live is the flow that ref names, or nil when it has gone.
func (t *Flows) live(ref Ref) *Flow {
	c, i := ref.Pos>>chunkBits, ref.Pos&(chunkSize-1)
	if int(c) >= len(t.chunks) || t.chunks[c] == nil || t.chunks[c].live[i/64]>>(i%64)&1 == 0 {
		return nil
	}
	if f := &t.chunks[c].flows[i]; f.ID == ref.ID {
		return f
	}
	return nil
}

// place is what the index knows a flow by. The ID is left out: that way a flow is
// found without it.
type place struct {
	orig rules.Tuple
	zone uint16
}

func (t *Flows) hash(orig *rules.Tuple, zone uint16) uint64 {
	return maphash.Comparable(t.seed, place{*orig, zone})
}

// find returns the position of a flow or -1. An id of 0 means any.
func (t *Flows) find(hash uint64, orig *rules.Tuple, zone uint16, id uint32) int {
	return t.index.find(hash, func(pos uint32) bool {
		f := t.at(pos)
		return (id == 0 || f.ID == id) && f.Zone == zone && f.Orig == *orig
	})
}

// Apply makes the changes of a batch. It also completes them: an event's flow
// becomes all that is known of it, counters and times included, where the message
// had only told what changed; so the batch can go to an event log afterwards.
func (t *Flows) Apply(b *Batch) {
	if b.Begin {
		t.beginListing(b.Count)
	}
	for rest := b.Messages; len(rest) > 0; {
		n := min(len(rest), applySlice)
		t.mu.Lock()
		for i := range rest[:n] {
			t.apply(&rest[i], b)
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

func (t *Flows) apply(c *Message, b *Batch) {
	f := &c.Flow
	hash := t.hash(&f.Orig, f.Zone)
	pos := t.find(hash, &f.Orig, f.Zone, f.ID)
	switch c.Kind {
	case EventNew, EventUpdate:
		if pos >= 0 && c.Kind == EventNew && t.at(uint32(pos)).known&heard != 0 {
			t.vanish(hash, uint32(pos)) // the kernel may give the same ID again
			pos = -1
		}
		if pos < 0 {
			t.insert(hash, c, b.At)
			return
		}
		t.change(uint32(pos), func(kept *Flow) {
			kept.tell(c, b.At)
			kept.epoch = t.listing.epoch
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
				t.insert(hash, c, b.At)
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
func (t *Flows) insert(hash uint64, c *Message, at int64) {
	f := &c.Flow
	f.First, f.Told = at, at
	if c.Has&HasCounts != 0 {
		f.known |= countsKnown
		f.Counted = at
	}
	if c.Kind.IsEvent() {
		f.known |= heard
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
	if was != *f {
		return true
	}
	const rounding = 2 * int64(time.Second) // the kernel tells whole seconds
	d := f.ends() - before.ends()
	return d > rounding || d < -rounding
}

// ends is when the flow's timeout is over.
func (f *Flow) ends() int64 { return f.Told + int64(f.Timeout)*int64(time.Second) }

// hear notes that the kernel sends events of a flow.
func (t *Flows) hear(f *Flow) {
	if f.known&heard == 0 {
		f.known |= heard
		t.totals.Silent--
	}
}

// unexplain forgets which rule made a flow, as its translation is another now.
func (t *Flows) unexplain(pos uint32, f *Flow) {
	if f.RuleGen == t.ruleGen {
		t.byRule[f.Rule]--
		t.chunks[pos>>chunkBits].unexplained++
	}
	f.Rule, f.RuleGen = 0, 0
}

func (t *Flows) remove(hash uint64, pos uint32) {
	f := t.at(pos)
	t.totals.add(f, f.NAT(), -1)
	t.index.remove(hash, pos)
	t.changes++
	c, i := pos>>chunkBits, pos&(chunkSize-1)
	k := t.chunks[c]
	if f.RuleGen == t.ruleGen {
		t.byRule[f.Rule]--
	} else {
		k.unexplained--
	}
	k.live[i/64] &^= 1 << (i % 64)
	if k.used--; k.used == 0 {
		t.release(c)
		return
	}
	if !k.roomy {
		k.roomy = true
		t.roomy = append(t.roomy, c)
	}
}

// claim marks a free position as used, in a chunk that has room already if there is one.
func (t *Flows) claim() uint32 {
	for len(t.roomy) > 0 {
		c := t.roomy[len(t.roomy)-1]
		k := t.chunks[c]
		if k == nil {
			k = t.newChunk()
			t.chunks[c] = k
		}
		for w, word := range k.live {
			if free := ^word; free != 0 {
				i := w*64 + bits.TrailingZeros64(free)
				k.live[w] |= 1 << (i % 64)
				if k.used++; k.used == chunkSize {
					k.roomy = false
					t.roomy = t.roomy[:len(t.roomy)-1]
				}
				return c<<chunkBits | uint32(i)
			}
		}
		panic("model: a chunk with room is full")
	}
	t.chunks = append(t.chunks, nil)
	t.roomy = append(t.roomy, uint32(len(t.chunks)-1))
	return t.claim()
}

func (t *Flows) newChunk() *chunk {
	k := t.spare
	t.spare = nil
	if k == nil {
		k = &chunk{flows: new([chunkSize]Flow)}
	}
	k.roomy = true
	return k
}

// release gives an empty chunk back, keeping one in hand.
func (t *Flows) release(c uint32) {
	k := t.chunks[c]
	t.chunks[c] = nil
	if !k.roomy {
		t.roomy = append(t.roomy, c)
	}
	if t.spare == nil {
		k.used, k.unexplained = 0, 0
		t.spare = k
	}
}

// add counts a flow in, or with a d of -1 out.
func (s *Totals) add(f *Flow, nat NAT, d int) {
	s.Flows += d
	s.NAT[nat] += d
	s.Proto[f.Orig.Proto] += d
	if f.Orig.Family == rules.IPv6 {
		s.Family[1] += d
	} else {
		s.Family[0] += d
	}
	if f.known&heard == 0 {
		s.Silent += d
	}
	s.state(f.Orig.Proto, f.State, d)
}

func (s *Totals) state(p rules.Protocol, st State, d int) {
	st &= 15
	switch p {
	case rules.TCP:
		s.TCP[st] += d
	case rules.SCTP:
		s.SCTP[st] += d
	case rules.DCCP:
		s.DCCP[st] += d
	}
}

func (t *Flows) hasEnded(mark uint64) bool {
	if !t.listing.on || len(t.listing.ended)+len(t.listing.endedBefore) == 0 {
		return false
	}
	if _, ok := t.listing.ended[mark]; ok {
		return true
	}
	_, ok := t.listing.endedBefore[mark]
	return ok
}

// beginListing starts a new epoch: whatever is not of it when the dump ends has gone.
func (t *Flows) beginListing(count int) {
	t.mu.Lock()
	defer t.unlock()
	l := &t.listing
	l.on = true
	l.epoch++
	if l.ended == nil {
		l.ended, l.endedBefore = map[uint64]struct{}{}, map[uint64]struct{}{}
	}
	clear(l.ended)
	clear(l.endedBefore)
	if count > t.totals.Flows {
		t.index.reserve(count)
		t.chunks = slices.Grow(t.chunks, max(0, count/chunkSize+1-len(t.chunks)))
	}
}

// endListing removes the flows that neither the dump nor an event since its
// beginning has named.
func (t *Flows) endListing() {
	t.listing.on = false
	for c := 0; ; c++ {
		t.mu.Lock()
		if c >= len(t.chunks) {
			t.unlock()
			return
		}
		t.eachOf(c, func(pos uint32, f *Flow) {
			if f.epoch != t.listing.epoch {
				t.vanish(t.hash(&f.Orig, f.Zone), pos)
			}
		})
		t.unlock()
	}
}

// vanish removes a flow of whose end nobody has told.
func (t *Flows) vanish(hash uint64, pos uint32) {
	t.totals.Vanished++
	t.remove(hash, pos)
}

// Explain asks which rule made each flow that has not been explained since
// generation gen began, and writes the answers down. It visits only chunks that
// have such flows, and stops early when explain says so (more is then true). While
// explain runs the table is locked for writing, so it should take a microsecond, not more.
//
// gen must not be 0; a new one makes all flows unexplained.
func (t *Flows) Explain(gen uint16, explain func(*Flow) (rule uint32, stop bool)) (more bool) {
	t.mu.Lock()
	if t.ruleGen != gen {
		t.ruleGen = gen
		clear(t.byRule)
		for _, k := range t.chunks {
			if k != nil {
				k.unexplained = k.used
			}
		}
	}
	t.unlock()
	for c := 0; ; c++ {
		t.mu.Lock()
		// One lock for all chunks without such flows: to wait for each among those who read would take long.
		for c < len(t.chunks) && (t.chunks[c] == nil || t.chunks[c].unexplained == 0) {
			c++
		}
		if c >= len(t.chunks) {
			t.unlock()
			return false
		}
		stopped := t.explainChunk(c, explain)
		t.unlock()
		if stopped {
			return true
		}
	}
}

func (t *Flows) explainChunk(c int, explain func(*Flow) (uint32, bool)) (stopped bool) {
	k := t.chunks[c]
	t.eachOf(c, func(pos uint32, f *Flow) {
		if stopped || f.RuleGen == t.ruleGen {
			return
		}
		f.Rule, stopped = explain(f)
		f.RuleGen = t.ruleGen
		if more := int(f.Rule) + 1 - len(t.byRule); more > 0 {
			t.byRule = append(t.byRule, make([]int, more)...)
		}
		t.byRule[f.Rule]++
		k.unexplained--
		t.changes++
	})
	return stopped
}
