package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nattui/model/flow"
)

// waits has a change wait to be confirmed.
func (s *stage) waits(id string, left time.Duration) {
	entry := JournalEntry{ID: id, By: "root", State: "pending", Deadline: clock.Add(left)}
	s.app.gw.Journal.(*journal).waiting = &entry
	s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &entry})
	s.app.drawn = s.app.draw()
}

// While a change waits, another is refused before anything is asked about it, and the refusal stands beside the countdown.
func TestCountdownHidesNoRefusal(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {80, 18}} {
		for _, key := range []string{"d", "p", "J", "u"} {
			synctest.Test(t, func(t *testing.T) {
				s, _ := sshStage(t, size.w, size.h)
				s.app.done = []Done{{ID: "4"}}
				s.waits("4", 27*time.Second)
				s.press("down", key)
				if s.app.top() != nil || len(s.kernel.applied) > 0 {
					t.Errorf("%s asks or does something:\n%s", key, s.screen())
				}
				s.sees("change 4 by root is unconfirmed until 02:30:27; first confirm or roll back")
				s.sees("27s unless confirmed  C confirm  R roll back")
				s.fits()
			})
		}
	}
}

// On a narrow terminal it says what to do.
func TestRefusalFitsANarrowTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 40, 12)
		s.waits("4", 27*time.Second)
		s.press("d")
		s.sees("× first confirm or roll back change 4")
		s.sees("! 27s left  C confirm  R roll back")
	})
}

// What else is done meanwhile is told beside it as well, in a box too.
func TestCountdownHidesNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.app.gw.Journal = &journal{}
		s.waits("4", 27*time.Second)
		s.press("j", "x")
		s.agree("y")
		s.sees("✓ 1 connection forgotten")
		s.sees("27s unless confirmed  C confirm  R roll back")
		s.press("?")
		s.app.refuse("no")
		s.app.drawn = s.app.draw()
		s.sees("! 27s left × no")
	})
}

// The countdown says the same however short the time is that is left, and is never cut.
func TestCountdownIsNotCut(t *testing.T) {
	for _, w := range []int{40, 50, 60, 70, 80, 100, 120} {
		s, _ := historyStage(t, w, 24)
		before := ""
		for _, left := range []time.Duration{90 * time.Second, 60 * time.Second, 9 * time.Second} {
			s.waits("12", left)
			line := strings.Split(s.screen(), "\n")[2]
			if !strings.HasSuffix(line, "  C confirm  R roll back") || strings.Contains(line, "…") || !strings.Contains(line, left.String()) {
				t.Errorf("%d columns: %q", w, line)
			}
			if words := strings.Replace(line, left.String(), "", 1); before != "" && words != before {
				t.Errorf("%d columns: %q was %q", w, words, before)
			} else {
				before = words
			}
		}
	}
}

// What was done is told before what can be done about it, whatever the width.
func TestDoneIsToldBeforeWhatIsLeft(t *testing.T) {
	for _, c := range []struct {
		width int
		sees  []string
	}{
		{40, []string{"✓ rule 1 of PREROUTING deleted"}},
		{64, []string{"✓ rule 1 of PREROUTING deleted", "u undo", "x 62 still old"}},
		{80, []string{"✓ rule 1 of PREROUTING deleted", "u undo", "x 62 still use the old rule"}},
		{120, []string{"✓ rule 1 of PREROUTING deleted", "u undo", "x 62 connections still use the old rule", "$ iptables -t nat -D"}},
	} {
		t.Run(fmt.Sprint(c.width), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, c.width, 24, gatewayRules)
				s.press("d")
				s.agree("y")
				s.app.kept = kept{flows: make([]flow.Flow, 1), count: 62}
				s.app.drawn = s.app.draw()
				for _, want := range c.sees {
					s.sees(want)
				}
			})
		})
	}
}
