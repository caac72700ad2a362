package commit_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
)

// odd is a way in which iptables-restore ends that says nothing, or something
// false, about what it did.
type odd struct {
	name   string
	script string // of a program that stands in its place; %s is the real one
	made   bool   // the kernel has the change all the same
}

var oddities = []odd{
	{"killed after the commit", "%s \"$@\"\nkill -9 $$", true},
	{"fails after the commit", "%s \"$@\"\nexit 1", true},
	{"complains after the commit", "%s \"$@\"\necho 'iptables-restore: line 2 failed' >&2\nexit 1", true},
	{"killed before the commit", "cat >/dev/null\nkill -9 $$", false},
	{"does nothing and succeeds", "cat >/dev/null\nexit 0", false},
	{"does nothing and fails", "cat >/dev/null\nexit 1", false},
}

// odditiesFor are all of them for the changes that most are, and for the others at
// each variant a third, another one for each.
func (g *gateway) odditiesFor(change string) []odd {
	if change == "add" || change == "two tables" {
		return oddities
	}
	n := (len(change) + slices.Index(variants, g.at)) % 3
	return []odd{oddities[n], oddities[3+n]}
}

// oddly puts a program in the place of the restore program, and returns what
// takes it away again.
func (g *gateway) oddly(o odd) (end func()) {
	g.Helper()
	name := g.program() + "-restore"
	real, err := exec.LookPath(name)
	if err != nil {
		g.Fatal(err)
	}
	dir, path := g.TempDir(), os.Getenv("PATH")
	// The variable's name tells nattui that the program heeds it.
	script := "#!/bin/sh\n# XTABLES_LOCKFILE\n" + strings.ReplaceAll(o.script, "%s", real) + "\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
		g.Fatal(err)
	}
	g.Setenv("PATH", dir+":"+path)
	open := func() {
		if g.tables, err = iptables.Open(context.Background()); err != nil {
			g.Fatal(err)
		}
		g.c = newCommitterIn(g.dir, g.tables, nil)
	}
	open()
	return func() {
		g.Setenv("PATH", path)
		open()
	}
}

// at is a change of PREROUTING.
func (g *gateway) change(op rules.Op, at int, line string) rules.Change {
	r, err := rules.Parse(line)
	if err != nil {
		g.Fatal(err)
	}
	return rules.Change{Op: op, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "PREROUTING", At: at, Rule: r}
}

// changes are one of each kind, over tables as twins leaves them.
func (g *gateway) changes() map[string]rules.Plan {
	twin := "-A PREROUTING -s " + g.addr(2) + " -j ACCEPT"
	fresh := "-A PREROUTING -s " + g.addr(9) + " -j ACCEPT"
	move, replace := g.change(rules.Move, 1, "-A PREROUTING -s "+g.addr(1)+" -j ACCEPT"), g.change(rules.Replace, 3, fresh)
	move.To = 4
	replace.Old = g.change(rules.Insert, 0, twin).Rule
	return map[string]rules.Plan{
		"add":                rules.Single(g.change(rules.Insert, 2, fresh)),
		"add at the end":     rules.Single(g.change(rules.Insert, 0, fresh)),
		"add an equal rule":  rules.Single(g.change(rules.Insert, 2, twin)),
		"delete":             rules.Single(g.change(rules.Delete, 1, move.Rule.String())),
		"delete an equal":    rules.Single(g.change(rules.Delete, 3, twin)),
		"move":               rules.Single(move),
		"replace an equal":   rules.Single(replace),
		"two tables":         g.order().plan(),
		"two tables, delete": {Steps: []rules.Step{rules.StepOf(g.change(rules.Delete, 2, twin)), rules.StepOf(insertion(g.at, "filter -A FORWARD -s "+g.addr(9)+" -j ACCEPT"))}},
	}
}

// twins are the rules of seed, the second one twice.
func (g *gateway) twins() {
	g.Helper()
	g.seed()
	g.iptables("-t", "nat", "-I", "PREROUTING", "2", "-s", g.addr(2), "-j", "ACCEPT")
}

