package ui

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// View draws the fields with what they make beside them. Where it is narrow, that
// stands beneath them, and in their place once it waits to be applied.
func (f *form) View(width, height int) string {
	title := "Add a rule"
	if f.old != nil {
		title = fmt.Sprintf("Edit rule %d of %s", f.at, f.old.Chain)
	}
	if f.native != nil {
		title = "Edit " + f.native.it.ruleName()
	}
	title += " " + f.look.Glyphs.Dot + " " + f.draft.Family.Title()
	rows := height - 2
	switch {
	case f.sideBySide(width):
		w := min(width, mostForm)
		side, _ := f.previewRoom()
		own := fieldsWidth(w) - 4
		left, right := f.fields.window(own, rows), f.preview(side)
		var lines []string
		for i := range max(len(left), len(right)) {
			lines = append(lines, text.Pad(at(left, i), own, false)+" "+f.look.Line.Render(f.look.Glyphs.Pipe)+" "+at(right, i))
		}
		return box(f.desk, title, lines, w)
	case f.ready:
		side, _ := f.previewRoom()
		return box(f.desk, title, f.preview(side), side+4)
	}
	w := min(width, narrowForm)
	lines := append(f.fields.window(w-4, fieldRows(rows)), f.look.Line.Render(strings.Repeat(f.look.Glyphs.Rule, w-4)))
	return box(f.desk, title, append(lines, f.preview(w-4)...), w)
}

// fieldRows is how many rows of a box the fields have where the plan stands beneath them.
func fieldRows(rows int) int { return max(3, rows-5) }

// mostForm is how wide the form is at most, wideForm from what width on a plan that waits to be applied stands beside the fields.
const (
	mostForm = 130
	wideForm = 120
)

// narrowForm is how wide it is where the plan stands beneath the fields.
const narrowForm = 60

// sideBySide tells whether the plan stands beside the fields: once it waits to be applied only where it is wide there, too.
func (f *form) sideBySide(width int) bool {
	return !f.plain && width >= besideWidth && (!f.ready || width >= wideForm)
}

// previewRoom is the space for the plan that waits to be applied, or for what the fields make beside or beneath them.
func (f *form) previewRoom() (width, rows int) {
	rows = f.boxHeight() - 2
	switch {
	case f.sideBySide(min(f.desk.width, mostForm)):
		width := min(f.desk.width, mostForm)
		return width - fieldsWidth(width) - 3, rows
	case f.ready:
		return min(f.desk.width, mostForm) - 4, rows
	}
	return min(f.desk.width, narrowForm) - 4, max(1, rows-min(len(f.fields.list), fieldRows(rows))-1)
}

// preview says what the fields make, in as many lines as there are.
func (f *form) preview(width int) []string {
	if f.ready {
		return f.marked(f.desk, "")
	}
	if _, problems := f.plan(); rules.HasErrors(problems) || f.sending {
		return f.marked(f.desk, ": pgdn")
	}
	if more := f.marked(f.desk, " in the plan: ctrl+s"); len(more) == 0 || text.Width(more[len(more)-1]) <= width {
		return more
	}
	return f.marked(f.desk, ": ctrl+s")
}

// previewLines are all that the fields make: what is wrong, else the plan. Where not all of that has room, what is about the
// field that keys go to comes first.
func (f *form) previewLines(width, height int) []string {
	lines := f.previewFrom(width, height, false)
	if len(lines) > height && !f.ready {
		return f.previewFrom(width, height, true)
	}
	return lines
}

func (f *form) previewFrom(width, height int, focused bool) []string {
	w := &planWriter{width: width}
	p, problems := f.plan()
	s := f.fields.suggestions()
	known := func(limit int) {
		if len(s) > 0 && !f.ready {
			w.add(f.look.Faint, "", "", "known here: "+text.Safe(strings.Join(s, "  ")), limit)
		}
		s = nil
	}
	if focused && rules.HasErrors(problems) && !f.fields.isWrong() {
		known(1)
	}
	told := len(w.lines)
	f.writeState(w, problems, height, focused)
	switch {
	case !rules.HasErrors(problems):
		f.writePlan(w, p, problems, height)
	case len(w.lines) == told:
		w.add(f.look.Faint, "", "", "The command and what it does appear here as you fill in the fields.", 3)
	}
	known(2)
	return w.lines
}

