package evaluate

import (
	"cmp"
	"encoding/binary"
	"time"

	"nattui/rules"
	"nattui/rules/nft"
)

// meta loads what belongs to a packet, or sets its mark (nft_meta_get_eval, nft_meta_set_eval).
func (c *ruleCompiler) meta(e nft.Meta) {
	p := placeOf(e.Reg, 4)
	switch {
	case e.Set && e.Key == "mark":
		c.rule.marks = true
		c.act(func(m *machine, st *state) {
			value, known := m.regs.word(p)
			st.mark, st.blurred = value&known, ^known
		})
		return
	case e.Set && e.Key == "pkttype":
		c.act(func(m *machine, st *state) { m.setFrame(st, p) })
		return
	case e.Set && metaUnseen[e.Key]:
		return
	case e.Set:
		c.anything("what " + e.Key + " is set to")
		return
	}
	load, ok := metaLoads[e.Key]
	if !ok {
		load = loadMetaUnknown
	}
	c.load(cmp.Or(metaNames[e.Key], "its "+e.Key), func(m *machine, st *state) Truth { return load(m, st, p) })
}

// metaUnseen are what rules set and no rule sees; priority is asked of the packet only where that is unknown here.
var metaUnseen = map[string]bool{"priority": true, "nftrace": true, "secmark": true}

// metaNames are what a comparison is about, in words.
var metaNames = map[string]string{
	"iif": "the incoming interface", "iifname": "the incoming interface", "oif": "the outgoing interface", "oifname": "the outgoing interface",
	"mark": "the mark", "l4proto": "the protocol", "skuid": "the sending user", "skgid": "the sending group", "pkttype": "to whom its frame is addressed",
	"len": "its length", "time": "the time", "hour": "the time", "day": "the time", "cgroup": "the control group", "secpath": "whether IPsec protected it",
	"prandom": "chance", "random": "chance", "cpu": "the CPU", "iifgroup": "the interface's group", "oifgroup": "the interface's group",
	"iiftype": "the interface's type", "oiftype": "the interface's type",
}

type metaLoad func(*machine, *state, place) Truth

func loadMetaUnknown(m *machine, _ *state, p place) Truth {
	m.regs.setUnknown(place{p.at, 16})
	return Yes
}

var metaLoads = map[string]metaLoad{
	"nfproto": func(m *machine, _ *state, p place) Truth {
		if m.family == rules.IPv6 {
			m.regs.setByte(p, byte(nft.IPv6))
		} else {
			m.regs.setByte(p, byte(nft.IPv4))
		}
		return Yes
	},
	"protocol": func(m *machine, _ *state, p place) Truth {
		if m.family == rules.IPv6 {
			m.regs.set(place{p.at, 2}, []byte{0x86, 0xdd})
		} else {
			m.regs.set(place{p.at, 2}, []byte{0x08, 0x00})
		}
		return Yes
	},
	"l4proto": func(m *machine, _ *state, p place) Truth {
		m.regs.setByte(p, byte(m.pkt.Protocol))
		return Yes
	},
	"mark": func(m *machine, st *state, p place) Truth {
		m.regs.setWord(p, st.mark, ^st.blurred)
		return Yes
	},
	"iif":     func(m *machine, st *state, p place) Truth { return m.loadIndex(st, p, true) },
	"oif":     func(m *machine, st *state, p place) Truth { return m.loadIndex(st, p, false) },
	"iifname": func(m *machine, st *state, p place) Truth { return m.loadName(st, p, true) },
	"oifname": func(m *machine, st *state, p place) Truth { return m.loadName(st, p, false) },
	"sdif": func(m *machine, _ *state, p place) Truth {
		m.regs.setWord(p, 0, ^uint32(0))
		return Yes
	},
	"sdifname": func(m *machine, _ *state, p place) Truth {
		m.regs.setName(p, "")
		return Yes
	},
	"len": func(m *machine, _ *state, p place) Truth {
		if m.pkt.Length == 0 {
			return loadMetaUnknown(m, nil, p)
		}
		m.regs.setWord(p, uint32(m.pkt.Length), ^uint32(0))
		return Yes
	},
	"pkttype": loadPktType,
	"skuid":   func(m *machine, st *state, p place) Truth { return m.loadOwner(st, p, m.pkt.UID, HasUID) },
	"skgid":   func(m *machine, st *state, p place) Truth { return m.loadOwner(st, p, m.pkt.GID, HasGID) },
	"cgroup": func(m *machine, st *state, p place) Truth {
		if (!m.pkt.Local || st.looped) && !m.demuxed(st) {
			return No
		}
		return loadMetaUnknown(m, st, p)
	},
	"secpath": loadSecpath,
	"time":    loadTime, "day": loadDay, "hour": loadHour,
	"bri_iifname": bridged, "bri_oifname": bridged, "bri_iifpvid": bridged, "bri_iifvproto": bridged,
	"iiftype": linkType(true), "oiftype": linkType(false),
}

