package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/rules"
	"nattui/rules/iptables"
)

// The exit statuses, the same for every command.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitConflict     = 3 // the table changed under us
	exitNotPermitted = 4
	exitProblems     = 10 // doctor found some
	exitWouldChange  = 11 // apply --check would change something
)

// usageError is the error of an invalid command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// refuseEmpty refuses flags that are given without anything, as by a variable that a script has not set.
func refuseEmpty(c *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := c.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return usagef("--%s: it needs a value", name)
		}
	}
	return nil
}

func (e usageError) Unwrap() error { return e.error }

// missingError is the error of a command about a rule or chain that is not there:
// the table is not what its caller took it for.
type missingError struct{ error }

func missingf(format string, args ...any) error { return missingError{fmt.Errorf(format, args...)} }

// exitStatus is what an error means to whoever started the command.
func exitStatus(err error) int {
	var conflict *rules.Conflict
	var missing missingError
	var usage usageError
	var status statusError
	switch {
	case err == nil, errors.Is(err, errReaderGone):
		return exitDone
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &conflict), errors.As(err, &missing):
		return exitConflict
	case errors.Is(err, iptables.ErrPermission), errors.Is(err, conntrack.ErrNotPermitted), errors.Is(err, os.ErrPermission):
		return exitNotPermitted
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// statusError ends the program with a status and says nothing.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// complain says an error on standard error and, where it is a matter of
// permission, the command that would work.
func complain(w io.Writer, err error, args []string) {
	var status statusError
	if errors.As(err, &status) || exitStatus(err) == exitDone {
		return
	}
	if errors.Is(err, context.Canceled) {
		say(w, "interrupted")
		return
	}
	say(w, err.Error())
	if exitStatus(err) == exitNotPermitted && os.Geteuid() != 0 {
		say(w, "this would work: "+rules.ShellLine(append([]string{"sudo", "nattui"}, args...))+"  (to try nattui without root: nattui lab)")
	}
}
