package explain

import (
	"time"

	"nattui/model/flow"
	"nattui/rules/evaluate"
)

// Of generations before this one explanations are remembered while flows may be left that were asked under them: of at most so
// many generations, and so many explanations.
const (
	generationsKept  = 64
	explanationsKept = 1 << 17
)

// originsKept is how many origins are told apart.
const originsKept = 1 << 16

// past are the explanations of a generation before, and which rules they name.
type past struct {
	known []Explanation
	names [][2]namedRule // of each
	moved map[move]uint32
}

// move is from an explanation of that generation to one of today's rules, of flows that are unsettled or are not.
type move struct {
	from, to  uint32
	unsettled bool
}

// origin is what explained a flow first. A flow that another rule explains now was not made by that: a mark, a set's elements, an
// address or a rule is another since, and may have been none or yet another in between.
type origin struct {
	names [2]namedRule
	older bool // these did not make it either
}

// isKnown tells that anything is known of it.
func (o origin) isKnown() bool { return o != origin{} }

// keepPast remembers the explanations of the generation that ends.
func (x *Explainer) keepPast() {
	if x.flows != nil && x.worked == x.generation && x.flows.Unexplained() == 0 {
		clear(x.past) // all flows have been asked in this one
		x.lost = false
	}
	p := &past{known: x.known, moved: map[move]uint32{}}
	for i := range x.known {
		p.names = append(p.names, x.unmet.both(&x.known[i]))
	}
	x.past[x.generation] = p
	kept := 0
	for back := range uint16(generationsKept) {
		p := x.past[x.generation-back]
		if p == nil {
			continue
		}
		if kept += len(p.known); kept > explanationsKept && back > 0 {
			delete(x.past, x.generation-back)
			x.lost = true
			continue
		}
		clear(p.moved) // its answers are numbers of the generation that ends
	}
	if x.past[x.generation-generationsKept] != nil {
		delete(x.past, x.generation-generationsKept)
		x.lost = true
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

// originIn is what explained a flow first, as its explanation in a past generation tells. Of one that was stale when it was asked
// first it is another rule than all that are known.
func (x *Explainer) originIn(p *past, number uint32) origin {
	switch was := &p.known[number-1]; {
	case was.origin != 0:
		return x.origins[was.origin-1]
	case was.names():
		return origin{p.names[number-1], was.Older}
	case was.Confidence == Stale:
		return origin{older: true}
	}
	return origin{}
}

// sinceThen is an explanation of a flow beside the first one, which is to be remembered where it is another.
func (x *Explainer) sinceThen(f *flow.Flow, e Explanation) (now Explanation, remembered origin) {
	if f.RuleGen == 0 || f.Rule == 0 || f.RuleGen == x.generation {
		return e, origin{}
	}
	p := x.past[f.RuleGen]
	if p == nil || int(f.Rule) > len(p.known) {
		if !x.lost {
			return e, origin{}
		}
		return e.beside(x.unmet.both(&e), origin{older: true}), origin{older: true}
	}
	first, names := x.originIn(p, f.Rule), x.unmet.both(&e)
	if !first.isKnown() || e.names() && !first.older && names == first.names {
		return e, origin{}
	}
	if x.unsettled(f) {
		first = origin{older: true}
	}
	return e.beside(names, first), first
}

// settling is how long before rules and host are told they may have been so already: those of the legacy backend are looked at
// every two seconds.
const settling = 3 * time.Second

// unsettled tells that a flow began when the rules of now may have been there already, so that what explained it before, by those
// before, may not have made it either.
func (x *Explainer) unsettled(f *flow.Flow) bool {
	began := f.First
	if f.Start != 0 {
		began = f.Start
	}
	return x.toldAt != 0 && began > x.toldAt-int64(settling)
}

// Listed notes when all flows had been listed first: one that is found later may be young.
func (x *Explainer) Listed(at int64) { x.listed.CompareAndSwap(0, at) }

// unlessFresh is an explanation, but that a flow which may have begun after the rules were read is not stale: the legacy
// backend announces no changes, and others take a moment to be read.
func (x *Explainer) unlessFresh(f *flow.Flow, e Explanation) Explanation {
	if e.Confidence == Stale && x.asked != 0 && f.MayHaveBegunAfter(x.asked, x.listed.Load()) {
		return Explanation{Confidence: Unknown, Fresh: true}
	}
	return e
}

// beside is an explanation by some rules of a flow that others explained first.
func (e Explanation) beside(names [2]namedRule, first origin) Explanation {
	if e.names() && (first.older || names != first.names) {
		e.Confidence, e.Older = Inferred, true
	}
	return e
}

// numberSinceThen is the number of sinceThen.
func (x *Explainer) numberSinceThen(f *flow.Flow, number uint32) uint32 {
	if f.RuleGen == 0 || f.Rule == 0 || f.RuleGen == x.generation {
		return number
	}
	moved := func() uint32 {
		e, remembered := x.sinceThen(f, x.known[number-1])
		if remembered.isKnown() {
			e.origin = x.originNumber(remembered)
		}
		return x.number(e)
	}
	p := x.past[f.RuleGen]
	if p == nil {
		return moved()
	}
	as := move{f.Rule, number, x.unsettled(f)}
	n, known := p.moved[as]
	if !known {
		n = moved()
		p.moved[as] = n
	}
	return n
}

// originNumber is how an origin is written into explanations. Where there are too many, it is one of which nothing but that is
// remembered.
func (x *Explainer) originNumber(o origin) uint32 {
	if n, known := x.originNumbers[o]; known {
		return n
	}
	if len(x.origins) >= originsKept {
		return x.originNumber(origin{older: true})
	}
	x.origins = append(x.origins, o)
	x.originNumbers[o] = uint32(len(x.origins))
	return x.originNumbers[o]
}
