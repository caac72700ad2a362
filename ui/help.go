package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

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

// everywhere are the keys that work on every screen.
func everywhere() []key.Binding {
	return append(append([]key.Binding(nil), keys.Screens[0], keys.Screens[1], keys.Screens[2], keys.Screens[3], keys.Screens[4], keys.Screens[5]), keys.Undo, keys.Redo, keys.Confirm, keys.Rollback, keys.Help, keys.Redraw, keys.Quit)
}

func newHelp(d *desk, s screen) *help {
	return &help{desk: d, groups: []KeyGroup{{"on this screen", s.Keys()}, {"everywhere", everywhere()}}}
}

// Update scrolls, or closes on any other key.
func (h *help) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok && !h.reads(k) {
		h.close(h)
	}
	return nil
}

// Keys closes it.
func (h *help) Keys() []key.Binding { return []key.Binding{keys.Up, keys.Down, keys.Close} }

// View draws the box.
func (h *help) View(width, height int) string {
	w := min(64, width-2)
	var entries []string
	seen := map[string]bool{}
	for _, g := range h.groups {
		entries = append(entries, h.look.Faint.Render(g.Title))
		for _, b := range g.Keys {
			k := b.Help()
			if !b.Enabled() || seen[k.Key+k.Desc] {
				continue
			}
			seen[k.Key+k.Desc] = true
			entries = append(entries, h.look.Accent.Render(text.Pad(k.Key, 8, false))+h.look.Text.Render(k.Desc))
		}
	}
	room := max(3, height-6)
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
