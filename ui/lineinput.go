package ui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// lineInput is a line typed at the bottom of a screen: a filter. While it is open
// it takes every key; closed, its text stays in force until it is cleared.
type lineInput struct {
	*desk
	input  typedLine
	prompt string
	hint   string // what an empty one takes
	open   bool
	// wrong says where and why the text is not understood.
	wrong string
	// earlier are the texts that were applied before, the latest last; at is the one that is shown
	// again, len(earlier) for none, and draft what was typed when going through them began.
	earlier []string
	at      int
	draft   string
}

func newLineInput(d *desk, prompt, hint string) lineInput {
	in := newTypedLine()
	in.SetVirtualCursor(true)
	return lineInput{desk: d, input: in, prompt: prompt, hint: hint}
}

func (l *lineInput) text() string { return l.input.Value() }

func (l *lineInput) start() {
	l.desk.said = status{} // it is read by now, and has the same line
	l.open, l.at = true, len(l.earlier)
	l.input.offer(l.text())
}

func (l *lineInput) clear() {
	l.input.SetValue("")
	l.wrong = ""
	l.close()
}

func (l *lineInput) close() {
	l.open = false
	l.input.leave()
	if t := l.text(); t != "" {
		l.earlier = append(slices.DeleteFunc(slices.Clone(l.earlier), func(e string) bool { return e == t }), t)
	}
}

// recall goes through the texts that were applied before.
func (l *lineInput) recall(by int) {
	if l.at == len(l.earlier) {
		l.draft = l.text()
	}
	l.at = max(0, min(l.at+by, len(l.earlier)))
	shown := l.draft
	if l.at < len(l.earlier) {
		shown = l.earlier[l.at]
	}
	l.input.set(shown)
}

// takes is a line of text, while this one is open.
func (l *lineInput) takes() intake { return intake{line: l.open, what: "the filter"} }

func (l *lineInput) paste(s string) { l.input.paste(s) }

// actions are the keys of a filter line that is open; the line itself takes them.
func (l *lineInput) actions() keyTable {
	return keyTable{elsewhere(bind("enter", "keep")), elsewhere(bind("↑/↓", "earlier")), elsewhere(bind("esc", "show all"))}
}

// key takes one key and tells whether the text has changed.
func (l *lineInput) key(msg tea.KeyPressMsg) bool {
	before := l.text()
	switch msg.String() {
	case "enter":
		l.close()
	case "up":
		l.recall(-1)
	case "down":
		l.recall(1)
	case "esc", "ctrl+c":
		l.clear()
	default:
		l.input.press(msg)
	}
	return l.text() != before
}

// lineLeast is the room that is kept for what is typed.
const lineLeast = 12

// view draws the line with a count at its end; true while it is to be shown.
// A reason that has no room beside what is typed stands above it.
func (l lineInput) view(width int, count string) (string, bool) {
	prompt := l.look.Accent.Render(l.prompt) + " "
	style, words := l.look.Faint, count
	if l.wrong != "" {
		style, words = l.look.Broken, l.wrong
	}
	room := width - 1 - text.Width(prompt)
	if l.wrong != "" && !l.plain && text.Width(l.text())+3+2+text.Width(words) > room {
		told := strings.Join(styled(style, text.Wrap(words, width-1, mostStatus-1)), "\n")
		l.wrong = ""
		line, _ := l.view(width, "")
		return told + "\n" + line, true
	}
	words = text.Fit(words, max(0, min(text.Width(words), room-2-lineLeast)))
	tail := "  " + style.Render(words)
	room = max(lineLeast, room-text.Width(tail))
	if !l.open {
		return prompt + l.look.Text.Render(text.Fit(l.text(), room)) + tail, true
	}
	wide := room
	if v := l.text(); v != "" {
		wide = min(room, text.Width(v)+3)
	}
	return prompt + l.input.draw(l.desk, max(5, wide), l.hint) + tail, true
}
