package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

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
		if found := networkDown(x, f, route); found.Check != "" {
			return found
		}
		return Finding{
			Check: "no-route", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{fmt.Sprintf("route to %s: %s", to, route.Kind), f.ruleCount()},
			Sentence: fmt.Sprintf("There is no route to %s, where the rule sends packets: is the address right, and is its network up?", to),
		}
	}
	if found := networkDown(x, f, route); found.Check != "" {
		return found
	}
	if route.Out == f.Link && isInner(to) && x.byDefault(route.Out, to) {
		return noNetwork(x, f, route)
	}
	if found := ledOut(x, f, route); found.Check != "" {
		return found
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

// byDefault tells that only the default route leads to an address, by a link: its network is none that this host knows the
// way to. Halves of all addresses are a default route too, as programs for tunnels make them.
func (n network) byDefault(out string, to netip.Addr) bool {
	return n.outward(out) && !n.onNet(out, to) && !slices.ContainsFunc(n.Routes, func(r facts.RouteEntry) bool {
		return r.Kind == facts.RouteUnicast && r.Dst.Bits() > 1 && r.Dst.Contains(to)
	})
}

// networkDown tells that a server's network is on a link that is down, with which the kernel takes the link's routes: the
// packet goes where the default route leads, if there is one.
func networkDown(x *Examination, f *Forward, route facts.Route) Finding {
	to := f.Server.Addr()
	if route.Kind == facts.RouteLocal || route.Kind == facts.RouteUnicast && !x.byDefault(route.Out, to) {
		return Finding{}
	}
	for _, l := range x.Links {
		net, ok := x.netOf(l.Name, to)
		if !ok || l.Up || l.Name == route.Out {
			continue
		}
		ends, dropper := x.strayEnds(f, route)
		return Finding{
			Check: "link-down", Severity: SeverityError, Subject: l.Name, Commands: [][]string{{"ip", "link", "set", l.Name, "up"}},
			Evidence: slices.Concat([]string{fmt.Sprintf("ip link: %s, which has %s, is down", l.Name, net), f.ruleCount()}, dropper),
			Sentence: fmt.Sprintf("The server %s is on the network of %s on %s, which is down. As long as it is, %s.", to, net, l.Name, ends),
		}
	}
	return Finding{}
}

// noNetwork tells that a server's private address is on no network that this host knows, and what becomes of the packet.
func noNetwork(x *Examination, f *Forward, route facts.Route) Finding {
	to := f.Server.Addr()
	ends, dropper := x.strayEnds(f, route)
	return Finding{
		Check: "no-route", Severity: SeverityWarning, Subject: ruleName(f.Rule),
		Evidence: append([]string{fmt.Sprintf("route to %s: by %s, where it came from", to, route.Out)}, dropper...),
		Sentence: fmt.Sprintf("%s is a private address and no network of this host has it: %s.", to, ends),
	}
}

// ledOut tells that a server is on the network of a link, and that a route of its own leads to it out to the Internet all the
// same.
func ledOut(x *Examination, f *Forward, route facts.Route) Finding {
	to := f.Server.Addr()
	if route.Kind != facts.RouteUnicast || !x.outward(route.Out) || x.onNet(route.Out, to) {
		return Finding{}
	}
	for _, l := range x.Links {
		net, ok := x.netOf(l.Name, to)
		if !ok {
			continue
		}
		ends, dropper := x.strayEnds(f, route)
		return Finding{
			Check: "no-route", Severity: SeverityWarning, Subject: ruleName(f.Rule),
			Evidence: append([]string{fmt.Sprintf("route to %s: by %s", to, route.Out), fmt.Sprintf("ip address: %s on %s", net, l.Name)}, dropper...),
			Sentence: fmt.Sprintf("The server %s is on the network of %s on %s, but a route of its own leads to it by %s: %s.", to, net, l.Name, route.Out, ends),
		}
	}
	return Finding{}
}

// strayEnds says what becomes of a forward's packet that is led out to the Internet, or nowhere, with the rule that drops it
// as evidence. That it leaves is said only where it certainly does.
func (x *Examination) strayEnds(f *Forward, route facts.Route) (ends string, dropper []string) {
	way := x.fate(f.packet)
	if taken := slices.DeleteFunc(slices.Clone(way.Outcomes), func(o evaluate.Outcome) bool { return o.DNATBy != f.Rule }); len(taken) > 0 {
		way.Outcomes = taken // whether the rule takes it, as one with a rate limit, is another question
	}
	o, blocked := way.blocked()
	switch {
	case route.Kind != facts.RouteUnicast:
		return "no route leads to it", nil
	case blocked && way.unseen == "" && !o.DroppedBy.IsZero():
		drops := dropperName(o.DroppedBy, way.hook(o.DroppedBy))
		return fmt.Sprintf("the packet would leave by %s, and %s%s drops it%s", route.Out, strings.ToLower(drops[:1]), drops[1:], x.setBy(o.DroppedBy)), []string{x.dropperText(o.DroppedBy)}
	case blocked && way.unseen == "":
		return "the packet ends here: " + strings.TrimSuffix(o.Why, "."), nil
	case way.passes() && !slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.Out != route.Out }):
		return "the packet leaves to the Internet by " + route.Out + ", where nobody knows it", nil
	}
	return "the route to it leads out by " + route.Out + ", and whether the packet leaves is not known: " + strings.TrimSuffix(way.doubt(), "."), nil
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
