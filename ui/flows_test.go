package ui

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

func TestFlowsScreen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}, {200, 30}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := flowStage(t, size.w, size.h, someFlows()...)
				s.golden(fmt.Sprintf("flows-%dx%d", size.w, size.h))
			})
		})
	}
}

func TestFlowsEmptyTeaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		s.sees("no connections yet")
		f.health.Tracking = facts.SettingOff
		s.app.screens[1].(*flowsScreen).second()
		s.run(s.app.settle())
		s.sees("nothing is tracked yet")
		s.lacks("conntrack starts") // there are NAT rules
		s.kernel.sets = nil
		s.tables(true)
		s.sees("conntrack starts with the first NAT rule (press 3")
	})
	synctest.Test(t, func(t *testing.T) { // where it is not known, and on the smallest terminal
		s, f := flowStage(t, 40, 12)
		f.health.Tracking = facts.SettingUnknown
		s.kernel.sets = nil
		s.tables(true)
		for _, key := range []string{"e", "b", "e"} {
			s.app.screens[1].(*flowsScreen).second()
			s.run(s.app.settle())
			s.sees("   nothing is tracked: no packets yet,")
			s.sees("(press 3 for the guide)")
			s.fits()
			s.press(key)
		}
	})
}

// That nothing is tracked is not said beside connections, which are newer than what is known of the table's size.
func TestNothingIsTrackedBesideConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 120, 24, someFlows()...)
		flows := s.app.screens[1].(*flowsScreen)
		flows.health.Count, flows.health.Tracking = 0, facts.SettingUnknown
		for _, n := range flows.notes() {
			if n.Name == "nothing-tracked" {
				t.Errorf("it says: %s", n.Sentence)
			}
		}
	})
}

// The cursor stays on its flow, and the flow on its line, while others come and go.
func TestCursorFollowsItsFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flows []flow.Flow
		for i := range 100 {
			flows = append(flows, aFlow(i+1, fmt.Sprintf("10.0.0.%d:1000", i+1), "203.0.113.1:80", "192.168.0.2:8080", fmt.Sprintf("10.0.0.%d:1000", i+1)))
		}
		s, f := flowStage(t, 80, 24, flows...)
		for range 30 {
			s.press("down")
		}
		before := lineOf(s.screen(), "▌")
		newer := aFlow(200, "10.9.9.9:1", "203.0.113.1:80", "192.168.0.2:8080", "10.9.9.9:1")
		newer.Start = clock.UnixNano()
		f.tell(flow.EventNew, newer)
		f.tell(flow.EventDestroy, flows[3])
		s.refresh()
		if after := lineOf(s.screen(), "▌"); after != before {
			t.Errorf("the cursor was on\n%s\nand is on\n%s", before, after)
		}
	})
}

func lineOf(screen, mark string) string {
	for line := range strings.Lines(screen) {
		if strings.Contains(line, mark) {
			return line
		}
	}
	return ""
}

func TestScrollingThroughManyFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flows []flow.Flow
		for i := range 5000 {
			client := fmt.Sprintf("10.0.%d.%d:1000", i/250, i%250+1)
			flows = append(flows, aFlow(i+1, client, "203.0.113.1:80", "192.168.0.2:8080", client))
		}
		s, _ := flowStage(t, 80, 24, flows...)
		for room, want := range map[int]string{80: "connections 5,000 of 262k", 24: "conns 5,000 of 262k", 18: "conns 5,000"} {
			if got := ansi.Strip(s.app.flowCount(room)); got != want {
				t.Errorf("in %d cells: %q, want %q", room, got, want)
			}
		}
		s.press("G")
		s.sees("10.0.19.250:1000")
		s.press("g")
		s.sees("▌ tcp  10.0.0.1:1000")
		for range 40 {
			s.press("pgdown")
		}
		if strings.Contains(s.screen(), "   …\n") {
			t.Errorf("rows were not loaded:\n%s", s.screen())
		}
	})
}

func TestPauseStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.press("space")
		s.sees("paused")
		f.tell(flow.EventDestroy, someFlows()[0])
		s.refresh()
		s.sees("203.0.113.10:55474")
		s.press("space")
		if strings.Contains(s.screen(), "203.0.113.10:55474") {
			t.Errorf("a flow that ended is still shown:\n%s", s.screen())
		}
	})
}

