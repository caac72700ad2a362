package facts

import (
	"cmp"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Lookup decides where a packet goes, from the recorded policy rules and routes
// alone, as the kernel's fib_rules_lookup and its tables would. It is certain
// unless the decision hangs on something that is not recorded or that the
// kernel decides by a hash, such as which of several equal routes to take; the
// answer is then one that may be.
//
// It tells the route only. Whether the packet may take it is the business of
// ForwardsFrom and ReversePath.
func (f *Facts) Lookup(q evaluate.RouteQuery) (route Route, certain bool) {
	q.Dst, q.Src = q.Dst.Unmap(), q.Src.Unmap()
	if f.memo != nil {
		return f.memo.lookup(q, f.look)
	}
	return f.look(q)
}

// look decides; Lookup may have the answer already.
func (f *Facts) look(q evaluate.RouteQuery) (route Route, certain bool) {
	l := lookup{facts: f, query: q, certain: !f.RoutesCut}
	if !q.Dst.IsValid() {
		return Route{}, false
	}
	if q.Dst.Is4() && (q.Dst.IsMulticast() || q.Dst == limitedBroadcast) {
		return Route{Kind: RouteMulticast, Out: q.Out}, false
	}
	if f.inVRF(q.In) || f.inVRF(q.Out) {
		l.certain = false
	}
	route = l.byRules()
	if !l.certain {
		route.Ways = nil
	}
	return route, l.certain && route.Ways == nil
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (f *Facts) inVRF(link string) bool {
	l, ok := f.LinkNamed(link)
	return ok && l.VRF != 0
}

// lookup is one decision being made.
type lookup struct {
	facts   *Facts
	query   evaluate.RouteQuery
	certain bool
}

// byRules tries the policy rules in order (fib_rules_lookup in
// net/core/fib_rules.c).
func (l *lookup) byRules() Route {
	family := rules.FamilyOf(l.query.Dst)
	from := uint32(0)
	for _, r := range l.facts.PolicyRules {
		if r.Family != family || r.Priority < from || !l.matches(r) {
			continue
		}
		switch r.Action {
		case RuleGoto:
			from = r.Goto
		case RuleNop:
		case RuleBlackhole:
			return Route{Kind: RouteBlackhole}
		case RuleUnreachable:
			return Route{Kind: RouteUnreachable}
		case RuleProhibit:
			return Route{Kind: RouteProhibit}
		case RuleTable:
			if route, found := l.inTable(r); found {
				return route
			}
		}
	}
	return Route{Kind: RouteNone}
}

// matches tells whether a rule is for the packet. Where that cannot be known,
// the lookup is not certain any more, and the rule is taken not to be.
func (l *lookup) matches(r PolicyRule) bool {
	q := l.query
	in := q.In
	if in == "" {
		in = "lo"
	}
	matched := (!r.From.IsValid() || r.From.Bits() == 0 || r.From.Contains(q.Src)) &&
		(!r.To.IsValid() || r.To.Contains(q.Dst)) &&
		(r.In == "" || r.In == in) &&
		(r.Out == "" || r.Out == q.Out) &&
		(r.Mark^q.Mark)&r.Mask == 0 &&
		(r.TOS == 0 || r.TOS == q.TOS&dscpMask)
	unknown := r.Opaque
	if r.L3Master && matched {
		// Other packets than a VRF's have no such table.
		matched, unknown = false, unknown || l.facts.inVRF(q.In) || l.facts.inVRF(q.Out)
	}
	if r.asksPorts() && matched {
		if q.Proto == 0 {
			unknown = true
		}
		matched = (r.Proto == 0 || r.Proto == q.Proto) && inRange(r.SrcPorts, q.SrcPort) && inRange(r.DstPorts, q.DstPort)
	}
	if unknown {
		l.certain = false
		return false
	}
	return matched != r.Not
}

func (r PolicyRule) asksPorts() bool {
	return r.Proto != 0 || r.SrcPorts != [2]uint16{} || r.DstPorts != [2]uint16{}
}

// dscpMask leaves out the two bits of a type of service that are about
// congestion.
const dscpMask = 0xfc

func inRange(ports [2]uint16, port uint16) bool {
	return ports == [2]uint16{} || port >= ports[0] && port <= ports[1]
}

// inTable looks the destination up in the rule's table: the longest network
// first, then the lowest metric. found is false if the next rule is to be tried.
func (l *lookup) inTable(r PolicyRule) (route Route, found bool) {
	candidates := slices.DeleteFunc(l.candidates(r.Table), func(e *RouteEntry) bool { return hasHops(e.Kind) && len(l.usable(e)) == 0 })
	if len(candidates) == 0 {
		return Route{}, false
	}
	e := candidates[0]
	hops := l.usable(e)
	if e.Opaque || tie(candidates, 0) {
		l.certain = false
	}
	if e.Kind == RouteThrow || hasHops(e.Kind) && r.SuppressPrefix >= e.Dst.Bits() {
		return Route{}, false
	}
	route = l.routeBy(e, hops)
	if differ(hops) {
		for _, hop := range hops {
			route.Ways = append(route.Ways, l.routeBy(e, []Hop{hop}))
		}
	}
	return route, true
}

// candidates are the table's routes for the destination, the preferred ones
// first.
func (l *lookup) candidates(table uint32) []*RouteEntry {
	var found []*RouteEntry
	take := func(e *RouteEntry) {
		if e.TOS == 0 || e.TOS == l.query.TOS&dscpMask {
			found = append(found, e)
		}
	}
	if m := l.facts.memo; m != nil {
		m.routes[table].each(l.query.Dst, take)
		return found
	}
	for i := range l.facts.Routes {
		if e := &l.facts.Routes[i]; e.Table == table && e.Dst.Contains(l.query.Dst) {
			take(e)
		}
	}
	slices.SortStableFunc(found, byPreference)
	return found
}

// byPreference orders routes to one destination: by the length of their
// network, those for a type of service first (fib_find_alias in
// net/ipv4/fib_trie.c), then by metric.
func byPreference(a, b *RouteEntry) int {
	return cmp.Or(cmp.Compare(b.Dst.Bits(), a.Dst.Bits()), cmp.Compare(b.TOS, a.TOS), cmp.Compare(a.Metric, b.Metric))
}

// tie tells whether an IPv6 route has an equal beside it, between which the
// kernel chooses by what it knows of the routers (find_rr_leaf in
// net/ipv6/route.c). In IPv4 the first one is taken.
func tie(candidates []*RouteEntry, i int) bool {
	if candidates[i].Dst.Addr().Is4() {
		return false
	}
	equal := func(k int) bool {
		return k >= 0 && k < len(candidates) && byPreference(candidates[i], candidates[k]) == 0
	}
	return equal(i-1) || equal(i+1)
}

func hasHops(k RouteKind) bool {
	switch k {
	case RouteBlackhole, RouteUnreachable, RouteProhibit, RouteThrow:
		return false
	}
	return true
}

// usable are the hops of a route that the packet may take.
func (l *lookup) usable(e *RouteEntry) []Hop {
	var hops []Hop
	only := l.query.Out
	local := e.Kind == RouteLocal || e.Kind == RouteAnycast
	switch dst := l.query.Dst; {
	case dst.Is4():
	case l.query.In != "" && strict(dst):
		only = l.query.In
	case local:
		only = "" // the host's own addresses are reached by the loopback interface
	case only == "" && strict(dst):
		l.certain = false // fe80::1 is somebody else on every link
	}
	for _, hop := range e.Hops {
		ignored := hop.LinkDown && l.facts.Settings.IgnoreLinkDown == SettingOn
		if !hop.Dead && !ignored && (only == "" || only == hop.Out) {
			hops = append(hops, hop)
		}
	}
	return hops
}

// strict tells the IPv6 destinations that are looked up on the packet's own interface
// alone (rt6_need_strict in net/ipv6/route.c).
func strict(dst netip.Addr) bool {
	return dst.IsLinkLocalUnicast() || dst.IsMulticast() || dst.IsLoopback()
}

func differ(hops []Hop) bool {
	for _, hop := range hops {
		if hop.Out != hops[0].Out || hop.Gateway != hops[0].Gateway {
			return true
		}
	}
	return false
}

func (l *lookup) routeBy(e *RouteEntry, hops []Hop) Route {
	route := Route{Kind: e.Kind, Table: e.Table, PrefSrc: e.PrefSrc}
	if len(hops) == 0 {
		return route
	}
	route.Out, route.Gateway = hops[0].Out, hops[0].Gateway
	if e.Kind == RouteLocal || e.Kind == RouteAnycast {
		route.Out = "lo"
		if !route.PrefSrc.IsValid() {
			route.PrefSrc = l.query.Dst
		}
	}
	if !route.PrefSrc.IsValid() && l.query.Dst.Is4() {
		route.PrefSrc = l.facts.sourceOn(route.Out, route.Gateway)
	}
	return route
}

// sourceOn is the IPv4 address that packets by a link take as source: the first
// whose network has the gateway, if there is one, or the first at all, or one of
// another link (fib_info_update_nhc_saddr in net/ipv4/fib_semantics.c,
// inet_select_addr in net/ipv4/devinet.c).
func (f *Facts) sourceOn(link string, gateway netip.Addr) netip.Addr {
	var first, elsewhere netip.Addr
	for _, a := range f.Addresses {
		addr := a.Prefix.Addr()
		if !addr.Is4() || a.Secondary || a.Scope == ScopeHost || a.Scope == ScopeLink {
			continue
		}
		network := a.Prefix
		if a.Peer.Is4() {
			network = netip.PrefixFrom(a.Peer, a.Prefix.Bits())
		}
		switch {
		case a.Link == link && network.Contains(gateway):
			return addr
		case a.Link == link && !first.IsValid():
			first = addr
		case !elsewhere.IsValid():
			elsewhere = addr
		}
	}
	if first.IsValid() {
		return first
	}
	return elsewhere
}
