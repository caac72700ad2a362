package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/model/explain"
	"nattui/rules"
	"nattui/rules/evaluate"
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
