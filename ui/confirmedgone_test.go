package ui

import (
	"testing"
	"testing/synctest"
	"time"
)

// A change that is confirmed after others have deleted its rule is confirmed, and what is gone is said in red.
func TestConfirmedAndGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 120, 24)
		waiting := JournalEntry{ID: "3", At: clock, By: "root", State: "applied", Deadline: clock.Add(90 * time.Second)}
		j.gone = "the rule it added is gone: -A PREROUTING -j DROP"
		s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &waiting})
		s.press("C")
		s.sees("the change is confirmed, but the rule it added is gone: -A PREROUTING -j DROP (something else has changed it since)")
		if !s.app.said.failed || s.app.pending != nil {
			t.Errorf("failed %t, still waiting for %v", s.app.said.failed, s.app.pending)
		}
	})
}
