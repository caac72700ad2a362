package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	"nattui/model/flow"
	"nattui/rules"
)

// What was said goes when another screen is shown: it was about something else.
func TestStatusGoesWithItsScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("1", "x")
		s.sees("is a key of Flows")
		s.press("6")
		s.lacks("is a key of Flows")
		s.press("1", "d", "y", "2")
		s.lacks("deleted")
	})
}

// Started to look only, the guide shows its plan and offers nothing that it would refuse.
func TestReadOnlyPlanOffersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 80, 24)
		s.app.gw.ReadOnly = true
		s.kernel.sets = sets(t, map[rules.Variant]string{v4: bareRules})
		s.tables(true)
		s.press("3", "enter", "ctrl+s")
		s.sees("read-only: this would be done")
		for _, no := range []string{"enter apply", "enter applies", "countdown"} {
			s.lacks(no)
		}
		s.readOn()
		s.press("enter")
		s.sees("read-only: nattui was started with --read-only")
	})
}

// A plan that translates nothing says nothing of translation.
func TestBlockSaysNothingOfTranslation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("j", "B")
		if s.app.top() == nil {
			t.Fatalf("nothing is asked:\n%s", s.screen())
		}
		s.lacks("translated differently")
	})
}

// One connection that still uses the old rule is told of as one.
func TestOneKeptConnection(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	s.app.kept = kept{flows: make([]flow.Flow, 1), count: 1}
	s.app.open(newKeptFlows(&s.app.desk))
	s.app.drawn = s.app.draw()
	s.sees("It began before the last change and keeps its translation")
	s.app.kept.added = true
	s.app.drawn = s.app.draw()
	s.sees("1 connection going on unchanged") // no rule was taken away that it would use
}

// The help cuts no key, and every key of a question has a clause.
func TestHelpCutsNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		q := newQuestion(&s.app.desk, "Open a test connection?", []string{"One."}, rules.Plan{}, "test")
		s.app.open(q)
		s.press("?")
		h := s.app.top().(*help)
		all := strings.Join(h.lines, "\n")
		for _, want := range []string{"←/→", "test: does what the question names"} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is not in the help:\n%s", want, all)
			}
		}
		for line := range strings.SplitSeq(s.screen(), "\n") {
			if key := strings.Fields(strings.Trim(line, " │")); len(key) > 0 && strings.HasSuffix(key[0], "…") {
				t.Errorf("a key is cut: %s", line)
			}
		}
		if s.app.close(h); true {
			s.app.utf8 = false
			s.app.restyle()
			s.press("?")
			s.sees("left/right ")
			s.sees("pgup/ctrl+b ")
		}
	})
}

// On a wide terminal a chain without rules says what would stand beside it.
func TestNoRuleBesideTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 200, 50, "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")
		s.sees("All about the rule under the cursor stands here")
	})
}

// Printed in lines, another set of keys is read when it comes.
func TestPlainReadsTheKeysOfThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLineReader(t)
		r.press("3", "enter")
		r.out.Reset()
		r.press("ctrl+s")
		if got := r.out.String(); !strings.Contains(got, "keys: enter: ") || !strings.Contains(got, "back to the questions") {
			t.Errorf("the plan is read as %q", got)
		}
	})
}