// TestRulesStillAsked: while connections are asked about today's rules, those found by a rule are at least so many.
func TestRulesStillAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		f.uncounted = true
		s.press("b")
		s.refresh()
		s.sees(" 5 connections")
		s.press("b", "b")
		s.refresh()
		s.sees(">5 connections")
		f.uncounted = false
		s.press("r")
		s.refresh()
		s.sees(" 5 connections")
	})
}

// TestOldRate: a rate whose counters were read long ago is not shown as that of now, unless the list stands still.
func TestOldRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage, _ := flowStage(t, 80, 24)
		s := stage.app.screens[1].(*flowsScreen)
		f := someFlows()[0]
		f.SetRates(5e6, 100)
		f.Counted = clock.UnixNano()
		rate := func(later time.Duration) string {
			s.now = clock.Add(later)
			return s.flowCells(&f, endWidths{})[colRate].Text
		}
		if now, then := rate(time.Second), rate(time.Minute); now == then || then != s.look.Glyphs.None {
			t.Errorf("the rate is %s, a minute later %s", now, then)
		}
		if s.paused = true; rate(time.Minute) == s.look.Glyphs.None {
			t.Error("a list that stands still loses its rates")
		}
	})
}

func TestEventStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		s.press("e")
		f.tell(flow.EventNew, someFlows()[0])
		f.tell(flow.EventDestroy, someFlows()[0])
		s.refresh()
		s.golden("events-80x24")
		s.send(tea.WindowSizeMsg{Width: 40, Height: 12})
		s.golden("events-40x12")
		s.press("e")
	})
}

func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("b")
		s.golden("groups-80x24")
		s.press("enter")
		s.sees("client 192.168.0.7")
		s.sees("2 of 5 connections")
	})
}

func TestForgetAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.press("x")
		s.sees("Forget this connection?")
		s.press("enter")
		if len(f.forgotten) > 0 {
			t.Fatal("enter forgot the flow")
		}
		s.press("x")
		s.agree("y")
		if len(f.forgotten) != 1 {
			t.Errorf("%d flows were forgotten", len(f.forgotten))
		}
		s.press("/")
		s.write("client 192.168.0.7")
		s.press("enter", "X")
		s.sees("Forget 2 connections?")
		s.agree("y")
		if len(f.forgotten) != 3 {
			t.Errorf("%d flows were forgotten", len(f.forgotten))
		}
	})
}

func TestOwnConnectionIsNeverForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		own := gatewayFacts()
		own.Session = &facts.Session{Client: netip.MustParseAddrPort("192.168.0.7:22000"), Server: netip.MustParseAddrPort("192.168.0.1:22")}
		s.send(factsMsg{own})
		s.press("/")
		s.write("client 192.168.0.7")
		s.press("enter", "X")
		s.sees("Logins to this host also match; they are kept.")
		s.agree("y")
		if len(f.forgotten) != 1 || f.forgotten[0].Client().Port() == 22000 {
			t.Errorf("forgotten: %v", f.forgotten)
		}
	})
}

func TestStaleFlowsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := aFlow(6, "203.0.113.44:1000", "203.0.113.1:80", "192.168.0.99:8080", "203.0.113.44:1000")
		s, _ := flowStage(t, 130, 24, append(someFlows(), old)...)
		s.sees("1 connection keeps a translation of earlier rules (filter: rule stale)")
		s.press("/")
		s.write("rule stale")
		s.sees("1 of 6 connections")
	})
}

func TestDetailsShowBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("enter")
		s.golden("flow-details")
	})
}

// Names are asked for only when wanted, and never waited for.
func TestNamesOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 120, 24, someFlows()...)
		asked := 0
		s.app.gw.Name = func(_ context.Context, a netip.Addr) string {
			asked++
			if a == netip.MustParseAddr("192.168.0.2") {
				return "web.lan\x1b"
			}
			return ""
		}
		s.refresh()
		if asked > 0 {
			t.Fatal("names were asked for without being wanted")
		}
		s.press("m")
		s.sees("web.lan\\x1b:8080")
		s.sees("1 name known")
		before := asked
		s.press("m")
		s.sees("192.168.0.2:8080")
		s.press("m") // those without an answer get another chance
		s.sees("web.lan\\x1b:8080")
		if asked <= before {
			t.Error("names that nobody told of are never asked for again")
		}
		s.press("m")
		s.sees("192.168.0.2:8080")
	})
}

