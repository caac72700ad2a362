package commit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guardWait is how long a guard may take to start.
const guardWait = 10 * time.Second

// ownProgram is this very program, also after its file was replaced.
const ownProgram = "/proc/self/exe"

// startGuard starts the process that rolls back an entry when its time is over,
// and waits until it says that it is there.
func (c *Committer) startGuard(ctx context.Context, id string) error {
	if argv := c.unit(id); argv != nil {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if cmd.Run() == nil && c.awaitGuard(ctx, id, nil) == nil {
			return nil
		}
		// systemd is there and does not do it: then a process of our own.
	}
	cmd := c.guardProcess(id)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return c.awaitGuard(ctx, id, ended)
}

// awaitGuard waits for the guard's word: that it holds its lock.
func (c *Committer) awaitGuard(ctx context.Context, id string, ended <-chan error) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(guardWait)
	defer late.Stop()
	for !c.store.guarded(id) {
		select {
		case err := <-ended:
			return fmt.Errorf("it ended at once (%v)", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("it did not start within %v", guardWait)
		case <-tick.C:
		}
	}
	return nil
}

// unit is the command that starts the guard as a transient systemd unit, which
// outlives the session of whoever starts it; nil where that is not possible: no
// systemd, or one that lives in other namespaces than this process.
func (c *Committer) unit(id string) []string {
	if info, err := os.Lstat("/run/systemd/system"); err != nil || !info.IsDir() || !inNamespacesOfInit() {
		return nil
	}
	program, err := exec.LookPath("systemd-run")
	if err != nil {
		return nil
	}
	argv := append([]string(nil), c.guard...)
	if argv[0] == ownProgram {
		if argv[0], err = os.Executable(); err != nil {
			return nil
		}
	}
	if _, err := os.Stat(argv[0]); err != nil {
		return nil // replaced since it was started
	}
	run := []string{
		program, "--quiet", "--collect", fmt.Sprintf("--unit=nattui-guard-%s-%d", id, os.Getpid()),
		"--description=nattui: rolls back change " + id + " unless it is confirmed",
		// However often it is killed it comes back, until it ends by itself: with status 0,
		// when its change is settled. systemd would give up after five starts in ten seconds.
		"--property=Restart=always", "--property=RestartPreventExitStatus=0", "--property=RestartSec=200ms", "--property=StartLimitIntervalSec=0",
		"--property=KillMode=mixed", "--property=OOMScoreAdjust=-900",
		"--setenv=" + StateVariable + "=" + c.store.dir,
	}
	for _, name := range []string{"PATH", "XTABLES_LOCKFILE"} {
		if value, ok := os.LookupEnv(name); ok {
			run = append(run, "--setenv="+name+"="+value)
		}
	}
	return append(append(append(run, "--"), argv...), id)
}

// inNamespacesOfInit reports whether a unit of systemd sees the same network and
// the same processes and files as this process.
func inNamespacesOfInit() bool {
	for _, name := range []string{"net", "pid", "mnt", "user"} {
		if same, known := likeInit(name); !same || !known {
			return false
		}
	}
	return true
}

// likeInit reports whether this process and the first one are in the same
// namespace; known is false where that may not be seen.
func likeInit(name string) (same, known bool) {
	own, err1 := os.Readlink("/proc/self/ns/" + name)
	first, err2 := os.Readlink("/proc/1/ns/" + name)
	return own == first, err1 == nil && err2 == nil
}

// Guard watches over the entry of the id until nothing can happen to it any more:
// it rolls it back when it is not confirmed in time, when its terminal goes away,
// when its maker is killed, when its own time is over, and when the guard itself
// is told to end (SIGTERM). SIGHUP and SIGINT mean nothing to it. It is what the
// guard's process runs; where the entry has a guard it returns at once, or, of a pair, when it
// can take its place or that is not needed any more. The error is *Absent where the
// journal has no such entry.
func (c *Committer) Guard(ctx context.Context, id string) error {
	if _, err := strconv.ParseUint(id, 10, 63); err != nil {
		return &Absent{fmt.Sprintf("%q is not a change", id)}
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGQUIT)
	g := guard{c: c, id: id}
	if g.last = g.read(false); g.last == nil {
		if _, err := c.store.readJournal(false); err != nil {
			return err
		}
		return &Absent{fmt.Sprintf("there is no change %s in the journal", id)}
	}
	stoodBy := false
	for g.last.open() {
		err := g.keepWatch(ctx)
		switch {
		case err == nil, !stoodBy && !errors.Is(err, errGuarded):
			return err
		case !errors.Is(err, errGuarded): // no room for one more file, perhaps, and the other one is gone
			time.Sleep(time.Second)
			g.last = g.read(false)
		case !paired() || !g.standBy():
			return nil
		default:
			stoodBy = true
		}
	}
	return nil
}

