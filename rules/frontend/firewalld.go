// Package frontend talks to the programs that own the firewall of a host and make its rules from files of their own:
// firewalld over D-Bus (firewalld.dbus(5)), and ufw by its files.
package frontend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// The names of firewalld on the system bus.
const (
	firewalldName = "org.fedoraproject.FirewallD1"
	firewalldPath = dbus.ObjectPath("/org/fedoraproject/FirewallD1")
)

// firewalldProgram is where every distribution has it.
const firewalldProgram = "/usr/sbin/firewalld"

// startTime is how long firewalld may take to start before nattui does without.
const startTime = 90 * time.Second

// askAgain is how long to wait before firewalld is asked again whether it has started: it tells of its reloads, and not
// of that.
const askAgain = 50 * time.Millisecond

// answerTime is how long firewalld, and the bus, may take to answer: while it makes its rules it answers nobody, and one that
// hangs must not hang whoever only looks.
const answerTime = time.Second

// Firewalld's states (firewalld.dbus(5)), that of one that is not there, and that of one that does not answer.
const (
	stateRunning = "RUNNING"
	stateFailed  = "FAILED"
	stateStarts  = "INIT"
	stateAbsent  = ""
	stateSilent  = "no answer"
)

// AwaitFirewalld waits until firewalld, if it runs or is being started, has made its rules: before that it flushes
// what others have. It has its name on the system bus, and its unit counts as started, some 20 ms earlier. Without firewalld,
// or without a bus, it returns at once. waits is called, once, where there is something to wait for, with what it is.
func AwaitFirewalld(ctx context.Context, waits func(why string)) error {
	bus, err := systemBus(ctx)
	if err != nil {
		return nil // no bus, so no firewalld
	}
	defer bus.Close()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for waited := false; ; {
		state, err := firewalldState(ctx, bus)
		switch {
		case err != nil:
			return err
		case state == stateFailed:
			return errors.New("firewalld has failed to start: which of its rules are there is not known")
		case unready[state] == "":
			return nil
		case !waited && waits != nil:
			waits(unready[state])
		}
		waited = true
		select {
		case <-ctx.Done():
			return errors.New("firewalld does not come to an end with starting: which of its rules are there is not known")
		case <-time.After(askAgain):
		}
	}
}

// unready says why firewalld's rules are not known in those states in which it will have others soon.
var unready = map[string]string{stateStarts: "firewalld is starting", stateSilent: "firewalld does not answer"}

// FirewalldUnready says why it is not known which rules firewalld will have: it is being started, starts and has not made them
// yet, or makes them and answers nobody. It is "" where it is known, and returns within a second or so.
func FirewalldUnready(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTime)
	defer cancel()
	bus, err := systemBus(ctx)
	if err != nil {
		return ""
	}
	defer bus.Close()
	state, err := firewalldState(ctx, bus)
	if err != nil {
		return ""
	}
	return unready[state]
}

// systemBus connects to the bus where firewalld is installed; an error elsewhere.
func systemBus(ctx context.Context) (*dbus.Conn, error) {
	if _, err := os.Stat(firewalldProgram); err != nil {
		return nil, err
	}
	return dbus.ConnectSystemBus(dbus.WithContext(ctx))
}

// firewalldState is what firewalld says of itself, or systemd while it has not got so far.
func firewalldState(ctx context.Context, bus *dbus.Conn) (string, error) {
	var owned bool
	if err := bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, firewalldName).Store(&owned); err != nil {
		return stateAbsent, err
	}
	if !owned {
		switch unitState(ctx, bus, "firewalld.service") {
		case "activating", "deactivating", "reloading": // it may be stopped to be started again
			return stateStarts, nil
		}
		return stateAbsent, nil
	}
	soon, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var state dbus.Variant
	err := bus.Object(firewalldName, firewalldPath).CallWithContext(soon, "org.freedesktop.DBus.Properties.Get", 0, firewalldName, "state").Store(&state)
	var refused dbus.Error
	switch {
	case errors.As(err, &refused):
		return stateStarts, nil // it has just ended, or has no objects yet
	case err != nil && soon.Err() != nil && ctx.Err() == nil:
		return stateSilent, nil
	}
	text, _ := state.Value().(string)
	if text != stateRunning && text != stateFailed {
		text = stateStarts
	}
	return text, err
}

// unitState is what systemd says of a unit (org.freedesktop.systemd1(5)); "" where it is not known.
func unitState(ctx context.Context, bus *dbus.Conn, unit string) string {
	const systemd, path = "org.freedesktop.systemd1", dbus.ObjectPath("/org/freedesktop/systemd1")
	var at dbus.ObjectPath
	if bus.Object(systemd, path).CallWithContext(ctx, systemd+".Manager.GetUnit", 0, unit).Store(&at) != nil {
		return ""
	}
	var state dbus.Variant
	if bus.Object(systemd, at).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, systemd+".Unit", "ActiveState").Store(&state) != nil {
		return ""
	}
	text, _ := state.Value().(string)
	return text
}

// firewalldFlushes tells, until ctx ends, when firewalld has made its rules anew: after a reload, and when it has started.
// The channel is closed where the bus goes away.
func firewalldFlushes(ctx context.Context) (<-chan struct{}, error) {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("listen to firewalld: %w", err)
	}
	signals := make(chan *dbus.Signal, 16)
	bus.Signal(signals)
	err = errors.Join(
		bus.AddMatchSignal(dbus.WithMatchInterface(firewalldName), dbus.WithMatchMember("Reloaded")),
		bus.AddMatchSignal(dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, firewalldName)))
	if err != nil {
		_ = bus.Close()
		return nil, fmt.Errorf("listen to firewalld: %w", err)
	}
	told := make(chan struct{}, 1)
	go func() {
		defer close(told)
		defer bus.Close()
		for range signals {
			select {
			case told <- struct{}{}:
			default: // told already, and not looked at yet
			}
		}
	}()
	return told, nil
}

// ZoneOf names the zone of firewalld that an interface is in; "" where firewalld does not run.
func ZoneOf(ctx context.Context, link string) string {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return ""
	}
	defer bus.Close()
	var owned bool
	if err := bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, firewalldName).Store(&owned); err != nil || !owned {
		return ""
	}
	object := bus.Object(firewalldName, firewalldPath)
	var zone string
	if err := object.CallWithContext(ctx, firewalldName+".zone.getZoneOfInterface", 0, link).Store(&zone); err != nil || zone != "" {
		return zone
	}
	_ = object.CallWithContext(ctx, firewalldName+".getDefaultZone", 0).Store(&zone)
	return zone
}
