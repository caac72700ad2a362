package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"nattui/model/flow"
)

// The cursor stays on its flow from the first key on, in the first line as well, and what is asked names that flow.
func TestCursorHoldsItsFlowWhileTheListIsSorted(t *testing.T) {
	for _, begin := range [][]string{{"down", "up"}, {"x", "n"}, {"enter", "esc"}, {"t", "esc"}, {"down"}, {"down", "down", "down"}} {
		synctest.Test(t, func(t *testing.T) {
			s, f := flowStage(t, 80, 24, someFlows()...)
			for len(s.app.screens[1].(*flowsScreen).list.rows) == 0 {
				s.refresh()
			}
			s.press(begin...)
			on, _ := s.app.screens[1].(*flowsScreen).current()
			before := lineOf(s.screen(), "▌")
			for i := range 30 {
				newer := aFlow(200+i, fmt.Sprintf("10.9.9.%d:1", i+1), "203.0.113.1:80", "192.168.0.2:8080", fmt.Sprintf("10.9.9.%d:1", i+1))
				newer.Start = clock.UnixNano()
				f.tell(flow.EventNew, newer)
			}
			s.refresh()
			if after := lineOf(s.screen(), "▌"); after != before || !strings.Contains(after, on.Client().String()) {
				t.Errorf("after %v the cursor was on\n%sand is on\n%s", begin, before, after)
			}
			if s.press("x"); s.app.top() == nil && on.Client().Port() != 22000 { // which is a login
				t.Errorf("after %v: nothing is asked", begin)
			} else if s.app.top() != nil {
				s.sees("from " + on.Client().String())
			}
		})
	}
}

// Before anybody has pressed a key the cursor stays on its flow as well, while that is in sight; the list does not move for it.
func TestCursorStaysOnItsFlowFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		screen := s.app.screens[1].(*flowsScreen)
		screen.sort = flow.Sort{By: flow.ColumnClient}
		screen.list.reset()
		for range 3 {
			s.refresh()
		}
		on, _ := screen.current()
		newer := func(from, n int) {
			for i := range n {
				x := aFlow(from+i, fmt.Sprintf("9.9.9.%d:%d", i%200+1, from), "203.0.113.1:80", "192.168.0.2:8080", fmt.Sprintf("9.9.9.%d:%d", i%200+1, from))
				x.Start = clock.UnixNano()
				f.tell(flow.EventNew, x)
			}
			s.refresh()
		}
		newer(200, 3)
		if now, _ := screen.current(); now.Key() != on.Key() || screen.list.cursor != 3 || screen.list.top != 0 {
			t.Errorf("the cursor is on line %d of a list from %d, on %v and not %v", screen.list.cursor, screen.list.top, now.Client(), on.Client())
		}
		newer(300, 60)
		if screen.list.cursor != 0 || screen.list.top != 0 {
			t.Errorf("its flow is out of sight, and the cursor on line %d of a list from %d", screen.list.cursor, screen.list.top)
		}
	})
}

// A flow that ends keeps its line, and no key that was meant for it meets its neighbour.
func TestCursorStaysOnAFlowThatEnded(t *testing.T) {
	for _, downs := range []int{0, 2, 4} {
		synctest.Test(t, func(t *testing.T) {
			s, f := flowStage(t, 80, 24, someFlows()...)
			screen := s.app.screens[1].(*flowsScreen)
			s.press("down", "up")
			for range downs {
				s.press("down")
			}
			on, _ := screen.current()
			f.tell(flow.EventDestroy, on)
			s.refresh()
			if line := lineOf(s.screen(), "▌"); !strings.Contains(line, "ended: tcp "+on.Client().String()) {
				t.Errorf("the cursor is on\n%s", line)
			}
			if s.press("x"); s.app.top() != nil {
				t.Errorf("something is asked:\n%s", s.screen())
			}
			s.sees("has already ended")
			s.fits()
			s.press("down")
			s.lacks("ended: tcp")
			next, ok := screen.current()
			if _, _, lives := f.table.Lookup(next.Key()); !ok || !lives {
				t.Errorf("the cursor has come to %v", next.Client())
			}
			if got := screen.list.matching(); got != 4 {
				t.Errorf("%d connections are counted", got)
			}
		})
	}
}

// A flow that the filter shows no longer has not ended: it is said, and x means that flow.
func TestCursorStaysOnAFlowThatTheFilterLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.write("state established")
		s.press("enter", "down", "up")
		on, _ := s.app.screens[1].(*flowsScreen).current()
		closing := on
		closing.State = flow.TCPFinWait
		f.tell(flow.EventUpdate, closing)
		s.refresh()
		if line := lineOf(s.screen(), "▌"); !strings.Contains(line, "no longer matches: tcp "+on.Client().String()) {
			t.Errorf("the cursor is on\n%s", line)
		}
		s.press("x")
		s.sees("from " + on.Client().String())
		s.agree("y")
		if len(f.forgotten) != 1 || f.forgotten[0].Key() != on.Key() {
			t.Errorf("forgotten: %v", f.forgotten)
		}
	})
}

// The newest event is left for none that comes later once something was asked of it.
func TestAskedEventStaysUnderTheCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		s.press("e")
		f.tell(flow.EventNew, someFlows()[0])
		s.refresh()
		s.press("x", "n")
		f.tell(flow.EventNew, someFlows()[1])
		s.refresh()
		if on, _ := s.app.screens[1].(*flowsScreen).current(); on.Key() != someFlows()[0].Key() {
			t.Errorf("the cursor has come to %v", on.Client())
		}
	})
}
