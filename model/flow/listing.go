package flow

import (
	"slices"
)

// listing is a dump that is under way.
type listing struct {
	on    bool
	epoch uint8
	// ended are flows that have been destroyed since the batch before last: a line
	// of the dump may be older than that and would bring them back.
	ended, endedBefore map[uint64]struct{}
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
	if t.vanished != nil {
		t.vanished(t.at(pos))
	}
	t.remove(hash, pos)
}
