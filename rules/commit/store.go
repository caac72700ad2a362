package commit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultDirectory is where root's state lives unless the administrator says
// otherwise with the environment variable NATTUI_STATE.
const DefaultDirectory = "/var/lib/nattui"

// StateVariable names the state directory in the environment.
const StateVariable = "NATTUI_STATE"

// LockWait is how long a change waits for another one that is being made.
const LockWait = 10 * time.Second

// Store is the state directory of one host: the lock, the journal and the marks
// of live guards. It is private to its owner, who is root on a gateway.
type Store struct {
	dir   string
	wait  time.Duration        // for the lock
	known atomic.Pointer[link] // the last record that this process has read or written
}

// Directory is the state directory that the environment asks for. A user who is not
// root has one of his own, where the XDG Base Directory Specification puts it.
func Directory() string {
	if dir := os.Getenv(StateVariable); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return DefaultDirectory
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nattui")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "nattui")
	}
	return DefaultDirectory
}

// Open makes the directory, with mode 0700, where it is missing. The error wraps
// os.ErrPermission where it may not be used, also where it belongs to another user.
func Open(dir string) (*Store, error) {
	s, err := Look(dir)
	if err == nil {
		err = s.prepare()
	}
	return s, err
}

// Look is a Store whose directory is not made and need not be there before something
// is to be changed.
func Look(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the state directory: %w", err)
	}
	return &Store{dir: dir, wait: LockWait}, nil
}

// prepare makes the directory and sees that it is private.
func (s *Store) prepare() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("create the state directory: %w", err)
	}
	var stat unix.Stat_t
	if err := unix.Lstat(s.dir, &stat); err != nil {
		return fmt.Errorf("look at the state directory %s: %w", s.dir, err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("the state directory %s is a link or a file; set %s to a directory", s.dir, StateVariable)
	case int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("the state directory %s belongs to user %d, who could forge its contents: %w; set %s to another one", s.dir, stat.Uid, os.ErrPermission, StateVariable)
	case stat.Mode&0o077 != 0:
		if err := os.Chmod(s.dir, 0o700); err != nil {
			return fmt.Errorf("make the state directory private: %w", err)
		}
	}
	return nil
}

// Dir is the path of the state directory.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// open opens a file of the directory, never through a link, and nothing that is no
// file: a FIFO would be waited for.
func (s *Store) open(name string, flags int) (*os.File, error) {
	file, err := os.OpenFile(s.path(name), flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EISDIR) {
		return nil, fmt.Errorf("%s is not a regular file; move it away: %w", s.path(name), err)
	}
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fmt.Errorf("%s is not a regular file; move it away", s.path(name))
	}
	return file, nil
}

// syncDir makes the directory's own entries durable.
func (s *Store) syncDir() error {
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// lock is the lock of the state directory, held.
type lock struct {
	file *os.File
}

// lockName is the file whose flock is held around every change.
const lockName = "lock"

// Busy is the error of a change that found another process changing something
// for longer than LockWait. Nothing was changed.
type Busy struct {
	Path string
	Who  string // as that process described itself; "" if unknown
	Wait time.Duration
}

// Error says who is at it.
func (e *Busy) Error() string {
	who := e.Who
	if who == "" {
		who = "another process"
	}
	return fmt.Sprintf("%s is changing the gateway and still holds %s after %v; nothing was changed", who, e.Path, e.Wait)
}

// errHeld says that somebody else holds a lock.
var errHeld = errors.New("the lock is held")

// acquire waits for the lock, up to LockWait.
func (s *Store) acquire(ctx context.Context) (*lock, error) {
	const pause = 5 * time.Millisecond
	deadline := time.Now().Add(s.wait)
	for {
		l, err := s.tryLock()
		if !errors.Is(err, errHeld) {
			return l, err
		}
		if time.Now().After(deadline) {
			who, _ := os.ReadFile(s.path(lockName))
			return nil, &Busy{s.path(lockName), strings.TrimSpace(string(who)), s.wait}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// tryLock takes the lock at once or fails with errHeld.
func (s *Store) tryLock() (*lock, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	file, err := s.open(lockName, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	defer file.Close()
	switch err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, unix.EINTR):
		return nil, errHeld
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	// A high number, which no program that is handed files of its own loses.
	high, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 200)
	if err != nil {
		return nil, fmt.Errorf("keep the lock: %w", err)
	}
	held := os.NewFile(uintptr(high), file.Name())
	// Who holds it is only for the message that others get: no room on the disk is
	// no reason not to go on.
	if held.Truncate(0) == nil {
		_, _ = held.WriteAt(fmt.Appendf(nil, "%s (process %d)\n", filepath.Base(os.Args[0]), os.Getpid()), 0)
	}
	return &lock{held}, nil
}

// release gives the lock back, for every process that inherited it as well.
func (l *lock) release() {
	_ = unix.Flock(int(l.file.Fd()), unix.LOCK_UN)
	l.file.Close()
}

// inherited runs f while programs that are started inherit the lock, so that it
// stays held until the last of them is gone, should this process be killed.
func (l *lock) inherited(f func()) {
	fd := int(l.file.Fd())
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	defer func() { _, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC) }()
	f()
}

// guardName is the file that the guard of an entry keeps locked while it lives.
func guardName(id string) string { return "guard-" + id }

// errGuarded says that an entry has a guard already.
var errGuarded = errors.New("it has a guard")

// wholeFile is a lock of a whole file for one open file description (fcntl(2)),
// whose holder can be asked about without taking it.
func wholeFile() *unix.Flock_t { return &unix.Flock_t{Type: unix.F_WRLCK} }

// beGuard locks the mark of an entry's guard, or fails with errGuarded.
func (s *Store) beGuard(id string) (*os.File, error) {
	file, err := s.open(guardName(id), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the guard: %w", err)
	}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, wholeFile()); err != nil {
		file.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, errGuarded
		}
		return nil, fmt.Errorf("lock %s: %w", s.path(guardName(id)), err)
	}
	return file, nil
}

// guarded reports whether an entry has a live guard.
func (s *Store) guarded(id string) bool {
	file, err := s.open(guardName(id), os.O_RDONLY)
	if err != nil {
		return false
	}
	defer file.Close()
	question := wholeFile()
	return unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, question) == nil && question.Type != unix.F_UNLCK
}

// strays are the marks of guards that are no more. Unless the lock is held, one
// may be that of a guard that is just starting.
func (s *Store) strays() []string {
	var names []string
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), guardName("")); ok && !s.guarded(id) {
			names = append(names, e.Name())
		}
	}
	return names
}

// sweep removes them.
func (s *Store) sweep() {
	for _, name := range s.strays() {
		_ = os.Remove(s.path(name))
	}
}

// missing reports whether an error says that there is no such file.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
