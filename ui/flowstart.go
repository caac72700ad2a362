package ui

import (
	"slices"

	"nattui/rules"
	"nattui/rules/nft"
)

// startsTracking says what has conntrack begin; "" where there is such a rule already.
func (s *flowsScreen) startsTracking(sep string) string {
	if s.translates() {
		return ""
	}
	return sep + "conntrack starts with the first NAT rule (press 3 for the guide)"
}

// translates tells whether a chain that translates has a rule, of any family and backend.
func (s *flowsScreen) translates() bool {
	for _, set := range s.tables.Sets {
		for _, t := range set.Tables {
			if t.Name == "nat" && slices.ContainsFunc(t.Chains, func(c rules.Chain) bool { return len(c.Rules) > 0 }) {
				return true
			}
		}
	}
	if s.tables.Native == nil {
		return false
	}
	return slices.ContainsFunc(s.tables.Native.Tables, func(t *nft.Table) bool {
		return slices.ContainsFunc(t.Chains, func(c *nft.Chain) bool { return c.Type == "nat" && len(c.Rules) > 0 })
	})
}
