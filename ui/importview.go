package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/paste"
	"nattui/ui/text"
)

// below is what is in sight of the report, in a box of so many rows within its frame, and how many lines it leaves to the text.
func (x *importDialog) below(rows int) (lines []string, room int) {
	lines = x.beneath.marked(x.desk, ": pgdn")
	if !x.known {
		lines = x.beneath.lines // where it was read is kept for what comes
	}
	return lines, max(2, rows-1-len(lines))
}

// fitReport lays out what was found, and notes what of a plan has been in sight, which is read to its end before it is applied.
// Where it is scrolled, the text leaves it the most of the box.
func (x *importDialog) fitReport() {
	inner, rows := x.inner(), x.boxHeight()-2
	x.area.SetWidth(inner)
	room := max(2, rows/2, rows-1-max(3, x.textRows(rows)+1)) // which the text leaves, or half
	if x.reading {
		room = max(room, rows-3)
	}
	if !x.known {
		x.beneath.lines = x.report(inner)
		return
	}
	x.beneath.fit(x.report(inner), room)
	if !x.applicable() {
		x.through = readThrough{}
		return
	}
	x.through.note(fmt.Sprint(inner, len(x.found.Remarks), x.impact.name("import", x.found.Plan)), x.beneath.offset, room, len(x.beneath.lines))
	x.beneath.lines = x.report(inner) // enter reads on, or applies it
}

// readOn scrolls the report down by a page, readBack up; from its beginning that gives the room back to the text.
func (x *importDialog) readOn() { x.Wheel(max(1, x.beneath.page-1)) }

func (x *importDialog) readBack() {
	if x.beneath.offset == 0 {
		x.reading = false
	}
	x.Wheel(-max(1, x.beneath.page-1))
}

// Wheel scrolls the report.
func (x *importDialog) Wheel(by int) {
	x.reading = x.reading || by > 0 && x.beneath.most > 0
	x.beneath.Wheel(by)
}

// toText goes back from the report to the text.
func (x *importDialog) toText() { x.reading, x.beneath.offset = false, 0 }

func (x *importDialog) inner() int { return min(x.desk.width, 120) - 4 }

// fitText gives the text the lines that it takes, as far as there are. Where it is scrolled farther than it has to be, as
// after it was typed in less room, it goes back to its beginning and from there to the cursor.
func (x *importDialog) fitText() {
	_, room := x.below(x.boxHeight() - 2)
	x.area.SetWidth(x.inner())
	rows := x.textRows(x.area.ScrollYOffset() + room) // of more it makes no difference
	height := min(room, max(3, rows+1))
	if over := x.area.ScrollYOffset(); over > 0 && over+height > rows+1 {
		line, in := x.area.Line(), x.area.LineInfo()
		x.area.SetHeight(rows + 1)
		x.area.MoveToBegin()
		x.goDown(line)
		x.area.SetCursorColumn(in.StartColumn + in.ColumnOffset)
	}
	x.area.SetHeight(height)
}

// textRows is how many rows the text takes, or more than limit.
func (x *importDialog) textRows(limit int) (rows int) {
	for l := range strings.SplitSeq(x.area.Value(), "\n") {
		if rows += max(1, len(text.Wrap(l, x.area.Width()-1, 0))); rows > limit {
			break
		}
	}
	return rows
}

// goDown goes from the beginning of the text, which has room for all of it, down to a line. Step by step that would take seconds
// in a long text, as each counts the rows before it; so it goes as many rows at once as lines are left, which are never too
// many. It leaves each line from its end: from elsewhere in a line that just fills its rows the text box does not go on at all.
func (x *importDialog) goDown(line int) {
	for at := 0; at < line; at = x.area.Line() {
		x.area.CursorEnd()
		x.area.SetHeight(x.row() + line - at + 1)
		x.area.PageDown()
	}
}

// row is in which row of what is in sight the cursor is.
func (x *importDialog) row() int {
	area := x.area
	area.SetVirtualCursor(false) // which the text box does not tell of its own
	if c := area.Cursor(); c != nil {
		return c.Y
	}
	return 0
}

// View draws the text and, beneath it, what was found.
func (x *importDialog) View(width, height int) string {
	w := min(width, 120)
	inner := w - 4
	below, room := x.below(height - 2)
	lines := strings.Split(strings.TrimRight(x.area.View(), "\n"), "\n")
	if len(lines) > room {
		lines = lines[:room]
	}
	lines = append(lines, x.look.Line.Render(strings.Repeat(x.look.Glyphs.Rule, inner)))
	return box(x.desk, cmp.Or(x.edits, "Paste commands"+x.leftBefore()), append(lines, below...), w)
}

