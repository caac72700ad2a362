package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// bridgeHolds tells of forwards that a bridge does not carry out for machines behind the server's own port: translated
// while it is bridged, the packet would have to leave by the port that it came in, which takes hairpin mode.
func bridgeHolds(x *Examination) (list []Finding) {
	for i := range x.forwards {
		f := &x.forwards[i]
		bridge := x.linkTo(f.Server.Addr())
		if f.local || f.Rule.Family != rules.IPv4 || !x.isBridge(bridge) || len(list) >= alike {
			continue
		}
		port := x.PortOf(bridge, f.Server.Addr())
		for _, client := range x.behind(bridge, port, f.Server.Addr()) {
			if found := x.heldAt(f, bridge, port, client); found.Check != "" {
				list = append(list, found)
				break
			}
		}
	}
	return list
}

// behind are the machines behind a port of a bridge, the server's neighbours first.
func (n network) behind(bridge, port string, server netip.Addr) (list []netip.Addr) {
	for i := range n.Neighbours {
		if m := &n.Neighbours[i]; port != "" && m.Link == bridge && m.Addr.Is4() && n.PortOf(bridge, m.Addr) == port {
			list = append(list, m.Addr)
		}
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int {
		switch server {
		case a:
			return 1
		case b:
			return -1
		}
		return 0
	})
	return list
}

// heldAt follows what a machine asks of a forward whose server is behind the same port.
func (x *Examination) heldAt(f *Forward, bridge, port string, client netip.Addr) Finding {
	server := f.Server.Addr()
	way := x.fate(inside(f, bridge, client))
	o, blocked := way.blocked()
	if !blocked || !o.DroppedBy.IsZero() || o.DNATBy != f.Rule || x.SentBack(bridge, client, server) == "" {
		return Finding{}
	}
	found := Finding{
		Check: "bridge-hairpin", Severity: SeverityWarning, Subject: port,
		Evidence: []string{ruleName(f.Rule) + ": " + f.String(), settingBridge + " = 1", fmt.Sprintf("hairpin mode of %s is off", port)},
		Sentence: fmt.Sprintf("What %s asks of %s is translated to %s, behind the same port %s of %s: %s sends nothing back by the port that it came in.", client, f.Asked, server, port, bridge, bridge),
	}
	if client != server {
		found.Sentence += fmt.Sprintf(" Where no bridge needs it, %s = 0 has it routed, and it leaves; hairpin mode is for ports with one machine behind them: a switch there would learn machines at the wrong port.", settingBridge)
		return found
	}
	found.Sentence = fmt.Sprintf("What %s itself asks of %s comes back to it by %s, and %s sends nothing back by the port that it came in. Hairpin mode of the port allows it; what makes the port can set it each time (Docker with userland-proxy false, hairpinMode of CNI).", server, f.Asked, port, bridge)
	found.Commands = [][]string{{"ip", "link", "set", port, "type", "bridge_slave", "hairpin", "on"}}
	if !x.hidesFromItself(server) {
		found.Severity = SeverityNote // it knows itself by other addresses
	}
	return found
}

// hidesFromItself tells that a rule is there for what a machine asks of itself: it gives that another source.
func (x *Examination) hidesFromItself(a netip.Addr) (hides bool) {
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "POSTROUTING", func(_ evaluate.RuleRef, r *rules.Rule, s sketch) {
		hosts := []rules.Net{s.src, s.dst}
		hides = hides || r.Target.Kind.Translates() && !slices.ContainsFunc(hosts, func(n rules.Net) bool {
			host, single := n.Host()
			return !single || host != a
		})
	})
	return hides
}
