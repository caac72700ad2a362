package ui

import (
	"context"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"nattui/model"
	"nattui/rules"
	"nattui/ui/theme"
)

// desk is what all screens have before them: the latest news of the gateway,
// the place that is looked at, and what was done here. Screens read it; only
// App and the methods below change it.
type desk struct {
	gw   Gateway
	look *theme.Theme

	width, height int
	now           time.Time // when the latest message came in

	tables  Tables
	history []Tables // earlier looks since rules last changed, for rates; oldest first
	facts   *model.Facts
	place   rules.Place

	dialogs []dialog
	said    status
	done    []rules.Plan // what was changed here, latest last
	undone  []rules.Plan // what was taken back, latest last
	busy    bool         // a plan is running
	pending *pending     // the change that waits to be confirmed
	seek    string       // the line of the rule that was made last, until it is seen
}

// status is the last line: what was done, or what went wrong.
type status struct {
	text   string
	failed bool
	undo   bool // u takes it back
}

// screen is one of the six tabs. It owns its state; data reaches all screens,
// input only the active one.
type screen interface {
	Receive(msg tea.Msg) tea.Cmd
	Key(msg tea.KeyPressMsg) tea.Cmd
	// Typing tells that a line is being typed here, which takes every key.
	Typing() bool
	Paste(text string) tea.Cmd
	Wheel(by int)
	// Settle fits the screen's cursor and windows to a size, after anything has
	// changed. View draws exactly what Settle left.
	// What it returns fetches what the new windows lack.
	Settle(width, height int) tea.Cmd
	View(width, height int) []string
	// Keys are the bindings that work now, the most wanted first.
	Keys() []key.Binding
}

// dialog is a box over the screen. The topmost takes all input.
type dialog interface {
	Update(msg tea.Msg) tea.Cmd
	// View draws the box for a terminal of that size.
	View(width, height int) string
	Keys() []key.Binding
}

func (d *desk) open(x dialog) { d.dialogs = append(d.dialogs, x) }

// close takes a dialog away, wherever it lies.
func (d *desk) close(x dialog) {
	for i := range d.dialogs {
		if d.dialogs[i] == x {
			d.dialogs = append(d.dialogs[:i:i], d.dialogs[i+1:]...)
			return
		}
	}
}

func (d *desk) say(text string) { d.said = status{text: text} }
func (d *desk) fail(err error)  { d.said = status{text: err.Error(), failed: true} }

// set is the rule set that is looked at; nil while there is none.
func (d *desk) set() *rules.Ruleset { return d.tables.Sets[d.place] }

// receiveTables takes a new snapshot.
func (d *desk) receiveTables(t Tables) {
	if t.Changed || d.tables.Sets == nil {
		d.history = d.history[:0]
	} else {
		d.history = append(d.history, d.tables)
		for len(d.history) > 1 && t.At.Sub(d.history[1].At) >= rateSpan {
			d.history = append(d.history[:0], d.history[1:]...)
		}
	}
	d.tables = t
	if _, ok := t.Sets[d.place]; !ok {
		d.place = firstPlace(t.Sets, d.place)
	}
}

// rateSpan is the time over which rates are taken.
const rateSpan = 4 * time.Second

// firstPlace chooses what to look at first: where there are NAT rules, in the
// order that places are shown.
func firstPlace(sets map[rules.Place]*rules.Ruleset, current rules.Place) rules.Place {
	best, found := current, false
	for _, p := range places(sets) {
		t, ok := sets[p].Table("nat")
		if ok && t.Rules() > 0 {
			return p
		}
		if !found {
			best, found = p, true
		}
	}
	return best
}

// places lists the places that have a rule set, in the order they are shown.
func places(sets map[rules.Place]*rules.Ruleset) []rules.Place {
	var ps []rules.Place
	for _, b := range rules.Backends {
		for _, f := range rules.Families {
			if _, ok := sets[rules.Place{Family: f, Backend: b}]; ok {
				ps = append(ps, rules.Place{Family: f, Backend: b})
			}
		}
	}
	return ps
}

// packetRate is how many packets a second the rule has met over the last few
// seconds; false where two looks at the same rules are not there yet.
func (d *desk) packetRate(table, chain string, at int) (float64, bool) {
	if len(d.history) == 0 {
		return 0, false
	}
	old := d.history[0]
	before, ok1 := ruleAt(old.Sets[d.place], table, chain, at)
	now, ok2 := ruleAt(d.set(), table, chain, at)
	seconds := d.tables.At.Sub(old.At).Seconds()
	if !ok1 || !ok2 || seconds < 0.5 || !before.Counters.Known || now.Counters.Packets < before.Counters.Packets {
		return 0, false
	}
	return float64(now.Counters.Packets-before.Counters.Packets) / seconds, true
}