func (m *machine) loadIndex(st *state, p place, in bool) Truth {
	name, known := st.iface(in)
	m.setIndex(p, name, known)
	return Yes
}

func (m *machine) loadName(st *state, p place, in bool) Truth {
	name, known := st.iface(in)
	if !known {
		m.regs.setUnknown(place{p.at, 16})
		return Yes
	}
	m.regs.setName(p, name)
	return Yes
}

// loadOwner loads the user or group of the program that sent the packet; what is forwarded has none.
func (m *machine) loadOwner(st *state, p place, id uint32, has PacketFields) Truth {
	switch {
	case m.demuxed(st):
		m.regs.setUnknown(p)
		return Unknown
	case !m.pkt.Local || st.looped:
		return No
	case m.pkt.Has&has == 0:
		m.regs.setUnknown(p)
		return Unknown // an answer of the kernel itself has no owner
	}
	m.regs.setWord(p, id, ^uint32(0))
	return Yes
}

// demuxed tells that a packet may bring its socket to a chain of hook input: those of connections that have one are found before
// the packet is routed (net.ipv4.tcp_early_demux, udp_early_demux; ip_rcv_finish_core in net/ipv4/ip_input.c). A TCP connection
// that begins has none yet; one of UDP may.
func (m *machine) demuxed(st *state) bool {
	if m.pkt.Local || st.looped || st.stage < stageEarlyInput || st.stage > stageLateInput {
		return false
	}
	return m.pkt.Protocol == rules.UDP || m.pkt.Protocol == rules.TCP && m.pkt.State != StateNew
}

func loadSecpath(m *machine, st *state, p place) Truth {
	src, srcKnown := st.addr(true)
	dst, dstKnown := st.addr(false)
	if m.e.host.IPsec == nil || !srcKnown || !dstKnown {
		m.regs.setUnknown(place{p.at, 1})
		return Yes
	}
	switch m.e.host.IPsec(false, src.addr(m.family), dst.addr(m.family)) {
	case No:
		m.regs.setByte(p, 0)
	case Yes:
		m.regs.setByte(p, 1)
	default:
		m.regs.setUnknown(place{p.at, 1})
	}
	return Yes
}

// bridged is what only the bridge's own hooks know.
func bridged(m *machine, _ *state, p place) Truth {
	m.regs.setUnknown(place{p.at, 16})
	return Unknown
}

// linkType loads the type of an interface, of which nothing but that there is one is known. iiftype is that of the
// interface that the packet is on, which is none as this host's own packet is made, and the one that it leaves by as soon
// as it does (pkt->skb->dev in nft_meta_get_eval, ip_output in net/ipv4/ip_output.c).
func linkType(in bool) metaLoad {
	return func(m *machine, st *state, p place) Truth {
		in := in && (st.stage < stageEarlyPostrouting || st.stage > stageEgress)
		if name, known := st.iface(in); known && name == "" {
			return No
		}
		m.regs.setUnknown(place{p.at, 2})
		return Yes
	}
}

// loadTime loads the time in nanoseconds since 1970, loadDay the weekday from Sunday on, loadHour the second of the day;
// the last two in the kernel's own time zone, which is taken to be UTC.
func loadTime(m *machine, st *state, p place) Truth {
	if m.pkt.Time.IsZero() {
		return loadMetaUnknown(m, st, p)
	}
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], uint64(m.pkt.Time.UnixNano()))
	m.regs.set(place{p.at, 8}, b[:])
	return Yes
}

func loadDay(m *machine, st *state, p place) Truth {
	if m.pkt.Time.IsZero() {
		return loadMetaUnknown(m, st, p)
	}
	m.regs.setByte(p, byte(m.pkt.Time.UTC().Weekday()))
	return Yes
}

func loadHour(m *machine, st *state, p place) Truth {
	if m.pkt.Time.IsZero() {
		return loadMetaUnknown(m, st, p)
	}
	t := m.pkt.Time.UTC()
	m.regs.setWord(p, uint32(t.Sub(t.Truncate(24*time.Hour)).Seconds()), ^uint32(0))
	return Yes
}
