package ui

import (
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// What is typed at a choice names an option, letter by letter; what names none gets a word, at the field and below.
func TestChoiceIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("down", "enter")
		for typed, want := range map[string]string{"udp": "udp", "tcp ": "tcp and udp", "tcp and": "tcp and udp", "u": "udp"} {
			s.press("down", "up") // away, and back to the choice
			s.write(typed)
			if c := s.guide().fields.list[0].(*choice); c.options[c.at].label != want {
				t.Errorf("%q chose %s, not %s", typed, c.options[c.at].label, want)
			}
			s.lacks("was not taken")
		}
		s.write("tcp")
		s.write("80")
		s.sees("‹ tcp ›  only ←/→")
		s.sees("Protocol is chosen with ←/→: 80 was not taken")
		s.press("right")
		s.press("tab", "tab")
		s.write("8888")
		if got := s.guide().answers.port; got != "8888" {
			t.Errorf("the port is %q", got)
		}
	})
}

// In the form, too, where there is no room for it beside the choice.
func TestChoiceInTheForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a")
		s.write("80")
		s.sees("Kind is chosen with ←/→: 80 was not taken")
		s.send(tea.PasteMsg{Content: "80"})
		s.sees("nothing was pasted: Kind is chosen with ←/→")
		s.fits()
	})
}