// Silence is told from a kernel that does not speak.
func TestEventsThatAreOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		s.press("e")
		s.sees("no events yet")
		f.health.Events = facts.SettingOff
		f.health.At++
		s.app.screens[1].(*flowsScreen).second()
		s.refresh()
		s.sees("the kernel sends no events (nf_conntrack_events=0): w switches them on")
		s.press("w")
		s.sees("Let the kernel tell of flows?")
		s.sees("sysctl -w net.netfilter.nf_conntrack_events=1")
		s.press("esc")
		s.app.gw.ReadOnly = true
		s.sees("the kernel sends no events: sysctl -w net.netfilter.nf_conntrack_events=1")
	})
}

// A loss of events is told on the screen, in the stream where it happened, and with
// the table's health; so is how long what is seen stands still.
func TestLossIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		f.tell(flow.EventUpdate, someFlows()[0])
		f.status.Missed, f.status.LastMissed, f.status.Overruns, f.status.Lost = 1204, 1204, 1, true
		f.log.Gap(1204, clock.UnixNano(), 0)
		s.refresh()
		s.sees("1,204 events missed, reading the table again")
		s.sees("connections ~5 of") // those that are listed may have ended
		f.status.Lost, f.status.LostAt, f.status.LastResync, f.status.Resyncs = false, clock.UnixNano(), 400*time.Millisecond, 1
		f.log.Gap(1204, clock.UnixNano(), 400*time.Millisecond)
		s.refresh()
		s.sees("1,204 events missed; resynced in 0.4 s. The list is complete again")
		s.press("e")
		s.sees("! 1,204 events missed here; resynced in 0.4 s")
		s.sees("ended since the start")
		f.log.Silent(flow.SilenceBegins, clock.UnixNano())
		f.log.Silent(flow.SilenceEnds, clock.UnixNano())
		s.refresh()
		s.sees("! the kernel sends no events from here on (nf_conntrack_events=0)")
		s.sees("! events again; what happened in between is not told")
		s.lacks("since the start")
		s.press("e", "space")
		f.status.Events += 77
		s.refresh()
		s.sees("77 changes waiting")
		s.press("space")
		f.status.Every = 4 * time.Second
		s.refresh()
		s.sees("counters read every 4.0 s")
		s.sees("● live")
		f.status.EventsOff = true // switched off meanwhile, by somebody
		s.refresh()
		s.sees("no events: the table is read every 4.0 s")
		if strings.Contains(s.screen(), "● live") {
			t.Errorf("without events it is said to be live:\n%s", s.screen())
		}
	})
}

// What the kernel does not measure is named, and nothing else.
func TestNoteNamesWhatIsOff(t *testing.T) {
	for _, c := range []struct {
		counts, times facts.Setting
		want          string
	}{
		{facts.SettingOff, facts.SettingOff, "Counters and ages are off in the kernel: w switches them on"},
		{facts.SettingOff, facts.SettingOn, "Counters are off in the kernel: w switches them on"},
		{facts.SettingOn, facts.SettingOff, "Ages are off in the kernel: w switches them on"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, f := flowStage(t, 80, 24, someFlows()...)
			f.health.Accounting, f.health.Timestamps = c.counts, c.times
			f.health.At++
			s.app.screens[1].(*flowsScreen).second()
			s.refresh()
			s.sees(c.want)
		})
	}
}

func TestHealthOfTheTable(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {40, 12}, {120, 40}} {
		synctest.Test(t, func(t *testing.T) {
			s, f := flowStage(t, size.w, size.h, someFlows()...)
			earlier := f.health
			f.health.HasStats, earlier.HasStats = true, true
			s.app.screens[1].(*flowsScreen).looks = []facts.Health{earlier}
			f.health.At += int64(10 * time.Second)
			f.health.Stats = facts.TableStats{Insert: 90_000, InsertFailed: 31, EarlyDrop: 12, SearchRestart: 5}
			f.status.Buffer = flow.Buffer{Wished: 64 << 20, Got: 208 << 10, Short: "net.core.rmem_max allows no more than 212992 bytes"}
			s.app.screens[1].(*flowsScreen).second()
			s.press("h")
			s.golden(fmt.Sprintf("flow-health-%dx%d", size.w, size.h))
			s.press("G")
			s.fits()
			s.sees("insert ")
			s.press("g")
			s.sees("growth")
		})
	}
}

