package main

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"nattui/model"
	"nattui/rules"
)

// explainer keeps the explanations of a flow table current: it hears of new
// rules and facts, and evaluates flows a slice at a time.
type explainer struct {
	*model.Explainer
	flows *model.Flows

	mu    sync.Mutex
	sets  map[rules.Place]*rules.Ruleset
	facts *model.Facts
	news  chan struct{}

	counts atomic.Pointer[ruleCounts]
}

type ruleCounts struct {
	byRule map[rules.RuleRef]int
	stale  int
}

func newExplainer(flows *model.Flows) *explainer {
	return &explainer{Explainer: model.NewExplainer(flows), flows: flows, news: make(chan struct{}, 1)}
}

// setRules hears of the rule sets after they have changed.
func (x *explainer) setRules(sets map[rules.Place]*rules.Ruleset) {
	x.mu.Lock()
	x.sets = sets
	x.mu.Unlock()
	x.wake()
}

// setFacts hears of the host. What does not bear on the way of a packet is no news.
func (x *explainer) setFacts(f *model.Facts) {
	x.mu.Lock()
	same := x.facts != nil && sameWays(x.facts, f)
	x.facts = f
	x.mu.Unlock()
	if !same {
		x.wake()
	}
}

func (x *explainer) wake() {
	select {
	case x.news <- struct{}{}:
	default:
	}
}

// sameWays tells whether packets go the same ways on both.
func sameWays(a, b *model.Facts) bool {
	x, y := a.Settings, b.Settings
	x.ConntrackCount, y.ConntrackCount = 0, 0
	return reflect.DeepEqual(a.Links, b.Links) && reflect.DeepEqual(a.Addresses, b.Addresses) && reflect.DeepEqual(a.Routes, b.Routes) &&
		reflect.DeepEqual(a.PolicyRules, b.PolicyRules) && reflect.DeepEqual(x, y)
}

const (
	explainSlice = 2000                   // flows evaluated at a time
	explainPace  = 200 * time.Millisecond // between looks for flows that are new
	countPace    = 2 * time.Second        // between counts of flows a rule
)

// run explains until ctx is done, at no more than a fifth of one core while there
// is much to do.
func (x *explainer) run(ctx context.Context) {
	var last, now, version, counted uint64
	var nextCount time.Time
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		fresh := false
		select {
		case <-ctx.Done():
			return
		case <-x.news:
			fresh = x.takeRules()
		case <-wait.C:
		}
		last, now = now, x.flows.Version()
		pause := explainPace
		if fresh || now != version {
			version = now
			start := time.Now()
			if more := x.Work(explainSlice); more {
				version--
				pause = restAfter(time.Since(start), now-last)
			}
		}
		if now != counted && time.Now().After(nextCount) {
			counted = now
			start := time.Now()
			if byRule, stale, err := x.RuleCounts(ctx); err == nil {
				x.counts.Store(&ruleCounts{byRule, stale})
			}
			nextCount = time.Now().Add(max(countPace, 25*time.Since(start)))
		}
		wait.Reset(pause)
	}
}

// restAfter is how long to rest after a slice: while the table stands rather still
// a fifth of one core is used to get done, in a flood a fiftieth.
func restAfter(cost time.Duration, changes uint64) time.Duration {
	if changes > explainSlice/4 {
		return 50 * cost
	}
	return min(explainPace, 4*cost)
}

// takeRules begins to explain by the latest rules.
func (x *explainer) takeRules() bool {
	x.mu.Lock()
	sets, facts := x.sets, x.facts
	x.mu.Unlock()
	if sets == nil || facts == nil {
		return false
	}
	x.SetRules(sets, facts.Host(nil))
	return true
}

// RuleFlows are how many live flows each rule explains, and how many are stale,
// as of the last count.
func (x *explainer) RuleFlows() (byRule map[rules.RuleRef]int, stale int) {
	c := x.counts.Load()
	if c == nil {
		return nil, 0
	}
	return c.byRule, c.stale
}
