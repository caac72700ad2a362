package ui

import (
	"context"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
)

// kept are the flows that a change left behind with their old translation.
type kept struct {
	flows   []flow.Flow
	count   int  // of all of them; flows may be fewer
	looking bool // they are looked for, and not known
	again   bool // the rules have become others meanwhile: they are looked for once more

	added         bool   // the change has only added rules: there is no old one that they would use
	change        string // its number; "" where no journal is kept
	before, after map[rules.Variant]*rules.Ruleset
}

// mostKept is how many flows are kept by name.
const mostKept = 20_000

// keptMsg tells which flows the last change left behind.
type keptMsg struct {
	kept
	number uint64
}

// findKept looks for the flows that a change has left behind.
func (d *desk) findKept(before map[rules.Variant]*rules.Ruleset, done Done) tea.Cmd {
	after, err := done.Plan.Apply(before)
	if err != nil {
		after = nil // others changed the tables in the meantime: nobody can tell any more
	}
	added := !slices.ContainsFunc(done.Plan.Changes(), func(c rules.Change) bool { return c.Op != rules.Insert && c.Op != rules.NewChain })
	return d.lookForKept(kept{added: added, change: done.ID, before: before, after: after})
}

// findKeptAgain looks for them once more, as the rules have become others: what was brought back since, by whomever, keeps
// nothing old. One search runs at a time, however often the rules change.
func (d *desk) findKeptAgain() tea.Cmd {
	if d.kept.looking {
		d.kept.again = true
		return nil
	}
	if d.kept.count == 0 {
		return nil
	}
	return d.lookForKeptNow()
}

// lookForKeptNow looks for what the change left behind, under the rules as they are now.
func (d *desk) lookForKeptNow() tea.Cmd {
	return d.lookForKept(kept{added: d.kept.added, change: d.kept.change, before: d.kept.before, after: d.tables.Sets})
}

// takeKept takes what was found: nothing yet, where the rules have become others since.
func (d *desk) takeKept(found kept) tea.Cmd {
	again := d.kept.again
	d.kept = found
	if !again {
		return nil
	}
	return d.lookForKeptNow()
}

// findKeptSince looks for the flows that a change left behind which is rolled back: those that began while it was applied.
func (d *desk) findKeptSince(rolledBack string) tea.Cmd {
	if rolledBack == "" || d.kept.change != rolledBack {
		return nil
	}
	return d.lookForKept(kept{before: d.kept.after, after: d.kept.before})
}

// lookForKept looks for the flows between two states of the rules, beside Update. Until it has found them there are none:
// what is offered to be forgotten is known to be old.
func (d *desk) lookForKept(of kept) tea.Cmd {
	number := d.asks.kept.ask()
	d.asks.kept.hear(number) // of no earlier question any more
	d.kept = of
	if d.gw.Flows == nil || d.facts == nil || of.before == nil || of.after == nil {
		return nil
	}
	d.kept.looking = true
	facts, flows := d.facts, d.gw.Flows.Table()
	return func() tea.Msg {
		found, count, broken := explain.KeptFlows(d.ctx, facts, explain.Rules{Sets: of.before}, explain.Rules{Sets: of.after}, flows, mostKept)
		if !broken { // else they keep nothing
			of.flows, of.count = found, count
		}
		return keptMsg{of, number}
	}
}

// keptFlows lists the flows that keep their old translation, and forgets them if
// that is wanted.
type keptFlows struct {
	*desk
	cursor  table.Cursor[flow.Key]
	height  int
	working bool
	slid    int // how often the cursor has come to another flow because its own was gone
}

func newKeptFlows(d *desk) *keptFlows { return &keptFlows{desk: d} }

func (k *keptFlows) key(i int) flow.Key { return k.kept.flows[i].Key() }

// keptForgottenMsg tells how forgetting went.
type keptForgottenMsg struct {
	dialog *keptFlows
	flows  []flow.Flow
	done   int
	err    error
}

// Receive takes the news that flows are forgotten, or have ended.
func (k *keptFlows) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keptForgottenMsg:
		if msg.dialog == k {
			k.forgotten(msg)
		}
	case keptMsg:
		if on, ok := k.cursor.Key(); ok && !slices.ContainsFunc(k.kept.flows, func(f flow.Flow) bool { return f.Key() == on }) {
			k.slid++
		}
	case flowsMsg, frameMsg:
		k.dropEnded()
	}
	return nil
}

// Asks is which connections are forgotten: others, once the cursor has come to another by itself.
func (k *keptFlows) Asks() (string, bool) { return fmt.Sprint("kept ", k.slid), true }

// Actions forget and move; where no flow is left, any key closes.
func (k *keptFlows) Actions() keyTable {
	if len(k.kept.flows) == 0 {
		return keyTable{elsewhere(keys.Close), others(k.closing(k))}
	}
	all := bind("X", "forget all of them", "X")
	moves := scrolling(func() int { return k.height }, k.move).show(2)
	return keyTable{on(keys.Forget, k.forgetOne).agreeing(), on(all, func() tea.Cmd { return k.forget(k.kept.flows) }).agreeing()}.and(moves, keyTable{
		act(keys.Close, k.closing(k)), act(hidden(keys.Quit), k.closing(k)),
	})
}

