package ui

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/nft"
)

// Keys that are pressed before the rows of a change are seen wait for these, and act on them: p twice parks a rule and brings
// it back, and no neighbour is parked. The tables and the notes of the journal may come in any order.
func TestKeysWaitForTheRowsOfAChange(t *testing.T) {
	first := func(s *stage, msg tea.Msg) tea.Cmd { _, cmd := s.app.Update(msg); return cmd }
	synctest.Test(t, func(t *testing.T) {
		s, j := sshStage(t, 80, 24)
		s.press("down")
		rule, _ := ruleAt(s.kernel.sets[v4], "nat", "PREROUTING", 2)
		cut := rules.Change{Op: rules.Delete, Table: "nat", Chain: "PREROUTING", At: 2, Rule: *rule}
		back := cut
		back.Op = rules.Insert
		asked := first(s, keyPress("p")) // not run: the change is under way
		if asked == nil {
			t.Fatal("p asks for nothing")
		}
		j.notes.Parked = []Parked{{ID: "7", By: "root", At: clock, Return: back}}
		notes := s.app.readNotes()
		plan, err := s.kernel.make(rules.Single(cut))
		if err != nil {
			t.Fatal(err)
		}
		first(s, appliedMsg{Done: Done{Plan: plan}, then: nil})
		s.send(notes()) // of the rows of before
		first(s, keyPress("p"))
		if len(s.kernel.applied) != 1 || len(j.said) > 0 {
			t.Fatalf("p parked another rule or spoke to the journal: %v, %v", s.kernel.applied, j.said)
		}
		s.tables(true)
		if got := strings.Join(j.said, ", "); got != "undo 7" || len(s.kernel.applied) != 1 {
			t.Errorf("the journal was told %q after %v", got, s.kernel.applied)
		}
	})
}

// A native chain is shown as long as a rule of it is parked, even the last.
func TestLastNativeRuleParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := newChangingStage(t)
		chain := s.native.Table("ip", "gw").Chain("pre")
		for i, r := range chain.Rules {
			back := r.Deletion(chain, s.native.Links)
			back.Gone, back.Handle = false, 0
			j.notes.Parked = append(j.notes.Parked, Parked{ID: string(rune('1' + i)), By: "root", At: clock, Native: &back})
		}
		emptied := *chain
		emptied.Rules = nil
		table := *chain.Table
		emptied.Table, table.Chains = &table, []*nft.Chain{&emptied}
		s.native = &nft.Ruleset{Tables: []*nft.Table{&table}, Generation: s.native.Generation + 1}
		s.tables(true)
		s.sees("table ip gw")
		s.sees("parked: ")
	})
}

// An answer that was overtaken by one that was asked for later is dropped: what was read before a change is not shown after it.
func TestOvertakenAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := sshStage(t, 80, 24)
		j.waiting = nil
		none, early := s.app.lookForPending()(), s.app.readNotes()()
		rule, _ := ruleAt(s.kernel.sets[v4], "nat", "PREROUTING", 2)
		j.waiting = &JournalEntry{ID: "3", By: "root", At: clock, Deadline: clock.Add(time.Minute)}
		j.notes.Parked = []Parked{{ID: "7", By: "root", At: clock, Return: rules.Change{Op: rules.Insert, Table: "nat", Chain: "PREROUTING", At: 2, Rule: *rule}}}
		waits, late := s.app.lookForPending()(), s.app.readNotes()()
		for _, msg := range []tea.Msg{waits, none, late, early} {
			s.app.Update(msg)
		}
		s.sees("change 3")
		s.sees("parked: ")
	})
}

// What is pasted before the rows of a change are seen waits behind the keys that were pressed before it.
func TestPasteWaitsForTheRowsOfAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, gatewayRules)
		s.app.ahead.waits = true
		s.send(keyPress("/"))
		s.send(tea.PasteMsg{Content: "203.0.113.1:80"})
		s.send(keyPress("8"))
		s.send(aheadMsg{s.app.ahead.turn})
		if got := s.app.screens[0].(*rulesScreen).filter.text(); got != "203.0.113.1:808" {
			t.Errorf("the filter is %q", got)
		}
	})
}
