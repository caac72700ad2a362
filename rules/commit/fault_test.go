package commit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nattui/rules/commit"
)

// start starts a process that carries out an order. Steps are the names it says.
func (g *gateway) start(o order) (maker *exec.Cmd, steps *bufio.Scanner) {
	g.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		g.Fatal(err)
	}
	maker = exec.Command("/proc/self/exe")
	maker.Env = append(os.Environ(), roleVariable+"=maker")
	maker.Stdin = strings.NewReader(string(text))
	// The reader is kept open and drained, so that no write of the maker fails.
	out, err := maker.StdoutPipe()
	if err != nil {
		g.Fatal(err)
	}
	if err := maker.Start(); err != nil {
		g.Fatal(err)
	}
	return maker, bufio.NewScanner(out)
}

// alive tells what the processes of this namespace are at, for finding who keeps a lock.
func alive() string {
	var b strings.Builder
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		command, _ := os.ReadFile(dir + "/cmdline")
		wait, _ := os.ReadFile(dir + "/wchan")
		stat, _ := os.ReadFile(dir + "/stat")
		fmt.Fprintf(&b, "%s: %q at %s; %.60s\n", dir, command, wait, stat)
		files, _ := filepath.Glob(dir + "/fd/*")
		for _, f := range files {
			to, _ := os.Readlink(f)
			fmt.Fprintf(&b, "    %s %s\n", filepath.Base(f), to)
		}
	}
	return b.String()
}

// outcome is what became of a change that was disturbed.
type outcome string

const (
	untouched outcome = "old state, no entry"
	backed    outcome = "old state, journal says rolled back"
	refused   outcome = "old state, journal says failed"
	standing  outcome = "new state, journal says it stands"
)

// settle waits until nothing of the change is left open or running, doing what the
// next nattui would do, and holds the journal against the kernel.
func (g *gateway) settle(old, changed string) outcome {
	g.Helper()
	g.until("nothing is open any more", func() bool {
		if err := g.c.Recover(context.Background()); err != nil {
			g.Fatalf("%v\n%s", err, alive())
		}
		waiting, err := g.c.Store().Waiting()
		if err != nil {
			g.Fatal(err)
		}
		return waiting == nil
	})
	g.nobodyLeft()
	entries, aside, err := g.c.Store().History()
	if err != nil {
		g.Fatal(err)
	}
	for _, name := range aside { // half a line, at most
		if err := os.Remove(name); err != nil {
			g.Fatal(err)
		}
	}
	now, got := g.state(), untouched
	if len(entries) > 0 {
		switch e := entries[len(entries)-1]; {
		case e.Kind == commit.KindUndo:
		case e.State == commit.RolledBack:
			got = backed
		case e.State == commit.Failed:
			got = refused
		case e.Stands():
			got = standing
		default:
			g.Errorf("entry %s is left as %s", e.ID, e.State)
		}
	}
	want := old
	if got == standing {
		want = changed
	}
	if now != want {
		g.Fatalf("the journal says %q, and the gateway is\n%sIt was\n%sand would have been\n%s", got, now, old, changed)
	}
	return got
}

// reset takes the gateway back to the old state, by undoing.
func (g *gateway) reset(got outcome, old string) {
	g.Helper()
	if got != standing {
		return
	}
	if _, err := g.c.Undo(context.Background(), "", commit.Options{}); err != nil {
		g.Fatal(err)
	}
	if now := g.state(); now != old {
		g.Fatalf("after undoing, the gateway is\n%swant\n%s", now, old)
	}
}

// forgetAll empties the journal, so that it does not grow with the test.
func (g *gateway) forgetAll() {
	g.Helper()
	for _, name := range []string{"journal", "journal.head"} { // whose numbers would go on
		if err := os.RemoveAll(filepath.Join(g.dir, name)); err != nil {
			g.Fatal(err)
		}
	}
}

// both makes the order's change once to see what it makes of the gateway, and
// which steps it takes.
func (g *gateway) both(o order) (old, changed string, steps []string) {
	g.Helper()
	g.seed()
	old = g.state()
	maker, out := g.start(o)
	for out.Scan() {
		steps = append(steps, out.Text())
	}
	if err := maker.Wait(); err != nil {
		g.Fatalf("the maker: %v", err)
	}
	changed = g.state()
	if o.Confirm > 0 {
		if _, err := g.c.Rollback(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		g.nobodyLeft()
		return old, changed, steps
	}
	g.reset(standing, old)
	return old, changed, steps
}

var ends = []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP, syscall.SIGTERM}

// TestEndedAtEveryStep ends nattui at each step of a change in turn.
func TestEndedAtEveryStep(t *testing.T) {
	long(t)
	nativelyToo(t, func(g *gateway) {
		for _, confirm := range []time.Duration{0, time.Hour} {
			o := g.order()
			o.Confirm = confirm
			old, changed, steps := g.both(o)
			if len(steps) < 7 {
				g.Fatalf("only the steps %q are known", steps)
			}
			seen := map[string]int{}
			for _, step := range steps {
				seen[step]++
				for _, signal := range ends {
					o.Step, o.Nth, o.Signal = step, seen[step], signal
					maker, out := g.start(o)
					for out.Scan() {
					}
					if err := maker.Wait(); err == nil {
						g.Fatalf("the maker survived %v at %s", signal, step)
					}
					if step == "done" && confirm > 0 {
						// It stands and waits: that its maker is gone changes nothing.
						g.same("at the end", g.state(), changed)
						if _, err := g.c.Rollback(context.Background(), ""); err != nil {
							g.Fatal(err)
						}
					}
					got := g.settle(old, changed)
					if (got == standing) != (step == "done" && confirm == 0) {
						g.Errorf("%v at %q: %s", signal, step, got)
					}
					g.reset(got, old)
					g.forgetAll()
				}
			}
			g.clear()
		}
	})
}

