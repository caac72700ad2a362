package nftables

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules/beat"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
	"nattui/rules/traffic"
)

// Snapshot is what Follow delivers: all native tables at one moment.
type Snapshot struct {
	// Rules is never changed afterwards; where Err is set, it is the last that could be read, or nil.
	Rules *nft.Ruleset
	// Changed is set where it is another generation than in the snapshot before, not only other counters, and By is the
	// program that made it, as nfnetlink.Process says it, where known.
	Changed bool
	By      string
	// Still is when counters that have moved were last seen as they were before; zero where none have.
	Still time.Time
	// Own is set where this process had it made.
	Own bool
	// Err is why the tables could not be read this time. It is tried again.
	Err error
}

// How often counters are read: once a second, or as often as keeps that under 4% of a core; less often while nothing moves.
const (
	countRest  = time.Second
	countShare = 25
)

// Follow delivers the tables as they are, then after each change by anybody, which the kernel announces, whenever counters
// have moved, and for some minutes after that as package traffic has it. Nothing is read again while nothing changes, but the
// counters, and these every 16 seconds while no packet passes on any link. With wanted, only chains that it
// chooses are counted. The channel is closed when ctx ends. It needs CAP_NET_ADMIN.
func (r *Reader) Follow(ctx context.Context, wanted func(*nft.Chain) bool) (<-chan Snapshot, error) {
	l, err := nfnetlink.Listen()
	if err != nil {
		return nil, err
	}
	f := &follower{reader: r, out: make(chan Snapshot), notices: make(chan nfnetlink.NewGeneration, 1), wanted: wanted}
	context.AfterFunc(ctx, l.Close)
	go f.listen(ctx, l)
	go f.run(ctx)
	return f.out, nil
}

type follower struct {
	reader  *Reader
	out     chan Snapshot
	notices chan nfnetlink.NewGeneration // the latest that was not looked at
	wanted  func(*nft.Chain) bool
	now     *nft.Ruleset
	failing bool
	still   int
	traffic traffic.Watch
	looked  time.Time // when the counters in now, or the same, were last read at the earliest
	echo    traffic.Echo
}

// listen notes new generations. One of number 0 says that notices were lost.
func (f *follower) listen(ctx context.Context, l *nfnetlink.Listener) {
	for ctx.Err() == nil {
		datagram, err := l.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		if err != nil {
			f.note(nfnetlink.NewGeneration{})
			continue
		}
		nfnetlink.Each(datagram, func(m nfnetlink.Message) {
			if m.Kind == unix.NFT_MSG_NEWGEN {
				f.note(m.NewGeneration())
			}
		})
	}
}

// note replaces the notice that waits.
func (f *follower) note(g nfnetlink.NewGeneration) {
	select {
	case <-f.notices:
	default:
	}
	f.notices <- g
}

func (f *follower) run(ctx context.Context) {
	defer close(f.out)
	due := beat.After(f.read(ctx, nfnetlink.NewGeneration{}), time.Now())
	for {
		timer := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case g := <-f.notices:
			timer.Stop()
			if f.now == nil || g.ID == 0 || int32(g.ID-f.now.Generation) > 0 {
				due = beat.After(f.read(ctx, g), time.Now())
			}
		case <-timer.C:
			due = beat.After(f.recount(ctx), time.Now())
		}
	}
}

// read reads the tables anew and delivers them, and returns how long to rest. A storm of changes leaves half of a core alone.
func (f *follower) read(ctx context.Context, why nfnetlink.NewGeneration) time.Duration {
	begin := time.Now()
	set, err := f.reader.Read(ctx)
	if errors.Is(err, nfnetlink.ErrAbsent) {
		set, err = &nft.Ruleset{}, nil
	}
	if err != nil {
		if !f.failing {
			f.failing = true
			f.deliver(ctx, Snapshot{Rules: f.now, Err: err})
		}
		return max(countRest, countShare*time.Since(begin))
	}
	own := f.now != nil && why.ID == f.now.Generation+1 && set.Generation == why.ID && ours.made(why)
	changed := f.now == nil || f.failing || set.Generation != f.now.Generation
	f.now, f.failing, f.still, f.looked = set, false, 0, begin
	by := ""
	if why.Program != "" {
		by = why.By().String()
	}
	f.deliver(ctx, Snapshot{Rules: set, Changed: changed, By: by, Own: own})
	if cost := time.Since(begin); cost > restAfter {
		select {
		case <-time.After(cost):
		case <-ctx.Done():
		}
	}
	return countRest
}

// restAfter is the cost of reading from which on it is followed by a rest as long.
const restAfter = 200 * time.Millisecond

// recount reads the counters and returns how long to rest.
func (f *follower) recount(ctx context.Context) time.Duration {
	if f.now == nil || f.failing {
		return f.read(ctx, nfnetlink.NewGeneration{})
	}
	if f.traffic.Spares() {
		f.same(ctx, time.Now())
		return traffic.Rest
	}
	begin := time.Now()
	next, err := Counters(f.now, f.wanted)
	rest := max(countRest, countShare*time.Since(begin))
	switch {
	case err != nil: // the notice is on its way
		f.read(ctx, nfnetlink.NewGeneration{})
	case next != f.now:
		was := f.looked
		f.now, f.still, f.looked = next, 0, begin
		f.echo.Moved(begin)
		f.deliver(ctx, Snapshot{Rules: next, Still: was})
	default:
		f.still++
		f.same(ctx, begin)
		rest = max(rest, beat.Still(f.still))
	}
	return rest
}

// same notes that the counters were as before at a time, and tells it where somebody may see that.
func (f *follower) same(ctx context.Context, at time.Time) {
	f.looked = at
	if f.echo.Due(at) {
		f.deliver(ctx, Snapshot{Rules: f.now})
	}
}

func (f *follower) deliver(ctx context.Context, s Snapshot) {
	select {
	case f.out <- s:
	case <-ctx.Done():
	}
}
