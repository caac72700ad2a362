package ui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// fields are the questions of a form, each on a line of its own. Any key of movement
// leaves a field, whatever stands in it: what is wrong there is marked by its
// name once it has been left, and said by whoever asks.
type fields struct {
	*desk
	list  []field
	label int // cells of the labels
	at    int // the field that keys go to
	was   int // the one that keys went to when that was asked last
	left  map[string]bool
	// touched tells that a key has been pressed in them.
	touched bool
	// wrong is what is wrong with a field, "" if nothing is.
	wrong func(key string) string
}

// field is one question.
type field interface {
	key() string
	title() string
	focus()
	blur()
	// press takes a key that no movement is meant by, and tells whether it was one of the field's.
	press(k tea.KeyPressMsg) bool
	paste(s string)
	view(width int) string
}

func newFields(d *desk, label int, wrong func(key string) string) *fields {
	return &fields{desk: d, label: label, left: map[string]bool{}, wrong: wrong}
}

// ask puts other questions; those that stay keep the mark of having been left, and the cursor.
func (f *fields) ask(list []field) {
	var old field
	if len(f.list) > 0 {
		old = f.list[f.at]
	}
	f.list, f.at = list, 0
	for i, x := range list {
		if old != nil && x.key() == old.key() {
			f.at = i
		}
	}
	f.list[f.at].focus()
	if c, is := f.list[f.at].(*choice); is {
		c.goOn(old)
	}
}

// focused is the key of the field that keys go to.
func (f *fields) focused() string { return f.list[f.at].key() }

// Go moves to a field; beyond the last comes the first.
func (f *fields) Go(to int) {
	n := len(f.list)
	f.touched = true
	f.leave()
	f.at = (to%n + n) % n
	f.list[f.at].focus()
}

// moved tells, once, that keys go to another field now.
func (f *fields) moved() bool {
	moved := f.at != f.was
	f.was = f.at
	return moved
}

// rank orders what is said of fields: as they stand, and last what is of none of them. With first, what is of the one that
// keys go to comes before all.
func (f *fields) rank(key string, first bool) int {
	at := slices.IndexFunc(f.list, func(x field) bool { return x.key() == key })
	switch {
	case at < 0:
		return len(f.list)
	case first && at == f.at:
		return -1
	}
	return at
}

// leave takes leave of the field that is filled in.
func (f *fields) leave() {
	f.left[f.focused()] = true
	f.list[f.at].blur()
}

// enter goes on to the next field; it is false in the last one.
func (f *fields) enter() bool {
	if f.at == len(f.list)-1 {
		f.leave()
		return false
	}
	f.Go(f.at + 1)
	return true
}

// goToWrong leaves all fields and goes to the first with something wrong in it; it
// says which that is and why, "" if nothing is wrong.
func (f *fields) goToWrong() string {
	for _, x := range f.list {
		f.left[x.key()] = true
	}
	for i, x := range f.list {
		if why := f.wrong(x.key()); why != "" {
			f.Go(i)
			if e, ok := x.(*entry); ok {
				e.input.fresh = false // to be corrected rather than replaced
			}
			return f.naming(x.key(), why)
		}
	}
	return ""
}

// naming is what is wrong with a field, with its title; of none that is asked it is said as it is.
func (f *fields) naming(key, why string) string {
	for _, x := range f.list {
		if x.key() == key {
			return strings.TrimSpace(x.title()) + ": " + why
		}
	}
	return why
}

// shows tells whether something wrong with a field is to be said already: once it has been left.
func (f *fields) shows(key string) bool { return f.left[key] }

// has tells whether there is such a field.
func (f *fields) has(key string) bool {
	return slices.ContainsFunc(f.list, func(x field) bool { return x.key() == key })
}

// isWrong tells whether what is wrong with the field that keys go to is said.
func (f *fields) isWrong() bool { return f.left[f.focused()] && f.wrong(f.focused()) != "" }

// suggestions are what is known for the field that is filled in.
func (f *fields) suggestions() []string {
	if e, ok := f.list[f.at].(*entry); ok {
		return e.suggestions
	}
	return nil
}

// press gives a key to the field.
func (f *fields) press(k tea.KeyPressMsg) bool {
	f.touched = true
	return f.list[f.at].press(k)
}

// takes is what the field takes of pasted text: a line, unless its options are gone through.
func (f *fields) takes() intake {
	title := strings.TrimSpace(f.list[f.at].title())
	if c, chosen := f.list[f.at].(*choice); chosen {
		return intake{why: title + " is chosen with " + c.arrows()}
	}
	return intake{line: true, what: title}
}

// paste puts text into the field.
func (f *fields) paste(s string) {
	f.touched = true
	f.list[f.at].paste(s)
}

// actions are the keys of the fields; plan shows what they make, which enter does in the last one. Those that leave the form
// are shown before those that the field has itself.
func (f *fields) actions(plan func() tea.Cmd, leaving keyTable) keyTable {
	offers := func() bool { e, ok := f.list[f.at].(*entry); return ok && e.offers() }
	chosen := func() bool { _, ok := f.list[f.at].(*choice); return ok }
	return keyTable{
		act(bind("tab/↓", "next", "tab", "down"), func() { f.Go(f.at + 1) }),
		on(bind("ctrl+s", "plan", "ctrl+s"), plan),
		act(bind("↑", "back", "up", "shift+tab"), func() { f.Go(f.at - 1) }),
		on(silent("enter"), func() tea.Cmd {
			if f.enter() {
				return nil
			}
			return plan()
		}),
	}.and(leaving, keyTable{
		elsewhere(bind("←/→", "another choice")).when(chosen),
		elsewhere(bind("→", "suggestion")).when(offers),
	})
}

// fieldMark is the room before a label, for the bar of the field that keys go to and the sign of one that is wrong. A sign
// that is a letter keeps away from the label.
func (f *fields) fieldMark() string {
	if f.look.Glyphs.Cross == "x" {
		return "    "
	}
	return "  "
}

// lines draws the fields at a width.
func (f *fields) lines(width int) []string {
	look, mark := f.look, f.fieldMark()
	lines := make([]string, len(f.list))
	for i, x := range f.list {
		style, bar, sign := look.Faint, " ", " "
		if i == f.at {
			style, bar = look.Accent.Bold(true), look.Accent.Render(look.Glyphs.Bar)
		}
		if f.left[x.key()] && f.wrong(x.key()) != "" {
			sign = look.Broken.Render(look.Glyphs.Cross)
		}
		room := max(4, width-len(mark)-f.label)
		gap := strings.Repeat(" ", (len(mark)-2)/2)
		lines[i] = bar + gap + sign + gap + style.Render(text.Pad(x.title(), f.label, false)) + text.Fit(x.view(room), room)
	}
	return lines
}

// window is the part of the lines, at most limit, in which the focused field is.
func (f *fields) window(width, limit int) []string {
	all := f.lines(width)
	from := f.first(limit)
	return all[from:min(len(all), from+limit)]
}

// first is the first field in sight.
func (f *fields) first(limit int) int { return max(0, min(f.at-limit/2, len(f.list)-limit)) }

// click goes to the field in a row of those in sight; in a choice it goes on to the next option.
func (f *fields) click(row, limit int) {
	at := f.first(limit) + row
	if row < 0 || row >= limit || at >= len(f.list) {
		return
	}
	if at == f.at {
		f.press(keyOf("right"))
		return
	}
	f.Go(at)
}
