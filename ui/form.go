package ui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
)

// form adds a rule, or edits one. Fields stand beside what they make: the
// command, the sentence, and what speaks against it.
type form struct {
	*desk
	draft  *rules.Draft
	fields *fields
	kind   rules.Kind            // the kind that the fields were made for
	chains map[rules.Kind]string // the chains that were chosen for other kinds
	place  string                // where the rule comes to stand: one of the places
	beside ruleItem              // the rule that the cursor was on
	old    *rules.Rule
	at     int // position of the edited rule

	ready   bool // the plan is on the screen; enter applies it
	sending bool
	missing string // what is wrong of a field that is not shown
	refused string // the kernel's own words
	lasts   time.Duration
	impact  impact
	// chosen is how long the change is to wait to be confirmed.
	chosen countdown
	kept   bool // it goes on with what was typed before it was closed
	// of is what the form was filled with, "" for an empty one; first is how it is without what was typed.
	of    string
	first rules.Draft
	// native is the native rule that is edited; nil for one of iptables, or a new one.
	native *nativeEdit
	reading
	read readThrough
}

// The places at which a new rule can stand.
const (
	placeEnd    = "end"
	placeFirst  = "first"
	placeBefore = "before"
)

// unfinished is a form that was closed before it was applied.
type unfinished struct {
	draft rules.Draft
	place string
	lasts time.Duration
	left  map[string]bool // the fields that had been left, which say what is wrong with them
}

// newForm makes the form for a draft. beside is the row under the cursor; old is
// the rule being edited, nil for a new one. What was typed before into the same
// form is there again.
func newForm(d *desk, draft rules.Draft, beside ruleItem, old *rules.Rule) *form {
	return newFormOf(d, draft, beside, old, "")
}

// newFormOf is newForm for a draft that was made from something: the name of that tells its unfinished form from others.
func newFormOf(d *desk, draft rules.Draft, beside ruleItem, old *rules.Rule, of string) *form {
	f := &form{of: of, first: draft, desk: d, draft: &draft, place: placeEnd, beside: beside, old: old, at: beside.at, impact: impact{desk: d}, chosen: d.settings.countdown}
	if u, ok := d.drafts[f.name()]; ok {
		f.kept, f.draft, f.place, f.lasts = true, &u.draft, u.place, u.lasts
		if f.place == placeBefore && beside.at == 0 {
			f.place = placeEnd
		}
	}
	f.fields = newFields(d, labelWidth, f.wrong)
	if f.kept {
		f.fields.left = d.drafts[f.name()].left
	}
	f.build()
	return f
}

// name tells forms apart whose drafts are kept.
func (f *form) name() string {
	if f.old != nil {
		return f.variant.String() + " " + f.of + f.old.String()
	}
	return strings.TrimSpace(f.variant.String() + " " + f.of)
}

// Sending tells that the kernel is being asked.
func (f *form) Sending() bool { return f.sending }

// Typing tells that letters are text.
func (f *form) Typing() bool { return !f.ready }

// Type gives a key to the field.
func (f *form) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if f.ready {
		return nil, false
	}
	f.typed(f.fields.press(k))
	return nil, true
}

// Takes is what the field takes, while the form is filled.
func (f *form) Takes() intake {
	if f.ready {
		return intake{}
	}
	return f.fields.takes()
}

// Paste puts text into the field.
func (f *form) Paste(pasted string) tea.Cmd {
	f.fields.paste(pasted)
	f.typed(true)
	return nil
}

// typed follows what was typed: another kind needs other fields.
func (f *form) typed(changed bool) {
	if !changed {
		return
	}
	f.refused, f.missing, f.offset = "", "", 0
	if f.draft.Kind != f.kind {
		f.build()
	}
	if f.drafts == nil {
		f.drafts = map[string]unfinished{}
	}
	f.drafts[f.name()] = unfinished{*f.draft, f.place, f.lasts, f.fields.left}
}

// Actions are the form's keys while it is filled, and while the plan waits to be applied.
func (f *form) Actions() keyTable {
	ready := func() bool { return f.ready }
	filling := func() bool { return !f.ready }
	return keyTable{
		act(bind("enter", "read on", "enter", "ctrl+s"), func() { f.Wheel(max(1, f.page-1)) }).when(func() bool { return f.ready && !f.read.whole() }),
		on(bind("enter", "apply", "enter", "ctrl+s"), f.send).agreeing().when(ready),
		act(bind("esc", "back to the fields", "esc", "ctrl+c", "e", "n", "q", "left"), f.backToFields).when(ready),
		act(keyCountdown, func() { f.chosen = f.chosen.next() }).when(func() bool { return f.ready && f.gw.Journal != nil }),
	}.and(f.keys().while(ready), f.fields.actions(f.toPlan, keyTable{
		act(bind("ctrl+n", "start anew", "ctrl+n"), f.anew).when(func() bool { return f.kept }).otherwise(f.saying(alreadyNew)),
		act(bind("esc", "close", "esc", "ctrl+c"), func() { f.fields.leave(); f.close(f) }),
	}).and(keyTable{
		act(bind("pgdn", "read on", "pgdown"), func() { f.Wheel(max(1, f.page-1)) }).when(func() bool { return f.most > 0 }),
		act(hidden(bind("pgup", "read back", "pgup")), func() { f.Wheel(-max(1, f.page-1)) }).when(func() bool { return f.most > 0 }),
	}).while(filling))
}

