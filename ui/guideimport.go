package ui

import (
	"maps"
	"slices"
	"strings"

	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/rules"
	"nattui/rules/paste"
)

// importDialog takes pasted iptables commands: what is wrong stands beneath them
// with its correction, and nothing is applied while anything is in doubt.
type importDialog struct {
	*desk
	area    textarea.Model
	answers map[string]string
	doubts  bool // doubtful lines are accepted as they are
	// gap is the question that is being answered; "" while text is typed.
	gap   string
	input typedLine

	found      paste.Import
	known      bool // found is of the text as it stands
	generation int
	running    bool
	sending    bool
	refused    string
	commands   []string // those of the plan, as they are drawn; nil before they are
	beneath    reading  // the report of what was found, as far as it has been scrolled
	reading    bool     // it is scrolled, and has the room
	through    readThrough
	impact     impact
	chosen     countdown // how long the plan is to wait to be confirmed
	kept       bool      // it goes on with what was typed before it was closed
	// edits is the title of what is edited as the command that replaces it, which was command before; "" where commands
	// are pasted.
	edits, command string
}

// unread is a text of commands that was left before it was applied, with what was said about it.
type unread struct {
	text    string
	answers map[string]string
	doubts  bool
}

func (u unread) blank() bool { return strings.TrimSpace(u.text) == "" }

// importedMsg brings what a text has come to.
type importedMsg struct {
	dialog     *importDialog
	generation int
	found      paste.Import
}

// openImport opens the dialog for pasted commands, with what was typed into it before.
func (d *desk) openImport() tea.Cmd {
	x := newImport(d)
	d.open(x)
	x.kept = !d.pasted.blank()
	return x.restore(d.pasted)
}

// importPasted opens it with commands that were pasted elsewhere, and with these alone: one key would apply what was left
// before together with them. That is put aside, and comes back with a key.
func (d *desk) importPasted(commands string) tea.Cmd {
	if d.tooLong(commands) {
		return nil
	}
	if !d.pasted.blank() {
		d.aside = append(d.aside, d.pasted)
	}
	d.pasted = unread{text: commands}
	d.aside = slices.DeleteFunc(d.aside, func(u unread) bool {
		same := strings.TrimSpace(u.text) == strings.TrimSpace(commands)
		if same {
			d.pasted = u // with what was said about it
		}
		return same
	})
	x := newImport(d)
	d.open(x)
	return x.restore(d.pasted)
}

// openEdit opens the dialog on the command that replaces something, under a title.
func (d *desk) openEdit(title, command string) tea.Cmd {
	x := newImport(d)
	x.edits, x.command = title, strings.TrimSpace(command)
	d.open(x)
	return x.restore(unread{text: x.command})
}

// leftBefore says in a title that what stands in the box was typed before it was closed.
func leftBefore(kept bool) string {
	if !kept {
		return ""
	}
	return " (as you left it; ctrl+n starts anew)"
}

// restore goes on with a text that was left.
func (x *importDialog) restore(u unread) tea.Cmd {
	x.answers, x.doubts, x.gap, x.refused = maps.Clone(u.answers), u.doubts, "", ""
	if x.answers == nil {
		x.answers = map[string]string{}
	}
	x.area.SetValue(u.text)
	return x.read()
}

// another goes on with the text that was put aside last; the one at hand takes its place behind the others.
func (x *importDialog) another() tea.Cmd {
	last := len(x.desk.aside) - 1
	next, rest := x.desk.aside[last], slices.Clone(x.desk.aside[:last])
	if !x.desk.pasted.blank() {
		rest = slices.Insert(rest, 0, x.desk.pasted)
	}
	x.desk.aside, x.kept = rest, true
	return x.restore(next)
}

// anew begins with an empty text.
func (x *importDialog) anew() tea.Cmd {
	x.kept = false
	return x.restore(unread{})
}

