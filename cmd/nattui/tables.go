package main

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui"
)

// followTables turns the adapter's snapshots, one a variant, into looks at all
// variants together. changed hears of the rules whenever they are others, and when reading them began; others of each change that this process has not made,
// with the program where it is known.
//
// Native tables come with them. Where they cannot be followed, each look says why.
func followTables(ctx context.Context, host *iptables.Host, changed rulesChanged, others func(at rules.Variant, by string)) (<-chan ui.Tables, error) {
	snapshots, err := host.Live(ctx)
	if err != nil {
		return nil, err
	}
	absent := map[rules.Variant]string{}
	for _, a := range host.Absent() {
		absent[a.Variant] = a.String()
	}
	g := gatherer{host: host, sets: map[rules.Variant]*rules.Ruleset{}, failed: map[rules.Variant]error{}, heard: map[rules.Variant]bool{}, waiting: len(host.Variants()), asked: time.Now(), changed: changed, others: others}
	g.next.Absent = absent
	native, err := natives.reader.Follow(ctx, g.counted)
	if err != nil {
		g.noNative = err.Error()
	} else {
		g.waiting++
	}
	out := make(chan ui.Tables)
	go g.gather(ctx, snapshots, native, out)
	return out, nil
}

// rulesChanged hears of rules, and when reading them began.
type rulesChanged func(sets map[rules.Variant]*rules.Ruleset, asked time.Time)

// gatherer keeps the latest of every variant and of the native tables.
type gatherer struct {
	host     *iptables.Host
	sets     map[rules.Variant]*rules.Ruleset
	failed   map[rules.Variant]error
	native   *nft.Ruleset
	noNative string
	shown    atomic.Pointer[map[rules.Variant]*rules.Ruleset] // for counted
	heard    map[rules.Variant]bool
	waiting  int // those of which nothing was heard
	next     ui.Tables
	asked    time.Time // when the first reading of any began
	changed  rulesChanged
	others   func(rules.Variant, string)
}

// counted tells whether a native chain's counters are of use: those of iptables' tables are read with them.
func (g *gatherer) counted(c *nft.Chain) bool {
	sets := g.shown.Load()
	return sets == nil || !nft.Shown(c.Table, *sets)
}

// gather hands on what has changed as soon as somebody takes it.
func (g *gatherer) gather(ctx context.Context, snapshots <-chan iptables.Snapshot, native <-chan nftables.Snapshot, out chan<- ui.Tables) {
	defer close(out)
	var ready chan<- ui.Tables
	for {
		select {
		case <-ctx.Done():
			return
		case ready <- g.next:
			ready, g.next = nil, ui.Tables{Absent: g.next.Absent}
			continue
		case s, ok := <-snapshots:
			if !ok {
				if snapshots = nil; len(g.host.Variants()) > 0 || native == nil {
					return
				}
				continue
			}
			g.take(s)
		case s, ok := <-native:
			if !ok {
				return
			}
			g.takeNative(s)
		}
		g.next.Sets, g.next.At, g.next.Err = maps.Clone(g.sets), time.Now(), firstError(g.failed)
		g.next.Native, g.next.NoNative = g.native, g.noNative
		if g.waiting == 0 {
			ready = out
		}
	}
}

// take takes the tables of a variant.
func (g *gatherer) take(s iptables.Snapshot) {
	_, seen := g.sets[s.Variant]
	asked := s.Asked
	if !g.heard[s.Variant] {
		g.heard[s.Variant] = true
		g.waiting--
		asked = g.asked
	}
	fell := s.Rules.CountsLess(g.sets[s.Variant])
	if s.Rules != nil {
		g.sets[s.Variant] = s.Rules
	}
	g.failed[s.Variant] = s.Err
	g.noteStill(s.Still)
	g.next.Changed = g.next.Changed || s.Changed
	name := ""
	if s.By.Name != "" {
		name = s.By.String()
	}
	if s.Changed && !s.Own && name != "" {
		g.next.By = name
	}
	if s.Changed && !s.Own && seen {
		g.others(s.Variant, name)
	}
	if s.Changed || fell { // what the rules have made is told by their counters too
		sets := maps.Clone(g.sets)
		g.shown.Store(&sets)
		if g.waiting == 0 {
			g.changed(sets, asked)
		}
	}
}

// takeNative takes the native tables.
func (g *gatherer) takeNative(s nftables.Snapshot) {
	before := g.native
	if before == nil && g.noNative == "" {
		if g.waiting--; g.waiting == 0 {
			g.changed(maps.Clone(g.sets), g.asked)
		}
	}
	g.native, g.noNative = s.Rules, ""
	g.noteStill(s.Still)
	if s.Err != nil {
		g.noNative = s.Err.Error()
	}
	if !s.Changed || before != nil && s.Rules.SameRules(before, g.counted) {
		return // iptables changed its own tables, which is told elsewhere
	}
	g.next.Changed = true
	if g.next.By == "" && !s.Own {
		g.next.By = s.By
	}
}

// noteStill notes when counters were last seen as they were before they moved, of several the earliest.
func (g *gatherer) noteStill(at time.Time) {
	if g.next.Still.IsZero() || !at.IsZero() && at.Before(g.next.Still) {
		g.next.Still = at
	}
}

func firstError(failed map[rules.Variant]error) error {
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
