// Package frontend talks to the programs that own the firewall of a host and make its rules from files of their own:
// firewalld over D-Bus (firewalld.dbus(5)), and ufw by its files.
package frontend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// The names of firewalld on the system bus.
const (
	firewalldName = "org.fedoraproject.FirewallD1"
	firewalldPath = dbus.ObjectPath("/org/fedoraproject/FirewallD1")
)

// startTime is how long firewalld may take to start before nattui does without.
const startTime = 90 * time.Second

// askAgain is how long to wait before firewalld is asked again whether it has started: it tells of its reloads, and not
// of that.
const askAgain = 50 * time.Millisecond

// AwaitFirewalld waits until firewalld, if it has its name on the system bus, has made its rules: before that it flushes
// what others have. It has its name, and its unit counts as started, some 20 ms earlier. Without firewalld, or without a
// bus, it returns at once.
func AwaitFirewalld(ctx context.Context) error {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil // no bus, so no firewalld
	}
	defer bus.Close()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		state, err := firewalldState(ctx, bus)
		if err != nil || state == "RUNNING" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("firewalld does not start: its state is %q", state)
		case <-time.After(askAgain):
		}
	}
}

// firewalldState is INIT, RUNNING or FAILED; RUNNING also where firewalld is not there, as there is nothing to wait for.
func firewalldState(ctx context.Context, bus *dbus.Conn) (string, error) {
	var owned bool
	if err := bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, firewalldName).Store(&owned); err != nil || !owned {
		return "RUNNING", err
	}
	var state dbus.Variant
	err := bus.Object(firewalldName, firewalldPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, firewalldName, "state").Store(&state)
	var refused dbus.Error
	if errors.As(err, &refused) {
		return "", nil // it has ended, or does not answer yet
	}
	text, _ := state.Value().(string)
	return text, err
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
