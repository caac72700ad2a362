package doctor

import (
	"fmt"

	"nattui/model/facts"
	"nattui/rules/evaluate"
)

// stepRoute asks whether there is a way to the server.
func stepRoute(x *Examination, f *Forward) Finding {
	to := f.Server.Addr()
	switch {
	case f.local:
		return Finding{Sentence: "No route is needed."}
	case !to.IsValid(), len(x.Routes) == 0:
		return unknown("Whether there is a route to the server is not known: the routes were not read.")
	}
	if found := linkLocalServer(x, f); found.Check != "" {
		return found
	}
	route, certain := x.Lookup(evaluate.RouteQuery{Dst: to, Src: f.packet.Src, In: f.Link})
	switch {
	case !certain:
		return unknown(fmt.Sprintf("The route to %s hangs on what is not known here.", to))
	case route.Kind == facts.RouteBroadcast:
		return broadcastServer(x, f)
	case route.Kind != facts.RouteUnicast && route.Kind != facts.RouteLocal:
		return Finding{
			Check: "no-route", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{fmt.Sprintf("route to %s: %s", to, route.Kind), f.ruleCount()},
			Sentence: fmt.Sprintf("There is no route to %s, where the rule sends packets: is the address right, and is its network up?", to),
		}
	case route.Out == f.Link && x.outward(route.Out) && isInner(to) && !x.onNet(route.Out, to):
		return Finding{
			Check: "no-route", Severity: SeverityWarning, Subject: ruleName(f.Rule),
			Evidence: []string{fmt.Sprintf("route to %s: by %s, where it came from", to, route.Out)},
			Sentence: fmt.Sprintf("%s is a private address and no network of this host has it: the packet leaves to the Internet by %s, where nobody knows it.", to, route.Out),
		}
	}
	if l, ok := x.LinkNamed(route.Out); ok && (!l.Up || !l.Running && l.Kind != "tun") && l.Kind != "loopback" {
		return Finding{
			Check: "link-down", Severity: SeverityWarning, Subject: route.Out, Evidence: []string{fmt.Sprintf("route to %s by %s, which is down", to, route.Out)},
			Sentence: fmt.Sprintf("The server is behind %s, which is down or has no carrier.", route.Out),
		}
	}
	evidence := fmt.Sprintf("route to %s: by %s", to, route.Out)
	if route.Gateway.IsValid() {
		evidence += " via " + route.Gateway.String()
	}
	return Finding{Sentence: fmt.Sprintf("There is a route to %s by %s.", to, route.Out), Evidence: []string{evidence}}
}

// broadcastServer tells what becomes of packets for the broadcast address of a network of this host: it takes them itself, unless
// it was told to hand them on (ip_route_input_slow in net/ipv4/route.c).
func broadcastServer(x *Examination, f *Forward) Finding {
	to := f.Server.Addr()
	all, own := "net.ipv4.conf.all.bc_forwarding", facts.LinkSetting(f.Link, "bc_forwarding")
	on := func(s facts.LinkSettings) bool { return s.BroadcastForwarding == facts.SettingOn }
	if on(x.Settings.All) && on(x.Settings.On(f.Link)) {
		return Finding{Sentence: fmt.Sprintf("%s is a broadcast address, and this host hands such packets on.", to), Evidence: []string{all + " = 1", own + " = 1"}}
	}
	return Finding{
		Check: "no-route", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{fmt.Sprintf("route to %s: %s", to, facts.RouteBroadcast), f.ruleCount()},
		Sentence: fmt.Sprintf("%s is the broadcast address of a network of this host, which takes such packets itself and hands none on, unless %s and %s are 1.", to, all, own),
		Commands: [][]string{{"sysctl", "-w", all + "=1"}, {"sysctl", "-w", own + "=1"}},
	}
}

// stepNeighbour asks whether the server's machine, or the router before it, is there.
func stepNeighbour(x *Examination, f *Forward) Finding {
	if f.local {
		return Finding{Sentence: "It is this host itself."}
	}
	n, hop, ok := x.neighbour(f.Server.Addr())
	switch {
	case !ok:
		return unknown(fmt.Sprintf("Whether %s is there is not known: nobody has asked the network for it lately.", hop))
	case !n.Reachable && n.MAC == "":
		return Finding{
			Check: "server-silent", Severity: SeverityWarning, Subject: ruleName(f.Rule),
			Evidence: []string{fmt.Sprintf("ip neigh: %s on %s does not answer", hop, n.Link), f.ruleCount()},
			Sentence: fmt.Sprintf("No machine on %s answers for %s: it is off, has another address, or is not on that network.", n.Link, hop),
		}
	}
	if n.Permanent {
		return unknown(fmt.Sprintf("Whether %s is there is not known: somebody has written that it is %s, and the network is not asked.", hop, n.MAC), fmt.Sprintf("ip neigh: %s on %s is %s, permanent", hop, n.Link, n.MAC))
	}
	return Finding{Sentence: fmt.Sprintf("%s is there.", hop), Evidence: []string{fmt.Sprintf("ip neigh: %s on %s is %s", hop, n.Link, n.MAC)}}
}

// linkLocalServer tells that a server's link-local address leads nowhere: the kernel looks for it only on the link that
// the packet came by (rt6_need_strict in net/ipv6/route.c), whatever neighbours it knows elsewhere.
func linkLocalServer(x *Examination, f *Forward) Finding {
	to := f.Server.Addr()
	if !to.Is6() || !to.IsLinkLocalUnicast() || f.Link == "" || x.IsLocal(to) {
		return Finding{}
	}
	found := Finding{
		Check: "no-route", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{f.ruleCount()},
		Sentence: fmt.Sprintf("%s is a link-local address: packets for it go on only by %s, where they came from, and not to another network. Give the rule an address of the server that is routed.", to, f.Link),
	}
	for _, m := range x.Neighbours {
		if m.Addr == to && m.MAC != "" {
			if m.Link == f.Link {
				return Finding{}
			}
			found.Evidence = append(found.Evidence, fmt.Sprintf("ip neigh: %s is on %s", to, m.Link))
		}
	}
	return found
}
