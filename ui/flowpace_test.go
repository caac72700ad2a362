package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	"nattui/model/filter"
	"nattui/model/flow"
)

// Rates of all are summed only while the counters of all are read: else those out of sight would keep the rate of whenever
// they were looked at. A filter that asks for counters has them read as well.
func TestRatesOfAllAreOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flows := someFlows()
		flows[0].SetRates(5_000_000, 400)
		s, f := flowStage(t, 100, 24, flows...)
		screen := s.app.screens[1].(*flowsScreen)
		sorted := func(by flow.Column) string {
			screen.chosen, screen.sort = true, flow.Sort{By: by, Descending: true}
			screen.second()
			return screen.sums()
		}
		if got := sorted(flow.ColumnAge); f.fresh || strings.Contains(got, "B/s") {
			t.Errorf("by age: counters of all are read %v, and the sum is %q", f.fresh, got)
		}
		if got := sorted(flow.ColumnRate); !f.fresh || !strings.Contains(got, "5.0M B/s") {
			t.Errorf("by rate: counters of all are read %v, and the sum is %q", f.fresh, got)
		}
		sorted(flow.ColumnAge)
		for _, line := range []string{"bytes>1k", "pps>2", "packets>3"} {
			q, err := filter.Parse(line, nil)
			if err != nil {
				t.Fatal(err)
			}
			screen.query = q
			if screen.second(); !f.fresh {
				t.Errorf("%s: the counters of all are not read", line)
			}
		}
	})
}
