package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// sourceAddress checks the address that packets leave with.
func sourceAddress(x *Examination, s *share) []Finding {
	first, last, ok := s.sources()
	if !ok || x.Addresses == nil || x.standby() {
		return nil
	}
	to := rules.Addrs{Lo: first, Hi: last}
	out := s.via.out.Name
	if s.via.out.Any() {
		out, _ = x.uplink(s.at.Family)
		if a, ok := s.via.dst.Host(); ok {
			if route, certain := x.Lookup(evaluate.RouteQuery{Dst: a}); certain {
				out = route.Out
			}
		}
	}
	switch {
	case !to.Single():
		if found := unclaimedSources(x, s, out); found.Check != "" {
			return []Finding{found}
		}
		return nil
	case x.unclaimed(out, to.Lo) && !x.stats.answeredAs[to.Lo]: // else the network routes it here
		return []Finding{x.unclaimedSource(s, out, to.Lo)}
	case x.IsLocal(to.Lo) || x.AnswersFor(out, to.Lo):
		return nil
	}
	found := Finding{
		Check: "snat-foreign-address", Severity: SeverityNote, Subject: ruleName(s.at), Evidence: []string{fmt.Sprintf("%s has %s", out, x.addressesText(out))},
		Sentence: fmt.Sprintf("The rule gives packets the address %s, which is none of this host's: answers come back only if the network routes it here.", to.Lo),
	}
	if x.stats.answeredAs[to.Lo] {
		found.Evidence = append(found.Evidence, fmt.Sprintf("a connection that was seen as %s has been answered", to.Lo))
		found.Sentence = fmt.Sprintf("The rule gives packets the address %s, which is none of this host's: the network brings answers to it here, as one has come.", to.Lo)
		return []Finding{found}
	}
	if x.onNet(out, to.Lo) || isInner(to.Lo) && x.outward(out) {
		found.Severity = SeverityError
		found.Sentence = fmt.Sprintf("The rule gives packets the address %s, which is none of this host's: nobody brings the answers here.", to.Lo)
		if rule, ok := x.waitsFor(to.Lo); ok && x.onNet(out, to.Lo) {
			found.Evidence = append(found.Evidence, rule)
			return []Finding{x.giveAddress(found, out, to.Lo)}
		}
		if own, ok := x.ownAddr(out, to.Lo); ok {
			changed := *s.rule
			changed.Target.To.Addrs = rules.Addrs{Lo: own, Hi: own}
			found.Cure = rules.Plan{
				Title: fmt.Sprintf("Let rule %d of %s use %s, which %s has", s.at.Position, s.at.Chain, own, out),
				Steps: []rules.Step{x.replace(s.at, *s.rule, changed, "so that the answers come to this host")},
			}
		}
	}
	return []Finding{found}
}

// unclaimedSource tells that this host has the address that packets leave with, and that the network there does not hear so.
func (x *Examination) unclaimedSource(s *share, out string, a netip.Addr) Finding {
	why, commands := x.whyUnclaimed(out, a)
	found := Finding{
		Check: "snat-foreign-address", Severity: SeverityError, Subject: ruleName(s.at), Evidence: []string{fmt.Sprintf("%s has %s", out, x.addressesText(out))}, Commands: commands,
		Sentence: fmt.Sprintf("The rule gives packets the address %s, to which nobody brings the answers: %s.", a, why),
	}
	if a.Is6() {
		found.Severity = SeverityWarning
		found.Sentence = fmt.Sprintf("The rule gives packets the address %s, to which nobody brings the answers, unless a router there has a route for them to this host: %s.", a, why)
	}
	return found
}

