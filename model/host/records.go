package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules/textfile"
)

// This file reads what others have written down of logins: utmp and wtmp (utmp(5)) and the sessions of
// systemd-logind.

// record is a login from elsewhere that was recorded.
type record struct {
	pid  int
	user string
	from netip.Addr
	mosh bool
	at   time.Time // wall clock
	// ended logins have left something behind that runs on: a terminal multiplexer, or what it was told
	// to go on with.
	ended bool
}

const sessionFiles = "/run/systemd/sessions"

// recordedLogins are those whose process is alive, or whose session is: by utmp and by logind, where they are.
func recordedLogins() ([]record, error) {
	text, err := os.ReadFile("/run/utmp")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	all := slices.DeleteFunc(parseRecords(text), func(one record) bool { return parentOf(one.pid) == 0 })
	paths, _ := filepath.Glob(filepath.Join(sessionFiles, "[!.]*"))
	for _, path := range paths {
		text, err := textfile.Read(path)
		if one, ok := parseSession(string(text)); err == nil && ok {
			one.ended = parentOf(one.pid) == 0
			all = append(all, one)
		}
	}
	return all, nil
}

// parseSession reads what logind keeps of a session, which it calls private; what is missing there is no login.
func parseSession(text string) (one record, ok bool) {
	remote := false
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "REMOTE":
			remote = value == "1"
		case "REMOTE_HOST":
			addr, err := netip.ParseAddr(value)
			one.from, ok = addr.Unmap().WithZone(""), err == nil
		case "USER":
			one.user = value
		case "LEADER":
			one.pid, _ = strconv.Atoi(value)
		}
	}
	return one, ok && remote
}

// parseRecords reads struct utmp: 384 bytes where it has the times of 32-bit
// machines, as on x86-64, else 400.
func parseRecords(text []byte) []record {
	size := 384
	if len(text)%384 != 0 && len(text)%400 == 0 {
		size = 400
	}
	const userProcess = 7
	var all []record
	for ; len(text) >= size; text = text[size:] {
		field := func(at, n int) string {
			b, _, _ := bytes.Cut(text[at:at+n], []byte{0})
			return string(b)
		}
		if binary.NativeEndian.Uint16(text) != userProcess {
			continue
		}
		host, via, mosh := strings.Cut(field(76, 256), " via mosh")
		addr, err := netip.ParseAddr(host)
		if err != nil {
			continue
		}
		one := record{
			pid: int(binary.NativeEndian.Uint32(text[4:])), user: field(44, 32), from: addr.Unmap().WithZone(""), mosh: mosh, at: recordTime(text, size),
		}
		if inside := strings.Trim(via, " []"); inside != "" {
			if n, err := strconv.Atoi(inside); err == nil {
				one.pid = n // of the server: "192.0.2.1 via mosh [1234]"
			}
		}
		all = append(all, one)
	}
	return all
}

// recordTime is ut_tv: two numbers of 32 bits, or of 64.
func recordTime(text []byte, size int) time.Time {
	const at32, at64 = 340, 344
	if size == 384 {
		return time.Unix(int64(binary.NativeEndian.Uint32(text[at32:])), 1000*int64(binary.NativeEndian.Uint32(text[at32+4:])))
	}
	return time.Unix(int64(binary.NativeEndian.Uint64(text[at64:])), 1000*int64(binary.NativeEndian.Uint64(text[at64+8:])))
}

// PastLogins are the logins over SSH that wtmp has recorded since a moment (CLOCK_BOOTTIME), whether they have ended or
// not: each has Entered, and no Began, for the connection may be older than the session in it (ControlMaster in
// ssh_config(5)) or than its password. sshd records logins with a terminal; Debian 13 has no such file, and then there are none.
func PastLogins(since time.Duration) []Login {
	const newest = 1000
	file, err := os.Open("/var/log/wtmp")
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	size := int64(384)
	if info.Size()%size != 0 {
		size = 400
	}
	text := make([]byte, min(info.Size(), newest*size)/size*size)
	if _, err := file.ReadAt(text, info.Size()/size*size-int64(len(text))); err != nil {
		return nil
	}
	var boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return nil
	}
	return loginsSince(parseRecords(text), since, time.Duration(boot.Nano()), time.Now())
}

// loginsSince are the recorded ones from a moment on; boot and now are the same moment by two clocks. What is
// dated later than now was dated by another clock, and is left out.
func loginsSince(records []record, since, boot time.Duration, now time.Time) []Login {
	var all []Login
	for _, one := range records {
		entered := boot - now.Sub(one.at)
		if one.mosh || one.at.After(now) || entered <= since {
			continue
		}
		all = append(all, Login{Client: netip.AddrPortFrom(one.from, 0), Entered: entered, User: one.user})
	}
	return all
}
