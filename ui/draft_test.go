package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// What is wrong is said with the name of its field, and a form that is opened again says it as it did when it was closed,
// of the field that was typed last, too.
func TestKeptFormSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		begin, again []string
		sees         []string
	}{
		"form": {
			[]string{"1", "a", "tab", "tab", "t", "tab", "tab", "tab", "tab", "8", "x", "tab", "8", "0", "tab", "9"},
			[]string{"esc", "a"},
			[]string{`× Port: "8x"`, `× Goes to: "80"`, "×Port", "×Goes to"},
		},
		"guide": {
			[]string{"3", "down", "enter", "tab", "tab", "8", "x", "tab", "8", "0"},
			[]string{"esc", "enter"},
			[]string{`× Port: "8x"`, `× Server: "80"`, "×Port", "×Server"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 120, 40, gatewayRules)
				s.press(c.begin...)
				s.press(c.again...)
				s.sees("what you typed before is here again")
				for _, want := range c.sees {
					s.sees(want)
				}
				s.press("ctrl+n")
				s.lacks("×")
			})
		})
	}
}

// TestAnewIsAsAtFirst: what starts anew has nothing of what was typed, the kind of rule included.
func TestAnewIsAsAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, gatewayRules)
		s.press("1", "a")
		s.sees("Goes to")
		s.press("r", "tab", "tab", "tab", "8", "0")
		s.lacks("Goes to")
		s.press("esc", "a", "ctrl+n")
		s.sees("Goes to")
		s.send(tea.PasteMsg{Content: "nonsense"}) // into the choice of a kind, which takes none
		s.press("esc", "a")
		s.lacks("what you typed before")
	})
}

// TestLeftAsItWas: a form that leaves a rule as it is says so only while that rule is there.
func TestLeftAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, gatewayRules)
		s.press("1", "e", "ctrl+s", "enter")
		s.sees("nothing was changed")
		s.press("e")
		other := strings.Replace(gatewayRules, "--dport 80 ", "--dport 8088 ", 1)
		s.send(tablesMsg{Sets: sets(t, map[rules.Variant]string{v4: other}), At: clock, Changed: true})
		s.press("ctrl+s", "enter")
		s.sees("the table has changed")
		s.sees("Edit rule 1 of PREROUTING")
	})
}

// Where room is scarce, what is wrong with the field that keys go to is said first, and all the rest can be scrolled to; where
// there is room, the reasons stand in the order of the fields.
func TestReasonsOfFields(t *testing.T) {
	for name, c := range map[string]struct {
		begin []string
		order []string // of the fields, as they are gone through
	}{
		"form":  {[]string{"1", "a", "tab", "tab", "tab", "tab", "9", "9", "9", "tab", "tab", "8", "x", "tab", "8", "0", "tab"}, []string{"From", "Port", "Goes to"}},
		"guide": {[]string{"3", "down", "enter", "tab", "tab", "tab", "8", "0", "up", "9", "x", "up", "1", "up"}, []string{"Public address", "Port", "Server"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 120, 40, gatewayRules)
				s.press(c.begin...)
				at := 0
				for _, field := range c.order {
					i := strings.Index(s.screen(), "× "+field+": ")
					if i < at {
						t.Errorf("what is wrong with %s is out of its order:\n%s", field, s.screen())
					}
					at = i
				}
				s.send(tea.WindowSizeMsg{Width: 40, Height: 12})
				said := map[string]bool{}
				for range 12 {
					s.press("tab")
					for _, field := range c.order {
						if !strings.Contains(s.screen(), "▌×"+field) {
							continue
						}
						said[field] = true
						if first, _, _ := strings.Cut(underRule(s.screen()), "\n"); !strings.Contains(first, "× "+field+": ") {
							t.Errorf("what is wrong with %s is not said first:\n%s", field, s.screen())
						}
					}
					s.fits()
				}
				if len(said) != len(c.order) {
					t.Errorf("keys went only to %v", said)
				}
				s.lacks("in the plan")
				seen := ""
				for range 40 {
					seen += s.screen()
					s.press("pgdown")
				}
				for _, field := range c.order {
					if !strings.Contains(seen, "× "+field+": ") {
						t.Errorf("%s is not scrolled to:\n%s", field, s.screen())
					}
				}
				s.lacks("more line")
				s.press("pgup", "pgup")
				s.sees("more lines: pgdn")
			})
		})
	}
}

// underRule is what stands beneath the fields.
func underRule(screen string) string {
	lines := strings.Split(screen, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], "────────") && !strings.ContainsAny(lines[i], "╭╰") {
			return strings.Join(lines[i+1:], "\n")
		}
	}
	return ""
}

// That a draft is there again takes one line of a low terminal, and goes with the first key.
func TestDraftIsToldBriefly(t *testing.T) {
	for name, keys := range map[string][]string{"form": {"1", "a", "tab", "tab", "t", "esc", "a"}, "guide": {"3", "down", "enter", "tab", "1", "esc", "enter"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, 40, 12, gatewayRules)
				s.press(keys...)
				s.sees("as you left it; ctrl+n starts anew")
				s.press("tab")
				s.lacks("as you left it")
				s.press("ctrl+n")
				s.lacks("nothing was left before")
			})
		})
	}
}
