package ui

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
	"nattui/ui/table"
	"nattui/ui/text"
)

// doctorScreen tells what is wrong or risky on the gateway now, each with
// evidence and a cure, and follows one forward from the packet that arrives to
// the answer that leaves.
type doctorScreen struct {
	*desk
	rows   []doctorRow
	whole  []doctorRow // of the whole gateway, for coming back to
	cursor table.Cursor[string]
	// follows is the forward whose way is shown; nil shows the whole gateway.
	follows *doctor.Forward
	// probed is what its server said when it was asked; probing while it is.
	probed  map[netip.AddrPort]doctor.Probe
	probing bool
	before  table.Cursor[string] // where the cursor was on the whole gateway
	details []string             // under the list, about the row under the cursor
	height  int

	active, examined bool
	led              bool // the cursor was put on what fails of a forward
	running, again   bool
	due              bool // an examination at the time next is arranged
	next             time.Time
	generation       int
	earlier          facts.Health // as of the examination before
}

// doctorRow is a finding, or a forward that can be followed.
type doctorRow struct {
	finding doctor.Finding
	forward *doctor.Forward
	head    string // the heading above the row
}

func (r *doctorRow) key() string {
	if r.forward != nil {
		return "forward " + r.finding.Subject
	}
	return r.finding.Check + " " + r.finding.Subject
}

// examinedMsg brings what an examination has found.
type examinedMsg struct {
	generation int
	rows       []doctorRow
	health     facts.Health
	cost       time.Duration
}

// probedMsg brings what the server of a forward said.
type probedMsg struct {
	server netip.AddrPort
	probe  doctor.Probe
}

// doctorDueMsg says that it is time to look again.
type doctorDueMsg struct{}

// The pace of examinations: not more often than doctorPace, and a small share of
// one core at most.
const (
	doctorPace  = 3 * time.Second
	doctorShare = 20
)

// keyFix cures what is under the cursor.
var keyFix = bind("f", "fix", "f")

// keyProbe asks the server of a forward for a connection.
var keyProbe = bind("p", "ask the server", "p")

func newDoctorScreen(d *desk) *doctorScreen { return &doctorScreen{desk: d} }

// Receive takes news of the gateway, and what was found.
func (s *doctorScreen) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case shownMsg:
		s.active = true
		return s.live()
	case tablesMsg:
		if msg.Changed {
			s.next = time.Time{}
		}
		return s.live()
	case factsMsg, flowsMsg:
		return s.live()
	case doctorDueMsg:
		s.due, s.next = false, time.Time{}
		return s.live()
	case examinedMsg:
		return s.found(msg)
	case probedMsg:
		return s.answered(msg)
	}
	return nil
}

// Hidden stops looking.
func (s *doctorScreen) Hidden() { s.active = false }

// live examines the gateway again as soon as that is due.
func (s *doctorScreen) live() tea.Cmd {
	if !s.active || s.tables.Sets == nil || s.facts == nil {
		return nil
	}
	wait := s.next.Sub(s.now)
	switch {
	case wait <= 0:
		return s.examine()
	case s.due:
		return nil
	}
	s.due = true
	return tea.Tick(wait, func(time.Time) tea.Msg { return doctorDueMsg{} })
}

// examine looks at the gateway beside Update. While it does, another look is
// noted and made afterwards.
func (s *doctorScreen) examine() tea.Cmd {
	if s.running {
		s.again = true
		return nil
	}
	s.running = true
	g := &doctor.Gateway{Facts: s.facts, Sets: s.tables.Sets, Earlier: s.earlier}
	if s.gw.Flows != nil {
		g.Flows, g.Health = s.gw.Flows.Table(), s.gw.Flows.Health()
	}
	if s.follows != nil {
		g.Probes = s.probed
	}
	generation, follows, surroundings := s.generation, s.follows, s.gw.Surroundings
	return func() tea.Msg {
		began := time.Now()
		if surroundings != nil {
			if around, err := surroundings(s.ctx); err == nil {
				g.Surroundings = around
			} else {
				g.Unseen = append(g.Unseen, err.Error())
			}
		}
		msg := examinedMsg{generation: generation, health: g.Health}
		if follows == nil {
			msg.rows = gatewayRows(g)
		} else {
			msg.rows = forwardRows(g, *follows)
		}
		msg.cost = time.Since(began)
		return msg
	}
}

