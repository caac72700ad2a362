package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/charmbracelet/x/ansi"

	"nattui/ui/text"
)

// The graph of a rate gives way before since when a connection is there and when it expires.
func TestGraphLeavesTheSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flows := someFlows()
		s, _ := flowStage(t, 80, 24, flows...)
		screen := s.app.screens[1].(*flowsScreen)
		for i := range rowTrailCells {
			flows[2].SetRates(float32(1000*i), 1)
			screen.rowTrail.note(&flows[2])
		}
		for width, graph := range map[int]bool{86: false, 200: true} {
			line := screen.summary(&flows[2], width)
			if text.Width(line) > width || !strings.Contains(line, "since ") || !strings.Contains(line, "expires in") || strings.Contains(line, "█") != graph {
				t.Errorf("in %d cells the summary is %q", width, line)
			}
		}
	})
}

// Marks and zones have columns where a connection has some.
func TestNoColumnsOfNoMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flows := someFlows()
		s, _ := flowStage(t, 250, 40, flows...)
		s.lacks("mark")
		s.lacks("zone")
		flows[0].Mark = 0x17
		s, _ = flowStage(t, 250, 40, flows...)
		s.sees("0x17")
		s.lacks("zone")
	})
}

// What is said of the selected connection takes the line beneath it as well, where one does not hold it and nothing else is told there.
func TestLongSentenceOfAConnectionWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.sees(" 203.0.113.10:55474 asked for 203.0.113.1:80, served by 192.168.0.2:8080,\n seen as 192.168.0.1:55474\n")
		f := aFlow(1, "[2001:db8:1::10]:46024", "[2001:db8:1::1]:80", "[2001:db8:2::2]:8080", "[2001:db8:2::1]:46024")
		lines := s.app.screens[1].(*flowsScreen).sentence(&f, 78, 2)
		if got := ansi.Strip(strings.Join(lines, "\n")); got != "[2001:db8:1::10]:46024 asked for [2001:db8:1::1]:80,\nserved by [2001:db8:2::2]:8080, seen as [2001:db8:2::1]:46024" {
			t.Errorf("it says\n%s", got)
		}
		s.press("down", "down", "down")
		s.sees(" 192.168.0.7:22000 asked for 192.168.0.1:22, not translated\n")
		s.sees(" · expires in ")
		s.fits()
	})
	synctest.Test(t, func(t *testing.T) { // a note has its line
		s, _ := flowStage(t, 80, 24, aFlow(1, "198.51.100.107:46024", "203.0.113.1:80", "192.168.0.77:8080", "192.168.0.1:46024"))
		s.sees("keeps a translation of earlier rules")
		s.fits()
	})
	synctest.Test(t, func(t *testing.T) { // on one line where that holds it
		s, _ := flowStage(t, 120, 24, aFlow(1, "198.51.100.7:46024", "203.0.113.1:80", "192.168.0.2:8080", "192.168.0.1:46024"))
		s.sees("198.51.100.7:46024 asked for 203.0.113.1:80, served by 192.168.0.2:8080, seen as 192.168.0.1:46024\n")
	})
}
