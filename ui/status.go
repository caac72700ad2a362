package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// status is the last line: what was done, what is worth knowing, or what went wrong. It goes after a while.
type status struct {
	text string
	// file is what the text ends in: of a long path the name is shown.
	file string
	// command is what was run, shown where there is room.
	command string
	failed  bool
	done    bool // it tells of something that was done
	undo    bool // u undoes it
	brief   bool // it is about a key or a field: the next key ends it
}

// How long the last line stays.
const (
	statusTime = 20 * time.Second
	failedTime = 2 * time.Minute
)

// say says what is worth knowing, done what was done.
func (d *desk) say(text string)     { d.said = status{text: text} }
func (d *desk) sayDone(text string) { d.said = status{text: text, done: true} }

// sayBriefly answers a key that does nothing there, or says what a field does not take: with the next key that is over.
func (d *desk) sayBriefly(text string) { d.said = status{text: text, brief: true} }

// saying is sayBriefly for a key table: why a key does nothing.
func (d *desk) saying(text string) func() { return func() { d.sayBriefly(text) } }

func (d *desk) fail(err error) { d.refuse(err.Error()) }

// refuse says why something was not done.
func (d *desk) refuse(text string) { d.said = status{text: text, failed: true} }

// staleMsg says that the last line may have been there for long enough.
type staleMsg struct{}

// ageStatus has a new last line go after a while.
func (a *App) ageStatus() tea.Cmd {
	if a.said == a.saidBefore {
		return nil
	}
	a.saidBefore = a.said
	if a.said.text == "" {
		return nil
	}
	wait := statusTime
	if a.said.failed {
		wait = failedTime
	}
	a.saidUntil = a.now.Add(wait)
	if a.pulse == nil {
		return nil // no program runs that would draw it anew
	}
	return tea.Tick(wait+frame, func(time.Time) tea.Msg { return staleMsg{} })
}

// dropRefusal drops what a box has refused once that box is closed.
func (a *App) dropRefusal() {
	switch {
	case a.said != a.saidBefore:
		a.saidIn = a.top()
	case a.said.failed && a.saidIn != nil && !slices.Contains(a.dialogs, a.saidIn):
		a.said = status{}
	}
}

// dropStatus drops the last line if it has been there for long enough; one that came later stays.
func (a *App) dropStatus() {
	if !a.now.Before(a.saidUntil) {
		a.said = status{}
		a.saidBefore = a.said
	}
}

// doneWords say what a plan has done.
func doneWords(p rules.Plan, kind appliedKind) string {
	changes := p.Changes()
	switch {
	case kind == appliedUndo:
		return "undone"
	case kind == appliedRedo:
		return "done again"
	case kind == appliedParked || kind == appliedRestored:
		return parkWords(p, kind)
	case len(changes) == 0 && nativeWords(p) != "":
		return nativeWords(p)
	case len(p.Steps) > 1 && p.Title != "":
		return "done: " + strings.TrimSuffix(p.Title, ".")
	case len(changes) != 1 || len(p.Steps) != 1:
		return "done, " + rules.Plural(len(p.Steps), "step")
	}
	switch c := changes[0]; c.Op {
	case rules.Insert:
		return "rule added to " + c.Chain
	case rules.Delete:
		return fmt.Sprintf("rule %d of %s deleted", c.At, c.Chain)
	case rules.Replace:
		return fmt.Sprintf("rule %d of %s changed", c.At, c.Chain)
	case rules.Move:
		return fmt.Sprintf("rule %d of %s is rule %d now", c.At, c.Chain, c.To)
	}
	return "done"
}

// parkWords say which rule was put away or brought back.
func parkWords(p rules.Plan, kind appliedKind) string {
	verb, with := "parked", " from "
	if kind == appliedRestored {
		verb, with = "restored", " to "
	}
	switch all, natives := p.Changes(), p.Natives(); {
	case len(all) > 0 && all[0].At > 0:
		return fmt.Sprintf("rule %d of %s %s", all[0].At, all[0].Chain, verb)
	case len(all) > 0:
		return "rule " + verb + with + all[0].Chain
	case len(natives) > 0:
		return "rule " + verb + with + natives[0].Place()
	}
	return verb
}

// nativeWords say what was done to one native rule or element; "" where a plan does more, or something else.
func nativeWords(p rules.Plan) string {
	all := p.Natives()
	if len(all) == 0 || len(all) > 2 || len(all) != len(p.Steps) {
		return ""
	}
	first, last := all[0], all[len(all)-1]
	what, where := string(first.What), first.Place()
	switch {
	case first.What != rules.NativeRule && first.What != rules.NativeElement || first.What != last.What || where != last.Place():
	case len(all) == 1 && first.Gone:
		return what + " deleted from " + where
	case len(all) == 1:
		return what + " added to " + where
	case !first.Gone || last.Gone:
	case first.Print == last.Print && what == string(rules.NativeRule):
		return "rule moved within " + where
	default:
		return what + " of " + where + " changed"
	}
	return ""
}

func commandLine(p rules.Plan) string {
	cs := p.Commands()
	if len(cs) == 0 {
		return p.Title
	}
	line := rules.ShellLine(cs[0])
	if n := len(cs) - 1; n > 0 {
		line += " (and " + rules.Plural(n, "more command") + ")"
	}
	return line
}

// bell rings while a change waits to be confirmed and its last seconds run.
func (a *App) bell() tea.Cmd {
	if a.pending == nil || a.gw.ReadOnly {
		return nil
	}
	if left := a.pending.left(a.now); left > 0 && left <= ringsFor {
		return tea.Raw("\a")
	}
	return nil
}

// ringsFor is how long the end of a countdown rings.
const ringsFor = 10 * time.Second

// title is the title of the terminal: while a change waits to be confirmed, how long it still stands.
func (a *App) title() string {
	name := "nattui"
	if a.facts != nil {
		name += " " + a.facts.Hostname
	}
	if a.pending == nil {
		return name
	}
	return fmt.Sprintf("! %s to confirm - %s", max(0, a.pending.left(a.now)).Round(time.Second), name)
}
