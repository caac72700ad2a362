package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"

	"nattui/rules"
	"nattui/ui/theme"
)

func TestEveryKeyHasAClause(t *testing.T) {
	whole, groups := everyTable()
	used := map[string]bool{}
	for _, g := range append(groups, keyGroup{title: "everywhere", keys: whole}) {
		for _, a := range g.keys {
			if used[a.name()] = true; a.name() != "" && clauses[a.name()] == "" {
				t.Errorf("%s: nothing says what %q does", g.title, a.name())
			}
		}
	}
}

// The key for help opens it in every box, and f1 where a question mark is text.
func TestHelpEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, open := range []struct{ name, keys, help string }{
			{"details", "enter", "?"}, {"question", "d", "?"}, {"form", "a", "f1"}, {"chains", "c", "?"}, {"import", "i", "f1"}, {"what if", "t", "f1"}, {"switches", "w", "?"}, {"palette", ":", "f1"},
		} {
			s := newStage(t, 80, 24, gatewayRules)
			s.press(open.keys)
			if len(s.app.dialogs) != 1 {
				t.Fatalf("%s is not open", open.name)
			}
			s.sees(open.help + " more")
			s.send(keyOf(open.help))
			if h, ok := s.app.top().(*help); !ok || len(s.app.dialogs) != 2 {
				t.Errorf("%s: %s opens no help:\n%s", open.name, open.help, s.screen())
			} else if len(h.groups[0].keys.helped()) < 1 {
				t.Errorf("%s: help lists %d keys", open.name, len(h.groups[0].keys.helped()))
			}
			s.fits()
			s.press("esc")
			if len(s.app.dialogs) != 1 {
				t.Errorf("%s: closing help closes it too", open.name)
			}
		}
	})
}

// A question mark is help, too, where a plan is on the screen and nothing can be typed.
func TestHelpOfAPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		for _, plan := range [][]string{{"3", "enter", "ctrl+s"}, {"1", "e", "ctrl+s"}} {
			s.press(plan...)
			s.sees("? more")
			s.press("?")
			if _, ok := s.app.top().(*help); !ok {
				t.Errorf("after %v ? opens %T:\n%s", plan, s.app.top(), s.screen())
			}
			s.press("esc", "esc", "esc", "esc")
		}
	})
}

// Keys are named by words where the terminal has no arrows: v and ^ would be other keys.
func TestKeysWithoutArrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, keys := range [][]string{{"3"}, {"3", "enter"}, {"d"}, {"?"}, {"c", "?"}, {"a"}, {":"}} {
			s := newStage(t, 120, 40, gatewayRules)
			s.onPlainTerminal(keys...)
			for _, wrong := range []string{"^ ", "^/", "v/j", " v ", "> suggestion", "</>"} {
				s.lacks(wrong)
			}
		}
	})
}

// What was typed into a box is there again when it is opened again, and can be dropped.
func TestBoxesKeepWhatWasTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		for _, box := range []struct{ key, typed string }{{"i", "iptables -t nat -A PREROUTING"}, {"t", " ppp9"}} {
			s.press(box.key)
			s.write(box.typed)
			s.press("esc", "down", "up", box.key)
			s.sees(box.typed)
			s.sees("as you left it; ctrl+n starts anew")
			s.press("ctrl+n")
			s.lacks(box.typed)
			s.lacks("as you left it")
			s.press("esc", box.key)
			s.lacks(box.typed)
			s.press("esc")
		}
		s.press("t")
		s.write(" ppp9")
		s.press("esc", "down", "t")
		s.lacks("ppp9") // of another rule
	})
}

func TestHelpScreen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {40, 12}, {120, 40}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, size.w, size.h, gatewayRules)
			s.press("?")
			s.golden(fmt.Sprintf("help-%dx%d", size.w, size.h))
			s.press("/")
			s.write("chains")
			s.press("enter")
			s.sees("chains:")
			s.fits()
		})
	}
}

// No box covers the key line or the status line at 80x24.
func TestBoxesLeaveTheKeyLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, open := range []string{"enter", "d", "a", "c", "i", "t", "w", ":", "?", "e"} {
			s := newStage(t, 80, 24, gatewayRules)
			s.press(open)
			lines := strings.Split(s.screen(), "\n")
			if keys := lines[len(lines)-3]; !strings.Contains(keys, " more") || strings.ContainsAny(keys, "│╰─") {
				t.Errorf("%s: the key line is %q", open, keys)
			}
		}
	})
}

func TestPaletteFindsAnAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press(":")
		s.golden("palette-80x24")
		s.write("masq")
		s.sees("no action has these words")
		s.press("esc", ":")
		s.write("all chains")
		s.press("enter")
		if _, ok := s.app.top().(*chainChoice); !ok {
			t.Errorf("the chains are not open:\n%s", s.screen())
		}
		s.press("esc")
		s.send(tea.KeyPressMsg{Code: 'p', Mod: tea.ModCtrl})
		s.write("history save")
		s.press("enter")
		if s.app.active != 5 && len(s.app.dialogs) > 0 {
			t.Errorf("an action of another screen:\n%s", s.screen())
		}
	})
}

// What can not be done now is found as well, behind what can, and says so when it is chosen.
func TestPaletteFindsWhatCannotBeDoneNow(t *testing.T) {
	for asked, name := range map[string]string{
		"test the server": "test the server", "fix": "fix", "unpark": "restore", "roll back": "roll back", "confirm": "confirm", "next hit": "next hit",
	} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := historyStage(t, 120, 40)
			s.press("1", ":")
			s.lacks("(not now)")
			s.write(asked)
			if line := lineOf(s.screen(), "(not now)"); !strings.Contains(s.screen(), name) || line == "" {
				t.Errorf("%s: %q in\n%s", asked, line, s.screen())
			}
			s.press("enter")
			if len(s.kernel.applied) > 0 || !slices.ContainsFunc([]string{"nothing to ", "nothing is searched for", "no change waits", "cannot be tested"}, func(why string) bool { return strings.Contains(s.app.said.text, why) }) {
				t.Errorf("%s: it says %q", asked, s.app.said.text)
			}
		})
	}
}

// A number and G go to that line, although its digits are tabs.
func TestCountedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var many strings.Builder
		many.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
		for i := range 30 {
			fmt.Fprintf(&many, "-A PREROUTING -p tcp -m tcp --dport %d -j REDIRECT --to-ports 8888\n", 1000+i)
		}
		s := newStage(t, 80, 24, many.String()+"COMMIT\n")
		s.press("1", "2", "G")
		if s.app.active != 0 {
			t.Errorf("screen %d is shown", s.app.active+1)
		}
		s.sees("▌  12  tcp :1011")
		s.press("2", "G") // one digit is a tab
		if s.app.active != 1 {
			t.Errorf("screen %d is shown", s.app.active+1)
		}
		s.press("1", "c", "2", "G", "enter")
		s.sees("POSTROUTING")
	})
}

func TestSearchInALongText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 40, 12, gatewayRules)
		s.press("c", "/")
		s.write("dock")
		s.sees("/ dock")
		s.sees("1 hit")
		s.press("enter")
		s.sees("DOCKER")
		if got := lineOf(s.screen(), "▌"); !strings.Contains(got, "DOCKER") {
			t.Errorf("the cursor is on %s", got)
		}
		s.press("esc")
		if len(s.app.dialogs) != 1 {
			t.Fatal("esc closed the box, not the search")
		}
		s.press("/")
		s.write("nothing like it")
		s.sees("not found")
		s.press("enter", "esc", "esc", "enter", "/")
		s.write("dport")
		s.press("enter")
		s.sees("dport 80")
		if got := s.app.highlight([]string{"a --dport 80"}, []string{"dport"}); !strings.Contains(got[0], s.app.look.Hit.Render("dport")) {
			t.Errorf("drawn as %q", got[0])
		}
		s.fits()
	})
}

// Next and last hit go round the end.
func TestHitAfterHit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("3", "/")
		s.write("internet")
		s.press("enter")
		s.sees("▌ Share a connection")
		s.press("n")
		s.sees("▌ Let a VPN out")
		s.press("n")
		s.sees("▌ Share a connection")
		s.press("N")
		s.sees("▌ Let a VPN out")
	})
}

func TestFilterHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		for _, f := range []string{"nat dnat", "dport 80"} {
			s.press("/")
			s.send(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl})
			s.write(f)
			s.press("enter")
		}
		s.press("/")
		s.send(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl})
		s.write("dr")
		for _, c := range []struct{ key, want string }{{"up", "/ dport 80"}, {"up", "/ nat dnat"}, {"down", "/ dport 80"}, {"down", "/ dr"}} {
			s.press(c.key)
			s.sees(c.want)
		}
	})
}

func TestCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		copied := func() string {
			_, content := s.app.input().(copied).Copied()
			return content
		}
		s.press("down", "y")
		s.sees("copied the rule")
		if got, want := copied(), "iptables -t nat -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:443"; got != want {
			t.Errorf("copied %s", got)
		}
		msg := s.app.copy()()
		if got := fmt.Sprint(msg); !strings.Contains(got, "--dport 8443") {
			t.Errorf("the terminal is told %T %v", msg, msg)
		}
		s.press("e", "ctrl+s", "y")
		if got := copied(); !strings.Contains(got, "iptables -t nat -R PREROUTING 2") {
			t.Errorf("copied %q of the plan", got)
		}
	})
}

