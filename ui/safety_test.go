package ui

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/model/flow"
	"nattui/rules"
)

// sshStage is a stage with a journal, whose operator is connected by SSH.
func sshStage(t *testing.T, width, height int) (*stage, *journal) {
	s, j := historyStage(t, width, height)
	own := gatewayFacts()
	own.Session = session("198.51.100.9:50000", "203.0.113.1:22")
	s.send(factsMsg{own})
	s.press("1")
	return s, j
}

// A question about a change shows it as a diff, says whether the operator may be cut
// off, and has the countdown chosen.
func TestQuestionTellsWhatAChangeTouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		s.press("down", "d")
		s.golden("delete-over-ssh-80x24")
		s.sees("from 198.51.100.9 is certainly not affected")
		s.sees("applies at once")
		s.press("c")
		s.sees("rolled back after 30 s unless you confirm")
		s.press("c")
		s.sees("rolled back after 90 s unless you confirm")
		s.agree("y")
		if s.kernel.terms.Confirm != rules.ConfirmTime {
			t.Errorf("it waits %v", s.kernel.terms.Confirm)
		}
		s.tables(true)
		// The choice was for that change alone.
		s.press("d")
		s.agree("y")
		if len(s.kernel.applied) != 2 || s.kernel.terms.Confirm != 0 {
			t.Errorf("after %d changes, the next waits %v", len(s.kernel.applied), s.kernel.terms.Confirm)
		}
	})
}

// In 40x12 a question keeps its answers in sight, and the rest can be scrolled.
func TestQuestionFitsASmallTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 40, 12)
		s.press("d")
		s.golden("delete-over-ssh-40x12")
		s.press("G", "down", "down", "down", "down", "down", "down", "down", "down", "down", "down", "down", "down", "down", "down", "down")
		s.sees("[ No ]")
		s.sees("-   1  ")
	})
}

// The form says that a rule would lead the operator's own connection elsewhere, and
// makes it for a time.
func TestFormWarnsOfALockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		s.press("a", "tab", "tab", "t", "c", "p", "tab", "tab", "tab", "tab", "2", "2", "tab")
		for _, r := range "192.168.0.9" {
			s.press(string(r))
		}
		s.press("tab", "tab", "tab", "right", "right", "ctrl+s")
		s.sees("Your SSH connection from")
		s.sees("It expires after 1h")
		s.golden("form-lockout-80x24")
		s.agree("enter")
		if s.kernel.terms.Confirm != rules.ConfirmTime || s.kernel.terms.For != time.Hour {
			t.Errorf("the terms are %+v", s.kernel.terms)
		}
	})
}

// A parked rule stays in sight at its place, and the same key brings it back.
func TestParkedRuleStaysInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := sshStage(t, 80, 24)
		s.press("down")
		rule, _ := ruleAt(s.kernel.sets[v4], "nat", "PREROUTING", 2)
		back := rules.Change{Op: rules.Insert, Table: "nat", Chain: "PREROUTING", At: 2, Rule: *rule}
		j.notes.Parked, j.back = []Parked{{ID: "7", By: "root", At: clock, Return: back}}, rules.Single(back)
		s.press("p")
		if !s.kernel.terms.Park || len(s.kernel.applied) != 1 || s.kernel.applied[0].Changes()[0].At != 2 {
			t.Fatalf("p made %v on %+v", s.kernel.applied, s.kernel.terms)
		}
		s.sees("✓ rule 2 of PREROUTING parked")
		s.tables(true)
		s.golden("parked-80x24")
		s.press("p")
		if got := strings.Join(j.said, ", "); got != "undo 7" {
			t.Errorf("the journal was told %s", got)
		}
		s.sees("✓ rule 2 of PREROUTING restored")
	})
}

// A rule that ends by itself says when, in the list and beneath it.
func TestTemporaryRuleSaysWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := sshStage(t, 80, 24)
		rule, _ := ruleAt(s.kernel.sets[v4], "nat", "PREROUTING", 2)
		line := RuleLine{v4, "nat", rule.String()}
		j.notes.Made = map[RuleLine]RuleNote{line: {ID: "3", By: "root", From: "198.51.100.9", At: clock.Add(-time.Minute), Expires: clock.Add(2*time.Hour - time.Minute)}}
		s.tables(true)
		s.press("down")
		s.sees("1h59m left: tcp to")
		s.sees("expires in 1h59m")
		s.sees("made by root from 198.51.100.9")
	})
}

