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

// below is what was found, beneath the text, and how many lines it leaves to that.
func (x *importDialog) below(width, rows int) (lines []string, room int) {
	lines = x.report(width, max(2, rows/2))
	return lines, max(2, rows-1-len(lines))
}

// fitText gives the text the lines that it takes, as far as there are. Where it is scrolled farther than it has to be, as
// after it was typed in less room, it goes back to its beginning and from there to the cursor.
func (x *importDialog) fitText() {
	inner := min(x.desk.width, 120) - 4
	_, room := x.below(inner, x.boxHeight()-2)
	x.area.SetWidth(inner)
	rows := 0
	for l := range strings.SplitSeq(x.area.Value(), "\n") {
		if rows += max(1, len(text.Wrap(l, x.area.Width()-1, 0))); rows > x.area.ScrollYOffset()+room {
			break // of more it makes no difference
		}
	}
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
	below, room := x.below(inner, height-2)
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

// report says what was found, at most as many lines as there is room for.
func (x *importDialog) report(width, limit int) []string {
	w := &planWriter{width: width - 2}
	if !x.writeState(w, width, limit) {
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
		x.writePlan(w, width, limit)
	}
	if len(w.lines) > limit {
		rest := len(w.lines) - limit + 1
		return append(w.lines[:limit-1:limit-1], x.look.Faint.Render(x.look.Glyphs.Down+" "+rules.Plural(rest, "more line")))
	}
	return w.lines
}

// writeState says what can be done with the text now; it is false where nothing is known of it.
func (x *importDialog) writeState(w *planWriter, width, limit int) bool {
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
		w.add(look.Good.Bold(true), "", "", "enter applies "+rules.Plural(len(x.found.Plan.Steps), "change"), 1)
		safety := x.impact.safety(x.chosen, keyImportCountdown.Help().Key, width)
		if own := len(x.impact.ownLines(width)); limit < 8 && own < len(safety) {
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

// writePlan writes the commands, as many as there is room for, and what they would touch.
func (x *importDialog) writePlan(w *planWriter, width, limit int) {
	for _, argv := range x.found.Plan.Commands() {
		w.add(x.look.Strong, "", "  ", "$ "+text.Safe(rules.ShellLine(argv)), 0)
		if len(w.lines) > limit {
			break
		}
	}
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
