package host

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nattui/model/facts"
	"nattui/rules"
)

// This file answers who is here and how they came, and by what they could come: from
// the sockets of SSH servers and their processes, the processes that this one
// descends from, the recorded logins, and what listens for mosh and VPNs.

// vpnServers are the programs that let others in, by the name the kernel keeps.
var vpnServers = map[string]bool{
	"openvpn": true, "charon": true, "charon-systemd": true, "pluto": true, "tailscaled": true, "wireguard-go": true, "boringtun": true,
	"ocserv": true, "tincd": true, "zerotier-one": true, "nebula": true, "xl2tpd": true, "pptpd": true, "accel-pppd": true, "vpnserver": true,
	"softethervpn": true, "headscale": true, "netbird": true, "n2n": true, "edge": true,
}

// multiplexers are programs whose terminals outlive the login they were begun from.
var multiplexers = []string{"tmux", "screen", "SCREEN", "zellij", "abduco", "dtach", "byobu", "mosh-server"}

// Ports of mosh (mosh-server(1)).
const moshFirst, moshLast = 60000, 61000

func (r *reading) ways() {
	all := logins(r.running)
	r.seat(all)
	ports := r.sshPorts(all)
	records, err := recordedLogins()
	if err != nil {
		r.waysUnknown("recorded logins", err)
	}
	if _, err := sockets(unix.AF_INET, unix.IPPROTO_TCP, established); err != nil {
		r.waysUnknown("TCP connections", err)
	}
	for _, l := range all {
		r.facts.Ways = append(r.facts.Ways, l.way())
	}
	for _, c := range r.connections() {
		known := slices.ContainsFunc(all, func(l login) bool { return l.Client == c.remote && l.Server == c.local })
		if !known && slices.Contains(ports, c.local.Port()) {
			w := facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: c.remote, Server: c.local}
			w.Own = r.facts.Session != nil && r.facts.Session.Client == c.remote && r.facts.Seat == facts.SeatSSH
			r.facts.Ways = append(r.facts.Ways, w)
		}
	}
	r.shells()
	r.terminals()
	r.relays(all)
	r.waiting(records)
	r.tunnels()
	r.programTunnels()
	for _, one := range records {
		if !one.mosh && !slices.ContainsFunc(r.facts.Ways, func(w facts.Way) bool { return w.Client.Addr() == one.from }) {
			r.facts.Ways = append(r.facts.Ways, facts.Way{
				Kind: facts.WayLogin, Proto: rules.TCP, Client: netip.AddrPortFrom(one.from, 0), User: one.user, Ended: one.ended,
			})
		}
	}
}

func (r *reading) waysUnknown(what string, err error) {
	r.facts.WaysUnknown = append(r.facts.WaysUnknown, what)
	r.gap(what, err)
}

// seat finds by which of the logins this process was started, if by any.
func (r *reading) seat(all []login) {
	for pid := parentOf(os.Getpid()); pid > 1; pid = parentOf(pid) {
		name := r.nameOf(pid)
		if slices.ContainsFunc(multiplexers, func(m string) bool { return name == m || strings.HasPrefix(name, m+":") }) {
			r.facts.Seat = facts.SeatShared
			return
		}
		if name == "login" || name == "agetty" || name == "getty" {
			r.facts.Seat = facts.SeatConsole
			return
		}
		for i := range all {
			if slices.Contains(all[i].pids, pid) {
				all[i].own, r.facts.Seat = true, facts.SeatSSH
				if r.facts.Session == nil || r.facts.Session.Client != all[i].Client {
					r.facts.Session = &facts.Session{Client: all[i].Client, Server: all[i].Server, Live: facts.SettingOn, Evidence: fmt.Sprintf("process %d (%s)", pid, name)}
				}
				return
			}
		}
	}
	if s := r.facts.Session; s != nil && s.Live == facts.SettingOn && len(all) == 0 {
		r.facts.Seat = facts.SeatSSH // whose processes may not be seen
	}
}

// sshPorts are the ports on which SSH servers of this host serve.
func (r *reading) sshPorts(all []login) []uint16 {
	ports := []uint16{22}
	for _, l := range r.facts.Listeners {
		if l.Proto == rules.TCP && isSSHServer(l.Process) {
			ports = append(ports, l.Address.Port())
		}
	}
	for _, l := range all {
		ports = append(ports, l.Server.Port())
	}
	return ports
}

