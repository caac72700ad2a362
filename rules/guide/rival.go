package guide

import (
	"cmp"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// rival is a rule that sends elsewhere what a new rule of PREROUTING asks for too.
type rival struct {
	by     evaluate.RuleRef
	packet evaluate.Packet // one that both ask for
	to     evaluate.Endpoint
	line   string
	sure   bool // nothing else becomes of it
	// whole is set where the packet is one of those that the recipe is for, rather than one that only the rule itself tells.
	whole    bool
	priority int32 // of the chain that leads to it, where that is a native one
}

// rivalsTold is how many rules are told one by one.
const rivalsTold = 8

// instead adds a rule of PREROUTING, and says which rules there send elsewhere, as it is, what the new one takes. general are
// packets that the recipe is for.
func (b *builder) instead(field string, r rules.Rule, why string, general ...evaluate.Packet) {
	list := b.rivals(r, general)
	b.translate(r, 0, why)
	b.warnRivals(field, list)
}

// rivals are the rules that a new one shares packets with.
func (b *builder) rivals(r rules.Rule, general []evaluate.Packet) (list []rival) {
	before, alone := b.evaluator(), b.alone(r)
	try := func(p evaluate.Packet, whole bool) {
		goal, _ := alone.Outcomes(nil, &p)
		if len(goal) != 1 || goal[0].DNATBy.IsZero() {
			return // the new rule does not ask for it
		}
		outcomes, _ := before.Outcomes(nil, &p)
		for _, o := range outcomes {
			known := func(s rival) bool { return s.by == o.DNATBy }
			if o.DNATBy.IsZero() || o.Dst == goal[0].Dst || slices.ContainsFunc(list, known) {
				continue
			}
			list = append(list, rival{
				by: o.DNATBy, packet: p, to: o.Dst, line: b.lineOf(o.DNATBy), sure: len(outcomes) == 1, whole: whole, priority: b.priorityOf(o.DNATBy, p),
			})
		}
	}
	for _, p := range general {
		try(p, true)
	}
	b.eachTranslating(func(other rules.Rule) {
		for _, p := range b.askedByBoth(other, general) {
			try(p, false)
		}
	})
	return list
}

// alone says what a rule of PREROUTING would do if there were no other.
func (b *builder) alone(r rules.Rule) *evaluate.Evaluator {
	only := newBuilder(b.Host, b.family, "")
	only.Kernel.Native, only.Kernel.Natives = nil, nil
	only.sets = map[rules.Variant]*rules.Ruleset{{Family: b.family, Backend: b.Backend}: {
		Family: b.family, Backend: b.Backend,
		Tables: []rules.Table{{Name: "nat", Chains: []rules.Chain{{Name: r.Chain, Policy: "ACCEPT", Rules: []rules.Rule{r}}}}},
	}}
	return only.evaluator()
}

// eachTranslating visits the rules that may give packets another destination, and those that lead to them, of iptables and
// native ones, these in the words of iptables.
func (b *builder) eachTranslating(visit func(rules.Rule)) {
	kinds := []rules.Kind{rules.DNAT, rules.Redirect, rules.Netmap, rules.Jump, rules.Goto}
	each := func(list []rules.Rule) {
		for _, r := range list {
			if slices.Contains(kinds, r.Target.Kind) {
				visit(r)
			}
		}
	}
	for variant, set := range b.sets {
		if set == nil || variant.Family != b.family {
			continue
		}
		nat, _ := set.Table("nat")
		for i := 0; nat != nil && i < len(nat.Chains); i++ {
			each(nat.Chains[i].Rules)
		}
	}
	native := b.Kernel.Native.Ruleset()
	if native == nil {
		return
	}
	for _, t := range native.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				if (!c.IsBase() || c.Type == "nat") && t.Meets(b.family) {
					each(r.IPTables(c, b.family, native.Links))
				}
			}
		}
	}
}

