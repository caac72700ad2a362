package ui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
)

// asker is a screen or a dialog in which a key agrees to what it shows.
type asker interface {
	// Asks names what a key would agree to now, "" where none does. known is false while a part of it
	// is still being worked out.
	Asks() (what string, known bool)
}

// asked is what was put to the operator last, and since when it is on the screen.
type asked struct {
	what string
	at   time.Time
	by   string // the key before it, which may be held down
}

// How long something is on the screen before a key agrees to it: a key that was typed ahead, or repeats,
// was pressed before anybody can have read it. A terminal begins to repeat a key after 660 ms at most, as
// usual; so much longer it takes for the key that led here.
const (
	readTime   = 400 * time.Millisecond
	repeatTime = 800 * time.Millisecond
)

// noteAsked notes what the screen asks as of now; before is what it asked before the latest message.
func (a *App) noteAsked(before asked) tea.Cmd {
	what := ""
	if in, ok := a.input().(asker); ok {
		known := false
		if what, known = in.Asks(); !known {
			what += "\n?" // it is read anew once the rest is there
		}
	}
	if what != a.asked.what {
		a.asked = asked{what, a.now, a.lastKey}
	}
	if a.asked == before || what == "" {
		return nil
	}
	return a.showAgreeing()
}

// readFirst is the table with the keys that agree under the name of what they do as long as what is asked cannot have been
// read: nothing.
func (a *App) readFirst(t keyTable) keyTable {
	in, ok := a.input().(asker)
	if !ok || a.plain { // there each change of a line is read out
		return t
	}
	_, known := in.Asks()
	out := slices.Clone(t)
	for i, x := range out {
		label, wait := x.keys.Help().Key, readTime
		if slices.Contains(x.keys.Keys(), a.asked.by) {
			wait = repeatTime
		}
		switch {
		case !x.agrees || label == "":
		case !known:
			out[i].keys.SetHelp(label, "is being checked")
		case a.now.Sub(a.asked.at) < wait:
			out[i].keys.SetHelp(label, "read it first")
		}
	}
	return out
}

// askedMsg says that what is asked may have been on the screen for long enough.
type askedMsg struct{}

// showAgreeing has the key line drawn anew once its keys agree.
func (a *App) showAgreeing() tea.Cmd {
	if a.pulse == nil || a.plain {
		return nil // no program runs that would draw it anew
	}
	after := func(d time.Duration) tea.Cmd {
		return tea.Tick(d, func(time.Time) tea.Msg { return askedMsg{} })
	}
	return tea.Batch(after(readTime), after(repeatTime))
}

// hasty tells whether a key agrees to what cannot have been read yet, and says so.
func (a *App) hasty(own keyTable, k tea.KeyPressMsg) bool {
	x, _ := own.find(k)
	return x != nil && x.agrees && a.unread(k.String(), k.IsRepeat)
}

// unread tells that what is asked cannot have been read yet by who presses a key, or clicks, and says so. The
// next press counts once it has been still for a moment.
func (a *App) unread(key string, repeats bool) bool {
	in, ok := a.input().(asker)
	if !ok {
		return false
	}
	what, known := in.Asks()
	wait := readTime
	if key == a.asked.by {
		wait = repeatTime
	}
	switch {
	case !known:
		a.say("not yet: it is still being checked what this would touch")
	case repeats || what != a.asked.what || a.now.Sub(a.asked.at) < wait:
		a.say("read it first; then " + key + " again")
	default:
		return false
	}
	a.asked.at = a.now
	return true
}
