package commit

import (
	"slices"

	"nattui/rules"
)

// lineup is the rules of a chain in their order while a way back goes through them. A rule is found by its place, by its
// line and by what it is like, and comes and goes, at a cost that hardly grows with the chain: of ten thousand rules that
// a plan has added, each is looked for.
type lineup struct {
	chain  chainAt
	blocks []*block
	n      int
	lines  map[string][]*ranked // in no order
	// likes and prints are filled when they are first asked for.
	likes  map[string][]*ranked
	prints map[linePrint][]*ranked
}

// block is a stretch of the lineup, of blockSize rules at most.
type block struct{ rules []*ranked }

const blockSize = 256

// ranked is a rule in its place.
type ranked struct {
	rules.Rule
	in *block
}

func lineupOf(chain chainAt, list []rules.Rule) *lineup {
	l := &lineup{chain: chain, n: len(list), lines: make(map[string][]*ranked, len(list))}
	for part := range slices.Chunk(list, blockSize/2) {
		b := &block{make([]*ranked, len(part), blockSize)}
		for i := range part {
			r := &ranked{part[i], b}
			b.rules[i] = r
			l.lines[r.String()] = append(l.lines[r.String()], r)
		}
		l.blocks = append(l.blocks, b)
	}
	return l
}

// at is the rule at a place, counted from 1; nil outside of the chain.
func (l *lineup) at(place int) *ranked {
	if place < 1 {
		return nil
	}
	for _, b := range l.blocks {
		if place <= len(b.rules) {
			return b.rules[place-1]
		}
		place -= len(b.rules)
	}
	return nil
}

// line is the line at a place, counted from 1; "" outside of the chain.
func (l *lineup) line(place int) text {
	if r := l.at(place); r != nil {
		return text(r.String())
	}
	return ""
}

// places are those of some of its rules, in order.
func (l *lineup) places(of []*ranked) []int {
	var all []int
	for _, r := range of {
		before := 0
		for _, b := range l.blocks {
			if b == r.in {
				break
			}
			before += len(b.rules)
		}
		all = append(all, before+slices.Index(r.in.rules, r)+1)
	}
	slices.Sort(all)
	return all
}

// equal are the places at which a line stands.
func (l *lineup) equal(line string) []int { return l.places(l.lines[line]) }

func (l *lineup) count(r rules.Rule) int { return len(l.lines[r.String()]) }

// alike are the places of rules that may be how the kernel prints the rule.
func (l *lineup) alike(r rules.Rule) []int {
	if l.likes == nil {
		l.likes = map[string][]*ranked{}
		for s := range l.all() {
			l.likes[l.chain.likeness(s.Rule)] = append(l.likes[l.chain.likeness(s.Rule)], s)
		}
	}
	return l.places(l.likes[l.chain.likeness(r)])
}

// printed are the places of the rules that a print stands for.
func (l *lineup) printed(p linePrint) []int {
	if l.prints == nil {
		l.prints = map[linePrint][]*ranked{}
		for s := range l.all() {
			l.prints[printOf(s.Rule)] = append(l.prints[printOf(s.Rule)], s)
		}
	}
	return l.places(l.prints[p])
}

// all are the rules in their order.
func (l *lineup) all() func(func(*ranked) bool) {
	return func(yield func(*ranked) bool) {
		for _, b := range l.blocks {
			for _, r := range b.rules {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// insert puts a rule at a place, counted from 1.
func (l *lineup) insert(place int, r rules.Rule) {
	if len(l.blocks) == 0 {
		l.blocks = []*block{{}}
	}
	i := 0
	for ; i < len(l.blocks)-1 && place > len(l.blocks[i].rules)+1; i++ {
		place -= len(l.blocks[i].rules)
	}
	b := l.blocks[i]
	s := &ranked{r, b}
	b.rules = slices.Insert(b.rules, place-1, s)
	l.n++
	if len(b.rules) > blockSize {
		half := &block{slices.Clone(b.rules[blockSize/2:])}
		for _, moved := range half.rules {
			moved.in = half
		}
		b.rules = b.rules[:blockSize/2]
		l.blocks = slices.Insert(l.blocks, i+1, half)
	}
	l.lines[r.String()] = append(l.lines[r.String()], s)
	if l.likes != nil {
		l.likes[l.chain.likeness(r)] = append(l.likes[l.chain.likeness(r)], s)
	}
	if l.prints != nil {
		l.prints[printOf(r)] = append(l.prints[printOf(r)], s)
	}
}

// remove takes the rule at a place away.
func (l *lineup) remove(place int) rules.Rule {
	s := l.at(place)
	s.in.rules = slices.DeleteFunc(s.in.rules, func(r *ranked) bool { return r == s })
	if l.n--; len(s.in.rules) == 0 {
		l.blocks = slices.DeleteFunc(l.blocks, func(b *block) bool { return b == s.in })
	}
	forget(l.lines, s.String(), s)
	if l.likes != nil {
		forget(l.likes, l.chain.likeness(s.Rule), s)
	}
	if l.prints != nil {
		forget(l.prints, printOf(s.Rule), s)
	}
	return s.Rule
}

// forget takes a rule out of an index.
func forget[K comparable](index map[K][]*ranked, key K, s *ranked) {
	if index[key] = slices.DeleteFunc(index[key], func(r *ranked) bool { return r == s }); len(index[key]) == 0 {
		delete(index, key)
	}
}
