package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// outsiders gathers who else changes the rules, and has that noted in the journal
// once it is quiet for a moment.
type outsiders struct {
	mu   sync.Mutex
	by   map[rules.Variant][]string // since the last note
	wake chan struct{}
}

// Changes of others are noted when a second has passed since the first of them, so
// that what belongs together is one entry. A program that goes on and on has ever
// more of them in one, up to what it does in five minutes.
const (
	shortestGathering = time.Second
	longestGathering  = 5 * time.Minute
)

func newOutsiders() *outsiders {
	return &outsiders{by: map[rules.Variant][]string{}, wake: make(chan struct{}, 1)}
}

// saw takes the news that a variant was changed, and not by this process. by is empty
// where the kernel does not tell.
func (o *outsiders) saw(variant rules.Variant, by string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 20
	if list := o.by[variant]; len(list) < most && !slices.Contains(list, by) {
		o.by[variant] = append(list, by)
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take hands out what was gathered.
func (o *outsiders) take() map[rules.Variant][]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.by
	o.by = map[rules.Variant][]string{}
	return all
}

// firstLook has an observer see the variants as they are. One that cannot be read now
// is seen when it has changed.
func firstLook(ctx context.Context, committer *commit.Committer, variants []rules.Variant) *commit.Observer {
	look := committer.Observer()
	for _, variant := range variants {
		_, _ = look.Look(ctx, variant)
	}
	return look
}

// note writes to the journal what others change, until ctx ends; what is gathered
// then is still noted.
func (o *outsiders) note(ctx context.Context, look *commit.Observer) {
	wait := shortestGathering
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			o.noteAll(look)
			return
		case <-o.wake:
		}
		if time.Since(last) < 2*wait {
			wait = min(2*wait, longestGathering)
		} else {
			wait = shortestGathering
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		o.noteAll(look)
		last = time.Now()
	}
}

// lastNote bounds the time that the end of the program waits for.
const lastNote = 3 * time.Second

func (o *outsiders) noteAll(look *commit.Observer) {
	ctx, cancel := context.WithTimeout(context.Background(), lastNote)
	defer cancel()
	for variant, by := range o.take() {
		if _, err := look.Look(ctx, variant, by...); err != nil {
			for _, name := range by {
				o.saw(variant, name) // the lock is held, perhaps: at the next change
			}
			return
		}
	}
}