// keepWatch is the guard's work, from the mark on; errGuarded where another one is at it.
func (g *guard) keepWatch(ctx context.Context) error {
	alarm := g.c.store.watch()
	defer alarm.close()
	// The mark says that the guard is there, and then its maker relies on it: it comes when nothing is missing any
	// more, not even the journal.
	mark, err := g.c.store.beGuard(g.id)
	switch {
	case errors.Is(err, errGuarded) && g.late():
		mark = nil // the other one does nothing: it was stopped, perhaps
	case err != nil:
		return err
	default:
		defer mark.Close()
	}
	if paired() && mark != nil {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go g.keepSecond(ctx)
	}
	var failing time.Duration
	for {
		pause, err := g.look(context.WithoutCancel(ctx), alarm.told())
		if err == nil && pause < 0 {
			if mark != nil {
				_ = os.Remove(mark.Name())
			}
			return nil
		}
		if err == nil {
			failing = 0
		} else {
			failing = longerPause(failing) // the lock of the tables, perhaps: try again
			pause = failing
		}
		alarm.wait(pause)
	}
}

// longerPause is how long to rest after an attempt that failed, given the rest before it.
func longerPause(before time.Duration) time.Duration {
	return max(time.Second, min(2*before, failingPauseMost))
}

// guard is the state of a guard.
type guard struct {
	c    *Committer
	id   string
	last *Entry // as last read
	// sure is the number up to which it is known what the journal's records tell of the entry, and that it was open then.
	sure uint64
	// ended is set when the entry was rolled back and only the journal does not say
	// so yet.
	ended *Entry
}

const (
	pendingPause  = 10 * time.Millisecond
	terminalPause = 250 * time.Millisecond
	blindPause    = 250 * time.Millisecond
	longestPause  = 10 * time.Second // since poll(2) does not count the time asleep
	// failingPauseMost is how long a guard rests at most that cannot do what is due.
	failingPauseMost = time.Minute
)

// look does what is due and returns how long nothing else will be; negative: never.
func (g *guard) look(ctx context.Context, told bool) (time.Duration, error) {
	if g.ended != nil {
		return g.noteEnd(ctx)
	}
	g.last = g.read(false)
	e := g.last
	switch {
	case !e.open():
		return -1, nil
	case e.leaving != "":
		return g.end(ctx, e.leaving)
	case e.State == Pending:
		return g.lookForMaker(ctx)
	}
	end, why := e.ending()
	left := end.left(g.c.clock)
	switch {
	case left == 0:
	case e.Unconfirmed() && e.terminal.gone():
		why = "the terminal was closed"
	case told:
		why = "its guard was stopped"
	case e.Unconfirmed() && e.terminal != (terminal{}):
		return min(left, terminalPause), nil
	default:
		return min(left, longestPause), nil
	}
	return g.end(ctx, why)
}

// read is the entry as the journal has it. Where the journal cannot be read any
// more, or was damaged since and no new record tells of the entry, what was last read of it counts.
func (g *guard) read(held bool) *Entry {
	j, err := g.c.store.readJournal(held)
	if err != nil || j.byID[g.id] == nil {
		return g.last
	}
	e := j.byID[g.id]
	switch {
	case e.doubt == "":
		g.sure = j.last.N
	case g.last != nil && g.last.open() && j.noneSince(g.sure, e):
		g.sure = j.written
		return g.last
	}
	return e
}

// lookForMaker waits for the word that the change stands. Its maker holds the
// lock until then.
func (g *guard) lookForMaker(ctx context.Context) (time.Duration, error) {
	l, err := g.c.store.tryLock()
	if errors.Is(err, errHeld) {
		return pendingPause, nil
	}
	if err != nil {
		return 0, err
	}
	defer l.release()
	e := g.read(true)
	if e.State != Pending {
		return 0, nil
	}
	return 0, g.rollBack(ctx, l, e, "nattui was killed while applying it")
}

// end rolls back the entry, unless it was settled in the meantime.
func (g *guard) end(ctx context.Context, why string) (time.Duration, error) {
	l, err := g.c.store.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer l.release()
	e := g.read(true)
	if !e.open() || e.State != g.last.State {
		return 0, nil
	}
	return 0, g.rollBack(ctx, l, e, why)
}

