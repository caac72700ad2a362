package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// stepReturns asks whether the server's answers come back through here.
func stepReturns(x *Examination, f *Forward) Finding {
	if f.local {
		return Finding{Sentence: "The answer is this host's own."}
	}
	way := x.fate(f.packet)
	foreign, isForeign := x.foreignMask(&way)
	masked := !isForeign && slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.SNAT })
	afar := x.maskedAfar(&way, f.Server.Addr())
	seen := x.stats.tallyOf(f)
	switch bridge := x.linkTo(f.Server.Addr()); {
	case seen.hairpin == 0 || !x.unmaskedNow(&seen):
	case x.isBridge(bridge) && x.Settings.BridgeCallsIptables == facts.SettingOn:
		seen.unanswered += seen.hairpin // the answer passes here: that none came has another cause
	case x.isBridge(bridge):
		return bridgeOff(x, f, bridge)
	default:
		return hairpinMissing(x, f, seen)
	}
	probe, _ := x.probe(f.Server, &seen)
	try, _ := x.try(f, &seen)
	failing := seen.unanswered > 0 && seen.replied == 0 || seen.unansweredSince() > 0
	heard := seen.replied > 0 && !failing && (seen.unanswered == 0 || seen.answeredSince())
	switch {
	case isForeign && !heard && foreign.Severity != SeverityOK:
		foreign.Evidence = append(foreign.Evidence, f.ruleCount())
		return foreign
	case failing && f.exact && seen.unansweredElsewhere(f.Server).IsValid():
		return unknown(fmt.Sprintf("Whether the answers of %s come back is not known: nobody waits for one; the rule's other port %d got none.", f.Server, seen.unansweredElsewhere(f.Server).Port()), seen.String())
	case failing && (f.Owner == "" || probe.Connected):
		return noAnswer(x, f, seen, masked)
	case try.answeredBy(f):
		return Finding{Sentence: fmt.Sprintf("The answer of %s came back to %s at %s.", f.Server, try.From, try.At.Format(time.TimeOnly)), Evidence: []string{try.Said}}
	case masked && way.passes() && !afar.IsValid():
		return Finding{Sentence: fmt.Sprintf("%s sees this host as the client, so it answers to it.", f.Server.Addr())}
	case heard:
		return Finding{Sentence: fmt.Sprintf("The answers of %s have come back through this host.", f.Server.Addr()), Evidence: []string{seen.String()}}
	case afar.IsValid():
		return unknown(fmt.Sprintf("Whether the answers of %s come back is not known: it sees %s as the client, which is on another network than it: it needs a way back to that address.", f.Server, afar))
	}
	return unknown(fmt.Sprintf("Whether the answers of %s come back is not known: it has to send them to this host, which is so if it is that machine's default gateway.", f.Server.Addr()))
}

// maskedAfar is the address that a server sees as the client where a rule gives packets one that is not on the server's own
// network, so that it needs a route to answer; zero where it is, or where none is given.
func (x *Examination) maskedAfar(way *fate, server netip.Addr) netip.Addr {
	for i := range way.Outcomes {
		o := &way.Outcomes[i]
		if o.SNAT && o.Src.Addr.IsValid() && x.Addresses != nil && !slices.ContainsFunc(x.AddressesOn(o.Out), func(a facts.Address) bool {
			return a.Prefix.Contains(o.Src.Addr) && a.Prefix.Contains(server)
		}) {
			return o.Src.Addr
		}
	}
	return netip.Addr{}
}

