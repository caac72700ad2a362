package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// entry is a field of text.
type entry struct {
	*desk
	name, label string
	hint        string // what an empty field means, or takes
	value       *string
	suggestions []string
	input       typedLine
	focused     bool
}

// newEntry makes the field for a value, which is kept up to date.
func newEntry(d *desk, name, label, hint string, value *string, suggestions []string) *entry {
	in := newTypedLine()
	in.ShowSuggestions = len(suggestions) > 0
	in.SetSuggestions(suggestions)
	in.KeyMap.AcceptSuggestion.SetKeys("right", "ctrl+e")
	in.SetValue(*value)
	return &entry{desk: d, name: name, label: label, hint: hint, value: value, suggestions: suggestions, input: in}
}

func (e *entry) key() string   { return e.name }
func (e *entry) title() string { return e.label }

func (e *entry) focus() {
	e.focused = true
	e.input.offer(*e.value)
}

func (e *entry) blur() {
	e.focused = false
	e.input.leave()
}

func (e *entry) press(k tea.KeyPressMsg) bool {
	if key.Matches(k, e.input.KeyMap.AcceptSuggestion) && *e.value == "" && e.hint != "" {
		e.sayBriefly("what stands in parentheses is no suggestion: it says what an empty field means, or what it takes")
	}
	e.input.press(k)
	*e.value = e.input.Value()
	return true
}

// offers tells whether a suggestion stands behind what is typed.
func (e *entry) offers() bool {
	return !e.input.fresh && e.input.Value() != "" && e.input.CurrentSuggestion() != e.input.Value() && len(e.input.MatchedSuggestions()) > 0
}

func (e *entry) paste(s string) {
	e.input.paste(s)
	*e.value = e.input.Value()
}

// view draws the value, or what stands for an empty one.
func (e *entry) view(width int) string {
	look := e.look
	switch {
	case e.focused:
		return e.input.draw(e.desk, width, e.hint)
	case *e.value == "":
		return look.Faint.Render(text.Fit(inParentheses(e.hint), width))
	}
	return look.Input.Render(text.Fit(text.Safe(*e.value), width))
}
