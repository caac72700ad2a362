package ui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// askForget asks before the flow under the cursor is dropped from the table.
func (s *flowsScreen) askForget() {
	s.hold()
	if s.onEnded() {
		s.sayEnded()
		return
	}
	if f, ok := s.current(); ok {
		s.askForgetOf(f)
	}
}

// sayEnded is the answer to whoever would forget a flow that has ended. Its addresses may be those of
// another one by now, even with the same identifier, which is not meant.
func (s *flowsScreen) sayEnded() {
	s.say("that connection has already ended: there is nothing to forget")
}

func (s *flowsScreen) askForgetOf(f flow.Flow) {
	if s.gw.ReadOnly {
		return
	}
	if s.isOwn(&f) {
		s.refuse("that is a login to this host: forgetting it could cut off whoever it is, perhaps you")
		return
	}
	if e := s.gw.Flows.Explain(&f); e.Confidence == explain.Unknown {
		s.refuse("not forgotten: it would break if its rule is still there, and " + e.Doubt())
		return
	}
	lines := []string{fmt.Sprintf("%s from %s to %s is removed from the connection table. If it is still in use, today's rules decide about its next packet as for a new connection.",
		strings.ToUpper(f.Proto().String()), s.endpoint(&f, f.Client()), s.endpoint(&f, f.AskedFor()))}
	q := newQuestion(s.desk, "Forget this connection?", lines, rules.Plan{}, "forget")
	q.act = func(terms) tea.Cmd { return s.forget([]flow.Flow{f}) }
	s.pose(q)
}

// forgetLimit is how many flows are forgotten at a time.
const forgetLimit = 100_000

// sayNoFilter says why there is nothing that all could be forgotten of.
func (s *flowsScreen) sayNoFilter() {
	switch {
	case s.gw.ReadOnly:
		s.refuse(s.onlyLooks())
		return
	case s.mode == eventMode:
		s.say("X forgets connections: e shows them in place of events")
		return
	}
	s.say("X forgets the connections that a filter shows: set a filter with / first")
}

// askForgetAll asks before every flow that the filter shows is dropped, or all of the group under the cursor.
func (s *flowsScreen) askForgetAll() tea.Cmd {
	if s.mode != groupMode {
		return s.askForgetBy(s.query)
	}
	g, ok := s.groups.current()
	if !ok {
		return nil
	}
	return s.askForgetMatching(s.groupLine(g))
}

// forgetMatchingMsg asks whether to forget the connections that match a filter line. It comes from other screens.
type forgetMatchingMsg struct{ line string }

// askForgetMatching asks before the flows are dropped that match a filter line.
func (s *flowsScreen) askForgetMatching(line string) tea.Cmd {
	q, err := filter.Parse(line, s.findRule())
	if err != nil {
		s.fail(err)
		return nil
	}
	return s.askForgetBy(q)
}

func (s *flowsScreen) askForgetBy(q filter.Query) tea.Cmd {
	find := s.selecting(q)
	return func() tea.Msg {
		sel, err := find()
		return forgetAllMsg{q, sel, err}
	}
}

// selecting finds the flows that match, beside Update.
func (s *flowsScreen) selecting(q filter.Query) func() (flow.Selection, error) {
	now, selector := s.now.UnixNano(), flow.NewSelector(s.gw.Flows.Table())
	return func() (flow.Selection, error) {
		return selector.Select(s.ctx, q.Condition(), flow.Sort{}, flow.Window{Limit: forgetLimit}, now)
	}
}

type forgetAllMsg struct {
	query filter.Query
	sel   flow.Selection
	err   error
}

type forgottenMsg struct {
	asked, done int
	after       string // what was done before, in words
	undo        bool   // u undoes that
	err         error
}

func (s *flowsScreen) forget(flows []flow.Flow) tea.Cmd { return s.forgetSaying(flows, "", false) }

// forgetSaying forgets flows after something else was done, which is told together.
func (s *flowsScreen) forgetSaying(flows []flow.Flow, after string, undo bool) tea.Cmd {
	source := s.gw.Flows
	return s.carryOut("forgetting", func(ctx context.Context) (tea.Msg, string) {
		done, err := source.Forget(ctx, flows)
		return forgottenMsg{len(flows), done, after, undo, err}, outcomeOf(rules.Plural(done, "connection")+" forgotten", "connections could not be forgotten", err)
	})
}

