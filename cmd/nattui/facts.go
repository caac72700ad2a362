package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/beat"
	"nattui/rules/evaluate"
	"nattui/rules/frontend"
	"nattui/rules/iptables"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui"
)

// What the kernel does not announce is read again: settings after settingsRest, or calmSettingsRest, listeners and neighbours
// after factsRest, or later where that would take more than settingsShare and factsShare of one core: who listens is found
// by looking through all processes.
const (
	settingsRest     = 2 * time.Second
	calmSettingsRest = 4 * settingsRest // once they have been the same calmAfter times
	calmAfter        = 5
	settingsShare    = 0.001
	factsRest        = 10 * time.Second
	factsShare       = 0.0003
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
	f.ForwardsAtBoot = forwardsAtBoot()
	f.Zones = zonesOf(ctx, &f)
	f.Legacy = iptables.LoadedLegacy()
	if f.Natives, err = iptables.Natives(ctx); err == nil {
		f.NativeFilters, err = iptables.NativeFilterTables(ctx)
	}
	if err == nil {
		f.Native, err = natives.read(ctx)
	}
	return f, err
}

// natives are the native nft tables of this host.
var natives nativeTables

// nativeTables reads and compiles the native tables once for each generation of them.
type nativeTables struct {
	reader nftables.Reader
	mu     sync.Mutex
	latest *evaluate.NativeProgram
}

// read is nil where the tables change too fast to be read whole.
func (n *nativeTables) read(ctx context.Context) (*evaluate.NativeProgram, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	set, err := n.reader.Read(ctx)
	switch {
	case errors.Is(err, nfnetlink.ErrAbsent):
		set = &nft.Ruleset{}
	case errors.Is(err, nftables.ErrChanging):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if n.latest == nil || n.latest.Ruleset() != set {
		n.latest = evaluate.CompileNative(set)
	}
	return n.latest, nil
}

// forwardsAtBoot tells, by family, whether a file switches forwarding on at boot.
func forwardsAtBoot() map[rules.Family]bool {
	set := bootSettings()
	on := func(name string) bool { s, ok := set[name]; return ok && s.Value != "0" }
	return map[rules.Family]bool{rules.IPv4: on("net.ipv4.ip_forward"), rules.IPv6: on("net.ipv6.conf.all.forwarding")}
}

// zonesTime is how long firewalld may take to tell its zones: while it starts it answers nobody.
const zonesTime = 300 * time.Millisecond

// zonesOf are firewalld's zones by interface; nil where firewalld does not run.
func zonesOf(ctx context.Context, f *facts.Facts) map[string]string {
	if p, ok := f.Present("firewalld"); !ok || !p.Running {
		return nil
	}
	if why := frontend.FirewalldUnready(ctx); why != "" {
		f.Gaps = append(f.Gaps, why)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, zonesTime)
	defer cancel()
	zones := map[string]string{}
	for _, l := range f.Links {
		if zone := frontend.ZoneOf(ctx, l.Name); zone != "" {
			zones[l.Name] = zone
		}
	}
	return zones
}

// watchNatives asks for the facts again when native nft tables change.
func watchNatives(ctx context.Context, anew chan<- struct{}) {
	changes, err := iptables.WatchNatives(ctx)
	if err != nil {
		return // then they are found from time to time
	}
	before, _ := natives.read(ctx)
	for range changes {
		now, err := natives.read(ctx)
		if err != nil || now == before || !beyondIPTables(before) && !beyondIPTables(now) {
			continue
		}
		before = now
		nudge(anew)
	}
}

// beyondIPTables tells that there are tables that iptables has not made; true where that is not known.
func beyondIPTables(n *evaluate.NativeProgram) bool {
	return n == nil || slices.ContainsFunc(n.Ruleset().Tables, func(t *nft.Table) bool { return !t.OfIPTables() })
}

// followFacts delivers what is known of the host, again when links, addresses, routes or settings
// change, on request, and from time to time. changed hears of it first.
func followFacts(ctx context.Context, request <-chan struct{}, changed func(*facts.Facts)) <-chan *facts.Facts {
	f := follower{out: make(chan *facts.Facts), changed: changed}
	changes, err := host.Watch(ctx)
	if err != nil {
		changes = nil // then only from time to time
	}
	go func() {
		defer close(f.out)
		f.follow(ctx, changes, request)
	}()
	return f.out
}

// follower is the latest that is known of the host, and who is told of it.
type follower struct {
	out     chan *facts.Facts
	changed func(*facts.Facts)
	latest  *facts.Facts
	calm    int // how often the settings were the same, one look after the other
}

// settingsRest is how long to rest between two looks at the settings.
func (f *follower) settingsRest() time.Duration {
	if f.calm >= calmAfter {
		return calmSettingsRest
	}
	return settingsRest
}

func (f *follower) follow(ctx context.Context, changes <-chan host.Changes, request <-chan struct{}) {
	whole, settings := time.NewTimer(factsRest), time.NewTimer(settingsRest)
	defer whole.Stop()
	defer settings.Stop()
	everything := true
	for {
		if everything {
			start := time.Now()
			f.lookAtAll(ctx)
			rearm(whole, factsPause(time.Since(start)))
		}
		everything = true
		select {
		case <-ctx.Done():
			return
		case what := <-changes:
			if everything = what != host.SettingsChanged; !everything {
				f.lookAtSettings(ctx)
			}
		case <-settings.C:
			everything = false
			start := time.Now()
			f.lookAtSettings(ctx)
			rearm(settings, max(f.settingsRest(), min(time.Duration(float64(time.Since(start))/settingsShare), longestFactsRest)))
		case <-request:
		case <-whole.C:
		}
	}
}

// rearm has a timer end a rest at the beat.
func rearm(t *time.Timer, d time.Duration) {
	now := time.Now()
	t.Reset(beat.After(d, now).Sub(now))
}

// lookAtAll reads and tells everything. Native nft tables that cannot be read are told as they were, and that this is so:
// the rest is not to grow old because of them.
func (f *follower) lookAtAll(ctx context.Context) {
	now, err := readFacts(ctx)
	switch {
	case err != nil && (ctx.Err() != nil || f.latest == nil):
		return // until then nothing is known
	case err != nil:
		now.Natives, now.NativeFilters, now.Native = f.latest.Natives, f.latest.NativeFilters, f.latest.Native
		now.Gaps = append(now.Gaps, "native nft tables: "+err.Error())
	}
	f.tell(ctx, &now)
}

// lookAtSettings tells of settings that are others than they were.
func (f *follower) lookAtSettings(ctx context.Context) {
	if f.latest == nil {
		return
	}
	settings := host.ReadSettings(f.latest.Links)
	if settings.Equal(&f.latest.Settings) {
		f.calm++
		return
	}
	f.calm = 0
	now := *f.latest
	now.Settings = settings
	f.tell(ctx, &now)
}

func (f *follower) tell(ctx context.Context, now *facts.Facts) {
	f.latest = now
	f.changed(now)
	select {
	case f.out <- now:
	case <-ctx.Done():
	}
}

// nudge asks, unless that has been done already.
func nudge(request chan<- struct{}) {
	select {
	case request <- struct{}{}:
	default:
	}
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
	nudge(n.facts)
	return done, err
}
