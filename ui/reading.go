package ui

import (
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/ui/text"
)

// reading is how far a box that is longer than its room has been scrolled.
type reading struct {
	offset int      // lines above the room
	most   int      // of them
	page   int      // lines of the room
	lines  []string // all of them
	found  int      // the line that was searched for last
}

// keys scroll; up and down are shown.
func (r *reading) keys() keyTable {
	return scrolling(func() int { return r.page }, r.Wheel).show(2)
}

// readingKeys are those of a box to be read: its own, those that scroll, and any other closes it.
func (d *desk) readingKeys(x dialog, r *reading, own ...action) keyTable {
	return append(append(keyTable(own), r.keys()...), elsewhere(keys.Close), others(d.closing(x)))
}

// Wheel scrolls.
func (r *reading) Wheel(by int) { r.offset = max(0, min(r.offset+by, r.most)) }

// fit takes the lines of a box with so much room, when it is settled.
func (r *reading) fit(lines []string, room int) {
	r.lines, r.page, r.most = lines, room, max(0, len(lines)-room)
	r.Wheel(0)
}

// seen is what is in sight of the lines.
func (r *reading) seen() []string {
	return r.lines[min(r.offset, len(r.lines)):min(len(r.lines), r.offset+r.page)]
}

// marked is what is in sight, whose last line says how many more there are, and how they are read.
func (r *reading) marked(d *desk, how string) []string {
	seen := slices.Clone(r.seen())
	if rest := r.most - r.offset; rest > 0 && len(seen) > 0 {
		seen[len(seen)-1] = d.look.Faint.Render(d.look.Glyphs.Down + " " + rules.Plural(rest+1, "more line") + how)
	}
	return seen
}

// progress tells in a box's title which lines are in sight, nothing where all are.
func (r *reading) progress() string {
	if r.most == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d to %d of %d lines)", r.offset+1, min(r.offset+r.page, len(r.lines)), len(r.lines))
}

// under is a box's title with its progress, which is what is told whole where the box is narrow.
func (r *reading) under(title string, width int) string {
	told := r.progress()
	if room := width - 6 - text.Width(told); text.Width(title) > room && r.most > 0 {
		told = fmt.Sprintf(" (%d-%d of %d)", r.offset+1, min(r.offset+r.page, len(r.lines)), len(r.lines))
	}
	return text.Fit(title, max(4, width-6-text.Width(told))) + told
}

// boxHeight is how high a box may be: the key line and the status line stay in sight.
func (d *desk) boxHeight() int { return d.height - footLines - d.more }

// cutTo cuts a text to a width, where it is not printed in lines: the terminal wraps those.
func (d *desk) cutTo(s string, width int) string {
	if d.plain {
		return s
	}
	return text.Fit(s, width)
}

// boxRoom is how many lines there are within a box of that height.
func boxRoom(height int) int { return max(3, height-2) }
