package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// undo undoes the last change made here. Where there is none, the last that was made elsewhere is asked about: what it did has
// not been on this screen.
func (d *desk) undo() tea.Cmd {
	switch {
	case len(d.done) == 0 && len(d.undone) > 0:
		d.say("nothing more to undo: what was done here is undone, and U does it again")
		return nil
	case len(d.done) > 0:
		return d.reverse(d.done[len(d.done)-1], appliedUndo)
	case d.gw.Journal == nil:
		d.sayNothingToUndo()
		return nil
	case !d.mayChange():
		return nil
	}
	journal, ctx := d.gw.Journal, d.ctx
	return func() tea.Msg {
		entries, err := journal.Entries()
		i := slices.IndexFunc(entries, func(e JournalEntry) bool { return e.Stands && !e.Outside && e.Snapshot == "" && e.Undoes == "" })
		if err != nil || i < 0 {
			return undoPlanMsg{err: err}
		}
		plan, err := journal.UndoPlan(ctx, entries[i].ID)
		return undoPlanMsg{entry: entries[i], elsewhere: true, plan: plan, err: err}
	}
}

func (d *desk) sayNothingToUndo() { d.say("nothing to undo: no change was made here yet") }

// redo makes the last change again that was undone.
func (d *desk) redo() tea.Cmd {
	if len(d.undone) == 0 {
		d.say("nothing to redo: no change was undone here")
		return nil
	}
	return d.reverse(d.undone[len(d.undone)-1], appliedRedo)
}

// reverse undoes a change that was made here, by the journal where one is kept: it
// finds the rules by what stands around them now.
func (d *desk) reverse(last Done, kind appliedKind) tea.Cmd {
	if last.ID == "" || d.gw.Journal == nil {
		return d.apply(last.Plan.Inverse(), kind, d.usual(), nil)
	}
	return d.undoEntry(last.ID, kind, d.usual(), nil)
}

// undoPlanMsg is what would undo an entry of the journal; the zero one says that there is none.
type undoPlanMsg struct {
	entry     JournalEntry
	elsewhere bool // it was asked for as the last change, and not chosen
	plan      rules.Plan
	err       error
}

// askUndo shows what would undo an entry, or why it cannot be.
func (d *desk) askUndo(msg undoPlanMsg) {
	switch {
	case msg.entry.ID == "" && msg.err != nil:
		d.fail(msg.err)
		return
	case msg.entry.ID == "":
		d.sayNothingToUndo()
		return
	case msg.err != nil:
		d.open(&notice{desk: d, title: "Change " + msg.entry.ID + " cannot be undone", text: msg.err.Error()})
		return
	}
	lines := []string{msg.entry.Summary, "Later changes are kept."}
	if msg.elsewhere {
		by := ""
		if msg.entry.By != "" {
			by = ", by " + msg.entry.By
		}
		lines = []string{"No change was made on these screens yet. This is the last one that was made elsewhere" + by + ":", msg.entry.Summary}
	}
	lines = append(lines, msg.plan.Whys()...)
	q := newQuestion(d, "Undo change "+msg.entry.ID+"?", lines, msg.plan, "undo")
	q.act = func(t terms) tea.Cmd { return d.undoEntry(msg.entry.ID, appliedNew, t, nil) }
	d.pose(q)
}
