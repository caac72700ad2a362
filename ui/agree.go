package ui

import (
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

// noteAsked notes what the screen asks as of now.
func (a *App) noteAsked() {
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
