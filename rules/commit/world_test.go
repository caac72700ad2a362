package commit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/commit"
)

// onTmpfs puts the state directory on a file system of its own.
func (g *gateway) onTmpfs(options string) {
	g.Helper()
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		g.Fatal(err)
	}
	if err := unix.Mount("tmpfs", g.dir, "tmpfs", 0, options); err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { _ = unix.Unmount(g.dir, unix.MNT_DETACH) })
	g.c = newCommitterIn(g.dir, g.tables, nil)
}

// fill takes all room of the state directory but so many bytes.
func (g *gateway) fill(free int64) (empty func()) {
	g.Helper()
	path := filepath.Join(g.dir, "ballast")
	file, err := os.Create(path)
	if err != nil {
		g.Fatal(err)
	}
	defer file.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &fs); err != nil {
		g.Fatal(err)
	}
	if size := int64(fs.Bavail)*int64(fs.Bsize) - free; size > 0 {
		if err := unix.Fallocate(int(file.Fd()), 0, 0, size); err != nil {
			g.Fatal(err)
		}
	}
	return func() { _ = os.Remove(path) }
}

// TestFullDisk leaves ever more room for the journal: a change is made and
// written down, or it is not made.
func TestFullDisk(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.onTmpfs("size=256k,mode=700")
		o := g.order()
		old, changed, _ := g.both(o)
		refused, made := 0, 0
		for free := int64(0); free <= 64<<10; free += 4 << 10 {
			empty := g.fill(free)
			e, err := g.c.Run(context.Background(), o.plan(), commit.Options{})
			got := g.settle(old, changed)
			if (err == nil) != (got == standing) {
				g.Fatalf("with %d bytes free: %v, yet %s", free, err, got)
			}
			empty()
			switch {
			case err == nil:
				made++
				g.reset(got, old)
			case !errors.Is(err, unix.ENOSPC):
				g.Fatalf("with %d bytes free: %v (%s)", free, err, e.State)
			default:
				refused++
			}
			g.forgetAll()
		}
		if made == 0 || refused == 0 {
			g.Errorf("%d changes were made and %d refused: both were to be seen", made, refused)
		}
	})
}

// TestDiskFillsUpMeanwhile takes the last room right after the change was written
// down: what becomes of it can be noted all the same.
func TestDiskFillsUpMeanwhile(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.onTmpfs("size=256k,mode=700")
		o := g.order()
		old, changed, _ := g.both(o)
		var empty func()
		g.c.OnStep(func(name string) {
			if name == "tables" && empty == nil {
				empty = g.fill(0)
			}
		})
		e, err := g.c.Run(context.Background(), o.plan(), commit.Options{Confirm: time.Hour})
		if err != nil {
			g.Fatal(err)
		}
		if _, err := g.c.Rollback(context.Background(), e.ID); err != nil {
			g.Error(err)
		}
		if got := g.settle(old, changed); got != backed {
			g.Error(got)
		}
		empty()
	})
}

func TestReadOnlyState(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.onTmpfs("size=1m,mode=700")
		g.seed()
		old := g.state()
		if err := unix.Mount("", g.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m,mode=700"); err != nil {
			g.Fatal(err)
		}
		if _, err := g.c.Run(context.Background(), g.order().plan(), commit.Options{}); !errors.Is(err, unix.EROFS) {
			g.Errorf("the error is %v", err)
		}
		g.same("nothing was done", g.state(), old)
	})
}

// TestJournalGoesAway takes the journal away while a change waits: its guard knows
// what it has to do, and writes it down when it can.
func TestJournalGoesAway(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, changed, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{Confirm: 300 * time.Millisecond})
		journal, aside := filepath.Join(g.dir, "journal"), filepath.Join(g.TempDir(), "journal")
		if err := os.Mkdir(aside, 0o700); err != nil {
			g.Fatal(err)
		}
		exchange := func() {
			if err := unix.Renameat2(unix.AT_FDCWD, journal, unix.AT_FDCWD, aside, unix.RENAME_EXCHANGE); err != nil {
				g.Fatal(err)
			}
		}
		exchange()
		g.until("the guard has taken the change back", func() bool { return g.state() == old })
		exchange()
		g.untilState(e.ID, commit.RolledBack)
		if got := g.settle(old, changed); got != backed {
			g.Error(got)
		}
	})
}

