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

// ruleContent is what is in a column: how wide it has been at most, so that columns do not move with every look, and whether
// it tells anything: some figure but 0. A width of 0 is a column with nothing in it.
type ruleContent struct {
	width   int
	telling bool
}

// contentWidths are those of all columns.
type contentWidths [ruleColumns]ruleContent

func (w *contentWidths) widen(other *contentWidths) {
	for i := range w {
		w[i].width = max(w[i].width, other[i].width)
		w[i].telling = w[i].telling || other[i].telling
	}
}

// measure widens the contents by a row.
func (w *contentWidths) measure(row ruleRow, none string) {
	for i, c := range row.cells {
		if c.Text != "" && c.Text != none {
			w[i].width = max(w[i].width, text.Width(c.Text))
			w[i].telling = w[i].telling || c.Text != "0"
		}
	}
}

// mostMeasured is how many rows of a pane are measured at once, in sight or not, for columns that are the same wherever
// somebody has scrolled to.
const mostMeasured = 400

// measureAll measures the rows of a pane from its first on.
func (s *rulesScreen) measureAll(p *pane) {
	p.content = contentWidths{}
	for _, it := range p.items[:min(len(p.items), mostMeasured)] {
		p.content.measure(s.rowOf(it), s.look.Glyphs.None)
	}
}

// lay makes the rows that are in sight, and measures them.
func (s *rulesScreen) lay(p *pane) {
	from, to := p.cursor.Window(len(p.items), p.height)
	p.rows = p.rows[:0]
	p.sight = contentWidths{}
	for _, it := range p.items[from:to] {
		row := s.rowOf(it)
		p.content.measure(row, s.look.Glyphs.None)
		p.sight.measure(row, s.look.Glyphs.None)
		p.rows = append(p.rows, row)
	}
}

// rowOf is the row of an item.
func (s *rulesScreen) rowOf(it ruleItem) ruleRow {
	switch {
	case it.parked != nil:
		return ruleRow{cells: s.shorter(s.parkedCells(it))}
	case it.native != nil:
		return ruleRow{cells: s.shorter(s.nativeCells(it))}
	case it.head:
		return ruleRow{note: text.Safe(it.note)}
	case it.at == 0:
		return ruleRow{note: strings.Repeat("  ", it.depth) + "  " + text.Safe(it.note)}
	}
	if r, ok := s.ruleOf(it); ok {
		return ruleRow{cells: s.shorter(s.cells(r, it))}
	}
	return ruleRow{}
}

// The least that match and translation get before the numbers give way, and what they have from wordsWidth on before owners
// and comments have their room: one long rule does not take the comments of all others away. A comment that is cut has
// commentCells.
const (
	leastMatch      = 26
	leastBecomes    = 21
	wordsWidth      = 100
	ordinaryMatch   = 44
	ordinaryBecomes = 24
	commentCells    = 16
)

// shares hands the cells of a line out to columns, to one after the other.
type shares struct {
	widths []int
	left   int // cells
}

// take gives a column what it wants, or what is left of that where it is the least that is of use; one that has something
// already is widened.
func (h *shares) take(col, least, want int) {
	gap := table.Gap
	if h.widths[col] > 0 {
		gap, least = 0, 0
	}
	more := min(want-h.widths[col], h.left-gap)
	if more <= 0 || h.widths[col]+more < min(least, want) {
		return
	}
	h.widths[col] += more
	h.left -= gap + more
}

// least gives match and translation their least, and both as much where there is no room for that.
func (h *shares) least(match, becomes int) {
	room := h.left - 2*table.Gap
	becomes = min(becomes, max(room-match, room/2))
	h.take(ruleColMatch, 1, min(match, room-becomes))
	h.take(ruleColBecomes, 1, becomes)
}

// texts widens both to so many cells, the translation first, which is the shorter one. A match that is cut all the same gives
// way for it.
func (h *shares) texts(match, becomes int) {
	h.take(ruleColBecomes, 0, becomes)
	h.take(ruleColMatch, 0, match)
	if cut := becomes - h.widths[ruleColBecomes]; cut > 0 && h.widths[ruleColMatch] < match {
		cut = max(0, min(cut, h.widths[ruleColMatch]-leastMatch))
		h.widths[ruleColBecomes] += cut
		h.widths[ruleColMatch] -= cut
	}
}

// ruleTitles are the columns of a list, whatever their width.
var ruleTitles = []table.Column{
	ruleColNumber: {Title: "#", Right: true}, ruleColMatch: {Title: "match"}, ruleColBecomes: {Title: "  becomes"},
	ruleColPackets: {Title: "pkts", Right: true}, ruleColRate: {Title: "/s", Right: true}, ruleColFlows: {Title: "conns", Right: true},
	ruleColBytes: {Title: "bytes", Right: true}, ruleColOwner: {Title: "owner"}, ruleColComment: {Title: "comment"}, ruleColGraph: {Title: "4 minutes"},
}

// wants are how many cells each column needs to be whole; 0 where nothing is in it, or will be.
func (s *rulesScreen) wants(content *contentWidths) (w [ruleColumns]int) {
	for i := range w {
		switch {
		case content[i].width > 0, i <= ruleColBecomes, s.awaited(i):
			w[i] = max(text.Width(ruleTitles[i].Title), content[i].width)
		}
	}
	w[ruleColNumber] = max(3, w[ruleColNumber])
	if w[ruleColGraph] > 0 {
		w[ruleColGraph] = graphCells
	}
	if w[ruleColOwner] > 0 {
		w[ruleColOwner] = min(w[ruleColOwner], 40)
	}
	return w
}

