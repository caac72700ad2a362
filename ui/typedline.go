package ui

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"nattui/ui/text"
)

// typedLine is a line of text, in a field or by itself. What stands in it when one comes to it is replaced by the first
// character typed; a blank goes on with it, a key that moves within it keeps it, and ctrl+z brings back what stood there.
type typedLine struct {
	textinput.Model
	fresh  bool   // the next character replaces the text
	before string // the text when one came to it
}

func newTypedLine() typedLine {
	in := textinput.New()
	in.Prompt = ""
	return typedLine{Model: in}
}

// offer comes to the line with a text that is to be begun with.
func (l *typedLine) offer(value string) {
	l.set(value)
	l.fresh, l.before = value != "", value
	l.Focus() // what it returns makes the cursor blink, which would redraw a slow line for nothing
}

// set puts a text in the line that is gone on with.
func (l *typedLine) set(value string) {
	l.SetValue(value)
	l.SetSuggestions(l.AvailableSuggestions()) // of the text as it is now
	l.CursorEnd()
	l.fresh = false
}

// leave goes away from the line.
func (l *typedLine) leave() {
	l.fresh = false
	l.Blur()
}

// press takes a key.
func (l *typedLine) press(k tea.KeyPressMsg) {
	if k.String() == "ctrl+z" {
		l.set(l.before)
		return
	}
	if l.fresh && strings.TrimSpace(k.Text) != "" {
		l.SetValue("")
	}
	l.fresh = false
	l.Model, _ = l.Update(k)
}

// paste puts pasted text in.
func (l *typedLine) paste(s string) {
	if l.fresh {
		l.SetValue("")
	}
	l.fresh = false
	l.Model, _ = l.Update(tea.PasteMsg{Content: s})
	l.SetSuggestions(l.AvailableSuggestions()) // of the text as it is now
}

// draw draws the line, with the part of it in sight where the cursor is. A hint stands for an empty one: in parentheses, so
// that it is told apart without colour.
func (l typedLine) draw(d *desk, width int, hint string) string {
	if l.fresh {
		return d.look.Selected.Render(text.Fit(text.Safe(l.Value()), width-1)) + d.look.Selected.Render(" ")
	}
	l.SetStyles(inputStyles(d))
	l.Placeholder = text.Fit(inParentheses(hint), width-1)
	l.showAround(max(1, width-1))
	l.SetWidth(max(1, width-1))
	l.SetCursor(l.Position()) // has it choose again which part is seen
	view := l.View()
	if bare := ansi.Strip(view); text.Width(bare) > width && text.Width(strings.TrimRight(bare, " ")) <= width {
		return text.Truncate(view, width, "") // a suggestion has cells of its own beside the line's
	}
	return view
}

// showAround cuts a text that is longer than its room to what is around the cursor, with a mark where more of it is.
func (l *typedLine) showAround(room int) {
	const mark = "…"
	all, at := []rune(l.Value()), l.Position()
	if text.Width(string(all)) <= room || room < 3 {
		return
	}
	from, to, marks := 0, len(all), 2
	if at == to {
		marks = 1
	}
	for text.Width(string(all[from:at])) > room-marks {
		from++
	}
	if from > 0 {
		room--
	}
	for to > at && text.Width(string(all[from:to])) > room {
		if to == len(all) {
			room--
		}
		to--
	}
	shown := string(all[from:to])
	if from > 0 {
		shown = mark + shown
		at++
	}
	if to < len(all) {
		shown += mark
	}
	l.SetValue(shown)
	l.SetCursor(at - from)
}

func inParentheses(hint string) string {
	if hint == "" {
		return ""
	}
	return "(" + hint + ")"
}

// inputStyles give a line that is typed the look of the screens.
func inputStyles(d *desk) textinput.Styles {
	state := textinput.StyleState{Text: d.look.Input.Lipgloss(), Placeholder: d.look.Faint.Lipgloss(), Suggestion: d.look.Faint.Lipgloss(), Prompt: lipgloss.NewStyle()}
	styles := textinput.Styles{Focused: state, Blurred: state}
	styles.Cursor.Color, styles.Cursor.Shape = d.look.Text.Foreground(), tea.CursorBlock
	return styles
}
