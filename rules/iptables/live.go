package iptables

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"nattui/rules"
	"nattui/rules/beat"
	"nattui/rules/nfnetlink"
	"nattui/rules/traffic"
)

// Snapshot is what Live delivers: the tables of one variant at one moment.
type Snapshot struct {
	Variant rules.Variant
	// Rules is never changed afterwards; where Err is set, it is the last that
	// could be read, or nil.
	Rules *rules.Ruleset
	// Changed is set where the rules are others than in the snapshot before, not
	// only their counters. It is set in the first one.
	Changed bool
	// Asked is when reading them began.
	Asked time.Time
	// By is who changed them last, where known, and Own tells that this Host did.
	By  nfnetlink.Process
	Own bool
	// Still is when counters that have moved were last seen as they were before; zero where none have.
	Still time.Time
	// Err is why the tables could not be read this time. It is tried again.
	Err error
}

// Live delivers the tables of the variants, all there are if none is given: first
// as they are, then after every change by anybody, whenever counters have moved, and for some minutes after that as
// package traffic has it. Counters are refreshed once a second, every two to four while they stay the same, or as often as
// keeps the work under a twentieth of one core; those of nft every 16 seconds while no packet passes on any link. Legacy
// announces no changes, which are seen by then. The channel is closed when ctx ends. A reader that is slow gets fewer
// snapshots, not old ones.
//
// The variants are read at the same time, each by its own goroutine.
func (h *Host) Live(ctx context.Context, variants ...rules.Variant) (<-chan Snapshot, error) {
	if len(variants) == 0 {
		variants = h.Variants()
	}
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan Snapshot)
	var running sync.WaitGroup
	for _, variant := range variants {
		notices, err := h.notices(ctx, variant)
		if err != nil {
			cancel()
			return nil, err
		}
		l := &life{host: h, variant: variant, out: out}
		running.Go(func() { l.run(ctx, notices) })
	}
	go func() {
		running.Wait()
		cancel()
		close(out)
	}()
	return out, nil
}

// notices are those of an nft variant. Legacy tables are looked at with every
// refresh of their counters, which costs nothing more.
func (h *Host) notices(ctx context.Context, variant rules.Variant) (<-chan Notice, error) {
	if _, err := h.programs(variant); err != nil {
		return nil, err
	}
	if variant.Backend == rules.Legacy {
		return nil, nil
	}
	return h.Watch(ctx, variant)
}

// life is the state of one variant that Live delivers.
type life struct {
	host    *Host
	variant rules.Variant
	out     chan<- Snapshot
	now     *rules.Ruleset
	print   uint64 // of the legacy rules in now
	// failing is set while the tables cannot be read, so that it is said once.
	failing bool
	still   int // how often the counters have been the same one after the other
	traffic traffic.Watch
	looked  time.Time // when the counters in now, or the same, were last read at the earliest
	echo    traffic.Echo
}

func (l *life) run(ctx context.Context, notices <-chan Notice) {
	due := beat.After(l.read(ctx, Notice{}), time.Now())
	for {
		refresh := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			refresh.Stop()
			return
		case n, ok := <-notices:
			refresh.Stop()
			if !ok {
				notices = nil
				continue
			}
			if !l.knows(n) {
				due = beat.After(l.read(ctx, n), time.Now())
			}
		case <-refresh.C:
			due = beat.After(l.recount(ctx), time.Now())
		}
	}
}

// knows reports a notice of what the snapshot already shows.
func (l *life) knows(n Notice) bool {
	return l.now != nil && !n.Resync && l.now.Generation != 0 && n.Generation != 0 && int32(l.now.Generation-n.Generation) >= 0
}

// read reads the tables anew and delivers them, and returns how long to wait
// before counting. Reading itself waits, so that even a storm of changes to a
// large table leaves half of a core alone.
func (l *life) read(ctx context.Context, why Notice) time.Duration {
	begin := time.Now()
	print := uint64(0)
	if l.variant.Backend == rules.Legacy {
		print, _ = fingerprint(l.variant.Family)
	}
	s, err := l.host.Read(ctx, l.variant)
	cost := time.Since(begin)
	if err != nil {
		if !l.failing {
			l.failing = true
			l.deliver(ctx, Snapshot{Variant: l.variant, Rules: l.now, Err: err})
		}
		return Refresh(cost)
	}
	l.still = 0
	changed := l.now == nil || l.failing || !sameRules(l.now, s) || !maps.Equal(l.now.Foreign, s.Foreign)
	l.failing = false
	l.now, l.print, l.looked = s, print, begin
	l.deliver(ctx, Snapshot{Variant: l.variant, Rules: s, Asked: begin, Changed: changed, By: why.By, Own: why.Own})
	if cost > restAfter {
		sleep(ctx, cost)
	}
	return LegacyPoll
}

// restAfter is the cost of reading from which on it is followed by a rest.
const restAfter = 200 * time.Millisecond

// recount refreshes the counters and returns how long to wait before the next time.
func (l *life) recount(ctx context.Context) time.Duration {
	if l.now == nil || l.failing {
		return l.read(ctx, Notice{})
	}
	if l.variant.Backend == rules.NFT && l.traffic.Spares() { // on legacy, changes of the rules are found with the counters
		l.same(ctx, time.Now())
		return traffic.Rest
	}
	begin := time.Now()
	next, print, err := l.counted()
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil && print == l.print:
		wait := Refresh(time.Since(begin))
		if next != l.now {
			was := l.looked
			l.now, l.still, l.looked = next, 0, begin
			l.echo.Moved(begin)
			l.deliver(ctx, Snapshot{Variant: l.variant, Rules: next, Asked: begin, Still: was})
		} else {
			l.still++
			l.same(ctx, begin)
			wait = max(wait, l.stillRest())
		}
		return wait
	case err == nil || errors.Is(err, ErrChanged):
		l.read(ctx, Notice{Own: l.host.own.printed(l.variant.Family, print)})
	default:
		l.read(ctx, Notice{}) // which says what is wrong
	}
	return Refresh(time.Since(begin))
}

// same notes that the counters were as before at a time, and tells it where somebody may see that.
func (l *life) same(ctx context.Context, at time.Time) {
	l.looked = at
	if l.echo.Due(at) {
		l.deliver(ctx, Snapshot{Variant: l.variant, Rules: l.now, Asked: at})
	}
}

// stillRest is how long counters that stay the same are left alone. On nft changes of the rules are announced all the same;
// on legacy they are found so.
func (l *life) stillRest() time.Duration {
	rest := beat.Still(l.still)
	if l.variant.Backend == rules.Legacy {
		rest = min(rest, 2*LegacyPoll)
	}
	return rest
}

// counted returns the present snapshot with new counters, and on legacy the
// fingerprint of the rules they belong to.
func (l *life) counted() (*rules.Ruleset, uint64, error) {
	if l.variant.Backend == rules.NFT {
		next, err := l.host.Counters(context.Background(), l.now)
		return next, 0, err
	}
	t, print, err := tallyLegacy(l.variant.Family)
	if err != nil {
		return nil, 0, err
	}
	if print != l.print {
		return nil, print, nil
	}
	next, err := t.onto(l.now)
	return next, print, err
}

func (l *life) deliver(ctx context.Context, s Snapshot) {
	select {
	case l.out <- s:
	case <-ctx.Done():
	}
}