// waitsFor finds a rule that waits for packets to an address: whoever made it means it to be this host's.
func (t *trial) waitsFor(a netip.Addr) (rule string, ok bool) {
	for _, p := range t.variants() {
		c, found := t.sets[p].Chain("nat", "PREROUTING")
		if !found {
			continue
		}
		for i := range c.Rules {
			if to, single := c.Rules[i].Dest.Host(); single && to == a && !c.Rules[i].Dest.Not {
				return fmt.Sprintf("PREROUTING %d%s: %s", i+1, variantNote(p), &c.Rules[i]), true
			}
		}
	}
	return "", false
}

// seenAs checks as whom the networks that a rule shares an address with are seen: by the address that the route asks
// for, and with one of the interface that they leave by.
func seenAs(x *Examination, s *share, all []share) (list []Finding) {
	for i := range all {
		way := x.fate(all[i].packet)
		if !way.known || way.Incomplete || way.translators != "" || len(way.Outcomes) == 0 {
			continue
		}
		o := x.seenToTake(s, &all[i], &way)
		if found := x.otherFirst(s, &all[i], o); found.Check != "" {
			return []Finding{found}
		}
		if o.SNATBy != s.at || o.Delivered != evaluate.Forwarded || !o.Src.Addr.IsValid() || !x.outward(o.Out) {
			continue
		}
		if found := x.fromElsewhere(s, o); found.Check != "" {
			return []Finding{found}
		}
		if found := x.otherThanRoute(s, o); found.Check != "" {
			return []Finding{found}
		}
	}
	return nil
}

// wider tells that a rule takes what a network sends and more: one for a part of it, or for some of its packets, is a
// special one that rightly stands before the general one.
func wider(first, rule *rules.Rule) bool {
	if first.Source.Any() {
		return first.Dest.Any() && first.Protocol.Any() && len(first.Matches) == 0
	}
	a, ok := first.Source.Prefix()
	b, known := rule.Source.Prefix()
	return ok && known && !first.Source.Not && !rule.Source.Not && a.Bits() < b.Bits() && a.Contains(b.Addr())
}

// otherFirst tells that a wider rule gives what leaves another address before a rule for just these machines.
func (x *Examination) otherFirst(s, one *share, o *evaluate.Outcome) Finding {
	to := s.rule.Target.To.Addrs
	first, ok := x.saidRule(o.SNATBy)
	if !ok || s.rule.Target.Kind != rules.SNAT || to.IsZero() || !o.SNAT || o.SNATBy == s.at || s.via.src.Any() || !wider(first, s.rule) ||
		to.Contains(o.Src.Addr) || !x.AnswersFor(o.Out, to.Lo) || o.SNATBy.Variant != s.at.Variant && o.SNATBy.Backend != rules.Native || !s.via.out.Any() && !s.via.out.Matches(o.Out) {
		return Finding{}
	}
	found := Finding{
		Check: "translated-otherwise", Severity: SeverityWarning, Subject: ruleName(s.at), Evidence: []string{ruleName(o.SNATBy) + ": " + x.textOf(o.SNATBy, first), s.rule.String(), counted(s.rule)},
		Sentence: fmt.Sprintf("What %s sends to the Internet by %s never reaches this rule: %s matches first, and it is seen as %s instead of %s.", one.packet.Src, o.Out, ruleName(o.SNATBy), o.Src.Addr, to),
	}
	if o.SNATBy.Chain == s.at.Chain && o.SNATBy.Variant == s.at.Variant && o.SNATBy.Position < s.at.Position {
		packet := one.packet
		found.takesOver = true
		found.Cure = x.moveBefore(s.at, *s.rule, o.SNATBy.Position, func(t *trial) bool {
			way := t.fate(packet)
			return way.known && len(way.Outcomes) == 1 && to.Contains(way.Outcomes[0].Src.Addr)
		})
	}
	return found
}

