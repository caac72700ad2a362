package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

func TestRulesScreen(t *testing.T) {
	for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}, {40, 12}, {170, 50}, {250, 70}} {
		t.Run(fmt.Sprintf("%dx%d", size.w, size.h), func(t *testing.T) {
			newStage(t, size.w, size.h, gatewayRules).golden(fmt.Sprintf("rules-%dx%d", size.w, size.h))
		})
	}
}

func TestSizesInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		for w := 38; w <= 200; w += stepped(9) {
			for h := 10; h <= 60; h += 7 {
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
				if w >= minWidth && h >= minHeight {
					s.fits()
					s.press("a")
					s.fits()
					s.press("esc", "?")
					s.fits()
					s.press("esc", "d")
					s.fits()
					s.press("n")
				}
			}
		}
	})
}

func TestTooSmallSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 39, 11, gatewayRules)
		s.sees("nattui needs 40x12")
		for _, k := range []string{"g", "d", "y", "y", "y", "a", "i"} {
			s.press(k)
			time.Sleep(2 * time.Second)
		}
		s.send(tea.PasteMsg{Content: "iptables -F"})
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		if s.app.top() != nil || s.app.typing() {
			t.Errorf("something was opened that nobody saw:\n%s", s.screen())
		}
		s.press("d")
		s.send(tea.WindowSizeMsg{Width: 39, Height: 11})
		s.press("y")
		s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		s.sees("delete")
	})
}

func TestJumpOpensInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("down", "down", "down", "enter")
		s.golden("rules-jump-open")
		s.press("enter")
		if strings.Contains(s.screen(), "172.17.0.2") {
			t.Error("the chain is still open")
		}
	})
}

// What the sentence tells of a rule is not said to be unparsed beneath it.
func TestToldIsNotUnparsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 30, gatewayRules)
		s.press("down", "down", "down", "enter", "down", "down")
		for range 2 {
			s.sees("up to ")
			s.lacks("not parsed")
			s.press("enter")
		}
	})
}

func TestEmptyTableTeaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")
		s.sees("no rules yet: press a to add one, or 3 for the guide")
	})
}

func TestFilterFindsRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("/")
		s.write("8443")
		s.sees("192.168.0.3:443")
		if strings.Contains(s.screen(), "this host :8888") {
			t.Error("a rule that does not match is shown")
		}
		s.press("q") // goes to the filter line and to nobody else
		s.sees("none of 6 rules matches “8443q”")
		s.press("esc")
		s.sees("this host :8888")
	})
}

// n goes from one rule that is found to the next, and stays on the last: what is said of chains that have none is no rule.
func TestNextFilteredRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"+
			"-A PREROUTING -d 10.9.9.9/32 -p tcp -m tcp --dport 1 -j DNAT --to-destination 10.0.0.1\n-A PREROUTING -d 10.9.9.9/32 -j ACCEPT\n-A POSTROUTING -d 10.0.0.9/32 -j MASQUERADE\nCOMMIT\n")
		s.press("/")
		s.write("10.9.9.9")
		s.press("enter")
		s.sees("none of 1 rule matches")
		on := func() int {
			_, it, _ := s.app.screens[0].(*rulesScreen).current()
			return it.at
		}
		seen := []int{on()}
		for _, key := range []string{"n", "n", "N", "N"} {
			s.press(key)
			seen = append(seen, on())
		}
		if !slices.Equal(seen, []int{1, 2, 2, 1, 1}) {
			t.Errorf("n, n, N, N go to the rules %d", seen)
		}
	})
}

// What chains hold that nobody has opened is found as well, beneath the rule that leads there.
func TestFilterLooksIntoChains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("/")
		s.write("172.17")
		s.sees("▌   4  dst local ")
		s.sees("    2    udp :53 in !docker0")
		s.lacks("192.168.0.3:443")
		s.press("enter", "esc")
		s.lacks("172.17.0.2")
		s.press("/")
		s.write("docker0 return")
		s.sees("    1    in docker0")
		s.lacks("172.17.0.2")
	})
}

// A chain that many rules lead to is opened once; one that leads back to itself ends the search.
func TestFilterOpensAChainOnce(t *testing.T) {
	const tables = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:ONE - [0:0]\n:TWO - [0:0]\n:KMARK - [0:0]\n" +
		"-A PREROUTING -j ONE\n-A PREROUTING -j TWO\n-A ONE -s 10.0.0.1/32 -j KMARK\n-A ONE -j TWO\n-A TWO -s 10.0.0.2/32 -j KMARK\n-A TWO -j ONE\n-A KMARK -j MARK --set-xmark 0x4000/0x4000\nCOMMIT\n"
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, tables)
		s.press("/")
		s.write("0x4000")
		if n := strings.Count(s.screen(), "mark 0x4000"); n != 1 {
			t.Errorf("the rule is listed %d times:\n%s", n, s.screen())
		}
	})
}

