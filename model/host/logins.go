package host

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Login is an SSH connection that a server of this host has taken and that is
// still there.
type Login struct {
	Client, Server netip.AddrPort
	// Began is when, as the time since the host was started (CLOCK_BOOTTIME).
	Began time.Duration
}

// Logins lists the SSH connections of this network namespace, the oldest first.
// When one began is told by the process that serves it alone, as every SSH server
// starts one for each connection. Without root only one's own are seen. It takes
// some milliseconds.
func Logins() []Login {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var open []socket
	first := map[uint64]Login{}
	for _, entry := range names {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		name, err := readLine("/proc/" + entry.Name() + "/comm")
		if err != nil || !isSSHServer(name) && name != "sshd-auth" {
			continue
		}
		began, ok := startOf(pid)
		if !ok {
			continue
		}
		if open == nil {
			open = connections()
		}
		held := socketsOf(pid)
		for _, c := range open {
			if known, seen := first[c.inode]; slices.Contains(held, c.inode) && (!seen || began < known.Began) {
				first[c.inode] = Login{c.remote, c.local, began}
			}
		}
	}
	var all []Login
	for _, l := range first {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Login) int {
		return cmp.Or(cmp.Compare(a.Began, b.Began), a.Client.Compare(b.Client))
	})
	return all
}

// ticks is how many clock ticks a second has in /proc: USER_HZ, which is 100 on
// every architecture that Go runs on.
const ticks = 100

// startOf is when a process was started: field 22 of /proc/PID/stat (proc(5)),
// counted from the start of the host.
func startOf(pid int) (time.Duration, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(fields[19], 10, 64)
	return time.Duration(n) * (time.Second / ticks), err == nil
}
