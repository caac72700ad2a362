package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// help lists every key of the screen or box beneath it, each with what it does.
type help struct {
	*desk
	groups []keyGroup
	reading
}

// KeyGroup is a set of bindings under a heading.
type KeyGroup struct {
	Title string
	Keys  []key.Binding
}

func newHelp(d *desk, groups []keyGroup) *help { return &help{desk: d, groups: groups} }

// Actions scroll and close.
func (h *help) Actions() keyTable { return h.readingKeys(h, &h.reading) }

// The column of the keys is as wide as the longest of them, within limits.
const (
	leastKey = 9
	mostKey  = 18
)

// Settle fits the keys to the terminal.
func (h *help) Settle() tea.Cmd {
	h.fit(h.list(min(78, h.width-2)-4), boxRoom(h.boxHeight()))
	return nil
}

// View draws the box.
func (h *help) View(width, _ int) string {
	return box(h.desk, h.under("Keys ("+keys.Search.Help().Key+" searches)", min(78, width-2)), h.seen(), min(78, width-2))
}

// list is every key with what it does.
func (h *help) list(inner int) []string {
	var lines []string
	column := leastKey
	for _, g := range h.groups {
		for _, x := range g.keys {
			column = max(column, min(mostKey, text.Width(h.look.Glyphs.Key(x.label()))+1))
		}
	}
	said := map[key.Help]bool{}
	for _, g := range h.groups {
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, h.look.Faint.Render(g.title))
		for _, x := range g.keys {
			k := x.keys.Help()
			if said[k] {
				continue
			}
			said[k] = true
			lines = append(lines, h.entry(&x, column, inner)...)
		}
	}
	return lines
}

// entry is a key with its name and, where there is one, the clause that says what it does.
func (h *help) entry(x *action, column, width int) []string {
	words := x.name()
	if c := x.words(); c != "" {
		words += ": " + c
	}
	var lines []string
	for i, l := range text.Wrap(words, width-column, 0) {
		label := ""
		if i == 0 {
			label = h.look.Glyphs.Key(x.label())
		}
		lines = append(lines, h.look.Accent.Render(text.Pad(label, column-1, false)+" ")+h.look.Text.Render(l))
	}
	return lines
}