func (k *keptFlows) move(by int) { k.cursor.Go(k.cursor.Index()+by, len(k.kept.flows), k.key) }

func (k *keptFlows) forgetOne() tea.Cmd {
	i := min(k.cursor.Index(), len(k.kept.flows)-1)
	return k.forget(k.kept.flows[i : i+1])
}

func (k *keptFlows) forget(flows []flow.Flow) tea.Cmd {
	if k.working || k.gw.ReadOnly {
		return nil
	}
	k.working = true
	kernel := k.gw.Flows
	flows = append([]flow.Flow(nil), flows...)
	return k.carryOut("forgetting", func(ctx context.Context) (tea.Msg, string) {
		done, err := kernel.Forget(ctx, flows)
		return keptForgottenMsg{k, flows, done, err}, outcomeOf(rules.Plural(done, "connection")+" forgotten", "connections could not be forgotten", err)
	})
}

func (k *keptFlows) forgotten(msg keptForgottenMsg) {
	k.working = false
	if msg.err != nil {
		k.fail(msg.err)
		return
	}
	gone := map[flow.Key]bool{}
	for i := range msg.flows {
		gone[msg.flows[i].Key()] = true
	}
	k.without(func(key flow.Key) bool { return gone[key] })
	k.sayDone(rules.Plural(msg.done, "connection") + " forgotten: today's rules decide about the next packets")
	if k.kept.count == 0 {
		k.close(k)
	}
}

// dropEnded takes flows away that have ended by themselves.
func (k *keptFlows) dropEnded() {
	flows := k.gw.Flows.Table()
	k.without(func(key flow.Key) bool {
		_, _, lives := flows.Lookup(key)
		return !lives
	})
}

func (k *keptFlows) without(gone func(flow.Key) bool) {
	if on, ok := k.cursor.Key(); ok && gone(on) {
		k.slid++
	}
	k.dropKept(gone)
	k.cursor.Follow(len(k.kept.flows), k.key)
}

// dropKept takes flows away that the last change had left behind.
func (d *desk) dropKept(gone func(flow.Key) bool) {
	rest := d.kept.flows[:0:0]
	for i := range d.kept.flows {
		if !gone(d.kept.flows[i].Key()) {
			rest = append(rest, d.kept.flows[i])
		}
	}
	d.kept.count -= len(d.kept.flows) - len(rest)
	d.kept.flows = rest
}

// Settle fits the list to the terminal.
func (k *keptFlows) Settle() tea.Cmd {
	k.height = max(1, min(len(k.kept.flows), k.boxHeight()-4-len(k.words(min(100, k.width-2)-4))))
	k.cursor.Follow(len(k.kept.flows), k.key)
	k.cursor.Settle(len(k.kept.flows), k.height)
	return nil
}

// words say what the connections are and what forgetting them does, in as few words as a low terminal has room for.
func (k *keptFlows) words(inner int) []string {
	words, short := "They began before the last change and keep their translation until they end. Forget one, and today's rules decide about its next packet. Your own connection is not listed.", "They keep their translation until they end or you forget them."
	switch {
	case k.kept.count == 1 && !k.kept.looking:
		words = "It began before the last change and keeps its translation until it ends. Forget it, and today's rules decide about its next packet. Your own connection is not listed."
		short = "It keeps its translation until it ends or you forget it."
	case k.kept.looking:
		words = "The rules have changed: which connections still use the old rule is looked for again…"
		short = words
	case len(k.kept.flows) == 0:
		words = "None left: all have ended or were forgotten."
		short = words
	}
	lines := text.Wrap(words, inner, 0)
	if len(lines) > max(3, k.boxHeight()/3) {
		lines = text.Wrap(short, inner, 0)
	}
	return styled(k.look.Faint, lines)
}

// View draws the box.
func (k *keptFlows) View(width, _ int) string {
	w := min(100, width-2)
	inner := w - 4
	lines := k.words(inner)
	from, to := k.cursor.Window(len(k.kept.flows), k.height)
	for i := from; i < to; i++ {
		line := text.Fit(k.kept.flows[i].Line(), inner-2)
		if i == k.cursor.Index() {
			lines = append(lines, k.look.Accent.Render(k.look.Glyphs.Bar)+k.look.Cursor.Render(" "+text.Pad(line, inner-2, false)))
			continue
		}
		lines = append(lines, "  "+k.look.Text.Render(line))
	}
	if more := k.kept.count - len(k.kept.flows); more > 0 {
		lines = append(lines, k.look.Faint.Render("  and "+text.Exact(uint64(more))+" more, listed when these are gone"))
	}
	if k.working {
		lines = append(lines, k.look.Attention.Render("forgetting…"))
	}
	how := " still using the old rule"
	if k.kept.added {
		how = " going on unchanged"
	}
	return box(k.desk, rules.Plural(k.kept.count, "connection")+how, lines, w)
}
