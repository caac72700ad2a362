package ui

import (
	"errors"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/facts"
	"nattui/model/filter"
	"nattui/model/traced"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// traceScreen follows single packets and the replies to them through tables, chains
// and rules, as the kernel reports it.
type traceScreen struct {
	*desk
	filter lineInput
	// wrongWord is where the line is not understood.
	wrongWord filter.Error
	// asked is the filter that runs, or ran last; zero before the first.
	asked   traced.TraceFilter
	tracing Tracing // nil while nothing is traced
	ends    time.Time
	begun   bool // something was traced
	busy    bool // a trace is being set off
	// generation tells the messages of this trace from those of an earlier one.
	generation int

	rows    []tracedRow
	dropped int // rows that were let go
	cursor  table.Cursor[int]
	tail    bool // the cursor stays on the latest
	height  int
	details []string
	taught  reading // what this screen is for, while it shows no packets
}

// tracedRow is a packet with what is said about it.
type tracedRow struct {
	*traced.Traced
	sets     map[rules.Variant]*rules.Ruleset // as they were seen when it came
	forecast string
	agrees   bool
}

// maxTraced is how many packets are kept, traceTime how long a trace lasts at most.
const (
	maxTraced = 1000
	traceTime = 10 * time.Minute
)

// tracingMsg says that a trace was set off, or why not.
type tracingMsg struct {
	generation int
	tracing    Tracing
	err        error
}

// tracedMsg brings packets; more says that the trace goes on.
type tracedMsg struct {
	generation int
	rows       []tracedRow
	more       bool
}

// traceStoppedMsg says that what had set a trace off is gone.
type traceStoppedMsg struct{ err error }

func newTraceScreen(d *desk) *traceScreen {
	return &traceScreen{desk: d, filter: newLineInput(d, "trace", "tcp dport 80 new")}
}

// Receive takes what the trace brings.
func (s *traceScreen) Receive(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tracingMsg:
		return s.started(msg)
	case tracedMsg:
		return s.take(msg)
	case traceStoppedMsg:
		if msg.err != nil {
			s.fail(msg.err)
		}
	}
	return nil
}

// Suggest opens the line with a filter, for enter to start.
func (s *traceScreen) Suggest(filter string) {
	s.filter.input.SetValue(filter)
	s.filter.start()
	s.check()
}

// check says where the line is not understood.
func (s *traceScreen) check() {
	s.filter.wrong = ""
	if s.filter.text() == "" {
		return
	}
	if _, err := traced.ParseTraceFilter(s.filter.text()); err != nil {
		s.misread(err)
	}
}

// misread notes where the line is not understood; the lines above it say why.
func (s *traceScreen) misread(err error) {
	s.filter.wrong, s.wrongWord = "not understood", filter.Error{Problem: err.Error()}
	var bad *filter.Error
	if errors.As(err, &bad) {
		s.wrongWord = *bad
	}
}

// whyWrong points at the word that is not understood, while the line is typed.
func (s *traceScreen) whyWrong(width int) []string {
	line, bad := s.filter.text(), s.wrongWord
	if !s.filter.open || s.filter.wrong == "" || bad.Pos > bad.End || bad.End > len(line) {
		return nil
	}
	force := "enter starts nothing yet"
	if s.tracing != nil {
		force = "still tracing: " + text.Safe(s.asked.String())
	}
	return s.pointAt(width, line, bad, force)
}

// start sets a trace off, in place of the one that runs.
func (s *traceScreen) start() tea.Cmd {
	f, err := traced.ParseTraceFilter(s.filter.text())
	switch {
	case err != nil:
		s.misread(err)
		return nil
	case s.gw.ReadOnly:
		s.filter.close()
		s.fail(errors.New(s.onlyLooks() + ", and a trace needs its own nft table"))
		return nil
	case s.gw.Trace == nil:
		s.filter.close()
		s.fail(errors.New("packets cannot be traced here: " + s.gw.NoTrace))
		return nil
	}
	stop := s.stop()
	s.filter.close()
	s.asked, s.busy, s.begun, s.rows, s.dropped, s.tail = f, true, true, nil, 0, false
	s.cursor = table.Cursor[int]{}
	generation, begin := s.generation, s.gw.Trace
	return tea.Sequence(stop, func() tea.Msg {
		tracing, err := begin(s.ctx, f)
		return tracingMsg{generation, tracing, err}
	})
}

