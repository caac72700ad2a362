package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/doctor"
	"nattui/model/flow"
	"nattui/rules/guide"
	"nattui/rules/iptables"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// The pace of looks at the gateway while the first packet is waited for: a small
// share of one core at most.
const (
	watchPace  = 500 * time.Millisecond
	watchShare = 10
	// watchEvents are how many events are kept: a connection that was refused is told of by these alone.
	watchEvents = 8192
)

// watches tells whether to wait for the first packet: where somebody looks, or
// where it was asked for.
func (o *guideOptions) watches(c *cobra.Command) bool {
	if c.Flags().Changed("watch") {
		return o.watch
	}
	return term.IsTerminal(os.Stdin.Fd()) && term.IsTerminal(os.Stderr.Fd())
}

// watchFirst waits for the first packet of what was made, and ticks off how far
// it comes. It ends when one is answered, or interrupted.
func watchFirst(c *cobra.Command, tables *iptables.Host, wanted guide.Proof) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
	defer stop()
	kernel, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return err
	}
	defer kernel.Close()
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return err
	}
	flows, log := flow.NewFlows(), flow.NewEventLog(watchEvents)
	following, err := followAll(ctx, kernel, flows, log) // what is there already is older than the waiting
	if err != nil {
		return err
	}
	defer func() {
		stop()
		for range following { // until nobody reads from the kernel any more
		}
	}()
	native, _ := natives.reader.Read(ctx) // without it the connections tell the rest
	p := doctor.NewProving(wanted, sets, native, time.Now().UnixNano())
	w := c.ErrOrStderr()
	say(w, "waiting for the first packet; press ctrl+c to stop waiting (the change is kept)")
	ticks := ticker{Writer: w, passing: len(wanted.Passing) > 0}
	said := ""
	for {
		began := time.Now()
		if sets, err = tables.ReadAll(ctx); err == nil {
			native, _ = natives.reader.Read(ctx)
			p.Look(sets, native)
			p.Take(p.Search(flows, log))
		}
		if ctx.Err() != nil {
			return nil
		}
		if err = cmp.Or(err, ended(following)); err != nil {
			return err
		}
		ticks.show(p)
		if p.Answered {
			say(w, "it works")
			return nil
		}
		if why := p.Verdict(time.Now().UnixNano(), true); why != "" && said != verdictKind(p) {
			said = verdictKind(p)
			say(w, text.Safe(why)+"  nattui doctor  tells more.")
		}
		if !rest(ctx, max(watchPace, watchShare*time.Since(began))) {
			return nil
		}
	}
}

// followAll follows all connections until ctx is done, beside the caller, and returns once those are known that there are. The
// channel has an error when the kernel tells no more, and is closed then.
func followAll(ctx context.Context, kernel *conntrack.Table, flows *flow.Flows, log *flow.EventLog) (<-chan error, error) {
	listed, end := make(chan struct{}), make(chan error, 1)
	known := sync.OnceFunc(func() { close(listed) })
	go func() {
		defer close(end)
		end <- kernel.Follow(ctx, func(b *flow.Batch) {
			flows.Apply(b)
			log.Append(b)
			if b.End {
				known()
			}
		})
	}()
	select {
	case <-listed:
		return end, nil
	case err := <-end:
		return nil, err
	}
}

// ended is the error with which something has ended; nil while it goes on.
func ended(end <-chan error) error {
	select {
	case err := <-end:
		return err
	default:
		return nil
	}
}

// rest waits; false if it was interrupted.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// verdictKind is how far the packet has come: each verdict is said once.
func verdictKind(p *doctor.Proving) string {
	return fmt.Sprint(p.Arrived, p.Translated, p.Passed, p.Ended)
}

// ticker says each station once.
type ticker struct {
	io.Writer
	passing bool
	shown   int
}

func (t *ticker) show(p *doctor.Proving) {
	mark := "+"
	if theme.UTF8(os.Getenv) {
		mark = "✓"
	}
	stations := []struct {
		name    string
		reached bool
	}{{"arrived", p.Arrived}, {"translated", p.Translated}, {"let through", p.Passed || !t.passing}, {"answered", p.Answered}}
	for ; t.shown < len(stations) && stations[t.shown].reached; t.shown++ {
		if stations[t.shown].name == "let through" && !t.passing {
			continue
		}
		line := "  " + mark + " " + stations[t.shown].name
		if t.shown == 0 && p.Flow != "" {
			line += "  " + text.Safe(p.Flow)
		}
		fmt.Fprintln(t, line)
	}
}