// While paused the events stand still, even where there were none, and under another filter.
func TestEventsStandStillWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		s.press("e", "space")
		f.tell(flow.EventNew, someFlows()[0])
		s.refresh()
		s.press("down")
		if strings.Contains(s.screen(), "203.0.113.10:55474") {
			t.Errorf("an event came while paused:\n%s", s.screen())
		}
		s.press("space")
		s.sees("203.0.113.10:55474")
		s.press("space")
		f.tell(flow.EventNew, someFlows()[1], someFlows()[2])
		s.press("/")
		s.write("proto tcp")
		s.press("enter")
		if strings.Contains(s.screen(), "192.168.0.7:41022") {
			t.Errorf("an event came while paused:\n%s", s.screen())
		}
		s.press("space")
		s.sees("192.168.0.9:50100")
	})
}

// What the groups are sorted by is seen on the narrowest terminal, and what they add up to.
func TestGroupsShowWhatTheyAreSortedBy(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := flowStage(t, width, 24, someFlows()...)
			s.press("b")
			for _, title := range []string{"conns▾", "bytes▾", "packets▾", "B/s▾"} {
				s.sees(title)
				s.fits()
				s.press("s")
			}
			s.sees("4 groups · 5 connections")
			s.sees("40 % of connections")
			s.press("b", "b", "b")
			s.sees("tcp 203.0.113.1:80 ⇒"[:20])
		})
	}
}

// A group of flows that two rules made together is opened with both.
func TestGroupOfTwoRulesIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 120, 30, someFlows()...)
		s.press("b", "b", "b")
		s.sees("PREROUTING 1 + POSTROUTING 1")
		for !strings.Contains(lineOf(s.screen(), "▌"), " + ") {
			s.press("down")
		}
		s.press("enter")
		s.sees("rule PREROUTING/1 rule POSTROUTING/1")
		s.sees("1 of 5 connections")
	})
}

// Every column that flows are sorted by carries the sign of it, as far as there is room.
func TestSortSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		for range sortColumns {
			s.press("s")
			if head := strings.Split(s.screen(), "\n")[3]; !strings.ContainsAny(head, "▴▾") {
				t.Errorf("sorted by %v: %s", s.app.screens[1].(*flowsScreen).sort.By, head)
			}
		}
		for _, c := range flow.Columns() {
			if c != flow.ColumnID && !slices.Contains(sortColumns, c) {
				t.Errorf("flows cannot be sorted by %v", c)
			}
		}
	})
}

// A flow that was there before is at least as old as its last packet.
func TestDetailsOfAnOldFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := someFlows()[3]
		x.Start, x.Timeout = 0, 431_970
		s, f := flowStage(t, 80, 24, x)
		f.whole = 432_000
		s.press("enter")
		s.sees("ESTABLISHED, at least 30s old, last packet 30s ago")
		s.press("esc")
		s.press("s") // by age
		s.sees(">0.0s")
	})
}

// On the smallest terminal a flow's story and its timer are told whole, in more lines.
func TestDetailsOnASmallTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := someFlows()[0]
		x.Timeout = 431_970
		s, f := flowStage(t, 40, 12, x)
		f.whole = 432_000
		s.press("enter")
		var all strings.Builder
		for range 4 {
			all.WriteString(s.screen())
			s.fits()
			s.press("pgdown")
		}
		for _, want := range []string{"203.0.113.10:55474", "ESTABLISHED ", "first look: connected, assured", "in 119:59:30", "of 120:00:00", "tcp_timeout_established"} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%q is told nowhere:\n%s", want, all.String())
			}
		}
	})
}

// A timeout that is longer than its setting is none of it: no bar is drawn, full for minutes.
func TestTimeoutLongerThanItsSetting(t *testing.T) {
	for _, width := range []int{80, 40} {
		synctest.Test(t, func(t *testing.T) {
			x := someFlows()[0]
			x.Timeout = 588
			s, f := flowStage(t, width, 24, x)
			f.whole = 30
			s.press("enter", "pgdown")
			s.sees("in 9:48")
			s.lacks("of 30s")
			s.lacks("━━")
		})
	}
}

// What no packet has made has counters of 0, which are none: nothing is told as if it had been counted.
func TestCountersOfNothingAreUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := someFlows()[0]
		x.SetCounts(0, 0, 0, 0)
		s, _ := flowStage(t, 200, 24, x)
		s.lacks("0 packets")
		s.lacks("0 B")
	})
}