// newImport makes the dialog for pasted commands.
func newImport(d *desk) *importDialog {
	area := textarea.New()
	area.Prompt, area.ShowLineNumbers = "", true
	area.Placeholder = "(paste iptables commands, a script, or the output of iptables-save)"
	area.CharLimit, area.MaxHeight = 0, 0
	area.KeyMap.InsertNewline.SetKeys("enter", "alt+enter", "ctrl+j")
	x := &importDialog{desk: d, area: area, input: newTypedLine(), answers: map[string]string{}, impact: impact{desk: d}, chosen: d.settings.countdown}
	x.restyle()
	x.area.Focus() // what it returns makes the cursor blink, which would redraw a slow line for nothing
	return x
}

func (x *importDialog) restyle() {
	s := textarea.DefaultStyles(x.look.Dark)
	for _, state := range []*textarea.StyleState{&s.Focused, &s.Blurred} {
		plain := lipgloss.NewStyle()
		state.Base, state.CursorLine, state.EndOfBuffer, state.Prompt = plain, plain, x.look.Faint.Lipgloss(), plain
		state.Text, state.Placeholder, state.LineNumber, state.CursorLineNumber = x.look.Input.Lipgloss(), x.look.Faint.Lipgloss(), x.look.Faint.Lipgloss(), x.look.Accent.Lipgloss()
	}
	s.Cursor.Blink = false
	x.area.SetStyles(s)
}

// Receive takes what has been found.
func (x *importDialog) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case importedMsg:
		return x.take(msg)
	case tea.BackgroundColorMsg:
		x.restyle()
		x.commands = nil
	case tablesMsg:
		if msg.Changed {
			return x.lookThrough()
		}
	case tea.WindowSizeMsg, tea.ColorProfileMsg:
		x.commands = nil
	}
	return nil
}

// Sending tells that the kernel is being asked.
func (x *importDialog) Sending() bool { return x.sending }

// Takes is lines of text, or the answer to a question.
func (x *importDialog) Takes() intake {
	if x.gap != "" {
		return intake{line: true, what: "the answer for " + x.gap}
	}
	return intake{lines: true}
}

// Paste puts text in where the cursor is.
func (x *importDialog) Paste(pasted string) tea.Cmd {
	switch {
	case x.gap != "":
		x.input.paste(pasted)
		return nil
	case x.tooLong(x.area.Value() + pasted):
		return nil
	}
	x.area.InsertString(pasted)
	return x.read()
}

// Asks is the plan that the text makes.
func (x *importDialog) Asks() (string, bool) {
	if !x.applicable() || x.sending {
		return "", true
	}
	return x.through.asks(x.impact.name("import", x.found.Plan)), x.impact.settled()
}

// Typing tells that letters are text.
func (x *importDialog) Typing() bool { return true }

// Type types the text, or the answer to a question.
func (x *importDialog) Type(k tea.KeyPressMsg) (tea.Cmd, bool) {
	if x.gap != "" {
		x.input.press(k)
		return nil, true
	}
	x.refused = ""
	x.toText()
	before := x.area.Value()
	x.area, _ = x.area.Update(k)
	if k.String() == "enter" && x.known && x.found.InDoubt() && strings.TrimSpace(before) != "" {
		x.sayUnready() // a new line is begun, where perhaps the text was to be applied
	}
	if x.area.Value() != before {
		return x.read(), true
	}
	return nil, true
}

// Actions are the dialog's keys; letters are text.
func (x *importDialog) Actions() keyTable {
	if x.gap != "" {
		return x.gapKeys()
	}
	return x.textKeys()
}

func (x *importDialog) gapKeys() keyTable {
	return keyTable{
		on(bind("enter", "answer", "enter", "tab"), x.answerGap),
		act(bind("esc", "back to the text", "esc", "ctrl+c"), func() { x.gap = "" }),
	}
}