// TestGuardWithoutEntry starts a guard for a change that the journal does not have: it must not say that it is
// there, since it would not know what to roll back.
func TestGuardWithoutEntry(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.seed()
		g.run(g.order().plan(), commit.Options{})
		guard := exec.Command(os.Args[0], "9")
		guard.Env = append(os.Environ(), roleVariable+"=guard")
		out, err := guard.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "no change 9") {
			g.Errorf("it ended with %v and said %q", err, out)
		}
		g.nobodyLeft()
	})
}

func TestLockHeld(t *testing.T) {
	somewhere(t, func(g *gateway) {
		old := g.state()
		lock, err := os.OpenFile(filepath.Join(g.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			g.Fatal(err)
		}
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
			g.Fatal(err)
		}
		if _, err := lock.WriteString("bob's nattui (process 7)\n"); err != nil {
			g.Fatal(err)
		}
		g.c.Store().SetLockWait(50 * time.Millisecond)
		_, err = g.c.Run(context.Background(), g.order().plan(), commit.Options{})
		if !errors.As(err, new(*commit.Busy)) || !strings.Contains(err.Error(), "bob's nattui") {
			g.Errorf("the error is %v", err)
		}
		g.same("nothing was done", g.state(), old)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := g.c.Run(ctx, g.order().plan(), commit.Options{}); !errors.Is(err, context.Canceled) {
			g.Errorf("the error is %v", err)
		}
		lock.Close()
		g.run(g.order().plan(), commit.Options{})
	})
}

// TestOrphanedRestoreKeepsTheLock kills nattui while a program that it started is
// still at work, and sees that nobody else begins before that has ended.
func TestOrphanedRestoreKeepsTheLock(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, changed, _ := g.both(o)
		// A restore that reads its input slowly: everything but the word to commit is
		// there, and the word comes when the pipe has been read to its end.
		slow := g.at.Family.Command() + "-" + g.at.Backend.String() + "-restore"
		path, err := exec.LookPath(slow)
		if err != nil {
			g.Fatal(err)
		}
		gate := filepath.Join(g.TempDir(), "gate")
		if err := unix.Mkfifo(gate, 0o600); err != nil {
			g.Fatal(err)
		}
		dir := g.TempDir()
		script := "#!/bin/sh\ncat > " + dir + "/input\nread word < " + gate + "\nexec " + path + ` "$@" < ` + dir + "/input\n"
		if err := os.WriteFile(filepath.Join(dir, slow), []byte(script), 0o755); err != nil {
			g.Fatal(err)
		}
		g.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		o.Setting = ""
		maker, _ := g.start(o)
		g.until("the restore has its input", func() bool {
			text, _ := os.ReadFile(dir + "/input")
			return bytes.Contains(text, []byte("COMMIT"))
		})
		if err := maker.Process.Kill(); err != nil {
			g.Fatal(err)
		}
		_ = maker.Wait()
		g.c.Store().SetLockWait(100 * time.Millisecond)
		if err := g.c.Recover(context.Background()); !errors.As(err, new(*commit.Busy)) {
			g.Errorf("settled while iptables-restore was still there: %v", err)
		}
		if err := os.WriteFile(gate, []byte("go\n"), 0o600); err != nil {
			g.Fatal(err)
		}
		g.c.Store().SetLockWait(commit.LockWait)
		if got := g.settle(old, changed); got != backed {
			g.Error(got)
		}
	})
}

