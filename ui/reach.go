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

// findDead looks for rules of the NAT table that no packet reaches.
func findDead(s *rules.Ruleset) tea.Cmd {
	if s == nil {
		return nil
	}
	return func() tea.Msg {
		dead := deadRules{}
		for _, d := range evaluate.Reach(s, "nat") {
			dead[d.RuleRef] = d
		}
		return reachMsg{s, dead}
	}
}
