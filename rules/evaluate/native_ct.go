package evaluate

import (
	"encoding/binary"

	"nattui/rules"
	"nattui/rules/nft"
)

// Bits of ct state (NF_CT_STATE_BIT …) and of ct status (enum ip_conntrack_status).
const (
	stateInvalidBit   = 1
	stateUntrackedBit = 64

	statusExpected  = 1 << 0
	statusSeenReply = 1 << 1
	statusAssured   = 1 << 2
	statusConfirmed = 1 << 3
	statusSNAT      = 1 << 4
	statusDNAT      = 1 << 5
	statusSeqAdjust = 1 << 6
	statusSNATDone  = 1 << 7
	statusDNATDone  = 1 << 8
)

// stateBits are what nft calls the states.
var stateBits = [...]uint32{StateNew: 8, StateEstablished: 2, StateRelated: 4, StateInvalid: stateInvalidBit, StateUntracked: stateUntrackedBit}

// ct loads what connection tracking knows of the packet, or sets it (nft_ct_get_eval, nft_ct_set_eval). It switches
// connection tracking on.
func (c *ruleCompiler) ct(e nft.CT) {
	c.rule.tracks = true
	p := placeOf(e.Reg, 4)
	if e.Set {
		c.setCT(e.Key, p)
		return
	}
	reply := e.Dir == "reply"
	var load metaLoad
	switch e.Key {
	case "state":
		c.load("the connection's state", func(m *machine, st *state) Truth { return m.loadCTState(st, p) })
		return
	case "status":
		load = loadCTStatus
	case "mark":
		load = func(m *machine, st *state, p place) Truth {
			m.regs.setWord(p, st.connMark, ^st.connBlurred)
			return Yes
		}
	case "direction":
		load = loadCTDirection
	case "l3protocol":
		load = metaLoads["nfproto"]
	case "protocol":
		load = metaLoads["l4proto"]
	case "src", "src_ip", "src_ip6", "dst", "dst_ip", "dst_ip6":
		source := e.Key[0] == 's'
		if !ctAddrOf(e.Key, c.family) {
			load = func(*machine, *state, place) Truth { return No } // the kernel breaks the rule off
			break
		}
		load = func(m *machine, st *state, p place) Truth { return m.loadCTAddr(st, p, reply, source) }
	case "proto_src", "proto_dst":
		source := e.Key == "proto_src"
		load = func(m *machine, st *state, p place) Truth { return m.loadCTPort(st, p, reply, source) }
	case "zone":
		load = loadCTZone
	default:
		load = func(m *machine, _ *state, p place) Truth {
			m.regs.setUnknown(place{p.at, 16})
			return Unknown
		}
	}
	c.load("the connection's "+e.Key, func(m *machine, st *state) Truth {
		if !st.ct.hasFlow() {
			return No
		}
		return load(m, st, p)
	})
}

// ctAddrOf tells whether connections of a family have the address that a key names: those with a version in it are of that
// one alone (NFT_CT_SRC_IP …, nft_ct_get_eval).
func ctAddrOf(key string, f rules.Family) bool {
	switch key {
	case "src_ip", "dst_ip":
		return f == rules.IPv4
	case "src_ip6", "dst_ip6":
		return f == rules.IPv6
	}
	return true
}

func (c *ruleCompiler) setCT(key string, p place) {
	switch key {
	case "mark":
		c.rule.marksFlow, c.rule.marks = true, true
		c.act(func(m *machine, st *state) {
			if st.ct.hasFlow() {
				value, known := m.regs.word(p)
				st.connMark, st.connBlurred = value&known, ^known
			}
		})
	case "zone":
		c.act(func(_ *machine, st *state) { st.zoned = st.zoned || !st.ct.seen })
	case "label", "event", "secmark": // what rules ask of them is never known here
	default:
		c.anything("what it sets of the connection")
	}
}

func (m *machine) loadCTState(st *state, p place) Truth {
	bits := uint32(stateInvalidBit)
	if st.ct.seen {
		bits = stateBits[st.ct.state]
	}
	m.regs.setWord(p, bits, ^uint32(0))
	return Yes
}

// loadCTStatus loads the status, which of a connection that exists already is not known here.
func loadCTStatus(m *machine, st *state, p place) Truth {
	if c := m.pkt.Of; c != nil {
		bits := uint32(statusSeenReply | statusConfirmed)
		if c.translatesSource() {
			bits |= statusSNAT
		}
		if c.translatesDest() {
			bits |= statusDNAT
		}
		m.regs.setWord(p, bits, 1<<9-1&^(statusExpected|statusAssured|statusSeqAdjust|statusSNATDone|statusDNATDone))
		return Yes
	}
	if st.ct.state != StateNew {
		m.regs.setUnknown(p)
		return Yes
	}
	bits := uint32(0)
	for _, b := range [...]struct {
		is  bool
		bit uint32
	}{{st.ct.confirmed, statusConfirmed}, {st.ct.snat, statusSNAT}, {st.ct.dnat, statusDNAT}, {st.srcDone, statusSNATDone}, {st.dstDone, statusDNATDone}} {
		if b.is {
			bits |= b.bit
		}
	}
	const others = 1<<13 | 1<<14 // whether it has a helper, or is handed to hardware
	m.regs.setWord(p, bits, ^uint32(others))
	return Yes
}

func loadCTDirection(m *machine, st *state, p place) Truth {
	if c := m.pkt.Of; c != nil {
		direction := byte(0)
		if c.Answers {
			direction = 1
		}
		m.regs.setByte(p, direction)
		return Yes
	}
	if st.ct.state != StateNew {
		m.regs.setUnknown(place{p.at, 1})
		return Yes
	}
	m.regs.setByte(p, 0)
	return Yes
}

func loadCTZone(m *machine, st *state, p place) Truth {
	if st.zoned {
		m.regs.setUnknown(place{p.at, 2})
		return Yes
	}
	m.regs.setShort(p, 0)
	return Yes
}

func (m *machine) loadCTAddr(st *state, p place, reply, source bool) Truth {
	a, known := m.flowAddr(st, reply, source)
	size := uint8(4)
	if m.family == rules.IPv6 {
		size = 16
	}
	var h header
	h.putAddr(0, a, known, m.family)
	m.regs.loadFrom(&h, 0, place{p.at, size})
	return Yes
}

func (m *machine) loadCTPort(st *state, p place, reply, source bool) Truth {
	ports, known := m.flowPort(st, reply, source)
	if !known || !ports.Single() {
		m.regs.setUnknown(place{p.at, 2})
		return Yes
	}
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], ports.Lo)
	m.regs.set(place{p.at, 2}, b[:])
	return Yes
}
