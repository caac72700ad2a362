// Package live keeps what the screens show of connections up to date: it follows the kernel's table, counts
// what was missed, reads again what is in sight, and explains each connection by the rules as they are now.
//
// The kernel is reached through one interface, which conntrack.Table implements. The package paces itself by
// timers and reaches nothing else.
package live

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules/beat"
	"nattui/rules/evaluate"
)

// Kernel is the kernel's table of connections. Its methods may be called from several goroutines; Follow, Refresh and
// Forget deliver what they have heard before they return.
type Kernel interface {
	// Follow delivers the whole table and then what changes, until ctx is done.
	Follow(ctx context.Context, deliver func(*flow.Batch)) error
	// Feed is how the following fares; it does not block.
	Feed() flow.Feed
	// Health reads the table's size, limits and statistics.
	Health() facts.Health
	// KeepFresh asks for counters and timeouts of all flows to be read again and again.
	KeepFresh(on bool)
	// Milestone has Follow tell flows that began after a time from those of which it is not known.
	Milestone(at int64)
	// GiveWay has Follow leave the processor to others for so long at most; 0 ends that.
	GiveWay(most time.Duration)
	// Refresh reads some flows again.
	Refresh(flows []flow.Flow, deliver func(*flow.Batch)) error
	// Forget deletes flows from the table and tells how many were there.
	Forget(flows []flow.Flow, deliver func(*flow.Batch)) (int, error)
	// Details reads all that the kernel tells of one flow.
	Details(f *flow.Flow) (flow.Details, error)
	Close() error
}

// Source keeps a table of flows up to date with the kernel's, for the screens. Its methods do not block, but
// for Forget and Details, which ask the kernel.
type Source struct {
	kernel  Kernel
	flows   *flow.Flows
	log     *flow.EventLog
	changed chan struct{}
	explain *Explainer

	mu              sync.Mutex // one batch at a time: Follow's and Refresh's
	version         uint64     // of the flows when the screens were last told of them
	missed, resyncs uint64     // as the event log knows
	silent          bool       // the kernel sends no events, as it knows
	looked          bool       // that was looked at once
	err             atomic.Pointer[error]
	asking          atomic.Bool // a refresh of visible rows is under way
	health          atomic.Pointer[facts.Health]
	garbage         int // as a part of the heap, in percent, as last set
	ebb             ebb
}

// eventsKept is how many events can be looked back at.
const eventsKept = 20_000

// Follow begins to follow the kernel's table until ctx is done, and closes it then. The flows are kept in memory outside of
// Go's heap.
func Follow(ctx context.Context, kernel Kernel, memory flow.Memory) *Source {
	s := &Source{kernel: kernel, flows: flow.NewFlowsIn(memory), log: flow.NewEventLog(eventsKept), changed: make(chan struct{}, 1)}
	s.explain = newExplainer(s.flows)
	s.explain.told, s.explain.milestone = s.notify, kernel.Milestone
	go func() {
		defer kernel.Close()
		if err := kernel.Follow(ctx, s.take); err != nil {
			s.err.Store(&err)
			s.notify()
		}
	}()
	go s.watchHealth(ctx)
	go s.explain.run(ctx)
	return s
}

// take applies a batch of the kernel's. The screens hear of what has changed, and of the
// beginning and end of a listing, which say how fresh all is.
func (s *Source) take(b *flow.Batch) {
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
	if b.End {
		s.explain.listed()
	}
	if moved || b.Begin || b.End {
		s.notify()
	}
}

// noteGap puts into the event log where events were missed, and what became of it.
func (s *Source) noteGap(at int64) {
	feed := s.kernel.Feed()
	switch {
	case !s.looked:
		s.looked, s.silent = true, feed.EventsOff // as it was before anything could be told
	case feed.EventsOff != s.silent:
		s.silent = feed.EventsOff
		s.log.Silent(map[bool]flow.Silence{true: flow.SilenceBegins, false: flow.SilenceEnds}[s.silent], at)
	}
	switch {
	case feed.Missed > s.missed:
		s.missed = feed.Missed
		s.log.Gap(feed.LastMissed, at, 0)
	case feed.Resyncs > s.resyncs:
		s.resyncs = feed.Resyncs
		s.log.Gap(feed.LastMissed, at, feed.LastResync)
	}
}

func (s *Source) notify() {
	nudge(s.changed)
}

// healthPace is how often the table's health is read, calmPace while it and the table stay as they are.
const (
	healthPace = 2 * time.Second
	calmPace   = 6 * time.Second
)

