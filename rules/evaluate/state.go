package evaluate

import (
	"net/netip"

	"nattui/rules"
)

// state is all that can change on a packet's way. It is comparable: equal
// states have equal futures.
type state struct {
	stage   stage
	sub     uint8 // how many backends' chains were met at this stage
	order   uint8 // in which of the orders that are possible they are met
	looped  bool  // sent by this host to itself, and now arriving
	zoned   bool  // its flow is in a zone, and none of another one is in its way
	toLocal bool  // redirected: to this host, whatever the address is
	frame   uint8 // to whom a rule says that its frame was addressed; see frameKinds
	tied    ties  // which chains of the kernel's own priorities are placed
	late    ties  // those of them that come after the kernel's own step
	has     unknowns

	src, dst     bits128
	sport, dport rules.Ports
	in, out      string // as the rules of this hook see them
	leave        string // where the route leads
	nextHop      netip.Addr

	mark, blurred         uint32 // blurred bits are not known
	connMark, connBlurred uint32
	stageMark             uint32 // as the packet came to a chain after which it may be routed again
	stageBlurred          uint32
	stageTTL              uint8
	stageHas              unknowns
	ttl                   uint8

	tos, tosOpen           uint8 // the type of service; open bits are not known
	stageTOS, stageTOSOpen uint8

	ct               tracking
	dstDone, srcDone bool // bindings are made
	held             bool // a socket of this host has it (TPROXY): it is not forwarded (skb->sk in ip_forward and ip6_forward)
	free             bool // no other flow has this one's tuple, whichever that will be
	dnatBy, snatBy   ruleRef
}

// unknowns says what of a state is not known.
type unknowns uint8

const (
	unknownSrc unknowns = 1 << iota
	unknownDst
	unknownIn
	unknownOut
	blurredTTL // written by a rule, and not known since
	blurredTOS
	unsaidTTL // as the packet came
)

// tracking is what connection tracking knows of the packet.
type tracking struct {
	seen       bool // it has passed connection tracking, or was told not to
	state      ConnState
	dnat, snat bool
	confirmed  bool // its flow is in the table
}

func (t *tracking) hasFlow() bool { return t.seen && t.state < StateInvalid }

func (st *state) knowsTTL() bool { return st.has&(blurredTTL|unsaidTTL) == 0 }

func (st *state) addr(source bool) (bits128, bool) {
	if source {
		return st.src, st.has&unknownSrc == 0
	}
	return st.dst, st.has&unknownDst == 0
}

func (st *state) port(source bool) *rules.Ports {
	if source {
		return &st.sport
	}
	return &st.dport
}

// untrack takes a packet that has no connection from tracking: an invalid one that comes by lo has none either (notrack_tg
// in net/netfilter/xt_CT.c, nft_notrack_eval in net/netfilter/nft_ct.c).
func (m *machine) untrack(st *state) {
	if !m.through && (!st.ct.seen || st.ct.state == StateInvalid) {
		st.ct.seen, st.ct.state = true, StateUntracked
	}
}

func (st *state) iface(in bool) (string, bool) {
	if in {
		return st.in, st.has&unknownIn == 0
	}
	return st.out, st.has&unknownOut == 0
}

func (m *machine) firstState() state {
	p := m.pkt
	sport, dport := p.ends()
	st := state{
		stage: stageIngress, src: bitsOf(p.Src), dst: bitsOf(p.Dst),
		sport: rules.Port(sport), dport: rules.Port(dport),
		in: p.In, mark: p.Mark &^ p.MarkOpen, blurred: p.MarkOpen, connMark: p.ConnMark &^ p.ConnMarkOpen, connBlurred: p.ConnMarkOpen, ttl: p.TTL, tos: p.TOS,
	}
	if p.Has&HasTOS == 0 {
		st.tos, st.tosOpen = 0, 0xff
	}
	if p.Protocol.HasPorts() {
		if p.SrcPort == 0 {
			st.sport = rules.Ports{Lo: 1, Hi: 65535}
		}
		if p.DstPort == 0 {
			st.dport = rules.Ports{Lo: 1, Hi: 65535}
		}
	}
	if p.TTL == 0 {
		st.has |= unsaidTTL
	}
	switch {
	case p.Local:
		st.stage = stageRouteOutput
	case p.In == "":
		st.has |= unknownIn
	}
	return st
}

// flowAddr is an address of the flow's original or reply tuple.
func (m *machine) flowAddr(st *state, reply, source bool) (bits128, bool) {
	if c := m.pkt.Of; c != nil {
		t := c.tuple(reply)
		if source {
			return bitsOf(t.SrcAddr()), true
		}
		return bitsOf(t.DstAddr()), true
	}
	if m.pkt.State != StateNew {
		return bits128{}, false
	}
	if reply {
		return st.addr(!source)
	}
	if source {
		return bitsOf(m.pkt.Src), true
	}
	return bitsOf(m.pkt.Dst), true
}

// flowPort is a port of the flow's original or reply tuple.
func (m *machine) flowPort(st *state, reply, source bool) (rules.Ports, bool) {
	if c := m.pkt.Of; c != nil {
		t := c.tuple(reply)
		if source {
			return rules.Port(t.SrcPort), true
		}
		return rules.Port(t.DstPort), true
	}
	if m.pkt.State != StateNew {
		return rules.Ports{}, false
	}
	first := m.firstState()
	switch {
	case !reply:
		return *first.port(source), true
	case !m.pkt.isICMP():
		return *st.port(!source), true
	case source:
		return st.sport, true
	}
	kind, code := m.pkt.icmp()
	return rules.Port(uint16(rules.ICMPAnswer(m.pkt.Protocol, kind))<<8 | uint16(code)), true
}
