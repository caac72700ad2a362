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
		Long: "forward accepts TCP connections at LISTEN and relays them to TARGET in this process: it needs no rule, no IP forwarding and no privilege, and the target sees this host as its client. " +
			"It prints every connection and, with --dump, the data. On the first SIGINT or SIGTERM it accepts no more connections and ends when the last one closes; a second signal aborts them. " +
			"A connection is reset when it is idle for --idle-timeout, or when its client already has --per-client of them; 0 turns either limit off. Each connection takes two file descriptors here: ulimit -n says how many there are. Where they are all taken, the client with the most connections loses the one that was idle longest; where no client has many, one that was idle for ten seconds, or has carried nothing for one. " +
			"For a permanent forward, NAT in the kernel is faster:  nattui guide publish",
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
	c.Flags().BoolVarP(&o.Dump, "dump", "v", false, "print the data, with control characters escaped")
	c.Flags().DurationVar(&o.DialTimeout, "dial-timeout", 10*time.Second, "how long to wait for the target to accept")
	c.Flags().DurationVar(&o.IdleTimeout, "idle-timeout", time.Hour, "how long a connection may be idle; 0 for no limit")
	c.Flags().IntVar(&o.PerClient, "per-client", 1000, "how many connections a client (for IPv6, a /64) may have at a time; 0 for no limit")
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
		return fmt.Errorf("%w;  ss -ltnp  shows by which program", err)
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
		say(stderr, fmt.Sprintf("accepting no more connections; %s", pending(n)))
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
		return "none was open"
	case 1:
		return "waiting for 1 open connection; signal again to abort it"
	}
	return fmt.Sprintf("waiting for %d open connections; signal again to abort them", running)
}
