package ui

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
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
	// results are what servers said when they were asked; probing while one is.
	results testResults
	probing bool
	before  table.Cursor[string] // where the cursor was on the whole gateway
	sent    *sentPacket          // the packet of a forward that was sent from here, in the lab
	details []string             // under the list, about the row under the cursor
	height  int

	active, examined bool
	led              bool // the cursor was put on what fails of a forward
	running, again   bool
	due              bool // an examination at the time next is arranged
	next             time.Time
	generation       int
	earlier          facts.Health // as of the examination before
	calm             calmness
	asked            bool         // somebody wants it anew, with what is read then
	looked           *facts.Facts // as of the last look at the host
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
	follows    *doctor.Forward // as it is now; nil of the whole gateway
	rows       []doctorRow
	health     facts.Health
	cost       time.Duration
}

// calmness is how long nothing has happened that an examination looks at.
type calmness struct {
	version uint64    // of the connections when the last one began
	looks   int       // examinations one after the other that found the same, with the same connections
	at      time.Time // when the last one ended
}

// While nothing happens the pace is halved doctorCalm times, up to 24 seconds, and after doctorSame examinations that found
// the same the rest is doctorCalmShare times what one takes, up to doctorLongest. What changes links, routes, rules, settings
// or connections ends it.
const (
	doctorCalm      = 3
	doctorSame      = 1
	doctorCalmShare = 3000
	doctorLongest   = 150 * time.Second
)

// note counts an examination, and returns how long to rest until the next.
func (c *calmness) note(same bool, version uint64, now time.Time, cost time.Duration) time.Duration {
	if c.looks++; !same || version != c.version {
		c.looks = 0
	}
	c.at = now
	rest := max(doctorPace<<min(c.looks, doctorCalm), doctorShare*cost)
	if c.looks >= doctorSame {
		rest = max(rest, min(doctorCalmShare*cost, doctorLongest))
	}
	return rest
}

// version is that of the connections now.
func (s *desk) version() uint64 {
	if s.gw.Flows == nil {
		return 0
	}
	return s.gw.Flows.Table().Version()
}

// sameRows tells whether two examinations have found the same.
func sameRows(a, b []doctorRow) bool {
	return slices.EqualFunc(a, b, func(x, y doctorRow) bool {
		return x.key() == y.key() && x.finding.Severity == y.finding.Severity && x.finding.Sentence == y.finding.Sentence && slices.Equal(x.finding.Evidence, y.finding.Evidence)
	})
}

// doctorDueMsg says that it is time to look again.
type doctorDueMsg struct{}

// The pace of examinations: not more often than doctorPace, and a small share of
// one core at most.
const (
	doctorPace  = 3 * time.Second
	doctorShare = 20
)

func newDoctorScreen(d *desk) *doctorScreen { return &doctorScreen{desk: d} }

// Receive takes news of the gateway, and what was found.
func (s *doctorScreen) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case shownMsg:
		s.active = true
		return s.live()
	case tablesMsg:
		if msg.Changed {
			s.results.forget()
			s.next = time.Time{}
		}
		return s.live()
	case factsMsg:
		if s.asked || s.looked == nil || !sameNetwork(s.looked, msg.Facts) {
			s.asked, s.next = false, time.Time{}
		}
		s.results.changed(s.looked, msg.Facts)
		s.looked = msg.Facts
		return s.live()
	case againMsg:
		s.asked = true // with what is read now
	case flowsMsg:
		if s.version() != s.calm.version && s.calm.looks > 0 { // it is calm no more
			s.calm.looks, s.due = 0, false
			s.next = s.calm.at.Add(doctorPace)
		}
		return s.live()
	case doctorDueMsg:
		s.due, s.next = false, time.Time{}
		return s.live()
	case examinedMsg:
		return s.found(msg)
	case probedMsg:
		return s.answered(msg)
	case repliedMsg:
		return s.replied(msg)
	}
	return nil
}

// Hidden stops looking.
func (s *doctorScreen) Hidden() { s.active = false }

