package evaluate

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
)

// holds tells whether a packet, as it is at this place of its way, meets a match.
type holds func(*machine, *state) Truth

// addTest adds a test to a rule.
type addTest func(test holds, sees func(*cuts))

// compileMatch adds the comparisons of one match.
func (c *code) compileMatch(f rules.Family, m rules.Match) {
	add := func(t holds, sees func(*cuts)) {
		c.tests = append(c.tests, test{m.Module(), t, sees})
	}
	switch m := m.(type) {
	case rules.Comment:
	case rules.Transport:
		c.comparePort(onSport, &c.sport, m.Proto, m.Source)
		c.comparePort(onDport, &c.dport, m.Proto, m.Dest)
		if m.Flags != nil {
			add(flagsTest(m.Flags), seesNone)
		}
		if m.Option != nil {
			add(unknownTest, seesNone)
		}
	case rules.Multiport:
		compileMultiport(m, add)
	case rules.ICMPType:
		add(icmpTest(m), seesNone)
	case rules.IPRange:
		addRange(add, m.Source, true)
		addRange(add, m.Dest, false)
	case rules.AddrType:
		compileAddrType(m, f, add)
	case rules.CTState:
		add(stateTest(&rules.WordsMatch{Not: m.Not, Words: m.States}), seesNone)
	case rules.Conntrack:
		compileConntrack(m, f, add)
	case rules.Mark:
		add(markTest(m), seesNone)
	case rules.TTL:
		add(ttlTest(m), seesNone)
	case rules.Length:
		add(lengthTest(m), seesNone)
	case rules.TOS:
		add(func(mc *machine, st *state) Truth { return mc.tos(st, m.Mask, m.Value).flip(m.Not) }, seesNone)
	case rules.DSCP:
		add(func(mc *machine, st *state) Truth { return mc.tos(st, 0xfc, uint32(m.Value)<<2).flip(m.Not) }, seesNone)
	case rules.PktType:
		add(func(mc *machine, st *state) Truth { return mc.frameTest(st, m.Type).flip(m.Not) }, seesNone)
	case rules.MAC:
		add(macTest(m), seesNone)
	case rules.Owner:
		add(ownerTest(m), seesNone)
	case rules.Time:
		add(timeTest(m), seesNone)
	case rules.Statistic:
		add(statisticTest(m), seesNone)
	case rules.Opaque:
		compileOpaque(m, f, add)
	default:
		add(unknownTest, seesNone)
	}
}

// compileOpaque takes what can be decided of the matches that are kept word for word.
func compileOpaque(m rules.Opaque, f rules.Family, add addTest) {
	if typed, ok := m.Conntrack(); ok {
		compileConntrack(typed, f, add)
		return
	}
	if t, ok := extTest(m); ok && f == rules.IPv6 {
		add(t, seesNone)
		return
	}
	if m.Name == "policy" {
		add(policyTest(m), seesNone)
		return
	}
	add(unknownTest, seesNone)
}

func unknownTest(*machine, *state) Truth { return Unknown }

func flagsTest(t *rules.TCPFlags) holds {
	return func(m *machine, _ *state) Truth {
		flags, known := m.pkt.tcpFlags()
		if !known {
			return Unknown
		}
		return truth(flags&t.Mask == t.Comp).flip(t.Not)
	}
}

func lengthTest(m rules.Length) holds {
	return func(mc *machine, _ *state) Truth {
		if mc.pkt.Length == 0 {
			return Unknown
		}
		return truth(m.Lo <= mc.pkt.Length && mc.pkt.Length <= m.Hi).flip(m.Not)
	}
}

func compileMultiport(m rules.Multiport, add addTest) {
	of := ofBoth
	switch m.Side {
	case rules.SourceSide:
		of = ofSource
	case rules.DestSide:
		of = ofDest
	}
	add(multiportTest(m), seesPorts(of, m.List...))
}

func multiportTest(m rules.Multiport) holds {
	return func(mc *machine, st *state) Truth {
		if !mc.pkt.Protocol.HasPorts() {
			return No
		}
		best := No
		for _, p := range m.List {
			if m.Side != rules.DestSide {
				best = max(best, within(st.sport, p))
			}
			if m.Side != rules.SourceSide {
				best = max(best, within(st.dport, p))
			}
		}
		return best.flip(m.Not)
	}
}

func icmpTest(m rules.ICMPType) holds {
	return func(mc *machine, _ *state) Truth {
		if !mc.pkt.isICMP() {
			return No
		}
		kind, code := mc.pkt.icmp()
		hit := m.Any || m.Type == 0xff && !m.V6 || kind == m.Type && (m.Code == nil || *m.Code == code)
		return truth(hit).flip(m.Not)
	}
}

func addRange(add addTest, r *rules.AddrsMatch, source bool) {
	if r == nil {
		return
	}
	lo, hi := bitsOf(r.Lo), bitsOf(r.Hi)
	of := ofDest
	if source {
		of = ofSource
	}
	add(func(_ *machine, st *state) Truth {
		a, known := st.addr(source)
		if !known {
			return Unknown
		}
		return truth(!a.less(lo) && !hi.less(a)).flip(r.Not)
	}, func(c *cuts) { c.addrs(of, lo, hi) })
}

// compileAddrType reads the match as xt_addrtype does, which treats the families
// differently.
func compileAddrType(m rules.AddrType, f rules.Family, add addTest) {
	one := func(t *rules.TypesMatch, source bool) {
		if t == nil {
			return
		}
		holds := typeTest4
		if f == rules.IPv6 {
			holds = typeTest6
		}
		add(func(mc *machine, st *state) Truth {
			a, known := st.addr(source)
			if !known || !mc.e.addrs.known {
				return Unknown
			}
			dev := ""
			if m.LimitIn || m.LimitOut {
				known := false
				if dev, known = st.iface(m.LimitIn); !known {
					return Unknown
				}
			}
			return holds(&mc.e.addrs, a.addr(f), dev, t.Types).flip(t.Not)
		}, seesNone)
	}
	one(m.Source, true)
	one(m.Dest, false)
}

