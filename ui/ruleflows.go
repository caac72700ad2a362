package ui

import (
	"fmt"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/ui/text"
)

// ruleRef names a row's rule as connections are explained by it; false for a row without a rule of its own.
func (s *rulesScreen) ruleRef(it ruleItem) (evaluate.RuleRef, bool) {
	switch {
	case it.native != nil && it.rule != nil && it.element == nil:
		v := rules.Variant{Family: s.variant.Family, Backend: rules.Native}
		return evaluate.RuleRef{Variant: v, Table: it.native.Table.Family.String() + " " + it.native.Table.Name, Chain: it.native.Name, Position: it.at, Handle: it.rule.Handle}, true
	case it.native == nil && it.at > 0:
		return evaluate.RuleRef{Variant: it.variant, Table: s.table, Chain: it.chain, Position: it.at}, true
	}
	return evaluate.RuleRef{}, false
}

// ruleFlows is how many live flows the rule has made, where that is known. A rule of a native inet table makes those of
// both families.
func (s *rulesScreen) ruleFlows(it ruleItem) (int, bool) {
	ref, ok := s.ruleRef(it)
	if s.gw.Flows == nil || !ok || !s.translates(it) {
		return 0, false
	}
	byRule, _ := s.gw.Flows.RuleFlows()
	if byRule == nil {
		return 0, false
	}
	n := byRule[ref]
	if it.native != nil {
		ref.Family ^= 1
		n += byRule[ref]
	}
	return n, true
}

// translates tells whether a row's rule translates by itself.
func (s *rulesScreen) translates(it ruleItem) bool {
	if it.native != nil {
		return it.rule.Read(it.native, s.links()).Translates()
	}
	r, ok := s.ruleOf(it)
	return ok && s.table == "nat" && r.Target.Kind.Translates()
}

// flowsLine is the filter line of the connections that a row's rule made.
func (s *rulesScreen) flowsLine(it ruleItem) string {
	ref, ok := s.ruleRef(it)
	if !ok {
		return ""
	}
	return "rule " + explain.PlaceOf(ref)
}

// forgetFlows asks whether to forget the connections that the rule under the cursor made.
func (s *rulesScreen) forgetFlows() tea.Cmd {
	_, it, _ := s.current()
	switch n, known := s.ruleFlows(it); {
	case !s.translates(it):
		s.say("connections are told by the rule that translates them; this one does not")
	case !known:
		s.say("it is not known yet which connections the rule made")
	case n == 0:
		s.say("no connection of this rule is open")
	default:
		line := s.flowsLine(it)
		return func() tea.Msg { return forgetMatchingMsg{line} }
	}
	return nil
}

// showFlows shows the connections of a row's rule in Flows.
func (s *rulesScreen) showFlows(it ruleItem) tea.Cmd {
	line := s.flowsLine(it)
	return func() tea.Msg { return showFlowsMsg{line} }
}

// showFlowsMsg has Flows shown with a filter.
type showFlowsMsg struct{ line string }

// ruleUsers are the connections that the rule under the cursor made, the busiest of them.
type ruleUsers struct {
	screen  *rulesScreen
	line    string // the filter line that they were looked up by
	rows    []flow.Row
	total   int
	older   int // further ones that fit the rule, and that an older one may have made
	known   bool
	running bool
	news    bool // connections have changed since
	next    time.Time
}

// ruleUsersMsg brings them.
type ruleUsersMsg struct {
	line  string
	sel   flow.Selection
	older int
	cost  time.Duration
}

// usersShown is how many connections of a rule are listed, usersPace how often they are looked up again at most.
const (
	usersShown = 12
	usersPace  = 2 * time.Second
)

// want looks the connections of a row's rule up, unless they are known as they are.
func (u *ruleUsers) want(it ruleItem) tea.Cmd {
	s := u.screen
	if _, known := s.ruleFlows(it); !known { // a rule that is not looked through yet would have none
		u.known = false
		return nil
	}
	line := s.flowsLine(it)
	if u.running || line == u.line && u.known && (!u.news || s.now.Before(u.next)) {
		return nil
	}
	q, err := filter.Parse(line, s.gw.Flows.FindRule)
	if err != nil {
		return nil
	}
	if line != u.line {
		u.line, u.rows, u.known = line, nil, false
	}
	isOlder, err := s.gw.Flows.FindRule("older")
	if err != nil {
		return nil
	}
	u.running, u.news = true, false
	table, now := s.gw.Flows.Table(), s.now.UnixNano()
	return func() tea.Msg {
		start := time.Now()
		var older atomic.Int64
		fits := q.Condition()
		own := func(f *flow.Flow, at int64, kind flow.MessageKind) bool {
			if !fits(f, at, kind) {
				return false
			}
			is, known := isOlder(f)
			if is && known {
				older.Add(1)
			}
			return !is
		}
		sel, err := flow.NewSelector(table).Select(s.ctx, own, flow.Sort{By: flow.ColumnBytes, Descending: true}, flow.Window{Limit: usersShown}, now)
		if err != nil {
			return ruleUsersMsg{line: line, cost: time.Since(start)}
		}
		return ruleUsersMsg{line, sel, int(older.Load()), time.Since(start)}
	}
}

func (u *ruleUsers) take(msg ruleUsersMsg) {
	u.running, u.next = false, u.screen.now.Add(max(usersPace, paceOfCost*msg.cost))
	if msg.line == u.line {
		u.rows, u.total, u.older, u.known = msg.sel.Rows, msg.sel.Total, msg.older, true
	}
}

// lines list the connections of a row's rule; none where they are not known.
func (u *ruleUsers) lines(it ruleItem, width int) []string {
	s := u.screen
	if !u.known || u.line != s.flowsLine(it) || s.gw.Flows == nil {
		return nil
	}
	look, total := s.look, u.total
	if n, known := s.ruleFlows(it); known {
		total = n // as in the list, which is newer
	}
	lines := []string{"", look.Strong.Render(rules.Plural(total, "connection"))}
	for i := range u.rows {
		f := &u.rows[i].Flow
		for j, part := range text.Wrap(text.Safe(f.Line()), width-2, 0) {
			if j > 0 {
				part = "  " + part
			}
			lines = append(lines, look.Text.Render(part))
		}
	}
	if more := total - len(u.rows); more > 0 {
		lines = append(lines, look.Faint.Render("and "+text.Exact(uint64(more))+" more"))
	}
	if u.older > 0 {
		for _, l := range text.Wrap(fmt.Sprintf("%s more that the rule fits: %s.", text.Exact(uint64(u.older)), explain.MadeBefore), width-2, 0) {
			lines = append(lines, look.Faint.Render(l))
		}
	}
	return lines
}
