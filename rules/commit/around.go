package commit

import (
	"hash/fnv"
	"maps"
	"slices"

	"nattui/rules"
)

// linePrint stands for the line of a rule, in the journal.
type linePrint uint32

func printOf(r rules.Rule) linePrint {
	sum := fnv.New32a()
	sum.Write([]byte(r.String()))
	return linePrint(sum.Sum32())
}

// mostAround is how many rules on either side of a place are remembered. A program that
// comes and goes has few rules there at a time.
const mostAround = 8

// printsAround are the rules around the one at a place, the nearest first.
func printsAround(list []rules.Rule, at int) (before, behind []linePrint) {
	for i := at - 1; i >= 1 && len(before) < mostAround; i-- {
		before = append(before, printOf(list[i-1]))
	}
	for i := at + 1; i <= len(list) && len(behind) < mostAround; i++ {
		behind = append(behind, printOf(list[i-1]))
	}
	return before, behind
}

// stretch is places of a chain, from the first to the last, at which an inserted rule would stand on the wrong side of as
// many remembered ones.
type stretch struct{ first, last, wrong int }

// disorder tells for all places at which a rule could be inserted how many of the remembered
// rules would then stand on its wrong side. What stands in the list more than
// once, or was remembered more than once, tells nothing. known says that anything does.
func (m mark) disorder(list *lineup) (all []stretch, known bool) {
	stood := map[int]side{}
	for p, where := range m.sides() {
		if at := list.printed(p); len(at) == 1 && where != bothSides {
			stood[at[0]] = where
		}
	}
	first := 1
	for _, end := range append(slices.Sorted(maps.Keys(stood)), list.n+1) {
		s := stretch{first: first, last: end}
		for at, where := range stood {
			if (s.first <= at) == (where == beforeIt) {
				s.wrong++
			}
		}
		all, first = append(all, s), end+1
	}
	return all, len(stood) > 0
}

// side is where a remembered rule stood.
type side uint8

const (
	beforeIt side = iota + 1
	behindIt
	bothSides // or twice on one
)

func (m mark) sides() map[linePrint]side {
	stood := map[linePrint]side{}
	note := func(p linePrint, where side) {
		if stood[p] != 0 {
			where = bothSides
		}
		stood[p] = where
	}
	for _, p := range m.Before {
		note(p, beforeIt)
	}
	for _, p := range m.Behind {
		note(p, behindIt)
	}
	return stood
}