// awaited tells that a column without figures may have some in a moment.
func (s *rulesScreen) awaited(col int) bool {
	switch col {
	case ruleColPackets, ruleColRate:
		return s.gw.Recorded == ""
	case ruleColFlows:
		return s.gw.Flows != nil
	}
	return false
}

// shareOut hands a line of a width out to the columns of such a content: those with nothing in them are left out, the text is as
// wide as it needs to be before figures that are all 0 have room, and what is left over stays empty. Where the text does not
// fit beside the packets, it is cut.
func (s *rulesScreen) shareOut(content *contentWidths, width int) []int {
	w := s.wants(content)
	h := shares{widths: make([]int, ruleColumns), left: width + table.Gap}
	whole := func(cols ...int) {
		for _, col := range cols {
			if w[col] > 0 {
				h.take(col, w[col], w[col])
			}
		}
	}
	telling := func(col int) {
		if content[col].telling {
			whole(col)
		}
	}
	match, becomes := w[ruleColMatch], w[ruleColBecomes]
	whole(ruleColNumber)
	h.least(min(match, leastMatch), min(becomes, leastBecomes))
	if content[ruleColPackets].width > 0 {
		whole(ruleColPackets)
	}
	telling(ruleColFlows)
	if width >= wordsWidth {
		h.texts(min(match, ordinaryMatch), min(becomes, ordinaryBecomes))
		telling(ruleColRate)
		s.takeOwner(&h, w[ruleColOwner])
		if w[ruleColComment] > 0 {
			h.take(ruleColComment, min(w[ruleColComment], commentCells), min(w[ruleColComment], commentCells))
		}
		h.texts(match, becomes)
		if h.widths[ruleColComment] > 0 {
			h.take(ruleColComment, 0, w[ruleColComment])
		}
	} else {
		h.texts(match, becomes)
		telling(ruleColRate)
	}
	whole(ruleColFlows, ruleColPackets, ruleColRate, ruleColGraph, ruleColBytes)
	s.takeOwner(&h, w[ruleColOwner])
	if w[ruleColComment] > 0 {
		h.take(ruleColComment, 7, w[ruleColComment])
	}
	return h.widths
}

// takeOwner gives the owner its column, unless it stands behind the chains that are jumped to.
func (s *rulesScreen) takeOwner(h *shares, want int) {
	if want > 0 && s.ownerShown {
		h.take(ruleColOwner, 5, want)
	}
}

// row draws one row of a pane.
func (s *rulesScreen) row(p *pane, i int, active bool, widths []int, width int) string {
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
		cells[col].Text = text.EndsKeeping(cells[col].Text, widths[col], s.search.words)
	}
	if len(s.search.words) > 0 {
		for _, col := range []int{ruleColMatch, ruleColBecomes, ruleColOwner, ruleColComment} {
			cells[col].Mark = s.hit
		}
	}
	line := table.Line(ruleTitles, widths, cells, over)
	if rest := width - 4 - text.Width(line); over != nil && rest > 0 {
		line += over.Render(strings.Repeat(" ", rest))
	}
	return bar + line
}

// The width from which the details stand beside the list, with so many cells at least and at most, and that from which both chains
// stand beside each other as well, where they have room for all that is in them.
const (
	ruleSplitWidth  = 160
	ruleSplitHeight = 16
	sideBySide      = 240
	leastSide       = 44
	mostSide        = 90
)

// need is how many cells a list of panes one over the other has use for; one long rule does not make the details narrow.
func (s *rulesScreen) need() int {
	shared := s.shared()
	return s.cellsFor(&shared, [ruleColumns]int{ruleColMatch: 60, ruleColBecomes: 40, ruleColOwner: 20, ruleColComment: 40})
}

// needBeside is how many two panes need beside each other for all that is in them.
func (s *rulesScreen) needBeside() int {
	widest := 0
	for _, p := range s.panes {
		widest = max(widest, s.cellsFor(&p.content, [ruleColumns]int{}))
	}
	return 2*widest + 1
}

// cellsFor is how wide a pane is that has room for its contents, up to the most of each column; a graph is none, and figures
// are as wide as they may become.
func (s *rulesScreen) cellsFor(content *contentWidths, most [ruleColumns]int) int {
	sum := 4 - table.Gap
	for i, w := range s.wants(content) {
		if w == 0 || i == ruleColGraph {
			continue
		}
		switch {
		case i >= ruleColPackets && i <= ruleColBytes:
			w = max(w, 5)
		case most[i] > 0:
			w = min(w, most[i])
		}
		sum += table.Gap + w
	}
	return sum
}

// arrangeBeside decides what stands beside each other on a screen: both chains, and the details of the selected line. Where there
// is not room for all, the list has still its ordinary columns beside the details, and what is long in it gives way.
func (s *rulesScreen) arrangeBeside(width, height int) {
	s.wide, s.sideCells = false, 0
	list, split := s.need(), width >= ruleSplitWidth && height >= ruleSplitHeight && !s.plain
	if width >= sideBySide && len(s.panes) > 1 {
		beside := s.needBeside()
		if s.wide = beside+leastSide <= width || beside <= width && !split; s.wide {
			list = beside
		}
	}
	if split {
		s.sideCells = min(mostSide, max(leastSide, width-list))
	}
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
	inner := s.sideCells - 3
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
