package host

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"nattui/model/facts"
)

const sshVariable = "SSH_CONNECTION"

// session finds the SSH connection that this process was started from: from its
// own environment, or, since sudo and su clean that, from that of the processes
// it descends from, or from the SSH server among them and its socket.
func (r *reading) session() {
	r.facts.Session = findSession(os.Getpid(), r.nameOf)
}

func (r *reading) nameOf(pid int) string {
	for _, p := range r.running {
		if p.pid == pid {
			return p.name
		}
	}
	return ""
}

func findSession(pid int, nameOf func(pid int) string) *facts.Session {
	if value, ok := os.LookupEnv(sshVariable); ok {
		if s := sessionFrom(value); s != nil {
			s.Evidence = sshVariable
			return s
		}
	}
	const deepest = 64
	for range deepest {
		if pid = parentOf(pid); pid <= 1 {
			return nil
		}
		if value, ok := environmentOf(pid, sshVariable); ok {
			if s := sessionFrom(value); s != nil {
				s.Evidence = fmt.Sprintf("%s of process %d (%s)", sshVariable, pid, nameOf(pid))
				return s
			}
		}
		if name := nameOf(pid); isSSHServer(name) {
			if s := sessionOf(pid); s != nil {
				s.Evidence = fmt.Sprintf("the socket of process %d (%s)", pid, name)
				return s
			}
		}
	}
	return nil
}

func isSSHServer(name string) bool {
	return name == "sshd" || name == "sshd-session" || name == "dropbear"
}

// sessionFrom reads the value of SSH_CONNECTION: the client's address and port
// and the server's, separated by spaces (ssh(1)).
func sessionFrom(value string) *facts.Session {
	fields := strings.Fields(value)
	if len(fields) != 4 {
		return nil
	}
	client, ok1 := endpoint(fields[0], fields[1])
	server, ok2 := endpoint(fields[2], fields[3])
	if !ok1 || !ok2 {
		return nil
	}
	s := &facts.Session{Client: client, Server: server, Live: facts.SettingOff}
	if connected(server, client) {
		s.Live = facts.SettingOn
	}
	return s
}

func endpoint(address, port string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(address)
	number, errPort := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(number)), err == nil && errPort == nil
}

// sessionOf is the connection that an SSH server's process holds.
func sessionOf(pid int) *facts.Session {
	held := socketsOf(pid)
	for _, c := range connections() {
		if slices.Contains(held, c.inode) {
			return &facts.Session{Client: c.remote, Server: c.local, Live: facts.SettingOn}
		}
	}
	return nil
}