// TestAnotherWriter has another program insert and delete rules above ours as
// fast as it can. Its deletions fail if a rule of it is gone.
func TestAnotherWriter(t *testing.T) {
	everywhere(t, func(g *gateway) {
		o := g.order()
		old, _, _ := g.both(o)
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() { stopped <- g.disturb(stop) }()
		for i := range 3 {
			e, err := g.c.Run(context.Background(), o.plan(), commit.Options{Confirm: time.Hour})
			if err != nil {
				g.Fatalf("change %d: %v", i, err)
			}
			switch i {
			case 0:
				_, err = g.c.Rollback(context.Background(), "")
			case 1:
				if _, err = g.c.Confirm(context.Background(), ""); err == nil {
					_, err = g.c.Undo(context.Background(), e.ID, commit.Options{})
				}
			case 2:
				for _, pid := range processes() {
					if environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); bytes.Contains(environ, []byte(roleVariable+"=guard")) {
						_ = syscall.Kill(pid, syscall.SIGTERM)
					}
				}
				g.untilState(e.ID, commit.RolledBack)
			}
			if err != nil {
				g.Fatalf("change %d: %v", i, err)
			}
		}
		close(stop)
		if err := <-stopped; err != nil {
			g.Error(err)
		}
		g.same("after all", g.state(), old)
		g.nobodyLeft()
	})
}

func (g *gateway) disturb(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		for _, op := range []string{"-I", "-D"} {
			for _, chain := range []string{"nat PREROUTING", "filter FORWARD"} {
				table, name, _ := strings.Cut(chain, " ")
				cmd := exec.Command(g.program(), "-w", "20", "-t", table, op, name, "-s", g.addr(200), "-j", "ACCEPT")
				if out, err := cmd.CombinedOutput(); err != nil {
					return fmt.Errorf("the other program: %q: %w: %s", cmd.Args, err, out)
				}
			}
		}
	}
}

// TestTwoOperators starts several changes at once, each by a process of its own.
func TestTwoOperators(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		old := g.state()
		const operators = 4
		for round := range 3 {
			var wait sync.WaitGroup
			errs := make([]error, operators)
			for n := range operators {
				o := order{Variant: g.at, Lines: []string{"nat -A PREROUTING -s " + g.addr(100+n) + " -j ACCEPT"}}
				if round > 0 {
					o.Confirm = time.Hour
				}
				maker, out := g.start(o)
				wait.Go(func() {
					for out.Scan() {
					}
					errs[n] = maker.Wait()
				})
			}
			wait.Wait()
			made := 0
			for n, err := range errs {
				there := strings.Contains(g.state(), g.addr(100+n)+" ")
				if there != (err == nil) {
					g.Errorf("operator %d: %v, and the rule is there: %v", n, err, there)
				}
				if err == nil {
					made++
				}
			}
			if want := map[bool]int{true: operators, false: 1}[round == 0]; made != want {
				g.Errorf("round %d: %d changes were made, want %d", round, made, want)
			}
			if round > 0 {
				if _, err := g.c.Rollback(context.Background(), ""); err != nil {
					g.Fatal(err)
				}
				continue
			}
			for range operators {
				if _, err := g.c.Undo(context.Background(), "", commit.Options{}); err != nil {
					g.Fatal(err)
				}
			}
		}
		g.same("after all", g.state(), old)
		g.nobodyLeft()
	})
}

// jumping is a clock whose wall time is wrong, or which belongs to another run of
// the kernel.
type jumping struct {
	by   time.Duration
	boot string
}

func (j jumping) Now() time.Time { return time.Now().Add(j.by) }
func (j jumping) Boot() string   { return j.boot }
func (j jumping) SinceBoot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano())
}

func TestClockJumps(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, changed, _ := g.both(o)
		id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			g.Fatal(err)
		}
		boot := strings.TrimSpace(string(id))
		for _, by := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
			odd := newCommitterIn(g.dir, g.tables, jumping{by, boot})
			e, err := odd.Run(context.Background(), o.plan(), commit.Options{Confirm: 300 * time.Millisecond})
			if err != nil {
				g.Fatal(err)
			}
			g.same("it stands", g.state(), changed)
			g.untilState(e.ID, commit.RolledBack)
			e, err = g.c.Run(context.Background(), o.plan(), commit.Options{Confirm: time.Hour})
			if err != nil {
				g.Fatal(err)
			}
			if err := odd.Recover(context.Background()); err != nil {
				g.Fatal(err)
			}
			g.same("it still stands", g.state(), changed)
			if _, err := odd.Confirm(context.Background(), ""); err != nil {
				g.Fatal(err)
			}
			if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
				g.Fatal(err)
			}
		}
		if _, err := g.c.Run(context.Background(), o.plan(), commit.Options{Confirm: time.Hour}); err != nil {
			g.Fatal(err)
		}
		again := newCommitterIn(g.dir, g.tables, jumping{0, "another run of the kernel"})
		if err := again.Recover(context.Background()); err != nil {
			g.Fatal(err)
		}
		if got := g.settle(old, changed); got != backed {
			g.Errorf("after the host was started anew: %s", got)
		}
	})
}

