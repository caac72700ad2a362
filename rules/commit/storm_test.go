package commit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// storm is another program that inserts and deletes rules at full speed: one
// process that is fed transactions without a pause, several hundred to several
// thousand a second, rather than a process for each.
type storm struct {
	cmd          *exec.Cmd
	stop         chan struct{}
	done         chan error
	out          bytes.Buffer
	transactions atomic.Int64
	began        time.Time
}

// storm starts it. Each round inserts above and between our rules and appends
// beneath them, in two tables, and then deletes the same rules: if one of them is
// not there, it fails.
func (g *gateway) storm() *storm {
	g.Helper()
	s := &storm{stop: make(chan struct{}), done: make(chan error, 1), began: time.Now()}
	feed, err := s.begin(g.program())
	if err != nil {
		g.Fatal(err)
	}
	go func() {
		for n := 0; ; n++ {
			select {
			case <-s.stop:
				feed.Close()
				s.done <- s.ended()
				return
			default:
			}
			if _, err := io.WriteString(feed, g.stormRound(n)); err == nil {
				s.transactions.Add(4)
				continue
			}
			if err := s.ended(); err != nil {
				s.done <- err
				return
			}
			if feed, err = s.begin(g.program()); err != nil {
				s.done <- err
				return
			}
		}
	}()
	return s
}

// stormRound is what the other program is told in a round.
func (g *gateway) stormRound(n int) string {
	var b strings.Builder
	for _, chain := range []string{"nat PREROUTING", "filter FORWARD"} {
		table, name, _ := strings.Cut(chain, " ")
		above, between, beneath := g.addr(100+n%50), g.addr(150+n%50), g.addr(200+n%50)
		fmt.Fprintf(&b, "*%s\n-I %s -s %s -j ACCEPT\n-I %[2]s 3 -s %[4]s -j ACCEPT\n-A %[2]s -s %[5]s -j ACCEPT\nCOMMIT\n", table, name, above, between, beneath)
		fmt.Fprintf(&b, "*%s\n-D %s -s %s -j ACCEPT\n-D %[2]s -s %[4]s -j ACCEPT\n-D %[2]s -s %[5]s -j ACCEPT\nCOMMIT\n", table, name, above, between, beneath)
	}
	return b.String()
}

// begin starts the other program, to be fed with rounds.
func (s *storm) begin(program string) (io.WriteCloser, error) {
	s.out.Reset()
	s.cmd = exec.Command(program+"-restore", "--noflush", "-w", "60")
	s.cmd.Env = append(os.Environ(), "LC_ALL=C")
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	feed, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return feed, s.cmd.Start()
}

// ended waits for the other program and says what went wrong with it. Where the rule before which it inserts is gone
// by then, iptables-nft-restore 1.8.9 sometimes gives up although it is to try again: then nothing of
// that transaction is there, and that is its own affair.
func (s *storm) ended() error {
	err := s.cmd.Wait()
	if err == nil || strings.Contains(s.out.String(), "RULE_INSERT failed (No such file or directory)") {
		return nil
	}
	return fmt.Errorf("the other program: %w: %s", err, s.out.Bytes())
}

// end stops it; the error says that it missed one of its rules.
func (s *storm) end() error {
	close(s.stop)
	return <-s.done
}

// pace is how many transactions it makes in a second.
func (s *storm) pace() float64 { return float64(s.transactions.Load()) / time.Since(s.began).Seconds() }

// TestStorm makes changes of every kind, rolls them back and undoes them beside a
// program that changes the same chains many hundred times a second. Each ends in
// the new state and then in the old one, and says so; at every step our rules stand
// in the order that was meant, and in the end every rule stands where it stood before.
func TestStorm(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		old := g.state()
		s := g.storm()
		g.until("the other program is at work", func() bool { return s.transactions.Load() > 100 })
		longest := time.Duration(0)
		plans := g.stormPlans()
		if testing.Short() {
			plans = plans[:1]
		}
		for _, p := range plans {
			for _, way := range []string{"rolled back", "undone"} {
				if p.hardest != way && os.Getenv("NATTUI_KILLS") == "" {
					continue // all of them take a minute
				}
				began := time.Now()
				if err := g.thereAndBack(p, way == "undone"); err != nil {
					t.Errorf("%s, %s: %v", p.name, way, err)
				}
				longest = max(longest, time.Since(began))
			}
		}
		t.Logf("a change and the way back took %v at most, beside %.0f transactions a second", longest, s.pace())
		if err := s.end(); err != nil {
			t.Error(err)
		}
		g.same("after all", g.state(), old)
		g.nobodyLeft()
	})
}