// waiting adds what waits for whoever comes: mosh and VPN servers.
func (r *reading) waiting(records []record) {
	inside := ""
	for _, l := range r.facts.Links {
		if program := encapsulators[l.Kind]; program != "" && inside == "" {
			inside = program
		}
	}
	for _, l := range r.facts.Listeners {
		w := facts.Way{Proto: l.Proto, Server: l.Address, Program: l.Process}
		port := l.Address.Port()
		switch {
		case l.Address.Addr().IsLoopback():
			continue
		case l.Proto == rules.UDP && (l.Process == "mosh-server" || l.Process == "" && port >= moshFirst && port <= moshLast):
			w.Kind = facts.WayMosh
			if i := slices.IndexFunc(records, func(one record) bool { return one.mosh && one.pid == l.PID }); i >= 0 {
				w.User, w.Client = records[i].user, netip.AddrPortFrom(records[i].from, 0)
			}
		case vpnServers[l.Process]:
			w.Kind = facts.WayVPN
		case inside != "" && l.Proto == rules.UDP && l.Process == "" && l.PID == 0: // the kernel's own socket
			w.Kind, w.Program = facts.WayVPN, inside
		default:
			continue
		}
		r.facts.Ways = append(r.facts.Ways, w)
	}
}

// login is an SSH connection of this host with the processes that serve it.
type login struct {
	Login
	pids []int
	own  bool
}

func (l login) way() facts.Way {
	return facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: l.Client, Server: l.Server, User: l.User, Began: l.Began, Own: l.own, Program: "sshd"}
}

// logins finds the connections that processes of SSH servers hold, the oldest first.
func logins(running []process) []login {
	var open []socket
	var all []login
	for _, p := range running {
		if !isSSHServer(p.name) && p.name != "sshd-auth" {
			continue
		}
		began, ok := startOf(p.pid)
		if !ok {
			continue
		}
		if open == nil {
			open = connections()
		}
		held := socketsOf(p.pid)
		own := ownConnection(p, held)
		for _, c := range open {
			if !slices.Contains(held, c.inode) && (own == nil || own.Client != c.remote || own.Server != c.local) {
				continue
			}
			i := slices.IndexFunc(all, func(l login) bool { return l.Client == c.remote && l.Server == c.local })
			if i < 0 {
				i = len(all)
				all = append(all, login{Login: Login{Client: c.remote, Server: c.local, Began: began}})
			}
			l := &all[i]
			l.Began, l.pids = min(l.Began, began), append(l.pids, p.pid)
			if name := userOf(p, running); name != "" {
				l.User = name
			}
		}
	}
	slices.SortFunc(all, func(a, b login) int {
		return cmp.Or(cmp.Compare(a.Began, b.Began), a.Client.Compare(b.Client))
	})
	return all
}

// ownConnection is the connection of a process that this one descends from, where
// its sockets may not be seen: without root, by the environment.
func ownConnection(p process, held []uint64) *facts.Session {
	if held != nil || listens(p) {
		return nil
	}
	for pid := parentOf(os.Getpid()); pid > 1; pid = parentOf(pid) {
		if pid != p.pid {
			continue
		}
		if value, ok := os.LookupEnv(sshVariable); ok {
			if s := sessionFrom(value); s != nil && s.Live == facts.SettingOn {
				return s
			}
		}
	}
	return nil
}

// listens tells that a process of an SSH server waits for connections and serves none: it was there before all of them.
// OpenSSH writes "sshd: " before what a process serves, and "[listener]" into the title of the one that waits. dropbear
// starts another dropbear for each connection.
func listens(p process) bool {
	switch p.name {
	case "sshd":
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		return err == nil && (!strings.HasPrefix(string(text), "sshd: ") || strings.Contains(string(text), "[listener]"))
	case "dropbear":
		name, err := readLine(fmt.Sprintf("/proc/%d/comm", parentOf(p.pid)))
		return err == nil && name != "dropbear"
	}
	return false
}

// userOf is who has got in by a process of an SSH server; "" nobody, or not yet.
// OpenSSH writes it into the process's title once a session is open: "sshd:
// alice@pts/0", "sshd-session: alice@notty". What it writes before has no @ or ends in
// brackets: "sshd: alice [priv]". dropbear writes nothing, and starts nothing but what
// somebody who has got in runs.
func userOf(p process, running []process) string {
	if p.name == "dropbear" {
		for _, child := range running {
			if child.name != "dropbear" && parentOf(child.pid) == p.pid {
				return ownerOf(child.pid)
			}
		}
		return ""
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
	if err != nil {
		return ""
	}
	_, title, ok := strings.Cut(strings.TrimRight(string(text), "\x00 "), ": ")
	at := strings.LastIndexByte(title, '@')
	if !ok || at <= 0 || strings.HasSuffix(title, "]") {
		return ""
	}
	return title[:at]
}

// ownerOf is the name of the user whom a process belongs to.
func ownerOf(pid int) string {
	var stat unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d", pid), &stat) != nil {
		return ""
	}
	id := strconv.Itoa(int(stat.Uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
