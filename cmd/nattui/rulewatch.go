package main

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"nattui/model/conntrack"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/model/host"
	"nattui/model/metrics"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/iptables"
)

// ruleWatch tells which rule makes a connection now: it reads rules and host again whenever they change. From a change
// until that is done it tells nothing, rather than what was so before; nor of a connection that may have begun before they were
// read.
type ruleWatch struct {
	tables  *iptables.Host
	changes <-chan struct{}
	trouble func(error)
	// table is told when rules were read.
	table *conntrack.Table

	explainer *explain.Explainer
	mark      func(*flow.Flow) explain.Explanation
	noticed   atomic.Uint64 // changes so far
	told      atomic.Uint64 // of these, those after which the rules have been read
	readAt    atomic.Int64  // when the rules had been read
	asked     atomic.Int64  // when reading them began
	made      atomic.Uint32 // the generation of nf_tables then
	kernel    *generations
	unchanged bool        // the rules are still of that generation, as far as look has seen
	whole     bool        // all connections have been listed, as far as look has seen
	listed    bool        // and were before this batch
	flows     *flow.Flows // of the table; nil where what goes on is not wanted

	mu       sync.Mutex
	host     *facts.Facts
	links    map[netip.Addr]string // by server; "" is not certain
	texts    map[toldRule][]byte   // the explanation's member of a JSON object
	textsGen uint16
	idOf     func(evaluate.RuleRef) (string, bool)
}

// toldRule is a rule as it is told: by Flow.Rule, of a connection that was found or of one that has begun.
type toldRule struct {
	number uint32
	found  bool
}

// watchRules reads the rules and watches them until ctx is done, and the table's connections with them. trouble hears of what could
// not be read. flows are those of the table, where what is told of connections that go on is wanted too; else nil.
func watchRules(ctx context.Context, tables *iptables.Host, table *conntrack.Table, flows *flow.Flows, trouble func(error)) (*ruleWatch, error) {
	w := &ruleWatch{tables: tables, trouble: trouble, table: table, explainer: explain.NewExplainer(flows), flows: flows}
	var err error
	if w.changes, err = anyChange(ctx, tables, func() { w.noticed.Add(1) }); err != nil {
		return nil, err
	}
	w.mark = w.explainer.Marker()
	if w.kernel, err = openGenerations(); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, w.kernel.Close)
	if err := w.read(ctx); err != nil {
		return nil, err
	}
	go w.follow(ctx)
	if flows != nil {
		go w.work(ctx)
	}
	return w, nil
}

// work explains the connections of the table, so that what explained one before is known when the rules change.
func (w *ruleWatch) work(ctx context.Context) {
	for {
		pause := workPace
		if w.explainer.Work(workSlice) {
			pause /= 20
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

const (
	workPace  = 200 * time.Millisecond
	workSlice = 2000
)

// look sees whether the rules are still those that were read: what a batch tells of was made by these then. It comes before any
// of the batch is told.
func (w *ruleWatch) look(b *flow.Batch) {
	w.listed = w.whole
	if b.End {
		w.whole = true
		w.explainer.Listed(b.At)
	}
	w.unchanged = w.isCurrent() && w.kernel.now() == w.made.Load()
}

// holds tells that the rules and the host of now were so when a message of the batch came: they have not changed since they were
// read, and it does not tell of what may have begun before. It comes after the rules were asked, which may be others meanwhile.
func (w *ruleWatch) holds(m *flow.Message, b *flow.Batch) bool {
	return w.unchanged && w.isCurrent() && (m.Kind != flow.EventNew || b.After(&m.Flow, w.readAt.Load()))
}

// isCurrent tells that the rules have been read since the last change that was noticed.
func (w *ruleWatch) isCurrent() bool { return w.told.Load() == w.noticed.Load() }

// anyChange is nudged by every change of rules, links, addresses, routes and settings; noticed hears of each at once.
func anyChange(ctx context.Context, tables *iptables.Host, noticed func()) (<-chan struct{}, error) {
	out := make(chan struct{}, 1)
	notices, err := tables.Watch(ctx)
	if err != nil {
		return nil, err
	}
	natives, err := iptables.WatchNatives(ctx)
	if err != nil {
		natives = nil // a kernel without nf_tables has none
	}
	ways, err := host.Watch(ctx)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case _, ok := <-notices:
				if !ok {
					notices = nil
					continue
				}
			case _, ok := <-natives:
				if !ok {
					natives = nil
					continue
				}
			case _, ok := <-ways:
				if !ok {
					ways = nil
					continue
				}
			}
			noticed()
			nudge(out)
		}
	}()
	return out, nil
}

// readingShare is how much of one core reading again may take while rules keep changing.
const readingShare = 0.1

func (w *ruleWatch) follow(ctx context.Context) {
	readWhenever(ctx, w.changes, w.read, w.trouble)
}

