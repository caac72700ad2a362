package doctor

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// ownerOf is the program that made a rule or the jumps that lead to it; empty for the administrator.
func ownerOf(r *rules.Rule, s sketch) string {
	if s.owner != "" {
		return s.owner
	}
	return rules.OwnerOf(*r)
}

// walker goes through the chains of a table as packets may.
type walker struct {
	sets   map[rules.Variant]*rules.Ruleset
	chains map[evaluate.RuleRef]*rules.Chain // by variant, table and name: a table may have thousands
	steps  int
}

// rulesOf are all rules of the tables of a name, of each variant, chain by chain.
func (t *trial) rulesOf(table string) iter.Seq2[evaluate.RuleRef, *rules.Rule] {
	return func(yield func(evaluate.RuleRef, *rules.Rule) bool) {
		for _, p := range t.variants() {
			found, ok := t.sets[p].Table(table)
			for i := 0; ok && i < len(found.Chains); i++ {
				for j := range found.Chains[i].Rules {
					at := evaluate.RuleRef{Variant: p, Table: table, Chain: found.Chains[i].Name, Position: j + 1}
					if !yield(at, &found.Chains[i].Rules[j]) {
						return
					}
				}
			}
		}
	}
}

// walkLimit ends a walk through tables that nobody could look through either.
const walkLimit = 200_000

// walk visits the rules of a chain and of those that it calls, each with what a packet has to be to meet it.
func (w *walker) walk(at evaluate.RuleRef, s sketch, visit func(evaluate.RuleRef, *rules.Rule, sketch)) {
	chain := w.chain(at)
	if chain == nil || s.depth > 12 {
		return
	}
	for i := range chain.Rules {
		if w.steps++; w.steps > walkLimit {
			return
		}
		r := &chain.Rules[i]
		here := at
		here.Position = i + 1
		next, ok := s.with(r)
		if !ok {
			continue
		}
		if k := r.Target.Kind; k == rules.Jump || k == rules.Goto {
			next.depth++
			if next.owner == "" {
				next.owner = rules.OwnerOf(*r)
			}
			into := at
			into.Chain = r.Target.Name
			w.walk(into, next, visit)
			continue
		}
		visit(here, r, next)
	}
}

// chain is the chain that a reference names; nil if there is none.
func (w *walker) chain(at evaluate.RuleRef) *rules.Chain {
	table := evaluate.RuleRef{Variant: at.Variant, Table: at.Table}
	if _, ok := w.chains[table]; !ok {
		if w.chains == nil {
			w.chains = map[evaluate.RuleRef]*rules.Chain{}
		}
		w.chains[table] = nil
		if t, ok := w.sets[at.Variant].Table(at.Table); ok {
			for i := range t.Chains {
				w.chains[evaluate.RuleRef{Variant: at.Variant, Table: at.Table, Chain: t.Chains[i].Name}] = &t.Chains[i]
			}
		}
	}
	at.Position = 0
	return w.chains[at]
}

// sketch is what a packet has to be in order to meet a rule and the jumps that
// lead to it, as far as one value can say.
type sketch struct {
	family       rules.Family
	proto        rules.Protocol
	src, dst     rules.Net
	in, out      rules.Iface
	notIn        []rules.Iface
	sport, dport rules.Ports
	dports       []rules.Ports // all of a list, of which dport is the first
	toHost       bool          // the destination is an address of this host
	marked       bool          // hangs on a mark
	unsure       bool          // hangs on something else that is not looked at
	notSrc       []rules.Net
	notDst       []rules.Net
	owner        string
	depth        int
}

// with adds the conditions of a rule; false if no packet can be made for it.
func (s sketch) with(r *rules.Rule) (sketch, bool) {
	if r.Unparseable() != nil {
		return s, false
	}
	if !r.Protocol.Any() {
		n, ok := r.Protocol.Number()
		if !ok || r.Protocol.Not {
			s.unsure = true
		} else {
			s.proto = n
		}
	}
	s.notSrc, s.notDst, s.notIn = slices.Clip(s.notSrc), slices.Clip(s.notDst), slices.Clip(s.notIn)
	switch {
	case r.Source.Any():
	case r.Source.Not:
		s.notSrc = append(s.notSrc, r.Source)
	default:
		s.src = r.Source
	}
	switch {
	case r.Dest.Any():
	case r.Dest.Not:
		s.notDst = append(s.notDst, r.Dest)
	default:
		s.dst = r.Dest
	}
	switch {
	case r.In.Any():
	case r.In.Not:
		s.notIn = append(s.notIn, r.In)
	default:
		s.in = r.In
	}
	if !r.Out.Any() {
		s.out = r.Out
	}
	for _, m := range r.Matches {
		s.match(m)
	}
	return s, true
}

