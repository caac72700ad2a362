package doctor

import (
	"fmt"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// stepReturns asks whether the server's answers come back through here.
func stepReturns(x *Examination, f *Forward) Finding {
	if f.local {
		return Finding{Sentence: "The answer is this host's own."}
	}
	way := x.fate(f.packet)
	masked := slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.SNAT })
	seen := x.stats.tallyOf(f)
	if bridge := x.linkTo(f.Server.Addr()); seen.hairpin > 0 && x.isBridge(bridge) && x.Settings.BridgeCallsIptables != facts.SettingOn {
		return bridgeOff(x, f, bridge)
	}
	if seen.hairpin > 0 {
		return hairpinMissing(x, f, seen)
	}
	failing := seen.unanswered > 0 && seen.replied == 0 || seen.unansweredSince() > 0
	switch {
	case failing && (f.Owner == "" || x.Probes[f.Server].Connected):
		return noAnswer(x, f, seen, masked)
	case masked && way.passes():
		return Finding{Sentence: fmt.Sprintf("%s sees this host as the client, so it answers to it.", f.Server.Addr())}
	case seen.replied > 0 && !failing:
		return Finding{Sentence: fmt.Sprintf("The answers of %s have come back through this host.", f.Server.Addr()), Evidence: []string{seen.String()}}
	}
	return unknown(fmt.Sprintf("Whether the answers of %s come back is not known: it has to send them to this host, which is so if it is that machine's default gateway.", f.Server.Addr()))
}

// noAnswer tells of flows that have reached the server's network and got no answer.
func noAnswer(x *Examination, f *Forward, seen tally, masked bool) Finding {
	found := Finding{
		Check: "return-path", Severity: SeverityError,
		Evidence: []string{fmt.Sprintf("%s to %s, none answered", rules.Plural(seen.unanswered, "flow"), f.Server)},
		Sentence: fmt.Sprintf("%s gets packets and its answers do not come back here: it answers by another way, because its default gateway is another machine or none, or its own firewall drops them.", f.Server.Addr()),
	}
	if seen.replied > 0 {
		found.Severity = SeverityWarning
		found.Evidence = []string{x.sinceAnswered(f, &seen)}
	}
	if n, hop, ok := x.neighbour(f.Server.Addr()); ok && n.Reachable {
		found.Evidence = append(found.Evidence, fmt.Sprintf("ip neigh: %s is there (%s)", hop, n.MAC))
	}
	if f.Proto != rules.TCP {
		found.Severity = SeverityNote // one-way protocols are no trouble
	}
	if x.Probes[f.Server].Connected {
		found.Evidence = append(found.Evidence, "a connection from here was accepted")
		found.Sentence = fmt.Sprintf("%s answers this host but not the clients: its default gateway is another machine or none, so its answers go another way.", f.Server.Addr())
	}
	if masked {
		found.Check = "server-silent"
		found.Sentence = fmt.Sprintf("%s sees this host as the client and does not answer it: it is off, nothing listens, or its own firewall drops what comes.", f.Server)
		return found
	}
	found.Cure = hide(x, f, "Let "+f.Server.Addr().String()+" see this host as the client")
	if len(found.Cure.Steps) > 0 {
		found.Sentence += " If it has to stay so, let it see this host as the client; it then no longer sees the clients' addresses."
	}
	return found
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