// TestGuardIsReplaced kills both guards at a time; the next nattui starts others.
func TestGuardIsReplaced(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, changed, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{Confirm: time.Hour})
		first := g.holder(e.ID)
		for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} { // which mean nothing to it
			if err := syscall.Kill(first, signal); err != nil {
				g.Fatalf("%v: %v", signal, err)
			}
		}
		for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
			for _, guard := range guards() {
				if err := syscall.Kill(guard, signal); err != nil {
					g.Fatalf("%v: %v", signal, err)
				}
			}
		}
		g.until("the guards are gone", func() bool { return len(guards()) == 0 && g.free(e.ID) })
		if err := g.c.Recover(context.Background()); err != nil {
			g.Fatal(err)
		}
		g.same("it still stands", g.state(), changed)
		if err := syscall.Kill(g.holder(e.ID), syscall.SIGTERM); err != nil {
			g.Fatal(err)
		}
		g.untilState(e.ID, commit.RolledBack)
		if got := g.settle(old, changed); got != backed {
			g.Error(got)
		}
		g.nobodyLeft()
	})
}

// TestDamagedJournal damages each line in turn, and cuts the last one at each byte.
func TestDamagedJournal(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.seed()
		var ids []string
		for n := range 3 {
			o := order{Variant: g.at, Lines: []string{"nat -A PREROUTING -s " + g.addr(50+n) + " -j ACCEPT"}}
			ids = append(ids, g.run(o.plan(), commit.Options{}).ID)
		}
		path := filepath.Join(g.dir, "journal")
		whole, err := os.ReadFile(path)
		if err != nil {
			g.Fatal(err)
		}
		lines := slices.Collect(bytes.Lines(whole))
		write := func(text []byte) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				g.Fatal(err)
			}
		}
		for n := range lines {
			damaged := bytes.Clone(whole)
			at := bytes.Index(damaged, lines[n]) + len(lines[n])/2
			damaged[at] ^= 1
			write(damaged)
			entries, _, err := g.c.Store().History()
			if err != nil {
				g.Fatal(err)
			}
			// The first line of an entry is the entry; the second says that it stands.
			want := len(ids)
			if n%2 == 0 {
				want--
			}
			if len(entries) != want {
				g.Errorf("with line %d damaged, the journal has %d entries, want %d", n+1, len(entries), want)
			}
		}
		last := lines[len(lines)-1]
		for cut := 1; cut <= len(last); cut++ {
			write(whole[:len(whole)-cut])
			if entries, _, err := g.c.Store().History(); err != nil || len(entries) != len(ids) {
				g.Fatalf("with %d bytes missing: %d entries, %v", cut, len(entries), err)
			}
		}
		// The next change sets the rest aside, leaves alone what cannot be known, and
		// goes on.
		write(whole[:len(whole)-5])
		e := g.run(order{Variant: g.at, Lines: []string{"nat -A PREROUTING -s " + g.addr(60) + " -j ACCEPT"}}.plan(), commit.Options{})
		entries, aside, err := g.c.Store().History()
		if err != nil || len(aside) != 1 || len(entries) != len(ids)+1 || entries[len(entries)-1].ID != e.ID {
			g.Errorf("afterwards: %d entries, %v, %v", len(entries), aside, err)
		}
		if rest, err := os.ReadFile(aside[0]); err != nil || len(rest) != len(last)-5 {
			g.Errorf("set aside: %q, %v", rest, err)
		}
		if got := g.entry(ids[2]); got.State != commit.Unknown || !strings.Contains(g.state(), g.addr(52)) {
			g.Errorf("what the journal does not tell is %s (%s), and the gateway is\n%s", got.State, got.Result, g.state())
		}
		// Somebody who has looked may say what is to be done.
		if _, err := g.c.Rollback(context.Background(), ""); !errors.As(err, new(*commit.Absent)) {
			g.Errorf("rolled back without being named: %v", err)
		}
		if got, err := g.c.Rollback(context.Background(), ids[2]); err != nil || got.State != commit.RolledBack || strings.Contains(g.state(), g.addr(52)) {
			g.Errorf("rolling back by name: %s, %v\n%s", got.State, err, g.state())
		}
	})
}