// started listens to a trace, or says why there is none.
func (s *traceScreen) started(msg tracingMsg) tea.Cmd {
	switch {
	case msg.err != nil && msg.generation == s.generation:
		s.busy = false
		s.fail(msg.err)
		return nil
	case msg.err != nil:
		return nil
	case msg.generation != s.generation: // stopped before it began
		return closeTracing(msg.tracing)
	}
	s.busy, s.tracing, s.ends = false, msg.tracing, s.now.Add(traceTime)
	s.sayDone("tracing with table " + msg.tracing.Table())
	if in := s.asked.In; in != "" && s.facts != nil && !slices.ContainsFunc(s.facts.Links, func(l facts.Link) bool { return l.Name == in }) {
		s.refuse("no interface is called " + text.Safe(in) + " now: nothing arrives by it")
	}
	if left := msg.tracing.Leftover(); left != "" {
		s.say(left)
	}
	return s.next()
}

// next waits for packets beside Update, and gathers those of a frame.
func (s *traceScreen) next() tea.Cmd {
	tracing, generation, ends := s.tracing, s.generation, s.ends
	sets, facts := s.tables.Sets, s.facts
	return func() tea.Msg {
		msg := tracedMsg{generation: generation, more: true}
		limit := time.NewTimer(time.Until(ends))
		defer limit.Stop()
		select {
		case p, ok := <-tracing.Packets():
			msg.add(p, ok)
		case <-limit.C:
			msg.more = false
		}
		for quiet := time.After(frame); msg.more; {
			select {
			case p, ok := <-tracing.Packets():
				msg.add(p, ok)
				continue
			case <-quiet:
			}
			break
		}
		msg.explain(sets, facts)
		return msg
	}
}

func (m *tracedMsg) add(p *traced.Traced, ok bool) {
	if !ok {
		m.more = false
		return
	}
	m.rows = append(m.rows, tracedRow{Traced: p})
}

// explain compares the packets' ways with what the rules say.
func (m *tracedMsg) explain(sets map[rules.Variant]*rules.Ruleset, facts *facts.Facts) {
	var evaluator *evaluate.Evaluator
	for i := range m.rows {
		r := &m.rows[i]
		r.sets = sets
		r.NoteLegacy(sets)
		if _, ok := r.Question(); !ok || facts == nil {
			continue
		}
		if evaluator == nil {
			var programs []*evaluate.Program
			for _, s := range sets {
				programs = append(programs, evaluate.Compile(s))
			}
			evaluator = evaluate.NewEvaluator(facts.Host(nil), programs...)
		}
		r.forecast, r.agrees = r.Forecast(evaluator)
	}
}

// take takes packets, and waits for the next ones.
func (s *traceScreen) take(msg tracedMsg) tea.Cmd {
	if msg.generation != s.generation {
		return nil
	}
	s.rows = append(s.rows, msg.rows...)
	if over := len(s.rows) - maxTraced; over > 0 {
		s.rows, s.dropped = append([]tracedRow(nil), s.rows[over:]...), s.dropped+over
	}
	s.cursor.Follow(len(s.rows), s.key)
	if s.tail {
		s.cursor.Go(len(s.rows)-1, len(s.rows), s.key)
	}
	if msg.more {
		return s.next()
	}
	timeUp := !s.now.Before(s.ends)
	stop := s.stop()
	if timeUp {
		s.say("the trace ended after " + text.Duration(traceTime) + ", and its table was removed")
	}
	return stop
}

// stop ends the trace that runs.
func (s *traceScreen) stop() tea.Cmd {
	s.generation++
	s.busy = false
	tracing := s.tracing
	s.tracing = nil
	if tracing == nil {
		return nil
	}
	s.sayDone("stopped; table " + tracing.Table() + " was removed")
	return closeTracing(tracing)
}

func closeTracing(t Tracing) tea.Cmd {
	return func() tea.Msg {
		if err := t.Close(); err != nil {
			return traceStoppedMsg{err}
		}
		return traceStoppedMsg{t.Err()}
	}
}

func (s *traceScreen) key(i int) int { return s.rows[i].Number }

func (s *traceScreen) current() (*tracedRow, bool) {
	if len(s.rows) == 0 {
		return nil, false
	}
	return &s.rows[min(s.cursor.Index(), len(s.rows)-1)], true
}

// Settle fits the list and the packet's way beneath it to the screen.
func (s *traceScreen) Settle(width, height int) tea.Cmd {
	s.details = s.wayUnder(width, height)
	s.height = max(1, height-len(s.details)-1)
	s.cursor.Settle(len(s.rows), s.height)
	s.taught.fit(s.teach(width), s.height)
	return nil
}

