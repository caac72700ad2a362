package ui

import (
	tea "charm.land/bubbletea/v2"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// deadRules are the rules of a set that can never match, by their place. They are
// found beside Update, after the rules have changed.
type deadRules map[evaluate.RuleRef]evaluate.DeadRule

type reachMsg struct {
	of   *rules.Ruleset
	dead deadRules
}

// findDead looks for rules of the NAT tables of the family that no packet reaches.
func (s *rulesScreen) findDead() tea.Cmd {
	var cmds []tea.Cmd
	for _, backend := range rules.Holders {
		if set := s.tables.Sets[rules.Variant{Family: s.variant.Family, Backend: backend}]; set != nil {
			cmds = append(cmds, func() tea.Msg {
				dead := deadRules{}
				for _, d := range evaluate.Reach(set, "nat") {
					dead[d.RuleRef] = d
				}
				return reachMsg{set, dead}
			})
		}
	}
	return tea.Batch(cmds...)
}