// TestConfirmedIsLost flips a bit in the record that confirms a change: the next
// nattui leaves its rule alone, and somebody may confirm it again.
func TestConfirmedIsLost(t *testing.T) {
	somewhere(t, func(g *gateway) {
		e := g.run(g.order().plan(), commit.Options{Confirm: time.Hour})
		if _, err := g.c.Confirm(context.Background(), e.ID); err != nil {
			g.Fatal(err)
		}
		g.nobodyLeft()
		want := g.state()
		path := filepath.Join(g.dir, "journal")
		text, err := os.ReadFile(path)
		if err != nil {
			g.Fatal(err)
		}
		text[bytes.LastIndex(text, []byte("confirmed"))] ^= 1
		if err := os.WriteFile(path, text, 0o600); err != nil {
			g.Fatal(err)
		}
		again := newCommitterIn(g.dir, g.tables, jumping{0, "another run of the kernel"})
		if err := again.Recover(context.Background()); err != nil {
			g.Fatal(err)
		}
		g.same("the rules", g.state(), want)
		if got := g.entry(e.ID); got.State != commit.Unknown || !strings.Contains(got.Result, "damaged") {
			g.Errorf("it is %s (%s)", got.State, got.Result)
		}
		if got, err := g.c.Confirm(context.Background(), e.ID); err != nil || got.State != commit.Confirmed {
			g.Errorf("confirmed again: %s, %v", got.State, err)
		}
		g.same("the rules", g.state(), want)
	})
}

// TestGuardOutlivesDoubt touches the journal's file while a change waits, and lets
// another nattui look: its guard knows what it has seen.
func TestGuardOutlivesDoubt(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, changed, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{Confirm: 2 * time.Second})
		if err := os.Chmod(filepath.Join(g.dir, "journal"), 0o640); err != nil {
			g.Fatal(err)
		}
		other := newCommitterIn(g.dir, g.tables, nil)
		if err := other.Recover(context.Background()); err != nil {
			g.Fatal(err)
		}
		g.untilState(e.ID, commit.RolledBack)
		if got := g.settle(old, changed); got != backed {
			g.Error(got)
		}
	})
}

func TestJournalIsRotated(t *testing.T) {
	somewhere(t, func(g *gateway) {
		defer commit.RotateAt(64 << 10)()
		g.seed()
		parked, err := g.c.Park(context.Background(), g.change(rules.Delete, 2, "-A PREROUTING -s "+g.addr(2)+" -j ACCEPT"), commit.Options{})
		if err != nil {
			g.Fatal(err)
		}
		var large rules.Plan
		for n := range 60 {
			large.Steps = append(large.Steps, rules.StepOf(insertion(g.at, "nat -A PREROUTING -s "+g.addr(100+n)+" -j ACCEPT")))
		}
		path := filepath.Join(g.dir, "journal")
		var e commit.Entry
		for range 6 {
			e = g.run(large, commit.Options{})
			if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
				g.Fatal(err)
			}
		}
		now, err1 := os.Stat(path)
		before, err2 := os.Stat(path + ".1")
		if err1 != nil || err2 != nil || before.Size() < 64<<10 || now.Size() > before.Size()+before.Size()/2 {
			g.Errorf("the journal is %v, the old one %v; %v, %v", now, before, err1, err2)
		}
		if got := g.entry(e.ID); got.State != commit.Applied || len(got.Plan.Steps) != 60 {
			g.Errorf("the entry is now %s with %d steps", got.State, len(got.Plan.Steps))
		}
		for _, name := range []string{"", "journal", "journal.1", "journal.head", "lock"} {
			info, err := os.Stat(filepath.Join(g.dir, name))
			if err != nil || info.Mode().Perm()&0o077 != 0 {
				g.Errorf("%q is readable by others: %v, %v", name, info, err)
			}
		}
		if _, err := g.c.Unpark(context.Background(), parked.ID, commit.Options{}); err != nil {
			g.Errorf("the parked rule: %v", err)
		}
	})
}