func (x *importDialog) textKeys() keyTable {
	questions := func() bool { return x.known && len(x.found.Questions) > 0 }
	doubts := func() bool { return x.known && x.found.InDoubt() && strings.TrimSpace(x.area.Value()) != "" }
	unread := func() bool { return x.applicable() && !x.through.whole() }
	return keyTable{
		act(bind("enter", "read on", "enter", "ctrl+s"), x.readOn).when(unread),
		on(bind("enter", "apply", "enter"), x.send).agreeing().when(x.applicable),
		act(keyImportCountdown, func() { x.chosen = x.chosen.next() }).when(x.choosable).otherwise(x.notYet("the countdown is chosen once there is something to apply")),
		act(bind("tab", "fill the gaps", "tab"), func() { x.askFor(x.found.Questions[0]) }).when(questions).otherwise(x.notYet("no gap is left to fill")),
		on(bind("ctrl+t", "apply the corrections", "ctrl+t"), x.correct).when(doubts).otherwise(x.notYet("there is nothing to correct")),
		on(bind("ctrl+y", "accept doubts", "ctrl+y"), x.acceptDoubts).when(doubts),
		on(silent("ctrl+y"), x.acceptDoubts),
		on(hidden(bind("ctrl+s", "apply", "ctrl+s")), x.send).agreeing().when(x.applicable).otherwise(x.sayUnready),
		act(bind("pgdn", "read on", "pgdown"), x.readOn).when(func() bool { return x.beneath.most > 0 }),
		act(hidden(bind("pgup", "read back", "pgup")), x.readBack).when(func() bool { return x.reading }),
		on(bind("ctrl+n", "start anew", "ctrl+n"), x.anew).when(func() bool { return x.kept }).otherwise(x.saying(alreadyNew)),
		on(bind("ctrl+z", "the other text", "ctrl+z"), x.another).when(func() bool { return x.edits == "" && len(x.desk.aside) > 0 }).otherwise(x.saying("no other text was left here")),
		act(bind("esc", "close", "esc", "ctrl+c"), x.closing(x)),
	}
}

// alreadyNew is why nothing is begun anew in a box whose fields or lines were not typed before it was closed.
const alreadyNew = "ctrl+n starts anew where you come back to what you typed; here nothing was left before"

// notYet says why a key of the text does nothing: while that is being read nobody knows.
func (x *importDialog) notYet(why string) func() {
	return func() {
		if !x.known && strings.TrimSpace(x.area.Value()) != "" {
			why = "the text is still being read"
		}
		x.sayBriefly(why)
	}
}

// acceptDoubts takes doubtful lines as they are, or no longer.
func (x *importDialog) acceptDoubts() tea.Cmd {
	x.refused, x.doubts = "", !x.doubts
	return x.read()
}

// answerGap takes the answer to a question.
func (x *importDialog) answerGap() tea.Cmd {
	if value := strings.TrimSpace(x.input.Value()); value != "" {
		x.answers[x.gap] = value
	}
	x.gap = ""
	return x.read()
}

func (x *importDialog) askFor(q paste.Question) {
	x.gap, x.refused = q.Name, ""
	x.toText()
	x.input.offer(q.Suggestion)
}

// correct puts the corrected lines in place of the text.
func (x *importDialog) correct() tea.Cmd {
	if !x.known || !x.found.InDoubt() || len(x.found.Corrected) == 0 {
		return nil
	}
	x.refused = ""
	x.area.SetValue(strings.Join(x.found.Corrected, "\n"))
	return x.read()
}

// read reads a text that has become another, and what is found is told from its beginning.
func (x *importDialog) read() tea.Cmd {
	x.toText()
	return x.lookThrough()
}

// lookThrough looks through the text beside Update; a text that changes in the meantime is
// read again afterwards.
func (x *importDialog) lookThrough() tea.Cmd {
	x.generation++
	x.known = false
	if x.edits == "" {
		x.desk.pasted = unread{x.area.Value(), x.answers, x.doubts}
	}
	if x.running {
		return nil
	}
	x.running = true
	pasted, generation, ground := x.area.Value(), x.generation, x.ground()
	return func() tea.Msg { return importedMsg{x, generation, x.reader(pasted, ground)} }
}

