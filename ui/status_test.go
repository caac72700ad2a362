package ui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
)

// The last line says what was done, and goes after a while; one that came later stays for its own time.
func TestStatusGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		now := clock
		s.app.clock = func() time.Time { return now }
		s.press("down", "d")
		s.agree("y")
		s.sees("✓ rule 2 of PREROUTING deleted  $ iptables -t nat -D PREROUTING")
		now = now.Add(statusTime - time.Second)
		s.send(staleMsg{})
		s.sees("✓ rule 2 of PREROUTING deleted")
		s.press("u")
		s.sees("✓ undone")
		now = now.Add(2 * time.Second)
		s.send(staleMsg{}) // that of the first line
		s.sees("✓ undone")
		now = now.Add(statusTime)
		s.send(staleMsg{})
		if strings.Contains(s.screen(), "undone") {
			t.Error("it stays for ever")
		}
		s.kernel.refuses = errors.New("no")
		s.press("d")
		s.agree("y")
		now = now.Add(2 * statusTime)
		s.send(staleMsg{})
		s.sees("× no") // what went wrong stays longer
	})
}

// A change that waits shows in the title, and rings in its last seconds.
func TestCountdownRings(t *testing.T) {
	s := newStage(t, 80, 24, gatewayRules)
	now := clock
	s.app.clock = func() time.Time { return now }
	s.app.pending = &pending{id: "7", deadline: clock.Add(30 * time.Second)}
	for _, c := range []struct {
		after time.Duration
		title string
		rings bool
	}{{0, "! 30s to confirm - nattui gw1", false}, {19 * time.Second, "! 11s to confirm - nattui gw1", false}, {20 * time.Second, "! 10s to confirm - nattui gw1", true}, {29 * time.Second, "! 1s to confirm - nattui gw1", true}, {31 * time.Second, "! 0s to confirm - nattui gw1", false}} {
		now = clock.Add(c.after)
		s.app.Update(frameMsg{})
		if got := s.app.View().WindowTitle; got != c.title {
			t.Errorf("after %s the title is %q", c.after, got)
		}
		cmd := s.app.bell()
		if rings := cmd != nil; rings != c.rings {
			t.Errorf("after %s it rings: %v", c.after, rings)
		}
		if cmd != nil {
			if raw, ok := cmd().(tea.RawMsg); !ok || fmt.Sprint(raw.Msg) != "\a" {
				t.Errorf("it rings by %v", cmd())
			}
		}
	}
	s.app.pending = nil
	if got := s.app.View().WindowTitle; got != "nattui gw1" {
		t.Errorf("the title is %q", got)
	}
}
