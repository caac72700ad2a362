package evaluate

import (
	"slices"

	"nattui/rules"
)

// Foresee is Evaluate without the rules that the packet is compared with in vain, and briefly without any: of long chains
// few are then looked at.
func (e *Evaluator) Foresee(p Packet, briefly bool) (Path, error) {
	path, _, err := e.foresee(p, briefly)
	return path, err
}

func (e *Evaluator) foresee(p Packet, briefly bool) (path Path, common bool, err error) {
	if briefly {
		path, how, err := e.evaluate(p, tellsNothing)
		return path, how.common, err
	}
	path, how, err := e.evaluate(p, tellsMet)
	if err == nil && how.divided { // each branch has a say in what was met
		path, err = e.Evaluate(p)
		path.Visits = slices.DeleteFunc(path.Visits, func(v Visit) bool { return v.Verdict == No })
	}
	return path, how.common, err
}

// Foresight foresees many packets: what becomes of one, or may become of it, holds for every other of its class (see Classes),
// which need not be followed again. It is not safe for concurrent use.
type Foresight struct {
	evaluator *Evaluator
	classes   *Classes
	briefly   bool
	known     map[kind]*Path // nil: each packet of the class is to be followed by itself
}

// kind is what packets have in common that become the same.
type kind struct {
	class Class
	in    string
	mark  uint32
	local bool
}

// foreseen bounds the classes that are remembered.
const foreseen = 1 << 16

// Foresight is for an evaluator that knows of no flows: these bear on each packet. Briefly, it tells no rules.
func (e *Evaluator) Foresight(briefly bool) *Foresight {
	return &Foresight{e, e.Classes(), briefly, map[kind]*Path{}}
}

// Of is Foresee.
func (f *Foresight) Of(p Packet) (Path, error) {
	k, ok := f.kindOf(&p)
	if !ok {
		return f.evaluator.Foresee(p, f.briefly)
	}
	like, known := f.known[k]
	if like != nil {
		return like.as(&p), nil
	}
	path, common, err := f.evaluator.foresee(p, f.briefly)
	if !known && err == nil {
		if len(f.known) >= foreseen {
			clear(f.known)
		}
		f.known[k] = nil
		if common && path.impersonal() {
			kept := path
			kept.Outcomes = append([]Outcome(nil), path.Outcomes...)
			f.known[k] = &kept
		}
	}
	return path, err
}

// kindOf is the kind of a packet of which nothing but its ends, its mark and the interface it comes by are said.
func (f *Foresight) kindOf(p *Packet) (kind, bool) {
	if f.classes == nil {
		return kind{}, false
	}
	rest := *p
	rest.Protocol, rest.Src, rest.Dst, rest.SrcPort, rest.DstPort, rest.ICMPID = 0, p.Src, p.Dst, 0, 0, 0
	rest.In, rest.Mark, rest.Local = "", 0, false
	if rest != (Packet{Src: p.Src, Dst: p.Dst}) || p.Validate() != nil {
		return kind{}, false
	}
	t := p.Tuple()
	class, ok := f.classes.Of(&t, &t)
	return kind{class, p.In, p.Mark, p.Local}, ok
}

// as is the path of another packet of the class: an end that stayed as it was stays, another becomes the same.
func (like *Path) as(p *Packet) Path {
	path, was := *like, &like.Packet
	path.Packet = *p
	path.Packet.In, path.Packet.Local = was.In, was.Local
	wasSport, wasDport := was.ends()
	sport, dport := p.ends()
	path.Outcomes = slices.Clone(like.Outcomes)
	for i := range path.Outcomes {
		o := &path.Outcomes[i]
		o.Src = o.Src.as(Endpoint{was.Src, rules.Port(wasSport)}, Endpoint{p.Src, rules.Port(sport)})
		o.Dst = o.Dst.as(Endpoint{was.Dst, rules.Port(wasDport)}, Endpoint{p.Dst, rules.Port(dport)})
	}
	return path
}

// impersonal tells that nothing that is said of the path may name addresses of its packet.
func (like *Path) impersonal() bool {
	return len(like.Outcomes) > 0 && !slices.ContainsFunc(like.Outcomes, func(o Outcome) bool { return o.Why != "" }) &&
		!slices.ContainsFunc(like.Doubts, func(d Doubt) bool { return d.IsZero() })
}

func (e Endpoint) as(was, is Endpoint) Endpoint {
	if e.Addr == was.Addr {
		e.Addr = is.Addr
	}
	if e.Ports == was.Ports {
		e.Ports = is.Ports
	}
	return e
}
