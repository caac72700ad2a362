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
	hit          func(string) string // marks what is searched for; nil where nothing is
}

// add adds what has one value; "" is left out.
func (l *factLines) add(style theme.Style, label, value string) {
	for i, part := range text.Wrap(text.Safe(value), l.width-l.label, 0) {
		if i > 0 {
			label = ""
		}
		l.lines = append(l.lines, l.look.Faint.Render(text.Pad(label, l.label, false))+l.marked(style.Render(part)))
	}
}

func (l *factLines) say(label, value string) { l.add(l.look.Text, label, value) }

func (l *factLines) marked(part string) string {
	if l.hit != nil {
		return l.hit(part)
	}
	return part
}

// count adds figures, which nobody searches.
func (l *factLines) count(label, value string) {
	hit := l.hit
	l.hit = nil
	l.say(label, value)
	l.hit = hit
}

// head adds a sentence over the facts.
func (l *factLines) head(sentence string) {
	for _, part := range text.Wrap(text.Safe(sentence), l.width, 0) {
		l.lines = append(l.lines, l.marked(l.look.Strong.Render(part)))
	}
}
