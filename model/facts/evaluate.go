package facts

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Host is the gateway as the evaluation of rules wants it, from these facts and
// the flows that are there; flows may be nil.
func (f *Facts) Host(flows evaluate.FlowTable) evaluate.Host {
	host := evaluate.Host{
		Interfaces: f.interfaces(), LocalRoutes: f.localRoutes(), Route: f.remembering().decide, RouteNets: f.routeNets(), Marks: f.marks(), Ins: f.asksIns(), TOSes: f.asksTOSes(), RoutesByPort: f.routesByPort(),
		Flows: flows, RandomDNATPort: f.randomDNATPort(), NoDCCPTracking: f.noDCCPTracking(), Natives: f.Natives, Legacy: f.Legacy,
	}
	if f.Native != nil {
		host.Native, host.Natives = f.Native, nil
	}
	host.Queues = f.Queues
	if len(f.Stations) > 0 && f.Settings.BridgeCallsIptables == SettingOn {
		host.SentBack = f.SentBack
	}
	if f.IPsec != nil {
		host.IPsec = f.Protected
		host.IPsecBlocks = func(src, dst netip.Addr) bool { return f.blocked("fwd", src, dst) }
	}
	return host
}

// routeNets are the networks by which decide tells packets apart: those of the
// routes, and those that policy rules ask for. A packet's source is looked up like a
// destination, for the way back. Ports do not bear on it: they are not in the
// question, and a policy rule that asks for them makes the answer uncertain.
func (f *Facts) routeNets() []netip.Prefix {
	nets := make([]netip.Prefix, 0, len(f.Routes)+2*len(f.PolicyRules))
	for i := range f.Routes {
		nets = append(nets, f.Routes[i].Dst)
	}
	for _, r := range f.PolicyRules {
		nets = append(nets, r.From, r.To)
	}
	for _, p := range f.IPsec {
		nets = append(nets, p.Src, p.Dst)
	}
	return nets
}

// marks are those that policy rules ask for.
func (f *Facts) marks() []uint32 {
	var list []uint32
	for _, r := range f.PolicyRules {
		if r.Mask != 0 && r.Mark != 0 {
			list = append(list, r.Mark)
		}
	}
	return list
}

// asksIns are the interfaces that policy rules ask packets to have come by.
func (f *Facts) asksIns() []string {
	var list []string
	for _, r := range f.PolicyRules {
		if r.In != "" && r.In != "lo" {
			list = append(list, r.In)
		}
	}
	return list
}

// asksTOSes are the types of service that policy rules and routes ask for.
func (f *Facts) asksTOSes() []uint8 {
	var list []uint8
	add := func(tos uint8) {
		if tos != 0 && !slices.Contains(list, tos) {
			list = append(list, tos)
		}
	}
	for _, r := range f.PolicyRules {
		add(r.TOS)
	}
	for i := range f.Routes {
		add(f.Routes[i].TOS)
	}
	return list
}

// routesByPort tells whether policy rules ask for protocol or ports.
func (f *Facts) routesByPort() bool {
	return slices.ContainsFunc(f.PolicyRules, PolicyRule.asksPorts)
}

func (f *Facts) interfaces() []evaluate.Interface {
	if f.Links == nil {
		return nil
	}
	scopes := map[AddressScope]evaluate.AddrScope{ScopeLink: evaluate.ScopeLink, ScopeHost: evaluate.ScopeHost}
	list := make([]evaluate.Interface, 0, len(f.Links))
	for _, link := range f.Links {
		i := evaluate.Interface{Name: link.Name, Index: link.Index, Down: !link.Up, Port: f.isPort(link), Bridge: link.Kind == "bridge", NoIPv6: f.Settings.On(link.Name).DisableIPv6 == SettingOn}
		for _, a := range f.AddressesOn(link.Name) {
			i.Addrs = append(i.Addrs, evaluate.InterfaceAddr{
				Prefix: a.Prefix, Peer: a.Peer, Broadcast: a.Broadcast, Scope: scopes[a.Scope],
				Secondary: a.Secondary, Deprecated: a.Deprecated, Tentative: a.Tentative, Temporary: a.Temporary,
			})
		}
		list = append(list, i)
	}
	return list
}

// isPort tells a part of a bridge or bond from a member of a VRF, by which packets still come.
func (f *Facts) isPort(link Link) bool {
	return link.Master != "" && slices.ContainsFunc(f.Links, func(l Link) bool { return l.Name == link.Master && l.Kind != "vrf" })
}