// writeState says what can be done now, and what is in the way, in the order of the fields.
func (f *form) writeState(w *planWriter, problems []rules.Problem, height int, focused bool) {
	look := f.look
	switch {
	case f.sending:
		w.add(look.Attention, "", "", "checking with the kernel…", 1)
	case f.ready:
		w.add(look.Good.Bold(true), "", "", appliesWords(&f.read), 1)
	case f.kept && !f.fields.touched:
		writeKept(w, look.Faint, height)
	}
	if f.refused != "" {
		w.add(look.Broken, "", "", "refused: "+text.Safe(f.refused), 0)
	}
	if f.missing != "" {
		w.add(look.Broken, look.Glyphs.Cross+" ", "  ", text.Safe(f.missing), 0)
	}
	problems = slices.Clone(problems)
	slices.SortStableFunc(problems, func(a, b rules.Problem) int {
		return f.fields.rank(string(a.Field), focused) - f.fields.rank(string(b.Field), focused)
	})
	for _, pr := range problems {
		if !pr.Warning && f.fields.shows(string(pr.Field)) && f.missing != pr.Text {
			w.add(look.Broken, look.Glyphs.Cross+" ", "  ", text.Safe(f.fields.naming(string(pr.Field), pr.Text)), 0)
		}
	}
}

// writeKept says that what was typed before is there again, in one line where room is scarce.
func writeKept(w *planWriter, style theme.Style, height int) {
	if height < 8 {
		w.add(style, "", "", "as you left it; ctrl+n starts anew", 1)
		return
	}
	w.add(style, "", "", "what you typed before is here again (ctrl+n starts anew)", 2)
}

// writePlan writes the commands, what they do, and what they would touch.
func (f *form) writePlan(w *planWriter, p rules.Plan, problems []rules.Problem, height int) {
	key := ""
	if f.ready {
		key = keyCountdown.Help().Key
	}
	safety := f.impact.safety(f.chosen, key, w.width)
	if height < 8 && f.impact.ready() && f.impact.blast.Own {
		w.lines = append(w.lines, safety[:min(len(safety), 2)]...) // before all else, where room is scarce
		safety = safety[min(len(safety), 2):]
	}
	for _, c := range p.Commands() {
		w.add(f.look.Strong, "$ ", "  ", text.Safe(rules.ShellLine(c)), 0)
	}
	r, _ := f.draft.Rule()
	w.add(f.look.Text, "", "", r.Sentence(), 0)
	if f.lasts > 0 {
		w.add(f.look.Text, "", "", "It expires after "+text.Duration(f.lasts)+".", 1)
	}
	w.lines = append(w.lines, safety...)
	for _, doubt := range f.warnings(r, problems) {
		w.add(f.look.Attention, "! ", "  ", text.Safe(doubt), 0)
	}
	w.lines = append(w.lines, f.impact.barLines(w.width)...)
	w.lines = append(w.lines, f.impact.flowLines(w.width)...)
	w.part(f.impact.diffLines(w.width))
}

// planWriter writes the plan at a width.
type planWriter struct {
	width int
	lines []string
}

// add writes words that begin with first, and on further lines with rest.
func (w *planWriter) add(style theme.Style, first, rest, words string, limit int) {
	for i, l := range text.Wrap(words, max(8, w.width-len([]rune(first))), limit) {
		if i > 0 {
			first = rest
		}
		w.lines = append(w.lines, style.Render(first+l))
	}
}

// part writes lines that belong together, after a blank one.
func (w *planWriter) part(lines []string) {
	if len(lines) > 0 {
		w.lines = append(append(w.lines, ""), lines...)
	}
}