// seenToTake is the outcome that connections show where the order of two rules is not known, because their chains have
// the same priority: that of the rule by which the network's connections have the source that they have.
func (x *Examination) seenToTake(s, one *share, way *fate) *evaluate.Outcome {
	for i := range way.Outcomes {
		o := &way.Outcomes[i]
		if o.SNATBy == s.at || o.SNATBy.IsZero() || !s.rule.Counters.Known || s.rule.Counters.Packets > 0 {
			continue
		}
		for k, outings := range x.stats.outings {
			if k.seen == o.Src.Addr && slices.ContainsFunc(outings.first, func(f flow.Flow) bool { return f.Client().Addr() == one.packet.Src }) {
				return o
			}
		}
	}
	return &way.Outcomes[0]
}

// saidRule is the rule at a place; of a native one as rules of iptables say the same, as far as they have words for it.
func (x *Examination) saidRule(at evaluate.RuleRef) (rule *rules.Rule, ok bool) {
	if at.Backend != rules.Native {
		return ruleOf(x.sets, at)
	}
	x.nativeHooked(at.Family, "nat", "POSTROUTING", func(here evaluate.RuleRef, r *rules.Rule, _ sketch) {
		if here == at && !ok {
			said := *r
			rule, ok = &said, true
		}
	})
	return rule, ok
}

// fromElsewhere tells of an address that belongs to another way to the Internet than the one packets leave by.
func (x *Examination) fromElsewhere(s *share, o *evaluate.Outcome) Finding {
	link, ok := x.LinkOf(o.Src.Addr)
	if !ok || !x.IsLocal(o.Src.Addr) || link == o.Out || !x.outward(link) || s.rule.Target.Kind != rules.SNAT {
		return Finding{}
	}
	return Finding{
		Check: "source-of-other-uplink", Severity: SeverityWarning, Subject: ruleName(s.at),
		Evidence: []string{s.rule.String(), fmt.Sprintf("%s has %s, %s has %s", link, x.addressesText(link), o.Out, x.addressesText(o.Out))},
		Sentence: fmt.Sprintf("The rule gives what leaves by %s the address %s, which is one of %s: the provider of %s drops it, or the answers come by %s. Routes are chosen before the source is translated, so no ip rule for %s sends it there: route by the network it comes from, or name the interface with -o.", o.Out, o.Src.Addr, link, o.Out, link, o.Src.Addr),
	}
}

// otherThanRoute tells that MASQUERADE takes another address than the route names (inet_select_addr in
// net/ipv4/devinet.c knows nothing of the route's src).
func (x *Examination) otherThanRoute(s *share, o *evaluate.Outcome) Finding {
	route, ok := x.DefaultRoute(s.at.Family)
	if !ok || !route.PrefSrc.IsValid() || s.rule.Target.Kind != rules.Masquerade || s.at.Family != rules.IPv4 || route.Hops[0].Out != o.Out || route.PrefSrc == o.Src.Addr || !x.IsLocal(route.PrefSrc) {
		return Finding{}
	}
	found := Finding{
		Check: "masquerade-source", Severity: SeverityWarning, Subject: ruleName(s.at),
		Evidence: []string{s.rule.String(), fmt.Sprintf("%s has %s; the default route has src %s", o.Out, x.addressesText(o.Out), route.PrefSrc)},
		Sentence: fmt.Sprintf("MASQUERADE gives what leaves by %s the address %s, and not %s, which the route names and this host itself is seen as: MASQUERADE does not ask the route.", o.Out, o.Src.Addr, route.PrefSrc),
	}
	changed := *s.rule
	changed.Target = rules.Target{Kind: rules.SNAT, Name: "SNAT", To: rules.Translation{Addrs: rules.Addrs{Lo: route.PrefSrc, Hi: route.PrefSrc}, Ports: s.rule.Target.To.Ports, HasPorts: s.rule.Target.To.HasPorts}}
	if changed.Out.Any() {
		changed.Out = rules.Iface{Name: o.Out}
	}
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s give %s", s.at.Position, s.at.Chain, route.PrefSrc),
		Steps: []rules.Step{x.replace(s.at, *s.rule, changed, "so that everybody here is seen as the same address")},
	}
	return found
}
