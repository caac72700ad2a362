package ui

import (
	"slices"

	"nattui/model/flow"
	"nattui/ui/text"
)

// lostFlow is the flow under the cursor once the selection has it no more. It keeps its line until the cursor
// leaves it, so that no key that was meant for it meets its neighbour.
type lostFlow struct {
	ended bool // else the filter no longer shows it
}

// hold keeps the cursor on its flow from now on, wherever that is sorted to. Before, it stays on it as long as that
// is in sight of the list's beginning.
func (s *flowsScreen) hold() {
	switch s.mode {
	case listMode:
		s.list.held = true
	case eventMode:
		s.events.hold()
	}
}

// follow keeps the cursor, which nobody has moved yet, on its flow as long as that is in sight; the list does not move for it,
// so that what is busiest stays on the screen.
func (l *flowList) follow() {
	at := l.find(l.ref) + l.offset
	if l.cursor = 0; at >= max(l.offset, l.top) && at < l.top+l.height {
		l.cursor = at
	}
}

// find is where a flow stands among the rows; -1: not there.
func (l *flowList) find(ref flow.Ref) int {
	return slices.IndexFunc(l.rows, func(r flow.Row) bool { return r.Ref == ref && r.Flow.Key() == l.noted.Key() })
}

// elsewhere tells that a selection was made around another flow than the cursor is on by now, which it lacks: it
// does not tell whether that one is still there.
func (l *flowList) elsewhere(msg selectedMsg) bool {
	return l.held && l.ref != flow.Ref{} && msg.around != l.ref && !slices.ContainsFunc(msg.sel.Rows, func(r flow.Row) bool { return r.Ref == l.ref })
}

// keepLost keeps the line of the flow under the cursor, which the selection does not have.
func (l *flowList) keepLost() {
	row := flow.Row{Ref: l.ref, Flow: l.noted}
	var now flow.Flow
	lives := l.screen.gw.Flows.Table().Read(l.ref, &now) && now.Key() == l.noted.Key()
	if lives {
		row.Flow = now
	}
	l.lost = &lostFlow{ended: !lives}
	at := max(0, min(l.cursor-l.offset, len(l.rows)))
	l.rows = slices.Concat(l.rows[:at], []flow.Row{row}, l.rows[at:]) // the selection's own rows stay as they are
	l.cursor, l.total = l.offset+at, l.total+1
}

// leaveLost takes the line of a lost flow away when the cursor leaves it by so many rows; what it returns is by
// how many it goes on from there.
func (l *flowList) leaveLost(by int) int {
	at := l.cursor - l.offset
	if l.lost == nil || by == 0 || l.total == 1 {
		return by
	}
	l.lost = nil
	l.rows = slices.Concat(l.rows[:at], l.rows[at+1:])
	l.total--
	if by > 0 {
		return by - 1 // the next has moved up
	}
	return by
}

// matching is how many flows match: all lines but that of a flow that is lost.
func (l *flowList) matching() int {
	if l.lost != nil {
		return l.total - 1
	}
	return l.total
}

// lostLine is the line of a lost flow.
func (l *flowList) lostLine(f *flow.Flow, width int) string {
	s := l.screen
	word, style := "no longer matches: ", s.look.Faint
	if l.lost.ended {
		word, style = "ended: ", s.look.Attention
	}
	return s.bar(true) + s.look.Cursor.Render(style.Render(word)+s.look.Faint.Render(text.Pad(text.Fit(s.flowWords(f), width-len(word)), width-len(word), false)))
}

// onEnded tells that what is under the cursor is known to have ended.
func (s *flowsScreen) onEnded() bool {
	switch s.mode {
	case listMode:
		return s.list.lost != nil && s.list.lost.ended
	case eventMode:
		f, ok := s.events.current()
		if !ok || s.events.ended() || s.gw.Flows.Feed().Listing {
			return s.events.ended()
		}
		now, _, lives := s.gw.Flows.Table().Lookup(f.Key())
		return !lives || now.ID != f.ID
	}
	return false
}
