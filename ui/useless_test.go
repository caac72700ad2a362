package ui

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"nattui/rules"
)

// Every key does something that is seen, or says why not: on every screen of a gateway without rules, connections and
// history, and in the boxes that ask.
func TestEveryKeyDoesSomethingOrSaysWhyNot(t *testing.T) {
	var list []string
	for k := '!'; k <= '~'; k++ {
		list = append(list, string(k))
	}
	list = append(list, "enter", "space", "tab", "left", "right", "ctrl+s", "ctrl+t", "ctrl+y", "ctrl+o")
	// At an end of a list or a text; what leaves; and what is typed.
	quiet := []string{"j", "k", "g", "G", "q", "up", "down", "tab", "!"}
	const empty = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
	for name, begin := range map[string][]string{
		"rules": {"1"}, "flows": {"2"}, "groups": {"2", "b"}, "events": {"2", "e"}, "guide": {"3"}, "plan": {"3", "g", "enter", "ctrl+s"}, "doctor": {"4"}, "history": {"6"},
		"question": {"1", "d"}, "chains": {"1", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tables := empty
				if name == "question" {
					tables = gatewayRules
				}
				s, _ := flowStage(t, 80, 24)
				s.app.gw.Journal = &journal{}
				for i, k := range list {
					if i%stepped(3) != len(name)%3 || slices.Contains(quiet, k) || k == begin[0] || name == "chains" && strings.Contains("0123456789", k) {
						continue
					}
					s.kernel.sets = sets(t, map[rules.Variant]string{v4: tables})
					s.app.dialogs = nil
					s.press("esc")
					s.app.screens[1].(*flowsScreen).show(listMode)
					for s.guide().Back() {
					}
					s.tables(true)
					s.press(begin...)
					s.app.said = status{}
					s.app.drawn = s.app.draw()
					before := s.screen()
					if s.press(k); s.screen() == before {
						t.Errorf("%s does nothing, and says nothing:\n%s", k, before)
					}
				}
			})
		})
	}
}

// What is said names the screen where the key does something, or what it has nothing to work on.
func TestUselessKeySaysWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		for _, c := range []struct{ keys, want string }{
			{"1 x", "x is a key of Flows (2): forget"},
			{"1 S", "S is a key of Flows (2): reverse"},
			{"1 0", "there is no screen 0, they are 1 to 6"},
			{"1 ~", "~ does nothing here; ? lists the keys"},
			{"1 d p", "p does nothing in this box; ? lists its keys"},
			{"1 d 7", "7 does nothing in this box"},
			{"2 b o", "o (columns and order): groups and events have"},
			{"2 e p", "p is a key of Rules (1): restore or park"},
			{"6 v", "v is a key of Rules (1): IPv4/IPv6"},
			{"1 n", "n (next hit): nothing is searched for"},
		} {
			s.press("esc", "esc", "esc")
			s.app.said = status{}
			s.press(strings.Fields(c.keys)...)
			s.sees(c.want)
		}
	})
}
