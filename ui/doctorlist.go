package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/model/doctor"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// listRoom is how many lines the sentences have: with what is kept for details, whatever is under the cursor, so that no row
// moves; where that cuts some, all that the details leave.
func (s *doctorScreen) listRoom(sentences []string, width, height int) int {
	room := height - s.heads()
	used := 0
	for _, l := range sentences {
		used += max(1, len(text.Wrap(l, width, 0)))
	}
	if kept := room - max(detailsRoom(height), len(s.details)); used <= kept {
		return kept
	}
	return room - len(s.details)
}

func (s *doctorScreen) list(width, height int) []string {
	cols := []table.Column{
		{Title: "severity", Min: 7, Want: 7},
		{Title: "about", Min: 12, Want: s.widest(width)},
		{Title: "finding", Min: 12, Want: 40, Grow: 1},
	}
	widths := table.Widths(cols, width-4)
	var lines []string
	from, to := s.cursor.Window(len(s.rows), s.height)
	sentences := make([]string, to-from)
	for i := range sentences {
		sentences[i] = text.Safe(s.rows[from+i].finding.Sentence)
	}
	for k, told := range s.unfold(sentences, s.urgent(from, to), widths[2], s.listRoom(sentences, widths[2], height)) {
		i := from + k
		r := &s.rows[i]
		if head := s.headOf(i); i == from || r.head != "" {
			lines = append(lines, s.headLine(s.when(s.inSight(i, head, from, to), r), r.forward, width))
		}
		bar, over := "   ", (*theme.Style)(nil)
		if i == s.cursor.Index() {
			bar = " " + s.look.Accent.Render(s.look.Glyphs.Bar) + s.look.Cursor.Render(" ")
			over = &s.look.Cursor
		}
		cells := []table.Cell{s.severity(r.finding.Severity), {Text: text.Safe(r.about(s.follows != nil)), Style: s.look.Strong}, {Style: s.look.Text}}
		for _, words := range told {
			cells[2].Text, widths[2] = words, max(widths[2], text.Width(words))
			lines = append(lines, bar+table.Line(cols, widths, cells, over))
			cells[0].Text, cells[1].Text = "", ""
		}
	}
	return lines
}

// urgent are the rows in sight that are told whole first, counted from the first of them: what is wrong or not known, then notes,
// and then what is under the cursor.
func (s *doctorScreen) urgent(from, to int) (order []int) {
	for _, of := range [][]doctor.Severity{{doctor.SeverityError}, {doctor.SeverityWarning, doctor.SeverityUnknown}, {doctor.SeverityNote}} {
		for i := from; i < to; i++ {
			if slices.Contains(of, s.rows[i].finding.Severity) {
				order = append(order, i-from)
			}
		}
	}
	if at := s.cursor.Index(); at >= from && at < to && !slices.Contains(order, at-from) {
		order = append(order, at-from)
	}
	return order
}

// heads is how many headings the list has.
func (s *doctorScreen) heads() (n int) {
	for i := range s.rows {
		if s.rows[i].head != "" {
			n++
		}
	}
	return max(1, n)
}

// about is what a row is about: on a forward's way the step.
func (r *doctorRow) about(step bool) string {
	if step {
		return r.finding.Check
	}
	return r.finding.Subject
}

// widest is the width that the column of subjects wants.
func (s *doctorScreen) widest(width int) int {
	w := 12
	for i := range s.rows {
		w = max(w, text.Width(text.Safe(s.rows[i].about(s.follows != nil))))
	}
	return min(w, max(12, width/3))
}

// inSight is the heading of the rows that row belongs to, with those that are in sight where these are not all.
func (s *doctorScreen) inSight(row int, head string, from, to int) string {
	first, end := row, row+1
	for first > 0 && s.rows[first].head == "" {
		first--
	}
	for end < len(s.rows) && s.rows[end].head == "" {
		end++
	}
	if s.follows != nil || from <= first && end <= to {
		return head
	}
	sight := fmt.Sprintf("%d-%d of ", max(from, first)-first+1, min(to, end)-first)
	if strings.HasPrefix(head, firstOf) {
		sight += firstOf
	}
	if s.desk.width < 64 {
		return sight + strconv.Itoa(end-first)
	}
	return sight + rules.Plural(end-first, nounOf(head))
}

// when adds to the heading of findings when they were looked for last: always, or the heading would be another one whenever a
// connection begins.
func (s *doctorScreen) when(head string, r *doctorRow) string {
	if s.follows != nil || r.forward != nil || s.desk.width < 64 {
		return head
	}
	return head + " at " + s.calm.at.Format("15:04:05")
}

// nounOf is what a heading counts, one of them.
func nounOf(head string) string {
	return strings.TrimSuffix(head[strings.LastIndexByte(head, ' ')+1:], "s")
}

// headOf is the heading that a row stands under.
func (s *doctorScreen) headOf(i int) string {
	for ; i >= 0; i-- {
		if s.rows[i].head != "" {
			return s.rows[i].head
		}
	}
	return ""
}

// headLine is a quiet line with what follows at its right end.
func (s *doctorScreen) headLine(right string, f *doctor.Forward, width int) string {
	left := s.look.Faint.Render("what is ") + s.look.Strong.Render("wrong") + s.look.Faint.Render(" or risky now")
	switch {
	case s.follows != nil:
		left = s.look.Faint.Render("the way of ") + s.look.Strong.Render(fmt.Sprintf("%s %d", text.Safe(s.follows.Rule.Chain), s.follows.Rule.Position))
	case f != nil && !f.IsByHand():
		left = s.look.Faint.Render("what ") + s.look.Strong.Render("programs") + s.look.Faint.Render(" forward")
	case f != nil:
		left = s.look.Faint.Render("what is ") + s.look.Strong.Render("forwarded")
	}
	used := text.Width(left)
	if right == "" {
		return " " + left + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, max(0, width-3-used)))
	}
	right = text.Fit(text.Safe(right), max(8, width-used-8))
	fill := width - 1 - used - 1 - 1 - text.Width(right) - 4
	return " " + left + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, max(0, fill))) + " " + s.look.Faint.Render(right) + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, 2))
}

// severity is the word that says how much a finding matters.
func (s *doctorScreen) severity(v doctor.Severity) table.Cell {
	style := map[doctor.Severity]theme.Style{
		doctor.SeverityOK: s.look.Good, doctor.SeverityUnseen: s.look.Faint, doctor.SeverityUnknown: s.look.Attention, doctor.SeverityNote: s.look.Faint, doctor.SeverityWarning: s.look.Attention, doctor.SeverityError: s.look.Broken,
	}[v]
	return table.Cell{Text: v.Mark(), Style: style}
}
