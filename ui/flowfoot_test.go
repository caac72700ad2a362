package ui

import (
	"strings"
	"testing"
	"testing/synctest"

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