// isOwn tells whether the flow carries a login to this host: the operator's, or that of another who would be
// cut off as well.
func (s *flowsScreen) isOwn(f *flow.Flow) bool {
	return s.facts != nil && explain.OfLogin(f, s.facts)
}

// answered takes what was asked of the kernel.
func (s *flowsScreen) answered(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case forgottenMsg:
		if msg.err != nil {
			s.fail(msg.err)
		} else {
			said := msg.after + rules.Plural(msg.done, "connection") + " forgotten"
			if gone := msg.asked - msg.done; gone > 0 {
				said += ", " + text.Exact(uint64(gone)) + " had already ended"
			}
			s.said = status{text: said, done: true, undo: msg.undo}
		}
		return s.reload()
	case forgetAllMsg:
		if msg.err != nil {
			s.fail(msg.err)
			return nil
		}
		s.askForgetThose(s.forgettable(&msg.sel, msg.query.NeedsRules()), &msg.sel, msg.query)
	}
	return nil
}

// forgettable are flows that may be forgotten, and what else the filter shows.
type forgettable struct {
	flows   []flow.Flow
	own     int    // the operator's
	unknown int    // of which it is not known what translates them
	doubt   string // why of the last of them
}

// forgettable are those of a selection that may be forgotten; byRule says that it was made by which rule made them.
func (s *flowsScreen) forgettable(sel *flow.Selection, byRule bool) forgettable {
	var those forgettable
	for i := range sel.Rows {
		f := &sel.Rows[i].Flow
		switch e := s.gw.Flows.Explain(f); {
		case s.isOwn(f):
			those.own++
		case e.Confidence == explain.Unknown, e.Older && byRule:
			those.unknown, those.doubt = those.unknown+1, e.Doubt()
		default:
			those.flows = append(those.flows, *f)
		}
	}
	return those
}

// askForgetThose asks before flows are forgotten, and says what stays.
func (s *flowsScreen) askForgetThose(those forgettable, sel *flow.Selection, query filter.Query) {
	n := len(those.flows)
	switch {
	case n == 0 && those.unknown > 0:
		s.say(fmt.Sprintf("nothing was forgotten: of %s the rule is not known: %s", rules.Plural(those.unknown, "connection"), those.doubt))
		return
	case n == 0 && those.own > 0:
		s.refuse("nothing was forgotten: only logins to this host match, perhaps yours")
		return
	case n == 0:
		s.say("no connection to forget")
		return
	}
	lines := []string{fmt.Sprintf("%s %s will be removed from the connection table:", rules.Plural(n, "connection"), matching(query))}
	if rest := sel.Total - len(sel.Rows); rest > 0 {
		lines[0] = fmt.Sprintf("The first %s %s will be removed from the connection table; %s more match, press the key again for those:",
			rules.Plural(n, "connection"), matching(query), text.Exact(uint64(rest)))
	}
	if those.own > 0 {
		lines = append(lines, "Logins to this host also match; they are kept.")
	}
	if those.unknown > 0 {
		lines = append(lines, fmt.Sprintf("%s that also match are kept, as their rule is not known: %s.", rules.Plural(those.unknown, "connection"), those.doubt))
	}
	lines = append(lines, s.namedLines(those.flows)...)
	q := newQuestion(s.desk, "Forget "+rules.Plural(n, "connection")+"?", lines, rules.Plan{}, "forget")
	q.act = func(terms) tea.Cmd { return s.forget(those.flows) }
	s.pose(q)
}

// flowWords names a flow, with what it is translated to.
func (s *flowsScreen) flowWords(f *flow.Flow) string {
	out := f.Proto().String() + " " + s.endpoint(f, f.Client()) + " to " + s.endpoint(f, f.AskedFor())
	nat := f.NAT()
	if nat&flow.NATDst != 0 {
		out += " " + s.look.Glyphs.Becomes + " " + s.endpoint(f, f.ServedBy())
	}
	if nat&flow.NATSrc != 0 {
		out += " " + s.look.Glyphs.Outof + " " + s.endpoint(f, f.SeenAs())
	}
	return out
}