// The cursor stays on its rule when somebody inserts another above it.
func TestCursorFollowsItsRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("down")
		s.sees("TCP to 203.0.113.1 port 8443")
		c := rules.Change{Op: rules.Insert, Table: "nat", Chain: "PREROUTING", At: 1, Rule: parse(t, "-A PREROUTING -i other0 -j ACCEPT")}
		next, err := rules.Single(c).Apply(s.kernel.sets)
		if err != nil {
			t.Fatal(err)
		}
		s.kernel.sets = next
		s.tables(true)
		s.sees("TCP to 203.0.113.1 port 8443")
		s.sees("▌   3  tcp to 203.0.113.1:8443")
	})
}

func parse(t testing.TB, line string) rules.Rule {
	t.Helper()
	r, err := rules.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDeleteAsksAndUndoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("down", "d")
		s.golden("delete-question")
		s.press("enter") // No is chosen at first
		if len(s.kernel.applied) != 0 {
			t.Fatal("enter deleted the rule")
		}
		s.press("d")
		s.agree("y")
		s.tables(true)
		if strings.Contains(s.screen(), "192.168.0.3:443") {
			t.Error("the rule is still shown")
		}
		s.sees("✓ rule 2 of PREROUTING deleted  $ iptables -t nat -D PREROUTING")
		s.press("u")
		s.tables(true)
		s.sees("192.168.0.3:443")
		s.press("U")
		s.tables(true)
		if strings.Contains(s.screen(), "192.168.0.3:443") {
			t.Error("redo did not delete it again")
		}
	})
}

func TestMoveKeepsTheCursorOnTheRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("J")
		s.tables(true)
		s.sees("▌   2  tcp to 203.0.113.1:80")
		s.press("K")
		s.tables(true)
		s.press("K")
		s.sees("it is the first rule")
	})
}

func TestConflictIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("d")
		s.kernel.sets = sets(t, map[rules.Variant]string{v4: "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"})
		s.agree("y")
		s.sees("× the table has changed")
	})
}

// A question that others have made obsolete says so; it does not just lose its warnings.
func TestObsoleteQuestionSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("d")
		s.lacks("not known")
		s.kernel.sets = sets(t, map[rules.Variant]string{v4: "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 1111 -j ACCEPT\nCOMMIT\n"})
		s.tables(true)
		s.sees("What this would do is not known")
		s.sees("-A PREROUTING -p tcp -m tcp --dport 1111 -j ACCEPT")
		s.fits()
	})
}

func TestAddThroughTheForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a")
		s.golden("form-empty")
		s.press("enter", "enter")
		s.write("tcp")
		s.press("enter")
		s.write("wan0")
		s.press("enter", "enter")
		s.write("203.0.113.1")
		s.press("tab")
		s.write("22")
		s.press("enter")
		s.write("192.168.0.9")
		s.press("enter")
		s.write("it's \"ssh\"")
		s.press("enter", "right", "enter")
		s.golden("form-ready")
		s.agree("enter")
		s.tables(true)
		if len(s.kernel.applied) != 1 {
			t.Fatalf("%d plans were applied", len(s.kernel.applied))
		}
		c, _ := s.kernel.sets[v4].Chain("nat", "PREROUTING")
		want := `-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 22 -m comment --comment "it\'s \"ssh\"" -j DNAT --to-destination 192.168.0.9`
		if got := c.Rules[0].String(); got != want {
			t.Errorf("made %s\nnot  %s", got, want)
		}
		s.sees("▌   1  tcp to 203.0.113.1:22")
	})
}

// Text that is pasted where one chooses is not lost without a word, and a protocol that is two says so.
func TestFormSaysWhatItDoesNotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a")
		s.send(tea.PasteMsg{Content: "see you at ten\n"})
		s.sees("nothing was pasted: Kind is chosen with ←/→")
		s.press("enter", "enter")
		s.write("both")
		s.press("enter")
		s.sees("× Protocol: one rule has one")
		s.lacks("is not a protocol")
	})
}

func TestFormKeepsAWrongFieldAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a", "enter", "enter")
		s.write("tpc")
		s.press("enter")
		s.sees(`× Protocol: "tpc" is not a`)
		s.sees(" ×Protocol   tpc")
		s.sees("▌ Arrives on")
		s.press("up")
		s.write("tcp")
		s.press("enter")
		if strings.Contains(s.screen(), "no protocol") {
			t.Error("the protocol is still complained of")
		}
	})
}

func TestRefusalKeepsTheForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.kernel.refuses = errors.New("iptables-restore: line 3 failed: No chain/target/match by that name.")
		s.press("a", "enter", "enter", "enter")
		s.write("wan0")
		s.press("enter", "enter", "enter", "enter")
		s.write("192.168.0.9")
		s.press("ctrl+s")
		s.sees("enter applies it")
		s.press("enter")
		s.sees("refused: iptables-restore: line")
		s.sees("192.168.0.9")
		s.kernel.refuses = nil
		s.press("ctrl+s")
		s.agree("enter")
		s.tables(true)
		s.sees("▌   5  in wan0")
	})
}

func TestKindChangesTheFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a", "right", "right")
		s.golden("form-masquerade")
		s.press("right")
		s.sees("To port")
		s.press("esc")
		if len(s.app.dialogs) != 0 {
			t.Error("the form is still open")
		}
	})
}

func TestEditKeepsWhatTheFormDoesNotShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, strings.Replace(gatewayRules, "--dport 8443 -j", "--dport 8443 -m limit --limit 5/sec -j", 1))
		s.press("down", "e")
		s.sees("Edit rule 2 of PREROUTING")
		s.press("enter", "enter", "enter", "enter", "enter", "enter", "enter")
		for range "192.168.0.3:443" {
			s.press("backspace")
		}
		s.write("192.168.0.4:443")
		s.press("ctrl+s")
		s.agree("enter")
		c, _ := s.kernel.sets[v4].Chain("nat", "PREROUTING")
		if got := c.Rules[1].String(); !strings.Contains(got, "--limit 5/sec -j DNAT --to-destination 192.168.0.4:443") {
			t.Errorf("edited to %s", got)
		}
	})
}

func TestReadOnlyChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.app.gw.ReadOnly = true
		for _, k := range []string{"a", "e", "d", "J", "K", "u", "U"} {
			s.press(k)
			if len(s.app.dialogs) > 0 || len(s.kernel.applied) > 0 {
				t.Errorf("%s did something", k)
			}
		}
	})
}

func TestControlCharactersAreEscaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 30, "*nat\n:PREROUTING ACCEPT [0:0]\n[0:0] -A PREROUTING -m comment --comment \"red \x1b[31m \u202e bell\x07\" -j ACCEPT\nCOMMIT\n")
		s.sees(`\x1b[31m`)
		for _, bad := range []string{"\x07", "\u202e", "\x1b[31m "} {
			if strings.Contains(s.app.draw(), bad) {
				t.Errorf("%q reaches the terminal", bad)
			}
		}
	})
}

// View draws the same again and again, and changes nothing.
func TestViewChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a")
		first := s.app.draw()
		for range 3 {
			if s.app.draw() != first {
				t.Fatal("a second View is another")
			}
		}
	})
}

func TestASCIIOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.app.utf8 = false
		s.app.restyle()
		for _, keys := range [][]string{nil, {"a"}, {"esc", "d"}, {"n", "?"}, {"esc", "enter"}, {"esc", "c"}} {
			s.press(keys...)
			for _, r := range s.screen() {
				if r > 0x7e {
					t.Errorf("%q is shown after %v:\n%s", r, keys, s.screen())
					break
				}
			}
		}
	})
}

// Every key of a screen is bound once.
func TestNoKeyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		for _, sc := range s.app.screens {
			seen := map[string]string{}
			for _, b := range append(sc.Actions().working(), s.app.everywhere().working()...) {
				for _, k := range b.Keys() {
					if other, ok := seen[k]; ok && other != b.Help().Desc {
						t.Errorf("%T: %s means %s and %s", sc, k, other, b.Help().Desc)
					}
					seen[k] = b.Help().Desc
				}
			}
		}
	})
}

func TestShadowedRuleIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, "*nat\n:PREROUTING ACCEPT [0:0]\n[0:0] -A PREROUTING -i wan0 -p tcp -j DNAT --to-destination 192.168.0.2\n[0:0] -A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3\nCOMMIT\n")
		s.sees("!2  tcp :80 in wan0")
		s.press("down")
		s.sees("Rule 2 of PREROUTING never matches: rule 1 matches all its packets first.")
	})
}

func TestWhatIfFollowsAPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("t")
		s.golden("whatif")
		for range 80 {
			s.press("backspace")
		}
		s.write("tcp 192.168.0.7:4000 198.51.100.20")
		s.sees("tcp needs a destination port")
		s.write(":443 lan0")
		s.sees("seen as 203.0.113.1:4000 by nat")
		s.press("esc")
	})
}

