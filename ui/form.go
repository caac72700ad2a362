package ui

import (
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/cursor"
	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/ui/text"
)

// form adds a rule, or edits one. Fields stand beside what they make: the
// command, the sentence, and what speaks against it.
type form struct {
	*desk
	draft  *rules.Draft
	fields *huh.Form
	kind   rules.Kind // the kind that the fields were made for
	place  string     // where the rule comes to stand: one of the places
	beside ruleItem   // the rule that the cursor was on
	old    *rules.Rule
	at     int // position of the edited rule

	ready   bool // all fields are filled; enter applies
	sending bool
	refused string // the kernel's own words
	lasts   time.Duration
	impact  impact
	// chosen is how long the change is to wait to be confirmed.
	chosen countdown
	drawn  string // the fields as they were last drawn: a filled form of huh draws nothing
}

// The places at which a new rule can stand.
const (
	placeEnd    = "end"
	placeFirst  = "first"
	placeBefore = "before"
)

// newForm makes the form for a draft. beside is the row under the cursor; old is
// the rule being edited, nil for a new one.
func newForm(d *desk, draft rules.Draft, beside ruleItem, old *rules.Rule) *form {
	f := &form{desk: d, draft: &draft, place: placeEnd, beside: beside, old: old, at: beside.at, impact: impact{desk: d}}
	f.build()
	return f
}

// Init puts the cursor into the first field.
func (f *form) Init() tea.Cmd {
	cmd := f.fields.Init()
	f.drawn = f.fields.View()
	return cmd
}

// formFilledMsg says that the last field was left.
type formFilledMsg struct{ form *form }

// Receive takes the form's own messages.
func (f *form) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case formFilledMsg:
		if msg.form == f {
			f.ready = true
		}
		return nil
	case tea.WindowSizeMsg, tablesMsg, factsMsg, flowsMsg, frameMsg:
		return nil
	case cursor.BlinkMsg:
		return nil // a cursor that blinks would redraw a slow line for nothing
	}
	return f.toFields(msg)
}

// Sending tells that the kernel is being asked.
func (f *form) Sending() bool { return f.sending }

// Type gives a key to the field.
func (f *form) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if f.ready {
		return nil, true
	}
	f.refused = ""
	return f.toFields(k), true
}

// Paste puts text into the field.
func (f *form) Paste(pasted string) tea.Cmd {
	if f.ready || f.sending {
		return nil
	}
	return f.toFields(tea.PasteMsg{Content: strings.TrimSpace(pasted)})
}

func (f *form) toFields(msg tea.Msg) tea.Cmd {
	m, cmd := f.fields.Update(msg)
	f.fields = m.(*huh.Form)
	if f.draft.Kind != f.kind {
		f.build()
		cmd = tea.Batch(cmd, f.fields.Init())
	}
	if f.fields.State == huh.StateNormal {
		f.drawn = f.fields.View()
	}
	return cmd
}

// Actions are the form's keys while it is filled, and while the preview waits to be applied.
func (f *form) Actions() keyTable {
	ready := func() bool { return f.ready }
	filling := func() bool { return !f.ready }
	fields := keyTable{elsewhere(bind("tab/↓", "next")), elsewhere(bind("↑", "back")), elsewhere(bind("→", "accept suggestion"))}
	return keyTable{
		on(bind("enter", "apply", "enter", "y"), f.send).when(ready),
		on(bind("esc", "back to the fields", "esc", "ctrl+c"), f.backToFields).when(ready),
		act(keyCountdown, func() { f.chosen = f.chosen.next() }).when(func() bool { return f.ready && f.gw.Journal != nil }),
		on(silent("up", "shift+tab", "left", "e", "n"), f.backToFields).when(ready),
	}.and(fields.while(filling), keyTable{
		on(bind("ctrl+s", "apply", "ctrl+s"), f.send).when(filling),
		on(silent("ctrl+s"), f.send),
		act(bind("esc", "close", "esc", "ctrl+c"), f.closing(f)).when(filling),
	})
}

