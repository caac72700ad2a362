package flow

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"nattui/rules"
)

// Flows is the table of the flows that live now. One goroutine at a time applies
// batches; any number may read meanwhile. No call holds the lock for longer than a
// few hundred changes or one chunk of flows take, so a sort of a million flows
// delays neither the writer nor a look at the visible rows.
//
// A flow keeps its position as long as it lives. Flows are kept in chunks that
// are never moved and whose room is given back when they are empty; with the index a flow
// costs some 190 bytes.
type Flows struct {
	mu     sync.RWMutex
	memory Memory
	seed   maphash.Seed
	chunks []*chunk // nil where all flows of a chunk have gone
	roomy  []uint32 // chunks with room, the last one is filled first
	spare  *chunk
	index  index
	near   near
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
	// vanished hears of flows of whose end nobody has told; nil: nobody wants to know.
	vanished func(*Flow)
	// places has the order of what Flow.Rule stands for, for sorting; nil where nobody knows it.
	places func() []uint32
	// alike has for what Flow.Rule stands for the first number that is called the same; nil where nobody knows.
	alike func() []uint32
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
	flows       *Room // on its own, as it fills whole pages
}

// Room is where a part of a table is kept.
type Room [chunkSize]Flow

// Memory is where a table's room comes from. Its methods are called by one goroutine at a time.
type Memory interface {
	// Take gives room that nobody else has, zeroed.
	Take() *Room
	// Give gives back what Take gave. The table does not touch it any more.
	Give(*Room)
}

// heap is Go's.
type heap struct{}

func (heap) Take() *Room { return new(Room) }
func (heap) Give(*Room)  {}

// Ref names a flow in the table: where it is and which it was.
type Ref struct {
	Pos uint32
	ID  uint32
}

// NewFlows is an empty table on Go's heap.
func NewFlows() *Flows { return NewFlowsIn(heap{}) }

// NewFlowsIn is an empty table in other memory. Outside of Go's heap a table that grows has no garbage collected for that.
func NewFlowsIn(memory Memory) *Flows {
	return &Flows{memory: memory, seed: maphash.MakeSeed(), ruleGen: 1}
}

// Vanished says who hears of flows that are gone without their end having been told: those that a dump of the whole table
// no longer names, and those whose tuple another flow has. hear runs within Apply and must not call the table. It is to
// be set before the first batch.
func (t *Flows) Vanished(hear func(*Flow)) { t.vanished = hear }

// Version changes whenever a flow has come, gone or changed. As long as it
// stays, whatever was drawn from the table is still true, as timeouts run down by themselves.
func (t *Flows) Version() uint64 { return t.shown.changes.Load() }

// unlock ends a change of the table.
func (t *Flows) unlock() {
	t.shown.flows.Store(uint64(t.totals.Flows))
	t.shown.changes.Store(t.changes)
	t.mu.Unlock()
}

// Len is the number of flows.
func (t *Flows) Len() int { return int(t.shown.flows.Load()) }

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

// hear notes that the kernel sends events of a flow.
func (t *Flows) hear(f *Flow) {
	if f.known&heard == 0 {
		f.known |= heard
		t.totals.Silent--
	}
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
		k = &chunk{flows: t.memory.Take()}
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
	if t.spare != nil {
		t.memory.Give(k.flows)
		return
	}
	k.used, k.unexplained = 0, 0
	t.spare = k
}
