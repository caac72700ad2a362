package live

import (
	"context"
	"maps"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Explainer keeps the explanations of a flow table current: it hears of new
// rules and facts, and evaluates flows a slice at a time.
type Explainer struct {
	engine *explain.Explainer
	flows  *flow.Flows

	mu    sync.Mutex
	sets  map[rules.Variant]*rules.Ruleset
	read  time.Time // when they were
	asked int64     // when reading them began
	seen  time.Time // when native tables were
	whole time.Time // when all flows were known first
	facts *facts.Facts
	news  chan struct{} // other rules or facts
	moves chan struct{} // flows have come or changed
	told  func()        // hears when flows have been explained
	// milestone hears when rules were read.
	milestone func(at int64)

	asks uint64 // how often other rules came, under mu
	// settled tells that the rules' claims to what was there at first have been looked at; of run.
	settled bool
	counts  atomic.Pointer[ruleCounts]
}

type ruleCounts struct {
	byRule map[evaluate.RuleRef]int
	stale  int
}

// same tells that both say the same; nil says nothing.
func (c *ruleCounts) same(other *ruleCounts) bool {
	return c == other || c != nil && other != nil && c.stale == other.stale && maps.Equal(c.byRule, other.byRule)
}

func newExplainer(flows *flow.Flows) *Explainer {
	engine := explain.NewExplainer(flows)
	engine.Count(time.Now().UnixNano())
	return &Explainer{engine: engine, flows: flows, news: make(chan struct{}, 1), moves: make(chan struct{}, 1), told: func() {}, milestone: func(int64) {}}
}

// SetRules hears of the rule sets after they have changed, and when reading them began.
func (x *Explainer) SetRules(sets map[rules.Variant]*rules.Ruleset, asked time.Time) {
	x.mu.Lock()
	x.sets, x.read, x.asked = sets, time.Now(), asked.UnixNano()
	x.asks++
	x.counts.Store(nil) // a rule may stand where another one stood
	x.milestone(x.read.UnixNano())
	x.mu.Unlock()
	x.wake()
}

// count counts the flows of each rule, unless other rules have come that are not explained by yet: false then.
func (x *Explainer) count(taken uint64) bool {
	byRule, stale := x.engine.RuleCounts()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.asks != taken {
		return false
	}
	x.counts.Store(&ruleCounts{byRule, stale})
	return true
}

// complete tells that the flows of a rule can be counted: the whole table has been read, and is explained by the rules that
// were taken; of a large one whose flows come faster than they are explained, nearly all.
func (x *Explainer) complete(taken uint64, more bool) bool {
	x.mu.Lock()
	whole := x.whole
	x.mu.Unlock()
	if taken == 0 || whole.IsZero() {
		return false
	}
	n := x.flows.Len()
	return !more || n > largeTable && x.flows.Unexplained() <= n/nearlyAll
}

// SetFacts hears of the host. What does not bear on the way of a packet is no news.
func (x *Explainer) SetFacts(f *facts.Facts) {
	x.mu.Lock()
	same := x.facts != nil && sameWays(x.facts, f)
	if x.facts == nil || x.facts.Native != f.Native {
		x.seen = time.Now()
		x.milestone(x.seen.UnixNano())
	}
	x.facts = f
	x.mu.Unlock()
	if !same {
		x.wake()
	}
}

func (x *Explainer) wake() { nudge(x.news) }

// moved hears that flows have come or changed.
func (x *Explainer) moved() { nudge(x.moves) }

// listed hears that the table has been read as a whole. What was found there may be older than rules that no packet has met.
func (x *Explainer) listed() {
	x.mu.Lock()
	first := x.whole.IsZero()
	if first {
		x.whole = time.Now()
		x.engine.Listed(x.whole.UnixNano())
	}
	x.mu.Unlock()
	if first {
		x.wake()
		x.moved()
	}
}

func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is nudged already
	}
}

