package nft

import (
	"bytes"
	"slices"
)

// SameRules tells whether two rulesets have the same chains, rules and elements, but for counters and for chains that
// matters does not choose; of sets only those of tables with such chains count.
func (s *Ruleset) SameRules(other *Ruleset, matters func(*Chain) bool) bool {
	a, b := s.mattering(matters), other.mattering(matters)
	return slices.EqualFunc(a, b, sameTable)
}

// mattering are the tables with chains that matter, or without any.
func (s *Ruleset) mattering(matters func(*Chain) bool) (all []*Table) {
	if s == nil {
		return nil
	}
	for _, t := range s.Tables {
		if len(t.Chains) == 0 || slices.ContainsFunc(t.Chains, matters) {
			all = append(all, t)
		}
	}
	return all
}

func sameTable(a, b *Table) bool {
	return a.Family == b.Family && a.Name == b.Name && a.Handle == b.Handle && a.Dormant == b.Dormant && slices.EqualFunc(a.Chains, b.Chains, sameChain) &&
		slices.EqualFunc(a.Sets, b.Sets, sameSet)
}

// sameChain compares chains. A rule that is replaced gets another handle.
func sameChain(a, b *Chain) bool {
	return a.Name == b.Name && a.Handle == b.Handle && a.Policy == b.Policy && slices.EqualFunc(a.Rules, b.Rules, func(a, b *Rule) bool { return a.Handle == b.Handle })
}

func sameSet(a, b *Set) bool {
	return a.Name == b.Name && a.Handle == b.Handle && slices.EqualFunc(a.Elements, b.Elements, func(a, b Element) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.KeyEnd, b.KeyEnd) && bytes.Equal(a.Data, b.Data) && a.End == b.End && a.Object == b.Object &&
			(a.Verdict == nil) == (b.Verdict == nil) && (a.Verdict == nil || *a.Verdict == *b.Verdict)
	})
}
