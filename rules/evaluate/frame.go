package evaluate

import (
	"slices"

	"nattui/rules"
)

// This file is about to whom a packet's frame is addressed, as the kernel notes it (skb->pkt_type).

// frameKinds are to whom frames are addressed, as the kernel numbers them (PACKET_HOST …).
var frameKinds = [...]string{"unicast", "broadcast", "multicast", "otherhost"}

// What a rule has made of a packet's frame: nothing, one of the kinds from 1 on, or what is not known.
const (
	frameAsItCame = 0
	frameUnknown  = 0xff
)

// frameTest is -m pkttype.
func (m *machine) frameTest(st *state, want string) Truth {
	have, known := m.frame(st)
	if !known {
		return Unknown
	}
	return truth(have == want)
}

// frame is to whom a packet's frame is addressed: unicast, broadcast or multicast. That follows from
// the packet's first destination and the interface it arrives by, unless it is said.
func (m *machine) frame(st *state) (kind string, known bool) {
	dst := m.pkt.Dst
	switch {
	case st.frame == frameUnknown:
		return "", false
	case st.frame != frameAsItCame:
		return frameKinds[st.frame-1], true
	case m.pkt.Local && !st.looped:
		return "unicast", true
	case m.pkt.PktType != "":
		return m.pkt.PktType, true
	case dst.IsMulticast():
		return "multicast", true
	case dst.Is6():
		return "unicast", true
	case dst == limitedBroadcast:
		return "broadcast", true
	case !m.e.addrs.known:
		return "", false
	case !on(m.e.addrs.broadcasts[dst], ""):
		return "unicast", true
	case m.pkt.In != "" && on(m.e.addrs.own[dst], m.pkt.In):
		return "broadcast", true
	case m.pkt.In == "" || on(m.e.addrs.broadcasts[dst], m.pkt.In) || !on(m.e.addrs.own[dst], ""):
		return "", false // somebody's own route, or the interface is not known
	}
	return "unicast", true // a broadcast of another network comes by a router
}

func loadPktType(m *machine, st *state, p place) Truth {
	kind, known := m.frame(st)
	if !known {
		m.regs.setUnknown(p)
		return Yes
	}
	m.regs.setByte(p, byte(slices.Index(frameKinds[:], kind)))
	return Yes
}

// setFrame has the kernel take a packet as one whose frame was for somebody else (nft_meta_set_eval).
func (m *machine) setFrame(st *state, p place) {
	m.particular = true
	value, known := m.regs.word(p)
	if known&0xff != 0xff {
		st.frame = frameUnknown
		return
	}
	if kind := byte(value); int(kind) < len(frameKinds) {
		st.frame = kind + 1
	}
}

// takenBySocket tells whether a transport takes a packet that a rule has made one for another host: TCP, SCTP and DCCP take
// only what is for this one alone (tcp_v4_rcv, sctp_rcv, dccp_v4_rcv), UDP and ICMP take all.
func (m *machine) takenBySocket(st *state) bool {
	kind, known := m.frame(st)
	switch p := m.pkt.Protocol; {
	case st.frame == frameAsItCame || known && kind == "unicast" || p == rules.UDP || p == rules.UDPLite || m.pkt.isICMP():
		return true
	case known && p.HasPorts():
		m.finish(st, Dropped, RuleRef{}, "a rule makes it "+kind+" (meta pkttype), and only what is sent to this host alone is taken")
		return false
	}
	lost := *st
	m.finish(&lost, Dropped, RuleRef{}, "a rule may make it one for another host (meta pkttype)")
	m.doubt(Doubt{What: "whether its frame is for this host alone"})
	return true
}
