package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules/nfnetlink"
)

// LockWait is how long a change waits for the xtables lock, and how long the
// programs are told to wait for it (-w 5).
const LockWait = 5 * time.Second

// lockVariable names the file that the legacy programs lock, where it is not
// the usual one.
const lockVariable = "XTABLES_LOCKFILE"

// lockPath is the file whose lock the legacy programs hold while they change a
// table. The nft programs need no lock: the kernel serialises them.
func lockPath() string {
	if path := os.Getenv(lockVariable); path != "" {
		return path
	}
	return "/run/xtables.lock"
}

// xtablesLock is the lock of the legacy programs, held by this process from
// before it looks at a table until the change is verified. The restore program,
// which would wait for the same lock, is given another file to lock meanwhile.
type xtablesLock struct{ file, spare *os.File }

// takeLock waits up to LockWait for the lock, then fails with *Locked.
func takeLock(ctx context.Context) (*xtablesLock, error) {
	path := lockPath()
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, nfnetlink.Permission("locking " + path)
		}
		return nil, fmt.Errorf("open the lock of the legacy tables: %w", err)
	}
	if err := flock(ctx, file); err != nil {
		file.Close()
		return nil, err
	}
	spare, err := unix.MemfdCreate("xtables.lock", unix.MFD_CLOEXEC)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("make a lock file for iptables-restore: %w", err)
	}
	return &xtablesLock{file, os.NewFile(uintptr(spare), "xtables.lock")}, nil
}

func flock(ctx context.Context, file *os.File) error {
	const pause = 10 * time.Millisecond
	deadline := time.Now().Add(LockWait)
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", file.Name(), err)
		case time.Now().After(deadline):
			return &Locked{file.Name(), holders(file)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (l *xtablesLock) release() {
	if l != nil {
		l.spare.Close()
		l.file.Close()
	}
}

// holders names the processes that hold a lock on the file, from /proc/locks.
func holders(file *os.File) []nfnetlink.Process {
	var stat unix.Stat_t
	if unix.Fstat(int(file.Fd()), &stat) != nil {
		return nil
	}
	device := uint64(stat.Dev)
	id := fmt.Sprintf("%02x:%02x:%d", unix.Major(device), unix.Minor(device), stat.Ino)
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil
	}
	var all []nfnetlink.Process
	for line := range strings.Lines(string(text)) {
		// 1: FLOCK  ADVISORY  WRITE 708 00:1a:2 0 EOF; those who wait have "->".
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != id {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			all = append(all, nfnetlink.Process{PID: pid, Name: commandName(pid)})
		}
	}
	return all
}

// commandName is the name of a process as the kernel keeps it; "" if unknown.
func commandName(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(name))
}

// takesSpareLock says whether the program locks the file that XTABLES_LOCKFILE
// names; old versions do not know the variable.
func takesSpareLock(program string) bool {
	image, err := os.ReadFile(program)
	return err == nil && bytes.Contains(image, []byte(lockVariable))
}
