package iptables

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// Notice says that somebody changed the tables of a place.
type Notice struct {
	Variant rules.Variant
	// Tables are those that changed, sorted; nil means that any may have.
	Tables []string
	// Generation is the nft generation that the change made; 0 on legacy.
	Generation uint32
	// By is who made the change, as the kernel reports it on nft; unknown on legacy.
	By nfnetlink.Process
	// Own is set for a change that this Host made with Apply.
	Own bool
	// Resync is set where notices were lost, because there were too many of them.
	Resync bool
}

// join adds a later notice of the same place that comes before this one was taken.
func (n Notice) join(later Notice) Notice {
	if n.Tables == nil || later.Tables == nil {
		later.Tables = nil
	} else {
		later.Tables = append(slices.Clone(n.Tables), later.Tables...)
		slices.Sort(later.Tables)
		later.Tables = slices.Compact(later.Tables)
	}
	later.Own = n.Own && later.Own
	later.Resync = n.Resync || later.Resync
	return later
}

// LegacyPoll is how often the legacy backend, which announces nothing, is asked
// whether it has changed; less often where asking is dear, see Refresh.
const LegacyPoll = time.Second

// Refresh is how long to wait after work that took so long and is to be repeated
// for good: one second, or what keeps it under 4% of one core.
func Refresh(cost time.Duration) time.Duration {
	return max(LegacyPoll, 25*cost)
}

// Watch announces changes of the places, from its return until ctx ends, when
// the channel is closed; without places, of all that there are. On nft the
// kernel announces each at once (netlink group NFNLGRP_NFTABLES), one notice for
// a place and generation; on legacy a poll finds them within two seconds.
// Notices that nobody takes are joined, so that a slow reader loses only detail.
//
// It needs CAP_NET_ADMIN. It runs no programs.
func (h *Host) Watch(ctx context.Context, variants ...rules.Variant) (<-chan Notice, error) {
	if len(variants) == 0 {
		variants = h.Variants()
	}
	ctx, cancel := context.WithCancel(ctx)
	in := make(chan Notice)
	sources := 0
	ended := make(chan struct{})
	begin := func(source func()) {
		sources++
		go func() {
			source()
			ended <- struct{}{}
		}()
	}
	var announced []rules.Variant
	for _, variant := range variants {
		if _, err := h.programs(variant); err != nil {
			cancel()
			go drain(ended, sources)
			return nil, err
		}
		if variant.Backend == rules.NFT {
			announced = append(announced, variant)
			continue
		}
		last, err := fingerprint(variant.Family)
		if err != nil {
			cancel()
			go drain(ended, sources)
			return nil, err
		}
		begin(func() { h.poll(ctx, variant.Family, last, in) })
	}
	if len(announced) > 0 {
		listener, err := nfnetlink.Listen()
		if err != nil {
			cancel()
			go drain(ended, sources)
			return nil, err
		}
		begin(func() { h.follow(ctx, listener, announced, in) })
	}
	out := make(chan Notice)
	go func() {
		drain(ended, sources)
		close(in)
	}()
	go func() {
		defer cancel()
		forward(ctx, in, out)
	}()
	return out, nil
}

func drain(ended <-chan struct{}, n int) {
	for range n {
		<-ended
	}
}

// forward hands notices on, and joins those of one place that have to wait.
func forward(ctx context.Context, in <-chan Notice, out chan<- Notice) {
	defer close(out)
	var waiting []Notice
	for {
		var next chan<- Notice
		var first Notice
		if len(waiting) > 0 {
			next, first = out, waiting[0]
		}
		select {
		case n, ok := <-in:
			if !ok {
				return
			}
			at := slices.IndexFunc(waiting, func(w Notice) bool { return w.Variant == n.Variant })
			if at < 0 {
				waiting = append(waiting, n)
			} else {
				waiting[at] = waiting[at].join(n)
			}
		case next <- first:
			waiting = waiting[1:]
		case <-ctx.Done():
			for range in { // until the sources have ended
			}
			return
		}
	}
}

// poll looks at the legacy tables of a family until ctx ends.
func (h *Host) poll(ctx context.Context, family rules.Family, last uint64, in chan<- Notice) {
	wait := LegacyPoll
	for sleep(ctx, wait) {
		begin := time.Now()
		now, err := fingerprint(family)
		wait = Refresh(time.Since(begin))
		if err != nil || now == last {
			continue
		}
		last = now
		n := Notice{Variant: rules.Variant{Family: family, Backend: rules.Legacy}, Own: h.own.printed(family, now)}
		select {
		case in <- n:
		case <-ctx.Done():
			return
		}
	}
}

// sleep waits; false means that ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// follow announces changes of the places on nft until ctx ends. A notice of the
// kernel names tables and chains, and one with the new generation ends each change.
func (h *Host) follow(ctx context.Context, l *nfnetlink.Listener, variants []rules.Variant, in chan<- Notice) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer func() {
		if stop() {
			l.Close()
		}
	}()
	send := func(n Notice) {
		select {
		case in <- n:
		case <-ctx.Done():
		}
	}
	touched := map[rules.Family]map[string]bool{rules.IPv4: {}, rules.IPv6: {}}
	for ctx.Err() == nil {
		datagram, err := l.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			for _, variant := range variants {
				clear(touched[variant.Family])
				send(Notice{Variant: variant, Resync: true})
			}
			continue
		case err != nil:
			if ctx.Err() == nil && !sleep(ctx, LegacyPoll) {
				return
			}
			continue
		}
		nfnetlink.Each(datagram, func(m nfnetlink.Message) {
			if m.Kind != unix.NFT_MSG_NEWGEN {
				noteTable(touched, m)
				return
			}
			generation, by := generationNotice(m)
			for _, variant := range variants {
				tables := slices.Sorted(maps.Keys(touched[variant.Family]))
				if len(tables) > 0 {
					send(Notice{Variant: variant, Tables: tables, Generation: generation, By: by, Own: h.own.made(by, generation)})
				}
			}
			clear(touched[rules.IPv4])
			clear(touched[rules.IPv6])
		})
	}
}

// noteTable notes the table that a notice is about, if it is one of iptables'.
// The attribute with the table's name has the same number in all kinds of notice.
func noteTable(touched map[rules.Family]map[string]bool, m nfnetlink.Message) {
	family := rules.IPv4
	switch m.Family {
	case unix.NFPROTO_IPV4:
	case unix.NFPROTO_IPV6:
		family = rules.IPv6
	default:
		return
	}
	if name := m.Attrs.Get(unix.NFTA_TABLE_NAME).Text(); rules.BuiltInChains[name] != nil {
		touched[family][name] = true
	}
}

func generationNotice(m nfnetlink.Message) (uint32, nfnetlink.Process) {
	g := m.NewGeneration()
	return g.ID, g.By()
}
