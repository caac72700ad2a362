package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/model/natlog"
	"nattui/model/natlog/sink"
	"nattui/rules"
	"nattui/ui/text"
)

// logPatience is how long a log that is ended waits for whoever takes its records.
const logPatience = 5 * time.Second

// follow logs until it is interrupted, or nobody reads any more.
func (o *logOptions) follow(c *cobra.Command) error {
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	to, err := o.open(c)
	if err != nil {
		return err
	}
	tables, err := openTables(ctx, c.ErrOrStderr())
	if err != nil {
		return err
	}
	table, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return err
	}
	defer table.Close()
	unread := func(err error) {
		say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("the rules cannot be read, so lines have none: %v", err)))
	}
	watch, err := watchRules(ctx, tables, table, nil, unread)
	if err != nil {
		return err
	}
	if f, ok := to.(*sink.File); ok {
		reopenOnHangup(ctx, c, f)
	}
	h := table.Health()
	sayUncounted(c, &h)

	queue := natlog.NewQueue(o.buffer)
	writing, endWriting := context.WithCancel(context.WithoutCancel(ctx))
	defer endWriting()
	written := make(chan error, 1)
	go func() {
		err := passOn(writing, queue, to)
		stop() // nobody takes any more
		written <- err
	}()
	tracker := natlog.NewTracker(queue.Put)
	tracker.Rule, tracker.Out = watch.rule, watch.out
	loss := lossTeller{command: c, table: table}
	err = table.Follow(ctx, func(b *flow.Batch) {
		watch.look(b)
		tracker.Take(b, table.Feed())
		loss.tell(false)
	})
	tracker.Close()
	queue.Put(&natlog.Record{Kind: natlog.Stop, At: time.Now().UnixNano()})
	queue.Close()
	loss.tell(true)
	return errors.Join(err, o.finish(c, queue, written, endWriting), to.Close())
}

// finish waits for the last records, for as long as that is sensible, and says how many are lost.
func (o *logOptions) finish(c *cobra.Command, queue *natlog.Queue, written <-chan error, give func()) error {
	var err error
	select {
	case err = <-written:
	case <-time.After(logPatience):
		give()
		select {
		case <-written:
		case <-time.After(time.Second): // it is in the middle of writing to somebody who does not read
		}
	}
	held, lost := queue.Held()
	if held > 0 {
		say(c.ErrOrStderr(), "up to "+rules.Plural(held, "record")+" could not be written before the end")
	}
	if lost > 0 {
		say(c.ErrOrStderr(), rules.Plural(lost, "event")+" did not fit into the buffer, and were dropped")
	}
	if fatal := (*sink.Fatal)(nil); errors.As(err, &fatal) && errors.Is(err, syscall.EPIPE) {
		return errReaderGone
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// passedAtOnce is how many records are handed over together.
const passedAtOnce = 512

// passOn hands the records of a queue on until it is closed and empty.
func passOn(ctx context.Context, queue *natlog.Queue, to sink.Sink) error {
	room := make([]natlog.Record, passedAtOnce)
	if far, ok := to.(interface{ Begin(ctx context.Context) }); ok {
		far.Begin(ctx)
	}
	for {
		taken, more := queue.Take(room)
		if len(taken) > 0 {
			if err := to.Send(ctx, taken); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-queue.Changed():
		}
	}
}

// reopenOnHangup has a log file opened again upon SIGHUP, as programs that rotate logs send it.
func reopenOnHangup(ctx context.Context, c *cobra.Command, f *sink.File) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				if err := f.Reopen(); err != nil {
					say(c.ErrOrStderr(), text.Safe(err.Error()+"; lines still go to the file before"))
				}
			}
		}
	}()
}

// sayUncounted says what lines will lack because the kernel does not keep it.
func sayUncounted(c *cobra.Command, h *facts.Health) {
	if h.Accounting == facts.SettingOff {
		say(c.ErrOrStderr(), "no packets and bytes: the kernel does not count them; turn that on with  sysctl -w net.netfilter.nf_conntrack_acct=1")
	}
	if h.Timestamps == facts.SettingOff {
		say(c.ErrOrStderr(), "no times of the kernel, only when nattui heard of it; turn them on with  sysctl -w net.netfilter.nf_conntrack_timestamp=1")
	}
}
