package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A cell is a set of fresh namespaces in which this same program runs again,
// twice: as the first process of the PID namespace, the keeper, which prepares
// the mounts, reaps orphans and ends the cell with itself, and as the keeper's
// only child, the inmate, which does the work. The keeper cannot do that work:
// a process that reaps whatever ends must not start programs it wants to wait
// for by itself.
//
// The kernel kills everything in a PID namespace with its first process. The
// keeper in turn dies with the process that opened the cell, by the
// parent-death signal, and by a pipe from it for the moment before the signal
// is armed.

// roleVariable tells a re-executed program what it is: one of the roles below.
const roleVariable = "NATTUI_LAB_ROLE"

type role string

const (
	outside     role = ""
	testKeeper  role = "test-keeper"
	testInmate  role = "test-inmate"
	labKeeper   role = "lab-keeper"
	labInmate   role = "lab-inmate"
	unknownRole role = "unknown"
)

// takeRole reads the role once and removes it from the environment, so that
// programs started from here on are outside of this cell's bookkeeping.
var takeRole = sync.OnceValue(func() role {
	r := role(os.Getenv(roleVariable))
	os.Unsetenv(roleVariable)
	if r == testInmate || r == labInmate {
		unix.CloseOnExec(inmateComplaint)
	}
	switch r {
	case outside, testKeeper, testInmate, labKeeper, labInmate:
		return r
	}
	return unknownRole
})

// Descriptors beyond the standard three. The life line tells the keeper when to
// begin, by one byte, and when its opener has ended, by its end. The complaint
// is where keeper and inmate say why the cell cannot be; the opener reads it.
const (
	keeperLifeLine  = 3
	keeperComplaint = 4
	inmateComplaint = 3
)

// ErrNamespaces is wrapped by errors that mean: the kernel, or whoever
// configured it, does not let this user make namespaces.
var ErrNamespaces = errors.New("private namespaces are not allowed here")

// inCell calls run to open a cell with a user namespace, and again without one
// if that is refused and the caller is root, who can do without. It keeps the
// OS thread meanwhile, which the parent-death signal depends on.
func inCell(run func(asUser bool) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := run(true)
	if errors.Is(err, ErrNamespaces) && os.Geteuid() == 0 {
		return run(false)
	}
	return err
}

// inRootCell calls run to open a cell without a user namespace, which only root can have: there a program has what root of
// a gateway has (SO_RCVBUFFORCE of socket(7), for one). It keeps the OS thread as inCell does.
func inRootCell(run func(asUser bool) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return run(false)
}

// cellCommand prepares the keeper: this program again, with args, as the first
// process of fresh namespaces. With asUser it gets a user namespace in which
// the calling user is root; without, the caller must be root already.
// It must be started by startCell.
func cellCommand(keeper role, asUser bool, args, environ []string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(withoutRole(environ), roleVariable+"="+string(keeper))
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		// The network namespace comes after the user namespace has its map: its /proc
		// files belong to whoever is root at that moment, and to nobody before.
		Unshareflags: unix.CLONE_NEWNET,
		Pdeathsig:    syscall.SIGKILL,
	}
	if asUser {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings, attr.GidMappings = rootMappings()
		attr.GidMappingsEnableSetgroups = os.Geteuid() == 0
	}
	cmd.SysProcAttr = attr
	return cmd
}

// rootMappings makes the calling user root inside. Root keeps the other users
// as well, so that programs which drop their privileges still can.
func rootMappings() (uids, gids []syscall.SysProcIDMap) {
	if os.Geteuid() == 0 && os.Getegid() == 0 {
		const allUsual = 65536
		all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: allUsual}}
		if mapsAtLeast("/proc/self/uid_map", allUsual) && mapsAtLeast("/proc/self/gid_map", allUsual) {
			return all, all
		}
	}
	return []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		[]syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// mapsAtLeast says whether this process's own user namespace knows the ids
// from 0 to size-1, which are then the only ones it may hand on.
func mapsAtLeast(path string, size int) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		var inside, host, count int64
		if _, err := fmt.Sscan(line, &inside, &host, &count); err == nil && inside == 0 && count >= int64(size) {
			return true
		}
	}
	return false
}

