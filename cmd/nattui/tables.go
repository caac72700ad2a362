package main

import (
	"context"
	"maps"
	"time"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/ui"
)

// followTables turns the adapter's snapshots, one a variant, into looks at all
// variants together. changed hears of the rules whenever they are others, and others of each change that this process has not made,
// with the program where it is known.
func followTables(ctx context.Context, host *iptables.Host, changed func(map[rules.Variant]*rules.Ruleset), others func(at rules.Variant, by string)) (<-chan ui.Tables, error) {
	snapshots, err := host.Live(ctx)
	if err != nil {
		return nil, err
	}
	absent := map[rules.Variant]string{}
	for _, a := range host.Absent() {
		absent[a.Variant] = a.String()
	}
	out := make(chan ui.Tables)
	go gatherTables(ctx, host, snapshots, absent, changed, others, out)
	return out, nil
}

// gatherTables keeps the latest of every variant and hands on what has changed as
// soon as somebody takes it.
func gatherTables(ctx context.Context, host *iptables.Host, snapshots <-chan iptables.Snapshot, absent map[rules.Variant]string, changed func(map[rules.Variant]*rules.Ruleset), others func(rules.Variant, string), out chan<- ui.Tables) {
	defer close(out)
	sets := map[rules.Variant]*rules.Ruleset{}
	failed := map[rules.Variant]error{}
	waiting := len(host.Variants())
	var next ui.Tables
	var ready chan<- ui.Tables
	for {
		select {
		case <-ctx.Done():
			return
		case ready <- next:
			ready, next = nil, ui.Tables{}
		case s, ok := <-snapshots:
			if !ok {
				return
			}
			_, seen := sets[s.Variant]
			if !seen && waiting > 0 {
				waiting--
			}
			if s.Rules != nil {
				sets[s.Variant] = s.Rules
			}
			failed[s.Variant] = s.Err
			next.Changed = next.Changed || s.Changed
			if s.Changed && !s.Own && s.By.Name != "" {
				next.By = s.By.String()
			}
			if s.Changed && !s.Own && seen {
				name := ""
				if s.By.Name != "" {
					name = s.By.String()
				}
				others(s.Variant, name)
			}
			next.Sets, next.Absent, next.At, next.Err = maps.Clone(sets), absent, time.Now(), firstError(failed)
			if waiting == 0 {
				ready = out
				if s.Changed {
					changed(next.Sets)
				}
			}
		}
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
