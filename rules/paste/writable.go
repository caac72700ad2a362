package paste

import (
	"maps"
	"slices"

	"nattui/rules"
)

// Writable is the ground with those of iptables' tables open to changes in which iptables cannot show everything; without names
// all of them. It is for lines that are only explained, or whose rules are made elsewhere.
func (g Ground) Writable(tables ...string) Ground {
	sets := g.Sets
	g.Sets = map[rules.Variant]*rules.Ruleset{}
	for variant, set := range sets {
		if set != nil && len(set.Foreign) > 0 {
			open := *set
			open.Foreign = maps.Clone(set.Foreign)
			maps.DeleteFunc(open.Foreign, func(table, _ string) bool { return len(tables) == 0 || slices.Contains(tables, table) })
			set = &open
		}
		g.Sets[variant] = set
	}
	return g
}
