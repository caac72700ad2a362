package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// settingBridge has bridged IPv4 packets pass the rules of iptables (br_netfilter).
const settingBridge = "net.bridge.bridge-nf-call-iptables"

// checkBridges tells what bridged packets meet, and what they would have to meet.
func checkBridges(x *Examination) (list []Finding) {
	var up []facts.Link
	for _, l := range x.Links {
		if l.Kind == "bridge" && l.Up {
			up = append(up, l)
		}
	}
	if len(up) == 0 {
		return nil
	}
	if x.Settings.BridgeCallsIptables != facts.SettingOn {
		return bridgeUncalled(x)
	}
	list = append(list, bridgeCalled(x, up[0].Name))
	list = append(list, bridgeHolds(x)...)
	for _, l := range up {
		if found := bridgeDrops(x, l.Name); found.Check != "" {
			list = append(list, found)
		}
	}
	return list
}

// bridgeCalled says that bridged packets meet the rules too, and whether something here needs that.
func bridgeCalled(x *Examination, bridge string) Finding {
	found := Finding{
		Check: "bridge-netfilter", Severity: SeverityNote, Subject: bridge, Evidence: []string{settingBridge + " = 1"},
		Sentence: fmt.Sprintf("br_netfilter sends what machines on the bridge %s say to each other through these rules too: it is tracked twice and may be translated or dropped.", bridge),
	}
	for i := range x.forwards {
		if f := &x.forwards[i]; f.Rule.Family == rules.IPv4 && x.handsBack(f) {
			found.Evidence = append(found.Evidence, ruleName(f.Rule)+": "+f.String())
			found.Sentence += fmt.Sprintf(" It is needed here: what a machine on the bridge of %s sends to a published port of its neighbour is answered only so.", f.Server.Addr())
			return found
		}
	}
	found.Sentence += " Docker and Kubernetes want it so, for what a machine on a bridge sends to a published port of its neighbour; where nothing of the kind is needed, " + settingBridge + " = 0 leaves alone what stays on the bridge."
	return found
}

// handsBack tells that what a machine asks of a forward goes to its neighbour on the same bridge, with its own address as
// source: the answer comes back by the bridge alone.
func (x *Examination) handsBack(f *Forward) bool {
	bridge := x.linkTo(f.Server.Addr())
	if f.local || !x.isBridge(bridge) {
		return false
	}
	client, ok := x.insider(bridge, f.Rule.Family, func(a netip.Addr) bool {
		return f.Rule.Family.Holds(a) && a != f.Server.Addr() && !x.IsLocal(a)
	})
	if !ok {
		return false
	}
	way := x.fate(inside(f, bridge, client))
	return way.known && slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool {
		return o.DNATBy == f.Rule && !o.SNAT && o.Out == bridge && o.Delivered == evaluate.Forwarded
	})
}

// isBridge tells that a link is a bridge.
func (n network) isBridge(link string) bool {
	l, ok := n.LinkNamed(link)
	return ok && l.Kind == "bridge"
}

// ports are the links of a bridge.
func (n network) ports(bridge string) (count int) {
	for _, l := range n.Links {
		if l.Master == bridge {
			count++
		}
	}
	return count
}

// linkTo is the link by which an address is reached directly; "" if it is not.
func (n network) linkTo(a netip.Addr) string {
	route, certain := n.Lookup(evaluate.RouteQuery{Dst: a})
	if !certain || route.Kind != facts.RouteUnicast || route.Gateway.IsValid() {
		return ""
	}
	return route.Out
}

// bridgeUncalled tells of translations between two machines on one bridge: the server's answer goes by the bridge
// alone, past the connection table, unless br_netfilter sends it there.
func bridgeUncalled(x *Examination) (list []Finding) {
	for i := range x.forwards {
		f := &x.forwards[i]
		bridge := x.linkTo(f.Server.Addr())
		if x.ports(bridge) < 2 || !x.handsBack(f) {
			continue
		}
		if found := bridgeOff(x, f, bridge); found.Severity == SeverityError || len(list) == 0 {
			list = append(list, found)
		}
	}
	return list
}