func TestTemporaryRule(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, changed, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{For: 300 * time.Millisecond})
		// It is in nobody's way.
		other := g.run(order{Variant: g.at, Lines: []string{"nat -A PREROUTING -s " + g.addr(77) + " -j ACCEPT"}}.plan(), commit.Options{})
		if _, err := g.c.Undo(context.Background(), other.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		g.untilState(e.ID, commit.RolledBack)
		if got := g.entry(e.ID).Result; got != "its time was up" {
			g.Errorf("the journal says %q", got)
		}
		g.same("its time is over", g.state(), old)
		e = g.run(o.plan(), commit.Options{For: time.Hour, Confirm: time.Hour})
		if _, err := g.c.Confirm(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		g.same("confirmed", g.state(), changed)
		if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		g.same("undone", g.state(), old)
		g.nobodyLeft()
	})
}

// TestTerminalGoesAway makes a change from a shell on a terminal and takes the
// terminal away.
func TestTerminalGoesAway(t *testing.T) {
	somewhere(t, func(g *gateway) {
		old := g.state()
		master, device := openTerminal(g.T)
		text := fmt.Sprintf(`{"Variant":{"Family":%d,"Backend":%d},"Lines":["nat -A PREROUTING -s %s -j ACCEPT"],"Confirm":%d}`,
			g.at.Family, g.at.Backend, g.addr(9), time.Hour)
		path := filepath.Join(g.TempDir(), "order")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			g.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			g.Fatal(err)
		}
		// The shell leads the session, as after a login.
		shell := exec.Command("/bin/sh", "-c", `"$0" < "$1"; read forever`, self, path)
		shell.Env = append(os.Environ(), roleVariable+"=maker")
		tty, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			g.Fatal(err)
		}
		shell.Stdin, shell.Stdout, shell.Stderr = tty, tty, tty
		shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := shell.Start(); err != nil {
			g.Fatal(err)
		}
		tty.Close()
		g.until("the change stands", func() bool {
			e, err := g.c.Store().Waiting()
			return err == nil && e != nil && e.State == commit.Applied
		})
		if g.state() == old {
			g.Fatal("nothing was changed")
		}
		master.Close() // as sshd does when the connection is cut
		_ = shell.Wait()
		g.untilState("1", commit.RolledBack)
		if got := g.entry("1").Result; got != "the terminal was closed" {
			g.Errorf("the journal says %q", got)
		}
		g.same("the terminal was closed", g.state(), old)
		g.nobodyLeft()
	})
}

// openTerminal makes a pair of terminals.
func openTerminal(t *testing.T) (master *os.File, device string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return master, fmt.Sprintf("/dev/pts/%d", n)
}

