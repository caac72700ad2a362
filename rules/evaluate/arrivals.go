package evaluate

import (
	"net/netip"
	"slices"

	"nattui/rules"
)

// Arrival is another first packet that a flow may have had.
type Arrival struct {
	Packet
	// Reached is set if the source is reached by the interface that the packet arrives by, as where an
	// uplink has routes of its own. An arrival that is not is a guess to be backed by something.
	Reached bool
	// Refused is set if the kernel drops it today (the reverse path filter): a flow that is there may have come before it did.
	Refused bool
}

// arrivals are what a flow does not tell of its first packet and the rules ask for: by which
// interface it arrived, and which mark a program of this host gave it. It is usually taken to have
// arrived by the route back to its source, without a mark; a gateway with two uplinks, and
// programs that set SO_MARK, prove that wrong.
type arrivals struct {
	named, others []string // the interfaces that rules name, and those that none does
	marks         []uint32 // that rules and policy rules ask for
	nets          map[string][]netip.Prefix
}

func (e *Evaluator) findArrivals() {
	a := &e.arrivals
	a.nets = map[string][]netip.Prefix{}
	a.marks = slices.Clone(e.host.Marks)
	var named []rules.Iface
	for _, t := range e.families {
		for _, p := range t.programs {
			for _, c := range p.chains {
				for i := range c.rules {
					named = a.ask(c.rules[i].rule, named)
				}
			}
		}
	}
	if e.host.Native != nil {
		named = append(named, rules.Iface{Name: "+"}) // whatever its rules ask for
	}
	for _, name := range e.host.Ins {
		named = append(named, rules.Iface{Name: name})
	}
	slices.Sort(a.marks)
	a.marks = slices.DeleteFunc(slices.Compact(a.marks), func(m uint32) bool { return m == 0 })
	if len(named) == 0 {
		return
	}
	for _, i := range e.host.Interfaces {
		if i.Name == "lo" || i.Down || i.Port {
			continue
		}
		for _, addr := range i.Addrs {
			a.nets[i.Name] = append(a.nets[i.Name], addr.Masked())
		}
		if slices.ContainsFunc(named, func(n rules.Iface) bool { return n.Matches(i.Name) }) {
			a.named = append(a.named, i.Name)
		} else {
			a.others = append(a.others, i.Name)
		}
	}
}

// ask notes what a rule asks for.
func (a *arrivals) ask(r *rules.Rule, named []rules.Iface) []rules.Iface {
	if !r.In.Any() {
		named = append(named, r.In)
	}
	for _, m := range r.Matches {
		if mark, ok := m.(rules.Mark); ok && !mark.Conn {
			a.marks = append(a.marks, mark.Value)
		}
	}
	return named
}

// Arrivals are the other first packets that a flow may have had whose first packet is taken to be p,
// as far as rules tell them apart, those too that the reverse path filter drops today. A neighbour's packets come by
// the cable that it is on: by another interface only where that is in the neighbour's network too. It is safe
// for concurrent use.
func (e *Evaluator) Arrivals(p Packet) []Arrival {
	e.asked.Do(e.findArrivals)
	a := &e.arrivals
	var list []Arrival
	if e.addrs.isLocal(p.Src) {
		for _, m := range a.marks {
			other := Arrival{Packet: p, Reached: true}
			other.Local, other.Mark = true, m
			list = append(list, other)
		}
		return list
	}
	if e.host.Route == nil || len(a.named) == 0 {
		return nil
	}
	usual := e.host.Route(RouteQuery{Dst: p.Src})
	near := a.near(usual.Out, p.Src)
	by := func(name string) (Arrival, bool) {
		if name == usual.Out || near && !a.near(name, p.Src) {
			return Arrival{}, false
		}
		other := Arrival{Packet: p, Reached: !near && e.reaches(name, p.Src)}
		other.In = name
		other.Refused = e.host.Route(RouteQuery{Src: p.Src, Dst: p.Dst, In: name}).Kind == RoutedRefused
		return other, true
	}
	for _, name := range a.named {
		if other, ok := by(name); ok {
			list = append(list, other)
		}
	}
	// No rule tells the others apart: one that has a way back to the source stands for them.
	likely := -1
	for _, name := range a.others {
		other, ok := by(name)
		switch {
		case !ok || other.Refused:
		case likely < 0:
			likely, list = len(list), append(list, other)
		case other.Reached && !list[likely].Reached:
			list[likely] = other
		}
	}
	return list
}

// near reports whether an address is in a network of an interface.
func (a *arrivals) near(name string, addr netip.Addr) bool {
	return slices.ContainsFunc(a.nets[name], func(n netip.Prefix) bool { return n.Contains(addr) })
}

// reaches reports whether an interface has a route to an address, be it one for marked packets.
func (e *Evaluator) reaches(name string, a netip.Addr) bool {
	if e.host.Route(RouteQuery{Dst: a, Out: name}).Kind == RoutedForward {
		return true
	}
	return slices.ContainsFunc(e.arrivals.marks, func(m uint32) bool {
		return e.host.Route(RouteQuery{Dst: a, Mark: m}).Out == name
	})
}
