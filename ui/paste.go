package ui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/paste"
)

// intake is what is taken of pasted text now; the zero one is nothing.
type intake struct {
	line, lines bool   // one line is, or several
	what        string // the line by its name, for whoever pastes several
	why         string // why nothing is; "" where there is no place to type
}

// paste gives pasted text to what takes it: what is typed in, and else import, wherever commands are pasted. What nobody takes
// is told, and why.
func (a *App) paste(pasted string) tea.Cmd {
	pasted = strings.TrimRight(paste.FedLines(pasted), "\n")
	in, takes := a.input().(sender)
	switch {
	case a.leaving != staying || strings.TrimSpace(pasted) == "":
		return nil
	case a.ahead.waits:
		a.ahead.input = append(a.ahead.input, tea.PasteMsg{Content: pasted})
		return nil
	case takes && in.Sending():
		a.refusePasted("a change is being made; paste again when it is done")
		return nil
	}
	return a.pasteLines(pasted)
}

// pasteLines gives lines to what takes so many; commands go to import, unless they are one line and that is typed.
func (a *App) pasteLines(pasted string) tea.Cmd {
	into, take := a.intake()
	line := strings.TrimSpace(pasted)
	n := strings.Count(line, "\n") + 1
	commands := paste.HasCommands(pasted)
	switch {
	case into.lines:
		return take(pasted)
	case into.line && n == 1 && (a.typing() || !commands):
		return take(line)
	case commands && a.opensImport():
		if why := a.noImport(); why != "" {
			a.refusePasted(why)
			return nil
		}
		return a.importPasted(pasted)
	case into.line:
		a.refusePasted(rules.Plural(n, "line") + ", and " + into.what + " is one")
	case into.why != "":
		a.refusePasted(into.why)
	case a.top() != nil:
		a.refusePasted("there is no text to type here; esc closes it")
	default:
		a.refusePasted("no command of iptables or nft is in it")
	}
	return nil
}

// intake is what the screen or box that has the keys takes of pasted text, and what gives it that.
func (a *App) intake() (intake, func(string) tea.Cmd) {
	in, takes := a.input().(paster)
	switch {
	case a.searchOpen():
		return intake{line: true, what: "what is searched for"}, a.pasteSearch
	case takes:
		return in.Takes(), in.Paste
	}
	return intake{}, nil
}

// opensImport tells whether import may come over what is shown: not over a question, which is to be answered first, and not
// over import itself.
func (a *App) opensImport() bool {
	_, asks := a.top().(asker)
	_, types := a.top().(paster)
	return (types || !asks) && !slices.ContainsFunc(a.dialogs, func(x dialog) bool { _, is := x.(*importDialog); return is })
}

// noImport is why no commands can be imported now; "" where they can.
func (d *desk) noImport() string {
	switch {
	case d.gw.ReadOnly:
		return d.whyReadOnly()
	case d.set() != nil || d.natively():
		return ""
	case d.tables.Sets == nil:
		return "the rules have not been read yet"
	}
	return "there are no rules here that could be changed"
}

// refusePasted says why text is not taken.
func (d *desk) refusePasted(why string) {
	d.said = status{text: "nothing was pasted: " + why, failed: true, brief: true}
}

// mostPasted is how many lines the box of import holds; it would cut off more without a word.
const mostPasted = 10_000

// tooLong tells, and says, that lines are more than the box holds.
func (d *desk) tooLong(lines string) bool {
	n := strings.Count(lines, "\n") + 1
	if n > mostPasted {
		d.refusePasted(fmt.Sprintf("%s are more than import holds here; save them to a file and run  nattui import FILE", rules.Plural(n, "line")))
	}
	return n > mostPasted
}