// A click puts the cursor on a row and opens it, and a click on a title sorts; on low terminals too.
func TestClicksOnFlows(t *testing.T) {
	for _, height := range []int{24, 14} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := flowStage(t, 80, height, someFlows()...)
			click := func(line, column string) {
				t.Helper()
				lines := strings.Split(s.screen(), "\n")
				for y, l := range lines {
					if before, _, ok := strings.Cut(l, column); ok && strings.Contains(l, line) {
						s.send(tea.MouseClickMsg{X: ansi.StringWidth(before), Y: y, Button: tea.MouseLeft})
						return
					}
				}
				t.Fatalf("%q is nowhere on\n%s", line, s.screen())
			}
			click("192.168.0.9:50100", "192.168.0.9")
			if l := lineOf(s.screen(), "▌"); !strings.Contains(l, "192.168.0.9:50100") {
				t.Errorf("the cursor is on %s", l)
			}
			click("192.168.0.9:50100", "8888")
			s.sees("tcp 192.168.0.9:50100 to 198.51.100.20:80")
			s.press("esc")
			click("asked for", "asked for")
			s.sees("asked for▴")
			click("asked for", "asked for")
			s.sees("asked for▾")
			s.press("b")
			click("by client", "bytes")
			s.sees("bytes▾")
			click("203.0.113.10", "203.0.113.10")
			if l := lineOf(s.screen(), "▌"); !strings.Contains(l, "203.0.113.10") {
				t.Errorf("the cursor is on %s", l)
			}
		})
	}
}

// Before all that match are forgotten some are named, with what they are translated to, and how many more they are: on one
// page, which is agreed to at once.
func TestForgetAllNamesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flows []flow.Flow
		for i := range 120 {
			client := fmt.Sprintf("10.0.0.%d:1000", i+1)
			flows = append(flows, aFlow(i+1, client, "203.0.113.1:80", "192.168.0.2:8080", client))
		}
		s, f := flowStage(t, 80, 24, flows...)
		s.press("/")
		s.write("nat dnat")
		s.press("enter", "X")
		s.sees("120 connections matching “nat dnat” will be removed from the")
		s.sees("tcp 10.0.0.1:1000 to 203.0.113.1:80 ⇒ 192.168.0.2:8080")
		s.sees("and 115 more")
		s.lacks("more line")
		s.lacks("read on")
		s.agree("y")
		if len(f.forgotten) != 120 {
			t.Errorf("%d flows were forgotten", len(f.forgotten))
		}
	})
}

// What was paused beside another list is there when it is looked at.
func TestPauseHoldsTheOtherListsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24, someFlows()...)
		s.press("s", "e")
		f.tell(flow.EventUpdate, someFlows()[0])
		s.press("/")
		s.write("event update")
		s.press("enter", "space")
		f.tell(flow.EventNew, aFlow(9, "10.9.9.9:1", "203.0.113.1:80", "192.168.0.2:8080", "10.9.9.9:1"))
		s.refresh()
		s.press("/")
		s.write(" or proto tcp")
		s.press("enter")
		s.sees("/ event update or proto tcp  1 event")
		if strings.Contains(s.screen(), "1 events") {
			t.Error("one event is several")
		}
		s.press("e")
		s.sees("192.168.0.7:41022")
		s.press("b")
		s.sees("by client")
		s.sees("192.168.0.7")
	})
}

// The events on the screen get names too.
func TestNamesOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		s.app.gw.Name = func(_ context.Context, a netip.Addr) string {
			if a == netip.MustParseAddr("192.168.0.7") {
				return "laptop.lan"
			}
			return ""
		}
		f.tell(flow.EventNew, someFlows()[1])
		s.press("e", "m")
		s.sees("laptop.lan:41022")
	})
}

// A table that is full, and loses connections, is told of on every screen's width with what to do.
func TestHealthOfAFullTable(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {40, 12}} {
		synctest.Test(t, func(t *testing.T) {
			s, f := flowStage(t, size.w, size.h, someFlows()...)
			screen := s.app.screens[1].(*flowsScreen)
			f.health.Max, f.health.HasStats = 5, true
			earlier := f.health
			earlier.Count = 4
			screen.looks = []facts.Health{earlier}
			f.health.At += int64(10 * time.Second)
			f.health.Stats = facts.TableStats{Drop: 1204, EarlyDrop: 12, InsertFailed: 31}
			screen.second()
			s.run(s.app.settle())
			if size.h > 12 {
				s.sees("! The table is 100 % full (5 of 5): new connecti")
				s.sees("(h: 3 more)")
			}
			s.press("h")
			s.golden(fmt.Sprintf("flow-health-full-%dx%d", size.w, size.h))
			all := ""
			for range 12 {
				all += s.screen()
				s.press("pgdown")
			}
			for _, want := range []string{"1,173 packets were dropped just now", "12 connections were removed just now", "net.netfilter.nf_conntrack_max=10", "make the table larger"} {
				if words := strings.Join(strings.FieldsFunc(all, func(r rune) bool { return r == ' ' || r == '\n' || r == '│' }), " "); !strings.Contains(words, want) {
					t.Errorf("%q is told nowhere:\n%s", want, all)
				}
			}
		})
	}
}

