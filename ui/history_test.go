package ui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nattui/rules"
	"nattui/rules/nft"
)

// journal is a record that a test fills.
type journal struct {
	drift   *Unsaved
	entries []JournalEntry
	waiting *JournalEntry
	said    []string
	gone    string     // what of a change is gone as it is confirmed
	back    rules.Plan // what undoing would do
	stuck   error      // why it would not
	terms   Terms      // of the last undo
	notes   RuleNotes

	snapshots []JournalEntry
	restore   rules.Plan // what goes back to a snapshot
	notice    []string   // what is said about it
}

func (j *journal) Entries() ([]JournalEntry, error) { return j.entries, nil }
func (j *journal) Waiting() (*JournalEntry, error)  { return j.waiting, nil }

func (j *journal) Confirm(_ context.Context, id string) (string, error) {
	j.said, j.waiting = append(j.said, "confirm "+id), nil
	return j.gone, nil
}

func (j *journal) Rollback(_ context.Context, id string) error {
	j.said, j.waiting = append(j.said, "rollback "+id), nil
	return nil
}

func (j *journal) UndoPlan(_ context.Context, id string) (rules.Plan, error) {
	return j.back, j.stuck
}

func (j *journal) Undo(_ context.Context, id string, t Terms) (Done, error) {
	j.said, j.terms = append(j.said, "undo "+id), t
	return Done{ID: "u" + id, Plan: j.back}, nil
}

func (j *journal) Snapshots() ([]JournalEntry, error) { return j.snapshots, nil }

func (j *journal) RestorePlan(_ context.Context, name string) (rules.Plan, []string, error) {
	j.said = append(j.said, "restore "+name)
	return j.restore, j.notice, j.stuck
}

func (j *journal) RuleNotes(map[rules.Variant]*rules.Ruleset, *nft.Ruleset) (RuleNotes, error) {
	return j.notes, nil
}

func (j *journal) Drift(context.Context) (Unsaved, error) {
	if j.drift != nil {
		return *j.drift, nil
	}
	return Unsaved{Rules: 1, Lost: 1, Lines: []string{"runs, and is not kept: IPv4 · nft nat -A PREROUTING -i wan0 -j ACCEPT"}}, nil
}

func (j *journal) Save(_ context.Context, t SaveTerms) error {
	j.said = append(j.said, strings.TrimSpace("save "+map[bool]string{true: "fewer "}[t.Fewer]+map[bool]string{true: "watch"}[t.Watch]))
	return nil
}

func historyStage(t *testing.T, width, height int) (*stage, *journal) {
	j := &journal{entries: []JournalEntry{
		{ID: "2", At: clock, By: "root (sudo: alice)", From: "198.51.100.7", State: "rolled-back", Summary: "Delete rule 2 of PREROUTING", Commands: []string{"iptables -t nat -D PREROUTING -i wan0 -j ACCEPT"}, Result: "it was not confirmed in time"},
		{ID: "1", At: clock.Add(-time.Hour), By: "root", State: "confirmed", Summary: "Add to the end of PREROUTING: TCP to port 80 goes to 192.168.0.2.", Commands: []string{"iptables -t nat -A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2"}, Stands: true},
	}}
	s := newStage(t, width, height, gatewayRules)
	s.app.gw.Journal = j
	s.press("6")
	return s, j
}

func TestHistoryScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		s.golden("history-80x24")
		s.press("u")
		s.sees("cannot be undone: it is")
		s.press("down", "u")
		s.sees("Undo change 1?")
		s.press("y", "w")
		s.agree("y")
		if len(j.said) != 2 || j.said[0] != "undo 1" || j.said[1] != "save" {
			t.Errorf("the journal was told %v", j.said)
		}
		s.press("enter")
		s.golden("history-details")
	})
}

