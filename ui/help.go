package ui

import (
	"charm.land/bubbles/v2/key"

	"nattui/ui/text"
)

// help lists every key that works on the screen beneath it.
type help struct {
	*desk
	groups []KeyGroup
	reading
}

// KeyGroup is a set of bindings under a heading.
type KeyGroup struct {
	Title string
	Keys  []key.Binding
}

func newHelp(d *desk, here, everywhere keyTable) *help {
	return &help{desk: d, groups: []KeyGroup{{"on this screen", here.working()}, {"everywhere", everywhere.all()}}}
}

// Actions scroll and close.
func (h *help) Actions() keyTable { return h.readingKeys(h, &h.reading) }

// View draws the box.
func (h *help) View(width, height int) string {
	w := min(64, width-2)
	var entries []string
	seen := map[string]bool{}
	for _, g := range h.groups {
		entries = append(entries, h.look.Faint.Render(g.Title))
		for _, b := range g.Keys {
			k := b.Help()
			if seen[k.Key+k.Desc] {
				continue
			}
			seen[k.Key+k.Desc] = true
			entries = append(entries, h.look.Accent.Render(text.Pad(k.Key, 8, false))+h.look.Text.Render(k.Desc))
		}
	}
	room := boxRoom(height)
	columns := 1
	if len(entries) > room && w >= 56 {
		columns = 2
	}
	per := (len(entries) + columns - 1) / columns
	lines := make([]string, 0, per)
	for i := range per {
		line := ""
		for c := range columns {
			if j := i + c*per; j < len(entries) {
				line += text.Pad(entries[j], (w-4)/columns, false)
			}
		}
		lines = append(lines, line)
	}
	return box(h.desk, "Keys", h.part(lines, room), w)
}
