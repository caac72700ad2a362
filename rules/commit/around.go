package commit

import (
	"hash/fnv"

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

// disorder counts, for each place at which a rule could be inserted, the remembered
// rules that would then stand on its wrong side. What stands in the list more than
// once, or was remembered more than once, tells nothing. known says that anything does.
func (m mark) disorder(list []rules.Rule) (wrong []int, known bool) {
	wrong = make([]int, len(list)+1)
	stood, stands := m.sides(), map[linePrint]int{}
	if len(stood) == 0 {
		return wrong, false
	}
	for i := range list {
		p := printOf(list[i])
		if stands[p] > 0 {
			delete(stood, p)
		}
		stands[p] = i + 1
	}
	for p, where := range stood {
		at := stands[p]
		if at == 0 || where == bothSides {
			continue
		}
		known = true
		for i := range wrong {
			if (i+1 <= at) == (where == beforeIt) {
				wrong[i]++
			}
		}
	}
	return wrong, known
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