// What a helper translated, as the data of FTP, follows no rule and is not stale for that.
func TestRelatedFlowsAreNotStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := aFlow(6, "203.0.113.44:1000", "203.0.113.1:51201", "192.168.0.2:51201", "203.0.113.44:1000")
		data.Status |= flow.StatusExpected
		s, _ := flowStage(t, 80, 24, data)
		s.sees("established · belongs to another connection")
		s.press("enter")
		s.sees("none: it belongs to another connection")
		if strings.Contains(s.screen(), "stale: ") {
			t.Errorf("it is said to be stale:\n%s", s.screen())
		}
	})
}

// Two groups are not drawn alike because their names are long: rather there are fewer columns.
func TestGroupsWithLongNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flows []flow.Flow
		for i := range 3 {
			flows = append(flows, aFlow(i+1, "203.0.113.10:1000", "203.0.113.1:30000", fmt.Sprintf("192.168.0.%d:8080", i+2), "192.168.0.1:1000"))
		}
		s, _ := flowStage(t, 80, 24, flows...)
		s.press("b", "b", "b", "b")
		for i := range 3 {
			s.sees(fmt.Sprintf("tcp 203.0.113.1:30000 ⇒ 192.168.0.%d:8080 ◂ 192.168.0.1", i+2))
		}
		s.sees("conns▾")
		s.send(tea.WindowSizeMsg{Width: 40, Height: 12})
		s.sees("tcp 203.0.113.1:30000 ⇒ 19")
		s.sees("conns▾")
		s.fits()
	})
}

// A long chain leaves room for the number of its rule.
func TestRuleOfALongChain(t *testing.T) {
	for width, want := range map[int]string{30: "KUBE-SEP-STBKHPS6YA37HZH7 12", 14: "KUBE-SEP-S… 12", 5: "K… 12"} {
		if got := shortenRule(evaluate.RuleRef{Chain: "KUBE-SEP-STBKHPS6YA37HZH7", Position: 12}, width); got != want {
			t.Errorf("in %d cells it is %q, not %q", width, got, want)
		}
	}
	v6 := evaluate.RuleRef{Variant: rules.Variant{Family: rules.IPv6}, Chain: "PREROUTING", Position: 1}
	if got := shortenRule(v6, 16); got != "ipv6 PREROUTI… 1" {
		t.Errorf("a rule of IPv6 is called %q", got)
	}
}

// A flow that has ended is not forgotten: another one may have its addresses by now.
func TestEndedFlowIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 80, 24)
		f.tell(flow.EventNew, someFlows()[0])
		s.press("e", "enter")
		f.tell(flow.EventDestroy, someFlows()[0])
		s.refresh()
		s.press("x")
		s.sees("that connection has already ended: there is nothing to forget")
		s.press("x")
		s.sees("that connection has already ended: there is nothing to forget")
		s.agree("y")
		if len(f.forgotten) > 0 {
			t.Errorf("forgotten: %v", f.forgotten)
		}
	})
}

// The rate of a minute has its unit, says how much of a minute is known, and counts no parts of bytes.
func TestGroupsSayWhatTheirMinuteIs(t *testing.T) {
	l := &groupList{}
	for covers, want := range map[float64]string{1: "B/s, 1 s", 12.4: "B/s, 12 s", 60: "B/s, 1min"} {
		if l.covers = covers; l.minuteTitle() != want {
			t.Errorf("after %v s it is %q, not %q", covers, l.minuteTitle(), want)
		}
	}
}

// Ordinary endpoints are whole at 80 columns where the other columns have room to give.
func TestEndpointsAreWholeWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := aFlow(1, "198.51.100.14:10045", "203.0.113.1:53", "192.168.0.2:53", "198.51.100.14:10045")
		s, _ := flowStage(t, 80, 24, f)
		row := lineOf(s.screen(), "▌")
		for _, want := range []string{"198.51.100.14:10045", "203.0.113.1:53", "192.168.0.2:53"} {
			if !strings.Contains(row, want) {
				t.Errorf("%s is not whole: %s", want, row)
			}
		}
		for _, title := range []string{"state", "B/s"} {
			s.sees(title)
		}
	})
}
