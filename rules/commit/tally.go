package commit

import "nattui/rules"

// tally counts the rules of a chain by their lines, and by what they are alike in.
type tally struct {
	at           chainAt
	lines, likes map[string]int
}

// census holds the tallies of chains while a plan goes through its changes.
type census map[chainAt]*tally

// chainAt names a chain of a host.
type chainAt struct {
	variant      rules.Variant
	table, chain string
}

func placeOf(c rules.Change) chainAt {
	return chainAt{rules.Variant{Family: c.Family, Backend: c.Backend}, c.Table, c.Chain}
}

// of is the tally of the chain that a change is about, as the set has it. It is counted
// once; take keeps it up to date.
func (n census) of(s *rules.Ruleset, c rules.Change) *tally {
	at := placeOf(c)
	if n[at] == nil {
		count := &tally{at, map[string]int{}, map[string]int{}}
		for _, r := range listOf(s, c) {
			count.add(r, 1)
		}
		n[at] = count
	}
	return n[at]
}

func (t *tally) add(r rules.Rule, n int) {
	t.lines[r.String()] += n
	t.likes[t.at.likeness(r)] += n
}

// take notes a change that was made.
func (t *tally) take(c rules.Change) {
	switch c.Op {
	case rules.Insert:
		t.add(c.Rule.InChain(c.Chain), 1)
	case rules.Delete:
		t.add(c.Rule.InChain(c.Chain), -1)
	case rules.Replace:
		t.add(c.Old.InChain(c.Chain), -1)
		t.add(c.Rule.InChain(c.Chain), 1)
	}
}