// gatewayRows are the findings about the whole gateway, and the forwards.
func gatewayRows(g *doctor.Gateway) []doctorRow {
	found := doctor.Examine(g)
	var rows []doctorRow
	for _, f := range found {
		rows = append(rows, doctorRow{finding: f})
	}
	if doctor.Worst(found) < doctor.SeverityWarning {
		ok := doctor.Finding{Check: "sound", Subject: "this gateway", Sentence: "Nothing is wrong, as far as can be seen from here."}
		if len(found) > 0 {
			ok.Sentence = "Nothing is wrong; the notes are worth knowing."
		}
		rows = append([]doctorRow{{finding: ok}}, rows...)
	}
	rows[0].head = rules.Plural(len(found), "finding")
	first := len(rows)
	for _, f := range doctor.Forwards(g) {
		if f.Owner == "" {
			rows = append(rows, forwardRow(f, found))
		}
	}
	if len(rows) > first {
		rows[first].head = rules.Plural(len(rows)-first, "forward")
	}
	return rows
}

// forwardRow is a forward with the worst that was found about its rule.
func forwardRow(f doctor.Forward, found []doctor.Finding) doctorRow {
	name := fmt.Sprintf("%s %d", f.Rule.Chain, f.Rule.Position)
	row := doctorRow{forward: &f, finding: doctor.Finding{Subject: name, Sentence: f.String()}}
	if f.Rule.Family == rules.IPv6 {
		row.finding.Subject += " (IPv6)"
	}
	for i := range found {
		if found[i].Subject == row.finding.Subject && found[i].IsProblem() {
			row.finding.Severity = max(row.finding.Severity, found[i].Severity)
		}
	}
	return row
}

// forwardRows are the steps of one forward's way.
func forwardRows(g *doctor.Gateway, f doctor.Forward) []doctorRow {
	var rows []doctorRow
	for _, step := range doctor.ExamineForward(g, f) {
		rows = append(rows, doctorRow{finding: step})
	}
	rows[0].head = f.String()
	return rows
}

// found takes the answer of an examination.
func (s *doctorScreen) found(msg examinedMsg) tea.Cmd {
	s.running = false
	if msg.generation == s.generation {
		s.rows, s.examined, s.earlier = msg.rows, true, msg.health
		if s.follows == nil {
			s.whole = msg.rows
		}
		s.next = s.now.Add(max(doctorPace, doctorShare*msg.cost))
		if s.follows != nil && !s.led {
			s.led = true
			s.cursor.Go(s.failure(), len(s.rows), s.rowKey)
		}
		s.cursor.Follow(len(s.rows), s.rowKey)
	}
	if s.again || msg.generation != s.generation {
		s.again = false
		return s.live()
	}
	return nil
}

// failure is the row of the step that fails, or the first.
func (s *doctorScreen) failure() int {
	for i := range s.rows {
		if s.rows[i].finding.IsProblem() {
			return i
		}
	}
	return 0
}

func (s *doctorScreen) rowKey(i int) string { return s.rows[i].key() }

// current is the row under the cursor.
func (s *doctorScreen) current() (*doctorRow, bool) {
	if len(s.rows) == 0 {
		return nil, false
	}
	return &s.rows[min(s.cursor.Index(), len(s.rows)-1)], true
}

// Wheel moves the cursor.
func (s *doctorScreen) Wheel(by int) { s.move(by) }

func (s *doctorScreen) move(by int) {
	s.cursor.Go(s.cursor.Index()+by, len(s.rows), s.rowKey)
}

// Back goes from one forward to the whole gateway.
func (s *doctorScreen) Back() bool {
	if s.follows == nil {
		return false
	}
	s.turn(nil)
	s.cursor = s.before
	return true
}