func withoutRole(environ []string) []string {
	kept := make([]string, 0, len(environ)+1)
	for _, entry := range environ {
		if !strings.HasPrefix(entry, roleVariable+"=") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// cell is a keeper that has been started.
type cell struct {
	cmd       *exec.Cmd
	lifeLine  *os.File
	complaint *os.File
	next      string // the lab that is wanted after this one, see Session.Move
}

// startCell starts the keeper, which then waits for begin. It must be called
// on a locked OS thread, and the thread must stay until wait has returned: the
// parent-death signal follows the thread, not the process.
func startCell(cmd *exec.Cmd) (*cell, error) {
	lifeRead, lifeWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the lab's first process: %w", err)
	}
	defer lifeRead.Close()
	complaintRead, complaintWrite, err := os.Pipe()
	if err != nil {
		lifeWrite.Close()
		return nil, fmt.Errorf("pipe from the lab's first process: %w", err)
	}
	defer complaintWrite.Close()
	cmd.ExtraFiles = []*os.File{keeperLifeLine - 3: lifeRead, keeperComplaint - 3: complaintWrite}
	if err := cmd.Start(); err != nil {
		lifeWrite.Close()
		complaintRead.Close()
		return nil, fmt.Errorf("%w: %w", ErrNamespaces, err)
	}
	return &cell{cmd: cmd, lifeLine: lifeWrite, complaint: complaintRead}, nil
}

// begin lets the keeper go to work. An error is left for wait to tell: the
// keeper has ended already.
func (c *cell) begin() { _, _ = c.lifeLine.Write([]byte{1}) }

// wait returns when the cell is gone. The error is the cell's own complaint if
// there was one, with ErrNamespaces if the kernel refused something, or
// whatever exec.Cmd.Wait says.
func (c *cell) wait() error {
	defer c.lifeLine.Close()
	defer c.complaint.Close()
	text, readErr := io.ReadAll(c.complaint) // ends with the cell, or earlier
	err := c.cmd.Wait()
	switch kind, reason, _ := strings.Cut(string(text), ":"); {
	case readErr != nil:
		return fmt.Errorf("read from the lab's first process: %w", readErr)
	case kind == noCell:
		return fmt.Errorf("%w:%s", ErrNamespaces, reason)
	case kind == noLab:
		return errors.New(strings.TrimSpace(reason))
	case kind == nextLab:
		c.next = reason
	}
	return err
}

// The kinds of complaint: the namespaces could not be made habitable, the lab could not be
// built in them, and that this lab is over because another is wanted.
const (
	noCell  = "cell"
	noLab   = "lab"
	nextLab = "next"
)

// complain ends this process after telling the opener why.
func complain(descriptor int, kind string, err error) {
	_, _ = unix.Write(descriptor, []byte(kind+": "+err.Error()))
	leave(1)
}

// keep is the keeper's life: prepare the cell, run this program again as the
// inmate with the same arguments, reap until the inmate ends, and end the cell
// with its exit status. It does not return.
func keep(inmate role) {
	unix.CloseOnExec(keeperLifeLine)
	unix.CloseOnExec(keeperComplaint)
	drainSignals()
	passHangup()
	waitForOpener()
	if err := furnish(); err != nil {
		complain(keeperComplaint, noCell, err)
	}
	pid, err := startInmate(inmate)
	if err != nil {
		complain(keeperComplaint, noCell, fmt.Errorf("start this program again: %w", err))
	}
	unix.Close(keeperComplaint)
	leave(waitFor(pid, anyChild))
}

// leave exits without the hooks that package testing hangs on os.Exit: to it,
// a keeper is a test that exits successfully in the middle.
func leave(status int) { syscall.Exit(status) }

// waitForOpener returns when the opener says begin. When the opener has ended,
// which closes the other end of the life line, then or later, so does the cell.
func waitForOpener() {
	lifeLine := os.NewFile(keeperLifeLine, "life line")
	one := make([]byte, 1)
	readOrEnd := func() {
		if n, _ := lifeLine.Read(one); n == 0 {
			leave(128 + int(syscall.SIGKILL))
		}
	}
	readOrEnd()
	go func() {
		for {
			readOrEnd()
		}
	}()
}

// drainSignals keeps the terminal's signals from ending the process. They are
// caught rather than ignored, because ignoring is inherited.
func drainSignals() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
		syscall.SIGHUP, syscall.SIGTERM)
	go func() {
		for range signals {
		}
	}()
}

// passHangup tells everybody in the cell that the terminal is gone: the kernel tells the leader of the session, which is outside.
func passHangup() {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			_ = syscall.Kill(-1, syscall.SIGHUP) // of the cell's processes: it has its own numbers (pid_namespaces(7))
		}
	}()
}

// startInmate runs this program again with the given role. It uses neither
// os.Process nor exec.Cmd, whose waiting would compete with the reaper's.
func startInmate(inmate role) (pid int, err error) {
	runtime.LockOSThread() // for good: the parent-death signal follows the thread
	return syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(withoutRole(os.Environ()), roleVariable+"="+string(inmate)),
		Files: []uintptr{0, 1, 2, inmateComplaint: keeperComplaint},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
}

// anyChild makes waitFor reap every child, which the first process of a PID
// namespace owes to all orphans in it.
const anyChild = -1

// waitFor waits for the end of the child pid, collecting the children that
// which stands for, and returns its exit status as a shell would: 128 and the
// signal's number for a violent end. A child that is stopped is made to go on
// at once, since nobody in a cell could do that later.
func waitFor(pid, which int) int {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(which, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1
		case status.Stopped():
			resumeGroup(ended)
		case ended != pid:
		case status.Signaled():
			return 128 + int(status.Signal())
		default:
			return status.ExitStatus()
		}
	}
}

// resumeGroup makes the whole job go on that a stopped process belongs to: the
// keyboard stops all of it, and only our own children are reported to us.
func resumeGroup(pid int) {
	group, err := syscall.Getpgid(pid)
	switch {
	case err != nil:
	case group == syscall.Getpgrp():
		_ = syscall.Kill(0, syscall.SIGCONT) // minus the number may be -1, which is everybody
	default:
		_ = syscall.Kill(-group, syscall.SIGCONT)
	}
}

// furnish makes the fresh namespaces habitable: mounts of its own, a /proc and
// /sys that show these namespaces, an empty /run for the xtables lock and the
// names of network namespaces, a layer over this host's files of rules and
// settings, a loopback interface that is up, and a PATH on which
// administration tools are found.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	const harmless = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", "/proc", "proc", harmless, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Containers that cover parts of /sys do not let it be mounted again.
	// Nothing here depends on it.
	_ = unix.Mount("sysfs", "/sys", "sysfs", harmless|unix.MS_RDONLY, "")
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64m"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	for _, dir := range []string{"/run/netns", "/run/lock"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := coverFiles(); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	return os.Setenv("PATH", pathWithTools(os.Getenv("PATH")))
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// pathWithTools appends the directories of administration tools, which are not
// on an ordinary user's PATH everywhere.
func pathWithTools(path string) string {
	dirs := filepath.SplitList(path)
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		found := false
		for _, have := range dirs {
			found = found || have == dir
		}
		if !found {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, string(filepath.ListSeparator))
}
