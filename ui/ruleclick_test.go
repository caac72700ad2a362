package ui

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// A click puts the cursor on a row of Rules, and another shows all about it, wherever the panes stand.
func TestClicksOnRules(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {80, 14}, {120, 40}, {170, 50}, {250, 70}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, size[0], size[1], gatewayRules)
				click := func(words string) {
					t.Helper()
					for y, l := range strings.Split(s.screen(), "\n") {
						if before, _, ok := strings.Cut(l, words); ok {
							s.send(tea.MouseClickMsg{X: ansi.StringWidth(before), Y: y, Button: tea.MouseLeft})
							return
						}
					}
					t.Fatalf("%q is nowhere on\n%s", words, s.screen())
				}
				for _, c := range [][2]string{{"tcp to 203.0.113.1:8443", "PREROUTING 2"}, {"from 192.168.0.0/24 out", "POSTROUTING 2"}, {"tcp :80 in lan0", "PREROUTING 3"}} {
					click(c[0])
					r, it, ok := s.app.screen().(*rulesScreen).current()
					if got := fmt.Sprint(it.chain, " ", it.at); !ok || got != c[1] {
						t.Errorf("a click on %s goes to %s, %v\n%s", c[0], got, r, s.screen())
					}
				}
				click("PREROUTING")
				if s.app.top() != nil {
					t.Errorf("a click on a heading opens something")
				}
				click("tcp :80 in lan0")
				s.sees("Rule 3 of PREROUTING")
			})
		})
	}
}
