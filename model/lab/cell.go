package lab

import (
	"bufio"
	"errors"
	"fmt"
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
	switch r {
	case outside, testKeeper, testInmate, labKeeper, labInmate:
		return r
	}
	return unknownRole
})

// statusNoCell is the keeper's exit status when it could not prepare the cell.
// The reason is then on its standard error, behind noCellMark.
const (
	statusNoCell = 117
	noCellMark   = "nattui lab: no cell: "
)

// keeperFiles is the descriptor of the life line in the keeper, the first
// after standard error.
const lifeLine = 3

// errNoNamespaces is wrapped by the errors of a cell that the kernel, or
// whoever configured it, does not allow.
var errNoNamespaces = errors.New("private namespaces are not allowed here")

// cellCommand prepares the keeper: this program again, with args, as the first
// process of fresh namespaces. With asUser it gets a user namespace in which
// the calling user is root; without, the caller must be root already.
// It must be started by startCell.
func cellCommand(keeper role, asUser bool, args, environ []string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(withoutRole(environ), roleVariable+"="+string(keeper))
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
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

// startCell starts the keeper and returns a function that waits for its end.
// It must be called on a locked OS thread, and the thread must stay until wait
// has returned: the parent-death signal follows the thread, not the process.
func startCell(cmd *exec.Cmd) (wait func() error, err error) {
	reads, writes, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to the lab's first process: %w", err)
	}
	defer reads.Close()
	cmd.ExtraFiles = append([]*os.File{reads}, cmd.ExtraFiles...)
	if err := cmd.Start(); err != nil {
		writes.Close()
		return nil, fmt.Errorf("%w: %w", errNoNamespaces, err)
	}
	return func() error {
		defer writes.Close()
		return cmd.Wait()
	}, nil
}

// keep is the keeper's life: prepare the cell, run this program again as the
// inmate with the same arguments, reap until the inmate ends, and end the cell
// with its exit status. It does not return.
func keep(inmate role) {
	go endWithOpener()
	drainSignals()
	if err := furnish(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", noCellMark, err)
		leave(statusNoCell)
	}
	pid, err := startInmate(inmate)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%sstart this program again: %v\n", noCellMark, err)
		leave(statusNoCell)
	}
	leave(reapUntil(pid, nil))
}

// leave exits without the hooks that package testing hangs on os.Exit: to it,
// a keeper is a test that exits successfully in the middle.
func leave(status int) { syscall.Exit(status) }

// endWithOpener ends the cell when the process that opened it has ended, which
// closes the other end of the life line.
func endWithOpener() {
	file := os.NewFile(lifeLine, "life line")
	unix.CloseOnExec(lifeLine)
	_, _ = bufio.NewReader(file).ReadByte()
	leave(128 + int(syscall.SIGKILL))
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

// startInmate runs this program again with the given role. It uses neither
// os.Process nor exec.Cmd, whose waiting would compete with the reaper's.
func startInmate(inmate role) (pid int, err error) {
	runtime.LockOSThread() // for good: the parent-death signal follows the thread
	return syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(withoutRole(os.Environ()), roleVariable+"="+string(inmate)),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
}

// reapUntil collects ended children until pid is among them, and returns its
// exit status as a shell would: 128 and the signal's number for a violent end.
// A child that is stopped is made to go on at once, since nobody inside of a
// cell could; stopped, if not nil, is told first.
func reapUntil(pid int, stopped func(pid int)) int {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1
		case status.Stopped():
			if stopped != nil {
				stopped(ended)
			}
			_ = syscall.Kill(ended, syscall.SIGCONT)
		case ended != pid:
		case status.Signaled():
			return 128 + int(status.Signal())
		default:
			return status.ExitStatus()
		}
	}
}

// furnish makes the fresh namespaces habitable: mounts of its own, a /proc and
// /sys that show these namespaces, an empty /run for the xtables lock and the
// names of network namespaces, a loopback interface that is up, and a PATH on
// which administration tools are found.
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
