package ui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"

	"nattui/rules"
)

// slowGateway takes its time for a change.
type slowGateway struct {
	*liveGateway
	takes time.Duration
	err   error
	made  int
}

func (g *slowGateway) Apply(ctx context.Context, p rules.Plan, t Terms) (Done, error) {
	time.Sleep(g.takes)
	if err := context.Cause(ctx); err != nil {
		return Done{}, err
	}
	if g.err != nil {
		return Done{}, g.err
	}
	g.made++
	done, err := g.liveGateway.Apply(ctx, p, t)
	done.ID = "7"
	return done, err
}

// leave runs the program with a slow change that was confirmed, does something, and returns
// what is said on the terminal when the program has ended.
func leave(t *testing.T, g *slowGateway, journal *journal, do func(x *terminal, end context.CancelFunc)) []string {
	g.liveGateway = newLiveGateway(t)
	g.Changes = g
	if journal != nil {
		g.Journal = journal
	}
	ctx, end := context.WithCancel(t.Context())
	x := openIn(ctx, t, g.Gateway, 80, 24, colorprofile.TrueColor)
	time.Sleep(time.Second)
	x.press("down", "d")
	time.Sleep(time.Second)
	x.press("y")
	do(x, end)
	waited := false
	if err := <-x.done; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	said := x.app.Leave(t.Context(), func(string) { waited = true })
	if waited {
		said = append([]string{"waited"}, said...)
	}
	end()
	time.Sleep(failedTime + time.Minute) // a change that was left goes on here, where the process does not end
	synctest.Wait()
	close(g.tables)
	close(g.facts)
	close(g.feed.changed)
	time.Sleep(time.Second)
	x.close()
	return said
}

// Whoever quits while a change is being made is told that it is being finished, and what
// came of it.
func TestQuitWaitsForAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &slowGateway{takes: 30 * time.Second}
		said := leave(t, g, nil, func(x *terminal, _ context.CancelFunc) {
			x.press("q")
			x.sees("finishing the change …   q leave without waiting")
			x.press("2", "d") // nothing else is begun
			x.sees("PREROUTING")
			time.Sleep(time.Minute)
		})
		if want := []string{"change 7 is applied"}; g.made != 1 || !slices.Equal(said, want) {
			t.Errorf("%d changes were made, and %q said", g.made, said)
		}
	})
}

// So is one that fails.
func TestQuitTellsOfAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &slowGateway{takes: 30 * time.Second, err: errors.New("iptables-restore: no memory")}
		said := leave(t, g, nil, func(x *terminal, _ context.CancelFunc) {
			x.press("ctrl+c")
			time.Sleep(time.Minute)
		})
		if want := []string{"the change was not applied: iptables-restore: no memory"}; !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
	})
}

// Asked for twice, quitting does not wait, and says what is left.
func TestQuitTwiceLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, j := &slowGateway{takes: 30 * time.Second}, &journal{}
		j.entries = []JournalEntry{{ID: "7", State: "pending", At: time.Now().Add(time.Hour)}} // some time after the change was begun
		said := leave(t, g, j, func(x *terminal, _ context.CancelFunc) {
			x.press("q", "q")
		})
		if want := []string{"the change is not finished: change 7 is pending; nattui history shows how it ended"}; !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
	})
}

// A program that is ended from outside finishes the change as well.
func TestChangeOutlivesTheScreens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &slowGateway{takes: 30 * time.Second}
		said := leave(t, g, nil, func(_ *terminal, end context.CancelFunc) { end() })
		if want := []string{"waited", "change 7 is applied"}; g.made != 1 || !slices.Equal(said, want) {
			t.Errorf("%d changes were made, and %q said", g.made, said)
		}
	})
}

// A form that waits for the kernel takes no text, and lets go of the program.
func TestQuitFromAFormThatIsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &slowGateway{takes: 30 * time.Second}
		said := leave(t, g, nil, func(x *terminal, _ context.CancelFunc) {
			time.Sleep(time.Minute) // the first change
			x.press("a", "enter", "enter")
			x.write("tcp")
			x.press("enter", "enter", "enter", "enter", "enter")
			x.write("192.168.0.2:22")
			x.press("ctrl+s")
			time.Sleep(time.Second)
			x.press("enter")
			x.sees("checking with the kernel…")
			x.press("q")
			if got := x.text(); !strings.Contains(got, "finishing the change") {
				t.Errorf("q during a form's change:\n%s", got)
			}
			time.Sleep(time.Minute)
		})
		if want := []string{"change 7 is applied"}; g.made != 2 || !slices.Equal(said, want) {
			t.Errorf("%d changes were made, and %q said", g.made, said)
		}
	})
}

// What was not begun when the program ended is not begun afterwards.
func TestTaskThatComesTooLate(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	cmd := s.app.apply(rules.Single(rules.Change{}), appliedNew, terms{}, nil)
	said := s.app.Leave(t.Context(), func(string) {})
	if want := []string{"the change was not started"}; !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
	if msg := cmd(); msg != nil || len(s.kernel.applied) > 0 {
		t.Errorf("%v was done all the same", msg)
	}
}