func (s *Source) watchHealth(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	var before facts.Health
	var version uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h := s.kernel.Health()
		s.health.Store(&h)
		s.limitHeap()
		pace := healthPace
		before.At = h.At
		if v := s.flows.Version(); v == version && h == before {
			pace = calmPace
		} else {
			version = v
		}
		before = h
		now := time.Now()
		tick.Reset(beat.After(pace, now).Sub(now))
	}
}

// The heap's size by the table's: the index takes some indexBytes a flow, all else some restBytes, and
// heapRoom of garbage may gather.
const (
	indexBytes = 16
	restBytes  = 8 << 20
	heapRoom   = 24 << 20
)

// limitHeap keeps the garbage in proportion to a million flows within 300 MB, also while they are read in, and
// has it collected no more often than that needs: a key that is pressed meanwhile waits for some milliseconds.
func (s *Source) limitHeap() {
	index := int64(indexBytes) * int64(max(s.flows.Len(), s.Health().Count)) // beyond an int of 32 bits
	percent := int(min(300, max(10, 100*heapRoom/(restBytes+index)/5*5)))
	if percent != s.garbage { // setting it stops all that runs
		s.garbage = percent
		debug.SetGCPercent(percent)
	}
	if s.ebb.over(s.flows.Len()) { // Go itself takes minutes to give memory back, longer where nothing moves any more
		debug.FreeOSMemory()
	}
}

// manyFlows is how many have made a heap that is worth giving back when most of them have gone.
const manyFlows = 50_000

// ebb watches for many flows to have gone.
type ebb struct {
	most int // since it was over last
	few  bool
}

// over tells that three quarters of many flows have gone, and had at the look before.
func (e *ebb) over(flows int) bool {
	e.most = max(e.most, flows)
	before := e.few
	e.few = e.most >= manyFlows && flows <= e.most/4
	if !before || !e.few {
		return false
	}
	*e = ebb{most: flows}
	return true
}

// Explainer explains the flows of the table; it is to be told of rules and facts.
func (s *Source) Explainer() *Explainer { return s.explain }

// Table is the table that is kept up to date.
func (s *Source) Table() *flow.Flows { return s.flows }

// Log is the stream of events.
func (s *Source) Log() *flow.EventLog { return s.log }

// Changed is nudged after something on the screen may have changed.
func (s *Source) Changed() <-chan struct{} { return s.changed }

// KeepFresh asks for the counters of all flows to be read again and again, or no longer.
func (s *Source) KeepFresh(on bool) { s.kernel.KeepFresh(on) }

// Explain is what made a flow, as far as it has been explained.
func (s *Source) Explain(f *flow.Flow) explain.Explanation { return s.explain.engine.Of(f) }

// GiveWay leaves the processor to those who draw for so long at most; 0 ends that.
func (s *Source) GiveWay(most time.Duration) { s.kernel.GiveWay(most) }

// RuleFlows are how many live flows each rule explains, and how many are stale, as of the last count.
func (s *Source) RuleFlows() (map[evaluate.RuleRef]int, int) { return s.explain.RuleFlows() }

// RuleName is the short name of an explanation (Flow.Rule).
func (s *Source) RuleName(number uint32) string { return s.explain.engine.Name(number) }

// FindRule is the filter.RuleFinder of these explanations.
func (s *Source) FindRule(ref string) (func(*flow.Flow) (meant, known bool), error) {
	return s.explain.engine.Finder(ref)
}

// Health is the health of the table as last read, every two seconds, every six while nothing changes; a Count below 0 is unknown.
func (s *Source) Health() facts.Health {
	if h := s.health.Load(); h != nil {
		return *h
	}
	return facts.Health{Count: -1}
}

// Feed is how the following fares, with the error that ended it.
func (s *Source) Feed() flow.Feed {
	f := s.kernel.Feed()
	if err := s.err.Load(); err != nil {
		f.Err = *err
	}
	return f
}

// Refresh asks for visible flows in the background; while one question is open
// the next is left out.
func (s *Source) Refresh(flows []flow.Flow) {
	if len(flows) == 0 || !s.asking.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer s.asking.Store(false)
		_ = s.kernel.Refresh(flows, s.take) // what is not refreshed now is in a second
	}()
}

// Forget deletes flows from the kernel's table and tells how many were there.
func (s *Source) Forget(_ context.Context, flows []flow.Flow) (int, error) {
	return s.kernel.Forget(flows, s.take)
}

// Details reads all that the kernel tells of one flow.
func (s *Source) Details(_ context.Context, f flow.Flow) (flow.Details, error) {
	return s.kernel.Details(&f)
}
