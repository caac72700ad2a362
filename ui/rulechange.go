package ui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/ui/text"
)

// change is a Change with everything but the operation filled in.
func (s *rulesScreen) change(op rules.Op, chain string, at int) rules.Change {
	return rules.Change{Op: op, Family: s.variant.Family, Backend: s.variant.Backend, Table: s.table, Chain: chain, At: at, Program: s.program()}
}

// program is the iptables program that people would type for this place.
func (s *rulesScreen) program() string { return s.set().Program() }

func (s *rulesScreen) askDelete() tea.Cmd {
	r, it, ok := s.current()
	switch {
	case it.native != nil:
		return s.deleteNative(it)
	case !ok:
		return nil
	}
	c := s.change(rules.Delete, it.chain, it.at)
	c.Rule = *r
	c = c.Named(s.set())
	title := fmt.Sprintf("Delete rule %d of %s?", it.at, it.chain)
	lines := []string{r.Sentence(), "New connections go on to the rules behind it. Press u to undo."}
	s.pose(newQuestion(s.desk, title, lines, rules.Single(c), "delete"))
	return nil
}

// move moves the rule under the cursor by one place.
func (s *rulesScreen) move(by int) tea.Cmd {
	r, it, ok := s.current()
	switch {
	case it.native != nil:
		return s.moveNative(it, by)
	case !ok:
		return nil
	}
	ch, _ := s.set().Chain(s.table, it.chain)
	to := it.at + by
	if to < 1 || to > len(ch.Rules) {
		s.say("it is the " + map[bool]string{true: "first", false: "last"}[by < 0] + " rule of " + it.chain + " already")
		return nil
	}
	c := s.change(rules.Move, it.chain, it.at)
	c.Rule, c.To = *r, to
	plan := rules.Single(c)
	return s.unlessUsed(it, fmt.Sprintf("Move rule %d of %s to %d?", it.at, it.chain, to), "move", plan, func(t terms) tea.Cmd { return s.apply(plan, appliedNew, t, nil) })
}

// unlessUsed makes a change of the rule under the cursor at once, and asks first where live connections use it, or it is another
// program's.
func (s *rulesScreen) unlessUsed(it ruleItem, title, verb string, plan rules.Plan, make func(terms) tea.Cmd) tea.Cmd {
	n, known := s.ruleFlows(it)
	used := known && n > 0
	if !used && len(rules.Trespasses(plan)) == 0 || !s.mayChange() { // what trespasses is said beneath the question
		return make(s.usual())
	}
	lines := []string{"New connections may be translated differently. Press u to undo."}
	if used {
		lines = slices.Insert(lines, 0, fmt.Sprintf("%s this rule now.", map[bool]string{true: "1 live connection uses", false: text.Exact(uint64(n)) + " live connections use"}[n == 1]))
	}
	q := newQuestion(s.desk, title, lines, plan, verb)
	q.act = make
	s.pose(q)
	return nil
}

// sayNotParked says why no rule can be parked.
func (s *rulesScreen) sayNotParked() {
	switch _, it, _ := s.current(); {
	case s.gw.ReadOnly:
	case s.gw.Journal == nil:
		s.say("without a journal a parked rule could not be restored")
	case it.element != nil:
		s.say("only whole rules can be parked: press d to delete the element, u brings it back")
	default:
		s.sayNotChanged()
	}
}

// restore brings the parked rule under the cursor back.
func (s *rulesScreen) restore() tea.Cmd {
	_, it, _ := s.current()
	return s.undoEntry(it.parked.ID, appliedRestored, s.usual(), nil)
}

// park puts the rule under the cursor away.
func (s *rulesScreen) park() tea.Cmd {
	r, it, ok := s.current()
	switch {
	case it.native != nil:
		return s.parkNative(it)
	case !ok:
		return nil
	}
	c := s.change(rules.Delete, it.chain, it.at)
	c.Rule = *r
	c = c.Named(s.set())
	plan := rules.Single(c)
	return s.unlessUsed(it, fmt.Sprintf("Park rule %d of %s?", it.at, it.chain), "park", plan, func(t terms) tea.Cmd {
		return s.parkAs(plan, t, func(k *Parked) bool { return k.Return.Rule.Same(c.Rule) && k.Return.Chain == c.Chain })
	})
}

// parkAs makes the plan that puts a rule away, and has the cursor go to the row where it is parked then.
func (s *rulesScreen) parkAs(plan rules.Plan, t terms, parked func(*Parked) bool) tea.Cmd {
	s.parking, t.park = parked, true
	return s.apply(plan, appliedParked, t, func(err error) tea.Cmd {
		if err != nil {
			s.parking = nil
		}
		return nil
	})
}

// sayNotNAT says why no rule can be added to a table other than nat.
func (s *rulesScreen) sayNotNAT() {
	switch {
	case s.gw.ReadOnly:
		s.say(s.onlyLooks())
	case s.set() != nil:
		s.say("the form adds NAT rules only; i imports commands for other tables, esc goes back to table nat")
	}
}

// add opens the form for a new rule.
func (s *rulesScreen) add() tea.Cmd {
	_, it, _ := s.current()
	chain := s.pane().chain
	if it.chain != "" {
		chain = it.chain
	}
	kind := rules.DNAT
	if chain == "POSTROUTING" || chain == "INPUT" {
		kind = rules.Masquerade
	}
	f := newForm(s.desk, rules.Draft{Family: s.variant.Family, Kind: kind, Chain: chain}, it, nil)
	s.desk.open(f)
	return nil
}

// edit opens the form for the rule under the cursor.
func (s *rulesScreen) edit() tea.Cmd {
	r, it, ok := s.current()
	switch {
	case it.native != nil:
		return s.editNative(it)
	case !ok:
		return nil
	}
	d, err := rules.DraftOf(s.variant.Family, *r)
	if err != nil {
		s.fail(err)
		return nil
	}
	f := newForm(s.desk, d, it, r)
	s.desk.open(f)
	return nil
}
