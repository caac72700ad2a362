package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"nattui/rules"
)

// On a low terminal no plan is applied before all of its commands were on the screen: the key that applies reads on.
func TestPlanIsReadBeforeItIsApplied(t *testing.T) {
	for name, c := range map[string]struct {
		begin []string
		key   string
	}{
		"guide":    {[]string{"3", "enter", "ctrl+s"}, "enter"},
		"question": {[]string{"1", "d"}, "y"},
		"form":     {[]string{"1", "e", "ctrl+s"}, "enter"},
		"answer":   {[]string{"1", "d", "tab"}, "enter"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := sshStage(t, 40, 12)
				if name == "guide" {
					s.kernel.sets = sets(t, map[rules.Variant]string{v4: bareRules})
					s.tables(true)
				}
				s.press(c.begin...)
				if name == "form" {
					s.app.top().(*form).draft.Comment = strings.TrimSpace(strings.Repeat("a long comment ", 10))
					s.send(flowsMsg{})
				}
				seen := ""
				for i := range 20 {
					seen += flat(s.screen())
					if s.press(c.key); len(s.kernel.applied) > 0 || s.app.top() == nil && s.guide().asked == nil {
						break
					}
					if i == 19 {
						t.Fatalf("%s never applies it:\n%s", c.key, s.screen())
					}
				}
				for _, argv := range s.kernel.applied[0].Commands() {
					for _, word := range strings.Fields(strings.Join(argv, " ")) {
						if !strings.Contains(seen, word) {
							t.Errorf("%s was applied and never on the screen", word)
						}
					}
				}
			})
		})
	}
}

// readOn reads what is asked to its end.
func (s *stage) readOn() {
	for {
		unread := s.guide().ready && s.app.top() == nil && !s.guide().read.whole()
		switch box := s.app.top().(type) {
		case *question:
			unread = !box.read.whole()
		case *form:
			unread = box.ready && !box.read.whole()
		}
		if !unread {
			return
		}
		s.press("pgdown")
	}
}

// agree reads what is asked to its end, and then presses the key that agrees.
func (s *stage) agree(key string) {
	s.readOn()
	s.press(key)
}

// flat is a screen in one line without blanks and frames.
func flat(screen string) string {
	return strings.NewReplacer("│", "", "\n", "", " ", "").Replace(screen)
}

// What is in sight is noted from the first line on: a jump to the end is no reading.
func TestReadThrough(t *testing.T) {
	var r readThrough
	for i, c := range []struct {
		what            string
		from, room, all int
		seen            int
		whole           bool
	}{
		{"a", 0, 5, 12, 4, false},
		{"a", 7, 5, 12, 4, false}, // what is between was not seen
		{"a", 4, 5, 12, 8, false},
		{"a", 7, 5, 12, 12, true},
		{"a", 0, 5, 12, 12, true},
		{"b", 0, 5, 12, 4, false},
		{"b", 0, 5, 5, 5, true},
	} {
		r.note(c.what, c.from, c.room, c.all)
		if r.seen != c.seen || r.whole() != c.whole {
			t.Errorf("%s", fmt.Sprintf("%d: %d lines seen, whole %v", i, r.seen, r.whole()))
		}
	}
}

// The diff is read before it is applied, too: enter reads on page by page to the plan's last line.
func TestDiffIsReadBeforeItIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("enter", "ctrl+s")
		for len(s.kernel.applied) == 0 {
			if left := strings.Contains(s.screen(), "more line"); left == strings.Contains(s.screen(), "enter apply") {
				t.Fatalf("enter applies while lines of the plan were never on the screen:\n%s", s.screen())
			}
			s.press("enter")
		}
	})
}

// What would drop what a plan forwards is among what has to be read before it is applied.
func TestBarsAreReadBeforeTheyAreApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := sshStage(t, 40, 12)
		s.press("1", "d")
		q := s.app.top().(*question)
		q.impact.bars = []string{"the policy of FORWARD drops what goes to 192.168.0.2:8080"}
		if body := strings.Join(q.body(q.inner()), "\n"); !strings.Contains(flat(body), "thepolicyofFORWARD") {
			t.Errorf("it is not to be read:\n%s", body)
		}
	})
}