// live examines the gateway again as soon as that is due.
func (s *doctorScreen) live() tea.Cmd {
	if !s.active || s.tables.Sets == nil || !s.isKnown() {
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
	if v := s.version(); v != s.calm.version {
		s.calm.version, s.calm.looks = v, 0
	}
	g := &doctor.Gateway{Facts: s.facts, Sets: s.tables.Sets, NativeAlone: s.tables.Native, Earlier: s.earlier, Probes: s.results.probes, Tries: s.results.tries}
	if s.gw.Flows != nil {
		g.Flows, g.Health, g.Explained = s.gw.Flows.Table(), s.gw.Flows.Health(), s.gw.Flows.Explain
	}
	generation, follows, surroundings, native := s.generation, s.follows, s.gw.Surroundings, s.tables.Native
	return func() tea.Msg {
		began := time.Now()
		g.Facts = counted(g.Facts, native)
		if surroundings != nil {
			g.Surroundings = surroundings(s.ctx)
		}
		msg := examinedMsg{generation: generation, health: g.Health}
		if follows == nil {
			msg.rows = gatewayRows(g)
		} else {
			msg.follows, msg.rows = forwardRows(g, *follows)
		}
		msg.cost = time.Since(began)
		return msg
	}
}

// counted are the facts with the counters of native rules as they are now: the facts are read when rules change, and now
// and then.
func counted(f *facts.Facts, native *nft.Ruleset) *facts.Facts {
	if native == nil || f == nil || f.Native == nil || f.Native.Ruleset() == native || f.Native.Ruleset().Generation != native.Generation {
		return f
	}
	now := *f
	now.Native = evaluate.CompileNative(native)
	return &now
}

// gatewayRows are the findings about the whole gateway, and the forwards.
func gatewayRows(g *doctor.Gateway) []doctorRow {
	report := doctor.Look(g)
	found := report.Findings
	var rows []doctorRow
	for _, f := range found {
		rows = append(rows, doctorRow{finding: f})
	}
	if doctor.Worst(found) < doctor.SeverityWarning {
		ok := doctor.Finding{Check: "sound", Subject: "this gateway", Sentence: "No problems found. Not everything can be checked from here."}
		if len(found) > 0 {
			ok.Sentence = "No problems found, only notes."
		}
		if n := doctor.Unknown(found); n > 0 {
			ok.Severity = doctor.SeverityUnknown
			ok.Sentence = "Nothing is wrong as far as could be looked, but " + rules.Plural(n, "answer") + " could not be found."
		}
		if g.Facts == nil {
			ok.Sentence = doctor.RulesAloneVerdict(found)
		}
		rows = append([]doctorRow{{finding: ok}}, rows...)
	}
	rows[0].head = rules.Plural(len(found), "finding")
	return append(rows, listedForwards(&report)...)
}

// programsListed is how many forwards are listed that programs make, which may be thousands.
const programsListed = 24

// listedForwards are the administrator's forwards, and then the first of those that programs make, each with its program.
func listedForwards(report *doctor.Report) []doctorRow {
	var own, programs []doctorRow
	cut := false
	for i := range report.Forwards {
		f := &report.Forwards[i]
		row := doctorRow{forward: f, finding: doctor.Finding{Subject: f.Name(), Sentence: f.String(), Severity: report.Verdict(f)}}
		if f.Owner != "" {
			row.finding.Sentence += " (" + f.Owner + ")"
		}
		switch {
		case f.IsByHand():
			own = append(own, row)
		case len(programs) < programsListed:
			programs = append(programs, row)
		default:
			cut = true
		}
	}
	if len(own) > 0 {
		own[0].head = rules.Plural(len(own), "forward")
	}
	if len(programs) > 0 {
		programs[0].head = rules.Plural(len(programs), "forward")
		if cut {
			programs[0].head = firstOf + programs[0].head
		}
	}
	return append(own, programs...)
}

// firstOf begins a heading of rows where there are more than these.
const firstOf = "the first "

// forwardRows are the steps of one forward's way.
func forwardRows(g *doctor.Gateway, f doctor.Forward) (now *doctor.Forward, rows []doctorRow) {
	f, found := doctor.FollowForward(g, f)
	for _, step := range found {
		rows = append(rows, doctorRow{finding: step})
	}
	rows[0].head = f.String()
	return &f, rows
}

// found takes the answer of an examination.
func (s *doctorScreen) found(msg examinedMsg) tea.Cmd {
	s.running = false
	if msg.generation == s.generation {
		same := s.examined && sameRows(s.rows, msg.rows)
		s.rows, s.examined, s.earlier = msg.rows, true, msg.health
		if s.follows == nil {
			s.whole = msg.rows
		} else {
			s.follows = msg.follows
		}
		s.next = s.now.Add(s.calm.note(same, s.version(), s.now, msg.cost))
		if s.follows != nil && !s.led {
			s.led = true
			s.cursor.Go(s.failure(), len(s.rows), s.rowKey)
		}
		s.cursor.Follow(len(s.rows), s.rowKey)
	}
	if s.again { // what it found may be no more: that is not left to stand for as long as where nothing happens
		s.again, s.due, s.calm.looks = false, false, 0
		s.next = s.now.Add(max(doctorPace, doctorShare*msg.cost))
		return s.live()
	}
	if msg.generation != s.generation {
		return s.live()
	}
	return nil
}

// failure is the row of the step that fails, else of one that is not known, or the first.
func (s *doctorScreen) failure() int {
	for _, is := range []func(*doctor.Finding) bool{(*doctor.Finding).IsProblem, func(f *doctor.Finding) bool { return f.Severity == doctor.SeverityUnknown }} {
		if i := slices.IndexFunc(s.rows, func(r doctorRow) bool { return is(&r.finding) }); i >= 0 {
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

// turn looks at one forward, or at the whole gateway again.
func (s *doctorScreen) turn(f *doctor.Forward) {
	s.follows, s.rows, s.examined, s.led = f, nil, false, false
	if f == nil {
		s.rows, s.examined = s.whole, true
	}
	s.generation++
	s.next = time.Time{}
}

// Settle fits the list and what is under it to the height.
func (s *doctorScreen) Settle(width, height int) tea.Cmd {
	s.details = s.detailLines(width, height)
	s.height = max(1, height-len(s.details)-s.heads())
	s.cursor.Follow(len(s.rows), s.rowKey)
	s.cursor.Settle(len(s.rows), s.height)
	if !s.examined && !s.running {
		return s.live()
	}
	return nil
}

// detailsRoom is how many lines evidence and cure get at most.
func detailsRoom(height int) int {
	if height < 10 {
		return 0
	}
	return max(4, min(height/2, 11))
}

// detailLines are evidence and cure of what is under the cursor.
func (s *doctorScreen) detailLines(width, height int) []string {
	r, ok := s.current()
	room := detailsRoom(height)
	if !ok || room == 0 {
		return nil
	}
	if whole := s.detailsOf(r, width, far, 0); len(whole) <= max(room, height-s.heads()-len(s.rows)) {
		return whole
	}
	return s.detailsOf(r, width, room, 1)
}

// detailsOf are at most room lines about a row. Where not all of it has room, short is 1 and each part is cut.
func (s *doctorScreen) detailsOf(r *doctorRow, width, room, short int) []string {
	lines := []string{" " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width-2))}
	add := func(style theme.Style, indent, l string, limit int) {
		for _, w := range text.Wrap(text.Safe(l), width-2-len(indent), limit) {
			if len(lines) < room {
				lines = append(lines, " "+indent+style.Render(w))
			}
		}
	}
	lines = append(lines, s.sentLines(r, width-2)...)
	add(s.look.Text, "", r.finding.Sentence, 4*short)
	for i, e := range r.finding.Evidence {
		if i < 3 || short == 0 {
			add(s.look.Faint, "", e, 2*short)
		}
	}
	for _, c := range r.finding.CureCommands() {
		add(s.look.Accent, "", "$ "+rules.ShellLine(c), 2*short)
	}
	return lines
}

// rulesAlone is why nothing can be told of a file without addresses and routes.
const rulesAlone = "This file has rules alone: the addresses, routes and settings of its gateway are not known. Have nattui record run there."

// View draws the findings and, beneath them, the one under the cursor.
func (s *doctorScreen) View(width, height int) []string {
	var lines []string
	switch {
	case s.tables.Sets == nil || !s.isKnown() || !s.examined:
		lines = append(lines, s.headLine("", nil, width), "   "+s.look.Faint.Render("checking the gateway"+strings.Repeat(".", 3)))
	default:
		lines = s.list(width, height)
	}
	for len(lines) < height-len(s.details) {
		lines = append(lines, "")
	}
	if cut := height - len(s.details); len(lines) > cut {
		lines = lines[:max(0, cut)]
	}
	return append(lines, s.details...)
}