// TestRestoreEndsOddly has iptables-restore end in ways that do not tell what it
// did: what the kernel has is what nattui says, and nothing is made twice.
func TestRestoreEndsOddly(t *testing.T) {
	long(t)
	everywhere(t, func(g *gateway) {
		g.twins()
		old := g.state()
		for name, plan := range g.changes() {
			want := g.changed(plan, old)
			for _, o := range g.odditiesFor(name) {
				what := name + ", " + o.name
				waits := []time.Duration{0, time.Hour}
				if testing.Short() || name != "add" && name != "two tables" {
					waits = waits[len(what)%2 : len(what)%2+1] // either, in turn
				}
				for _, confirm := range waits {
					end := g.oddly(o)
					e, err := g.c.Run(context.Background(), plan, commit.Options{Confirm: confirm})
					if (err == nil) != o.made {
						g.Fatalf("%s: the error is %v", what, err)
					}
					if !o.made {
						if killed := strings.Contains(o.name, "killed"); killed != strings.Contains(err.Error(), "was killed (signal: killed)") {
							g.Errorf("%s: the error is %v", what, err)
						}
						g.same(what, g.state(), old)
						if e.State != commit.Failed {
							g.Errorf("%s: it is %s", what, e.State)
						}
						end()
						g.nobodyLeft()
						continue
					}
					g.same(what, g.state(), want)
					if confirm > 0 {
						e, err = g.c.Rollback(context.Background(), e.ID)
					} else {
						e, err = g.c.Undo(context.Background(), e.ID, commit.Options{})
					}
					if err != nil {
						g.Fatalf("%s: taking it back: %v", what, err)
					}
					end()
					g.same(what+", taken back", g.state(), old)
					g.nobodyLeft()
				}
			}
			g.forgetAll()
		}
	})
}

// TestRestoreDiesHalfway has iptables-restore make the first of two tables and die, or fail. That is looked up: where
// it died only the other table is made then, where it failed the first one is rolled back, and that is said.
func TestRestoreDiesHalfway(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		old := g.state()
		want := g.changed(g.order().plan(), old)
		for _, ends := range []string{"kill -9 $$", "exit 1"} {
			g.forgetAll()
			runs := filepath.Join(g.TempDir(), "runs")
			end := g.oddly(odd{script: "echo run >>" + runs + "\nawk '{print} /^COMMIT/ {exit}' | %s \"$@\"\n" + ends})
			e, err := g.c.Run(context.Background(), g.order().plan(), commit.Options{})
			end()
			if text, err := os.ReadFile(runs); err != nil || strings.Count(string(text), "run") != 2 {
				g.Errorf("%s: it was run %d times, and not once for each table or once to roll back (%v)", ends, strings.Count(string(text), "run"), err)
			}
			if ends != "exit 1" {
				if err != nil || e.State != commit.Applied {
					g.Errorf("%s: it is %s: %v", ends, e.State, err)
				}
				g.same(ends, g.state(), want)
				if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
					g.Error(err)
				}
			} else if err == nil || e.State != commit.Failed || strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "table nat had been changed by then and was rolled back") {
				g.Errorf("%s: it is %s, and says: %v", ends, e.State, err)
			}
			g.same("after all", g.state(), old)
			g.nobodyLeft()
		}
	})
}

// changed is the state that a plan leads to.
func (g *gateway) changed(plan rules.Plan, old string) string {
	g.Helper()
	e := g.run(plan, commit.Options{})
	want := g.state()
	if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
		g.Fatal(err)
	}
	g.same("there and back", g.state(), old)
	return want
}

// TestRollbackEndsOddly has only the rollback meet such an end: what stands is
// not said to be gone, and is gone once iptables works again.
func TestRollbackEndsOddly(t *testing.T) {
	long(t)
	everywhere(t, func(g *gateway) {
		g.twins()
		old := g.state()
		for name, plan := range g.changes() {
			want := g.changed(plan, old)
			for _, o := range g.odditiesFor(name) {
				what := name + ", " + o.name
				e := g.run(plan, commit.Options{Confirm: time.Hour})
				end := g.oddly(o)
				got, err := g.c.Rollback(context.Background(), e.ID)
				end()
				switch {
				case (err == nil) != o.made:
					g.Fatalf("%s: the error is %v", what, err)
				case !o.made:
					if got.State == commit.RolledBack {
						g.Errorf("%s: it is said to be %s", what, got.State)
					}
					// Its guard does it in the meantime, or the next nattui.
					if got := g.settle(old, want); got != backed {
						g.Errorf("%s: %s", what, got)
					}
				}
				g.same(what, g.state(), old)
				g.nobodyLeft()
			}
			g.forgetAll()
		}
	})
}

// TestParkEndsOddly parks a rule and brings it back.
func TestParkEndsOddly(t *testing.T) {
	long(t)
	everywhere(t, func(g *gateway) {
		g.twins()
		old := g.state()
		for _, o := range oddities {
			if !o.made {
				continue
			}
			end := g.oddly(o)
			e, err := g.c.Park(context.Background(), g.changes()["delete an equal"].Changes()[0], commit.Options{})
			if err != nil {
				g.Fatal(o.name, err)
			}
			if n := strings.Count(g.state(), "-s "+g.addr(2)+" -j"); n != 2 { // one of nat, one of filter
				g.Errorf("%s: %d rules are left\n%s", o.name, n, g.state())
			}
			if _, err := g.c.Unpark(context.Background(), e.ID, commit.Options{}); err != nil {
				g.Fatal(o.name, err)
			}
			end()
			g.same(o.name, g.state(), old)
		}
	})
}

