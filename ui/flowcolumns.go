package ui

import (
	"slices"
	"strings"

	"nattui/ui/table"
)

// flowColumnNames are what the columns of Flows are called where they are chosen, in the usual order.
var flowColumnNames = []string{
	colProto: "proto", colClient: "client", colAsked: "asked for", colServed: "served by", colSeen: "seen as", colState: "state", colRate: "rate",
	colAge: "age", colTimeout: "timeout", colPackets: "packets", colBytes: "bytes", colRule: "rule", colMark: "mark", colZone: "zone",
}

// flowLayout is which columns are shown, in which order and how wide.
type flowLayout struct {
	order  []int // columns of the list
	cols   []table.Column
	widths []int // of the columns in their order
}

// layout fits the columns that were chosen, or the usual ones, to a width. Of chosen ones the last
// give way first.
func (l *flowList) layout(width int) flowLayout {
	all, lay := l.columns(), flowLayout{}
	for i, name := range l.screen.settings.Columns {
		at := slices.Index(flowColumnNames, name)
		if all[at].Order = i; i < 2 {
			all[at].Order = 0
		}
		lay.order = append(lay.order, at)
	}
	if lay.order == nil {
		for i := range all {
			lay.order = append(lay.order, i)
		}
	}
	for _, at := range lay.order {
		lay.cols = append(lay.cols, all[at])
	}
	lay.widths = table.Widths(lay.cols, width)
	if served := slices.Index(lay.order, colServed); served >= 0 && lay.width(colSeen) == 0 {
		// The column tells of the new source too; it keeps the sign that it is sorted by.
		lay.cols[served].Title = strings.Replace(lay.cols[served].Title, "served by", "becomes", 1)
	}
	return lay
}

// width is how wide a column is, 0 where it is not shown.
func (lay *flowLayout) width(col int) int {
	if i := slices.Index(lay.order, col); i >= 0 {
		return lay.widths[i]
	}
	return 0
}

// ends are the widths of the columns whose values lose their middle.
func (lay *flowLayout) ends() endWidths {
	return endWidths{lay.width(colClient), lay.width(colAsked), lay.width(colServed), lay.width(colSeen), lay.width(colRule)}
}

// arrange puts the cells of all columns into the order in which they are shown.
func (lay *flowLayout) arrange(cells []table.Cell) []table.Cell {
	shown := make([]table.Cell, len(lay.order))
	for i, col := range lay.order {
		shown[i] = cells[col]
	}
	return shown
}

// at is the column that is x cells from the beginning of a line, -1 where there is none.
func (lay *flowLayout) at(x int) int {
	if i := table.At(lay.widths, x); i >= 0 {
		return lay.order[i]
	}
	return -1
}
