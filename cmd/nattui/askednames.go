package main

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// namesPatience is how long what is printed waits for names: a resolver that does not answer takes many seconds for each.
	namesPatience = 500 * time.Millisecond
	// namesAsked is how many are asked for at a time, namesKept how many are remembered, and namelessFor for how long an
	// address that has none is not asked about again.
	namesAsked, namesKept = 16, 4096
	namelessFor           = time.Minute
)

// askedNames asks for the names of addresses in the background, and remembers them. Its methods may be called from several
// goroutines.
type askedNames struct {
	ask  func(context.Context, netip.Addr) string
	room chan struct{}

	mu   sync.Mutex
	list map[netip.Addr]*askedName
}

// askedName is what came of a question: name is there once answered is closed, and empty where there is none.
type askedName struct {
	answered chan struct{}
	name     string
	at       time.Time
}

func newAskedNames(ask func(context.Context, netip.Addr) string) *askedNames {
	return &askedNames{ask: ask, room: make(chan struct{}, namesAsked), list: map[netip.Addr]*askedName{}}
}

// of is the name of an address, or a question that is under way until ctx is done.
func (n *askedNames) of(ctx context.Context, a netip.Addr) *askedName {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.list[a]; known != nil && !known.isOver() {
		return known
	}
	if len(n.list) >= namesKept {
		clear(n.list)
	}
	asked := &askedName{answered: make(chan struct{})}
	n.list[a] = asked
	go func() {
		defer close(asked.answered)
		select {
		case n.room <- struct{}{}:
			asked.name, asked.at = n.ask(ctx, a), time.Now()
			<-n.room
		case <-ctx.Done():
		}
	}()
	return asked
}

// isOver tells that an address had no name, and may have one now.
func (a *askedName) isOver() bool {
	select {
	case <-a.answered:
		return a.name == "" && time.Since(a.at) > namelessFor
	default:
		return false
	}
}

// await is the name, empty where there is none until ctx is done.
func (a *askedName) await(ctx context.Context) string {
	select {
	case <-a.answered:
		return a.name
	default:
	}
	select {
	case <-a.answered:
		return a.name
	case <-ctx.Done():
		return ""
	}
}
