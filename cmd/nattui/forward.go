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
	"golang.org/x/sys/unix"

	"nattui/model/forward"
)

func newForwardCommand() *cobra.Command {
	var o forward.Options
	c := &cobra.Command{
		Use:   "forward LISTEN TARGET",
		Short: "Forward a TCP port in user space, without NAT",
		Long: "forward takes TCP connections at LISTEN and carries them to TARGET, in this process: no rule, no forwarding and no privilege is needed, and the target sees this host as its client. " +
			"It prints every connection and, with --dump, what passes. On the first SIGINT or SIGTERM it takes no more connections and ends with the last one that runs; a second signal aborts them. " +
			"A connection that is silent for --idle-timeout is reset, and so is one of a client that has --per-client of them already; 0 sets either limit aside. A silent connection takes two file descriptors here: ulimit -n says how many there are. " +
			"For what stays, the kernel's way is faster:  nattui guide publish",
		Example: "nattui forward :8080 192.168.0.2:80\nnattui forward --dump 127.0.0.1:2525 mail.example.net:25",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("where to listen and where to go to, such as  nattui forward :8080 192.168.0.2:80")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.Listen, o.Target = args[0], args[1]
			return forwardPort(c, o)
		},
	}
	c.Flags().BoolVarP(&o.Dump, "dump", "v", false, "print what passes, with control characters escaped")
	c.Flags().DurationVar(&o.DialTimeout, "dial-timeout", 10*time.Second, "how long the target may take to answer")
	c.Flags().DurationVar(&o.IdleTimeout, "idle-timeout", time.Hour, "how long a connection may go without a byte in either direction; 0 for ever")
	c.Flags().IntVar(&o.PerClient, "per-client", 1000, "how many connections a client may have at a time, of IPv6 a /64; 0 any number")
	return c
}

func forwardPort(c *cobra.Command, o forward.Options) error {
	if o.DialTimeout <= 0 {
		return usagef("--dial-timeout %s: use a time such as 10s", o.DialTimeout)
	}
	if o.IdleTimeout < 0 {
		return usagef("--idle-timeout %s: use a time such as 1h, or 0", o.IdleTimeout)
	}
	if o.PerClient < 0 {
		return usagef("--per-client %d: use a number such as 1000, or 0", o.PerClient)
	}
	// Two signals mean two things here, so they are not taken by way of the context.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	out := c.OutOrStdout()
	o.Log = func(e forward.Event) {
		for _, line := range e.Lines() {
			fmt.Fprintln(out, line) // who does not read the log any more still has connections
		}
	}
	f, err := forward.Listen(context.WithoutCancel(c.Context()), o)
	switch {
	case errors.Is(err, forward.ErrAddress):
		return usageError{err}
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w;  ss -ltnp  says by whom", err)
	case err != nil:
		return err
	}
	say(stderr, fmt.Sprintf("listening on %s, forwarding to %s", f.Addr(), o.Target))
	ended := make(chan error, 1)
	go func() { ended <- f.Serve() }()
	return untilEnded(f, signals, ended)
}

// untilEnded shuts the forwarder at the first signal and aborts it at the second.
func untilEnded(f *forward.Forwarder, signals <-chan os.Signal, ended <-chan error) error {
	stop := func() {
		n := f.Shut()
		say(stderr, fmt.Sprintf("no more connections are taken; %s", pending(n)))
	}
	for {
		select {
		case <-signals:
			stop()
			stop = func() { f.Abort() }
		case err := <-ended:
			return err
		}
	}
}

func pending(running int) string {
	switch running {
	case 0:
		return "none was running"
	case 1:
		return "one is running and may end by itself; once more aborts it"
	}
	return fmt.Sprintf("%d are running and may end by themselves; once more aborts them", running)
}