// TestRollbackEndedAtEveryStep ends nattui while it rolls back a change, kills the
// guard too, and has somebody confirm at once what may be half gone.
func TestRollbackEndedAtEveryStep(t *testing.T) {
	long(t)
	nativelyToo(t, func(g *gateway) {
		o := g.order()
		o.Confirm = time.Hour
		old, changed, _ := g.both(o)
		for _, step := range []string{"leave", "rollback", "back", "setting back", "rolled back"} {
			for _, signal := range ends {
				g.run(o.plan(), commit.Options{Confirm: time.Hour})
				maker, out := g.start(order{Rollback: true, Step: step, Nth: 1, Signal: signal})
				reached := false
				for out.Scan() {
					if reached = reached || out.Text() == step; reached {
						for _, pid := range processes() {
							if pid != maker.Process.Pid {
								_ = syscall.Kill(pid, syscall.SIGKILL)
							}
						}
					}
				}
				if err := maker.Wait(); err == nil || !reached {
					g.Fatalf("the rollback survived %v at %q", signal, step)
				}
				_, err := g.c.Confirm(context.Background(), "")
				if err != nil && !errors.As(err, new(*commit.Absent)) {
					g.Fatal(err)
				}
				got := g.settle(old, changed)
				if (got == standing) != (err == nil) || (got == standing) != (step == "leave") {
					g.Errorf("%v at %q, then confirmed (%v): %s", signal, step, err, got)
				}
				g.reset(got, old)
				g.forgetAll()
			}
		}
	})
}

// kills is how many processes TestKilledAtRandom ends at each variant: some, or as
// many as NATTUI_KILLS says for the figures in docs/reliability.md.
func kills(t *testing.T) int {
	text := os.Getenv("NATTUI_KILLS")
	if text == "" {
		if testing.Short() {
			return 10
		}
		return 75
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// victim is one of the processes of a change, and what it is.
func victim() (pid int, what string) {
	all := processes()
	if len(all) == 0 {
		return 0, ""
	}
	pid = all[rand.IntN(len(all))]
	if stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); len(stat) == 0 || strings.Contains(string(stat), ") Z ") {
		return 0, "" // it has ended by itself
	}
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	switch {
	case strings.Contains(string(environ), roleVariable+"=guard"):
		return pid, "the guard or its iptables"
	case strings.Contains(string(name), "tables"):
		return pid, "iptables"
	case strings.Contains(string(name), "commit"), strings.Contains(string(name), "exe"):
		return pid, "nattui"
	}
	return pid, "a process just starting"
}

// TestKilledAtRandom ends processes of changes, whichever they are, at random
// moments: nattui, its guard, iptables-save and iptables-restore.
func TestKilledAtRandom(t *testing.T) {
	long(t)
	nativelyToo(t, func(g *gateway) {
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 1))
		o := g.order()
		old, changed, _ := g.both(o)
		wanted, killed := kills(g.T), 0
		outcomes, victims := map[outcome]int{}, map[string]int{}
		took := 100 * time.Millisecond
		for killed < wanted {
			o.Confirm = 0
			if random.IntN(3) > 0 {
				o.Confirm = time.Duration(1+random.IntN(200)) * time.Millisecond
			}
			begun := time.Now()
			maker, out := g.start(o)
			over := make(chan struct{})
			go func() {
				for out.Scan() {
				}
				_ = maker.Wait()
				close(over)
			}()
			for range 1 + random.IntN(3) {
				wait := time.Duration(random.Int64N(int64(took + o.Confirm)))
				select {
				case <-over:
				case <-time.After(wait):
				}
				if pid, what := victim(); pid != 0 {
					signal := ends[random.IntN(len(ends))]
					if syscall.Kill(pid, signal) == nil {
						killed++
						victims[fmt.Sprintf("%s by %v", what, signal)]++
					}
				}
			}
			if o.Confirm > 0 && random.IntN(3) == 0 {
				_, err := g.c.Confirm(context.Background(), "")
				if err != nil && !errors.As(err, new(*commit.Absent)) {
					g.Fatalf("confirming (seed %d): %v", seed, err)
				}
			}
			<-over
			if d := time.Since(begun); d < time.Second {
				took = max(d, 20*time.Millisecond)
			}
			got := g.settle(old, changed)
			outcomes[got]++
			g.reset(got, old)
			g.forgetAll()
		}
		g.Logf("%d signals sent; %s", killed, tally(victims))
		g.Logf("outcomes: %s; neither old nor new: 0; left running or pending: 0", tally(outcomes))
	})
}

func tally[K ~string](counts map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s: %d", k, counts[k]))
	}
	return strings.Join(parts, ", ")
}
