package ui

import tea "charm.land/bubbletea/v2"

// What a screen or a dialog can do apart from what all can. App asks for these by name and
// knows nothing else of them.

// typist takes keys that its key table does not: text that is typed. It is false while
// nothing is being typed.
type typist interface {
	Type(k tea.KeyPressMsg) (cmd tea.Cmd, taken bool)
}

// typing is a screen or dialog in which letters may be text; false while they are not.
type typing interface{ Typing() bool }

// paster takes pasted text: Takes tells how much of it now, and Paste takes as much. App gives it nothing else.
type paster interface {
	Takes() intake
	Paste(text string) tea.Cmd
}

// sender waits for an answer to what it has sent, and takes no keys until that is there.
type sender interface{ Sending() bool }

// scroller is led through by the mouse wheel. All screens are.
type scroller interface{ Wheel(by int) }

// clicked takes clicks of the mouse; x and y count from the top left of the screen's own part, or of the box.
type clicked interface{ Click(x, y int) tea.Cmd }

// receiver is a dialog that data reaches. All screens are.
type receiver interface{ Receive(msg tea.Msg) tea.Cmd }

// settler is a dialog that is fitted to the terminal after anything has changed, as screens are.
// What it returns fetches what it lacks.
type settler interface{ Settle() tea.Cmd }

// liner is a screen with a line to type on in place of the status line. Line is false
// where there is nothing to show.
type liner interface {
	Line(width int) (line string, shown bool)
}

// returner goes back one step within the screen; it is false where there is none.
type returner interface{ Back() bool }

// hider is told that another screen becomes the active one.
type hider interface{ Hidden() }

// pauser is a screen that can stand still.
type pauser interface{ Paused() bool }

// pacer is a screen that knows of some news that nothing of them can be seen yet.
type pacer interface{ Shows(msg tea.Msg) bool }

// traceSource is a screen with something under its cursor that can be traced: its packets as a
// filter, "" for none in particular.
type traceSource interface{ TraceFilter() string }

// traceTarget is the screen that traces: it offers the filter to be started.
type traceTarget interface{ Suggest(filter string) }

// flowsTarget is the screen that shows connections: it filters them.
type flowsTarget interface{ ShowMatching(line string) tea.Cmd }

// switchboard is a screen on which the key for switches opens all of them.
type switchboard interface{ Switches() tea.Cmd }

// offerer has actions without a key, which are found by their names.
type offerer interface{ Offers() keyTable }

// placer names what is looked at where that is no variant of iptables.
type placer interface{ Place() string }