// Asks is the plan, once it is on the screen.
func (f *form) Asks() (string, bool) {
	if !f.ready || f.sending {
		return "", true
	}
	return f.read.asks(f.planName()), f.impact.settled()
}

func (f *form) planName() string {
	p, _ := f.plan()
	return f.impact.name("rule", p)
}

// toPlan shows the plan, unless a field is wrong: then that is gone to.
func (f *form) toPlan() tea.Cmd {
	f.missing, f.offset = "", 0
	f.ready = f.fields.goToWrong() == ""
	if _, problems := f.plan(); f.ready && rules.HasErrors(problems) {
		for _, p := range problems {
			if !p.Warning && f.missing == "" {
				f.missing, f.ready = p.Text, false
			}
		}
	}
	return nil
}

func (f *form) backToFields() { f.ready, f.offset = false, 0 }

// anew throws away what was typed before.
func (f *form) anew() {
	delete(f.drafts, f.name())
	draft := f.first
	if f.old != nil && f.native == nil {
		draft, _ = rules.DraftOf(f.variant.Family, *f.old) // which it could be when the form was opened
	}
	fresh := newFormOf(f.desk, draft, f.beside, f.old, f.of)
	if f.native != nil {
		fresh.native = f.native
		fresh.build()
	}
	f.close(f)
	f.open(fresh)
}

// plan is the change that the form makes, as far as it is filled.
func (f *form) plan() (rules.Plan, []rules.Problem) {
	r, problems := f.draft.Rule()
	c := rules.Change{Op: rules.Insert, Family: f.draft.Family, Backend: f.desk.variant.Backend, Table: "nat", Chain: r.Chain, Rule: r, Program: f.set().Program()}
	switch {
	case f.native != nil:
		return f.native.plan(r, problems)
	case f.old != nil && r.Chain == f.old.Chain:
		c.Op, c.At, c.Old = rules.Replace, f.at, *f.old
	case f.old != nil:
		del := c
		del.Op, del.Chain, del.At, del.Rule = rules.Delete, f.old.Chain, f.at, *f.old
		return rules.Plan{Title: "Move the rule to " + r.Chain, Steps: []rules.Step{rules.StepOf(del), rules.StepOf(c)}}, problems
	case f.natively():
		if f.place != placeEnd {
			c.At = 1
		}
		return f.nativePlan(rules.Single(c), problems)
	case f.place == placeFirst:
		c.At = 1
	case f.place == placeBefore && r.Chain == f.beside.chain:
		c.At = f.beside.at
	}
	return rules.Single(c), problems
}

// overtaken is why a change no longer fits the rules as they are known now; nil where it does, or nft tells.
func (f *form) overtaken(p rules.Plan) error {
	for _, c := range p.Changes() {
		if err := c.Check(f.set()); err != nil && f.native == nil {
			return err
		}
	}
	return nil
}

// send applies the change, unless something speaks against it.
func (f *form) send() tea.Cmd {
	p, _ := f.plan()
	if f.old != nil {
		if r, _ := f.draft.Rule(); r.Same(*f.old) {
			if err := f.overtaken(p); err != nil { // what is left as it is here is another there
				f.refused, f.ready = err.Error(), false
				return nil
			}
			f.close(f)
			delete(f.drafts, f.name())
			f.say("nothing was changed")
			return nil
		}
	}
	f.refused = ""
	cmd := f.apply(p, appliedNew, terms{countdown: f.chosen, lasts: f.lasts}, func(err error) tea.Cmd {
		f.sending = false
		if err == nil {
			f.close(f)
			delete(f.drafts, f.name())
			return nil
		}
		f.refused, f.ready = err.Error(), false
		return nil
	})
	f.sending = cmd != nil
	return cmd
}

// Settle has what the fields make weighed, as far as it can be made, and fits the plan to the terminal.
func (f *form) Settle() tea.Cmd {
	var cmd tea.Cmd
	if p, problems := f.plan(); !f.sending && !rules.HasErrors(problems) {
		cmd = f.impact.weigh(p)
	}
	if f.fields.moved() && !f.ready {
		f.offset = 0
	}
	width, rows := f.previewRoom()
	f.fit(f.previewLines(width, rows), rows)
	if f.ready {
		f.read.note(fmt.Sprint(width, f.planName()), f.offset, rows, len(f.lines))
		f.lines = f.previewLines(width, rows) // enter reads on, or applies it
	} else {
		f.read = readThrough{}
	}
	return cmd
}