// turn looks at one forward, or at the whole gateway again.
func (s *doctorScreen) turn(f *doctor.Forward) {
	s.follows, s.rows, s.examined, s.led = f, nil, false, false
	s.probed, s.probing = nil, false
	if f == nil {
		s.rows, s.examined = s.whole, true
	}
	s.generation++
	s.next = time.Time{}
}

// Actions fix, follow a forward, and ask its server.
func (s *doctorScreen) Actions() keyTable {
	current := func(is func(*doctorRow) bool) func() bool {
		return func() bool { r, ok := s.current(); return ok && is(r) }
	}
	forward := current(func(r *doctorRow) bool { return r.forward != nil })
	curable := current(func(r *doctorRow) bool { return !s.gw.ReadOnly && len(r.finding.Cure.Steps) > 0 })
	follows := func() bool { return s.follows != nil }
	can := func() bool { return !s.gw.ReadOnly }
	return keyTable{
		act(keyFix, s.fix).when(curable).otherwise(s.sayNoFix),
		act(keyProbe, s.askServer).when(func() bool { return s.gw.Probe != nil && (follows() || forward()) }).otherwise(s.sayNoServer),
		on(bind("enter", "follow it", "enter"), s.enter).when(forward),
		on(keys.Details, s.enter).when(current(func(*doctorRow) bool { return true })),
		on(keys.Close, func() tea.Cmd { s.Back(); return s.live() }).when(follows),
		elsewhere(keys.Switches),
	}.and(scrolling(func() int { return s.height }, s.move), keyTable{elsewhere(keys.Undo).when(can), elsewhere(keys.Redo).when(can)})
}

// Switches opens the switches of the kernel.
func (s *doctorScreen) Switches() tea.Cmd { return s.openSwitches("") }

// sayNoServer says why there is no server to ask.
func (s *doctorScreen) sayNoServer() {
	if s.gw.Probe == nil {
		s.say("servers cannot be asked from here")
		return
	}
	s.say("choose a forward first: its server is asked")
}

// askServer asks whether to ask the server of the forward for a connection: the
// only thing that the doctor does and others see.
func (s *doctorScreen) askServer() {
	f := s.follows
	if r, ok := s.current(); f == nil && ok {
		f = r.forward
	}
	switch {
	case f.Proto != rules.TCP || !f.Server.IsValid() || f.Server.Port() == 0:
		s.say("only a server of TCP at one port can be asked for a connection")
		return
	case s.probing:
		s.say("the server is being asked")
		return
	}
	server := f.Server
	q := newQuestion(s.desk, fmt.Sprintf("Ask %s for a connection?", server), []string{
		"One TCP connection is opened from this host and closed at once. The server sees it, and may note it in its log. Nothing on this gateway changes.",
	}, rules.Plan{}, "ask")
	q.act = func(terms) tea.Cmd {
		var follow tea.Cmd
		if s.follows == nil {
			follow = s.enter()
		}
		s.probing = true
		probe := s.gw.Probe
		return tea.Batch(follow, func() tea.Msg { return probedMsg{server, probe(s.ctx, server)} })
	}
	s.desk.open(q)
}

// answered examines the forward with what its server said.
func (s *doctorScreen) answered(msg probedMsg) tea.Cmd {
	if !s.probing || s.follows == nil || s.follows.Server != msg.server {
		return nil // left meanwhile
	}
	s.probing, s.led, s.next = false, false, time.Time{}
	s.probed = map[netip.AddrPort]doctor.Probe{msg.server: msg.probe}
	switch {
	case msg.probe.Connected:
		s.say(fmt.Sprintf("%s accepts connections from here", msg.server))
	case msg.probe.Refused:
		s.fail(fmt.Errorf("%s refuses connections", msg.server))
	default:
		s.fail(fmt.Errorf("%s does not answer: %s", msg.server, msg.probe.Why))
	}
	s.generation++
	return s.live()
}

// enter follows the forward under the cursor, or shows all about a finding.
func (s *doctorScreen) enter() tea.Cmd {
	r, ok := s.current()
	if !ok {
		return nil
	}
	if r.forward != nil {
		s.before, s.cursor = s.cursor, table.Cursor[string]{}
		s.turn(r.forward)
		return s.live()
	}
	s.desk.open(&findingDetails{desk: s.desk, screen: s, finding: r.finding})
	return nil
}