// TestMoveEndsOddly moves one of equal rules among others, and its restore program does not make it: the order stays.
func TestMoveEndsOddly(t *testing.T) {
	everywhere(t, func(g *gateway) {
		for _, n := range []int{1, 4, 1, 5} {
			g.iptables("-t", "nat", "-A", "PREROUTING", "-s", g.addr(n), "-j", "ACCEPT")
		}
		old := g.state()
		for _, places := range [][2]int{{1, 2}, {1, 4}, {3, 1}, {3, 2}} {
			move := g.change(rules.Move, places[0], "-A PREROUTING -s "+g.addr(1)+" -j ACCEPT")
			move.To = places[1]
			want := g.changed(rules.Single(move), old)
			for _, o := range oddities {
				what := fmt.Sprintf("%d to %d, %s", places[0], places[1], o.name)
				end := g.oddly(o)
				e, err := g.c.Run(context.Background(), rules.Single(move), commit.Options{Confirm: time.Hour})
				end()
				if (err == nil) != o.made {
					g.Fatalf("%s: the error is %v", what, err)
				}
				if !o.made {
					g.same(what, g.state(), old)
					continue
				}
				g.same(what, g.state(), want)
				if _, err := g.c.Rollback(context.Background(), e.ID); err != nil {
					g.Errorf("%s: %v", what, err)
				}
				g.same(what+", taken back", g.state(), old)
			}
			g.nobodyLeft()
		}
		g.iptables("-t", "nat", "-F")
		g.forgetAll()
	})
}

// TestCountersAreLost has the restore program of legacy die before it sets the counters of the table again: the change
// stands, and that they begin at 0 is said.
func TestCountersAreLost(t *testing.T) {
	everywhere(t, func(g *gateway) {
		if g.at.Backend != rules.Legacy {
			return
		}
		g.iptables("-t", "nat", "-A", "PREROUTING", "-c", "7", "700", "-s", g.addr(1), "-j", "ACCEPT")
		plan := g.changes()["add at the end"]
		for _, ends := range []string{"kill -9 $$", "exit 1"} {
			end := g.oddly(odd{script: "%s \"$@\"\n" + g.program() + " -w -t nat -Z\n" + ends})
			e, err := g.c.Run(context.Background(), plan, commit.Options{})
			end()
			if err != nil || !strings.Contains(e.Result, "counters were lost") || !strings.Contains(e.Result, "table nat") {
				g.Errorf("%s: the result is %q, %v", ends, e.Result, err)
			}
			if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
				g.Error(err)
			}
			g.iptables("-t", "nat", "-F")
			g.iptables("-t", "nat", "-A", "PREROUTING", "-c", "7", "700", "-s", g.addr(1), "-j", "ACCEPT")
		}
		e, err := g.c.Run(context.Background(), plan, commit.Options{})
		if err != nil || e.Result != "" {
			g.Errorf("with its counters: %q, %v", e.Result, err)
		}
		g.iptables("-t", "nat", "-F")
		g.forgetAll()
	})
}

// TestOlderEqualRuleIsDeleted adds a rule equal to one that is there, has
// somebody delete the older one, and rolls back the change: nothing is left, or,
// where that cannot be told, it is said.
func TestOlderEqualRuleIsDeleted(t *testing.T) {
	everywhere(t, func(g *gateway) {
		for _, at := range []int{1, 2, 3, 4} {
			g.seed()
			line := "-A PREROUTING -s " + g.addr(2) + " -j ACCEPT"
			e := g.run(rules.Single(g.change(rules.Insert, at, line)), commit.Options{Confirm: time.Hour})
			older := 2
			if at <= 2 {
				older = 3
			}
			g.iptables("-t", "nat", "-D", "PREROUTING", fmt.Sprint(older))
			got, err := g.c.Rollback(context.Background(), e.ID)
			if err != nil {
				g.Fatal(err)
			}
			left := strings.Contains(g.state(), "nat "+line+"\n")
			adjacent := slices.Contains([]int{2, 3}, at)
			switch said := strings.Contains(got.Result, "not known"); {
			case left && !said:
				g.Errorf("added as rule %d: it is left, and the word is %q", at, got.Result)
			case left && (g.at.Backend == rules.NFT || !adjacent):
				g.Errorf("added as rule %d: it is left though it can be told apart (%s)", at, got.Result)
			case !left && said:
				g.Errorf("added as rule %d: it is gone and called not known", at)
			}
			g.iptables("-t", "nat", "-F")
			g.iptables("-t", "filter", "-F")
			g.nobodyLeft()
			g.forgetAll()
		}
	})
}