// askedByBoth are packets that a rule asks for, as like those that a recipe is for as that allows.
func (b *builder) askedByBoth(r rules.Rule, general []evaluate.Packet) (list []evaluate.Packet) {
	if len(general) == 0 || !r.In.Any() && !r.In.Not && !r.In.Matches(general[0].In) {
		return nil
	}
	dsts, ports := []netip.Addr{b.addressOn(general[0].In)}, askedPorts(r)
	for _, p := range general {
		dsts, ports = append(dsts, p.Dst), append(ports, p.DstPort)
	}
	if to := oneOf(r.Dest); to.IsValid() {
		dsts = []netip.Addr{to, general[0].Dst} // a network may hold the one address that is asked for
	}
	p := general[0]
	if number, ok := rules.ProtoNumber(r.Protocol.Name); ok && !r.Protocol.Not && number != 0 {
		p.Protocol = number
	}
	if from := oneOf(r.Source); from.IsValid() {
		p.Src = from
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	for _, dst := range dsts {
		for _, port := range ports {
			if p.Dst, p.DstPort = dst, port; dst.IsValid() {
				list = append(list, p)
			}
		}
	}
	return list
}

// oneOf is an address of a net that a rule asks for; invalid where it asks for none, or for all others.
func oneOf(n rules.Net) netip.Addr {
	host, single := n.Host()
	switch {
	case n.Any() || n.Not:
		return netip.Addr{}
	case single:
		return host
	}
	return n.Addr.Next()
}

// askedPorts are destination ports that a rule asks for, the ends of each range.
func askedPorts(r rules.Rule) (list []uint16) {
	for _, m := range r.Matches {
		switch m := m.(type) {
		case rules.Transport:
			if m.Dest != nil && !m.Dest.Not {
				list = append(list, m.Dest.Lo, m.Dest.Hi)
			}
		case rules.Multiport:
			for i := 0; i < len(m.List) && !m.Not && m.Side != rules.SourceSide; i++ {
				list = append(list, m.List[i].Lo, m.List[i].Hi)
			}
		}
	}
	return list
}

// warnRivals says which of these rules the plan's own takes packets from, and which keep those that the recipe is for.
func (b *builder) warnRivals(field string, list []rival) {
	told, more := 0, 0
	for _, s := range list {
		after := b.besides(s)
		switch {
		case after == "":
			continue
		case told == rivalsTold:
			more++
			continue
		}
		told++
		asked := evaluate.Endpoint{Addr: s.packet.Dst, Ports: rules.Port(s.packet.DstPort)}
		b.warn(field, "", "rule %d of %s now sends to %s what arrives on %s, such as %s %s, and %s: %s",
			s.by.Position, placeOf(s.by), s.to, link(s.packet.In), rules.ProtoName(s.packet.Protocol), asked, after, s.line)
	}
	if more > 0 {
		b.warn(field, "", "%s more send elsewhere what the new rule takes", rules.Plural(more, "rule"))
	}
}

// besides says what becomes of a rule with the plan's own beside it; "" where it keeps a part that it alone asks for, or that
// is not known.
func (b *builder) besides(s rival) string {
	kept := ""
	if s.whole {
		kept = "only one of it and the new rule gets that: delete it, or change it"
	}
	if b.Native {
		return cmp.Or(orderBesideOwn(s.by, s.priority, "PREROUTING"), kept)
	}
	outcomes, _ := b.evaluator().Outcomes(nil, &s.packet)
	isOther := func(o evaluate.Outcome) bool { return o.DNATBy.Variant != s.by.Variant || o.Dst != s.to } // its number may be another now
	switch keeps := slices.ContainsFunc(outcomes, func(o evaluate.Outcome) bool { return !isOther(o) }); {
	case !keeps:
		return newFirst
	case s.sure && slices.ContainsFunc(outcomes, isOther):
		return eitherOne
	}
	return kept
}
