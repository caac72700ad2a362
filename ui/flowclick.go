package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
	"nattui/ui/table"
)

// Click puts the cursor on a row, or opens the one that it is on; a click on a title sorts by that
// column, and once more the other way round. y counts from the titles on.
func (s *flowsScreen) Click(x, y int) tea.Cmd {
	if s.gw.Flows == nil || s.filter.open || x >= s.listWidth() {
		return nil
	}
	if y == 0 {
		return s.clickTitle(x)
	}
	by, ok := 0, false
	switch row := y - 1; s.mode {
	case listMode:
		by, ok = s.list.top+row-s.list.cursor, row < s.list.height && s.list.top+row < s.list.total
	case groupMode:
		from, to := s.groups.cursor.Window(len(s.groups.groups), s.groups.height)
		by, ok = from+row-s.groups.cursor.Index(), from+row < to
	case eventMode:
		from, to := s.events.window()
		by, ok = from+row-(len(s.events.events)-1-s.events.back), from+row < to
	}
	switch {
	case !ok:
		return nil
	case by == 0:
		return s.details()
	}
	return s.cursorBy(by)
}

// clickTitle sorts by the column that is at x.
func (s *flowsScreen) clickTitle(x int) tea.Cmd {
	width := s.listWidth() - 3
	switch s.mode {
	case groupMode:
		at := table.At(table.Widths(s.groups.columns(width), width), x-3)
		for order, col := range groupColumn {
			if col == at {
				s.groups.order = flow.GroupOrder(order)
				return s.groups.load()
			}
		}
	case listMode:
		lay := s.list.layout(width)
		at := lay.at(x - 3)
		for _, c := range sortColumns {
			if at >= 0 && sortColumnOf[c] == at {
				return s.sortBy(c, s.sort.By == c && !s.sort.Descending || s.sort.By != c && largestFirst(c))
			}
		}
	}
	return nil
}
