package ui

import (
	"path/filepath"
	"strings"

	"nattui/rules"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// mostStatus is how many rows the last line takes at most, where it says more than one can hold.
const mostStatus = 4

// moreStatus is how many rows the last line needs beyond its own; they come from the bottom of the body.
func (a *App) moreStatus() int {
	return min(strings.Count(a.statusLine(), "\n"), mostStatus-1)
}

// statusRows are the rows of the last line, as many as room was made for.
func (a *App) statusRows() []string {
	rows := strings.Split(a.statusLine(), "\n")
	for len(rows) < a.more+1 {
		rows = append(rows, "")
	}
	return rows[:a.more+1]
}

// statusLine is the last line, of several rows where one does not hold it: what is typed, else what was done or went wrong, else what becomes of a change that waits.
func (a *App) statusLine() string {
	if a.leaving == finishing {
		return a.finishingLine()
	}
	// A filter that is not being typed gives way to what is told.
	if s, ok := a.screen().(liner); ok && a.top() == nil && (a.typing() || a.said.text == "") {
		if line, shown := s.Line(a.width - 2); shown {
			return a.refusedAbove() + " " + strings.ReplaceAll(line, "\n", "\n ")
		}
	}
	if a.searchOpen() || a.searchText() != "" && a.said.text == "" && !a.busy { // one that is not being typed gives way, too
		return a.refusedAbove() + a.searchLine()
	}
	switch {
	case a.busy:
		return " " + a.look.Faint.Render("working"+strings.Repeat(".", 3))
	case a.pending != nil && a.top() != nil && !a.plain: // the box may lie over the line of the countdown
		left := " " + a.look.Attention.Render("! "+a.leftWords())
		if a.said.text == "" {
			return text.Fit(left+" "+a.proofLine(), a.width-1)
		}
		return left + strings.ReplaceAll(a.saidLine(a.width-text.Width(left)), "\n", "\n"+strings.Repeat(" ", text.Width(left)))
	case a.said.text != "":
		return a.saidBesideFilter()
	}
	return a.proofLine()
}

// saidBesideFilter is what was said, with the filter that the screen still goes by where there is room for both.
func (a *App) saidBesideFilter() string {
	s, filters := a.screen().(liner)
	if !filters || a.top() != nil || a.plain {
		return a.saidLine(a.width)
	}
	said := a.saidLine(a.width)
	line, shown := s.Line(a.width / 3)
	room := a.width - text.Width(line) - 2
	if a.said.command != "" { // which gives way
		said = a.saidLine(room)
	}
	if !shown || strings.Contains(line+said, "\n") || text.Width(said) > room || room < a.width/2 {
		return a.saidLine(a.width)
	}
	return said + "  " + line
}

// refusedAbove is what the line that is typed has not taken, above it: else nobody would see why.
func (a *App) refusedAbove() string {
	if !a.said.brief || !a.said.failed {
		return ""
	}
	return a.saidLine(a.width) + "\n"
}

// saidLine is what was said, with what can be done about it.
func (a *App) saidLine(width int) string {
	g := a.look.Glyphs
	mark, style := a.look.Faint.Render(g.Dot), a.look.Faint
	switch {
	case a.said.failed:
		mark, style = a.look.Broken.Render(g.Cross), a.look.Text
	case a.said.done:
		mark = a.look.Good.Render(g.Tick)
	}
	room := width - 4
	said, fits := a.saidWithin(room)
	switch {
	case !fits && a.plain: // the terminal wraps it
		return " " + mark + " " + style.Render(said)
	case !fits:
		return " " + mark + " " + strings.Join(styled(style, text.Wrap(said, room, mostStatus)), "\n   ")
	}
	tails := a.saidTails()
	tail := tails[len(tails)-1]
	for _, t := range tails {
		if text.Width(said+t) <= room {
			tail = t
			break
		}
	}
	if tail == "" && !a.said.done && text.Width(said) > room && !a.plain {
		return " " + mark + " " + strings.Join(styled(style, text.Wrap(said, room, mostStatus)), "\n   ")
	}
	if more := text.Safe(a.said.command); more != "" && room-text.Width(said+tail) > leastCommand {
		said += "  $ " + more
	}
	return " " + mark + " " + style.Render(text.Fit(said, room-text.Width(tail))) + tail
}

// saidWithin is what was said with its file, of whose path the directory is cut to a width; false where the name alone has no
// room beside it.
func (a *App) saidWithin(room int) (said string, fits bool) {
	said = text.Safe(a.said.text)
	if a.said.file == "" {
		return said, true
	}
	path := text.Safe(a.said.file)
	whole, name := said+" "+path, "…/"+filepath.Base(path)
	switch {
	case text.Width(whole) <= room:
		return whole, true
	case a.plain:
		return whole, false
	case text.Width(said+" "+name) > room:
		return said + " " + name, false
	}
	return said + " " + text.Tail(path, room-text.Width(said)-1), true
}

// styled are lines in a style.
func styled(style theme.Style, lines []string) []string {
	for i := range lines {
		lines[i] = style.Render(lines[i])
	}
	return lines
}

// leastCommand is the room for which a command is begun: less of it would tell nothing.
const leastCommand = 16

// saidTails are what can be done about what was said, in ever fewer words: what was done comes first.
func (a *App) saidTails() []string {
	undo, old := "", []string{""}
	if a.said.undo && len(a.done) > 0 && a.mayUndo() {
		undo = "   " + a.look.Key(keys.Undo.Help().Key, "undo")
	}
	if a.offersKept() && a.top() == nil && !a.said.failed {
		n := rules.Plural(a.kept.count, "connection")
		uses := map[bool]string{true: " still uses", false: " still use"}[a.kept.count == 1] + " the old rule"
		if a.kept.added {
			uses = map[bool]string{true: " goes", false: " go"}[a.kept.count == 1] + " on unchanged"
		}
		old = nil
		for _, words := range []string{n + uses, text.Exact(uint64(a.kept.count)) + uses, text.Exact(uint64(a.kept.count)) + " still old", text.Exact(uint64(a.kept.count)) + " old"} {
			old = append(old, "   "+a.look.Accent.Render(keys.Forget.Help().Key)+a.look.Attention.Render(a.look.Told+words))
		}
	}
	var tails []string
	for _, o := range old {
		tails = append(tails, undo+o)
	}
	return append(tails, old[len(old)-1], "")
}
