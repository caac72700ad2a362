package ui

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
)

// burst gives keys to the program in one moment, before anybody can have read what they lead to.
func (s *stage) burst(names ...string) {
	for _, name := range names {
		s.send(keyPress(name))
	}
}

// A key that was typed before the plan was on the screen for a moment does not apply it, however often it
// was; the same key afterwards does.
func TestNoKeyAgreesToWhatWasNotRead(t *testing.T) {
	enters := []string{"enter", "enter", "enter", "enter", "enter", "enter", "enter", "enter"}
	for name, begin := range map[string]func(s *stage) (again string){
		"delete": func(s *stage) string { s.burst("d", "y", "y"); return "y" },
		"yes":    func(s *stage) string { s.burst("d", "left", "enter"); return "enter" },
		"form": func(s *stage) string {
			s.burst("a", "enter", "enter")
			s.write("tcp")
			s.burst("enter", "enter", "enter", "enter", "enter")
			s.write("192.168.0.2:22")
			s.burst(enters...)
			return "enter"
		},
		"guide": func(s *stage) string { s.burst("3"); s.burst(enters...); s.burst(enters...); return "enter" },
		"import": func(s *stage) string {
			s.burst("i")
			s.send(tea.PasteMsg{Content: "iptables -t nat -A POSTROUTING -s 192.168.7.0/24 -o wan0 -j MASQUERADE"})
			s.burst("ctrl+s", "enter")
			return "enter"
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 80, 24, strings.Replace(gatewayRules, "-s 192.168.0.0/24 -o wan0", "-s 192.168.5.0/24 -o wan0", 1))
			again := begin(s)
			if n := len(s.kernel.applied); n > 0 {
				t.Fatalf("%s: %d changes were made by keys that were typed ahead", name, n)
			}
			s.sees("read it first; then " + again + " again")
			repeated := keyPress(again)
			repeated.IsRepeat = true
			s.app.asked.at = s.app.now.Add(-time.Minute)
			s.send(repeated)
			if n := len(s.kernel.applied); n > 0 {
				t.Fatalf("%s: a key that repeats made %d changes", name, n)
			}
			if s.press(again); len(s.kernel.applied) != 1 {
				t.Errorf("%s: %d changes were made by the key that agrees\n%s", name, len(s.kernel.applied), s.screen())
			}
		})
	}
}

// Nothing is agreed to while it is still being checked what it would touch.
func TestNoKeyAgreesWhileConnectionsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		_, weighing := s.app.Update(keyPress("d"))
		s.app.asked.at = s.app.now.Add(-time.Minute)
		_, cmd := s.app.Update(keyPress("y"))
		s.run(cmd)
		s.sees("it is still being checked")
		s.run(weighing)
		if s.press("y"); len(s.kernel.applied) != 1 {
			t.Errorf("%d changes were made", len(s.kernel.applied))
		}
	})
}

// The key line says what keys do: as long as they do not agree yet, they say so.
func TestKeyLineSaysWhenKeysAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.NoTTY)
		time.Sleep(time.Second)
		x.press("down", "d")
		x.sees("y: read it first")
		time.Sleep(readTime)
		x.sees("y: delete")
		x.press("esc")
		x.quit(g)
	})
}
