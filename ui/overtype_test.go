package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// What is selected is still selected after a box that was opened above it: the first character replaces it.
func TestHelpKeepsWhatIsSelected(t *testing.T) {
	for _, key := range []string{"f1", "ctrl+p"} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := labStage(t, 80, 24, "", gatewayRules)
			s.press("L", "enter")
			s.send(keyOf(key))
			s.press("esc")
			s.write("tcp 1.2.3.4:5")
			s.sees("from client  tcp 1.2.3.4:5")
			s.press("esc", "esc", "3", "down", "enter", "down")
			s.send(keyOf(key))
			s.press("esc")
			s.write("9")
			if got := s.guide().answers.at; got != "9" {
				t.Errorf("after %s, 9 typed over the public address is %q", key, got)
			}
		})
	}
}

// What is pasted over a selected value has no suggestion of the old one.
func TestPasteDropsTheSuggestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, bareRules)
		s.press("down", "enter", "down", "ctrl+u")
		s.write("192.168")
		s.press("tab", "up")
		s.send(tea.PasteMsg{Content: "7.7.7.7"})
		s.lacks("7.7.7.7.")
		s.press("right")
		if got := s.guide().answers.at; got != "7.7.7.7" {
			t.Errorf("right made %q of it", got)
		}
	})
}

// A field that shows a suggestion ends with it.
func TestSuggestionIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, width := range []int{80, 120, 200} {
			s := guideStage(t, width, 24, bareRules)
			s.press("enter", "down", "ctrl+u")
			s.write("w")
			for line := range strings.SplitSeq(s.screen(), "\n") {
				if strings.Contains(line, "wan0") && strings.Contains(line, "…") && strings.Contains(line, "Uplink ") {
					t.Errorf("at %d columns: %q", width, line)
				}
			}
			s.sees("wan0")
		}
	})
}

// While a search is in effect what is said comes first, in lists and in boxes; an empty search has no hits.
func TestSearchGivesWayToWhatIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, brokenRules)
		s.press("/")
		s.lacks("hits")
		s.write("web")
		s.press("enter")
		s.sees("/ web")
		s.press("Z")
		s.sees("Z does nothing here")
		s.press("down")
		s.sees("/ web")
		s.press("1", "w", "/")
		s.lacks("hits")
		s.write("forward")
		s.press("enter", "Z")
		s.sees("Z does nothing in this box")
	})
}

// The key line offers what the arrows do in the field that is filled in.
func TestFieldsOfferTheirArrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, gatewayRules)
		s.press("a")
		s.sees("←/→ another choice")
		s.lacks("→ suggestion")
		s.press("down", "down")
		s.lacks("choice")
		s.press("right")
		s.sees("no suggestion")
		s.write("t")
		s.sees("→ suggestion")
		s.press("right")
		s.lacks("→ suggestion")
	})
}

// On the smallest terminal a form offers its plan.
func TestNarrowFormOffersItsPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 40, 12, gatewayRules)
		s.press("a")
		s.sees("ctrl+s plan")
		s.press("esc", "3", "enter")
		s.sees("ctrl+s plan")
	})
}
