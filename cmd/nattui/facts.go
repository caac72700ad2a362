package main

import (
	"context"
	"time"

	"nattui/model"
	"nattui/model/host"
)

// factsPace is how often what the kernel does not announce (settings, listeners,
// neighbours) is read again.
const factsPace = 10 * time.Second

// followFacts delivers what is known of the host, anew when links, addresses or
// routes change and from time to time. changed hears of it first.
func followFacts(ctx context.Context, changed func(*model.Facts)) <-chan *model.Facts {
	out := make(chan *model.Facts)
	changes, err := host.Watch(ctx)
	if err != nil {
		changes = nil // then only from time to time
	}
	go func() {
		defer close(out)
		tick := time.NewTicker(factsPace)
		defer tick.Stop()
		for {
			if f, err := host.Read(ctx); err == nil {
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
			case <-tick.C:
			}
		}
	}()
	return out
}
