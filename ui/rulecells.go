package ui

import (
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
)

// columns of the list at a width.
func (s *rulesScreen) columns(width int) []table.Column {
	match, becomes := 26, 21
	if s.tables.Native != nil && len(s.tables.Native.Tables) > 0 {
		match, becomes = 24, 23 // "from outgoing address"
	}
	return []table.Column{
		{Title: "#", Min: 3, Want: 3, Right: true},
		{Title: "match", Min: 10, Want: match, Grow: 3},
		{Title: "  becomes", Min: 10, Want: becomes, Grow: 2},
		{Title: "pkts", Min: 5, Want: 5, Right: true, Order: 4},
		{Title: "/s", Min: 5, Want: 5, Right: true, Order: 5},
		{Title: "conns", Min: 5, Want: 5, Right: true, Order: 3},
		{Title: "bytes", Min: 6, Want: 6, Right: true, Order: 8},
		{Title: "owner", Min: 9, Want: 10, Order: 9},
		{Title: "comment", Min: 16, Want: 24, Grow: 2, Order: 10},
	}
}

// row draws one rule.
func (s *rulesScreen) row(p *pane, i int, active bool, cols []table.Column, widths []int, width int) string {
	it := p.items[i]
	g := s.look.Glyphs
	bar, over := "   ", (*lipgloss.Style)(nil)
	if active && i == p.cursor.Index() {
		bar = " " + s.look.Accent.Render(g.Bar) + s.look.Cursor.Render(" ")
		over = &s.look.Cursor
	}
	if it.parked != nil {
		return bar + table.Line(cols, widths, s.parkedCells(it), over)
	}
	if it.native != nil {
		return bar + table.Line(cols, widths, s.nativeCells(it), over)
	}
	if it.head {
		return bar + s.headLine(it, width-4)
	}
	if it.at == 0 {
		return bar + s.look.Faint.Render(text.Fit(strings.Repeat("  ", it.depth)+"  "+text.Safe(it.note), width-4))
	}
	r, ok := s.ruleOf(it)
	if !ok {
		return bar
	}
	return bar + table.Line(cols, widths, s.cells(r, it, widths[7] > 0), over)
}

// headLine is the quiet line over the rules of a chain.
func (s *rulesScreen) headLine(it ruleItem, width int) string {
	return s.look.Faint.Render(text.Fit(text.Safe(it.note), width))
}

// cells are the values of a rule's row. An owner that has no column stands behind
// the chain that is jumped to.
func (s *rulesScreen) cells(r *rules.Rule, it ruleItem, ownerShown bool) []table.Cell {
	look := s.look
	indent := strings.Repeat("  ", it.depth)
	matchStyle := look.Text
	if r.Target.Kind == rules.NoTarget || r.Unparseable() != nil {
		matchStyle = look.Faint
	}
	match := text.Safe(r.MatchText())
	if n, ok := s.noteOf(s.table, r); ok && !n.Expires.IsZero() {
		match = text.Duration(n.Expires.Sub(s.now)) + " left: " + match
	}
	if _, dead := s.deadAt(it); dead {
		match, matchStyle = "! "+match, look.Attention
	}
	owner := rules.OwnerOf(*r)
	becomes, style := s.becomes(r)
	if owner != "" && !ownerShown && jumps(r) {
		becomes += "  " + owner
	}
	cells := []table.Cell{
		{Text: strconv.Itoa(it.at), Style: look.Faint},
		{Text: indent + match, Style: matchStyle},
		{Text: becomes, Style: style},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: text.Unknown, Style: look.Faint},
		{Text: owner, Style: look.Faint},
		{Text: text.Safe(r.Comment()), Style: look.Faint},
	}
	if r.Counters.Known {
		numbers := look.Text
		if r.Counters.Packets == 0 {
			numbers = look.Faint
		}
		cells[3] = table.Cell{Text: text.Count(r.Counters.Packets), Style: numbers}
		cells[6] = table.Cell{Text: text.Count(r.Counters.Bytes), Style: numbers}
	}
	if rate, ok := s.packetRate(it.variant, s.table, it.chain, it.at); ok {
		style := look.Text
		if rate == 0 {
			style = look.Faint
		}
		cells[4] = table.Cell{Text: text.Rate(rate), Style: style}
	}
	if n, ok := s.ruleFlows(it); ok {
		style := look.Faint
		if n > 0 {
			style = look.Good
		}
		cells[5] = table.Cell{Text: text.Count(uint64(n)), Style: style}
	}
	for i := range cells {
		if cells[i].Text == text.Unknown {
			cells[i].Text = look.Glyphs.None
		}
	}
	return cells
}

// parkedCells are the values of a parked rule's row.
func (s *rulesScreen) parkedCells(it ruleItem) []table.Cell {
	r := &it.parked.Return.Rule
	becomes, _ := s.becomes(r)
	cells := []table.Cell{
		{Text: s.look.Glyphs.None},
		{Text: strings.Repeat("  ", it.depth) + "parked: " + text.Safe(r.MatchText())},
		{Text: becomes},
		{},
		{},
		{},
		{},
		{Text: rules.OwnerOf(*r)},
		{Text: text.Safe(r.Comment())},
	}
	if r.Counters.Known {
		cells[3].Text, cells[6].Text = text.Count(r.Counters.Packets), text.Count(r.Counters.Bytes)
	}
	for i := range cells {
		cells[i].Style = s.look.Faint
	}
	return cells
}

// becomes is the translation of a rule with the sign and colour of its kind.
func (s *rulesScreen) becomes(r *rules.Rule) (string, lipgloss.Style) {
	g, look := s.look.Glyphs, s.look
	what := text.Safe(r.Becomes())
	switch r.Target.Kind {
	case rules.DNAT:
		return g.Into + " " + what, look.DNAT
	case rules.SNAT, rules.Masquerade:
		return g.Outof + " " + what, look.SNAT
	case rules.Netmap:
		if strings.HasPrefix(what, "from ") {
			return g.Outof + " " + what, look.SNAT
		}
		return g.Into + " " + what, look.DNAT
	case rules.Redirect:
		return g.Into + " " + what, look.Redirect
	case rules.Jump, rules.Goto:
		return g.Branch + " " + what, look.Faint
	case rules.Drop:
		return g.Cross + " dropped", look.Broken
	}
	return "  " + what, look.Faint
}
