package doctor

import (
	"fmt"
	"net/netip"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// insideOf is the network from which clients would ask for a server of their own:
// the link that the server is on.
func (n network) insideOf(f *Forward) (link string, client netip.Addr, ok bool) {
	if f.local || f.ranged || !f.Server.Addr().IsValid() {
		return "", netip.Addr{}, false
	}
	route, certain := n.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	if !certain || route.Kind != facts.RouteUnicast || route.Gateway.IsValid() || route.Out == f.Link || !n.onNet(route.Out, f.Server.Addr()) {
		return "", netip.Addr{}, false
	}
	client, ok = n.insider(route.Out, f.Rule.Family, func(a netip.Addr) bool {
		return f.Rule.Family.Holds(a) && a != f.Server.Addr() && !n.IsLocal(a)
	})
	return route.Out, client, ok
}

// fromInside tells what becomes of clients that are on the server's own network
// and ask for the public address, as everybody else does. It is a note as long
// as nobody was seen to try.
func fromInside(x *Examination, f *Forward) Finding {
	link, client, ok := x.insideOf(f)
	if !ok || !x.IsLocal(f.Asked.Addr()) || !f.via.src.Any() {
		return Finding{}
	}
	way := x.fate(inside(f, link, client))
	if !way.known || way.Incomplete || way.translators != "" {
		return Finding{} // what a native table makes of it is not known
	}
	translated, returns := false, false
	for _, o := range way.Outcomes {
		translated = translated || o.DNAT
		returns = returns || o.DNAT && o.SNAT && o.Delivered == evaluate.Forwarded
	}
	if returns || translated && x.isBridge(link) || !translated && x.handedOn(f, &way) {
		return Finding{} // of answers by a bridge checkBridges tells
	}
	seen := x.stats.tallyOf(f)
	if found := insideDropped(x, f, &way, link, client); found.Check != "" {
		if seen.hairpin == 0 && seen.inside == 0 {
			found.Severity = SeverityNote
		}
		return found
	}
	if seen.hairpin > 0 || seen.inside > 0 {
		return hairpinMissing(x, f, seen)
	}
	found := hairpinMissing(x, f, seen)
	found.Severity = SeverityNote
	if translated {
		found.Evidence = []string{fmt.Sprintf("from %s by %s: translated, but with its own address as source", client, link)}
	} else {
		found.Evidence = []string{fmt.Sprintf("from %s by %s: not translated", client, link)}
		found.Sentence = fmt.Sprintf("%s cannot be reached from the server's own LAN: the rule does not match what arrives by %s.", f.Asked, link)
	}
	return found
}

// insideDropped tells that a rule or policy drops what a client on the server's own network sends, after the translation: whether
// another translation is missing then shows only once it is let through.
func insideDropped(x *Examination, f *Forward, way *fate, link string, client netip.Addr) Finding {
	o, blocked := way.blocked()
	if !blocked || !o.DNAT || o.DroppedBy.IsZero() || len(way.Outcomes) > 1 {
		return Finding{}
	}
	named := *f
	named.packet, named.Link, named.via.in = inside(f, link, client), link, rules.Iface{Name: link}
	found := dropped(x, "forward-dropped", &named, way, o, "after the translation")
	found.Sentence = fmt.Sprintf("%s cannot be reached from the server's own LAN: %s drops what comes by %s after the translation.", f.Asked, dropperName(o.DroppedBy, way.hook(o.DroppedBy)), link)
	found.Evidence = []string{x.dropperText(o.DroppedBy), fmt.Sprintf("from %s by %s: translated, and dropped", client, link)}
	return uncertain(found, way)
}

// inside is a packet of a client on the server's network.
func inside(f *Forward, link string, client netip.Addr) evaluate.Packet {
	p := f.packet
	p.In, p.Src = link, client
	return p
}

// hairpinMissing tells that clients on the server's network get no answer, and
// makes the plan for them.
func hairpinMissing(x *Examination, f *Forward, seen tally) Finding {
	found := Finding{
		Check: "hairpin", Severity: SeverityError, Subject: ruleName(f.Rule),
		Sentence: fmt.Sprintf("%s cannot be reached from the server's own LAN (no hairpin NAT): the server replies directly, and the client drops the reply.", f.Asked),
	}
	if seen.hairpin > 0 {
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s from the server's own network, none answered", rules.Plural(seen.hairpin, "connection")))
	}
	if seen.inside > 0 {
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s from inside to %s that no rule has translated", rules.Plural(seen.inside, "connection"), f.Asked))
		found.Sentence = fmt.Sprintf("%s cannot be reached from the server's own LAN: the rule matches only what arrives by %s.", f.Asked, f.Link)
	}
	link, client, ok := x.insideOf(f)
	if !ok || f.Owner != "" {
		return found
	}
	found.Cure = hairpin(x, f, link, client)
	return found
}

// hairpin is the plan that lets a server's own network use its public address: it
// is translated from there too, and the server sees this host as the client, so
// that its answers come back here.
func hairpin(x *Examination, f *Forward, link string, client netip.Addr) rules.Plan {
	net, ok := x.netOf(link, f.Server.Addr())
	if !ok {
		return rules.Plan{}
	}
	var begin []rules.Step
	if f.rule.Target.Kind == rules.DNAT && x.takesOthers(&f.via) { // else whoever asks others would be answered by the server
		begin = append(begin, x.replace(f.Rule, *f.rule, ownOnly(*f.rule), "what is meant for others passes untouched"))
	}
	packet := inside(f, link, client)
	way := x.fate(packet)
	if !way.by(f.Rule) {
		also := *f.rule
		also.Chain, also.In, also.Dest = "PREROUTING", rules.Iface{Name: link}, rules.NetOfAddr(f.Asked.Addr())
		c := x.change(rules.Insert, f.Rule)
		c.Chain, c.At, c.Rule = "PREROUTING", 1, also.Edited()
		if f.Rule.Chain == "PREROUTING" {
			c.At = f.Rule.Position + 1
		}
		begin = append(begin, rules.Step{Change: &c, Why: "the same translation for what comes from inside, by " + link})
	}
	line := fmt.Sprintf("-A %%s -s %s -d %s -o %s", net.Masked(), whole(f.Server.Addr()), link)
	if name := rules.ProtoName(f.Proto); f.Proto.HasPorts() {
		line += fmt.Sprintf(" -p %s -m %s --dport %s", name, name, f.serverPorts())
	}
	mask, ok := x.insert(evaluate.RuleRef{Variant: f.Rule.Variant, Table: "nat", Chain: "POSTROUTING", Position: 1}, line+" -j MASQUERADE",
		"the server then answers this host, which hands the answer on; it sees this host's address instead of its neighbours'")
	if !ok {
		return rules.Plan{}
	}
	begin = append(begin, mask)
	wanted := x.passages(f)
	wanted[0].packet = packet
	plan, ok := x.titled(fmt.Sprintf("Let %s work from the server's own network too", f.Asked), begin, wanted[:1], func(t *trial) bool {
		y := t.fate(packet)
		for _, o := range y.Outcomes {
			if o.DNAT && o.SNAT && o.Delivered == evaluate.Forwarded {
				return true
			}
		}
		return false
	})
	if !ok {
		return rules.Plan{}
	}
	plan.Steps = append(plan.Steps, x.forget(x.betweenNeighbours(x.stats.tallyOf(f).examples))...)
	return plan
}

// betweenNeighbours are those flows whose client and server are on one network: others have nothing to gain from being forgotten.
func (n network) betweenNeighbours(flows []flow.Flow) (list []flow.Flow) {
	for i := range flows {
		if f := &flows[i]; n.neighbours(f.Client().Addr(), f.ServedBy().Addr()) {
			list = append(list, *f)
		}
	}
	return list
}

// fromHere tells what becomes of connections that this host itself makes to the
// public address: they meet OUTPUT, not PREROUTING.
func fromHere(x *Examination, f *Forward) Finding {
	if f.local || !x.IsLocal(f.Asked.Addr()) {
		return Finding{}
	}
	p := f.packet
	p.In, p.Local, p.Src = "", true, f.Asked.Addr()
	way := x.fate(p)
	if !way.known || way.Incomplete || way.translators != "" {
		return Finding{}
	}
	for _, o := range way.Outcomes {
		if o.DNAT {
			return Finding{}
		}
	}
	found := Finding{
		Check: "not-from-here", Severity: SeverityNote, Subject: ruleName(f.Rule), Evidence: []string{fmt.Sprintf("what this host sends to %s meets no rule of OUTPUT", f.Asked)},
		Sentence: fmt.Sprintf("From this host itself %s does not lead to %s: its own connections pass OUTPUT, not PREROUTING.", f.Asked, f.Server),
	}
	if alone, ok := (sketch{family: f.Rule.Family}).with(f.rule); ok && alone.dport == (rules.Ports{}) && f.via.dport != (rules.Ports{}) {
		return found // what leads to the rule asks for the port: by itself it would take all that is sent to the address
	}
	twin := *f.rule
	twin.Chain, twin.In, twin.Dest = "OUTPUT", rules.Iface{}, rules.NetOfAddr(f.Asked.Addr())
	c := x.change(rules.Insert, f.Rule)
	c.Chain, c.At, c.Rule = "OUTPUT", 0, twin.Edited()
	plan := rules.Plan{
		Title: fmt.Sprintf("Let %s work from this host too", f.Asked),
		Steps: []rules.Step{{Change: &c, Why: "the same translation for what this host's own programs send"}},
	}
	if t, ok := x.after(plan); ok {
		if y := t.fate(p); y.arrives() {
			found.Cure = plan
		}
	}
	return found
}

// handedOn tells that a program of this host takes what the rule leaves alone, such as docker-proxy for a published port.
func (x *Examination) handedOn(f *Forward, way *fate) bool {
	o := &way.Outcomes[0]
	in := o.In
	if way.Packet.Local {
		in = "lo"
	}
	_, ok := x.ListensOn(f.Proto, f.Asked, in)
	return ok && len(way.Outcomes) == 1 && o.Delivered == evaluate.Delivered
}