func TestPark(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		g.iptables("-t", "nat", "-c", "70", "700", "-I", "PREROUTING", "2", "-s", g.addr(8), "-j", "ACCEPT")
		old := g.counted()
		rule, err := rules.Parse("-A PREROUTING -s " + g.addr(8) + " -j ACCEPT")
		if err != nil {
			g.Fatal(err)
		}
		e, err := g.c.Park(context.Background(), rules.Change{
			Op: rules.Delete, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "PREROUTING", At: 2, Rule: rule,
		}, commit.Options{})
		if err != nil {
			g.Fatal(err)
		}
		if strings.Contains(g.counted(), g.addr(8)) {
			g.Fatal("the rule is still there")
		}
		if parked, err := g.c.Store().Parked(); err != nil || len(parked) != 1 || parked[0].ID != e.ID {
			g.Errorf("parked are %v, %v", parked, err)
		}
		// Others go on: its place is where its neighbours are.
		g.iptables("-t", "nat", "-I", "PREROUTING", "-s", g.addr(4), "-j", "ACCEPT")
		now, err := g.tables.ReadAll(context.Background())
		if err != nil {
			g.Fatal(err)
		}
		if back, ok := e.Return(now); !ok || back.At != 3 || !back.Rule.Same(rule) {
			g.Errorf("it would come back as %+v, %v", back, ok)
		}
		if _, err := g.c.Unpark(context.Background(), e.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		g.iptables("-t", "nat", "-D", "PREROUTING", "-s", g.addr(4), "-j", "ACCEPT")
		g.same("unparked", g.counted(), old)
		if parked, err := g.c.Store().Parked(); err != nil || len(parked) != 0 {
			g.Errorf("parked are %v, %v", parked, err)
		}
		// It comes back where nothing of its neighbours is left, too.
		e, err = g.c.Park(context.Background(), rules.Change{
			Op: rules.Delete, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "PREROUTING", At: 2, Rule: rule,
		}, commit.Options{})
		if err != nil {
			g.Fatal(err)
		}
		g.iptables("-t", "nat", "-F", "PREROUTING")
		if _, err := g.c.Unpark(context.Background(), e.ID, commit.Options{}); err != nil {
			g.Fatal(err)
		}
		if now := g.counted(); !strings.Contains(old, now) || !strings.Contains(now, g.addr(8)) { // ip6tables-nft 1.8.9 counts nothing of -c
			g.Errorf("it came back as %q", now)
		}
	})
}

// counted are the rules of PREROUTING with their counters.
func (g *gateway) counted() string {
	g.Helper()
	s, err := g.tables.Read(context.Background(), g.at)
	if err != nil {
		g.Fatal(err)
	}
	c, ok := s.Chain("nat", "PREROUTING")
	if !ok {
		g.Fatal("no PREROUTING")
	}
	var b strings.Builder
	for _, r := range c.Rules {
		fmt.Fprintf(&b, "[%d:%d] %s\n", r.Counters.Packets, r.Counters.Bytes, r)
	}
	return b.String()
}

// TestRollsBackBesideOthers has other programs change the tables while a change
// waits: the inverse finds its rules by what stands around them.
func TestRollsBackBesideOthers(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		before := g.counted()
		plan := rules.Plan{Title: "Test."}
		move := func(op rules.Op, at, to, n int) {
			r, err := rules.Parse("-A PREROUTING -s " + g.addr(n) + " -j ACCEPT")
			if err != nil {
				g.Fatal(err)
			}
			plan.Steps = append(plan.Steps, rules.StepOf(rules.Change{
				Op: op, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "PREROUTING", At: at, To: to, Rule: r,
			}))
		}
		move(rules.Move, 3, 1, 3)   // 3 1 2
		move(rules.Insert, 2, 0, 9) // 3 9 1 2
		move(rules.Delete, 4, 0, 2) // 3 9 1
		made := rules.Change{Op: rules.NewChain, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "MINE"}
		plan.Steps = append(plan.Steps, rules.StepOf(made))
		g.run(plan, commit.Options{Confirm: time.Hour})
		// Somebody inserts above, appends below, and uses the new chain.
		g.iptables("-t", "nat", "-I", "PREROUTING", "-s", g.addr(100), "-j", "ACCEPT")
		g.iptables("-t", "nat", "-A", "PREROUTING", "-s", g.addr(101), "-j", "ACCEPT")
		g.iptables("-t", "nat", "-A", "MINE", "-s", g.addr(102), "-j", "ACCEPT")
		e, err := g.c.Rollback(context.Background(), "")
		if err != nil {
			g.Fatal(err)
		}
		if !strings.Contains(e.Result, "chain MINE is kept") {
			g.Errorf("the result is %q", e.Result)
		}
		if !strings.Contains(g.state(), "nat -A MINE -s "+g.addr(102)) {
			g.Errorf("the other's rule is gone:\n%s", g.state())
		}
		g.iptables("-t", "nat", "-D", "PREROUTING", "-s", g.addr(100), "-j", "ACCEPT")
		g.iptables("-t", "nat", "-D", "PREROUTING", "-s", g.addr(101), "-j", "ACCEPT")
		g.same("ours is as it was", g.counted(), before)
		if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); !errors.As(err, new(*commit.Absent)) {
			g.Errorf("undoing what was rolled back: %v", err)
		}
	})
}