// foreignMask tells of a rule that has a server see as the client an address which is none of this host's: the server answers
// that one, and the answers come here only where the network brings them. Ok is set too where nothing is found wrong with it.
func (x *Examination) foreignMask(way *fate) (found Finding, ok bool) {
	i := slices.IndexFunc(way.Outcomes, func(o evaluate.Outcome) bool {
		return o.SNAT && o.Src.Addr.IsValid() && x.Addresses != nil && !x.IsLocal(o.Src.Addr) && !x.AnswersFor(o.Out, o.Src.Addr)
	})
	if i < 0 || len(way.Outcomes) > 1 {
		return found, i >= 0
	}
	o := &way.Outcomes[i]
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "POSTROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		if at != o.SNATBy || found.Check != "" {
			return
		}
		s.out = rules.Iface{Name: o.Out} // this packet's
		for _, one := range sourceAddress(x, &share{at: at, rule: r, via: s}) {
			found = one
		}
	})
	if found.Severity == SeverityNote { // where the network brings the answers nobody knows from here
		found = unknown(found.Sentence, found.Evidence...)
	}
	return found, true
}

// ownAfar is maskedAfar of what this host itself sends to a server, as a test of it does.
func (x *Examination) ownAfar(f *Forward) netip.Addr {
	p := f.packet
	route, certain := x.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	own, ok := x.ownAddr(route.Out, f.Server.Addr())
	if !certain || !ok {
		return netip.Addr{}
	}
	p.In, p.Local, p.Src, p.Dst, p.DstPort = "", true, own, f.Server.Addr(), f.Server.Port()
	way := x.fate(p)
	return x.maskedAfar(&way, f.Server.Addr())
}

// maskNear is the plan that has a server see, in the place of an address of another network, this host's on its own; none where
// the rule that gives it is for others too.
func (x *Examination) maskNear(way *fate, server netip.Addr) rules.Plan {
	o := &way.Outcomes[0]
	rule, ok := x.saidRule(o.SNATBy)
	if !ok || len(way.Outcomes) > 1 || o.SNATBy.Backend == rules.Native || rule.Target.Kind != rules.SNAT {
		return rules.Plan{}
	}
	to, one := rule.Dest.Host()
	own, has := x.ownAddr(o.Out, server)
	if !one || to != server || !has || rule.Dest.Not {
		return rules.Plan{}
	}
	changed := *rule
	changed.Target.To.Addrs = rules.Addrs{Lo: own, Hi: own}
	return rules.Plan{
		Title: fmt.Sprintf("Let %s see %s as the client", server, own),
		Steps: []rules.Step{x.replace(o.SNATBy, *rule, changed, "it answers an address of its own network without any route")},
	}
}

// unmaskedNow tells that who has asked a neighbour in vain would be seen there with its own address again.
func (x *Examination) unmaskedNow(seen *tally) bool {
	return slices.ContainsFunc(seen.examples, func(f flow.Flow) bool {
		way := x.fate(explain.FirstPacket(&f))
		return x.neighbours(f.Client().Addr(), f.ServedBy().Addr()) && !way.hairpin()
	})
}

