package ui

import (
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
)

// pasteTexts are what people paste as commands, in lines.
var pasteTexts = map[string][]string{
	"commands":    {"iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE", "iptables -A FORWARD -i lan0 -j ACCEPT"},
	"sysctl":      {"sysctl -w net.ipv4.ip_forward=1", "iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE"},
	"setting":     {"echo 1 > /proc/sys/net/ipv4/ip_forward", "iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE"},
	"script":      {"#!/bin/sh", "iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE"},
	"comment":     {"# for the web server", "nft add rule inet nat postrouting oifname wan0 masquerade"},
	"saved":       {"*nat", ":POSTROUTING ACCEPT [0:0]", "-A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE", "COMMIT"},
	"wg-quick":    {"[Interface]", "PostUp = iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE"},
	"once":        {"iptables -t nat -C POSTROUTING -o wan0 -j MASQUERADE ||", "  iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE"},
	"nft ruleset": {"table ip nat {", "\tchain prerouting {", "\t\ttype nat hook prerouting priority dstnat;", "\t\ttcp dport 8080 dnat to 192.168.0.2:80", "\t}", "}"},
	"nft script":  {"flush chain inet nat postrouting", "add rule inet nat postrouting oifname wan0 masquerade"},
}

// lineEnds are those of files, of terminals that send what return sends, and of other systems.
var lineEnds = map[string]string{"LF": "\n", "CR": "\r", "CRLF": "\r\n"}

// Commands open import on whatever screen they are pasted, whichever way the terminal ends their lines.
func TestPastedLineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, lines := range pasteTexts {
			for end, sign := range lineEnds {
				for _, screen := range []string{"1", "3", "5"} {
					s := newStage(t, 120, 40, gatewayRules)
					s.press(screen)
					s.send(tea.PasteMsg{Content: strings.Join(lines, sign) + sign})
					x, ok := s.app.top().(*importDialog)
					if !ok {
						t.Errorf("%s with %s on screen %s: no import:\n%s", name, end, screen, s.screen())
						continue
					}
					want := strings.ReplaceAll(strings.Join(lines, "\n"), "\t", "    ")
					if got := x.area.Value(); got != want {
						t.Errorf("%s with %s: the box has %q", name, end, got)
					}
				}
			}
		}
	})
}

// Nothing that is pasted vanishes: where no text is typed import opens, or it is said why not.
func TestPastedWhereNothingIsTyped(t *testing.T) {
	block := strings.Join(pasteTexts["commands"], "\r")
	for name, c := range map[string]struct {
		text    string
		keys    []string
		read    bool // the gateway is only looked at
		imports bool
		says    string
	}{
		"switches":           {text: block, keys: []string{"w"}, imports: true},
		"switches, a number": {text: "4096", keys: []string{"w"}, says: "nothing was pasted: there is no text to type here"},
		"the lab":            {text: block, keys: []string{"L"}, imports: true},
		"the lab, prose":     {text: "see you at ten", keys: []string{"L"}, says: "nothing was pasted: there is no text to type here"},
		"guide":              {text: block, keys: []string{"3"}, imports: true},
		"guide, prose":       {text: "see you at ten", keys: []string{"3"}, says: "nothing was pasted: no command of iptables or nft is in it"},
		"help":               {text: block, keys: []string{"?"}, imports: true},
		"help over import":   {text: block, keys: []string{"1", "i", "f1"}, says: "nothing was pasted: there is no text to type here"},
		"a question":         {text: block, keys: []string{"1", "d"}, says: "nothing was pasted: there is no text to type here"},
		"read-only":          {text: block, keys: []string{"1"}, read: true, says: "nothing was pasted: nattui was started with --read-only"},
		"read-only, a box":   {text: block, keys: []string{"w"}, read: true, says: "nothing was pasted: nattui was started with --read-only"},
		"trace, two lines":   {text: "tcp dport 80\nudp dport 53", keys: []string{"5"}, says: "nothing was pasted: 2 lines, and the filter is one"},
		"form, its plan":     {text: block, keys: []string{"1", "a", "tab", "tab", "t", "c", "p", "tab", "tab", "tab", "tab", "8", "0", "tab", "1", "0", ".", "0", ".", "0", ".", "1", "ctrl+s"}, imports: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := labStage(t, 120, 40, "", gatewayRules)
				s.app.gw.ReadOnly = c.read
				s.press(c.keys...)
				s.send(tea.PasteMsg{Content: c.text})
				if _, ok := s.app.top().(*importDialog); ok != c.imports {
					t.Errorf("import is open: %t\n%s", ok, s.screen())
				}
				if c.says != "" {
					s.sees(c.says)
				}
			})
		})
	}
}

// A block is not joined into a line: with commands it is imported, else refused, and the line stays as it was.
func TestPastedBlockIntoALine(t *testing.T) {
	block := strings.Join(pasteTexts["sysctl"], "\r")
	for name, keys := range map[string][]string{
		"rules filter": {"1", "/", "x", "y", "z"}, "flows filter": {"2", "/", "x", "y", "z"}, "palette": {":", "x", "y", "z"}, "what if": {"1", "t", "x", "y", "z"},
		"trace": {"5", "T", "x", "y", "z"}, "send": {"L", "enter", "x", "y", "z"}, "form": {"1", "a", "tab", "tab", "x", "y", "z"}, "guide": {"3", "down", "enter", "tab", "tab", "x", "y", "z"},
		"search": {"?", "/", "x", "y", "z"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := labStage(t, 120, 40, "", gatewayRules)
				if name == "flows filter" {
					s, _ = flowStage(t, 120, 40)
				}
				s.press(keys...)
				s.sees("xyz")
				s.send(tea.PasteMsg{Content: "see you\rat ten\r"})
				s.sees("nothing was pasted: 2 lines, and ")
				s.sees("xyz")
				s.lacks("at ten")
				for _, size := range []tea.WindowSizeMsg{{Width: 40, Height: 12}, {Width: 120, Height: 40}} {
					s.send(size)
					s.fits()
				}
				s.send(tea.PasteMsg{Content: block})
				x, ok := s.app.top().(*importDialog)
				if !ok {
					t.Fatalf("no import:\n%s", s.screen())
				}
				if got := x.area.Value(); got != strings.Join(pasteTexts["sysctl"], "\n") {
					t.Errorf("the box has %q", got)
				}
				s.press("esc")
				s.sees("xyz")
				s.lacks("sysctl")
				s.write("w")
				s.sees("xyzw")
			})
		})
	}
}

