package ui

import (
	"slices"
	"strings"

	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// The columns of Rules.
const (
	ruleColNumber = iota
	ruleColMatch
	ruleColBecomes
	ruleColPackets
	ruleColRate
	ruleColFlows
	ruleColBytes
	ruleColOwner
	ruleColComment
	ruleColGraph
	ruleColumns
)

// graphCells is how wide the graph of a rule's rate is.
const graphCells = 12

// ruleRow is a row as it is drawn: cells, or a note across all columns.
type ruleRow struct {
	cells []table.Cell
	note  string
}

// contentWidths are how wide what is in each column has been at most, so that columns do not move with every look. 0 is
// a column with nothing in it.
type contentWidths [ruleColumns]int

func (w *contentWidths) widen(other *contentWidths) {
	for i := range w {
		w[i] = max(w[i], other[i])
	}
}

// lay makes the rows that are in sight, and measures them.
func (s *rulesScreen) lay(p *pane) {
	from, to := p.cursor.Window(len(p.items), p.height)
	p.rows = p.rows[:0]
	for _, it := range p.items[from:to] {
		row := s.rowOf(it)
		for i, c := range row.cells {
			if c.Text != "" && c.Text != s.look.Glyphs.None {
				p.content[i] = max(p.content[i], text.Width(c.Text))
			}
		}
		p.rows = append(p.rows, row)
	}
}

// rowOf is the row of an item.
func (s *rulesScreen) rowOf(it ruleItem) ruleRow {
	switch {
	case it.parked != nil:
		return ruleRow{cells: s.parkedCells(it)}
	case it.native != nil:
		return ruleRow{cells: s.nativeCells(it)}
	case it.head:
		return ruleRow{note: text.Safe(it.note)}
	case it.at == 0:
		return ruleRow{note: strings.Repeat("  ", it.depth) + "  " + text.Safe(it.note)}
	}
	if r, ok := s.ruleOf(it); ok {
		return ruleRow{cells: s.cells(r, it)}
	}
	return ruleRow{}
}

// The least that match and translation get before the numbers give way.
const (
	leastMatch   = 26
	leastBecomes = 21
)

// From wordsWidth on owners and comments have their room before graphs and bytes have theirs, a comment so many cells at least, and
// before match and translation together have more than those of an ordinary rule: one long rule does not take the comments
// of all others away.
const (
	wordsWidth      = 100
	commentCells    = 16
	ordinaryMatch   = 44
	ordinaryBecomes = 24
)

// wordsFirst has owners and comments come first, and tells how many of the spare cells that takes: a comment half of what the
// owner leaves, where it needs them.
func (s *rulesScreen) wordsFirst(cols []table.Column, content *contentWidths, spare int) (taken int) {
	for i, col := range []int{ruleColOwner, ruleColComment, ruleColGraph, ruleColBytes} {
		c := &cols[col]
		if c.Order == 0 {
			continue
		}
		c.Order = 6 + i
		left := spare - taken
		if col == ruleColComment {
			c.Want = max(c.Min, min(content[col], max(commentCells, left/2-2)))
			if content[col] > c.Want {
				c.Grow = 1
			}
		}
		if (col == ruleColOwner || col == ruleColComment) && left >= 2+c.Min {
			taken += min(2+c.Want, left)
		}
	}
	return taken
}

// columns of a list with so wide content: those with nothing in them are left out, the text is as wide as it needs to
// be, and what is left over stays empty, but for comments that are long. Where it does not fit beside the numbers, the text
// is cut.
func (s *rulesScreen) columns(content *contentWidths, width int) []table.Column {
	numbers := []table.Column{
		ruleColPackets: {Title: "pkts", Min: 5, Want: 5, Right: true, Order: 4},
		ruleColRate:    {Title: "/s", Min: 4, Want: 4, Right: true, Order: 5},
		ruleColFlows:   {Title: "conns", Min: 5, Want: 5, Right: true, Order: 3},
		ruleColBytes:   {Title: "bytes", Min: 6, Want: 6, Right: true, Order: 8},
	}
	cols := make([]table.Column, ruleColumns)
	copy(cols, numbers)
	cols[ruleColNumber] = table.Column{Title: "#", Min: 3, Want: 3, Right: true}
	cols[ruleColOwner] = table.Column{Title: "owner", Min: 5, Want: 5, Order: 9}
	cols[ruleColComment] = table.Column{Title: "comment", Min: 7, Want: 7, Order: 10}
	cols[ruleColGraph] = table.Column{Title: "4 minutes", Min: graphCells, Want: graphCells, Order: 7}
	room := width - 3
	for i := range cols {
		if i >= ruleColPackets {
			most := 40
			if i == ruleColComment {
				most = width // it takes what is left
			}
			cols[i].Want = max(cols[i].Want, min(content[i], most))
			if content[i] == 0 && (i >= ruleColBytes || i == ruleColFlows && s.gw.Flows == nil) {
				cols[i] = table.Column{} // nothing is in it
			}
			if i <= ruleColFlows && cols[i].Order > 0 {
				room -= 2 + cols[i].Want
			}
		}
	}
	if width >= wordsWidth {
		room -= s.wordsFirst(cols, content, room-ordinaryMatch-ordinaryBecomes-4)
	}
	match, becomes := max(content[ruleColMatch], 5), max(content[ruleColBecomes], 9)
	cols[ruleColMatch] = table.Column{Title: "match", Min: 10, Want: match}
	cols[ruleColBecomes] = table.Column{Title: "  becomes", Min: 10, Want: becomes}
	if cut := match + becomes + 4 - room; cut > 0 {
		cols[ruleColMatch].Grow, cols[ruleColBecomes].Grow = 3, 2
		fromBecomes := max(0, min(becomes-leastBecomes, cut-(match-leastMatch)))
		cols[ruleColBecomes].Want = becomes - fromBecomes
		cols[ruleColMatch].Want = max(min(match, leastMatch), match-(cut-fromBecomes))
	}
	return cols
}

// row draws one row of a pane.
func (s *rulesScreen) row(p *pane, i int, active bool, cols []table.Column, widths []int, width int) string {
	bar, over := "   ", (*theme.Style)(nil)
	from, _ := p.cursor.Window(len(p.items), p.height)
	if active && i == p.cursor.Index() {
		bar = " " + s.look.Accent.Render(s.look.Glyphs.Bar) + s.look.Cursor.Render(" ")
		over = &s.look.Cursor
	}
	row := p.rows[i-from]
	if row.cells == nil {
		return bar + s.look.Faint.Render(text.Fit(row.note, width-4))
	}
	cells := slices.Clone(row.cells)
	for _, col := range []int{ruleColMatch, ruleColBecomes} {
		cells[col].Text = text.Ends(cells[col].Text, widths[col])
	}
	line := table.Line(cols, widths, cells, over)
	if rest := width - 4 - text.Width(line); over != nil && rest > 0 {
		line += over.Render(strings.Repeat(" ", rest))
	}
	return bar + line
}

// fitColumns lays the rows of all panes out. An owner that has no column stands behind the chain that is jumped to.
func (s *rulesScreen) fitColumns(width int) {
	if s.laidFor != width {
		s.laidFor, s.ownerShown = width, true
		for _, p := range s.panes {
			p.content = contentWidths{}
		}
	}
	for {
		shared := contentWidths{}
		for _, p := range s.panes {
			s.lay(p)
			shared.widen(&p.content)
		}
		shown := true
		for _, p := range s.panes {
			if !s.wide {
				p.content = shared
			}
			p.cols = s.columns(&p.content, s.paneWidth(width)-4)
			p.widths = table.Widths(p.cols, s.paneWidth(width)-4)
			shown = shown && (p.widths[ruleColOwner] > 0 || p.content[ruleColOwner] == 0)
		}
		if shown || !s.ownerShown {
			return
		}
		s.ownerShown = false
	}
}

// cutsAnything tells that a column with something in it has no room, or less than that needs.
func (s *rulesScreen) cutsAnything() bool {
	for _, p := range s.panes {
		for i, w := range p.widths {
			if w < p.content[i] {
				return true
			}
		}
	}
	return false
}

// The widths from which the details stand beside the list, and from which both chains stand beside each other
// as well, where they have room for all that is in them.
const (
	ruleSplitWidth  = 160
	ruleSplitHeight = 16
	sideBySide      = 240
)

// listWidth is how wide the list is: without the details, where they stand beside it.
func (s *rulesScreen) listWidth(width, height int) int {
	if width < ruleSplitWidth || height < ruleSplitHeight || s.plain {
		return width
	}
	return width - sideWidth
}

// paneWidth is the width of one pane in a list of a width.
func (s *rulesScreen) paneWidth(width int) int {
	if s.wide {
		return (width - 1) / 2
	}
	return width
}

// sideLines are the details beside the list.
func (s *rulesScreen) sideLines(height int) []string {
	inner := sideWidth - 3
	var lines []string
	switch _, it, ok := s.current(); {
	case it.parked != nil:
		lines = s.parkedDetails(it.parked, inner)
	case ok, it.native != nil:
		lines = append([]string{s.look.Strong.Render(ruleTitle(it)), ""}, s.told(it, inner)...)
	default:
		lines = wrapped("", "", "All about the rule under the cursor stands here; there is none.", s.look.Faint, inner)
	}
	if len(lines) > height {
		lines = append(lines[:height-1:height-1], s.look.Faint.Render(s.look.Glyphs.Down+" enter shows the rest"))
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	for i := range lines {
		lines[i] = s.look.Line.Render(s.look.Glyphs.Pipe) + " " + text.Fit(lines[i], inner)
	}
	return lines
}
