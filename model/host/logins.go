package host

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Login is an SSH connection that a server of this host has taken.
type Login struct {
	Client, Server netip.AddrPort
	// Began is when, as the time since the host was started (CLOCK_BOOTTIME): the
	// start of the first process that serves it; 0 not known.
	Began time.Duration
	// Entered is when somebody got in, of logins that were only recorded.
	Entered time.Duration
	// User has got in: a session was opened for him. "" while nobody has, as for the
	// connections that anybody in the Internet can make.
	User string
}

// Logins lists the SSH connections of this network namespace, the oldest first.
// When one began is told by the process that serves it alone, as every SSH server
// starts one for each connection. Without root only one's own are seen. It takes
// some milliseconds.
func Logins() []Login {
	var r reading
	r.names()
	var all []Login
	for _, l := range logins(r.running) {
		all = append(all, l.Login)
	}
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
