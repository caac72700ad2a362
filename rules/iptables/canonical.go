package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/rules"
)

// ErrNoScratch is in the chain of the error of Canonical where no network namespace can be made: that takes
// CAP_SYS_ADMIN.
var ErrNoScratch = errors.New("no network namespace can be made to read the rules in")

// Canonical is a text in the form of iptables-restore, however it is written, as the kernel has it: rules read as
// iptables-save prints them, so that they can be compared with those that are there. The text is loaded by the variant's own
// iptables-restore into an empty network namespace, which goes away again. It blocks while that runs.
//
// The error is *Rejected, with the program's own words and line, where the program does not take the text. What hangs on
// things that only this network namespace has, such as an ipset, is among that.
func (h *Host) Canonical(ctx context.Context, variant rules.Variant, text string) ([]rules.Table, error) {
	p, err := h.programs(variant)
	if err != nil {
		return nil, err
	}
	type outcome struct {
		tables []rules.Table
		err    error
	}
	done := make(chan outcome, 1)
	var load func()
	load = func() {
		runtime.LockOSThread() // and never unlocked: the thread is in another namespace, and ends with this function
		if unix.Gettid() == os.Getpid() {
			// The first thread never ends, and would be left there: while it is held, another one is taken.
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				load()
			}()
			<-ended
			runtime.UnlockOSThread()
			return
		}
		tables, err := p.loadedAside(ctx, text)
		done <- outcome{tables, err}
	}
	go load()
	o := <-done
	if o.err != nil {
		return nil, o.err
	}
	var named []rules.Table
	for _, t := range o.tables {
		if slices.Contains(tablesOf(text), t.Name) {
			named = append(named, t)
		}
	}
	return named, nil
}

// loadedAside moves the thread into a network namespace of its own, loads the text there and reads it back.
func (p *programs) loadedAside(ctx context.Context, text string) ([]rules.Table, error) {
	here, hereErr := os.Readlink("/proc/thread-self/ns/net")
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoScratch, err)
	}
	// The program empties what it loads. That this is not done where the host's own rules are is looked at, not assumed.
	aside, err := os.Readlink("/proc/thread-self/ns/net")
	if err = errors.Join(err, hereErr); err != nil || aside == here {
		return nil, fmt.Errorf("%w: %w", ErrNoScratch, errors.Join(err, errors.New("it is not a new one")))
	}
	var complaint words
	cmd := command(ctx, p.restore, "-w", fmt.Sprint(int(LockWait.Seconds())))
	cmd.Stdin, cmd.Stderr = strings.NewReader(text), &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if words := strings.TrimSpace(complaint.String()); words != "" && !isPermission(words) {
			return nil, &Rejected{Variant: p.variant, Program: p.restore, Words: words}
		}
		return nil, p.failure(ctx, "reading the rules of "+p.variant.String(), p.restore, complaint.String(), err)
	}
	saved, err := p.saved(ctx)
	if err != nil {
		return nil, err
	}
	return rules.Read(bytes.NewReader(saved))
}

// tablesOf are the names of the tables in a text.
func tablesOf(text string) (names []string) {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "*"); ok {
			names = append(names, name)
		}
	}
	return names
}