func (x *importDialog) take(msg importedMsg) tea.Cmd {
	if msg.dialog != x {
		return nil
	}
	x.running = false
	if msg.generation != x.generation {
		return x.lookThrough()
	}
	x.found, x.known, x.commands = msg.found, true, nil
	if x.edits != "" && strings.TrimSpace(x.area.Value()) == x.command {
		x.found = paste.Import{} // nothing else is said yet
	}
	return nil
}

// ground is the host as the text is held against it.
func (x *importDialog) ground() paste.Ground {
	g := paste.Ground{Sets: x.tables.Sets, Backend: x.desk.variant.Backend, Answers: maps.Clone(x.answers), AcceptDoubts: x.doubts, UserID: x.gw.UserID, GroupID: x.gw.GroupID}
	if x.facts == nil {
		return g
	}
	if up, ok := x.uplink(); ok {
		g.Uplink = up.Link
		g.Uplink4, g.Uplink6 = up.IPv4.Prefix.Addr(), up.IPv6.Prefix.Addr()
	}
	for _, l := range x.facts.Links {
		g.Links = append(g.Links, l.Name)
	}
	return g
}

// applicable tells whether every line can be carried out.
func (x *importDialog) applicable() bool {
	return x.known && !x.found.InDoubt() && len(x.found.Plan.Steps) > 0
}

// keyImportCountdown goes through the choices where letters are text.
var keyImportCountdown = bind("ctrl+o", "countdown", "ctrl+o")

// choosable tells whether the countdown can be chosen now.
func (x *importDialog) choosable() bool { return x.applicable() && x.gw.Journal != nil }

// sayUnready says what is left to do before the text can be applied.
func (x *importDialog) sayUnready() {
	wrong, doubts := 0, 0
	for _, r := range x.found.Remarks {
		switch r.Level {
		case paste.Error:
			wrong++
		case paste.Doubt:
			doubts++
		}
	}
	gaps := len(x.found.Questions)
	switch {
	case strings.TrimSpace(x.area.Value()) == "":
		x.sayBriefly("there is nothing to apply yet: paste or type commands")
	case !x.known:
		x.sayBriefly("the text is still being read")
	case gaps > 0:
		x.sayBriefly(rules.Plural(gaps, "gap") + " left: tab asks what stands there")
	case wrong > 0 && len(x.found.Corrected) > 0:
		x.sayBriefly(rules.Plural(wrong, "mistake") + " left: ctrl+t corrects what it can")
	case wrong > 0:
		x.sayBriefly(rules.Plural(wrong, "mistake") + " left, named beneath the text")
	case doubts > 0:
		x.sayBriefly(rules.Plural(doubts, "doubt") + " left: ctrl+t corrects, ctrl+y accepts")
	default:
		x.sayBriefly("there is nothing to change")
	}
}

func (x *importDialog) send() tea.Cmd {
	if !x.applicable() {
		x.sayUnready()
		return nil
	}
	cmd := x.apply(x.found.Plan, appliedNew, terms{countdown: x.chosen}, func(err error) tea.Cmd {
		x.sending = false
		if err != nil {
			x.refused = err.Error()
			return x.read()
		}
		if x.edits == "" {
			x.desk.takeUp()
		}
		x.close(x)
		return nil
	})
	x.sending = cmd != nil
	return cmd
}

// takeUp has import open with the text that was put aside last, as the one at hand is applied.
func (d *desk) takeUp() {
	d.pasted = unread{}
	if last := len(d.aside) - 1; last >= 0 {
		d.pasted, d.aside = d.aside[last], d.aside[:last]
	}
}

// Settle has the plan weighed that the text makes, and fits what is found and the text to their room.
func (x *importDialog) Settle() (cmd tea.Cmd) {
	if x.applicable() && !x.sending {
		cmd = x.impact.weigh(x.found.Plan)
	}
	x.fitReport()
	x.fitText()
	return cmd
}