// Fields let go, whatever stands in them: a whole recipe typed blindly comes to its fields.
func TestFormTypedBlindly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a", "tab", "tab")
		for _, value := range []string{"tcpp", "wan0", "", "203.0.113.1", "22", "192.168.0.9", "ssh"} {
			s.write(value)
			s.press("tab")
		}
		for _, want := range []string{"×Protocol   tcpp", "Arrives on wan0", "From       (anywhere)", "Asked for  203.0.113.1", "Port       22", "Goes to    192.168.0.9", "Comment    ssh"} {
			s.sees(want)
		}
		s.press("ctrl+s")
		s.sees("▌×Protocol   tcpp")
		s.sees(`× Protocol: "tcpp"`)
		if len(s.kernel.applied) > 0 {
			t.Fatal("it was applied")
		}
	})
}

// Applying an incomplete form goes to the field that is missing and says so.
func TestIncompleteFormSaysWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a", "ctrl+s")
		s.sees("▌×Goes to")
		s.sees("× Goes to:")
		s.golden("form-incomplete")
	})
}

// What stands in a field is overtyped by the first character, kept by the keys that move in it,
// and ctrl+z brings it back.
func TestFieldIsOvertyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("down", "e", "up", "up") // from Kind over Comment
		for _, c := range []struct {
			keys []string
			want string
		}{
			{nil, "▌ Goes to    192.168.0.3:443"},
			{[]string{"1", "0"}, "▌ Goes to    10 "},
			{[]string{"ctrl+z"}, "▌ Goes to    192.168.0.3:443"},
			{[]string{"4"}, "▌ Goes to    192.168.0.3:4434"},
			{[]string{"up", "down", "left", "backspace"}, "▌ Goes to    192.168.0.3:444"},
		} {
			s.press(c.keys...)
			s.sees(c.want)
		}
		s.press("up", "down")
		s.send(tea.PasteMsg{Content: " 192.168.0.7\n"})
		s.sees("▌ Goes to    192.168.0.7 ")
	})
}

// What was typed is kept when the form is closed, and is there when it is opened again.
func TestFormKeepsADraft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.press("a", "tab", "tab")
		s.write("udp")
		s.press("esc", "down", "e")
		s.sees("Protocol   tcp")
		s.press("esc", "a")
		s.sees("Protocol   udp")
		s.sees("what you typed before")
		s.press("ctrl+n")
		s.sees("Protocol   (any)")
		s.press("esc", "a")
		s.sees("Protocol   (any)")
	})
}

func TestTopAndBottomOfTheWholeList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for width, first := range map[int]string{80: "PREROUTING", 330: "POSTROUTING"} {
			s := newStage(t, width, 24, gatewayRules)
			s.screen()
			s.press("tab", "g") // the panes are beside each other where there is room: then each is a list
			if at := s.app.screens[0].(*rulesScreen).pane(); at.chain != first || at.cursor.Index() != 0 {
				t.Errorf("%d: g goes to row %d of %s", width, at.cursor.Index(), at.chain)
			}
			s.press("G")
			if at := s.app.screens[0].(*rulesScreen).pane(); at.chain != "POSTROUTING" || at.cursor.Index() != len(at.items)-1 {
				t.Errorf("%d: G goes to row %d of %s", width, at.cursor.Index(), at.chain)
			}
		}
		s := newStage(t, 80, 24, "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -j ACCEPT\n-A PREROUTING -j RETURN\nCOMMIT\n")
		s.press("G") // not to a note that there are no rules
		if at := s.app.screens[0].(*rulesScreen).pane(); at.chain != "PREROUTING" || at.cursor.Index() != 1 {
			t.Errorf("G goes to row %d of %s", at.cursor.Index(), at.chain)
		}
	})
}

// A rule that equals another is found where it was made, and which of the two was made is not claimed.
func TestEqualRuleIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 40, gatewayRules)
		const line = "-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"
		at := RuleLine{Variant: v4, Table: "nat", Line: line}
		j := &journal{notes: RuleNotes{Made: map[RuleLine]RuleNote{at: {ID: "1", By: "root", At: clock, Times: 1}}}}
		s.app.gw.Journal = j
		s.press("i")
		s.write("iptables -t nat " + line)
		s.sees("the same rule stands there already as rule 2 of POSTROUTING: a second one changes nothing")
		s.press("ctrl+y", "enter")
		s.tables(true)
		_, it, _ := s.app.screens[0].(*rulesScreen).current()
		if it.at != 3 {
			t.Errorf("the cursor is on rule %d\n%s", it.at, s.screen())
		}
		s.press("enter")
		s.sees("this rule or an equal one made by root")
	})
}

// An empty chain of another table offers what works there.
func TestEmptyChainOfAnotherTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"+gatewayRules)
		s.press("c", "/")
		s.write("raw")
		s.press("enter", "n", "enter")
		s.sees("no rules yet: press i to import commands")
		s.press("a")
		s.sees("i imports commands for other tables")
		s.press("i")
		s.sees("Paste commands")
	})
}
