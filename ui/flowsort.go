package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/model/flow"
)

// sortColumns are the columns that s goes through.
var sortColumns = []flow.Column{
	flow.ColumnRate, flow.ColumnAge, flow.ColumnBytes, flow.ColumnPackets, flow.ColumnClient, flow.ColumnAskedFor,
	flow.ColumnServedBy, flow.ColumnSeenAs, flow.ColumnState, flow.ColumnTimeout, flow.ColumnProto, flow.ColumnNAT, flow.ColumnRule, flow.ColumnMark, flow.ColumnZone,
}

func (s *flowsScreen) nextSort() tea.Cmd {
	s.chosen = true
	if s.mode == groupMode {
		return s.groups.nextOrder()
	}
	next := sortColumns[0]
	for i, c := range sortColumns {
		if c == s.sort.By {
			next = sortColumns[(i+1)%len(sortColumns)]
		}
	}
	if s.listWidth() < 60 { // there may be no room for the column with the sign
		s.say("sorted by " + next.String())
	}
	return s.sortBy(next, largestFirst(next))
}

// largestFirst tells how a column is sorted that one has just turned to.
func largestFirst(c flow.Column) bool {
	return c == flow.ColumnRate || c == flow.ColumnBytes || c == flow.ColumnPackets
}

// sortBy takes another order, from the top on.
func (s *flowsScreen) sortBy(c flow.Column, descending bool) tea.Cmd {
	s.chosen, s.sort = true, flow.Sort{By: c, Descending: descending}
	s.list.reset()
	return s.reload()
}
