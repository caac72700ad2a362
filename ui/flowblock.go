package ui

import (
	"net/netip"

	tea "charm.land/bubbletea/v2"

	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/guide"
)

// keyBlock drops what a client sends, and forgets its connections.
var keyBlock = bind("B", "block", "B")

// blockMsg brings the connections that a block would end.
type blockMsg struct {
	block guide.Block
	sel   flow.Selection
	err   error
}

// blocked is what the cursor is on: the client of a group, or the client of a connection and what it asked for.
func (s *flowsScreen) blocked() (guide.Block, bool) {
	if s.mode == groupMode {
		g, ok := s.groups.current()
		if !ok || g.Key.By != flow.GroupByClient {
			return guide.Block{}, false
		}
		return guide.Block{Client: g.Key.Client()}, true
	}
	f, ok := s.current()
	if !ok {
		return guide.Block{}, false
	}
	asked := f.AskedFor()
	if !f.Proto().HasPorts() {
		asked = netip.AddrPortFrom(asked.Addr(), 0)
	}
	return guide.Block{Client: f.Client().Addr(), Proto: f.Proto(), Service: asked}, true
}

func (s *flowsScreen) sayNothingToBlock() {
	s.say("B blocks the client of a connection, or one that is listed by client (b)")
}

// askBlock asks whether to drop what a client sends, and to forget what it has open.
func (s *flowsScreen) askBlock() tea.Cmd {
	s.hold()
	b, ok := s.blocked()
	switch {
	case !ok:
		return nil
	case s.isLocal(b.Client):
		s.refuse("that is an address of this host: what it sends itself is not blocked here")
		return nil
	case s.blockSet(b) == nil:
		s.refuse("blocking needs iptables, which is not there for " + familyOf(b.Client).Title())
		return nil
	}
	q, err := filter.Parse(b.Filter(), nil)
	if err != nil {
		s.fail(err)
		return nil
	}
	find := s.selecting(q)
	return func() tea.Msg {
		sel, err := find()
		return blockMsg{b, sel, err}
	}
}

func familyOf(a netip.Addr) rules.Family {
	if a.Unmap().Is6() {
		return rules.IPv6
	}
	return rules.IPv4
}

// blockSet is the rule set that the rule is added to; nil where there is none.
func (s *flowsScreen) blockSet(b guide.Block) *rules.Ruleset {
	return s.tables.Sets[rules.Variant{Family: familyOf(b.Client), Backend: s.variant.Backend}]
}

// found asks, now that it is known what a block would end.
func (s *flowsScreen) found(msg blockMsg) tea.Cmd {
	if msg.err != nil {
		s.fail(msg.err)
		return nil
	}
	for i := range msg.sel.Rows {
		if s.isOwn(&msg.sel.Rows[i].Flow) {
			s.refuse("not blocked: " + msg.block.Words() + " carries a login to this host, perhaps yours")
			return nil
		}
	}
	set := s.blockSet(msg.block)
	if set == nil {
		return nil
	}
	plan := msg.block.Plan(set)
	if len(plan.Steps) == 0 {
		s.say(msg.block.Words() + " is blocked already")
		return s.forgetBlocked(msg.block)
	}
	lines := []string{plan.Steps[0].Why}
	if n := msg.sel.Total; n > 0 {
		lines = append(lines, "Then "+rules.Plural(n, "connection")+map[bool]string{true: " of it is", false: " of it are"}[n == 1]+" forgotten.")
	}
	q := newQuestion(s.desk, plan.Title+"?", lines, plan, "block")
	q.act = func(t terms) tea.Cmd {
		return s.apply(plan, appliedNew, t, func(err error) tea.Cmd {
			if err != nil {
				return nil
			}
			return s.forgetBlocked(msg.block)
		})
	}
	s.pose(q)
	return nil
}

// forgetBlocked forgets the connections that are open although they are blocked now: those that began meanwhile, too.
func (s *flowsScreen) forgetBlocked(b guide.Block) tea.Cmd {
	q, err := filter.Parse(b.Filter(), nil)
	if err != nil {
		return nil
	}
	find := s.selecting(q)
	return func() tea.Msg {
		sel, err := find()
		return endBlockedMsg{sel, err}
	}
}

// endBlockedMsg brings the connections that are to be forgotten because they are blocked.
type endBlockedMsg struct {
	sel flow.Selection
	err error
}

// endBlocked forgets them, but for logins to this host.
func (s *flowsScreen) endBlocked(msg endBlockedMsg) tea.Cmd {
	if msg.err != nil {
		s.fail(msg.err)
		return nil
	}
	var those []flow.Flow
	for i := range msg.sel.Rows {
		if f := &msg.sel.Rows[i].Flow; !s.isOwn(f) {
			those = append(those, *f)
		}
	}
	if len(those) == 0 {
		return nil
	}
	return s.forgetSaying(those, "blocked; ", true)
}
