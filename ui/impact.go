package ui

import (
	"context"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// impact is what a plan would do beyond itself, worked out beside Update: whether
// the operator may be cut off, which live flows would be translated differently, and
// the plan as a diff. It is for a dialog that shows a plan before it is applied.
type impact struct {
	*desk
	wanted  string // the plan that is to be known, by its commands
	plan    rules.Plan
	running bool

	known string // the plan that is known
	blast explain.Blast
	bars  []string // what would drop what the plan forwards, and what of it stays after a rollback
	diff  []rules.DiffLine
	err   error
}

// impactFlows bounds the flows that are evaluated before a change: a fifth of a
// second of one core.
const impactFlows = 100_000

// impactMsg is the answer.
type impactMsg struct {
	of    *impact
	plan  string
	blast explain.Blast
	bars  []string
	diff  []rules.DiffLine
	err   error
}

// weigh has the plan worked out, unless it is known or being asked about already.
// What comes in between is left out: the latest plan is what is asked about next.
func (i *impact) weigh(p rules.Plan) tea.Cmd {
	i.wanted, i.plan = i.nameOf(p), p
	if i.running || i.wanted == i.known || len(p.Steps) == 0 || i.tables.Sets == nil {
		return nil
	}
	i.running = true
	name, facts, before := i.wanted, i.facts, i.tables.Sets
	var flows *flow.Flows
	if i.gw.Flows != nil {
		flows = i.gw.Flows.Table()
	}
	return func() tea.Msg {
		msg := impactMsg{of: i, plan: name}
		after, err := p.Apply(before)
		if err != nil {
			msg.err = err
			return msg
		}
		msg.diff, msg.err = p.Diff(before)
		native, err := i.gw.nativeAfter(i.ctx, p)
		if err != nil {
			msg.err = err
			return msg
		}
		msg.blast = explain.BlastOf(facts, i.gw.rulesNow(before), explain.Rules{Sets: after, Native: native}, p, flows, impactFlows)
		msg.bars = append(doctor.Barred(facts, after, native, p), doctor.Fills(p)...)
		msg.bars = append(msg.bars, rules.Trespasses(p)...)
		return msg
	}
}

// nativeAfter is the native tables as the plan would leave them; nil where it leaves them, or where that is not known.
func (g *Gateway) nativeAfter(ctx context.Context, p rules.Plan) (*evaluate.NativeProgram, error) {
	if len(p.Natives()) == 0 || g.NativeAfter == nil {
		return nil, nil
	}
	return g.NativeAfter(ctx, p)
}

// nameOf tells plans apart, and the same plan over other tables.
func (i *impact) nameOf(p rules.Plan) string {
	name := strconv.Itoa(i.looks) + "\n"
	for _, argv := range p.Commands() {
		name += rules.ShellLine(argv) + "\n"
	}
	return name
}

// take takes the answer, and asks again where the plan is another by now.
func (i *impact) take(msg impactMsg) tea.Cmd {
	i.running = false
	i.known, i.blast, i.bars, i.diff, i.err = msg.plan, msg.blast, msg.bars, msg.diff, msg.err
	if i.wanted != i.known {
		return i.weigh(i.plan)
	}
	return nil
}

// settled tells that nothing of the plan is being worked out.
func (i *impact) settled() bool { return i.ready() || !i.running }

// name tells what is asked about a plan from what is asked about others, or about the same one once it is
// known to cut the operator off.
func (i *impact) name(title string, p rules.Plan) string {
	for _, argv := range p.Commands() {
		title += "\n" + rules.ShellLine(argv)
	}
	if i.ready() && i.blast.Own {
		title += "\n!"
	}
	return title
}

// ready tells that what is known is about the plan in question.
func (i *impact) ready() bool { return i.known == i.wanted && i.known != "" }

// ownLines say whether the operator may be cut off.
func (i *impact) ownLines(width int) []string {
	if !i.ready() || i.err != nil {
		return nil
	}
	style, mark := i.look.Good, i.look.Glyphs.Tick+" "
	switch {
	case i.blast.Own:
		style, mark = i.look.Attention, "! "
	case i.blast.Session == nil:
		style, mark = i.look.Faint, ""
	}
	return i.wrapped(style, mark+i.blast.OwnSentence(), width)
}

// safety says whether the operator may be cut off, and what is done about that by
// the countdown that was chosen; key is the one that chooses it, "" where that
// cannot be done now.
func (i *impact) safety(chosen countdown, key string, width int) []string {
	if i.gw.Journal == nil || !i.ready() || i.err != nil {
		return nil
	}
	lines := i.ownLines(width)
	if key == "" && !i.blast.Own {
		return lines
	}
	style, indent := i.look.Faint, ""
	if i.blast.Own || chosen > countdownOff {
		style = i.look.Attention
	}
	if key != "" {
		indent = strings.Repeat(" ", len(key+i.look.Told))
		key = i.look.Accent.Render(key) + style.Render(i.look.Told)
	}
	for n, l := range text.Wrap(chosen.words(i.blast.Own, true), width-len(indent), 0) {
		if n > 0 {
			key = indent
		}
		lines = append(lines, key+style.Render(l))
	}
	return lines
}

// barLines say what would drop what the plan forwards, or why that is not known, such as where others have changed the
// rules meanwhile: that warns, and is read before it is applied.
func (i *impact) barLines(width int) (lines []string) {
	if i.ready() && i.err != nil {
		return i.wrapped(i.look.Attention, "! What this would do is not known: "+i.err.Error(), width)
	}
	if i.ready() {
		for _, why := range i.bars {
			lines = append(lines, i.wrapped(i.look.Attention, "! "+why, width)...)
		}
	}
	return lines
}

// flowLines say which live flows would be translated differently.
func (i *impact) flowLines(width int) []string {
	switch {
	case !i.ready():
		if i.running {
			return []string{i.look.Faint.Render(text.Fit("checking the live connections…", width))}
		}
		return nil
	case i.err != nil, i.blast.Changed == 0 && !translates(i.plan):
		return nil
	}
	style := i.look.Faint
	if i.blast.Changed > 0 {
		style = i.look.Text
	}
	lines := i.wrapped(style, i.blast.FlowsSentence(keys.Forget.Help().Key), width)
	for n := range i.blast.Examples {
		lines = append(lines, wrapped("  ", "    ", i.blast.Examples[n].Line(), i.look.Faint, width)...)
	}
	if more := i.blast.Changed - len(i.blast.Examples); more > 0 {
		lines = append(lines, i.look.Faint.Render("  and "+text.Exact(uint64(more))+" more"))
	}
	return lines
}

// translates tells whether a plan is about translation at all: of what only lets through or drops it goes without saying
// that no connection is translated differently.
func translates(p rules.Plan) bool {
	for _, c := range p.Changes() {
		if c.Table == "nat" {
			return true
		}
	}
	return len(p.Changes()) < len(p.Steps)
}

// diffLines are the plan as a diff.
func (i *impact) diffLines(width int) []string {
	if !i.ready() {
		return nil
	}
	var lines []string
	for _, l := range i.diff {
		style := i.look.Faint
		switch l.Sign {
		case '+':
			style = i.look.Good
		case '-':
			style = i.look.Broken
		}
		lines = append(lines, diffLine(l, style, width)...)
	}
	return lines
}

// diffLine is a line of the diff; what has no room beside its sign and number goes on below.
func diffLine(l rules.DiffLine, style theme.Style, width int) []string {
	whole := l.String()
	head, found := strings.CutSuffix(whole, l.Text)
	if !found || text.Width(text.Safe(whole)) <= width {
		return []string{style.Render(text.Fit(text.Safe(whole), width))}
	}
	indent := strings.Repeat(" ", len(head)+2)
	return wrapped(style.Render(head), indent, l.Text, style, width)
}

func (i *impact) wrapped(style theme.Style, s string, width int) []string {
	if s == "" {
		return nil
	}
	var lines []string
	for _, l := range text.Wrap(text.Safe(s), width, 0) {
		lines = append(lines, style.Render(l))
	}
	return lines
}
