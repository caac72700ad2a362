package ui

import (
	"fmt"
	"strings"

	"nattui/model/traced"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// list draws the packets.
func (s *traceScreen) list(width int) []string {
	cols := []table.Column{
		{Title: "#", Min: 3, Want: 3, Right: true},
		{Title: "packet", Min: max(14, min(40, width-42)), Want: 40, Grow: 1},
		{Title: "", Min: 1, Want: 1},
		{Title: "became", Min: 10, Want: 46, Grow: 2},
	}
	widths := table.Widths(cols, width-4)
	var lines []string
	from, to := s.cursor.Window(len(s.rows), s.height)
	for i := from; i < to; i++ {
		r := &s.rows[i]
		bar, over := "   ", (*theme.Style)(nil)
		if i == s.cursor.Index() {
			bar = " " + s.look.Accent.Render(s.look.Glyphs.Bar) + s.look.Cursor.Render(" ")
			over = &s.look.Cursor
		}
		style := s.look.Text
		if r.Reply {
			style = s.look.Faint
		}
		lines = append(lines, bar+table.Line(cols, widths, []table.Cell{
			{Text: fmt.Sprint(r.Number), Style: s.look.Faint},
			{Text: text.Safe(s.packet(r)), Style: style},
			s.mark(r),
			{Text: text.Safe(r.Brief()), Style: s.endStyle(r)},
		}, over))
	}
	return lines
}

// packet is what a packet is, and its ends; of a reply only who sent it, as it stands under what it answers.
func (s *traceScreen) packet(r *tracedRow) string {
	if !r.Reply {
		return sortOf(r) + " " + r.First.Ends()
	}
	from, _, _ := strings.Cut(r.First.Ends(), " > ")
	return s.look.Glyphs.Branch + " " + sortOf(r) + " from " + from
}

// sortOf says in a word or two what kind of packet it is.
func sortOf(r *tracedRow) string {
	if k := r.First.Sort(); k != "" && r.First.Proto == rules.TCP {
		return k
	} else if k != "" {
		return r.First.Proto.String() + " " + k
	}
	return r.First.Proto.String()
}

// mark is the sign before what became of a packet; one that went differently from the
// rules say has its own.
func (s *traceScreen) mark(r *tracedRow) table.Cell {
	switch {
	case r.forecast != "" && !r.agrees:
		return table.Cell{Text: "!", Style: s.look.Attention}
	case r.End == traced.TraceLost && r.Bridge != "":
		return table.Cell{Text: "?", Style: s.look.Attention}
	case r.End == traced.TraceDropped || r.End == traced.TraceLost:
		return table.Cell{Text: s.look.Glyphs.Cross, Style: s.look.Broken}
	}
	return table.Cell{Text: s.look.Glyphs.Becomes, Style: s.look.Faint}
}

// endStyle is the colour of what became of a packet: of its translation, where it was.
func (s *traceScreen) endStyle(r *tracedRow) theme.Style {
	switch {
	case r.End == traced.TraceDropped:
		return s.look.Broken
	case r.End == traced.TraceLost:
		return s.look.Attention
	case r.Reply:
		return s.look.Faint
	case r.Last.Dst != r.First.Dst:
		return s.look.DNAT
	case r.Last.Src != r.First.Src:
		return s.look.SNAT
	}
	return s.look.Text
}
