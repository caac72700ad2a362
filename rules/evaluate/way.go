package evaluate

import (
	"net/netip"
	"slices"
	"strconv"

	"nattui/rules"
)

// finished marks a stage whose chains need not be met any more.
const finished = 0xff

// begin brings a packet to the next chain it meets; false: its way has ended. A
// branch that is resumed was compared with the others when it was put aside.
func (m *machine) begin(st *state, resumed bool) bool {
	for ; ; resumed = false {
		if st.stage.isKernel() {
			if !m.pass(st) {
				return false
			}
			continue
		}
		called := &m.tables.hooks[st.stage]
		nat := st.stage.isNAT()
		if len(called.chains) == 0 && !nat {
			if !m.leaveStage(st) {
				return false
			}
			continue
		}
		if st.sub == 0 {
			if m.divided && !resumed && !m.fresh(st) {
				return false
			}
			if nat {
				m.goOn(st)
			}
			if nat && (!m.tables.nat || st.bound() || !st.ct.hasFlow() || st.ct.state == StateEstablished) {
				st.stage++
				continue
			}
			if untied := called.tie &^ st.tied; untied != 0 {
				m.divideByTie(st, untied)
			}
			if called.open != "" && st.order == 0 {
				m.divideByOrder(st, called)
			}
		}
		if int(st.sub) < len(called.chains) && !(nat && st.bound()) {
			if !m.rerouted(st, called) {
				return false
			}
			c := called.orders[st.order][st.sub]
			st.sub++
			if c.reroutes {
				st.keepForStage()
			}
			if c.hears(st) {
				m.enter(c, st)
				return true
			}
			continue
		}
		if nat && !st.bound() {
			m.bind(st, nil, ruleRef{})
		}
		if !m.leaveStage(st) {
			return false
		}
	}
}

// divideByTie follows a packet with the chains before the kernel's own step of the same priority, and after it.
func (m *machine) divideByTie(st *state, untied ties) {
	m.doubt(Doubt{What: "a filter chain has the priority at which the kernel itself tracks or translates; which comes first depends on which was made last"})
	st.tied |= untied
	other := *st
	other.late |= untied
	m.fork(&other)
}

// divideByOrder follows a packet in each order in which the kernel may call the chains.
func (m *machine) divideByOrder(st *state, called *calledChains) {
	m.doubt(Doubt{What: called.open})
	m.incomplete = m.incomplete || called.more
	for i := 1; i < len(called.orders); i++ {
		other := *st
		other.order = uint8(i)
		m.fork(&other)
	}
}

// bound reports whether the binding of the stage's kind is made already.
func (st *state) bound() bool {
	if st.stage.bindsSource() {
		return st.srcDone
	}
	return st.dstDone
}

// leaveStage goes on after the last chain of a stage. Local packets are routed
// again where mangle changed their mark or nat their destination.
func (m *machine) leaveStage(st *state) bool {
	at := st.stage
	if !m.rerouted(st, &m.tables.hooks[at]) {
		return false
	}
	st.sub, st.order, st.stageMark, st.stageBlurred, st.stageTTL, st.stageHas, st.stageTOS, st.stageTOSOpen = 0, 0, 0, 0, 0, 0, 0, 0
	switch at {
	case stageLateForward, stageLateOutput:
		st.stage, st.out = stageEarlyPostrouting, st.leave
	default:
		st.stage++
	}
	anew := at == stageNATOutput && (st.dst != bitsOf(m.pkt.Dst) || st.has&unknownDst != 0)
	return !anew || m.routeOutput(st, true)
}

// rerouted routes a packet of this host's own again, where the chain that it was in last does that and has changed its
// mark or its TOS, or of IPv6 its hop limit (ipt_mangle_out in net/ipv4/netfilter/iptable_mangle.c, ip6t_mangle_out,
// nf_route_table_hook4 and 6 in net/netfilter/nft_chain_route.c).
func (m *machine) rerouted(st *state, called *calledChains) bool {
	if st.sub == 0 || int(st.sub) > len(called.chains) || !called.orders[st.order][st.sub-1].reroutes {
		return true
	}
	anew := Yes
	switch {
	case st.mark == st.stageMark && st.blurred == st.stageBlurred:
		anew = m.changedHeader(st)
	case (st.mark^st.stageMark)&^(st.blurred|st.stageBlurred) == 0:
		anew = Unknown
	}
	if anew == No {
		return true
	}
	st.keepForStage()
	if anew == Unknown {
		m.doubt(Doubt{What: "whether a rule has changed the packet so that it is routed again"})
		other := *st
		m.fork(&other)
	}
	return m.routeOutput(st, true)
}

