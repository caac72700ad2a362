package ui

import (
	"nattui/ui/text"
	"nattui/ui/theme"
)

// factLines gathers lines that each have a label.
type factLines struct {
	look         *theme.Theme
	width, label int // cells of a line, and of its label
	lines        []string
}

// add adds what has one value; "" is left out.
func (l *factLines) add(style theme.Style, label, value string) {
	for i, part := range text.Wrap(text.Safe(value), l.width-l.label, 0) {
		if i > 0 {
			label = ""
		}
		l.lines = append(l.lines, l.look.Faint.Render(text.Pad(label, l.label, false))+style.Render(part))
	}
}

func (l *factLines) say(label, value string) { l.add(l.look.Text, label, value) }

// head adds a sentence over the facts.
func (l *factLines) head(sentence string) {
	for _, part := range text.Wrap(text.Safe(sentence), l.width, 0) {
		l.lines = append(l.lines, l.look.Strong.Render(part))
	}
}
