package main

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"nattui/model/conntrack"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules/evaluate"
)

// flowSource keeps a flow table up to date with the kernel's, for the screens.
type flowSource struct {
	kernel  *conntrack.Table
	flows   *flow.Flows
	log     *flow.EventLog
	changed chan struct{}
	explain *explainer

	mu              sync.Mutex // one batch at a time: Follow's and Refresh's
	version         uint64     // of the flows when the screens were last told of them
	missed, resyncs uint64     // as the event log knows
	err             atomic.Pointer[error]
	asking          atomic.Bool // a refresh of visible rows is under way
	health          atomic.Pointer[facts.Health]
	garbage         int // as a part of the heap, in percent, as last set
}

// eventsKept is how many events can be looked back at.
const eventsKept = 20_000

// followFlows begins to follow the kernel's table until ctx is done.
func followFlows(ctx context.Context) (*flowSource, error) {
	kernel, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return nil, err
	}
	s := &flowSource{kernel: kernel, flows: flow.NewFlows(), log: flow.NewEventLog(eventsKept), changed: make(chan struct{}, 1)}
	s.explain = newExplainer(s.flows)
	s.explain.told = s.notify
	go func() {
		defer kernel.Close()
		if err := kernel.Follow(ctx, s.take); err != nil {
			s.err.Store(&err)
			s.notify()
		}
	}()
	go s.watchHealth(ctx)
	go s.explain.run(ctx)
	return s, nil
}

// take applies a batch of the kernel's. The screens hear of what has changed, and of the
// beginning and end of a listing, which say how fresh all is.
func (s *flowSource) take(b *flow.Batch) {
	s.mu.Lock()
	s.flows.Apply(b)
	s.log.Append(b)
	s.noteGap(b.At)
	version := s.flows.Version()
	moved := version != s.version
	s.version = version
	s.mu.Unlock()
	if moved {
		s.explain.moved()
	}
	if moved || b.Begin || b.End {
		s.notify()
	}
}

// noteGap puts into the event log where events were missed, and what became of it.
func (s *flowSource) noteGap(at int64) {
	feed := s.kernel.Feed()
	switch {
	case feed.Missed > s.missed:
		s.missed = feed.Missed
		s.log.Gap(feed.LastMissed, at, 0)
	case feed.Resyncs > s.resyncs:
		s.resyncs = feed.Resyncs
		s.log.Gap(feed.LastMissed, at, feed.LastResync)
	}
}

func (s *flowSource) notify() {
	nudge(s.changed)
}

// healthPace is how often the table's health is read.
const healthPace = 2 * time.Second

func (s *flowSource) watchHealth(ctx context.Context) {
	tick := time.NewTicker(healthPace)
	defer tick.Stop()
	for {
		h := s.kernel.Health()
		s.health.Store(&h)
		s.limitHeap()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// The heap's size by the table's: a flow takes some flowBytes with its index, all else some restBytes, and
// heapRoom of garbage may gather.
const (
	flowBytes = 190
	restBytes = 8 << 20
	heapRoom  = 24 << 20
)

// limitHeap keeps the garbage in proportion to a million flows within 300 MB, also while they are read in, and
// collects it no more often than that needs: the table holds no pointers, so a collection costs the same
// few milliseconds whatever its size.
func (s *flowSource) limitHeap() {
	table := flowBytes * max(s.flows.Len(), s.Health().Count)
	percent := min(100, max(10, 100*heapRoom/(restBytes+table)/5*5))
	if percent != s.garbage { // setting it stops all that runs
		s.garbage = percent
		debug.SetGCPercent(percent)
	}
}

func (s *flowSource) Table() *flow.Flows       { return s.flows }
func (s *flowSource) Log() *flow.EventLog      { return s.log }
func (s *flowSource) Changed() <-chan struct{} { return s.changed }
func (s *flowSource) KeepFresh(on bool)        { s.kernel.KeepFresh(on) }

func (s *flowSource) Explain(f *flow.Flow) explain.Explanation   { return s.explain.Of(f) }
func (s *flowSource) RuleFlows() (map[evaluate.RuleRef]int, int) { return s.explain.RuleFlows() }
func (s *flowSource) RuleName(number uint32) string              { return s.explain.Name(number) }
func (s *flowSource) FindRule(ref string) (func(uint32) bool, error) {
	return s.explain.Finder(ref)
}

func (s *flowSource) Health() facts.Health {
	if h := s.health.Load(); h != nil {
		return *h
	}
	return facts.Health{Count: -1}
}

func (s *flowSource) Feed() flow.Feed {
	f := s.kernel.Feed()
	if err := s.err.Load(); err != nil {
		f.Err = *err
	}
	return f
}

// Refresh asks for visible flows in the background; while one question is open
// the next is left out.
func (s *flowSource) Refresh(flows []flow.Flow) {
	if len(flows) == 0 || !s.asking.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer s.asking.Store(false)
		_ = s.kernel.Refresh(flows, s.take) // what is not refreshed now is in a second
	}()
}

func (s *flowSource) Forget(_ context.Context, flows []flow.Flow) (int, error) {
	return s.kernel.Forget(flows, s.take)
}

func (s *flowSource) Details(_ context.Context, f flow.Flow) (flow.Details, error) {
	return s.kernel.Details(&f)
}