// ruleAt is the rule at a position, counted from 1.
func ruleAt(s *rules.Ruleset, table, chain string, at int) (*rules.Rule, bool) {
	c, ok := s.Chain(table, chain)
	if !ok || at < 1 || at > len(c.Rules) {
		return nil, false
	}
	return &c.Rules[at-1], true
}

// appliedMsg tells how a plan went.
type appliedMsg struct {
	plan     rules.Plan
	deadline time.Time // when it is taken back unless confirmed; zero: never
	err      error
	// kind says whether the plan was new, an undo or a redo.
	kind appliedKind
	then func(error) tea.Cmd
}

type appliedKind uint8

const (
	appliedNew appliedKind = iota
	appliedUndo
	appliedRedo
)

// apply runs a plan in the background. then hears of the outcome in Update; nil
// leaves it to the status line.
func (d *desk) apply(p rules.Plan, kind appliedKind, then func(error) tea.Cmd) tea.Cmd {
	if d.gw.ReadOnly || d.gw.Changes == nil {
		d.said = status{text: "this nattui only looks: it was started with --read-only", failed: true}
		return nil
	}
	if d.busy {
		d.say("one change at a time: the last one is still being made")
		return nil
	}
	if d.pending != nil {
		d.said = status{text: "change " + d.pending.id + " waits to be confirmed: C keeps it, R takes it back", failed: true}
		return nil
	}
	d.busy = true
	changes, confirm := d.gw.Changes, d.confirmTime(p)
	return func() tea.Msg {
		done, deadline, err := changes.Apply(context.Background(), p, confirm)
		return appliedMsg{done, deadline, err, kind, then}
	}
}

// confirmTime is how long a change waits to be confirmed: not at all where it
// certainly leaves the operator's own connection alone.
func (d *desk) confirmTime(p rules.Plan) time.Duration {
	if d.gw.Journal == nil {
		return 0
	}
	after, err := p.Apply(d.tables.Sets)
	if err != nil {
		return 0 // it will be refused
	}
	if model.BlastOf(d.facts, d.tables.Sets, after, p, nil, 0).Own {
		return confirmTime
	}
	return 0
}

// confirmTime is how long a change that may touch the operator's own connection
// waits to be confirmed.
const confirmTime = 90 * time.Second

// applied notes the outcome of a plan.
func (d *desk) applied(msg appliedMsg) tea.Cmd {
	d.busy = false
	if msg.err != nil {
		d.fail(msg.err)
	} else {
		switch msg.kind {
		case appliedNew:
			d.done, d.undone = append(d.done, msg.plan), nil
		case appliedUndo:
			if n := len(d.done); n > 0 {
				d.undone, d.done = append(d.undone, d.done[n-1]), d.done[:n-1]
			}
		case appliedRedo:
			if n := len(d.undone); n > 0 {
				d.undone = d.undone[:n-1]
			}
			d.done = append(d.done, msg.plan)
		}
		d.said = status{text: commandLine(msg.plan), undo: msg.kind != appliedUndo}
		for _, c := range msg.plan.Changes() {
			if c.Op == rules.Insert || c.Op == rules.Replace {
				d.seek = c.Rule.String()
			}
		}
	}
	var cmds []tea.Cmd
	if !msg.deadline.IsZero() {
		cmds = append(cmds, d.lookForPending())
	}
	if msg.then != nil {
		cmds = append(cmds, msg.then(msg.err))
	}
	return tea.Batch(cmds...)
}

func commandLine(p rules.Plan) string {
	cs := p.Commands()
	if len(cs) == 0 {
		return p.Title
	}
	line := rules.ShellLine(cs[0])
	if n := len(cs) - 1; n > 0 {
		line += " (and " + plural(n, "more command") + ")"
	}
	return line
}

// undo takes back the last change made here.
func (d *desk) undo() tea.Cmd {
	if len(d.done) == 0 {
		d.say("nothing was changed here yet")
		return nil
	}
	return d.apply(d.done[len(d.done)-1].Inverse(), appliedUndo, nil)
}

// redo makes the last change again that was taken back.
func (d *desk) redo() tea.Cmd {
	if len(d.undone) == 0 {
		d.say("nothing was taken back here")
		return nil
	}
	return d.apply(d.undone[len(d.undone)-1], appliedRedo, nil)
}
