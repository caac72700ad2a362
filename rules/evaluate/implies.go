package evaluate

import (
	"reflect"
	"slices"
	"strings"

	"nattui/rules"
)

// implies reports whether one comparison of a rule follows from this one's.
func (c *code) implies(rule *code, what uint16) bool {
	if c.what&what == 0 {
		return what == onSrc && c.rangeImplies(&rule.src, true, rule.flip&what != 0) || what == onDst && c.rangeImplies(&rule.dst, false, rule.flip&what != 0) ||
			what == onDport && inAll(rule.dport, c.portLists(rules.DestSide), rule.flip&what != 0) ||
			what == onSport && inAll(rule.sport, c.portLists(rules.SourceSide), rule.flip&what != 0)
	}
	mine, its := c.flip&what != 0, rule.flip&what != 0
	switch what {
	case onSrc:
		return setImplies(mine, its, c.src.inside(&rule.src), rule.src.inside(&c.src), c.src.apart(&rule.src))
	case onDst:
		return setImplies(mine, its, c.dst.inside(&rule.dst), rule.dst.inside(&c.dst), c.dst.apart(&rule.dst))
	case onIn:
		return setImplies(mine, its, c.in.inside(&rule.in), rule.in.inside(&c.in), c.in.apart(&rule.in))
	case onOut:
		return setImplies(mine, its, c.out.inside(&rule.out), rule.out.inside(&c.out), c.out.apart(&rule.out))
	case onProtocol:
		same := c.protocol == rule.protocol
		return setImplies(mine, its, same, same, !same)
	case onSport:
		return portsImply(mine, its, c.sport, rule.sport)
	}
	return portsImply(mine, its, c.dport, rule.dport)
}

// rangeImplies reports whether all addresses of the rule's iprange match are in a network, or none of them.
func (c *code) rangeImplies(net *maskedAddr, source, outside bool) bool {
	for _, m := range c.rule.Matches {
		r, ok := m.(rules.IPRange)
		if !ok {
			continue
		}
		of := r.Dest
		if source {
			of = r.Source
		}
		if of == nil || of.Not || !net.contiguous() {
			continue
		}
		lo, hi := bitsOf(of.Lo), bitsOf(of.Hi)
		if outside {
			rest := net.rest()
			last := bits128{net.value.hi | rest.hi, net.value.lo | rest.lo}
			return hi.less(net.value) || last.less(lo)
		}
		return net.holds(lo) && net.holds(hi)
	}
	return false
}

// contiguous reports a mask that is a prefix, so that what lies between two addresses in it is in it.
func (m *maskedAddr) contiguous() bool {
	n := m.rest()
	if n.hi == 0 {
		return n.lo&(n.lo+1) == 0
	}
	return n.lo == ^uint64(0) && n.hi&(n.hi+1) == 0
}

// rest is the part of an address that the mask leaves open; IPv4 has no more than 32 bits.
func (m *maskedAddr) rest() bits128 {
	if m.mask.hi == 0 && m.mask.lo>>32 == 0 {
		return bits128{0, uint64(uint32(^m.mask.lo))}
	}
	return bits128{^m.mask.hi, ^m.mask.lo}
}

// setImplies reports whether being in one set, or outside of it (mine), means
// being in another, or outside of that (its).
func setImplies(mine, its, inside, contains, apart bool) bool {
	switch {
	case !mine && !its:
		return inside
	case mine && its:
		return contains
	case its:
		return apart
	}
	return false
}

func portsImply(mine, its bool, a, b rules.Ports) bool {
	if a.Lo > a.Hi || b.Lo > b.Hi {
		return false // a range that holds nothing is another matter
	}
	return setImplies(mine, its, b.Lo <= a.Lo && a.Hi <= b.Hi, a.Lo <= b.Lo && b.Hi <= a.Hi, a.Hi < b.Lo || b.Hi < a.Lo)
}

// portLists are the ports that a multiport match of the rule asks for.
func (c *code) portLists(side rules.Side) []rules.Ports {
	for _, m := range c.rule.Matches {
		if list, ok := m.(rules.Multiport); ok && list.Side == side && !list.Not {
			return list.List
		}
	}
	return nil
}

// inAll reports whether every one of the ports meets a comparison with p.
func inAll(p rules.Ports, list []rules.Ports, not bool) bool {
	for _, q := range list {
		if !portsImply(false, not, q, p) {
			return false
		}
	}
	return len(list) > 0
}

func (m *maskedAddr) inside(n *maskedAddr) bool {
	return n.mask.hi&^m.mask.hi|n.mask.lo&^m.mask.lo == 0 && n.holds(m.value)
}

func (m *maskedAddr) apart(n *maskedAddr) bool {
	return (m.value.hi^n.value.hi)&m.mask.hi&n.mask.hi|(m.value.lo^n.value.lo)&m.mask.lo&n.mask.lo != 0
}

func (t *ifaceTest) inside(u *ifaceTest) bool {
	if u.stem {
		return strings.HasPrefix(t.name, u.name)
	}
	return !t.stem && t.name == u.name
}

func (t *ifaceTest) apart(u *ifaceTest) bool {
	switch {
	case t.stem && u.stem:
		return !strings.HasPrefix(t.name, u.name) && !strings.HasPrefix(u.name, t.name)
	case t.stem:
		return !strings.HasPrefix(u.name, t.name)
	case u.stem:
		return !strings.HasPrefix(t.name, u.name)
	}
	return t.name != u.name
}

