package main

import (
	"context"
	"reflect"
	"time"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/ui"
)

// What the kernel does not announce (settings, listeners, neighbours) is read again after
// factsRest, or later where that would take more than factsShare of one core: who listens is found by
// looking through all processes.
const (
	factsRest        = 10 * time.Second
	factsShare       = 0.0005
	longestFactsRest = time.Minute
)

// factsPause is how long to rest after a reading that took so long.
func factsPause(took time.Duration) time.Duration {
	return max(factsRest, min(time.Duration(float64(took)/factsShare), longestFactsRest))
}

// readFacts reads what is known of the host, and which nft tables translate beside those of iptables.
func readFacts(ctx context.Context) (facts.Facts, error) {
	f, err := host.Read(ctx)
	if err != nil {
		return f, err
	}
	if f.Natives, err = iptables.Natives(ctx); err == nil {
		f.NativeFilters, err = iptables.NativeFilterTables(ctx)
	}
	return f, err
}

// watchNatives asks for the facts again when nft tables that translate come or go.
func watchNatives(ctx context.Context, anew chan<- struct{}) {
	changes, err := iptables.WatchNatives(ctx)
	if err != nil {
		return // then they are found from time to time
	}
	before, _ := iptables.Natives(ctx)
	for range changes {
		now, err := iptables.Natives(ctx)
		if err != nil || reflect.DeepEqual(before, now) {
			continue
		}
		before = now
		select {
		case anew <- struct{}{}:
		default: // it is asked for already
		}
	}
}

// followFacts delivers what is known of the host, again when links, addresses or
// routes change, on request, and from time to time. changed hears of it first.
func followFacts(ctx context.Context, request <-chan struct{}, changed func(*facts.Facts)) <-chan *facts.Facts {
	out := make(chan *facts.Facts)
	changes, err := host.Watch(ctx)
	if err != nil {
		changes = nil // then only from time to time
	}
	go func() {
		defer close(out)
		rest := time.NewTimer(factsRest)
		defer rest.Stop()
		for {
			start := time.Now()
			if f, err := readFacts(ctx); err == nil {
				rest.Reset(factsPause(time.Since(start)))
				changed(&f)
				select {
				case out <- &f:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-changes:
			case <-request:
			case <-rest.C:
				rest.Reset(factsRest) // if it cannot be read now
			}
		}
	}()
	return out
}

// noticed has the facts read again as soon as a change was made here: settings
// change without the kernel announcing it.
type noticed struct {
	ui.Changes
	facts chan<- struct{}
}

// Apply runs the plan.
func (n noticed) Apply(ctx context.Context, p rules.Plan, t ui.Terms) (ui.Done, error) {
	done, err := n.Changes.Apply(ctx, p, t)
	select {
	case n.facts <- struct{}{}:
	default: // somebody has asked already
	}
	return done, err
}