func typeTest4(h *hostAddrs, a netip.Addr, dev string, types []string) Truth {
	return truth(slices.Contains(types, h.addrType(a, dev)))
}

// typeTest6 is the "and" of what the address itself says and one look at the
// routes for the rest (match_type6).
func typeTest6(h *hostAddrs, a netip.Addr, dev string, types []string) Truth {
	routed := false
	local := false
	for _, t := range types {
		switch t {
		case "MULTICAST":
			if !a.IsMulticast() {
				return No
			}
		case "UNICAST":
			if a.IsMulticast() || a.IsUnspecified() {
				return No
			}
		case "UNSPEC":
			if !a.IsUnspecified() {
				return No
			}
		case "LOCAL":
			local = true
		default:
			routed = true
		}
	}
	switch {
	case local && (on(h.local[a], dev)):
		return Yes
	case routed:
		return Unknown
	}
	return truth(!local)
}

func markTest(m rules.Mark) holds {
	return func(_ *machine, st *state) Truth {
		value, blurred := st.mark, st.blurred
		if m.Conn {
			if !st.ct.hasFlow() {
				return No
			}
			value, blurred = st.connMark, st.connBlurred
		}
		switch {
		case (value&m.Mask^m.Value)&^blurred != 0:
			return truth(m.Not)
		case m.Mask&blurred != 0:
			return Unknown
		}
		return truth(!m.Not)
	}
}

func ttlTest(t rules.TTL) holds {
	return func(_ *machine, st *state) Truth {
		if !st.knowsTTL() {
			return Unknown
		}
		hit := st.ttl == t.Value
		switch t.Compare {
		case "lt":
			hit = st.ttl < t.Value
		case "gt":
			hit = st.ttl > t.Value
		}
		return truth(hit).flip(t.Not)
	}
}

func (m *machine) tos(st *state, mask, value uint32) Truth {
	known := mask &^ uint32(st.tosOpen)
	if uint32(st.tos)&known != value&known {
		return No
	}
	if known != mask&0xff {
		return Unknown
	}
	return truth(uint32(st.tos)&mask == value)
}

func macTest(m rules.MAC) holds {
	return func(mc *machine, _ *state) Truth {
		switch {
		case mc.pkt.Local:
			return No // the loopback interface is no Ethernet
		case mc.pkt.MAC == "":
			return Unknown
		}
		return truth(strings.EqualFold(m.Address, mc.pkt.MAC)).flip(m.Not)
	}
}

// ownerTest is -m owner. A packet that is forwarded has no owner, which meets what
// is negated.
func ownerTest(m rules.Owner) holds {
	return func(mc *machine, _ *state) Truth {
		if !mc.pkt.Local {
			forwarded := (m.UID == nil || m.UID.Not) && (m.GID == nil || m.GID.Not) &&
				(m.SocketExists == nil || !*m.SocketExists)
			return truth(forwarded)
		}
		all := Yes
		if m.SocketExists != nil {
			all = Unknown // an answer of the kernel itself has none
			if mc.pkt.Has&HasUID != 0 {
				all = truth(*m.SocketExists)
			}
		}
		if m.UID != nil {
			all = min(all, idHolds(m.UID, mc.pkt.UID, mc.pkt.Has&HasUID != 0))
		}
		if m.GID != nil {
			t := idHolds(m.GID, mc.pkt.GID, mc.pkt.Has&HasGID != 0)
			if m.Suppl && mc.pkt.Has&HasGID != 0 && (t == Yes) == m.GID.Not {
				t = Unknown // the supplementary groups are not known
			}
			all = min(all, t)
		}
		return all
	}
}

func idHolds(i *rules.IDMatch, id uint32, known bool) Truth {
	if !known {
		return Unknown
	}
	return truth(i.Lo <= id && id <= i.Hi).flip(i.Not)
}

// statisticTest reads the share of packets that a statistic match takes.
func statisticTest(m rules.Statistic) holds {
	answer := Unknown
	if m.Nth {
		if m.Every == 1 {
			answer = truth(m.At == 0)
		}
	} else if p, err := strconv.ParseFloat(m.Probability, 64); err == nil && (p <= 0 || p >= 1) {
		answer = truth(p >= 1)
	}
	answer = answer.flip(m.Not)
	return func(*machine, *state) Truth { return answer }
}

// policyTest is -m policy (net/netfilter/xt_policy.c), as far as the host's policies decide it. What IPsec protected as
// it arrived is taken to be what its policies are for: nothing else of that passes.
func policyTest(m rules.Opaque) holds {
	out, protected, more := false, true, false
	for i := 0; i < len(m.Words); i++ {
		arg := ""
		if i+1 < len(m.Words) {
			arg = m.Words[i+1]
		}
		switch m.Words[i] {
		case "--dir":
			out = arg == "out"
			i++
		case "--pol":
			protected = arg == "ipsec"
			i++
		default:
			more = true
		}
	}
	return func(mc *machine, st *state) Truth {
		src, knownSrc := st.addr(true)
		dst, knownDst := st.addr(false)
		if mc.e.host.IPsec == nil || !knownSrc || !knownDst {
			return Unknown
		}
		t := mc.e.host.IPsec(out, src.addr(mc.family), dst.addr(mc.family))
		if !protected {
			t = t.flip(true)
		}
		if more {
			t = min(t, Unknown) // whether it is by that tunnel, mode or protocol is not looked at
		}
		return t
	}
}