// wayUnder is the way of the packet under the cursor, as far as there is room.
func (s *traceScreen) wayUnder(width, height int) []string {
	r, ok := s.current()
	if !ok || height < 7 {
		return nil
	}
	lines := s.wayLines(r, width-2)
	room := height * 2 / 3
	if len(lines) > room-1 {
		// What became of it comes last and is what matters.
		lines = append(lines[:max(0, room-3)], s.look.Faint.Render("… enter shows all"), lines[len(lines)-1])
	}
	out := []string{" " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, width-2))}
	for _, l := range lines {
		out = append(out, " "+l)
	}
	return out
}

// View draws the packets and, beneath them, the way of the one under the cursor.
func (s *traceScreen) View(width, height int) []string {
	lines := []string{s.headLine(width)}
	if len(s.rows) == 0 {
		lines = append(lines, s.taughtLines()...)
	} else {
		lines = append(lines, s.list(width)...)
	}
	for len(lines) < height-len(s.details) {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, height-len(s.details))], s.details...)
	if why := s.whyWrong(width); len(why) > 0 && len(why) < len(lines) {
		lines = append(lines[:len(lines)-len(why)], why...)
	}
	return lines
}

// headLine says what is traced, and how much of it came.
func (s *traceScreen) headLine(width int) string {
	left, right := s.look.Faint.Render("one packet's path"), "not tracing"
	if s.begun {
		left = s.look.Faint.Render("trace ") + s.look.Strong.Render(text.Fit(text.Safe(s.asked.String()), max(8, width-34)))
	}
	style := s.look.Faint
	switch {
	case s.busy:
		right = "starting"
	case s.tracing != nil:
		right, style = rules.Plural(len(s.rows)+s.dropped, "packet"), s.look.Good
		if s.tracing.Missed() > 0 {
			right, style = right+", reports lost", s.look.Attention
		}
		right = s.look.Glyphs.Live + " " + right
	case s.begun:
		right = rules.Plural(len(s.rows)+s.dropped, "packet") + ", stopped"
	}
	fill := width - 2 - text.Width(left) - 2 - text.Width(right) - 3
	return " " + left + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, max(0, fill))) + " " + style.Render(right) + " " + s.look.Line.Render(strings.Repeat(s.look.Glyphs.Rule, 2))
}

// teach says what this screen is for while it shows no packets.
func (s *traceScreen) teach(width int) []string {
	say := []string{
		"", "The kernel can report every rule that a packet matches, and what happens to the packet; the reply too.", "",
		"Press T and choose packets as they arrive, before any translation:",
	}
	examples := []string{"tcp dport 80 new", "203.0.113.10 > 203.0.113.1:80", "icmp in wan0"}
	note := []string{"", "Press T on a rule or a connection to trace its packets. nattui traces at most ten packets a second. It adds its own nft table and removes it when you press esc."}
	if s.gw.Trace == nil && s.gw.NoTrace != "" {
		say, examples, note = []string{"", "Packets cannot be traced here: " + s.gw.NoTrace}, nil, nil
	}
	if s.tracing != nil || s.busy {
		say = []string{"", "Waiting for a matching packet."}
		examples = nil
		note = []string{"", "Filters match packets as they arrive, before DNAT. If nothing shows up, try a broader filter."}
	}
	var lines []string
	add := func(style theme.Style, all []string) {
		for _, l := range all {
			for _, w := range text.Wrap(text.Safe(l), min(76, width-6), 0) {
				lines = append(lines, "   "+style.Render(w))
			}
			if l == "" {
				lines = append(lines, "")
			}
		}
	}
	add(s.look.Text, say)
	for _, e := range examples {
		lines = append(lines, "     "+s.look.Accent.Render(e))
	}
	add(s.look.Faint, append(note, s.unseen()...))
	return lines
}

// taughtLines are what is in sight of that.
func (s *traceScreen) taughtLines() []string {
	lines := slices.Clone(s.taught.seen())
	if rest := s.taught.most - s.taught.offset; rest > 0 && len(lines) > 1 {
		lines[len(lines)-1] = "   " + s.look.Faint.Render(s.look.Glyphs.Down+" "+rules.Plural(rest+1, "more line"))
	}
	return lines
}

// unseen says which rules act without being reported.
func (s *traceScreen) unseen() []string {
	for variant, set := range s.tables.Sets {
		if variant.Backend != rules.Legacy || s.gw.Recorded != "" {
			continue
		}
		for i := range set.Tables {
			if set.Tables[i].Rules() > 0 {
				return []string{"", "Rules of the legacy backend apply, but are not shown: the kernel writes their traces to its log."}
			}
		}
	}
	return nil
}
