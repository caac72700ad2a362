package commit

import (
	"fmt"
	"hash/fnv"
	"slices"

	"nattui/rules"
)

// This file tells whether a move stands, and which of equal rules was moved. Counting does not tell: there are as
// many of them after a move as before.

// chainPrint stands for the rules of a chain in their order, in the journal; 0 is none.
type chainPrint uint64

func orderOf(list []rules.Rule) chainPrint {
	sum := fnv.New64a()
	for i := range list {
		sum.Write([]byte(list[i].String()))
		sum.Write([]byte{0})
	}
	return chainPrint(sum.Sum64())
}

// order is the chainPrint of the rules as they stand.
func (l *lineup) order() chainPrint {
	list := make([]rules.Rule, 0, l.n)
	for s := range l.all() {
		list = append(list, s.Rule)
	}
	return orderOf(list)
}

// homecoming rolls back a move.
func (m mark) homecoming(c, inv rules.Change, now *present) (*rules.Change, string) {
	list := now.list(c)
	equal := list.equal(c.Rule.InChain(c.Chain).String())
	if len(equal) == 0 {
		return nil, fmt.Sprintf("the moved rule is gone: %s", c.Rule.String())
	}
	from, doubt := m.whereabouts(c, now, equal)
	if from == 0 {
		return nil, doubt
	}
	moved := list.remove(from)
	to, sure := m.slot(list, c.At)
	list.insert(from, moved)
	inv.At, inv.To, inv.Rule = from, to, moved
	switch {
	case to == from:
		return nil, ""
	case !sure:
		return &inv, fmt.Sprintf("the rules around rule %d of %s have changed; its place is now %d: %s", c.At, c.Chain, to, c.Rule.String())
	}
	return &inv, ""
}

// whereabouts is the place of the rule that was moved, among those of equal rules: by its handle, else by the order of the
// whole chain, else by neighbours. It is 0 where the rule stands where it did before, and where doubt says that this
// is not known.
func (m mark) whereabouts(c rules.Change, now *present, equal []int) (from int, doubt string) {
	list := now.list(c)
	toScore := func(p int) int { return agrees(list.line(p-1), list.line(p+1), m.ToPrev, m.ToNext) }
	mine, sure := m.byHandle(now, c, equal)
	switch {
	case sure && m.Made == 0: // a move makes the rule anew, and all that were there before still are
		return 0, ""
	case sure && len(mine) == 1:
		return m.unlessHome(list, mine[0], toScore), ""
	case len(mine) > 0:
		equal = mine
	}
	switch order := list.order(); {
	case m.From == 0 || m.To == 0:
	case order == m.To && c.To <= list.n && slices.Contains(equal, c.To):
		return c.To, ""
	case order == m.From:
		return 0, ""
	}
	if !m.Done && m.From != 0 {
		return m.byNeighbours(c, list, equal)
	}
	return m.unlessHome(list, best(equal, c.To, toScore), toScore), ""
}

// unlessHome is the place, or 0 where the rule there stands as it did before the move.
func (m mark) unlessHome(list *lineup, from int, toScore func(int) int) int {
	if origin := agrees(list.line(from-1), list.line(from+1), m.Prev, m.Next); origin > toScore(from) || origin == 2 && toScore(from) < 2 {
		return 0
	}
	return from
}

// byNeighbours tells whether a move was made of which nobody has written down that it was, by which of its two places
// one of equal rules has.
func (m mark) byNeighbours(c rules.Change, list *lineup, equal []int) (from int, doubt string) {
	between := func(prev, next text) []int {
		return slices.DeleteFunc(list.equal(c.Rule.InChain(c.Chain).String()), func(p int) bool {
			return agrees(list.line(p-1), list.line(p+1), prev, next) < 2
		})
	}
	home, there := between(m.Prev, m.Next), between(m.ToPrev, m.ToNext)
	switch {
	case len(home) == 0 && len(there) == 1 && !m.ToTwin && slices.Contains(equal, there[0]):
		return there[0], ""
	case len(home) > 0 && len(there) == 0 && !m.HomeTwin:
		return 0, ""
	}
	return 0, fmt.Sprintf("it is not known whether this change moved the rule, or an equal one, in %s; it was left where it is: %s", c.Chain, c.Rule.String())
}

// betweenOf are the places of rules equal to that of the change that have the neighbours.
func betweenOf(list []rules.Rule, c rules.Change, prev, next text) []int {
	return slices.DeleteFunc(placesOf(list, c.Rule.InChain(c.Chain)), func(p int) bool {
		return agrees(lineAt(list, p-1), lineAt(list, p+1), prev, next) < 2
	})
}