// readWhenever reads after every change until ctx is done, and after a failure once a second until it succeeds.
func readWhenever(ctx context.Context, changes <-chan struct{}, read func(context.Context) error, trouble func(error)) {
	for failed := false; ; {
		if !failed {
			select {
			case <-ctx.Done():
				return
			case <-changes:
			}
		}
		start := time.Now()
		err := read(ctx)
		if ctx.Err() != nil {
			return
		}
		pause := time.Duration(float64(time.Since(start)) / readingShare)
		if failed = err != nil; failed {
			trouble(err)
			pause = max(pause, time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (w *ruleWatch) read(ctx context.Context) error {
	noticed, made, asked := w.noticed.Load(), w.kernel.now(), time.Now()
	sets, err := w.tables.ReadAll(ctx)
	if err != nil {
		return err
	}
	f, err := readFacts(ctx)
	if err != nil {
		return err
	}
	w.made.Store(made)
	w.set(asked, sets, &f, metrics.IDs(metrics.RulesOf(sets, f.Native.Ruleset(), []string{"nat"})))
	w.told.Store(noticed)
	return nil
}

func (w *ruleWatch) set(asked time.Time, sets map[rules.Variant]*rules.Ruleset, f *facts.Facts, idOf func(evaluate.RuleRef) (string, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idOf = idOf
	read := readNow()
	read.Asked = asked.UnixNano()
	w.asked.Store(read.Asked)
	w.readAt.Store(read.Rules) // before any is told by them
	if w.flows != nil {
		w.explainer.SetRulesAt(sets, f.Host(nil), read)
	} else {
		w.explainer.SetRules(sets, f.Host(nil)) // what begins now has met today's rules
	}
	w.table.Milestone(read.Rules)
	w.host, w.links, w.texts = f, map[netip.Addr]string{}, map[toldRule][]byte{}
}

// explain tells which rule made a connection of the table, and writes it into that; what cannot be known is Unknown. The flow is
// as its table has it after the batch.
func (w *ruleWatch) explain(m *flow.Message, b *flow.Batch) explain.Explanation {
	e := w.mark(&m.Flow)
	if !w.holds(m, b) || m.Kind == flow.EventNew && e.Confidence == explain.Stale { // other rules made it
		m.Flow.Rule, m.Flow.RuleGen = 0, 0
		return explain.Explanation{Confidence: explain.Unknown}
	}
	return polled(e)
}

// polled is less sure of a rule of the legacy backend: that these have changed is seen some time later.
func polled(e explain.Explanation) explain.Explanation {
	if e.Confidence == explain.Exact && (!e.DNAT.IsZero() && e.DNAT.Backend == rules.Legacy || !e.SNAT.IsZero() && e.SNAT.Backend == rules.Legacy) {
		e.Confidence = explain.Inferred
	}
	return e
}

// rule is the member "rule" of a connection that has begun now, or was found; nil where that is not known.
func (w *ruleWatch) rule(m *flow.Message, b *flow.Batch) []byte {
	of := m.Flow
	found := m.Kind != flow.EventNew
	e := polled(w.mark(&of))
	// Of one that is found after the first listing it is not known that it began before the rules were read.
	young := !found || w.listed && (of.Start == 0 || of.Start > w.asked.Load())
	switch {
	case !w.holds(m, b), young && e.Confidence == explain.Stale:
		return nil // other rules made it
	case found && e.Confidence == explain.Exact:
		e.Confidence = explain.Inferred // these or others like them
	}
	return w.text(&of, e, found)
}

// text is the member "rule" for an explanation.
func (w *ruleWatch) text(of *flow.Flow, e explain.Explanation, found bool) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if of.RuleGen != w.textsGen {
		w.texts, w.textsGen = map[toldRule][]byte{}, of.RuleGen
	}
	told := toldRule{of.Rule, found}
	text, ok := w.texts[told]
	if !ok {
		text = e.AppendJSON(nil)
		if id, ok := w.idOf(e.Rule()); ok && bytes.HasSuffix(text, []byte("}")) {
			// The position is that of this moment; by its ID the rule is found later, and in the metrics.
			text = append(append(append(text[:len(text)-1], `,"id":"`...), id...), `"}`...)
		}
		w.texts[told] = text
	}
	return text
}

// linksKnown bounds how many servers are remembered.
const linksKnown = 1 << 16

// out is the interface by which a connection's server is reached, "" where that is not certain.
func (w *ruleWatch) out(f *flow.Flow) string {
	server := f.ServedBy().Addr()
	w.mu.Lock()
	defer w.mu.Unlock()
	link, ok := w.links[server]
	if !ok {
		if route, certain, reached := w.host.Reachable(server); certain && reached {
			link = route.Out
		}
		if len(w.links) >= linksKnown {
			clear(w.links)
		}
		w.links[server] = link
	}
	return link
}
