package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

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
		case *importDialog:
			unread = box.applicable() && !box.through.whole()
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

// Pasted commands are read to their end before they are applied, by the key that applies them and by one that scrolls, and the
// text has its room again once it is typed.
func TestPastedCommandsAreReadBeforeTheyAreApplied(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {40, 12}, {120, 40}} {
		for _, key := range []string{"enter", "ctrl+s", "pgdown"} {
			synctest.Test(t, func(t *testing.T) {
				s := importStage(t, size[0], size[1], bareRules)
				text := ""
				for i := range 30 {
					text += fmt.Sprintf("iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport %d -j DNAT --to 192.168.0.9:%d\n", 8101+i, 9101+i)
				}
				s.send(tea.PasteMsg{Content: text + "iptables -P FORWARD DROP"})
				if s.press("ctrl+y"); !s.app.top().(*importDialog).applicable() {
					t.Fatalf("nothing can be applied:\n%s", s.screen())
				}
				s.tells("enter reads on, then applies")
				s.sees(" more lines: pgdn")
				s.sees("enter read on")
				if help := s.helpOf("in this box"); !strings.Contains(strings.Join(strings.Fields(help), " "), "pgdn read on") {
					t.Errorf("help has:\n%s", help)
				}
				seen := ""
				for i := range 120 {
					seen += flat(s.screen())
					s.fits()
					last := !strings.Contains(s.screen(), "more line")
					if last != strings.Contains(s.screen(), "enter applies 31 changes") && s.app.top().(*importDialog).beneath.offset == 0 {
						t.Fatalf("what enter does is not told:\n%s", s.screen())
					}
					if s.press(key); key == "pgdown" && last {
						s.press("enter")
					}
					if len(s.kernel.applied) > 0 {
						break
					}
					if i == 119 {
						t.Fatalf("%s never applies it:\n%s", key, s.screen())
					}
				}
				for _, want := range []string{"9101", "9115", "9130", "-PFORWARDDROP"} {
					if !strings.Contains(seen, want) {
						t.Errorf("%s was applied and never on the screen", want)
					}
				}
			})
		}
	}
}

// A scrolled report gives way to the text where that is typed, and stays where it is while the gateway is read anew.
func TestReportOfPastedCommandsScrolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := importStage(t, 80, 24, bareRules)
		s.send(tea.PasteMsg{Content: strings.Repeat("iptables -t nat -A PREROUTNG -d 203.0.113.1 -p tcp --dport 81 -j DNAT --to 192.168.0.9:80\n", 30)})
		s.sees("1:20 ")
		s.press("pgdown", "pgdown")
		s.lacks("1:20 ")
		x, at := s.app.top().(*importDialog), 0
		if at = x.beneath.offset; at == 0 {
			t.Fatalf("it does not scroll:\n%s", s.screen())
		}
		s.tables(true)
		if x.beneath.offset != at {
			t.Errorf("it goes from line %d to %d by itself", at, x.beneath.offset)
		}
		s.press("pgup", "pgup", "pgup")
		s.sees("1:20 ")
		s.press("pgdown")
		s.send(tea.MouseWheelMsg{X: 10, Y: 10, Button: tea.MouseWheelDown})
		s.write("x")
		s.sees("1:20 ")
		s.fits()
	})
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