// localRoutes are the routes of the table "local".
func (f *Facts) localRoutes() []evaluate.LocalRoute {
	var list []evaluate.LocalRoute
	for _, r := range f.Routes {
		if r.Table != TableLocal || r.Kind == RouteMulticast || r.Kind == RouteOther {
			continue
		}
		n := evaluate.LocalRoute{Net: r.Dst, Kind: strings.ToUpper(r.Kind.String())}
		if len(r.Hops) > 0 {
			n.Dev = r.Hops[0].Out
		}
		list = append(list, n)
	}
	return list
}

// randomDNATPort tells whether this kernel may choose at random among the ports of a DNAT's range: from Linux
// 5.0 on, and until 6.8 took the first free one again (nf_nat_l4proto_unique_tuple in net/netfilter/nf_nat_core.c).
// Stable versions in between got that back at various times.
func (f *Facts) randomDNATPort() bool {
	major, minor := f.kernelVersion()
	return major == 5 || major == 6 && minor < 8
}

// noDCCPTracking tells whether this kernel's connection tracking has forgotten DCCP, as Linux 6.17 and later have.
func (f *Facts) noDCCPTracking() bool {
	major, minor := f.kernelVersion()
	return major > 6 || major == 6 && minor >= 17
}

// kernelVersion is the first two numbers of the kernel's version, 0 where it is not known.
func (f *Facts) kernelVersion() (major, minor int) {
	if _, err := fmt.Sscanf(f.Kernel, "%d.%d", &major, &minor); err != nil {
		return 0, 0
	}
	return major, minor
}

// decide is the whole routing decision for an evaluated packet: the route, and
// for one that arrived, whether it may be forwarded and whether its source is
// believed.
func (f *Facts) decide(q evaluate.RouteQuery) evaluate.Decision {
	if q.In != "" {
		switch {
		case q.Dst == limitedBroadcast && q.Src.IsUnspecified():
			return evaluate.Decision{Kind: evaluate.RoutedLocal, Out: "lo"}
		case q.Dst == limitedBroadcast:
			return f.admit(q, evaluate.Decision{Kind: evaluate.RoutedLocal, Out: "lo"})
		case q.Dst.Is4() && q.Dst.IsUnspecified():
			return evaluate.Decision{Kind: evaluate.RoutedRefused, Why: "no packet to 0.0.0.0 is taken"}
		}
	}
	if q.In == "" && q.Dst.IsUnspecified() {
		return evaluate.Decision{Kind: evaluate.RoutedLocal, Out: "lo"} // to the sender itself (ip_route_output_key_hash_rcu)
	}
	route, certain := f.Lookup(q)
	answer := f.along(q, route, certain)
	for _, way := range route.Ways {
		answer.Ways = append(answer.Ways, f.along(q, way, true))
	}
	return answer
}

// along is the decision for a packet whose route is found.
func (f *Facts) along(q evaluate.RouteQuery, route Route, certain bool) evaluate.Decision {
	answer := evaluate.Decision{Out: route.Out, NextHop: route.Gateway}
	switch route.Kind {
	case RouteLocal:
		answer.Kind = evaluate.RoutedLocal
	case RouteUnicast:
		answer.Kind = evaluate.RoutedForward
	case RouteBroadcast:
		answer.Kind = evaluate.RoutedLocal
		switch {
		case q.In == "" && q.Src.IsLoopback():
			return evaluate.Decision{Kind: evaluate.RoutedNone, Why: fmt.Sprintf("nothing from %s leaves by %s", q.Src, route.Out)}
		case q.In != "" && f.Settings.All.BroadcastForwarding == SettingOn && f.Settings.On(q.In).BroadcastForwarding == SettingOn:
			answer.Kind = evaluate.RoutedForward
		}
	case RouteAnycast:
		answer.Kind = evaluate.RoutedLocal
	case RouteMulticast, RouteOther:
		return evaluate.Decision{Kind: evaluate.RoutedUnknown, Why: "multicast is not evaluated"}
	case RouteNone:
		answer = evaluate.Decision{Kind: evaluate.RoutedNone, Why: fmt.Sprintf("there is no route to %s", q.Dst)}
	default:
		answer = evaluate.Decision{Kind: evaluate.RoutedNone, Why: fmt.Sprintf("the route to %s is of type %s", q.Dst, route.Kind)}
	}
	if !certain {
		if q.In != "" && !f.IsLocal(q.Dst) && f.Settings.ForwardsFrom(q.In, rules.FamilyOf(q.Dst)) == SettingOff {
			return evaluate.Decision{Kind: evaluate.RoutedRefused, Why: fmt.Sprintf("forwarding is off for what arrives on %s", q.In)}
		}
		return evaluate.Decision{Kind: evaluate.RoutedUnknown, Out: answer.Out, Why: fmt.Sprintf("the route to %s depends on something not known here", q.Dst)}
	}
	switch {
	case q.Bare:
		return answer
	case q.In == "":
		return f.send(q, answer)
	}
	return f.admit(q, answer)
}