// What was changed has the room that others do not need: who is as wide as the names, and without origins there is no column.
func TestHistoryByContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for width, whole := range map[int]string{80: "Undo: Apply the 2 steps of a plan", 120: "Add to the end of PREROUTING: TCP to port 80 goes to 192.168.0.2."} {
			s, j := historyStage(t, width, 24)
			j.entries[0] = JournalEntry{ID: "2", At: clock, By: "root", State: "confirmed", Summary: "Undo: Apply the 2 steps of a plan"}
			s.press("1", "6")
			s.sees(whole)
			s.lacks("from")
		}
	})
}

// Snapshots stand among the changes at their time; b shows what leads back to one, and asks.
func TestSnapshotsInHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		j.snapshots = []JournalEntry{
			{Snapshot: "torn", At: clock.Add(time.Minute), State: "snapshot", Summary: "Snapshot torn", Result: "damaged: line 3: it says nothing", Files: []string{"/var/lib/nattui/snapshots/torn.rules"}},
			{Snapshot: "before-upgrade", At: clock.Add(-time.Minute), State: "snapshot", Summary: "Snapshot before-upgrade", Files: []string{"/var/lib/nattui/snapshots/before-upgrade.rules"}},
		}
		s.press("up", "2", "6", "G", "up")
		s.golden("history-snapshots")
		s.press("u")
		s.sees("a snapshot changed nothing; b goes back to it")
		s.press("enter")
		s.golden("history-snapshot-details")
		s.press("b") // in the box, which closes
		s.lacks("taken 2026")
		s.sees("nothing to change: your own rules are as in snapshot before-upgrade")
		j.restore = rules.Single(rules.Change{Op: rules.Insert, Table: "nat", Chain: "PREROUTING", At: 1, Rule: parse(t, "-A PREROUTING -i wan0 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.2")})
		j.restore.Title, j.notice = "Go back to snapshot before-upgrade.", []string{"ip docker is passed over: it belongs to Docker"}
		s.press("b")
		s.golden("history-snapshot-go-back")
		s.press("n")
		if len(s.kernel.applied) > 0 {
			t.Error("it went back though the answer was no")
		}
		s.press("b")
		s.agree("y")
		if len(s.kernel.applied) != 1 || s.kernel.applied[0].Title != j.restore.Title {
			t.Fatalf("applied %+v", s.kernel.applied)
		}
		j.stuck = errors.New("snapshot torn: line 3: it says nothing")
		s.press("6", "g", "b")
		s.sees("Snapshot torn cannot be gone back to")
		s.press("esc", "G", "b")
		s.lacks("cannot be gone back to")
		s.press("up", "b", "esc")
		s.app.gw.ReadOnly = true
		before := len(j.said)
		s.press("b")
		if len(j.said) != before {
			t.Error("it was worked out where nothing can be changed")
		}
		s.press("up")
		s.sees("Snapshot before-upgrade")
		s.lacks("goes back to it")
	})
}

// A change that waits is announced on every screen, and only C or R settle it.
func TestPendingChangeWaitsForADeliberateKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		waiting := j.entries[1]
		waiting.State, waiting.Deadline = "pending", clock.Add(87*time.Second)
		s.press("1")
		s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &waiting})
		s.app.drawn = s.app.draw()
		s.sees("! change 1: rolled back in 1m27s")
		s.press("enter", "esc", "d")
		s.agree("y")
		if len(s.kernel.applied) > 0 {
			t.Error("another change was made meanwhile")
		}
		s.sees("! change 1")
		s.press("C")
		if len(j.said) != 1 || j.said[0] != "confirm 1" {
			t.Errorf("the journal was told %v", j.said)
		}
		if s.app.pending != nil {
			t.Error("the change still waits")
		}
	})
}

