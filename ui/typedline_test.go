package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// The first character typed replaces what a line was filled with, in every line that is filled; ctrl+z brings it back, and
// a key that moves within it keeps it.
func TestFirstKeyTypesOverAPrefilledLine(t *testing.T) {
	text := func(s *stage) string {
		switch in := s.app.input().(type) {
		case *whatIf:
			return in.input.Value()
		case *labMap:
			return in.input.Value()
		case *switches:
			return in.input.Value()
		case *importDialog:
			return in.input.Value()
		case *flowsScreen:
			return in.filter.text()
		case *rulesScreen:
			return in.filter.text()
		case *traceScreen:
			return in.filter.text()
		}
		t.Fatalf("what is %T?", s.app.input())
		return ""
	}
	for name, open := range map[string]func(s *stage){
		"what if": func(s *stage) { s.press("1", "t") },
		"lab":     func(s *stage) { s.press("L", "enter") },
		"switch": func(s *stage) {
			f := gatewayFacts()
			f.Settings.ConntrackMax, f.Settings.ConntrackBuckets = 65536, 16384
			s.send(factsMsg{f})
			s.press("1", "w")
			number(s)
		},
		"gap": func(s *stage) {
			s.press("1", "i")
			s.send(tea.PasteMsg{Content: "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination $SERVER"})
			s.press("tab")
		},
		"rules filter": func(s *stage) { s.press("1", "/"); s.write("80"); s.press("enter", "/") },
		"trace":        func(s *stage) { s.press("1", "T") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := labStage(t, 80, 24, "", gatewayRules)
				open(s)
				before := text(s)
				if name != "gap" && before == "" {
					t.Fatalf("the line is empty:\n%s", s.screen())
				}
				s.write("7")
				if got := text(s); got != "7" {
					t.Errorf("7 typed over %q is %q", before, got)
				}
				s.press("ctrl+z")
				if got := text(s); got != before {
					t.Errorf("ctrl+z brought back %q, not %q", got, before)
				}
				s.write("7")
				if got := text(s); got != before+"7" {
					t.Errorf("then 7 made %q of %q", got, before)
				}
				s.fits()
			})
		})
	}
}

// number goes to the first switch that takes a number, and to its line.
func number(s *stage) {
	box := s.app.top().(*switches)
	for range box.all.List {
		if x, _ := box.current(); x.Next() == "" && x.Fixed == "" {
			s.press("enter")
			return
		}
		s.press("down")
	}
}

// A long packet stays within its line, with its end in sight; what is wrong with it is named; enter says so, and goes on.
func TestWhatIfNamesTheWrongPart(t *testing.T) {
	for line, want := range map[string]string{
		"tcp 1.2.3.4:5 foo:80":             `destination "foo:80": foo is a name, and a packet has an address`,
		"tcp foo:80 1.2.3.4:5":             `source "foo:80": foo is a name`,
		"tcp 1.2.3.4:5":                    "the destination is missing",
		"tcp 1.2.3.4:x 1.2.3.4:5":          `source "1.2.3.4:x": "x" is not a port`,
		"tcp 1.2.3.4:5 1.2.3.4:6 eth0 and": `"and" is one word too many`,
		"tcp 1.2.3.4:5 1.2.3.4":            "needs a destination port",
		"foo 1.2.3.4:5 1.2.3.4:80":         `"foo" is not a protocol`,
		"tcp [2001:db8:1111:2222:3333:4444:5555:6666]:60000 [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:444 x y": `"y" is one word too many`,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 80, 24, gatewayRules)
			s.press("t")
			s.write(line)
			if got := strings.Join(strings.Fields(s.screen()), " "); !strings.Contains(got, want) {
				t.Errorf("%q: %q is not on the screen:\n%s", line, want, s.screen())
			}
			if end := line[strings.LastIndex(line, " ")+1:]; !strings.Contains(s.screen(), end) {
				t.Errorf("%q: its end is not in sight:\n%s", line, s.screen())
			}
			s.press("enter")
			if s.app.top() == nil || !s.app.said.failed {
				t.Errorf("%q: enter closes the box, or says nothing", line)
			}
			s.write("tcp 1.2.3.4:5 1.2.3.4:80") // goes on in the same line
			s.press("ctrl+u")
			s.write("tcp 1.2.3.4:5 203.0.113.1:80")
			s.press("enter")
			s.write("u")
			if got := s.app.top().(*whatIf).input.Value(); got != "u" {
				t.Errorf("after enter another packet is typed behind the first: %q", got)
			}
			s.fits()
		})
	}
}

// What stands for an empty line is told from a value without colour.
func TestHintsAreInParentheses(t *testing.T) {
	s := newStage(t, 80, 24, "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")
	s.press("t")
	s.sees("(tcp 203.0.113.10:4000 203.0.113.1:80, and an interface)")
	s.press("esc", "i")
	s.sees("(paste iptables commands")
	s.press("esc", "/")
	s.sees("(words to look for)")
}
