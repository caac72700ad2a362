package ui

import (
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/ui/text"
)

// click chooses a tab, or does what the key line offers; a box, or a screen that takes clicks, gets the others.
func (a *App) click(msg tea.MouseClickMsg) tea.Cmd {
	if msg.Button != tea.MouseLeft || a.leaving != staying {
		return nil
	}
	if msg.Y == a.height-footLines-a.more {
		return a.clickKey(msg.X)
	}
	const byMouse = "click"
	a.lastKey = byMouse
	if d := a.top(); d != nil {
		x, y, w, h := a.placeOf(d.View(a.width, a.boxHeight()))
		if c, ok := d.(clicked); ok && msg.X >= x && msg.X < x+w && msg.Y >= y && msg.Y < y+h {
			if q, ok := d.(*question); ok && q.button(msg.X-x, msg.Y-y) == buttonYes && a.unread(byMouse, false) {
				return nil
			}
			return c.Click(msg.X-x, msg.Y-y)
		}
		return nil
	}
	if msg.Y == 1 {
		return a.clickTab(msg.X)
	}
	if s, ok := a.screen().(clicked); ok {
		body := a.height - a.bodyHeight() - footLines - a.more
		return s.Click(msg.X, msg.Y-body)
	}
	return nil
}

func (a *App) clickTab(at int) tea.Cmd {
	x := 1
	for i, label := range a.tabLabels() {
		w := text.Width(label)
		if at >= x && at < x+w && a.screens[i] != nil {
			return a.show(i)
		}
		x += w + tabGap
	}
	return nil
}

// clickKey presses the key whose label is at x of the key line.
func (a *App) clickKey(at int) tea.Cmd {
	x := 1
	for _, b := range a.keyLabels() {
		w := a.labelWidthOf(b)
		if at >= x && at < x+w && len(b.Keys()) > 0 {
			return a.key(keyOf(b.Keys()[0]))
		}
		x += w + tabGap
	}
	return nil
}

// labelWidthOf is how many cells a key and its name take.
func (d *desk) labelWidthOf(b key.Binding) int {
	return text.Width(b.Help().Key + d.look.Told + b.Help().Desc)
}

// placeOf is where a box is laid, and how large it is.
func (a *App) placeOf(box string) (x, y, w, h int) {
	w, h = text.Width(box), lipgloss.Height(box)
	return max(0, (a.width-w)/2), max(0, (a.boxHeight()-h)/2), w, h
}

// keyCodes are the keys that have a name.
var keyCodes = map[string]rune{
	"enter": tea.KeyEnter, "tab": tea.KeyTab, "esc": tea.KeyEscape, "space": tea.KeySpace, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "insert": tea.KeyInsert,
	"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
	"f1": tea.KeyF1, "f2": tea.KeyF2, "f3": tea.KeyF3, "f4": tea.KeyF4, "f5": tea.KeyF5, "f6": tea.KeyF6,
	"f7": tea.KeyF7, "f8": tea.KeyF8, "f9": tea.KeyF9, "f10": tea.KeyF10, "f11": tea.KeyF11, "f12": tea.KeyF12,
}

// keyOf is the press of a key that a binding names.
func keyOf(name string) tea.KeyPressMsg {
	var k tea.KeyPressMsg
	for _, m := range []struct {
		prefix string
		mod    tea.KeyMod
	}{{"ctrl+", tea.ModCtrl}, {"alt+", tea.ModAlt}, {"shift+", tea.ModShift}} {
		if rest, ok := strings.CutPrefix(name, m.prefix); ok && rest != "" {
			name, k.Mod = rest, k.Mod|m.mod
		}
	}
	if code, ok := keyCodes[name]; ok {
		k.Code = code
		if code == tea.KeySpace {
			k.Text = " "
		}
		return k
	}
	k.Code, _ = utf8.DecodeRuneInString(name)
	if k.Mod == 0 {
		k.Text = name
	}
	return k
}

// button is one of a question's answers.
type button uint8

const (
	noButton button = iota
	buttonNo
	buttonYes
)

// button is the one at a place of the box.
func (q *question) button(x, y int) button {
	h := lipgloss.Height(q.View(q.width(), q.boxHeight()))
	const from, no, gap = 2, 6, 3 // the frame, [ No ], and what is between
	switch x -= from; {
	case y != h-2:
	case x >= 0 && x < no:
		return buttonNo
	case x >= no+gap && x < no+gap+4+text.Width(q.verb):
		return buttonYes
	}
	return noButton
}

// Click answers with the button under the mouse.
func (q *question) Click(x, y int) tea.Cmd {
	b := q.button(x, y)
	switch {
	case b == noButton:
		return nil
	case b == buttonYes && !q.read.whole():
		q.readOn()
		return nil
	}
	return q.answer(b == buttonYes)
}

// Click puts the cursor on a chain, or shows the one that it is on.
func (c *chainChoice) Click(_, y int) tea.Cmd {
	from, to := c.cursor.Window(len(c.rows), c.room())
	row := from + y - 2
	switch {
	case y < 2 || row >= to:
	case row == c.cursor.Index():
		c.choose()
	default:
		c.move(row - c.cursor.Index())
	}
	return nil
}

// Click puts the cursor on a switch, or changes the one that it is on.
func (s *switches) Click(_, y int) tea.Cmd {
	row, ok := s.rowAt(y)
	switch {
	case s.typing || !ok:
	case row == s.cursor.Index():
		cmd, _ := s.Actions().press(keyOf("enter"))
		return cmd
	default:
		s.move(row - s.cursor.Index())
	}
	return nil
}

// rowAt is the switch on a line of the box, as it was drawn last; the lines of headings have none.
func (s *switches) rowAt(y int) (row int, ok bool) {
	y -= 2 // the frame and the titles
	if y < 0 || y >= len(s.shown) || s.shown[y] < 0 {
		return 0, false
	}
	return s.shown[y], true
}

// Click goes to a field, or to the next option of a choice.
func (f *form) Click(_, y int) tea.Cmd {
	if f.ready || f.sending {
		return nil
	}
	rows := f.boxHeight() - 2
	if !f.sideBySide(f.desk.width) {
		rows = max(3, rows-5)
	}
	f.fields.click(y-1, rows)
	f.typed(true)
	return nil
}
