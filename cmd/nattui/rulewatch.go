package main

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

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
// until that is done it tells nothing, rather than what was so before.
type ruleWatch struct {
	tables  *iptables.Host
	changes <-chan struct{}
	trouble func(error)

	explainer *explain.Explainer
	mark      func(*flow.Flow) explain.Explanation
	current   atomic.Bool

	mu       sync.Mutex
	host     *facts.Facts
	links    map[netip.Addr]string // by server; "" is not certain
	texts    map[uint32][]byte     // the explanation's member of a JSON object, by Flow.Rule
	textsGen uint16
	idOf     func(evaluate.RuleRef) (string, bool)
}

// watchRules reads the rules and watches them until ctx is done. trouble hears of what could not be read.
func watchRules(ctx context.Context, tables *iptables.Host, trouble func(error)) (*ruleWatch, error) {
	changes, err := anyChange(ctx, tables)
	if err != nil {
		return nil, err
	}
	w := &ruleWatch{tables: tables, changes: changes, trouble: trouble, explainer: explain.NewExplainer(nil)}
	w.mark = w.explainer.Marker()
	if err := w.read(ctx); err != nil {
		return nil, err
	}
	go w.follow(ctx)
	return w, nil
}

// anyChange is nudged by every change of rules, links, addresses, routes and settings.
func anyChange(ctx context.Context, tables *iptables.Host) (<-chan struct{}, error) {
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
			nudge(out)
		}
	}()
	return out, nil
}

// readingShare is how much of one core reading again may take while rules keep changing.
const readingShare = 0.1

func (w *ruleWatch) follow(ctx context.Context) {
	for failed := false; ; {
		if !failed {
			select {
			case <-ctx.Done():
				return
			case <-w.changes:
			}
		}
		w.current.Store(false)
		start := time.Now()
		err := w.read(ctx)
		if ctx.Err() != nil {
			return
		}
		pause := time.Duration(float64(time.Since(start)) / readingShare)
		if failed = err != nil; failed {
			w.trouble(err)
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
	sets, err := w.tables.ReadAll(ctx)
	if err != nil {
		return err
	}
	f, err := readFacts(ctx)
	if err != nil {
		return err
	}
	w.set(sets, &f, metrics.IDs(metrics.RulesOf(sets, f.Native.Ruleset(), []string{"nat"})))
	return nil
}

func (w *ruleWatch) set(sets map[rules.Variant]*rules.Ruleset, f *facts.Facts, idOf func(evaluate.RuleRef) (string, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idOf = idOf
	w.explainer.SetRules(sets, f.Host(nil)) // what begins now has met today's rules
	w.host, w.links, w.texts = f, map[netip.Addr]string{}, map[uint32][]byte{}
	w.current.Store(true)
}

// rule is the member "rule" of a connection that has begun now; nil where that is not known.
func (w *ruleWatch) rule(f *flow.Flow) []byte {
	if !w.current.Load() {
		return nil
	}
	of := *f
	e := w.mark(&of)
	w.mu.Lock()
	defer w.mu.Unlock()
	if of.RuleGen != w.textsGen {
		w.texts, w.textsGen = map[uint32][]byte{}, of.RuleGen
	}
	text, ok := w.texts[of.Rule]
	if !ok {
		text = e.AppendJSON(nil)
		if id, ok := w.idOf(e.Rule()); ok && bytes.HasSuffix(text, []byte("}")) {
			// The position is that of this moment; by its ID the rule is found later, and in the metrics.
			text = append(append(append(text[:len(text)-1], `,"id":"`...), id...), `"}`...)
		}
		w.texts[of.Rule] = text
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