func (f *form) backToFields() tea.Cmd {
	f.ready = false
	f.build()
	return f.Init()
}

// plan is the change that the form makes, as far as it is filled.
func (f *form) plan() (rules.Plan, []rules.Problem) {
	r, problems := f.draft.Rule()
	c := rules.Change{Op: rules.Insert, Family: f.draft.Family, Backend: f.desk.variant.Backend, Table: "nat", Chain: r.Chain, Rule: r, Program: f.set().Program()}
	switch {
	case f.old != nil && r.Chain == f.old.Chain:
		c.Op, c.At, c.Old = rules.Replace, f.at, *f.old
	case f.old != nil:
		del := c
		del.Op, del.Chain, del.At, del.Rule = rules.Delete, f.old.Chain, f.at, *f.old
		return rules.Plan{Title: "Move the rule to " + r.Chain, Steps: []rules.Step{rules.StepOf(del), rules.StepOf(c)}}, problems
	case f.place == placeFirst:
		c.At = 1
	case f.place == placeBefore && r.Chain == f.beside.chain:
		c.At = f.beside.at
	}
	return rules.Single(c), problems
}

// send applies the change, unless something speaks against it.
func (f *form) send() tea.Cmd {
	p, problems := f.plan()
	if rules.HasErrors(problems) {
		f.ready = false
		return nil
	}
	if f.old != nil {
		if r, _ := f.draft.Rule(); r.Same(*f.old) {
			f.close(f)
			f.say("nothing was changed")
			return nil
		}
	}
	f.refused = ""
	cmd := f.apply(p, appliedNew, terms{countdown: f.chosen, lasts: f.lasts}, func(err error) tea.Cmd {
		f.sending = false
		if err == nil {
			f.close(f)
			return nil
		}
		f.refused = err.Error()
		return f.backToFields()
	})
	f.sending = cmd != nil
	return cmd
}

// Settle has what the fields make weighed, as far as it can be made.
func (f *form) Settle() tea.Cmd {
	if f.sending {
		return nil
	}
	p, problems := f.plan()
	if rules.HasErrors(problems) {
		return nil
	}
	return f.impact.weigh(p)
}

// View draws the fields with what they make beside them, or beneath where it is
// narrow.
func (f *form) View(width, height int) string {
	title := "Add a rule"
	if f.old != nil {
		title = fmt.Sprintf("Edit rule %d of %s", f.at, f.old.Chain)
	}
	title += " " + f.look.Glyphs.Dot + " " + f.draft.Family.Title()
	if width >= formWidth+34 {
		w := min(width, 130)
		side := w - 4 - (formWidth - 4) - 3
		left, right := f.fieldLines(height-4), f.preview(side, height-4)
		var lines []string
		for i := range max(len(left), len(right)) {
			lines = append(lines, text.Pad(at(left, i), formWidth-4, false)+" "+f.look.Line.Render(f.look.Glyphs.Pipe)+" "+at(right, i))
		}
		return box(f.desk, title, lines, w)
	}
	w := min(width, formWidth+4)
	rows := height - 2
	left := f.fieldLines(max(4, rows-5))
	lines := append(left, f.look.Line.Render(strings.Repeat(f.look.Glyphs.Rule, w-4)))
	right := f.preview(w-4, max(1, rows-len(lines)))
	return box(f.desk, title, append(lines, right...), w)
}

// fieldLines are the fields, scrolled to the one that is being filled.
func (f *form) fieldLines(limit int) []string {
	all := strings.Split(strings.TrimRight(f.drawn, "\n "), "\n")
	for i := range all {
		all[i] = strings.TrimRight(all[i], " ")
	}
	if len(all) <= limit {
		return all
	}
	focus := f.focusLine()
	from := max(0, min(focus-limit/2, len(all)-limit))
	return all[from : from+limit]
}