// impliedMatch reports whether a match follows from those of the conditions.
// Only matches that answer alike for one and the same packet can.
func (r *reacher) impliedMatch(rule *code, m rules.Match, conditions []*code) bool {
	switch m := m.(type) {
	case rules.Comment:
		return true
	case rules.Transport:
		if !rule.compares(onSport, rule.sport, m.Source) || !rule.compares(onDport, rule.dport, m.Dest) {
			return false // the second of its kind
		}
		if m.Flags == nil && m.Option == nil {
			return true // its ports are compared already
		}
	case rules.Mark, rules.TTL, rules.TOS, rules.DSCP:
		if r.alters {
			return false
		}
	case rules.Conntrack, rules.CTState, rules.ICMPType, rules.AddrType, rules.Owner, rules.PktType, rules.MAC, rules.Length, rules.Multiport, rules.IPRange:
		if r.alters && r.chains[0].table == "raw" {
			return false
		}
	default:
		return false
	}
	for _, c := range conditions {
		for _, other := range c.rule.Matches {
			if reflect.DeepEqual(m, other) || wider(m, other) {
				return true
			}
		}
		if list, ok := m.(rules.Multiport); ok && holdsAll(list, c) {
			return true
		}
		if of, ok := m.(rules.IPRange); ok && c.within(of) {
			return true
		}
	}
	return false
}

// within reports whether the networks that a rule asks for lie in a range of addresses.
func (c *code) within(r rules.IPRange) bool {
	holds := func(of *rules.AddrsMatch, what uint16, net *maskedAddr) bool {
		if of == nil {
			return true
		}
		if of.Not || c.what&what == 0 || c.flip&what != 0 || !net.contiguous() {
			return false
		}
		rest := net.rest()
		last := bits128{net.value.hi | rest.hi, net.value.lo | rest.lo}
		return !net.value.less(bitsOf(of.Lo)) && !bitsOf(of.Hi).less(last)
	}
	return holds(r.Source, onSrc, &c.src) && holds(r.Dest, onDst, &c.dst)
}

// statesOf are the states that a match asks for and nothing else; false where it asks for more.
func statesOf(m rules.Match) ([]string, bool) {
	switch m := m.(type) {
	case rules.CTState:
		return m.States, !m.Not
	case rules.Conntrack:
		if m.State == nil || m.State.Not {
			return nil, false
		}
		rest := m
		rest.State = nil
		return m.State.Words, reflect.DeepEqual(rest, rules.Conntrack{})
	}
	return nil, false
}

// compares reports whether a port match is the one among the plain comparisons.
func (c *code) compares(what uint16, plain rules.Ports, m *rules.PortMatch) bool {
	return m == nil || m.Ports == plain && m.Not == (c.flip&what != 0)
}

// wider reports whether a match takes all that another one takes.
func wider(m, other rules.Match) bool {
	switch m := m.(type) {
	case rules.CTState, rules.Conntrack:
		all, ok := statesOf(m)
		// What the other asks for besides makes it only narrower.
		few, known := other.(rules.CTState)
		if conntrack, is := other.(rules.Conntrack); is && conntrack.State != nil {
			few, known = rules.CTState{Not: conntrack.State.Not, States: conntrack.State.Words}, true
		}
		return ok && known && !few.Not && subset(few.States, all)
	case rules.Length:
		o, ok := other.(rules.Length)
		return ok && !m.Not && !o.Not && m.Lo <= o.Lo && o.Hi <= m.Hi
	case rules.Transport:
		o, ok := other.(rules.Transport)
		return ok && m.Proto == o.Proto && m.Option == nil && m.Flags != nil && o.Flags != nil && *m.Flags == *o.Flags
	case rules.Multiport:
		o, ok := other.(rules.Multiport)
		return ok && !m.Not && !o.Not && m.Side == o.Side && coversPorts(m, o.List)
	case rules.IPRange:
		o, ok := other.(rules.IPRange)
		covers := func(m, o *rules.AddrsMatch) bool {
			return m == nil || o != nil && !m.Not && !o.Not && !o.Lo.Less(m.Lo) && !m.Hi.Less(o.Hi)
		}
		return ok && covers(m.Source, o.Source) && covers(m.Dest, o.Dest)
	case rules.ICMPType:
		o, ok := other.(rules.ICMPType)
		return ok && !m.Not && !o.Not && m.V6 == o.V6 && m.Code == nil && (m.Any || !o.Any && m.Type == o.Type)
	}
	return false
}

func subset(few, many []string) bool {
	for _, w := range few {
		if !slices.Contains(many, w) {
			return false
		}
	}
	return true
}

func coversPorts(m rules.Multiport, list []rules.Ports) bool {
	for _, p := range list {
		if !slices.ContainsFunc(m.List, func(q rules.Ports) bool { return portsImply(false, false, p, q) }) {
			return false
		}
	}
	return true
}

// holdsAll reports whether the ports a rule asks for are all in the list.
func holdsAll(m rules.Multiport, c *code) bool {
	if m.Not {
		return false
	}
	return m.Side != rules.SourceSide && c.what&onDport != 0 && c.flip&onDport == 0 && coversPorts(m, []rules.Ports{c.dport}) ||
		m.Side != rules.DestSide && c.what&onSport != 0 && c.flip&onSport == 0 && coversPorts(m, []rules.Ports{c.sport})
}
