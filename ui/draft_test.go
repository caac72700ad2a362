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
