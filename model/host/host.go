// Package host tells what is known of this gateway besides its rules and flows:
// links, addresses, routes, settings, listeners, the operator's SSH session.
//
// Everything is read from the network namespace of the calling OS thread, by
// rtnetlink and /proc. Reading needs no privilege, except for the names of
// other users' programs; writing settings needs root.
package host

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
)

// Read takes a snapshot. What cannot be read is left unknown, and said in the
// snapshot's Gaps; the error is only ever that of ctx. It takes a few
// milliseconds on an ordinary gateway, and blocks meanwhile.
func Read(ctx context.Context) (facts.Facts, error) {
	r := reading{facts: facts.Facts{At: time.Now().UnixNano(), Settings: facts.UnknownSettings()}}
	steps := []func(*reading){
		(*reading).identity, (*reading).links, (*reading).addresses, (*reading).routes, (*reading).policyRules,
		(*reading).neighbours, (*reading).stations, (*reading).queues, (*reading).proxied, (*reading).policies, (*reading).settings, (*reading).processes, (*reading).listeners, (*reading).session, (*reading).ways, (*reading).presences,
	}
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return facts.Facts{}, err
		}
		step(&r)
	}
	return r.facts, nil
}

// Programs are those on this host that make rules or addresses by themselves, as Read tells them (facts.Facts.Presences),
// without the rest of it.
func Programs() []facts.Presence {
	var r reading
	r.names()
	r.presences()
	return r.facts.Presences
}

// reading is a snapshot in the making, with what only its makers need.
type reading struct {
	facts     facts.Facts
	linkNames map[int]string
	running   []process
	holders   map[uint64]process   // by the inode of a socket that they hold
	tunnelled map[string][]process // by the link whose device they hold; "ppp" stands for all of PPP
	searched  bool                 // the open files of every process were looked at

	established *[]socket // TCP connections, once somebody has asked
}

// gap notes that something could not be read.
func (r *reading) gap(what string, err error) {
	if err != nil {
		r.facts.Gaps = append(r.facts.Gaps, fmt.Sprintf("%s: %v", what, err))
	}
}

// linkName is the name of a link, or its number if it has gone meanwhile.
func (r *reading) linkName(index int) string {
	if name, ok := r.linkNames[index]; ok || index == 0 {
		return name
	}
	return fmt.Sprintf("if%d", index)
}

func (r *reading) identity() {
	var system unix.Utsname
	if err := unix.Uname(&system); err != nil {
		r.gap("host name", err)
		return
	}
	r.facts.Hostname = unix.ByteSliceToString(system.Nodename[:])
	r.facts.Kernel = unix.ByteSliceToString(system.Release[:])
	r.facts.Init = initSystem()
}

// initSystem tells what starts services here by the traces it leaves.
func initSystem() string {
	for _, s := range []struct{ name, trace string }{
		{"systemd", "/run/systemd/system"}, {"openrc", "/run/openrc"}, {"procd", "/sbin/procd"}, {"runit", "/run/runit"}, {"s6", "/run/s6"},
	} {
		if _, err := os.Stat(s.trace); err == nil {
			return s.name
		}
	}
	return ""
}

// readLine is the first line of a small file of the kernel's.
func readLine(path string) (string, error) {
	text, err := os.ReadFile(path)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line), err
}