// focusLine is the number of the field that is being filled.
func (f *form) focusLine() int {
	key := f.fields.GetFocusedField().GetKey()
	for i, line := range f.fieldOrder() {
		if line == key {
			return i
		}
	}
	return 0
}

// fieldOrder are the keys of the fields in the order they stand.
func (f *form) fieldOrder() []string {
	order := []string{"kind", "chain"}
	switch f.kind {
	case rules.DNAT, rules.Redirect:
		order = append(order, "protocol", "in", "source", "dest", "dport", "to", "comment", "place", "lasts")
	default:
		order = append(order, "source", "out", "protocol", "dest", "dport", "to", "comment", "place", "lasts")
	}
	return order
}

// preview says what the fields make.
func (f *form) preview(width, height int) []string {
	p, problems := f.plan()
	look := f.look
	var lines []string
	add := func(style lipgloss.Style, s string, limit int) {
		for _, l := range text.Wrap(s, width, limit) {
			lines = append(lines, style.Render(l))
		}
	}
	if f.sending {
		add(look.Attention, "checking with the kernel…", 1)
	} else if f.ready {
		add(look.Good.Bold(true), "enter applies it, esc goes back", 1)
	}
	if f.refused != "" {
		add(look.Broken, "refused: "+text.Safe(f.refused), 6)
	}
	for _, pr := range problems {
		if !pr.Warning && f.shows(pr.Field) {
			add(look.Broken, look.Glyphs.Cross+" "+pr.Text, 3)
		}
	}
	if !rules.HasErrors(problems) {
		key := ""
		if f.ready {
			key = keyCountdown.Help().Key
		}
		safety := f.impact.safety(f.chosen, key, width)
		if height < 8 && f.impact.ready() && f.impact.blast.Own {
			lines = append(lines, safety[:min(len(safety), 2)]...) // before all else, where room is scarce
			safety = nil
		}
		for _, c := range p.Commands() {
			add(look.Strong, "$ "+text.Safe(rules.ShellLine(c)), 6)
		}
		r, _ := f.draft.Rule()
		add(look.Text, r.Sentence(), 4)
		if f.lasts > 0 {
			add(look.Text, "It expires after "+text.Duration(f.lasts)+".", 1)
		}
		lines = append(lines, safety...)
		for _, w := range f.warnings(r, problems) {
			add(look.Attention, "! "+text.Safe(w), 3)
		}
		lines = append(lines, f.impact.flowLines(width)...)
		if d := f.impact.diffLines(width); len(d) > 0 && len(lines)+len(d) < height {
			lines = append(append(lines, ""), d...)
		}
	} else if len(lines) == 0 {
		add(look.Faint, "The command and what it does appear here as you fill in the fields.", 3)
	}
	if s := f.suggestions(); len(s) > 0 && !f.ready {
		add(look.Faint, "known here: "+text.Safe(strings.Join(s, "  ")), 2)
	}
	if len(lines) > height {
		lines = lines[:max(0, height)]
	}
	return lines
}

// shows tells whether a problem is to be said already: that of the field being
// filled once it was to be left, that of another when something stands in it.
func (f *form) shows(field rules.Field) bool {
	if focused := f.fields.GetFocusedField(); !f.ready && focused.GetKey() == string(field) {
		return focused.Error() != nil
	}
	values := map[rules.Field]string{
		rules.FieldProtocol: f.draft.Protocol, rules.FieldIn: f.draft.In, rules.FieldOut: f.draft.Out, rules.FieldSource: f.draft.Source,
		rules.FieldSPorts: f.draft.SPorts, rules.FieldDest: f.draft.Dest, rules.FieldPorts: f.draft.Ports, rules.FieldTo: f.draft.To, rules.FieldComment: f.draft.Comment,
	}
	v, typed := values[field]
	return !typed || strings.TrimSpace(v) != ""
}
