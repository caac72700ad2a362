package ui

import (
	"context"
	"slices"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/theme"
)

// desk is what all screens have before them: the latest news of the gateway,
// the place that is looked at, and what was done here. Screens read it and change
// it by its methods alone.
type desk struct {
	ctx  context.Context // of the command: it ends with the program
	gw   Gateway
	look *theme.Theme

	width, height int
	more          int       // rows of the last line beyond its own
	now           time.Time // when the latest message came in

	tables  Tables
	history []Tables // earlier looks since rules last changed, for rates; oldest first
	facts   *facts.Facts
	variant rules.Variant

	dialogs  []dialog
	said     status
	done     []Done // what was changed here, latest last
	undone   []Done // what was undone, latest last
	before   reversible
	busy     bool // a plan is running
	ahead    typeahead
	asks     questions
	underway *underway
	pending  *pending // the change that waits to be confirmed
	seek     string   // the line of the rule that was made last, until it is seen
	seekAt   int      // its position; 0: the last of equal ones
	seekFrom int      // which look at the tables came before it
	kept     kept     // flows that the last change left behind
	notes    RuleNotes
	settings Settings
	plain    bool                  // nothing is drawn but lines of text
	drafts   map[string]unfinished // forms that were closed before they were applied
	packets  map[string]string     // what was typed into What if, by the packet that it was opened with
	pasted   unread                // commands that were pasted or typed, and not applied
	aside    []unread              // others that were left before those, latest last
	native   bool                  // new rules belong into native tables, as the others are there
	bench    bench                 // what is known of the lab, where this is one
	// looks counts how often rules were seen to be others.
	looks int
}

// screen is one of the six tabs. It owns its state; data reaches all screens,
// input only the active one. What only some can do is in abilities.go.
type screen interface {
	receiver
	scroller
	// Actions are the keys in the state that the screen is in.
	Actions() keyTable
	// Settle fits the screen's cursor and windows to a size, after anything has
	// changed. View draws exactly what Settle left.
	// What it returns fetches what the new windows lack.
	Settle(width, height int) tea.Cmd
	View(width, height int) []string
}

// dialog is a box over the screen. The topmost takes all input.
type dialog interface {
	// Actions are the keys in the state that the dialog is in.
	Actions() keyTable
	// View draws the box for a terminal of that size.
	View(width, height int) string
}

func (d *desk) open(x dialog) { d.dialogs = append(d.dialogs, x) }

// closing is what a key does that closes a dialog.
func (d *desk) closing(x dialog) func() { return func() { d.close(x) } }

// close takes a dialog away, wherever it lies.
func (d *desk) close(x dialog) {
	for i := range d.dialogs {
		if d.dialogs[i] == x {
			d.dialogs = append(d.dialogs[:i:i], d.dialogs[i+1:]...)
			return
		}
	}
}

// lookAt looks at another place, on all screens.
func (d *desk) lookAt(p rules.Variant) { d.variant = p }

// sought tells that the rule that was made last has been seen.
func (d *desk) sought() { d.seek = "" }

// uplink is the way to the Internet; false where there is none, or nothing is known yet.
func (d *desk) uplink() (facts.Uplink, bool) {
	if d.facts == nil {
		return facts.Uplink{}, false
	}
	return d.facts.WAN()
}

// wan is the interface and address towards the Internet.
func (d *desk) wan() (name, addr string) {
	up, ok := d.uplink()
	if !ok {
		return "", ""
	}
	shown := up.Address()
	if d.variant.Family == rules.IPv6 && up.IPv6.Prefix.IsValid() {
		shown = up.IPv6.Prefix.Addr()
	}
	if shown.IsValid() {
		addr = shown.String()
	}
	return up.Link, addr
}

// set is the rule set that is looked at; nil while there is none.
func (d *desk) set() *rules.Ruleset { return d.tables.Sets[d.variant] }

// receiveTables takes a new snapshot.
func (d *desk) receiveTables(t Tables) {
	if t.Changed || d.tables.Sets == nil {
		d.looks++
		d.history = d.history[:0]
	} else {
		if t.Still.After(d.tables.At) { // nothing had moved until then, whenever that was looked at
			d.tables.At, d.history = t.Still, d.history[:0]
		}
		d.history = append(d.history, d.tables)
		for len(d.history) > 1 && t.At.Sub(d.history[1].At) >= rateSpan {
			d.history = append(d.history[:0], d.history[1:]...)
		}
	}
	if t.Changed || t.Native != d.tables.Native || d.tables.Sets == nil {
		d.native = isNative(&t)
	}
	d.tables = t
	if _, ok := t.Sets[d.variant]; !ok {
		d.variant = firstVariant(t.Sets, d.variant)
	}
}