// fix asks whether to cure what is under the cursor.
func (s *doctorScreen) fix() {
	if r, ok := s.current(); ok {
		s.desk.open(s.cureQuestion(&r.finding))
	}
}

// sayNoFix says why what is under the cursor cannot be cured from here.
func (s *doctorScreen) sayNoFix() {
	r, ok := s.current()
	switch {
	case !ok:
	case s.gw.ReadOnly:
		s.say(onlyLooks)
	case r.forward != nil:
		s.say("enter follows the forward; what is wrong with it has its cure there")
	case len(r.finding.Commands) == 0:
		s.say("there is no plan that cures this: it takes somebody who knows what is meant")
	default:
		s.say("nattui does not run this itself: " + rules.ShellLine(r.finding.Commands[0]))
	}
}

// shownSteps is how many steps of a cure the question shows.
const shownSteps = 4

// cureQuestion asks whether to carry out a cure, with its first steps.
func (s *doctorScreen) cureQuestion(f *doctor.Finding) dialog {
	plan, shown := f.Cure, f.Cure
	room := s.desk.height - 5 // without frame, blank lines and answers
	steps := max(1, min((room-3)/3, shownSteps, len(plan.Steps)))
	lines := []string{f.Sentence}
	for _, step := range plan.Steps {
		if step.Why != "" && len(lines) < 3 {
			lines = append(lines, upper(step.Why)+".")
		}
	}
	for _, argv := range f.Commands {
		lines = append(lines, "Besides, you have to run: "+rules.ShellLine(argv))
	}
	last := ""
	if more := len(plan.Steps) - steps; more > 0 {
		shown.Steps = plan.Steps[:steps]
		last = "Of " + rules.Plural(len(plan.Steps), "step") + ", the first:"
	}
	q := newQuestion(s.desk, plan.Title+"?", s.fitLines(lines, last, room-3*steps), shown, "fix")
	q.whole = plan
	q.act = func(t terms) tea.Cmd {
		return s.apply(plan, appliedNew, t, func(error) tea.Cmd {
			s.next = time.Time{}
			return s.live()
		})
	}
	return q
}

// fitLines are as many of the lines as there is room for, and the last in any case.
func (s *doctorScreen) fitLines(lines []string, last string, room int) []string {
	inner := min(72, s.desk.width-4) - 4
	var fit []string
	for _, l := range lines {
		fit = append(fit, text.Wrap(text.Safe(l), inner, 0)...)
	}
	if last != "" {
		room--
	}
	if room = max(1, room); len(fit) > room {
		fit = fit[:room]
		fit[room-1] = text.Fit(fit[room-1]+"…", inner)
	}
	if last != "" {
		fit = append(fit, last)
	}
	return fit
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Settle fits the list and what is under it to the height.
func (s *doctorScreen) Settle(width, height int) tea.Cmd {
	s.details = s.detailLines(width, height)
	heads := 0
	for i := range s.rows {
		if s.rows[i].head != "" {
			heads++
		}
	}
	s.height = max(1, height-len(s.details)-max(1, heads))
	s.cursor.Follow(len(s.rows), s.rowKey)
	s.cursor.Settle(len(s.rows), s.height)
	if !s.examined && !s.running {
		return s.live()
	}
	return nil
}

// detailLines are evidence and cure of what is under the cursor.
func (s *doctorScreen) detailLines(width, height int) []string {
	r, ok := s.current()
	if !ok || height < 10 {
		return nil
	}
	room := max(4, min(height/2, 11))
	lines := []string{" " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width-2))}
	add := func(style lipgloss.Style, indent, l string, limit int) {
		for _, w := range text.Wrap(text.Safe(l), width-2-len(indent), limit) {
			if len(lines) < room {
				lines = append(lines, " "+indent+style.Render(w))
			}
		}
	}
	add(s.look.Text, "", r.finding.Sentence, 4)
	for i, e := range r.finding.Evidence {
		if i < 3 {
			add(s.look.Faint, "", e, 2)
		}
	}
	for _, c := range r.finding.CureCommands() {
		add(s.look.Accent, "", "$ "+rules.ShellLine(c), 2)
	}
	return lines
}

