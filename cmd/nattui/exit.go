package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

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
)

// usageError is the error of a command line that makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitStatus is what an error means to whoever started the command.
func exitStatus(err error) int {
	var conflict *rules.Conflict
	var usage usageError
	var status statusError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE), errors.Is(err, context.Canceled):
		return exitDone
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &conflict):
		return exitConflict
	case errors.Is(err, iptables.ErrPermission), errors.Is(err, conntrack.ErrNotPermitted), errors.Is(err, os.ErrPermission):
		return exitNotPermitted
	case errors.As(err, &usage), isUsage(err):
		return exitUsage
	}
	return exitFailed
}

// statusError ends the program with a status and says nothing.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// isUsage tells the errors that cobra makes of a command line.
func isUsage(err error) bool {
	for _, begin := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs", "invalid argument", "accepts ", "requires at least", "required flag", "if any flags", "bad flag"} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

// complain says an error on standard error, and what would help where it is a
// matter of permission.
func complain(w io.Writer, err error) {
	var status statusError
	if errors.As(err, &status) || exitStatus(err) == exitDone {
		return
	}
	fmt.Fprintln(w, "nattui:", err)
	if exitStatus(err) == exitNotPermitted {
		fmt.Fprintln(w, "nattui: this needs root or CAP_NET_ADMIN and CAP_NET_RAW: try  sudo nattui  or, to look around without,  nattui lab")
	}
}