// rateSpan is the time over which rates are taken.
const rateSpan = 4 * time.Second

// firstVariant chooses what to look at first: where there are NAT rules, in the
// order that places are shown.
func firstVariant(sets map[rules.Variant]*rules.Ruleset, current rules.Variant) rules.Variant {
	best, found := current, false
	for _, p := range variants(sets) {
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
func variants(sets map[rules.Variant]*rules.Ruleset) []rules.Variant {
	var ps []rules.Variant
	for _, b := range rules.Holders {
		for _, f := range rules.Families {
			if _, ok := sets[rules.Variant{Family: f, Backend: b}]; ok {
				ps = append(ps, rules.Variant{Family: f, Backend: b})
			}
		}
	}
	return ps
}

// packetRate is how many packets a second the rule has met over the last few
// seconds; false where two looks at the same rules are not there yet.
func (d *desk) packetRate(of rules.Variant, table, chain string, at int) (float64, bool) {
	if len(d.history) == 0 {
		return 0, false
	}
	old := d.history[0]
	before, ok1 := ruleAt(old.Sets[of], table, chain, at)
	now, ok2 := ruleAt(d.tables.Sets[of], table, chain, at)
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
	Done
	err error
	// kind says whether the plan was new, an undo or a redo.
	kind appliedKind
	then func(error) tea.Cmd
	// before is what the plan was applied to, as it was seen here.
	before map[rules.Variant]*rules.Ruleset
}

type appliedKind uint8

const (
	appliedNew appliedKind = iota
	appliedUndo
	appliedRedo
	appliedParked   // new, and a rule is put away by it
	appliedRestored // new, and a parked rule is back
)

// terms are those of a change as they are chosen on a screen.
type terms struct {
	countdown countdown     // how long it waits to be confirmed
	lasts     time.Duration // until it ends by itself; 0: for good
	park      bool          // the rule that is deleted is to be brought back
}

// usual are the terms of a change that is made at once.
func (d *desk) usual() terms { return terms{countdown: d.settings.countdown} }

// apply runs a plan in the background. then hears of the outcome in Update; nil
// leaves it to the status line.
func (d *desk) apply(p rules.Plan, kind appliedKind, t terms, then func(error) tea.Cmd) tea.Cmd {
	if !d.mayChange() {
		return nil
	}
	changes, settled := d.gw.Changes, d.settling(t)
	return d.change(kind, then, func(ctx context.Context) (Done, error) {
		return changes.Apply(ctx, p, settled(p))
	})
}

// change makes a change beside Update.
func (d *desk) change(kind appliedKind, then func(error) tea.Cmd, make func(context.Context) (Done, error)) tea.Cmd {
	d.busy, d.ahead.since = true, d.looks
	before, zone := d.tables.Sets, d.now.Location()
	return d.carryOut("the change", func(ctx context.Context) (tea.Msg, string) {
		done, err := make(ctx)
		return appliedMsg{Done: done, err: err, kind: kind, then: then, before: before}, done.outcome(err, zone)
	})
}

// outcome is what became of a change, in a sentence.
func (d Done) outcome(err error, zone *time.Location) string {
	what := "the change"
	if d.ID != "" {
		what = "change " + d.ID
	}
	switch {
	case err != nil:
		return what + " was not applied: " + err.Error()
	case !d.Deadline.IsZero():
		return what + " is applied, and will be rolled back at " + d.Deadline.In(zone).Format("15:04:05") + " unless you confirm it: nattui confirm"
	}
	return what + " is applied"
}

// outcomeOf is what became of something, in a sentence.
func outcomeOf(done, failed string, err error) string {
	if err != nil {
		return failed + ": " + err.Error()
	}
	return done
}

// settling completes the terms for a plan: it evaluates the plan, so it is not for Update.
func (d *desk) settling(t terms) func(rules.Plan) Terms {
	ctx, gw, facts, before, journal := d.ctx, &d.gw, d.facts, d.tables.Sets, d.gw.Journal != nil
	var flows *flow.Flows
	if d.gw.Flows != nil {
		flows = d.gw.Flows.Table()
	}
	return func(p rules.Plan) Terms {
		settled := Terms{For: t.lasts, Park: t.park}
		if journal {
			blast := sync.OnceValue(func() explain.Blast { return gw.blastOf(ctx, facts, before, p, flows) })
			settled.Confirm = t.countdown.time(func() bool { return blast().Own })
			if settled.Confirm > 0 {
				weighed := blast()
				settled.Provers, settled.Unproven = weighed.Provers(facts), weighed.Unproven()
			}
		}
		return settled
	}
}

// blastOf tells whom a plan may cut off who is here, or comes through.
func (g *Gateway) blastOf(ctx context.Context, facts *facts.Facts, before map[rules.Variant]*rules.Ruleset, p rules.Plan, flows *flow.Flows) explain.Blast {
	after, err := p.Apply(before)
	if err != nil {
		return explain.Blast{} // it will be refused
	}
	native, err := g.nativeAfter(ctx, p)
	if err != nil {
		return explain.Blast{Own: true, OwnWhy: "what the change of native rules would do could not be worked out"}
	}
	return explain.BlastOf(facts, g.rulesNow(before), explain.Rules{Sets: after, Native: native}, p, flows, 0)
}

// rulesNow are the rules in force, with the changes that end by themselves.
func (g *Gateway) rulesNow(sets map[rules.Variant]*rules.Ruleset) explain.Rules {
	now := explain.Rules{Sets: sets}
	if g.Ending != nil {
		now.Ending, _ = g.Ending() // a journal that cannot be read stops every change elsewhere
	}
	return now
}

// applied notes the outcome of a plan.
func (d *desk) applied(msg appliedMsg) tea.Cmd {
	d.busy = false
	if msg.err != nil {
		d.fail(msg.err)
	} else {
		d.noteDone(msg.Done, msg.kind)
		d.said = status{text: doneWords(msg.Plan, msg.kind), command: commandLine(msg.Plan), done: true, undo: msg.kind != appliedUndo}
		for _, c := range msg.Plan.Changes() {
			if c.Op == rules.Insert || c.Op == rules.Replace {
				d.seek, d.seekAt, d.seekFrom = c.Rule.String(), c.At, d.looks
			}
		}
		for _, c := range msg.Plan.Natives() {
			if c.What == rules.NativeRule && !c.Gone {
				d.seek, d.seekAt = nativeName(c.Family, c.Table, c.Handle), 0
			}
		}
	}
	var cmds []tea.Cmd
	if !msg.Deadline.IsZero() {
		cmds = append(cmds, d.lookForPending())
	}
	if msg.err == nil {
		cmds = append(cmds, d.findKept(msg.before, msg.Done), d.awaitRows(msg.Done))
	}
	cmds = append(cmds, d.readNotes())
	if msg.then != nil {
		cmds = append(cmds, msg.then(msg.err))
	}
	return tea.Batch(cmds...)
}

// reversible is what could be undone and redone before a change was made: where that is rolled back, it can be again.
type reversible struct {
	change       string // its number
	done, undone []Done
}

// noteDone notes a change for undo and redo.
func (d *desk) noteDone(x Done, kind appliedKind) {
	d.before = reversible{x.ID, slices.Clone(d.done), slices.Clone(d.undone)}
	switch kind {
	case appliedNew, appliedParked, appliedRestored:
		d.done, d.undone = append(d.done, x), nil
	case appliedUndo:
		if n := len(d.done); n > 0 {
			d.undone, d.done = append(d.undone, x), d.done[:n-1]
		}
	case appliedRedo:
		if n := len(d.undone); n > 0 {
			d.undone = d.undone[:n-1]
		}
		d.done = append(d.done, x)
	}
}

// noteRolledBack has undo and redo do what they did before the change was made that is rolled back now, and looks again for
// the connections that keep what no longer applies.
func (d *desk) noteRolledBack(id string) tea.Cmd {
	if id != "" && id == d.before.change {
		d.done, d.undone = d.before.done, d.before.undone
	}
	return d.findKeptSince(id)
}

// undoEntry undoes the entry of the journal.
func (d *desk) undoEntry(id string, kind appliedKind, t terms, then func(error) tea.Cmd) tea.Cmd {
	if !d.mayChange() {
		return nil
	}
	journal, settled := d.gw.Journal, d.settling(t)
	return d.change(kind, then, func(ctx context.Context) (Done, error) {
		plan, err := journal.UndoPlan(ctx, id)
		if err != nil {
			return Done{}, err
		}
		return journal.Undo(ctx, id, settled(plan))
	})
}

// readNotes asks the journal what it knows about the rules.
func (d *desk) readNotes() tea.Cmd {
	journal, sets, native, known := d.gw.Journal, d.tables.Sets, d.tables.Native, notesMsg{d.notes, d.looks, 0}
	if sets == nil {
		return nil
	}
	known.number = d.asks.notes.ask()
	return func() tea.Msg {
		if journal == nil {
			return known
		}
		notes, err := journal.RuleNotes(sets, native)
		if err != nil {
			return known // History says what is wrong with the journal
		}
		return notesMsg{notes, known.look, known.number}
	}
}

// notesMsg is what the journal knows about the rules.
type notesMsg struct {
	RuleNotes
	look   int // at which look at the tables
	number uint64
}