// History says of a change that waits until when it does, and what settles it.
func TestHistoryNamesAnUnconfirmedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		j.entries = append([]JournalEntry{{ID: "3", At: clock, By: "root", State: "pending", Deadline: clock.Add(87 * time.Second), Summary: "Delete rule 2 of PREROUTING", Stands: true}}, j.entries...)
		s.press("1", "6", "g")
		if line := lineOf(s.screen(), "▌"); !strings.Contains(line, "unconfirmed") {
			t.Errorf("the state is not told: %s", line)
		}
		s.sees("unconfirmed until 02:31:27: C confirms it, R rolls it back")
		s.press("enter")
		s.sees("unconfirmed until 02:31:27, then rolled back")
		s.press("esc")
		s.waits("3", 87*time.Second)
		s.press("u")
		s.sees("change 3 by root is unconfirmed until 02:31:27; first confirm or roll back")
	})
}

// A countdown that ends by itself is told as what it was, in red, and u no longer undoes the change.
func TestCountdownThatRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		s.app.noteDone(Done{ID: "1"}, appliedNew)
		s.app.noteDone(Done{ID: "3"}, appliedNew)
		waiting := JournalEntry{ID: "3", At: clock, By: "root", State: "applied", Deadline: clock.Add(90 * time.Second)}
		s.app.seePending(pendingMsg{number: s.app.asks.pending.ask(), entry: &waiting})
		ended := waiting
		ended.State, ended.Result = "rolled-back", "it was not confirmed in time"
		j.entries = append([]JournalEntry{ended}, j.entries...)
		s.send(s.app.lookForPending()())
		s.sees("change 3 was rolled back: it was not confirmed within 90 s")
		if !s.app.said.failed || len(s.app.desk.done) != 1 || s.app.desk.done[0].ID != "1" {
			t.Errorf("said %+v; u would undo %v", s.app.said, s.app.desk.done)
		}
		for state, want := range map[string]string{"confirmed": "change 3 was confirmed elsewhere", "failed": "change 3: no words; see History"} {
			s.app.pending = &pending{id: "3"}
			s.send(pendingMsg{number: s.app.asks.pending.ask(), ended: &JournalEntry{ID: "3", State: state, Result: "no words"}})
			s.sees(want)
		}
		s.app.pending = &pending{id: "3"}
		s.send(pendingMsg{number: s.app.asks.pending.ask()})
		s.sees("change 3 no longer waits; whether it was confirmed is not known")
	})
}

// Undoing an undone change is said to be that, and a change that is rolled back gives back what it took from u and U.
func TestUndoAfterEverythingIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := historyStage(t, 80, 24)
		s.press("1")
		s.app.noteDone(Done{ID: "3"}, appliedNew)
		s.app.noteDone(Done{ID: "4"}, appliedUndo)
		s.press("u")
		s.sees("nothing more to undo: what was done here is undone, and U does it again")
		s.app.pending = &pending{id: "4"}
		s.send(settledMsg{what: "the change is rolled back", rolledBack: "4"})
		if len(s.app.desk.done) != 1 || len(s.app.undone) != 0 {
			t.Errorf("u would undo %v, U redo %v", s.app.desk.done, s.app.undone)
		}
	})
}

func TestConfirmTimeWhereTheOwnConnectionIsMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := historyStage(t, 80, 24)
		own := gatewayFacts()
		own.Session = session("198.51.100.9:50000", "203.0.113.1:22")
		s.send(factsMsg{own})
		insert := func(line string) rules.Plan {
			return rules.Single(rules.Change{Op: rules.Insert, Table: "nat", Chain: "PREROUTING", At: 1, Rule: parse(t, line)})
		}
		confirm := func(p rules.Plan, c countdown) time.Duration { return s.app.settling(terms{countdown: c})(p).Confirm }
		if got := confirm(insert("-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222"), countdownAuto); got != rules.ConfirmTime {
			t.Errorf("a redirection of SSH waits %v", got)
		}
		if got := confirm(insert("-A PREROUTING -i wan0 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.2"), countdownAuto); got != 0 {
			t.Errorf("a forward of port 81 waits %v", got)
		}
		if got := confirm(insert("-A PREROUTING -i wan0 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.2"), countdownLong); got != 5*time.Minute {
			t.Errorf("where five minutes were chosen, it waits %v", got)
		}
	})
}

