package ui

import (
	"strings"
	"testing"
	"testing/synctest"
)

// What is said of a choice or a finding is on the screen whole, where there is room for it.
func TestListsSayWholeSentencesWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guideStage(t, 80, 24, gatewayRules)
		s.lacks("…")
		s.sees("This gateway: uplink wan0")
		s.fits()
	})
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 120, 40, brokenRules)
		s.lacks("…")
		s.sees("to that port of anyone on the Internet.")
		list := func() string {
			lines := strings.Split(s.screen(), "\n")[3:14]
			return strings.ReplaceAll(strings.Join(lines, "\n"), "▌", " ")
		}
		before := list()
		if s.press("down", "down", "down"); list() != before { // what is told of another row takes more lines
			t.Errorf("the list moved under the cursor:\n%s\n%s", before, list())
		}
	})
}

// What has no room in the list is told under it.
func TestChoiceOfLabsTellsWholeOfWhatIsChosen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := labStage(t, 80, 24, "", gatewayRules)
		s.press("L", "o", "G")
		names, summaries := s.app.gw.Lab.Scenarios()
		if len(names) == 0 {
			t.Fatal("no scenarios")
		}
		squeezed := strings.Join(strings.Fields(strings.ReplaceAll(s.screen(), "│", " ")), " ")
		if last := summaries[len(summaries)-1]; !strings.Contains(squeezed, last) {
			t.Errorf("%q is not told whole:\n%s", last, s.screen())
		}
		s.fits()
	})
}

// Where not all steps of a forward have room, what is wrong or not known, and notes, are told whole before what is right.
func TestUrgentStepsHaveTheRoomFirst(t *testing.T) {
	for _, height := range []int{24, 26, 28} {
		synctest.Test(t, func(t *testing.T) {
			s := doctorStage(t, 80, height, strings.Replace(soundRules, "[12:720]", "[0:0]", 1))
			s.press("G", "enter", "g")
			word, cut, unfolded := "", false, false
			for _, l := range strings.Split(s.screen(), "\n")[4 : 4+s.app.screens[3].(*doctorScreen).height] {
				if head := strings.Fields(strings.ReplaceAll(l[:min(len(l), 12)], "▌", " ")); len(head) > 0 {
					word = head[0]
				} else if word == "ok" || word == "unseen" {
					unfolded = true
				}
				cut = cut || (word == "?" || word == "note") && strings.HasSuffix(l, "…")
			}
			if cut && unfolded {
				t.Errorf("a step that matters is cut, and one that is right has several lines:\n%s", s.screen())
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := doctorStage(t, 80, 24, strings.Replace(soundRules, "[12:720]", "[0:0]", 1))
		s.press("G", "enter")
		s.sees("▌ ?") // nothing fails: the first that is not known is told under the list
	})
}
