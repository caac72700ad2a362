package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// typeahead keeps the keys that are pressed, and what is pasted, after a change was made and before its rows are seen. They act on what the change
// has left: a rule that was parked is gone from its row a moment before the row of the parked one is there, and the same key
// pressed twice would otherwise park its neighbour.
type typeahead struct {
	waits bool
	since int // which look at the tables the change began with
	turn  int // how many changes were waited for
	input []tea.Msg
}

// aheadAtMost is how long keys wait where the tables do not change: what was changed was so already, or cannot be read.
const aheadAtMost = time.Second

// aheadMsg ends the waiting of a turn.
type aheadMsg struct{ turn int }

// awaitRows has keys wait until the rows of the change that was just made are seen.
func (d *desk) awaitRows(done Done) tea.Cmd {
	if len(done.Plan.Changes()) == 0 && len(done.Plan.Natives()) == 0 {
		return nil
	}
	d.ahead.waits = true
	d.ahead.turn++
	turn := d.ahead.turn
	return tea.Tick(aheadAtMost, func(time.Time) tea.Msg { return aheadMsg{turn} })
}

// seeRows gives the keys that waited to what they are for, where the rows are of the change: those of a look, counted by
// desk.looks, and the journal's notes of it.
func (a *App) seeRows(look int) tea.Cmd {
	if !a.ahead.waits || look <= a.ahead.since {
		return nil
	}
	return a.catchUp()
}

// catchUp takes what waited, in its order.
func (a *App) catchUp() tea.Cmd {
	input := a.ahead.input
	a.ahead.waits, a.ahead.input = false, nil
	var cmds []tea.Cmd
	for _, msg := range input {
		cmds = append(cmds, a.settle(), a.route(msg))
	}
	return tea.Batch(cmds...)
}