// Flows that a change left behind are listed on x, and forgotten if wanted.
func TestFlowsLeftBehindAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, feed := flowStage(t, 80, 24, someFlows()...)
		s.press("1", "d")
		s.agree("y")
		s.sees("the old rule")
		before := s.app.kept.count
		s.press("x")
		s.sees("still using the old rule")
		s.golden("kept-80x24")
		s.press("x")
		if n := len(feed.forgotten); n != 1 {
			t.Errorf("%d flows were forgotten on x", n)
		}
		s.press("X")
		if n := len(feed.forgotten); n != before {
			t.Errorf("%d of %d flows were forgotten", n, before)
		}
	})
}

// While the flows left behind are looked for, no second search starts: it follows once the first has its answer.
func TestFlowsLeftBehindAreLookedForOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("1", "d")
		s.agree("y")
		first := s.app.findKeptAgain()
		for range 3 {
			if s.app.findKeptAgain() != nil {
				t.Fatal("another search runs beside the first")
			}
		}
		then := s.app.takeKept(first().(keptMsg).kept)
		if then == nil {
			t.Fatal("the rules have become others during the search, and nobody looks again")
		}
		if s.app.takeKept(then().(keptMsg).kept) != nil {
			t.Error("nothing has become other, and another search starts")
		}
	})
}

// What a rollback brings back keeps nothing old, whoever rolled back; a connection that began meanwhile does.
func TestRollbackLeavesNoOldConnectionButThoseSince(t *testing.T) {
	rolledBack := JournalEntry{ID: "9", State: "rolled-back", Result: "it was not confirmed in time"}
	for name, c := range map[string]struct {
		back  func(*stage)
		finds int // how many flows that began meanwhile are found
	}{
		"by key":         {func(s *stage) { s.send(settledMsg{what: "the change is rolled back", rolledBack: "9"}) }, 1},
		"by countdown":   {func(s *stage) { s.send(pendingMsg{number: s.app.asks.pending.ask(), ended: &rolledBack}) }, 1},
		"by another one": {func(*stage) {}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, feed := flowStage(t, 80, 24, someFlows()...)
			s.press("1")
			s.kernel.id = "9"
			before := s.kernel.sets
			web, _ := ruleAt(before[v4], "nat", "PREROUTING", 1)
			s.run(s.app.apply(rules.Single(rules.Change{
				Op: rules.Replace, Family: v4.Family, Backend: v4.Backend, Table: "nat", Chain: "PREROUTING", At: 1,
				Old:  *web,
				Rule: parse(t, "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.9:8080"),
			}), appliedNew, terms{}, nil))
			s.tables(true)
			s.sees("1 still uses the old rule")
			feed.tell(flow.Listed, append(someFlows(), aFlow(9, "203.0.113.77:5000", "203.0.113.1:80", "192.168.0.9:8080", "203.0.113.77:5000"))...)
			s.app.pending = &pending{id: "9"}
			c.back(s)
			s.kernel.sets = before
			s.tables(true)
			var old []string
			for i := range s.app.kept.flows {
				old = append(old, s.app.kept.flows[i].Line())
			}
			if len(old) != c.finds || strings.Contains(strings.Join(old, " "), "192.168.0.2") {
				t.Errorf("rolled back %s, still using the old rule: %q", name, old)
			}
		})
	}
}

// The first new SSH login after a change is shown as the proof it is.
func TestProofIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		waiting := JournalEntry{ID: "9", By: "root", From: "198.51.100.7", State: "applied", Deadline: clock.Add(80 * time.Second)}
		s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &waiting})
		s.app.drawn = s.app.draw()
		s.sees("by root from 198.51.100.7; a new SSH login")
		waiting.Proof = &FreshLogin{netip.MustParseAddr("198.51.100.7"), 4200 * time.Millisecond}
		s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &waiting})
		s.app.drawn = s.app.draw()
		s.sees("new SSH login from 198.51.100.7, 4s after the change")
		s.sees("change 9: rolled back in 1m20s unless confirmed")
		// A second change is told whose waits, and until when.
		s.press("d")
		if len(s.kernel.applied) > 0 || !strings.Contains(s.app.said.text, "change 9 by root from 198.51.100.7 is unconfirmed until 02:31:20") {
			t.Errorf("%d changes were made; it says %q", len(s.kernel.applied), s.app.said.text)
		}
	})
}