// noAnswer tells of flows that left for the server and got no answer. Where they end is not seen from here: the server
// may not get them, drop or refuse them, or answer by another way. Only where it answers this host and not the clients
// does it help that it sees this host as the client.
func noAnswer(x *Examination, f *Forward, seen tally, masked bool) Finding {
	if other := seen.unansweredElsewhere(f.Server); other.IsValid() { // of several ports it is another's
		named := *f
		named.Server, f = other, &named
	}
	found := Finding{
		Check: "return-path", Severity: SeverityError,
		Evidence: []string{fmt.Sprintf("%s to %s, none answered", rules.Plural(seen.unanswered, "connection"), f.Server)},
	}
	if seen.replied > 0 {
		found.Severity = SeverityWarning
		found.Evidence = []string{seen.dated("to "+f.Server.String(), x.now)}
	}
	if text, ok := x.neighbourText(f.Server.Addr()); ok {
		found.Evidence = append(found.Evidence, text)
	}
	if f.Proto != rules.TCP {
		found.Severity = SeverityNote // one-way protocols are no trouble
	}
	if back, ok := answerPasses(x, f); !ok && back.Sentence != "" {
		found.Sentence = fmt.Sprintf("What was sent to %s got no answer. %s", f.Server, back.Sentence)
		found.Evidence = append(found.Evidence, back.Evidence...)
		return found
	}
	probe, _ := x.probe(f.Server, &seen)
	connected := probe.Connected
	way := x.fate(f.packet)
	afar := x.maskedAfar(&way, f.Server.Addr())
	switch {
	case masked && afar.IsValid() && !connected:
		found.Sentence = fmt.Sprintf("%s sees %s as the client, and no answer comes. That address is on another network than the server: perhaps it has no way back to it, or another. Else it is off, nothing listens, its own firewall drops or refuses what comes, or the packets do not get to it.", f.Server, afar)
		found.Cure = x.maskNear(&way, f.Server.Addr())
	case masked && connected:
		found.Check, found.Severity = "server-silent", min(found.Severity, SeverityWarning)
		found.Sentence = fmt.Sprintf("%s has not answered connections that it saw as this host's own; it answers one now%s.", f.Server, probe.tested())
	case masked:
		found.Check = "server-silent"
		found.Sentence = fmt.Sprintf("%s sees this host as the client and no answer comes: it is off, nothing listens, its own firewall drops or refuses what comes, or the packets do not get to it.", f.Server)
	case connected:
		found.Evidence = append(found.Evidence, "a connection from here was accepted")
		found.Sentence = fmt.Sprintf("%s answers this host%s but not the clients: its default gateway is another machine or none, so that its answers go another way, or its own firewall lets only its neighbours in.", f.Server.Addr(), probe.tested())
		if found.Cure = hide(x, f, "Let "+f.Server.Addr().String()+" see this host as the client"); len(found.Cure.Steps) > 0 {
			found.Sentence += " If it has to stay so, let it see this host as the client; it then no longer sees the clients' addresses."
		}
	default:
		found.Sentence = fmt.Sprintf("Packets left for %s and no answer came back here. Where they end is not seen from here: they do not get there, its own firewall drops or refuses them, or it answers by another way, because its default gateway is another machine or none. Look there; whether it answers this host itself, a test of the server tells (p in Doctor, nattui doctor --probe).", f.Server)
	}
	return found
}

// neighbourText is what is known of the next machine on the way to an address, as evidence; false where nothing is.
func (n network) neighbourText(to netip.Addr) (string, bool) {
	m, hop, ok := n.neighbour(to)
	switch {
	case !ok || !m.Reachable:
		return "", false
	case m.Permanent:
		return fmt.Sprintf("ip neigh: somebody has written that %s is %s (permanent); whether it is there is not known", hop, m.MAC), true
	}
	if m.Stale {
		return fmt.Sprintf("ip neigh: %s was there (%s), not asked lately", hop, m.MAC), true
	}
	return fmt.Sprintf("ip neigh: %s is there (%s)", hop, m.MAC), true
}

// hide is the plan that gives what goes to a server this host's own address as
// source, so that the answers come back.
func hide(x *Examination, f *Forward, title string) rules.Plan {
	route, _ := x.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	from, ok := x.ownAddr(route.Out, f.Server.Addr())
	if !ok || f.ranged {
		return rules.Plan{}
	}
	line := "-A %s -d " + whole(f.Server.Addr())
	if name := rules.ProtoName(f.Proto); f.Proto.HasPorts() {
		line += fmt.Sprintf(" -p %s -m %s --dport %s", name, name, f.serverPorts())
	}
	line += " -j SNAT --to-source " + from.String()
	plan, ok := x.translateSource(title, f.Rule.Variant, line, f.packet, "so that the server's answers come back to this host, which turns them back")
	if !ok || len(plan.Steps) == 0 {
		return rules.Plan{} // to forget the connections alone cures nothing
	}
	plan.Steps = append(plan.Steps, x.forget(x.stats.tallyOf(f).examples)...)
	return plan
}
