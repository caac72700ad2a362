package host

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/rules"
)

// This file follows those who came otherwise than straight to an SSH server of this host: through a program here that
// relays them (a tunnel of ssh -R, sslh, stunnel, nattui forward), or to a server of another kind (ttyd, telnetd).

// HasAddress tells whether an address is one of this host's own, those of 127.0.0.0/8 and ::1 included. Where they cannot be
// told, any may be.
func HasAddress(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(own, func(one net.Addr) bool {
		prefix, err := netip.ParsePrefix(one.String())
		return err == nil && prefix.Addr().Unmap().WithZone("") == a
	})
}

// shells adds the connections from elsewhere that processes hold which this one descends from, whatever server they are.
// Who came by one is not at the console, though telnetd starts login as a console does.
func (r *reading) shells() {
	for pid := parentOf(os.Getpid()); pid > 1; pid = parentOf(pid) {
		name := r.nameOf(pid)
		if isSSHServer(name) {
			continue
		}
		for _, c := range r.connectionsOf(pid) {
			r.facts.Ways = append(r.facts.Ways, facts.Way{Kind: facts.WayShell, Proto: rules.TCP, Client: c.remote, Server: c.local, Program: name, Own: true, Outward: !r.serves(c.local.Port())})
			if r.facts.Seat == facts.SeatConsole || r.facts.Seat == facts.SeatUnknown {
				r.facts.Seat = facts.SeatSSH
			}
		}
	}
}

// terminals adds the connections from elsewhere that leaders of sessions with a pseudo-terminal descend from, but for those of
// SSH: whoever has attached to tmux through another server, or works in such a shell while somebody else is at the console.
// A program that dialled out may have given its terminal to whoever is at the other end.
func (r *reading) terminals() {
	known := func(c socket) bool {
		return slices.ContainsFunc(r.facts.Ways, func(w facts.Way) bool { return w.Client == c.remote && w.Server == c.local })
	}
	looked := map[int]bool{}
	for _, p := range r.running {
		if p.elsewhere || !leadsPseudoTerminal(p.pid) {
			continue
		}
		var hidden []string
		for pid := p.pid; pid > 1 && !looked[pid]; pid = parentOf(pid) {
			looked[pid] = true
			name := r.nameOf(pid)
			if isSSHServer(name) {
				hidden = nil
				break
			}
			if r.fromHere(pid) {
				r.facts.WaysUnknown = append(r.facts.WaysUnknown, "what relays the terminals of "+name)
			}
			if isHidden(pid) && !slices.Contains(quiet, name) {
				hidden = []string{"what " + name + " of another user serves"}
			}
			for _, c := range r.connectionsOf(pid) {
				if !known(c) {
					r.facts.Ways = append(r.facts.Ways, facts.Way{Kind: facts.WayShell, Proto: rules.TCP, Client: c.remote, Server: c.local, Program: name, Outward: !r.serves(c.local.Port())})
				}
			}
		}
		r.facts.WaysUnknown = append(r.facts.WaysUnknown, hidden...)
	}
}

// quiet are programs of other users between a terminal and whoever began it, which serve nobody by the network.
var quiet = []string{"login", "getty", "agetty", "su", "sudo", "doas", "systemd", "(sd-pam)", "init", "runuser"}

// isHidden tells that the open files of a process may not be seen, as those of other users.
func isHidden(pid int) bool {
	_, _, err := openFiles(pid)
	return errors.Is(err, os.ErrPermission)
}

// fromHere tells that a process serves somebody who comes from this host itself, as through a proxy before a server of terminals.
func (r *reading) fromHere(pid int) bool {
	held := socketsOf(pid)
	return len(held) > 0 && slices.ContainsFunc(r.connections(), func(c socket) bool {
		if !slices.Contains(held, c.inode) || !HasAddress(c.remote.Addr()) || !r.serves(c.local.Port()) {
			return false
		}
		return !isSSHServer(r.nameOf(r.holderOf(c.remote, c.local))) // whose login is known
	})
}

// serves tells that something of this host waits for TCP connections on a port.
func (r *reading) serves(port uint16) bool {
	return slices.ContainsFunc(r.facts.Listeners, func(s facts.Listener) bool { return s.Proto == rules.TCP && s.Address.Port() == port })
}

// connectionsOf are the TCP connections with other hosts that a process holds.
func (r *reading) connectionsOf(pid int) (found []socket) {
	held := socketsOf(pid)
	if len(held) == 0 {
		return nil
	}
	for _, c := range r.connections() {
		if slices.Contains(held, c.inode) && !HasAddress(c.remote.Addr()) {
			found = append(found, c)
		}
	}
	return found
}

// relays follows the logins that came from this host itself. Where the program is not found that relays one, or how
// others reach that, it is not known who may be cut off.
func (r *reading) relays(all []login) {
	followed := map[int]bool{}
	for _, l := range all {
		if !HasAddress(l.Client.Addr()) {
			continue
		}
		pid := r.holderOf(l.Client, l.Server)
		if followed[pid] && pid != 0 {
			continue
		}
		if followed[pid] = true; pid == 0 || !r.relayedBy(pid, all, l) {
			r.facts.WaysUnknown = append(r.facts.WaysUnknown, "what relays the login from "+l.Client.Addr().String()+" port "+strconv.Itoa(int(l.Client.Port())))
		}
	}
}

// holderOf is a process that holds the socket between two ends; 0 where none is found.
func (r *reading) holderOf(local, remote netip.AddrPort) int {
	open := r.connections()
	i := slices.IndexFunc(open, func(c socket) bool { return c.local == local && c.remote == remote })
	if i < 0 {
		return 0
	}
	for _, p := range r.running {
		if slices.Contains(socketsOf(p.pid), open[i].inode) {
			return p.pid
		}
	}
	return 0
}

// relayedBy adds what a program has beside its connection to this host's SSH server: its connections to others, and the
// ports where it waits for packets; false where it has nothing, and was not started by a login that is known.
func (r *reading) relayedBy(pid int, all []login, l login) bool {
	held, found, name := socketsOf(pid), false, r.nameOf(pid)
	add := func(w facts.Way) {
		w.Kind, w.Program, w.Own, found = facts.WayRelay, name, l.own, true
		r.facts.Ways = append(r.facts.Ways, w)
	}
	for _, c := range r.connectionsOf(pid) {
		if r.serves(c.local.Port()) {
			add(facts.Way{Proto: rules.TCP, Client: c.remote, Server: c.local})
			continue
		}
		add(facts.Way{Proto: rules.TCP, Client: c.local, Server: c.remote}) // it connected to there itself
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, state := range []uint8{established, unconnected} {
			waiting, err := sockets(family, unix.IPPROTO_UDP, state)
			if err != nil {
				return false
			}
			for _, s := range waiting {
				if slices.Contains(held, s.inode) && !s.local.Addr().IsLoopback() {
					add(facts.Way{Proto: rules.UDP, Server: s.local})
				}
			}
		}
	}
	return r.begunBy(pid, all) || found
}

// begunBy tells whether a process descends from a login that is known, or from the console: whoever typed it there came
// by that.
func (r *reading) begunBy(pid int, all []login) bool {
	console := false
	for ; pid > 1; pid = parentOf(pid) {
		name := r.nameOf(pid)
		console = console || name == "login" || name == "agetty"
		if !isSSHServer(name) && len(r.connectionsOf(pid)) > 0 {
			return false // a server of another kind: who came by it is not followed
		}
		if slices.ContainsFunc(all, func(l login) bool { return slices.Contains(l.pids, pid) && !HasAddress(l.Client.Addr()) }) {
			return true
		}
	}
	return console
}