// stormPlan is a change that is made in the storm.
type stormPlan struct {
	name    string
	plan    rules.Plan
	want    string // the hosts of our rules in nat PREROUTING once it is made
	hardest string // the way back that is always tried
}

// ours are the hosts of the rules in nat PREROUTING that are not the other program's.
func (g *gateway) ours() (string, error) {
	s, err := g.tables.Read(context.Background(), g.at)
	if err != nil {
		return "", err
	}
	c, _ := s.Chain("nat", "PREROUTING")
	var hosts []string
	for _, r := range c.Rules {
		for n := range 10 {
			if r.Source.String() == g.addr(n) {
				hosts = append(hosts, fmt.Sprint(n))
			}
		}
	}
	return strings.Join(hosts, " "), nil
}

// stands checks the order of our rules.
func (g *gateway) stands(e commit.Entry, want string) error {
	got, err := g.ours()
	if err == nil && got != want {
		err = fmt.Errorf("change %s left %q and not %q, and says: %q", e.ID, got, want, e.Result)
	}
	return err
}

// thereAndBack makes a change and rolls it back.
func (g *gateway) thereAndBack(p stormPlan, undo bool) error {
	e, err := g.c.Run(context.Background(), p.plan, commit.Options{Confirm: time.Hour})
	for conflict := (*rules.Conflict)(nil); errors.As(err, &conflict); {
		// The rule to be deleted stood elsewhere already, and nothing was done. Whoever
		// looks again, and is fast enough, gets through.
		p.plan.Steps[0].Change.At = max(conflict.Elsewhere, 1)
		e, err = g.c.Run(context.Background(), p.plan, commit.Options{Confirm: time.Hour})
	}
	if err == nil {
		err = g.stands(e, p.want)
	}
	if err != nil {
		return err
	}
	if undo {
		e, err = g.undone(e)
	} else if e, err = g.c.Rollback(context.Background(), ""); err == nil && e.State != commit.RolledBack {
		err = fmt.Errorf("it is %s", e.State)
	}
	if err == nil {
		err = g.stands(e, "1 2 3")
	}
	return err
}

// undone confirms a change and undoes it.
func (g *gateway) undone(e commit.Entry) (commit.Entry, error) {
	if _, err := g.c.Confirm(context.Background(), ""); err != nil {
		return e, err
	}
	e, err := g.c.Undo(context.Background(), e.ID, commit.Options{})
	if err == nil && e.State != commit.Applied {
		err = fmt.Errorf("the undo is %s", e.State)
	}
	return e, err
}

// stormPlans are changes at the end of a chain, at its front, in its middle, and
// over two tables.
func (g *gateway) stormPlans() []stormPlan {
	change := func(op rules.Op, at, to, n int) rules.Step {
		r, err := rules.Parse("-A PREROUTING -s " + g.addr(n) + " -j ACCEPT")
		if err != nil {
			g.Fatal(err)
		}
		return rules.StepOf(rules.Change{Op: op, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "PREROUTING", At: at, To: to, Rule: r})
	}
	return []stormPlan{
		{"order", g.order().plan(), "1 2 3 9", "rolled back"},
		{"append", rules.Plan{Title: "Append.", Steps: []rules.Step{change(rules.Insert, 0, 0, 9)}}, "1 2 3 9", ""},
		{"first", rules.Plan{Title: "First.", Steps: []rules.Step{change(rules.Insert, 1, 0, 9)}}, "9 1 2 3", ""},
		{"delete", rules.Plan{Title: "Delete.", Steps: []rules.Step{change(rules.Delete, 2, 0, 2)}}, "1 3", "undone"},
	}
}
