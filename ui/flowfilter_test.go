package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	"nattui/model/flow"
	"nattui/ui/text"
)

func TestFlowFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.write("nat snat")
		s.sees("2 of 5 connections")
		s.write(" nat bogus")
		if s.app.screens[1].(*flowsScreen).filter.wrong == "" {
			t.Error("a filter that makes no sense is not complained of")
		}
		s.sees("192.168.0.7:41022") // the last good one stays in force
		s.press("esc")
		s.sees("198.51.100.9:40001")
	})
}

// A filter is taken while it is typed, as far as it is finished; kept as it is, it is told what it lacks.
func TestFilterIsTakenAsItIsTyped(t *testing.T) {
	for line, more := range map[string][2]string{"nat snat": {" and", "and: a condition is missing after it"}, "192.168.0.7": {` "41022`, `"41022: the quotation mark is not closed`}} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := flowStage(t, 80, 24, someFlows()...)
			s.press("/")
			s.write(line)
			for _, r := range more[0] {
				s.write(string(r))
				s.sees("192.168.0.7:41022")
				s.lacks("198.51.100.9:40001")
				s.lacks("not understood")
			}
			s.press("enter")
			s.sees(more[1])
		})
	}
}

func TestFilterByRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 120, 30, someFlows()...)
		s.press("/")
		s.write("rule PREROUTING/3")
		s.sees("1 of 5 connections")
		s.sees("192.168.0.9:50100")
	})
}

// Leaving a filter shows all flows again, by whichever key.
func TestFilterIsLeft(t *testing.T) {
	for _, key := range []string{"esc", "q"} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := flowStage(t, 80, 24, someFlows()...)
			s.press("/")
			s.write("nat snat")
			s.press("enter")
			s.sees("2 of 5 connections")
			s.press(key)
			s.sees("198.51.100.9:40001")
			s.press("/")
			s.write("nat none")
			s.sees("1 of 5 connections")
		})
	}
}

// A filter that makes no sense is pointed at, and says which one is in force.
func TestWrongWordIsPointedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.sees("all conditions must hold")
		s.write("nat snat state ")
		s.sees("established")
		s.write("bogus")
		s.golden("filter-wrong-80x24")
	})
}

// Tab goes through what could stand at the cursor, values of the flows in sight too.
func TestFilterCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		line := func() string { return s.app.screens[1].(*flowsScreen).filter.text() }
		s.press("/")
		s.write("server 192.168.0.")
		s.press("tab")
		first := line()
		s.press("tab")
		if second := line(); first != "server 192.168.0.2 " || second == first || !strings.HasPrefix(second, "server 192.168.0.") {
			t.Errorf("tab makes %q, and again %q", first, second)
		}
		s.press("esc", "/")
		s.write("rule PRE")
		s.press("tab")
		if !strings.HasPrefix(line(), "rule PREROUTING/") {
			t.Errorf("tab makes %q", line())
		}
	})
}

// The event stream has a filter of its own, which begins as that of the flows; typed letter by
// letter it loses no event on the way.
func TestEventsHaveTheirOwnFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		f.tell(flow.EventUpdate, someFlows()...)
		f.tell(flow.EventDestroy, someFlows()[3])
		s.press("/")
		s.write("nat snat")
		s.press("enter", "e")
		s.sees("/ nat snat  2 events")
		s.press("/")
		s.write(" or event destroy")
		s.sees("3 events")
		s.press("enter", "e")
		s.sees("/ nat snat  2 of 4 connections")
		s.press("e")
		s.sees("/ nat snat or event destroy  3 events")
		s.press("esc")
		s.sees("203.0.113.10:55474")
		s.sees("established · 76 packets, 40 kB · since 02:26:00 · ended")
		s.press("e")
		s.sees("/ nat snat  2 of 4 connections")
		s.press("/")
		s.write(" event new")
		s.sees("event: works for events only")
	})
}

// A word that is not understood is pointed at although the line goes on with what could be completed, and
// on the smallest terminal too.
func TestWrongWordBeforeOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.write("sate established nat ")
		s.sees("sate: is not a property, and no connection contains it; perhaps state?")
		s.sees("not understood")
		s.press("esc", "/")
		s.write("nat dnat state established not src 10.0.0.0/8 not src 10.1.0.0/16 and bogus")
		s.sees("still using: nat dnat state established")
		s.fits()
	})
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 40, 12, someFlows()...)
		s.press("/")
		s.sees("all conditions must hold")
		s.write("nat dnat sate")
		s.press("space")
		s.sees("sate: is not a property, and no")
		s.sees("connection contains it; perhaps state?")
		s.sees("▌")
		s.fits()
	})
}

// A refusal is whole, with what would be right, however long the word is that is refused.
func TestRefusalsAreWhole(t *testing.T) {
	for _, c := range []struct{ line, end string }{
		{"src 300.1.1.1", "192.168.0.2 or 192.168.0.0/24"},
		{"rule 中文🚀", "stale, older, ambiguous, unknown or none"},
		{"nat none rule " + strings.Repeat("x", 100), "stale, older, ambiguous, unknown or none"},
		{strings.Repeat("🚀", 49), "is not a property, and no connection contains it"},
		{"state bogus", "assured, replied, unreplied or offload"},
	} {
		for _, width := range []int{80, 40} {
			synctest.Test(t, func(t *testing.T) {
				s, _ := flowStage(t, width, 24, someFlows()...)
				s.press("/")
				s.write(c.line)
				whole := func() {
					if told := strings.Join(strings.Fields(s.screen()), " "); !strings.Contains(told, c.end) {
						t.Errorf("%q is not on the screen:\n%s", c.end, s.screen())
					}
				}
				whole()
				s.fits()
				s.press("enter")
				whole()
				s.fits()
			})
		}
	}
}

// The marks stand beneath the word, also where it fills the line or others of two cells stand before it.
func TestMarksStandBeneathTheWord(t *testing.T) {
	for _, line := range []string{strings.Repeat("🚀", 49), "nat dnat " + strings.Repeat("\"中文\" ", 15) + "bogus"} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := flowStage(t, 80, 24, someFlows()...)
			s.press("/")
			s.write(line)
			rows := strings.Split(s.screen(), "\n")
			for i, row := range rows {
				before, _, marked := strings.Cut(row, "^^^")
				if !marked {
					continue
				}
				if at := strings.IndexAny(rows[i-1], "b🚀"); at < 0 || text.Width(rows[i-1][:at]) != text.Width(before) {
					t.Errorf("the marks begin elsewhere:\n%s\n%s", rows[i-1], row)
				}
				return
			}
			t.Errorf("nothing is marked:\n%s", s.screen())
		})
	}
}

// A line that still lacks something is not counted as if it were a filter.
func TestIncompleteFilterIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.write("((((")
		s.sees("/ ((((     not complete")
		s.write("nat snat))))")
		s.sees("2 of 5 connections")
	})
}

// TestFilterThatIsNotUnderstood: kept with enter it is ignored: what it began with, which was understood, is not what holds.
func TestFilterThatIsNotUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("/")
		s.write("state nonsense")
		s.press("enter")
		s.sees("198.51.100.9")
		s.sees("5 connections")
		s.sees("state nonsense")
	})
}
