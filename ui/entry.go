package ui

import (
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/ui/text"
)

// entry is a field of text. What stands in it when one comes to it is replaced by
// the first character typed; a key that moves within it keeps it, and ctrl+z
// brings back what stood there.
type entry struct {
	*desk
	name, label string
	hint        string // what an empty field means, or takes
	value       *string
	suggestions []string
	input       textinput.Model
	focused     bool
	fresh       bool   // the next character replaces the value
	before      string // the value when one came to the field
}

// newEntry makes the field for a value, which is kept up to date.
func newEntry(d *desk, name, label, hint string, value *string, suggestions []string) *entry {
	in := textinput.New()
	in.Prompt = ""
	in.ShowSuggestions = len(suggestions) > 0
	in.SetSuggestions(suggestions)
	in.KeyMap.AcceptSuggestion.SetKeys("right", "ctrl+e")
	in.SetValue(*value)
	return &entry{desk: d, name: name, label: label, hint: hint, value: value, suggestions: suggestions, input: in}
}

func (e *entry) key() string   { return e.name }
func (e *entry) title() string { return e.label }

func (e *entry) focus() {
	e.focused, e.fresh, e.before = true, *e.value != "", *e.value
	e.input.SetValue(*e.value)
	e.input.Focus() // what it returns makes the cursor blink, which would redraw a slow line for nothing
	e.input.CursorEnd()
}

func (e *entry) blur() {
	e.focused, e.fresh = false, false
	e.input.Blur()
}

func (e *entry) press(k tea.KeyPressMsg) bool {
	switch {
	case k.String() == "ctrl+z":
		e.input.SetValue(e.before)
		e.input.CursorEnd()
	default:
		if e.fresh && k.Text != "" {
			e.input.SetValue("")
		}
		e.input, _ = e.input.Update(k)
	}
	e.fresh = false
	*e.value = e.input.Value()
	return true
}

func (e *entry) paste(s string) {
	if e.fresh {
		e.input.SetValue("")
	}
	e.fresh = false
	e.input, _ = e.input.Update(tea.PasteMsg{Content: s})
	*e.value = e.input.Value()
}

// view draws the value; what only stands for an empty one is in parentheses, so that it
// is told apart without colour.
func (e *entry) view(width int) string {
	look := e.look
	hint := ""
	if e.hint != "" {
		hint = "(" + e.hint + ")"
	}
	switch {
	case !e.focused && *e.value == "":
		return look.Faint.Render(text.Fit(hint, width))
	case !e.focused:
		return look.Input.Render(text.Fit(text.Safe(*e.value), width))
	case e.fresh:
		return look.Selected.Render(text.Fit(text.Safe(*e.value), width-1)) + look.Selected.Render(" ")
	}
	in := e.input
	in.SetStyles(inputStyles(e.desk))
	in.Placeholder = text.Fit(hint, width-1)
	in.SetWidth(max(1, width-1))
	in.SetCursor(in.Position()) // has it choose again which part is seen
	return in.View()
}

// inputStyles give a line that is typed the look of the screens.
func inputStyles(d *desk) textinput.Styles {
	state := textinput.StyleState{Text: d.look.Input, Placeholder: d.look.Faint, Suggestion: d.look.Faint, Prompt: lipgloss.NewStyle()}
	styles := textinput.Styles{Focused: state, Blurred: state}
	styles.Cursor.Color, styles.Cursor.Shape = d.look.Text.GetForeground(), tea.CursorBlock
	return styles
}