// View draws the findings and, beneath them, the one under the cursor.
func (s *doctorScreen) View(width, height int) []string {
	var lines []string
	switch {
	case s.tables.Sets == nil || s.facts == nil || !s.examined:
		lines = append(lines, s.headLine("", width), "   "+s.look.Faint.Render("looking at the gateway"+strings.Repeat(".", 3)))
	default:
		lines = s.list(width)
	}
	for len(lines) < height-len(s.details) {
		lines = append(lines, "")
	}
	if cut := height - len(s.details); len(lines) > cut {
		lines = lines[:max(0, cut)]
	}
	return append(lines, s.details...)
}

func (s *doctorScreen) list(width int) []string {
	cols := []table.Column{
		{Title: "severity", Min: 7, Want: 7},
		{Title: "about", Min: 12, Want: s.widest(width)},
		{Title: "finding", Min: 12, Want: 40, Grow: 1},
	}
	widths := table.Widths(cols, width-4)
	var lines []string
	from, to := s.cursor.Window(len(s.rows), s.height)
	for i := from; i < to; i++ {
		r := &s.rows[i]
		if head := s.headOf(i); i == from || r.head != "" {
			lines = append(lines, s.headLine(head, width))
		}
		bar, over := "   ", (*lipgloss.Style)(nil)
		if i == s.cursor.Index() {
			bar = " " + s.look.Accent.Render(s.look.Glyphs.Bar) + s.look.Cursor.Render(" ")
			over = &s.look.Cursor
		}
		lines = append(lines, bar+table.Line(cols, widths, []table.Cell{
			s.severity(r.finding.Severity), {Text: text.Safe(r.about(s.follows != nil)), Style: s.look.Strong}, {Text: text.Safe(r.finding.Sentence), Style: s.look.Text},
		}, over))
	}
	return lines
}

// about is what a row is about: on a forward's way the step.
func (r *doctorRow) about(step bool) string {
	if step {
		return r.finding.Check
	}
	return r.finding.Subject
}

// widest is the width that the column of subjects wants.
func (s *doctorScreen) widest(width int) int {
	w := 12
	for i := range s.rows {
		w = max(w, lipgloss.Width(text.Safe(s.rows[i].about(s.follows != nil))))
	}
	return min(w, max(12, width/3))
}

// headOf is the heading that a row stands under.
func (s *doctorScreen) headOf(i int) string {
	for ; i >= 0; i-- {
		if s.rows[i].head != "" {
			return s.rows[i].head
		}
	}
	return ""
}

// headLine is a quiet line with what follows at its right end.
func (s *doctorScreen) headLine(right string, width int) string {
	left := s.look.Faint.Render("what is ") + s.look.Strong.Render("wrong") + s.look.Faint.Render(" or risky now")
	switch {
	case s.follows != nil:
		left = s.look.Faint.Render("the way of ") + s.look.Strong.Render(fmt.Sprintf("%s %d", text.Safe(s.follows.Rule.Chain), s.follows.Rule.Position))
	case strings.HasSuffix(right, "forward"), strings.HasSuffix(right, "forwards"):
		left = s.look.Faint.Render("what is ") + s.look.Strong.Render("forwarded")
	}
	used := lipgloss.Width(left)
	right = text.Fit(text.Safe(right), max(8, width-used-8))
	fill := width - 1 - used - 1 - 1 - lipgloss.Width(right) - 4
	return " " + left + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, max(0, fill))) + " " + s.look.Faint.Render(right) + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, 2))
}

// severity is the word that says how much a finding matters.
func (s *doctorScreen) severity(v doctor.Severity) table.Cell {
	style := map[doctor.Severity]lipgloss.Style{
		doctor.SeverityOK: s.look.Good, doctor.SeverityNote: s.look.Faint, doctor.SeverityWarning: s.look.Attention, doctor.SeverityError: s.look.Broken,
	}[v]
	return table.Cell{Text: v.String(), Style: style}
}