// sameWays tells whether packets go the same ways on both.
func sameWays(a, b *facts.Facts) bool {
	x, y := a.Settings, b.Settings
	x.ConntrackCount, y.ConntrackCount = 0, 0
	return reflect.DeepEqual(a.Links, b.Links) && reflect.DeepEqual(a.Addresses, b.Addresses) && reflect.DeepEqual(a.Routes, b.Routes) &&
		reflect.DeepEqual(a.PolicyRules, b.PolicyRules) && reflect.DeepEqual(a.Natives, b.Natives) && a.Native == b.Native && reflect.DeepEqual(x, y)
}

const (
	explainSlice = 2000                   // flows evaluated at a time
	explainPace  = 200 * time.Millisecond // between looks for flows that are new, if any come
	countPace    = 500 * time.Millisecond // between counts of flows a rule
	largeTable   = 100_000
	nearlyAll    = 50 // all but a fiftieth
)

// run explains until ctx is done, at no more than a fifth of one core while there
// is much to do. It sleeps while nothing moves.
func (x *Explainer) run(ctx context.Context) {
	var before, now, taken uint64
	var nextCount time.Time
	more, uncounted, countable := true, true, false
	wait := time.NewTimer(0)
	defer wait.Stop()
	var moves chan struct{} // nil during a rest
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.news:
			if now, ok := x.takeRules(); ok {
				taken, more, uncounted, countable = now, true, true, false
			}
		case <-moves:
			more, uncounted = true, true
		case <-wait.C:
			moves = x.moves
			countable = countable || x.complete(taken, more)
			x.settle(countable)
			if !more && !(uncounted && countable) {
				continue
			}
		}
		before, now = now, x.flows.Version()
		pause := explainPace
		if more {
			start := time.Now()
			if more = x.engine.Work(explainSlice); more {
				pause = restAfter(time.Since(start), now-before)
			}
			if x.flows.Version() != now {
				x.told()
			}
		}
		countable = countable || x.complete(taken, more)
		x.settle(countable)
		if countable && uncounted && (time.Now().After(nextCount) || x.counts.Load() == nil) {
			uncounted = false
			if before := x.counts.Load(); x.count(taken) && !x.counts.Load().same(before) {
				x.told()
			}
			nextCount = time.Now().Add(countPace)
		}
		if countable && uncounted && !more {
			pause = max(pause, time.Until(nextCount))
		}
		uncounted = uncounted || more // what is explained next is counted again
		moves = nil
		wait.Reset(pause)
	}
}

// settle doubts the rules that have met fewer packets than they would have made of the flows that were there at first.
func (x *Explainer) settle(countable bool) {
	if !countable || x.settled {
		return
	}
	x.settled = true
	x.mu.Lock()
	until := x.whole.UnixNano()
	x.mu.Unlock()
	if x.engine.Settle(until) {
		x.wake()
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

// takeRules begins to explain by the latest rules, which were asked for so often.
func (x *Explainer) takeRules() (asked uint64, ok bool) {
	x.mu.Lock()
	sets, facts, asked, read := x.sets, x.facts, x.asks, x.asked
	later := func(at time.Time) int64 {
		if x.whole.After(at) {
			at = x.whole
		}
		return at.UnixNano()
	}
	at := explain.Read{Rules: later(x.read), Native: later(x.seen), Told: time.Now().UnixNano()}
	x.mu.Unlock()
	if sets == nil || facts == nil {
		return 0, false
	}
	at.Asked = max(read, facts.At)
	x.engine.SetRulesAt(sets, facts.Host(nil), at)
	return asked, true
}

// RuleFlows are how many live flows each rule explains, and how many are stale,
// as of the last count by today's rules; nil before there is one.
func (x *Explainer) RuleFlows() (byRule map[evaluate.RuleRef]int, stale int) {
	c := x.counts.Load()
	if c == nil {
		return nil, 0
	}
	return c.byRule, c.stale
}