// bridgeOff is the finding that an answer by a bridge is not translated back.
func bridgeOff(x *Examination, f *Forward, bridge string) Finding {
	seen := x.stats.tallyOf(f)
	found := Finding{
		Check: "bridge-netfilter-off", Severity: SeverityNote, Subject: bridge, Evidence: []string{ruleName(f.Rule) + ": " + f.String()},
		Sentence: fmt.Sprintf("A machine on the bridge %s that asks for %s is sent to its neighbour %s, whose answer goes straight back by the bridge and is not translated: the client drops it. br_netfilter has bridged packets translated too.", bridge, f.askedText(), f.Server.Addr()),
	}
	if seen.hairpin > 0 {
		found.Severity = SeverityError
		found.Evidence = append(found.Evidence, rules.Plural(seen.hairpin, "connection")+" between neighbours, none answered")
	}
	if x.Settings.BridgeCallsIptables != facts.SettingOff {
		found.Evidence = append(found.Evidence, settingBridge+" is not there: br_netfilter is not loaded")
		found.Commands = [][]string{{"modprobe", "br_netfilter"}, {"sysctl", "-w", settingBridge + "=1"}}
		return found
	}
	found.Evidence = append(found.Evidence, settingBridge+" = 0")
	found.Cure = rules.Plan{
		Title: "Let bridged packets be translated too",
		Steps: []rules.Step{setting(settingBridge, "0", "1", "the answer of a neighbour on the same bridge then passes the connection table")},
	}
	found.Cure.Steps = append(found.Cure.Steps, x.forget(x.betweenNeighbours(seen.examples))...)
	return found
}

// bridgeDrops tells that FORWARD drops what machines on one bridge send to each other, by a rule or policy that was
// not made for them.
func bridgeDrops(x *Examination, bridge string) Finding {
	if x.ports(bridge) < 2 {
		return Finding{}
	}
	a, b, ok := x.neighboursOn(bridge)
	if !ok {
		return Finding{}
	}
	p := evaluate.Packet{Protocol: rules.TCP, Src: a, Dst: b, SrcPort: 51515, DstPort: 443, In: bridge}
	way := x.bridged(p)
	o, blocked := way.blocked()
	if !blocked || o.DroppedBy.IsZero() {
		return Finding{}
	}
	if r, ok := ruleOf(x.sets, o.DroppedBy); ok && (!r.In.Any() || !r.Out.Any()) {
		return Finding{} // that is meant for them
	}
	return uncertain(Finding{
		Check: "bridge-dropped", Severity: SeverityWarning, Subject: bridge,
		Evidence: []string{settingBridge + " = 1", x.dropperText(o.DroppedBy)},
		Sentence: fmt.Sprintf("%s drops what machines on the bridge %s send to each other%s: br_netfilter has bridged packets filtered too. Let them pass with -A FORWARD -i %s -o %s -j ACCEPT, or, where no bridge needs it, set %s to 0.",
			dropperName(o.DroppedBy, way.hook(o.DroppedBy)), bridge, x.setBy(o.DroppedBy), bridge, bridge, settingBridge),
	}, &way)
}

// neighboursOn are two machines on a bridge.
func (n network) neighboursOn(bridge string) (a, b netip.Addr, ok bool) {
	fits := func(x netip.Addr) bool { return x.Is4() && !n.IsLocal(x) }
	if a, ok = n.insider(bridge, rules.IPv4, fits); ok {
		b, ok = n.insider(bridge, rules.IPv4, func(x netip.Addr) bool { return fits(x) && x != a })
		return a, b, ok
	}
	if len(n.AddressesOn(bridge)) > 0 {
		return a, b, false
	}
	return netip.AddrFrom4([4]byte{10, 255, 254, 2}), netip.AddrFrom4([4]byte{10, 255, 254, 3}), true // a bridge without addresses of its own
}

// bridged follows a packet that a bridge hands from one of its ports to another (br_nf_forward_ip in
// net/bridge/br_netfilter_hooks.c): FORWARD sees the bridge as the way in and out.
func (t *trial) bridged(p evaluate.Packet) fate {
	host := t.Facts.Host(nil)
	host.Natives = nil
	host.Route = func(evaluate.RouteQuery) evaluate.Decision {
		return evaluate.Decision{Kind: evaluate.RoutedForward, Out: p.In}
	}
	var programs []*evaluate.Program
	for s, program := range t.programs {
		if t.Native == nil && len(s.Foreign) > 0 {
			shown := *s
			shown.Foreign = nil
			program = evaluate.Compile(&shown)
		}
		programs = append(programs, program)
	}
	path, err := evaluate.NewEvaluator(host, programs...).Evaluate(p)
	return fate{Path: path, known: err == nil && len(path.Outcomes) > 0, unseen: t.unseen(p), unread: t.unread(p)}
}
