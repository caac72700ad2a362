package ui

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nattui/rules"
)

// Whoever leaves while a change waits to be confirmed is told what becomes of it, before and after.
func TestQuitWithAnUnconfirmedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		waiting := j.entries[1]
		waiting.State, waiting.Deadline, waiting.Leashed = "pending", clock.Add(87*time.Second), true
		s.press("1")
		s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &waiting})
		s.press("q")
		s.golden("quit-unconfirmed-80x24")
		if s.press("enter"); s.app.top() != nil || s.app.leaving != staying {
			t.Error("enter is not among the keys that leave")
		}
		s.press("q", "C")
		if got := strings.Join(j.said, ", "); got != "confirm 1" || s.app.pending != nil {
			t.Errorf("the journal was told %s", got)
		}
		s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &waiting})
		said := strings.Join(s.app.Leave(context.Background(), func(string) {}), "\n")
		if !strings.Contains(said, "change 1 by root is unconfirmed and will be rolled back at ") || !strings.Contains(said, "to keep it run: nattui confirm") {
			t.Errorf("it says %q", said)
		}
	})
}

// Parking and moving a rule asks only where live connections use it, and says how many.
func TestParkAndMoveAskWhereConnectionsUseTheRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 100, 30, someFlows()...)
		s.app.gw.Journal = &journal{}
		s.press("1")
		used := 0
		for n := 1; n <= 3; n++ {
			for _, key := range []string{"p", "J"} {
				before := len(s.kernel.applied)
				flows, _ := s.app.screens[0].(*rulesScreen).ruleFlows(ruleItem{chain: "PREROUTING", at: n})
				s.press("g")
				for range n - 1 {
					s.press("down")
				}
				s.press(key)
				if asked := s.app.top() != nil; asked != (flows > 0) {
					t.Errorf("%s on rule %d, which %d connections use: asked is %v", key, n, flows, asked)
				}
				if flows > 0 {
					used++
					s.sees("connection")
					s.sees("this rule now.")
					if len(s.kernel.applied) > before {
						t.Error("it was made before the answer")
					}
					s.agree("y")
				}
				if len(s.kernel.applied) != before+1 || s.kernel.terms.Park != (key == "p") {
					t.Fatalf("%s on rule %d: %d changes were made, park is %v", key, n, len(s.kernel.applied)-before, s.kernel.terms.Park)
				}
				s.kernel.sets = sets(t, map[rules.Variant]string{v4: gatewayRules})
				s.tables(true)
				s.app.done, s.app.busy = nil, false
			}
		}
		if used == 0 {
			t.Error("no rule was used")
		}
	})
}

// Started to look only, help names no key that would change something.
func TestReadOnlyHelpNamesNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := historyStage(t, 100, 50)
		s.app.gw.ReadOnly = true
		for _, screen := range []string{"1", "2", "3", "4", "6"} {
			s.press(screen, "?")
			var text string // what is in the box
			for line := range strings.Lines(s.screen()) {
				if parts := strings.Split(line, "│"); len(parts) == 3 {
					text += parts[1] + "\n"
				}
			}
			if !strings.Contains(text, "everywhere") {
				t.Fatalf("there is no help on screen %s\n%s", screen, s.screen())
			}
			for _, word := range []string{"undo:", "redo:", "confirm:", "roll back:", "add:", "edit:", "delete:", "forget:", "save for reboot:"} {
				if strings.Contains(text, word) {
					t.Errorf("help of screen %s has %q\n%s", screen, word, text)
				}
			}
			s.press("esc")
		}
	})
}
