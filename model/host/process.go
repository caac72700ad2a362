package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"nattui/model/facts"
)

// process is a running program.
type process struct {
	pid  int
	name string // at most 15 bytes, as the kernel keeps it
	// elsewhere is set for one that is known to be in another network namespace, such as in a container.
	elsewhere bool
}

// socketSearch bounds the time spent on finding out whose sockets are whose: on
// a host with tens of thousands of open files the names are not worth the wait.
const socketSearch = 150 * time.Millisecond

func (r *reading) processes() {
	r.names()
	r.findHolders(time.Now().Add(socketSearch))
}

// names lists the processes.
func (r *reading) names() {
	dir, err := os.Open("/proc")
	if err != nil {
		r.gap("processes", err)
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	r.gap("processes", err)
	here, _ := os.Readlink("/proc/thread-self/ns/net")
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if comm, err := readLine("/proc/" + name + "/comm"); err == nil {
			r.running = append(r.running, process{pid: pid, name: comm, elsewhere: elsewhere(pid, here)})
		}
	}
}

// elsewhere tells that a process is in another network namespace than the one given; where that may not be read it is
// taken to be in the same.
func elsewhere(pid int, here string) bool {
	net, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	return err == nil && here != "" && net != here
}

// findHolders learns which process holds which socket, from the names of its
// open files. Other users' are hidden from all but root.
func (r *reading) findHolders(until time.Time) {
	r.holders, r.tunnelled, r.searched = map[uint64]process{}, map[string][]process{}, true
	for _, p := range r.running {
		if time.Now().After(until) {
			r.searched = false
			r.gap("programs of listeners", fmt.Errorf("gave up after %v", socketSearch))
			return
		}
		inodes, links, err := openFiles(p.pid)
		if errors.Is(err, os.ErrPermission) {
			r.searched = false
		}
		for _, inode := range inodes {
			r.holders[inode] = p
		}
		for _, link := range links {
			r.tunnelled[link] = append(r.tunnelled[link], p)
		}
	}
}

// socketsOf are the inodes of the sockets that a process holds.
func socketsOf(pid int) []uint64 {
	inodes, _, _ := openFiles(pid)
	return inodes
}

// openFiles are the sockets that a process holds, by inode, and the links whose device it holds.
func openFiles(pid int) (inodes []uint64, links []string, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		target, err := os.Readlink(dir + "/" + file.Name())
		if err != nil {
			continue
		}
		if target == tunDevice || target == pppDevice {
			links = append(links, deviceLinks(pid, file.Name(), target)...)
		}
		text, isSocket := strings.CutPrefix(target, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64); isSocket && err == nil {
			inodes = append(inodes, inode)
		}
	}
	return inodes, links, nil
}

// leadsPseudoTerminal tells that a process leads a session whose terminal is a pseudo-terminal (proc_pid_stat(5): session,
// tty_nr; majors 136 to 143 in Documentation/admin-guide/devices.txt).
func leadsPseudoTerminal(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	var state string
	var parent, group, session, terminal int
	if _, err := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent, &group, &session, &terminal); err != nil {
		return false
	}
	major := terminal >> 8 & 0xfff
	return session == pid && 136 <= major && major <= 143
}

// parentOf is the process that started another, 0 for none.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// pid (name) state parent …, and the name may be anything
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// environmentOf is a variable of a process's environment as it was started.
func environmentOf(pid int, name string) (string, bool) {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "", false
	}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
			return string(value), true
		}
	}
	return "", false
}

// userIDs are those of a process; nil where it is not known.
func userIDs(pid int) *facts.User {
	if pid == 0 {
		return nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	fields := map[string]uint32{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		words := strings.Fields(rest) // real, effective, saved, file system
		if (name == "Uid" || name == "Gid") && len(words) == 4 {
			if id, err := strconv.ParseUint(words[3], 10, 32); err == nil {
				fields[name] = uint32(id)
			}
		}
	}
	if len(fields) < 2 {
		return nil
	}
	return &facts.User{UID: fields["Uid"], GID: fields["Gid"]}
}