// A block stands alone in import, whatever was left there; that is kept apart, and comes back.
func TestPastedBlockStandsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, gatewayRules)
		value := func() string { return s.app.top().(*importDialog).area.Value() }
		first, second, third := strings.Join(pasteTexts["commands"], "\n"), strings.Join(pasteTexts["sysctl"], "\n"), "iptables -A FORWARD -i lan0 -j ACCEPT"
		for _, block := range []string{first, second, third} {
			s.press("1")
			s.send(tea.PasteMsg{Content: block + "\n"})
			if value() != block {
				t.Fatalf("pasted %q, the box has %q", block, value())
			}
			if block != first {
				s.sees("ctrl+z brings back what you left here before")
			}
			s.press("esc", "2")
		}
		s.press("1", "i")
		for _, size := range []tea.WindowSizeMsg{{Width: 40, Height: 12}, {Width: 120, Height: 40}} {
			s.send(size)
			s.fits()
		}
		for _, want := range []string{third, second, first, third} {
			if value() != want {
				t.Errorf("the box has %q, want %q", value(), want)
			}
			s.press("ctrl+z")
		}
		s.press("esc")
		s.send(tea.PasteMsg{Content: third + "\r"}) // again: it is the one that was left
		s.sees("enter applies 1 change")
		s.press("enter")
		if len(s.kernel.applied) != 1 || len(s.kernel.applied[0].Steps) != 1 {
			t.Fatalf("applied %v", s.kernel.applied)
		}
		s.press("i")
		if left := map[string]bool{first: true, second: true}; !left[value()] {
			t.Errorf("what was left is lost: %q", value())
		}
		s.press("ctrl+n", "ctrl+z")
		if value() == "" {
			t.Error("the other block is lost")
		}
		s.press("ctrl+z")
		s.sees("no other text was left here")
	})
}

// Lines beyond those that the box holds are not cut off without a word.
func TestPastedTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, gatewayRules)
		s.send(tea.PasteMsg{Content: strings.Repeat("iptables -A FORWARD -i lan0 -j ACCEPT\r", 10_001)})
		s.sees("nothing was pasted: 10,001 lines")
		s.sees("nattui import FILE")
		s.press("i")
		s.write("# mine")
		s.send(tea.PasteMsg{Content: strings.Repeat("# more\r", 10_001)})
		s.sees("nothing was pasted: 10,001 lines")
		if x := s.app.top().(*importDialog); x.area.Value() != "# mine" {
			t.Errorf("the box has %.60q", x.area.Value())
		}
	})
}

// What is pasted on a terminal that shows nothing is told once that is large enough.
func TestPastedBlindly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 39, 11, gatewayRules)
		s.send(tea.PasteMsg{Content: "iptables -F"})
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		s.sees("nothing was pasted: the terminal was too small to show it")
	})
}

// An answer to a gap is one line: a block is no answer, and the text that is being filled stays.
func TestPastedBlockIntoAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, gatewayRules)
		text := "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination $SERVER"
		s.send(tea.PasteMsg{Content: text})
		s.press("tab")
		s.send(tea.PasteMsg{Content: strings.Join(pasteTexts["commands"], "\r")})
		s.sees("nothing was pasted: 2 lines, and the answer for SERVER is one")
		s.send(tea.PasteMsg{Content: "192.168.0.9:80\r"})
		s.press("enter")
		s.sees("--to-destination 192.168.0.9:80")
	})
}

// However long its lines are, and wherever the cursor is, a text that is scrolled goes on to be typed where it was.
func TestPastedTextGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("i")
		x := s.app.top().(*importDialog)
		width := x.area.Width()
		for wide := width - 2; wide <= width+3; wide++ {
			for blanks := range 3 {
				line := strings.Repeat("x", wide) + strings.Repeat(" ", blanks)
				x.area.SetValue(strings.Repeat(line+"\n\n"+line+line+"\n", 12) + "# the end")
				for range blanks * 5 {
					x.area.CursorUp()
				}
				x.area.View()
				at, in := x.area.Line(), x.area.LineInfo()
				x.area.SetHeight(1000)
				x.area.MoveToBegin()
				x.goDown(at)
				x.area.SetCursorColumn(in.StartColumn + in.ColumnOffset)
				if x.area.Line() != at || x.area.LineInfo() != in {
					t.Errorf("%d cells and %d blanks: line %d, %+v, not %d, %+v", wide, blanks, x.area.Line(), x.area.LineInfo(), at, in)
				}
				x.area.SetHeight(5)
			}
		}
	})
}

// Text for nft is not called no command where only the program that would try it is missing.
func TestPastedForNFTWithoutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{"nft ruleset", "nft script", "comment"} {
			s := newStage(t, 120, 40, gatewayRules)
			s.send(tea.PasteMsg{Content: strings.Join(pasteTexts[name], "\r")})
			s.sees("this is for nft, and the program nft is not installed here")
			s.lacks("is not run")
		}
	})
}
