package conntrack

import (
	"testing"
	"time"

	"nattui/model"
	"nattui/model/lab"
)

// TestRestsGrowWhileNothingMoves: rounds become rare where they tell nothing new, and
// are back at their pace with the first thing that moves.
func TestRestsGrowWhileNothingMoves(t *testing.T) {
	f := &follower{table: &Table{}, cost: 20 * time.Millisecond, sum: 1}
	f.table.keepFresh.Store(true)
	round := func(sum uint64) time.Duration {
		f.listing = &listing{sum: sum}
		f.noteMoves(0)
		f.listing = nil
		f.rested = time.Now()
		rest := f.restAfter(0)
		f.due = f.rested.Add(rest)
		return rest
	}
	for i, want := range []int{1, 1, 2, 4, 8, 16, 20, 20} {
		if got := round(1); got != time.Duration(want)*refreshRest {
			t.Errorf("rest %d in which nothing moved is %v, not %d s", i, got, want)
		}
	}
	if got := round(2); got != refreshRest {
		t.Errorf("a counter moved, and the rest is %v", got)
	}
	for range 6 {
		round(2)
	}
	f.stir()
	if got := time.Until(f.due); got > refreshRest {
		t.Errorf("an event came, and the next round is due in %v", got)
	}
	f.cost = time.Second
	for range 9 {
		round(2)
	}
	if got := round(2); got != longestRest {
		t.Errorf("the longest rest is %v, not %v", got, longestRest)
	}
	f.table.state.eventsOff.Store(true)
	f.cost = 10 * time.Millisecond
	if got := round(2); got != eventlessRest {
		t.Errorf("without events the longest rest is %v, not %v", got, eventlessRest)
	}
}

// TestSumTellsWhatMoves: every counter, state and identity counts.
func TestSumTellsWhatMoves(t *testing.T) {
	flow := model.Flow{ID: 7, OrigPackets: 3, OrigBytes: 300}
	for name, move := range map[string]func(*model.Flow){
		"another flow": func(f *model.Flow) { f.ID++ }, "a packet": func(f *model.Flow) { f.OrigPackets++ }, "an answer": func(f *model.Flow) { f.ReplyPackets++ },
		"bytes": func(f *model.Flow) { f.ReplyBytes++ }, "state": func(f *model.Flow) { f.State++ }, "status": func(f *model.Flow) { f.Status |= model.StatusAssured },
	} {
		moved := flow
		if move(&moved); sumOf(&moved) == sumOf(&flow) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

// TestRefreshEndsTheRest: a question about the visible flows that finds a counter moved has
// the whole table read soon.
func TestRefreshEndsTheRest(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	track(t)
	setSysctl(t, "nf_conntrack_acct", "1")
	fill(t, 1)
	f := follow(t, Options{})
	f.KeepFresh(true)
	f.await(t, "a long rest", f.resting.Load)
	var seen []model.Flow
	for _, flow := range f.flows.Each {
		flow.OrigPackets++ // as if some had been counted differently meanwhile
		seen = append(seen, *flow)
	}
	if err := f.Refresh(seen, func(*model.Batch) {}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the end of the rest", func() bool { return !f.resting.Load() })
}