func TestUndoExplainsConflicts(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.seed()
		o := g.order()
		e := g.run(o.plan(), commit.Options{})
		g.iptables("-t", "nat", "-D", "PREROUTING", "-s", g.addr(9), "-j", "ACCEPT")
		_, err := g.c.Undo(context.Background(), e.ID, commit.Options{})
		if !errors.As(err, new(*rules.Conflict)) || !strings.Contains(err.Error(), "already undone by something else: 1 of 2 changes") {
			g.Errorf("the error is %v", err)
		}
		g.iptables("-t", "nat", "-A", "PREROUTING", "-s", g.addr(9), "-j", "ACCEPT")
		other := map[string]string{"0": "1", "1": "0"}[o.Setting]
		if _, err := host.WriteSysctl("net.ipv4.ip_forward", other); err != nil {
			g.Fatal(err)
		}
		if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
			g.Errorf("a setting that is back already is no conflict: %v", err)
		}
	})
}

// TestUndoSaysWhatIsThereAgain undoes a deletion whose rule somebody has put back,
// and an insertion of which only an older equal rule is left.
func TestUndoSaysWhatIsThereAgain(t *testing.T) {
	everywhere(t, func(g *gateway) {
		for _, undone := range []bool{false, true} {
			g.seed()
			line := "-A PREROUTING -s " + g.addr(2) + " -j ACCEPT"
			var e commit.Entry
			if undone {
				e = g.run(rules.Single(g.change(rules.Delete, 2, line)), commit.Options{})
				g.iptables("-t", "nat", "-I", "PREROUTING", "2", "-s", g.addr(2), "-j", "ACCEPT")
			} else {
				e = g.run(rules.Single(g.change(rules.Insert, 1, line)), commit.Options{})
				g.iptables("-t", "nat", "-D", "PREROUTING", "1")
			}
			_, err := g.c.Undo(context.Background(), e.ID, commit.Options{})
			if !errors.As(err, new(*rules.Conflict)) || strings.Contains(err.Error(), fmt.Sprintf("%q and is now %q", line, line)) {
				g.Errorf("the error is %v", err)
			}
			g.iptables("-t", "nat", "-F")
			g.iptables("-t", "filter", "-F")
		}
	})
}

// TestReplacedRuleInAnotherForm ends nattui before it could see how the kernel
// prints the rule that it put in place of another.
func TestReplacedRuleInAnotherForm(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		old := g.state()
		parse := func(line string) rules.Rule {
			r, err := rules.Parse(line)
			if err != nil {
				g.Fatal(err)
			}
			return r
		}
		c := rules.Change{
			Op: rules.Replace, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "PREROUTING", At: 2,
			Old: parse("-A PREROUTING -s " + g.addr(2) + " -j ACCEPT"), Rule: parse("-A PREROUTING -s " + g.addr(2) + " -m limit --limit 120/minute -j ACCEPT"),
		}
		g.c.OnStep(func(name string) {
			if name == "stands" {
				panic(name)
			}
		})
		func() {
			defer func() { _ = recover() }()
			_, err := g.c.Run(context.Background(), rules.Single(c), commit.Options{})
			g.Fatalf("it was not ended: %v", err)
		}()
		g.c.OnStep(func(string) {})
		if !strings.Contains(g.state(), "--limit 2/sec") {
			g.Fatalf("the rule is not there:\n%s", g.state())
		}
		if err := g.c.Recover(context.Background()); err != nil {
			g.Fatal(err)
		}
		g.same("afterwards", g.state(), old)
	})
}
