package ui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// stride is how far a key leads down a list or a text of which page lines are in sight, or up if negative: to the
// top and the bottom it is farther than any is long. It is false for a key that does not move.
func stride(k tea.KeyPressMsg, page int) (by int, ok bool) {
	const far = 1 << 28
	switch {
	case key.Matches(k, keys.Up):
		return -1, true
	case key.Matches(k, keys.Down):
		return 1, true
	case key.Matches(k, keys.PageUp):
		return -max(1, page-1), true
	case key.Matches(k, keys.PageDown):
		return max(1, page-1), true
	case key.Matches(k, keys.Top):
		return -far, true
	case key.Matches(k, keys.Bottom):
		return far, true
	}
	return 0, false
}

// reading is how far a box that is longer than its room has been scrolled.
type reading struct {
	offset int // lines above the room
	most   int // of them, as it was drawn last
	page   int // lines of the room
}

// reads takes a key that scrolls; it is false for any other.
func (r *reading) reads(k tea.KeyPressMsg) bool {
	by, ok := stride(k, r.page)
	r.Wheel(by)
	return ok
}

// Wheel scrolls.
func (r *reading) Wheel(by int) { r.offset = max(0, min(r.offset+by, r.most)) }

// part is what is seen of lines in a box with so much room.
func (r *reading) part(lines []string, room int) []string {
	r.page, r.most = room, max(0, len(lines)-room)
	r.Wheel(0)
	return lines[r.offset:min(len(lines), r.offset+room)]
}

// progress tells in a box's title how much of so many lines has been seen, nothing where all are in sight.
func (r *reading) progress(lines int) string {
	if r.most == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d%%)", 100*(r.offset+r.page)/lines)
}

// boxRoom is how many lines a box has on a screen of that height.
func boxRoom(height int) int { return max(3, height-4) }
