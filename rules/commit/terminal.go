package commit

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// terminal is the terminal that a change was made from. It is gone when its
// device is, or when the process that leads its session is: the shell of a login.
// No file is kept open for that: it would keep sshd from ending the session.
type terminal struct {
	Device string `json:"device,omitempty"`
	Leader int    `json:"leader,omitempty"`
	Start  uint64 `json:"start,omitempty"` // of the leader, in clock ticks since boot
}

// ownTerminal is the controlling terminal of this process; zero if it has none.
func ownTerminal() terminal {
	f := statOf(os.Getpid())
	if f == nil || f[4] == 0 {
		return terminal{}
	}
	var t terminal
	// Documentation/admin-guide/devices.txt: 136 to 143 are the Unix98 terminals.
	major, minor := f[4]>>8&0xfff, f[4]&0xff|f[4]>>12&0xfff00
	if major >= 136 && major <= 143 {
		device := fmt.Sprintf("/dev/pts/%d", (major-136)<<8|minor)
		if _, err := os.Lstat(device); err == nil {
			t.Device = device
		}
	}
	if session := int(f[3]); session > 1 && session != os.Getpid() {
		if leader := statOf(session); leader != nil {
			t.Leader, t.Start = session, leader[19]
		}
	}
	return t
}

// gone reports whether the terminal was there and is not any more.
func (t terminal) gone() bool {
	if t.Device != "" {
		if _, err := os.Lstat(t.Device); missing(err) {
			return true
		}
	}
	if t.Leader == 0 {
		return false
	}
	f := statOf(t.Leader)
	return f == nil || f[19] != t.Start
}

// statOf reads the numbers of /proc/PID/stat from the state on (proc(5)); nil if
// the process is gone, or about to be. Index 0 is the state, 1 the parent, 3 the
// session, 4 the terminal, 19 the time of start.
func statOf(pid int) []uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	// The name, in brackets, may contain anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return nil
	}
	numbers := make([]uint64, 20)
	for i := range numbers {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		numbers[i] = uint64(n)
	}
	return numbers
}