// keepForStage remembers what makes the kernel route a packet again if a chain changes it.
func (st *state) keepForStage() {
	st.stageMark, st.stageBlurred, st.stageTTL, st.stageHas = st.mark, st.blurred, st.ttl, st.has
	st.stageTOS, st.stageTOSOpen = st.tos, st.tosOpen
}

// changedHeader tells whether rules have changed what of a header makes the kernel route anew.
// The traffic class stands in the first word of an IPv6 header, with the flow label.
func (m *machine) changedHeader(st *state) Truth {
	tos := st.changedTOS()
	switch {
	case m.family == rules.IPv4, tos == Yes:
		return tos
	case st.has&^st.stageHas&blurredTTL != 0, (st.has^st.stageHas)&unsaidTTL != 0:
		return Unknown
	case st.ttl != st.stageTTL:
		return Yes
	}
	return tos
}

// pass does what the kernel does between the tables; false: the way has ended.
func (m *machine) pass(st *state) bool {
	switch st.stage {
	case stageTrackPrerouting, stageTrackOutput:
		if !st.ct.seen {
			st.ct.seen, st.ct.state = true, m.pkt.beginsFlow()
			if !m.tables.tracks {
				st.ct.state = StateUntracked
			}
		}
		st.stage++
	case stageRouteInput:
		return m.routeInput(st)
	case stageRouteOutput:
		return m.routeOutput(st, false)
	case stageDeliver:
		if m.confirm(st) && (st.held || m.takenBySocket(st)) {
			m.finish(st, Delivered, RuleRef{}, "")
			m.bridgeMayDrop(st, "")
		}
		return false
	case stageLeave:
		if st.held && !m.pkt.Local {
			m.finish(st, Dropped, RuleRef{}, "a proxy of this host has taken it, and no route leads it there: what a socket has is not forwarded")
			return false
		}
		if !m.confirm(st) {
			return false
		}
		if st.leave != "lo" || st.has&unknownOut != 0 {
			m.finish(st, Forwarded, RuleRef{}, "")
			m.bridgeMayDrop(st, st.leave)
			return false
		}
		st.stage, st.looped = stageIngress, true
		st.in, st.out, st.frame = "lo", "", frameAsItCame
	}
	return true
}

// confirm puts the flow into the table, which fails if one with the same tuple
// is there (__nf_conntrack_confirm).
func (m *machine) confirm(st *state) bool {
	if st.ct.confirmed || !st.ct.hasFlow() {
		return true
	}
	if st.ct.state != StateEstablished && m.e.host.Flows != nil && !st.free {
		switch m.taken(st, st.src, st.sport, st.dst, st.dport) {
		case Yes:
			m.finish(st, Dropped, RuleRef{}, "another connection has the same translation")
			return false
		case Unknown:
			lost := *st
			m.finish(&lost, Dropped, RuleRef{}, mayClash)
		}
	}
	st.ct.confirmed = true
	return true
}

// ways asks the host's routes; where what is not known of the packet, or the kernel's hash, leaves several decisions,
// the likeliest has them all. It is RoutedUnknown if one of them is not known.
func (m *machine) ways(st *state, q RouteQuery) Decision {
	if m.oneTOS(st) && st.blurred == 0 {
		q.TOS = st.tos
		if r := m.e.host.Route(q); r.Ways == nil {
			return r
		}
	}
	var all []Decision
	add := func(r Decision) {
		if !slices.ContainsFunc(all, func(o Decision) bool {
			return o.Kind == r.Kind && o.Out == r.Out && o.NextHop == r.NextHop && o.Why == r.Why
		}) {
			all = append(all, r)
		}
	}
	for _, q.Mark = range m.routeMarks(st) {
		for _, q.TOS = range m.routeTOSes(st) {
			r := m.e.host.Route(q)
			switch {
			case r.Kind == RoutedUnknown && r.Ways == nil:
				return r
			case r.Ways == nil:
				add(r)
			}
			for _, way := range r.Ways {
				if way.Kind == RoutedUnknown {
					return way
				}
				add(way)
			}
		}
	}
	first := all[0]
	if len(all) > 1 {
		first.Ways = all
	}
	return first
}

// routeMarks are the marks of a packet that policy rules may tell apart: its own, and where bits of that are not known, those
// that rules ask for.
func (m *machine) routeMarks(st *state) []uint32 {
	marks := []uint32{st.mark}
	if st.blurred == 0 {
		return marks
	}
	for _, asked := range m.e.host.Marks {
		if may := st.mark&^st.blurred | asked&st.blurred; !slices.Contains(marks, may) {
			marks = append(marks, may)
		}
	}
	return marks
}

