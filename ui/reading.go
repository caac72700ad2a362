package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// reading is how far a box that is longer than its room has been scrolled.
type reading struct {
	offset int // lines above the room; View keeps it within the text
}

// reads takes a key that scrolls; it is false for any other.
func (r *reading) reads(k tea.KeyPressMsg) bool {
	switch {
	case key.Matches(k, keys.Down):
		r.offset++
	case key.Matches(k, keys.Up):
		r.offset = max(0, r.offset-1)
	default:
		return false
	}
	return true
}
