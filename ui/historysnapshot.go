package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// keyGoBack goes back to a snapshot.
var keyGoBack = bind("b", "go back", "b")

// amongChanges are changes and snapshots in one list, the latest first.
func amongChanges(changes, snapshots []JournalEntry) []JournalEntry {
	all := slices.Concat(changes, snapshots)
	slices.SortStableFunc(all, func(a, b JournalEntry) int { return b.At.Compare(a.At) })
	return all
}

// canGoBack tells that an entry is a snapshot that one can go back to.
func (s *historyScreen) canGoBack(e *JournalEntry) bool {
	return e.Snapshot != "" && !s.gw.ReadOnly && s.gw.Journal != nil
}

func (s *historyScreen) goBackCurrent() tea.Cmd {
	e, _ := s.current()
	return s.goBack(e)
}

// goBack asks what would lead back to a snapshot.
func (s *historyScreen) goBack(e JournalEntry) tea.Cmd {
	if !s.mayChange() {
		return nil
	}
	journal := s.gw.Journal
	return func() tea.Msg {
		plan, notes, err := journal.RestorePlan(s.ctx, e.Snapshot)
		return restorePlanMsg{e.Snapshot, plan, notes, err}
	}
}

// restorePlanMsg is what would lead back to a snapshot.
type restorePlanMsg struct {
	snapshot string
	plan     rules.Plan
	notes    []string
	err      error
}

// askRestore shows what would lead back to a snapshot, or why nothing does.
func (s *historyScreen) askRestore(msg restorePlanMsg) {
	switch {
	case msg.err != nil:
		s.open(&notice{desk: s.desk, title: "Snapshot " + msg.snapshot + " cannot be gone back to", text: msg.err.Error()})
		return
	case len(msg.plan.Steps) == 0:
		s.say("nothing to change: your own rules are as in snapshot " + msg.snapshot)
		return
	}
	lines := append([]string{"Your own rules and switches become what they were then. Rules of programs stay."}, msg.notes...)
	s.pose(newQuestion(s.desk, "Go back to snapshot "+msg.snapshot+"?", lines, msg.plan, "go back"))
}

// snapshotLines are all that is known of a snapshot.
func (d *entryDetails) snapshotLines() []string {
	e := &d.entry
	lines := []string{"taken " + e.At.In(d.now.Location()).Format("2006-01-02 15:04:05")}
	switch {
	case e.Result != "":
		lines = append(lines, e.Result)
	case d.screen.canGoBack(e):
		lines = append(lines, "Your own rules and switches as they were then; "+keyGoBack.Help().Key+" goes back to them, as a change that can be undone.")
	default:
		lines = append(lines, "Your own rules and switches as they were then.")
	}
	return append(lines, e.Files...)
}