// What would be lost by saving is asked in words of its own, and once all is saved, w offers to have it put back after
// each reload.
func TestSavingLessAndWatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		j.drift = &Unsaved{Rules: 2, Fewer: []string{"/etc/nattui/ipv4.nft holds 2 rules of yours and would hold 0"}, Writes: []string{"/etc/sysctl.d/90-nattui.conf: net.ipv4.ip_forward = 1"}}
		s.press("1", "6", "w")
		s.sees("Lose rules that are saved?")
		s.sees("would hold 0")
		s.sees("nattui restore")
		s.sees("writes /etc/sysctl.d/90-nattui.conf: net.ipv4.ip_forward = 1")
		s.agree("y")
		for by, says := range map[string]string{"": "Your own rules are saved. Rules of", "netfilter-persistent": "saved where netfilter-persistent restores them from"} {
			j.drift = &Unsaved{Rules: 1, Lost: 1, By: by}
			s.press("1", "6", "w")
			s.sees(says)
			s.press("esc")
		}
		j.drift = &Unsaved{Unwatched: 3}
		s.press("1", "6", "w")
		s.sees("Restore the saved rules after each reload?")
		s.sees("3 rules of yours")
		s.agree("y")
		j.drift = &Unsaved{}
		s.press("1", "6", "w")
		s.sees("already saved")
		j.drift = &Unsaved{Idle: []string{"nothing on this host is known to restore what is saved"}}
		s.press("1", "6")
		s.sees("saved, but nothing on this host is known to restore")
		s.press("w")
		s.sees("already saved, but nothing")
		j.drift = &Unsaved{Rules: 2, Lost: 1, Idle: []string{"nothing on this host is known to restore what is saved"}}
		s.press("1", "6")
		s.tells("2 rules are not as saved, perhaps not restored at boot; press w to save")
		if got := strings.Join(j.said, ", "); got != "save fewer, save watch" {
			t.Errorf("the journal was told %q", got)
		}
	})
}

// A change that another has undone is not told as one that is in force, nor undone again.
func TestUndoneIsNotInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := historyStage(t, 80, 24)
		j.entries = []JournalEntry{
			{ID: "2", At: clock, By: "root", State: "applied", Summary: "Undo: Delete rule 2", Stands: true, Undoes: "1"},
			{ID: "1", At: clock, By: "root", State: "applied", Summary: "Delete rule 2", UndoneBy: "2"},
		}
		s.press("1", "6")
		s.sees("undone by 2")
		s.press("down", "u")
		s.sees("change 1 was undone by change 2; u on that one makes it again")
		s.press("enter")
		s.sees("undone by 2 ")
		s.press("esc", "1", "u")
		s.tells("nothing to undo")
	})
}

// u where nothing was changed on these screens asks about the last change that was made elsewhere, by its name and with its plan.
func TestUndoOfAChangeMadeElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, screen := range []string{"1", "3", "4"} {
			s, j := historyStage(t, 80, 24)
			j.entries = append([]JournalEntry{{ID: "3", At: clock, By: "docker", State: "applied", Summary: "2 rules added", Stands: true, Outside: true}}, j.entries...)
			s.press(screen, "u")
			s.sees("Undo change 1?")
			s.tells("This is the last one that was made elsewhere, by root:")
			s.tells("Add to the end of PREROUTING: TCP to port 80")
			s.agree("y")
			if strings.Join(j.said, ", ") != "undo 1" {
				t.Errorf("the journal was told %v", j.said)
			}
		}
		s, j := historyStage(t, 80, 24)
		j.stuck = errors.New("the rule is gone")
		s.press("1", "u")
		s.sees("Change 1 cannot be undone")
		s.press("esc")
		j.entries = j.entries[:1]
		s.press("u")
		s.sees("nothing to undo: no change was made here yet")
	})
}