// rollBack rolls back the entry.
func (g *guard) rollBack(ctx context.Context, l *lock, e *Entry, why string) error {
	err := g.c.rollBack(ctx, l, e, why)
	switch {
	case err == nil:
		return nil
	case e.State == RolledBack:
		g.ended = e
	case g.c.givenUp(e, err):
		return nil
	}
	return err
}

// noteEnd tries again to write down that the entry was rolled back.
func (g *guard) noteEnd(ctx context.Context) (time.Duration, error) {
	l, err := g.c.store.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer l.release()
	if j, err := g.c.store.readJournal(true); err == nil && j.byID[g.id] != nil && !j.byID[g.id].open() && j.byID[g.id].doubt == "" {
		return -1, nil
	}
	if err := g.c.store.append(updateOf(g.ended)); err != nil {
		if g.ended.begun.At+patience < g.c.clock.SinceBoot() {
			return -1, nil // the next nattui finds that nothing stands, and says so
		}
		return 0, err
	}
	return -1, nil
}

// alarm wakes a guard: the journal was written, or the guard was told to end.
type alarm struct {
	inotify int
	pipe    [2]int
	signals chan os.Signal
	blind   bool // nothing tells that the journal was written
	journal string
	seen    unix.Stat_t // of the journal, where it is blind
	end     atomic.Bool
}

// watch begins to watch the state directory. Where the kernel has no more instances of inotify for this user, the guard looks
// often instead.
func (s *Store) watch() *alarm {
	a := &alarm{signals: make(chan os.Signal, 1), pipe: [2]int{-1, -1}, journal: s.path(journalName)}
	var err error
	if a.inotify, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err == nil {
		_, err = unix.InotifyAddWatch(a.inotify, s.dir, unix.IN_MODIFY|unix.IN_MOVED_TO)
	}
	a.blind = err != nil
	_ = unix.Pipe2(a.pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	signal.Notify(a.signals, syscall.SIGTERM)
	go func() {
		for range a.signals {
			a.end.Store(true)
			_, _ = unix.Write(a.pipe[1], []byte{0})
		}
	}()
	return a
}

func (a *alarm) close() {
	signal.Stop(a.signals)
	close(a.signals)
	unix.Close(a.inotify)
}

// told reports whether the guard was told to end.
func (a *alarm) told() bool { return a.end.Load() }

// wait returns after the pause, or before it, and then true, when the journal was written or the guard was told to end. Other
// files of the directory do not count: a guard that tries again writes into the lock, and would wake itself.
func (a *alarm) wait(pause time.Duration) (woken bool) {
	for end := time.Now().Add(pause); ; {
		left := time.Until(end)
		if a.blind {
			left = min(left, blindPause)
		}
		milliseconds := max(0, int((left+time.Millisecond-1)/time.Millisecond))
		fds := []unix.PollFd{{Fd: int32(a.inotify), Events: unix.POLLIN}, {Fd: int32(a.pipe[0]), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, milliseconds)
		switch {
		case err != nil:
			return false
		case a.heard() || a.blind && a.sees():
			return true
		case time.Until(end) <= 0:
			return false
		}
	}
}

// sees tells whether the journal is another one than when it was looked at last.
func (a *alarm) sees() bool {
	before := a.seen
	_ = unix.Stat(a.journal, &a.seen)
	return before.Ino != a.seen.Ino || before.Size != a.seen.Size || before.Mtim != a.seen.Mtim
}

// heard takes what has come, and tells whether it matters.
func (a *alarm) heard() (matters bool) {
	var events [4096]byte
	for n := 1; n > 0; {
		n, _ = unix.Read(a.pipe[0], events[:])
		matters = matters || n > 0
	}
	for n := 1; n > 0; {
		n, _ = unix.Read(a.inotify, events[:])
		for rest := events[:max(n, 0)]; len(rest) >= unix.SizeofInotifyEvent; {
			// struct inotify_event of inotify(7): wd, mask, cookie, len, and the name, filled up with zeros.
			mask, size := binary.NativeEndian.Uint32(rest[4:]), binary.NativeEndian.Uint32(rest[12:])
			next := min(unix.SizeofInotifyEvent+int(size), len(rest))
			name, _, _ := strings.Cut(string(rest[unix.SizeofInotifyEvent:next]), "\x00")
			matters = matters || name == journalName || mask&unix.IN_Q_OVERFLOW != 0
			rest = rest[next:]
		}
	}
	return matters
}