// eachWay goes on with the first of several ways, and puts a branch aside for each of the others that goes on.
func (m *machine) eachWay(st *state, r Decision, take func(*state, Decision) bool) bool {
	m.doubt(Doubt{What: "which of its " + strconv.Itoa(len(r.Ways)) + " ways the packet takes: its type of service, its mark, or the kernel's choice among several nexthops, decides"})
	for _, way := range r.Ways[1:] {
		other := *st
		if take(&other, way) {
			m.fork(&other)
		}
	}
	return take(st, r)
}

// routeInput decides between this host and another one.
func (m *machine) routeInput(st *state) bool {
	r, known := m.decide(st, st.in)
	if !known {
		m.doubt(Doubt{What: m.routeDoubt(st) + ": " + m.endpoint(st, false).String() + " may be this host or another"})
		other := *st
		other.stage = stageEarlyInput
		m.fork(&other)
		r.Kind = RoutedForward
	}
	if len(r.Ways) < 2 {
		return m.arrive(st, r)
	}
	return m.eachWay(st, r, m.arrive)
}

// arrive goes the way that is decided for a packet that arrived.
func (m *machine) arrive(st *state, r Decision) bool {
	switch r.Kind {
	case RoutedLocal:
		st.stage = stageEarlyInput
		return true
	case RoutedForward:
		return m.forward(st, r)
	case RoutedRefused:
		m.finish(st, Dropped, RuleRef{}, r.Why)
	default:
		m.finish(st, NoRoute, RuleRef{}, r.Why)
	}
	return false
}

// refused says why an arriving packet meets no rule at all (ip6_rcv_core in net/ipv6/ip6_input.c); "" if it
// does. What is wrong with IPv4 addresses shows as they are routed.
func (m *machine) refused() string {
	p := m.pkt
	if p.Local || p.In == "lo" {
		return ""
	}
	if i := m.e.addrs.interfaceOf(p.In); i != nil {
		switch {
		case i.Down:
			return p.In + " is down, and nothing arrives there"
		case i.NoIPv6 && m.family == rules.IPv6:
			return "IPv6 is switched off on " + p.In
		}
	}
	if m.family == rules.IPv4 {
		return ""
	}
	for _, a := range [...]netip.Addr{p.Src, p.Dst} {
		if a.IsLoopback() && p.In != "" {
			return "no packet from or to " + a.String() + " is taken from outside"
		}
	}
	return ""
}

func (m *machine) forward(st *state, r Decision) bool {
	switch frame, known := m.frame(st); {
	case known && frame != "unicast":
		how := "it came as "
		if st.frame != frameAsItCame {
			how = "a rule makes it "
		}
		m.finish(st, Dropped, RuleRef{}, how+frame+", and only what is sent to this host alone is forwarded")
		return false
	case !known && (m.e.addrs.known || st.frame == frameUnknown):
		lost := *st
		m.finish(&lost, Dropped, RuleRef{}, "it may have come as broadcast, and only what is sent to this host alone is forwarded")
		m.doubt(Doubt{What: "whether its frame is for this host alone or for everybody"})
	}
	src := st.src.addr(m.family)
	// What goes back by the way it came is not looked at (ip6_forward in net/ipv6/ip6_output.c).
	if m.family == rules.IPv6 && st.has&unknownSrc == 0 && r.Out != st.in && (src.IsLinkLocalUnicast() || src.IsUnspecified() || src.IsLoopback()) {
		m.finish(st, Dropped, RuleRef{}, "packets from "+src.String()+" are not forwarded")
		return false
	}
	if blocks := m.e.host.IPsecBlocks; blocks != nil && blocks(m.pkt.Src, m.pkt.Dst) {
		m.finish(st, Dropped, RuleRef{}, "an IPsec policy (ip xfrm policy, dir fwd) blocks it")
		return false
	}
	if m.expires(st) {
		return false
	}
	m.leaveBy(st, r)
	if m.heldByBridge(st) {
		return false
	}
	m.icmpRedirect(st)
	st.out = st.leave
	st.stage = stageEarlyForward
	return true
}

