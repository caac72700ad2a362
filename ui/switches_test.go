package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"nattui/model/facts"
)

// switchStage has a gateway that forwards nothing, and shows its switches.
func switchStage(t *testing.T, width, height int) *stage {
	s := newStage(t, width, height, gatewayRules)
	f := gatewayFacts()
	f.Settings.Forwarding4 = facts.SettingOff
	f.Settings.ConntrackMax, f.Settings.ConntrackBuckets, f.Settings.ConntrackCount = 65536, 16384, 1000
	link := facts.UnknownLinkSettings()
	link.Forwarding4, link.RPFilter, link.RouteLocalnet = facts.SettingOff, facts.RPFilterStrict, facts.SettingOff
	f.Settings.All = link
	f.Settings.Links = map[string]facts.LinkSettings{"wan0": link, "lan0": link}
	s.send(factsMsg{f})
	return s
}

func TestSwitchesScreen(t *testing.T) {
	for name, size := range map[string][2]int{"switches": {80, 24}, "switches-wide": {120, 40}, "switches-small": {40, 12}} {
		t.Run(name, func(t *testing.T) {
			s := switchStage(t, size[0], size[1])
			s.press("4", "w")
			s.golden(name)
		})
	}
}

// The name of the switch under the cursor is whole somewhere, however narrow the terminal is.
func TestSwitchesSayTheirNames(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120} {
		s := switchStage(t, width, 24)
		s.press("4", "w", "down")
		s.sees("net.ipv4.conf.wan0.forwarding")
	}
	s := switchStage(t, 40, 12)
	s.press("4", "w", "down")
	s.sees("IPv4 from wan0")
}

// The header says where forwarding is switched on.
func TestHeaderLeadsToSwitches(t *testing.T) {
	switchStage(t, 40, 12).sees("forwarding off") // whatever has no room then
	s := switchStage(t, 80, 24)
	s.sees("forwarding off w")
	s.press("w")
	s.sees("Switches")
	s.press("esc", "2")
	if strings.Contains(s.screen(), "forwarding off w") {
		t.Error("the key is shown where it does something else")
	}
}

func TestSwitchIsChangedAndUndone(t *testing.T) {
	s := switchStage(t, 80, 24)
	s.press("1", "w", "enter")
	s.sees("Switch net.ipv4.ip_forward on?")
	s.sees("$ sysctl -w net.ipv4.ip_forward=1")
	s.sees(">> /etc/sysctl.d/90-nattui.conf")
	s.agree("y")
	if len(s.kernel.applied) != 1 {
		t.Fatal("nothing was applied")
	}
	if w := s.kernel.applied[0].Steps[0].Sysctl; w.Value != "1" || w.Old != "0" || !w.Boot {
		t.Errorf("the plan's step is %+v", w)
	}
	s.press("u")
	if len(s.kernel.applied) != 2 || s.kernel.applied[1].Steps[0].Sysctl.Value != "0" {
		t.Errorf("u did not take it back: %+v", s.kernel.applied)
	}
	s.press("b", "enter")
	s.agree("y")
	if w := s.kernel.applied[2].Steps[0].Sysctl; w.Boot {
		t.Error("at boot as well, although b chose now only")
	}
}

// A number is typed, and what cannot work is said at every key.
func TestSwitchNumber(t *testing.T) { synctest.Test(t, typeNumber) }

func typeNumber(t *testing.T) {
	s := switchStage(t, 80, 24)
	s.press("1", "w", "G", "up", "enter")
	for range 5 {
		s.press("backspace")
	}
	s.write("77")
	s.sees("too few")
	s.sees("nf_conntrack_max 16384")
	s.write("777")
	s.press("enter")
	s.sees("Set net.netfilter.nf_conntrack_max to 77777?")
	s.press("n", "esc")
}

// A value that another switch would overrule is passed over, and said.
func TestSwitchOverruled(t *testing.T) {
	s := switchStage(t, 80, 24)
	s.press("1", "w")
	d := s.app.top().(*switches)
	for i := range d.all.List {
		if d.all.List[i].Name == "net.ipv4.conf.wan0.rp_filter" {
			d.cursor.Go(i, len(d.all.List), d.key)
		}
	}
	s.press("enter")
	s.sees("Make net.ipv4.conf.wan0.rp_filter loose?")
}

func TestSwitchesFitEverySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the cursor of an input blinks
		for w := minWidth; w <= 160; w += 30 {
			for h := minHeight; h <= 50; h += 6 {
				s := switchStage(t, w, h)
				s.press("4", "w")
				s.fits()
				s.press("G", "enter")
				s.fits()
				s.press("esc", "up", "up")
				s.fits()
			}
		}
	})
}

// A click goes to the switch under the mouse, not to a heading.
func TestClickOnASwitch(t *testing.T) {
	s := switchStage(t, 100, 50)
	s.press("w")
	x := s.app.top().(*switches)
	for y, l := range strings.Split(s.screen(), "\n") {
		switch {
		case strings.Contains(l, "│ reverse path filter ─"):
			s.send(tea.MouseClickMsg{X: 20, Y: y, Button: tea.MouseLeft})
			if x.cursor.Index() != 0 {
				t.Error("the heading took the click")
			}
		case strings.Contains(l, ".wan0.rp_filter"):
			s.send(tea.MouseClickMsg{X: 20, Y: y, Button: tea.MouseLeft})
			if c, _ := x.current(); c.Name != "net.ipv4.conf.wan0.rp_filter" {
				t.Errorf("the cursor is on %s", c.Name)
			}
			return
		}
	}
	t.Errorf("no such switch:\n%s", s.screen())
}