// leftBefore says in the title that other commands were left here, and how they come back.
func (x *importDialog) leftBefore() string {
	switch others := len(x.desk.aside) > 0; {
	case others && x.kept:
		return " (as you left it; ctrl+n starts anew, ctrl+z: the other text)"
	case others:
		return " (ctrl+z brings back what you left here before)"
	}
	return leftBefore(x.kept)
}

// report says all of what was found.
func (x *importDialog) report(width int) []string {
	w := &planWriter{width: width - 2}
	if !x.writeState(w, width) {
		return w.lines
	}
	x.writeRemarks(w)
	switch {
	case x.gap != "":
	case x.found.InDoubt():
		for _, l := range x.found.Corrected {
			w.add(x.look.Strong, "", "  ", "$ "+text.Safe(l), 0)
		}
	default:
		x.writePlan(w, width)
	}
	return w.lines
}

// writeState says what can be done with the text now; it is false where nothing is known of it.
func (x *importDialog) writeState(w *planWriter, width int) bool {
	look := x.look
	switch {
	case x.sending:
		w.add(look.Attention, "", "", "checking with the kernel…", 1)
	case x.refused != "":
		w.add(look.Broken, "", "  ", "refused: "+text.Safe(x.refused), 0)
	case x.gap != "":
		w.lines = append(w.lines, x.gapLine(width))
	case strings.TrimSpace(x.area.Value()) == "":
		w.add(look.Faint, "", "  ", "The text is parsed, not executed; mistakes are listed here.", 3)
		return false
	case !x.known:
		w.add(look.Faint, "", "", "reading…", 1)
		return false
	case x.applicable():
		w.add(look.Good.Bold(true), "", "", x.appliesWords(w.width), 1)
		safety := x.impact.safety(x.chosen, keyImportCountdown.Help().Key, width)
		if own := len(x.impact.ownLines(width)); x.boxHeight() < 18 && own < len(safety) {
			safety = slices.Concat(safety[own:], safety[:own]) // what can be chosen is in sight
		}
		w.lines = append(w.lines, safety...)
	case !x.found.InDoubt():
		w.add(look.Faint, "", "", "there is nothing to change", 1)
	}
	return true
}

// writeRemarks writes what is wrong or doubtful, and what is asked.
func (x *importDialog) writeRemarks(w *planWriter) {
	look := x.look
	for _, f := range x.found.Remarks {
		style, mark := look.Faint, look.Glyphs.Dot
		switch f.Level {
		case paste.Error:
			style, mark = look.Broken, look.Glyphs.Cross
		case paste.Doubt:
			style, mark = look.Attention, "!"
		}
		words := fmt.Sprintf("%s %d:%d %s", mark, f.Line, f.Column, text.Safe(f.Text))
		if f.Correction != "" {
			words += "; write  " + text.Safe(f.Correction)
		}
		w.add(style, "", "  ", words, 0)
	}
	for _, q := range x.found.Questions {
		w.add(look.Attention, "", "  ", fmt.Sprintf("? %d:%d %s stands for %s", q.Line, q.Column, text.Safe(q.Name), q.What), 0)
	}
}

// appliesWords say what enter does with the plan.
func (x *importDialog) appliesWords(width int) string {
	changes := rules.Plural(len(x.found.Plan.Steps), "change")
	if x.through.whole() {
		return "enter applies " + changes
	}
	unread := appliesWords(&x.through)
	if counted := unread + " " + changes; text.Width(counted) <= width {
		return counted
	}
	return unread
}

// writePlan writes the commands and what they would touch.
func (x *importDialog) writePlan(w *planWriter, width int) {
	if x.commands == nil { // of a long text they take their time
		c := &planWriter{width: w.width}
		for _, argv := range x.found.Plan.Commands() {
			c.add(x.look.Strong, "", "  ", "$ "+text.Safe(rules.ShellLine(argv)), 0)
		}
		x.commands = c.lines
	}
	w.lines = append(w.lines, x.commands...)
	if x.applicable() {
		w.lines = append(append(append(w.lines, x.impact.barLines(width)...), x.impact.flowLines(width)...), x.impact.diffLines(width)...)
	}
}

// gapLine is the question that is being answered.
func (x *importDialog) gapLine(width int) string {
	what := ""
	for _, q := range x.found.Questions {
		if q.Name == x.gap {
			what = q.What + " for " + q.Option
		}
	}
	head := text.Fit(text.Safe(x.gap)+", "+what+": ", max(8, width/2))
	return x.look.Accent.Bold(true).Render(head) + x.input.draw(x.desk, max(5, width-text.Width(head)-1), "")
}