// heldByBridge ends the way of a packet that is translated while it is bridged and would have to leave by the port that it
// came in (should_deliver in net/bridge/br_forward.c): rules of FORWARD and POSTROUTING do not meet it.
func (m *machine) heldByBridge(st *state) bool {
	if m.e.host.SentBack == nil || m.family != rules.IPv4 || st.leave != st.in || st.has&(unknownIn|unknownOut|unknownDst) != 0 || st.dst == bitsOf(m.pkt.Dst) {
		return false
	}
	m.particular = true
	why := m.e.host.SentBack(st.in, m.pkt.Src, st.dst.addr(m.family))
	if why != "" {
		m.finish(st, Dropped, RuleRef{}, why)
	}
	return why != ""
}

// icmpRedirect tells the sender of a shorter way, before the packet goes on, where that leaves as it came. The message belongs to
// the packet's connection, whose mark the rules for this host's own packets may write (ip_rt_send_redirect in
// net/ipv4/route.c, icmp_glue_bits in net/ipv4/icmp.c).
func (m *machine) icmpRedirect(st *state) {
	way := st.leave == st.in || st.has&(unknownIn|unknownOut) != 0
	if m.family == rules.IPv4 && m.tables.ownMark && way && st.ct.hasFlow() {
		m.doubt(Doubt{What: "whether the ICMP redirect that this host sends first, as the packet leaves the way it came, has the connection marked"})
		st.connBlurred = ^uint32(0)
	}
}

func (m *machine) leaveBy(st *state, r Decision) {
	st.leave, st.nextHop = r.Out, r.NextHop
	st.has &^= unknownOut
	if r.Out == "" {
		st.has |= unknownOut
	}
}

// routeOutput decides where a local packet leaves.
func (m *machine) routeOutput(st *state, again bool) bool {
	r, known := m.decide(st, "")
	if !known {
		m.doubt(Doubt{What: m.routeDoubt(st)})
		r = Decision{Kind: RoutedForward, Out: m.pkt.Out}
	}
	if len(r.Ways) < 2 {
		return m.depart(st, r, again)
	}
	return m.eachWay(st, r, func(st *state, r Decision) bool { return m.depart(st, r, again) })
}

// depart goes the way that is decided for a packet of this host's own.
func (m *machine) depart(st *state, r Decision, again bool) bool {
	switch r.Kind {
	case RoutedLocal:
		r.Out = "lo"
		fallthrough
	case RoutedForward:
		m.leaveBy(st, r)
		if !again {
			st.stage, st.out = stageEarlyOutput, st.leave
		}
		return true
	}
	if again {
		m.finish(st, Dropped, RuleRef{}, r.Why)
	} else {
		m.finish(st, NoRoute, RuleRef{}, r.Why)
	}
	return false
}

// routeDoubt says why it is not known where a packet goes.
func (m *machine) routeDoubt(st *state) string {
	dst, known := st.addr(false)
	switch to := dst.addr(m.family); {
	case !known || !m.e.addrs.known:
	case to.IsMulticast():
		return "which groups are heard here is not known"
	case to.Is6() && to.IsLinkLocalUnicast():
		return "a link-local address is another machine on each interface, and which one is not said"
	}
	return "the host's routes are not known"
}

// decide asks the host's routes; known is false if nobody can tell.
func (m *machine) decide(st *state, in string) (r Decision, known bool) {
	dst, dstKnown := st.addr(false)
	src, srcKnown := st.addr(true)
	if st.looped || st.toLocal {
		return Decision{Kind: RoutedLocal}, true
	}
	if !dstKnown {
		return Decision{}, false
	}
	to := dst.addr(m.family)
	if m.e.host.Route != nil && srcKnown && (st.has&unknownIn == 0 || m.pkt.Local) {
		q := RouteQuery{Src: src.addr(m.family), Dst: to, In: in, Mark: st.mark}
		if m.e.host.RoutesByPort {
			m.particular = true // its class' packets have other ports
			if st.sport.Single() && st.dport.Single() {
				q.Proto, q.SrcPort, q.DstPort = m.pkt.Protocol, st.sport.Lo, st.dport.Lo
			}
		}
		if r := m.ways(st, q); r.Kind != RoutedUnknown {
			return r, true
		}
	}
	switch {
	case m.e.addrs.known && (m.e.addrs.isLocal(to) || to.Is4() && m.e.addrs.addrType(to, "") == "BROADCAST"):
		return Decision{Kind: RoutedLocal}, true
	case m.pkt.Out != "":
		return Decision{Kind: RoutedForward, Out: m.pkt.Out}, true
	}
	return Decision{Kind: RoutedForward}, m.e.addrs.known && !to.IsMulticast() && !(to.Is6() && to.IsLinkLocalUnicast())
}
