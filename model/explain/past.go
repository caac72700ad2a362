package explain

import (
	"nattui/model/flow"
	"nattui/rules/evaluate"
)

// generationsKept is of how many generations before this one explanations are remembered: flows that were not asked under one
// are compared with one before.
const generationsKept = 8

// past are the explanations of a generation before, and which rules they name. A flow that another rule explained then was not
// made by the one that explains it now: a mark, a set's elements or an address is another since.
type past struct {
	known []Explanation
	names [][2]namedRule // of each
	moved map[[2]uint32]uint32
}

// keepPast remembers the explanations of the generation that ends.
func (x *Explainer) keepPast() {
	p := &past{known: x.known, moved: map[[2]uint32]uint32{}}
	for i := range x.known {
		p.names = append(p.names, x.unmet.both(&x.known[i]))
	}
	x.past[x.generation] = p
	delete(x.past, x.generation-generationsKept)
	for _, p := range x.past {
		clear(p.moved) // its answers are numbers of the generation that ends
	}
}

// both are the rules of an explanation.
func (u *unmet) both(e *Explanation) [2]namedRule {
	var both [2]namedRule
	for i, r := range [...]evaluate.RuleRef{e.DNAT, e.SNAT} {
		if !r.IsZero() {
			both[i] = u.name(r)
		}
	}
	return both
}

// sinceThen is an explanation of a flow beside the one before it.
func (x *Explainer) sinceThen(f *flow.Flow, e Explanation) Explanation {
	p := x.past[f.RuleGen]
	if p == nil || f.RuleGen == 0 || f.Rule == 0 || int(f.Rule) > len(p.known) || !e.names() {
		return e
	}
	if was := &p.known[f.Rule-1]; was.names() && (was.Older || x.unmet.both(&e) != p.names[f.Rule-1]) {
		e.Confidence, e.Older = Inferred, true
	}
	return e
}

// numberSinceThen is sinceThen for a number.
func (x *Explainer) numberSinceThen(f *flow.Flow, number uint32) uint32 {
	p := x.past[f.RuleGen]
	if p == nil || f.RuleGen == 0 || f.Rule == 0 {
		return number
	}
	pair := [2]uint32{f.Rule, number}
	moved, known := p.moved[pair]
	if !known {
		moved = x.number(x.sinceThen(f, x.known[number-1]))
		p.moved[pair] = moved
	}
	return moved
}
