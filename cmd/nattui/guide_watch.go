package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	flows := flow.NewFlows() // what is there already is older than the waiting
	if err := kernel.Dump(ctx, flows.Apply); err != nil {
		return err
	}
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
			if err = kernel.Dump(ctx, flows.Apply); err == nil {
				p.Take(p.Search(flows, nil))
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
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
	return fmt.Sprint(p.Arrived, p.Translated, p.Passed)
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