// send refuses a packet of this host's own that may not leave: one from the loopback network (__mkroute_output
// in net/ipv4/route.c), of which its program is told EINVAL.
func (f *Facts) send(q evaluate.RouteQuery, answer evaluate.Decision) evaluate.Decision {
	if answer.Kind == evaluate.RoutedForward && answer.Out != "lo" && f.blocked("out", q.Src, q.Dst) {
		return evaluate.Decision{Kind: evaluate.RoutedNone, Out: answer.Out, Why: "an IPsec policy (ip xfrm policy) blocks it on its way out"}
	}
	if answer.Kind != evaluate.RoutedForward || !q.Src.Is4() || !q.Src.IsLoopback() || answer.Out == "lo" {
		return answer
	}
	why := fmt.Sprintf("route_localnet is not on for %s, so nothing from %s leaves there", answer.Out, q.Src)
	switch f.Settings.RouteLocalnetOn(answer.Out) {
	case SettingOn:
		return answer
	case SettingOff:
		return evaluate.Decision{Kind: evaluate.RoutedNone, Why: why}
	}
	return evaluate.Decision{Kind: evaluate.RoutedUnknown, Out: answer.Out, Why: why}
}

// admit refuses a packet that arrived but may not go its way.
func (f *Facts) admit(q evaluate.RouteQuery, answer evaluate.Decision) evaluate.Decision {
	refuse := func(certain bool, why string) evaluate.Decision {
		if certain {
			return evaluate.Decision{Kind: evaluate.RoutedRefused, Out: answer.Out, Why: why}
		}
		return evaluate.Decision{Kind: evaluate.RoutedUnknown, Out: answer.Out, Why: why}
	}
	if q.Dst.Is4() && q.Dst.IsLoopback() && q.In != "lo" {
		if allowed := f.Settings.RouteLocalnetOn(q.In); allowed != SettingOn {
			return refuse(allowed == SettingOff, fmt.Sprintf("route_localnet is not on for %s, so nothing that arrives there reaches %s", q.In, q.Dst))
		}
	}
	if back := f.ReversePath(q); !back.Passes {
		return refuse(back.Certain, back.Why)
	}
	if answer.Kind == evaluate.RoutedForward {
		if f.blocked("out", q.Src, q.Dst) {
			return refuse(true, fmt.Sprintf("an IPsec policy (ip xfrm policy, dir out) blocks what goes from %s to %s", q.Src, q.Dst))
		}
		if on := f.Settings.ForwardsFrom(q.In, rules.FamilyOf(q.Dst.Unmap())); on != SettingOn {
			return refuse(on == SettingOff, fmt.Sprintf("forwarding is %s for what arrives on %s", on, q.In))
		}
	}
	return answer
}

// Reachable tells by which link an address is reached from here, and whether
// that is certain; false if it is not reached at all.
func (f *Facts) Reachable(addr netip.Addr) (route Route, certain, ok bool) {
	route, certain = f.Lookup(evaluate.RouteQuery{Dst: addr})
	return route, certain, route.Kind == RouteUnicast || route.Kind == RouteLocal
}

// UnreadLegacy are the tables of iptables-legacy that may translate and are not among the sets: no program here reads them.
func (f *Facts) UnreadLegacy(sets map[rules.Variant]*rules.Ruleset) (unread []rules.LegacyTables) {
	for _, l := range f.Legacy {
		if l.Has("nat") && sets[rules.Variant{Family: l.Family, Backend: rules.Legacy}] == nil {
			unread = append(unread, l)
		}
	}
	return unread
}

// Unevaluated are the nft tables that translate beside those of iptables and are not evaluated: none where they could
// be read.
func (f *Facts) Unevaluated() []rules.NativeTable {
	if f.Native != nil {
		return nil
	}
	return f.Natives
}

// RulesAlone says of what is predicted by rules that somebody sent without their gateway why none of it is certain.
const RulesAlone = "the file has rules alone: the addresses, routes and settings of its gateway are not known, nor what else filters there"
