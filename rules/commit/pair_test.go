package commit_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules/commit"
)

// guards are the processes that guard a change.
func guards() []int {
	var all []int
	for _, pid := range processes() {
		if environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); bytes.Contains(environ, []byte(roleVariable+"=guard")) {
			all = append(all, pid)
		}
	}
	return all
}

// TestGuardsOfAPair kills one guard after the other, however often, and never both at a time: the change is rolled back
// at its deadline all the same, and nothing is left behind.
func TestGuardsOfAPair(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, changed, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{Confirm: 3 * time.Second})
		killed := 0
		for g.entry(e.ID).State == commit.Applied {
			pair := g.pair(e.ID)
			if len(pair) < 2 {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			victim := pair[killed%2]
			if syscall.Kill(victim, syscall.SIGKILL) == nil {
				killed++
			}
			g.until("it is gone", func() bool { return !slices.Contains(processes(), victim) })
		}
		if killed < 4 {
			g.Errorf("only %d guards were killed: nobody came back", killed)
		}
		if got := g.settle(old, changed); got != backed {
			g.Errorf("after %d guards were killed: %s", killed, got)
		}
		g.nobodyLeft()
	})
}

// TestGuardIsStopped halts the first guard, as a debugger does, beyond the deadline: the second does its work.
func TestGuardIsStopped(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, _, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{Confirm: time.Second})
		first := g.holder(e.ID)
		if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
			g.Fatal(err)
		}
		g.until("the second has rolled it back", func() bool { return g.entry(e.ID).State == commit.RolledBack })
		g.same("it is rolled back", g.state(), old)
		if err := syscall.Kill(first, syscall.SIGCONT); err != nil {
			g.Fatal(err)
		}
		g.nobodyLeft()
	})
}

// pair are the guards of an entry that have come so far as to hold its mark, or to wait for it: the holder first.
func (g *gateway) pair(id string) (all []int) {
	mark, holds := filepath.Join(g.dir, "guard-"+id), false
	for _, one := range guards() {
		if threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", one)); len(threads) < 2 {
			continue // about to become another program, with what its parent has open
		}
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", one))
		for _, info := range files {
			to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", one, filepath.Base(info)))
			text, _ := os.ReadFile(info)
			switch {
			case to != mark:
			case bytes.Contains(text, []byte("WRITE")):
				all, holds = slices.Insert(all, 0, one), true
			default:
				all = append(all, one)
			}
		}
	}
	if !holds {
		return nil
	}
	return all
}

// free tells that nobody holds the mark of an entry's guards any more: a process that was killed loses its memory, by which
// guards are told, before its files.
func (g *gateway) free(id string) bool {
	file, err := os.OpenFile(filepath.Join(g.dir, "guard-"+id), os.O_RDWR, 0)
	if err != nil {
		return true
	}
	defer file.Close()
	question := &unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, question) == nil && question.Type == unix.F_UNLCK
}

// holder waits until a pair of guards is there, and returns the one that holds the mark.
func (g *gateway) holder(id string) int {
	g.Helper()
	var pair []int
	g.until("both guards are there", func() bool {
		pair = g.pair(id)
		return len(pair) > 1
	})
	return pair[0]
}

// TestConfirmedPairEnds: guards end with their change.
func TestConfirmedPairEnds(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		_, changed, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{Confirm: time.Hour})
		g.holder(e.ID)
		if _, err := g.c.ConfirmUnproven(context.Background(), e.ID, "a test"); err != nil {
			g.Fatal(err)
		}
		g.nobodyLeft()
		g.same("it is kept", g.state(), changed)
	})
}