// What cannot be undone any more says why, and nothing is done.
func TestUndoThatFitsNoMoreIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		j.stuck = errors.New("change 1 cannot be undone any more: the rule is gone")
		s.press("down", "u")
		s.sees("Change 1 cannot be undone")
		s.sees("the rule is gone")
		s.press("esc")
		if len(j.said) > 0 {
			t.Errorf("the journal was told %v", j.said)
		}
	})
}

// Pasted commands say what they would touch before they are applied, and how long
// they wait to be confirmed can be chosen while they are text.
func TestImportHasTheCountdownChosen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := sshStage(t, size.w, size.h)
			s.app.open(newImport(&s.app.desk))
			s.send(tea.PasteMsg{Content: "iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE\niptables -A FORWARD -i lan0 -o wan0 -j ACCEPT\n"})
			s.sees("applies at once")
			s.press("ctrl+o", "ctrl+o", "ctrl+o")
			s.sees("rolled back after 5 min")
			s.golden(fmt.Sprintf("import-over-ssh-%dx%d", size.w, size.h))
			s.agree("enter")
			if len(s.kernel.applied) != 1 || s.kernel.terms.Confirm != 5*time.Minute {
				t.Errorf("%d plans were applied, and wait %v", len(s.kernel.applied), s.kernel.terms.Confirm)
			}
		})
	}
}

// A question that shows the first steps of a plan weighs and names all of it.
func TestQuestionWeighsTheWholePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 40)
		r, err := rules.Parse("-A PREROUTING -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.168.0.9")
		if err != nil {
			t.Fatal(err)
		}
		var cure rules.Plan
		for range shownSteps {
			cure.Steps = append(cure.Steps, rules.Step{Sysctl: &rules.Sysctl{Name: "net.ipv4.ip_forward", Value: "1"}})
		}
		cure.Steps = append(cure.Steps, rules.StepOf(rules.Change{Op: rules.Insert, Table: "nat", Chain: "PREROUTING", At: 1, Rule: r}))
		d := &doctorScreen{desk: &s.app.desk}
		s.app.open(d.cureQuestion(&doctor.Finding{Sentence: "Something is wrong.", Cure: cure}))
		s.press("j", "k")
		s.sees("rolled back after 90 s unless you confirm")
	})
}

// Started to look only, no key of any screen changes anything, nor do two in turn.
func TestReadOnlyOnEveryScreen(t *testing.T) {
	var list []string
	for k := '!'; k <= '~'; k++ {
		list = append(list, string(k))
	}
	list = append(list, "enter", "space", "tab", "down", "ctrl+s", "ctrl+t", "ctrl+y", "ctrl+o", "delete")
	synctest.Test(t, func(t *testing.T) {
		s, j := sshStage(t, 80, 24)
		s.app.gw.ReadOnly = true
		for _, screen := range []string{"1", "2", "3", "4", "6"} {
			for i, k := range list {
				if i%stepped(1) > 0 || strings.Contains("q!", k) {
					continue // leaves, or needs a terminal
				}
				for _, then := range []string{"enter", "y"} {
					s.press(screen, k, then, "ctrl+s", "esc", "esc", "esc")
					if len(s.kernel.applied) > 0 || len(j.said) > 0 {
						t.Fatalf("%s, then %s on screen %s: applied %v, told the journal %v", k, then, screen, s.kernel.applied, j.said)
					}
				}
			}
		}
	})
}

// Whose rule it is is said before a rule of another program is parked, moved or deleted, and parking asks for it.
func TestRuleOfAnotherProgramIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 40)
		s.press("/")
		s.write("docker")
		s.press("enter")
		for _, key := range []string{"p", "d"} {
			s.press(key)
			s.sees("docker's: docker may make it again")
			s.press("esc")
		}
		if len(s.kernel.applied) > 0 {
			t.Errorf("applied without an answer: %v", s.kernel.applied)
		}
	})
}