// The key line and the buttons of a question do what they name.
func TestMouse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		click := func(word string) {
			t.Helper()
			for y, l := range strings.Split(s.screen(), "\n") {
				if i := strings.LastIndex(l, word); i >= 0 && y > 5 {
					s.send(tea.MouseClickMsg{X: lipgloss.Width(l[:i]), Y: y, Button: tea.MouseLeft})
					return
				}
			}
			t.Fatalf("%q is not on the screen:\n%s", word, s.screen())
		}
		click("d delete")
		s.sees("Delete rule 1")
		click("No ]")
		if len(s.app.dialogs) > 0 {
			t.Error("No does not close the question")
		}
		click("d delete")
		click("     delete") // between the buttons
		if len(s.kernel.applied) > 0 {
			t.Error("what is between the buttons is one")
		}
		if click("delete     "); len(s.kernel.applied) > 0 {
			t.Error("a click agreed to what nobody can have read")
		}
		s.sees("read it first; then click again")
		s.app.asked.at = s.app.now.Add(-time.Minute)
		click("delete     ")
		if len(s.kernel.applied) != 1 {
			t.Errorf("%d plans were applied", len(s.kernel.applied))
		}
		s.tables(true)
		click("a add")
		click("Port")
		s.sees("▌ Port")
		click("esc close")
		if len(s.app.dialogs) > 0 {
			t.Error("the key line of a box is no button")
		}
		click("? more")
		if _, ok := s.app.top().(*help); !ok {
			t.Error("help does not open")
		}
	})
}

// Commands are imported on whatever screen they are pasted; other text is not.
func TestPastedCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, screen := range []string{"1", "2", "3", "4", "5", "6"} {
			s := newStage(t, 80, 24, gatewayRules)
			s.press(screen)
			s.send(tea.PasteMsg{Content: "$ sudo iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE\n"})
			if _, ok := s.app.top().(*importDialog); !ok {
				t.Errorf("screen %s: no import:\n%s", screen, s.screen())
				continue
			}
			s.sees("-j MASQUERADE")
		}
		s := newStage(t, 80, 24, gatewayRules)
		s.send(tea.PasteMsg{Content: "see you at ten"})
		if len(s.app.dialogs) > 0 {
			t.Error("any text opens import")
		}
		s.sees("nothing was pasted: no command of iptables or nft")
		s.press("i")
		s.write("# mine")
		s.press("esc")
		s.send(tea.PasteMsg{Content: "iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE\n"})
		s.lacks("# mine")
		s.sees("-o wan0 -j MASQUERADE")
		s.press("ctrl+z")
		s.sees("# mine")
		s.press("ctrl+n", "esc")
		s.press("a", "tab", "tab")
		s.send(tea.PasteMsg{Content: "iptables -t nat"})
		if _, ok := s.app.top().(*form); !ok {
			t.Error("a field does not take what is pasted into it")
		}
		s.send(tea.PasteMsg{Content: "tcp\nudp\n"})
		s.sees("nothing was pasted: 2 lines, and Protocol is one")
		s.send(tea.PasteMsg{Content: "iptables -t nat -A ONE\niptables -t nat -A TWO\n"})
		s.sees("-A TWO")
		s.press("esc")
		s.sees("Protocol   iptables -t nat")
	})
}

func TestKeyNames(t *testing.T) {
	for _, name := range append([]string{"a", "K", "ctrl+s", "alt+x", "shift+tab", "?"}, keyNames...) {
		if got := keyOf(name).String(); got != name {
			t.Errorf("%s is pressed as %s", name, got)
		}
	}
}

func TestHighlightKeepsColours(t *testing.T) {
	look := theme.New(true, true, colorprofile.TrueColor)
	a := &App{}
	a.look = look
	line := look.DNAT.Render("192.168.0.2:8080") + " " + look.Faint.Render("port 80")
	got := a.highlight([]string{line}, []string{":80", "PORT"})[0]
	if !strings.Contains(got, look.Hit.Render("port")) || strings.Contains(got, look.Hit.Render(":80")) {
		t.Errorf("drawn as %q", got)
	}
	if rules.Plural(lipgloss.Width(got), "cell") != rules.Plural(lipgloss.Width(line), "cell") {
		t.Errorf("%d cells became %d", lipgloss.Width(line), lipgloss.Width(got))
	}
}
