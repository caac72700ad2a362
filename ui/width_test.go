package ui

import (
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// Nothing sticks out of the terminal at any width: no screen, and none of the
// boxes over it.
func TestNothingIsWiderThanTheTerminal(t *testing.T) {
	ways := [][]string{
		{"1"}, {"1", "?"}, {"1", "enter"}, {"1", "a"}, {"1", "e"}, {"1", "d"}, {"1", "c"}, {"1", "/"}, {"1", "G", "enter"},
		{"2"}, {"2", "enter"}, {"2", "/"}, {"2", "?"}, {"2", "g"},
		{"3"}, {"3", "enter"}, {"3", "G", "enter"}, {"3", "j", "enter"},
		{"4"}, {"4", "enter"}, {"4", "f"}, {"4", "G", "enter"}, {"4", "w"}, {"4", "?"},
		{"5"}, {"5", "/"}, {"6"}, {"6", "enter"},
	}
	for _, text := range []string{gatewayRules, brokenRules} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := historyStage(t, 80, 24)
			s.kernel.sets = newStage(t, 80, 24, text).kernel.sets
			s.tables(true)
			for _, way := range ways {
				for len(s.app.dialogs) > 0 {
					s.press("esc")
				}
				s.press("esc", "esc", "esc")
				s.press(way...)
				for w := 40; w <= 250; w += 1 + w/50*3 {
					s.send(tea.WindowSizeMsg{Width: w, Height: 12 + w%17})
					if s.fits(); t.Failed() {
						t.Fatalf("after the keys %q on %dx%d", way, w, s.app.height)
					}
				}
			}
		})
	}
}