// open tells that a packet which is in the sketch may all the same not meet the rule.
func (s *sketch) open() bool { return s.unsure || len(s.notDst) > 0 }

func (s *sketch) match(m rules.Match) {
	switch m := m.(type) {
	case rules.Comment:
	case rules.Transport:
		if n, ok := rules.ProtoNumber(m.Proto); ok {
			s.proto = n
		}
		if m.Dest != nil && !m.Dest.Not {
			s.dport = m.Dest.Ports
		}
		if m.Source != nil && !m.Source.Not {
			s.sport = m.Source.Ports
		}
	case rules.Multiport:
		if !m.Not && m.Side != rules.SourceSide && len(m.List) > 0 {
			s.dport, s.dports = m.List[0], m.List
		}
	case rules.AddrType:
		s.toHost = s.toHost || m.Dest != nil && !m.Dest.Not && slices.Contains(m.Dest.Types, "LOCAL")
	case rules.Mark:
		s.marked = true
	case rules.Conntrack, rules.CTState:
	default:
		s.unsure = true
	}
}

// ports are those that a packet may have, some of them where they are many.
func (s *sketch) ports() []uint16 {
	switch {
	case !s.proto.HasPorts():
		return []uint16{0}
	case s.dport == rules.Ports{}:
		return []uint16{80, 443, 33434, 47808, 9}
	case len(s.dports) > 1 && s.dport == s.dports[0]:
		var list []uint16
		for _, p := range s.dports {
			list = append(list, p.Lo)
		}
		return list
	case s.dport.Single():
		return []uint16{s.dport.Lo}
	}
	return []uint16{s.dport.Lo, s.dport.Hi, s.dport.Lo + (s.dport.Hi-s.dport.Lo)/2}
}

// arrivalLink is the interface by which a packet for a rule comes.
func (n network) arrivalLink(s sketch) string {
	fits := func(link string) bool {
		return link != "" && link != "lo" && (s.in.Any() || s.in.Matches(link)) &&
			!slices.ContainsFunc(s.notIn, func(i rules.Iface) bool { return i.Matches(link) })
	}
	if !s.in.Any() && !strings.HasSuffix(s.in.Name, "+") {
		return s.in.Name
	}
	if p, ok := s.src.Prefix(); ok && !s.src.Any() {
		if link, ok := n.LinkOf(p.Addr()); ok && fits(link) {
			return link
		}
	}
	if a, ok := s.dst.Host(); ok {
		if link, ok := n.LinkOf(a); ok && fits(link) {
			return link
		}
	}
	if wan, ok := n.uplink(s.family); ok && fits(wan) {
		return wan
	}
	for _, l := range n.Links {
		if fits(l.Name) && l.Up {
			return l.Name
		}
	}
	return ""
}

// askedAddr is the address that clients of a rule ask for.
func (n network) askedAddr(s sketch, link string, kind rules.Kind) (netip.Addr, bool) {
	if !s.dst.Any() {
		if a, ok := s.dst.Host(); ok {
			return a, true
		}
		for _, a := range n.inUse("") {
			if s.family.Holds(a.Prefix.Addr()) && s.dst.Contains(a.Prefix.Addr()) {
				return a.Prefix.Addr(), true
			}
		}
		return s.dst.Addr.Next(), true
	}
	if kind == rules.Redirect && !s.toHost && link != "" && !n.outward(link) {
		// A transparent proxy: clients ask somebody on the Internet.
		if a, ok := n.worldAddr(s.family, ""); ok {
			return a, true
		}
	}
	for _, a := range n.inUse(link) {
		if s.family.Holds(a.Prefix.Addr()) && a.Scope == facts.ScopeGlobal {
			return a.Prefix.Addr(), true
		}
	}
	return n.worldAddr(s.family, "")
}

// clientOn is an address of somebody who may come by a link.
func (n network) clientOn(link string, s sketch, server netip.Addr) (netip.Addr, bool) {
	fits := func(a netip.Addr) bool {
		return s.family.Holds(a) && a != server && !n.IsLocal(a) && (s.src.Any() || s.src.Contains(a)) &&
			!slices.ContainsFunc(s.notSrc, func(n rules.Net) bool { return n.Contains(a) })
	}
	if !s.src.Any() {
		a := s.src.Addr
		for range 64 {
			if fits(a) && a != s.src.Addr {
				return a, true
			}
			if _, single := s.src.Host(); single {
				return a, true
			}
			a = a.Next()
		}
		return netip.Addr{}, false
	}
	if link == "" || n.outward(link) {
		if a, ok := n.worldAddr(s.family, link); ok && fits(a) && (link == "" || n.anyDefault(s.family)) {
			return a, true
		}
	}
	if a, ok := n.insider(link, s.family, fits); ok {
		return a, true
	}
	a, ok := n.worldAddr(s.family, link)
	return a, ok && fits(a)
}
