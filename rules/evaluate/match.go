package evaluate

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"nattui/rules"
)

// Truth is the answer of a match in a logic of three values: a match that the
// packet as given cannot decide is unknown.
type Truth uint8

// The three answers, so ordered that the smallest of several is their "and".
const (
	No Truth = iota
	Unknown
	Yes
)

var truths = [...]string{"no", "unknown", "match"}

// String is no, unknown or match, as in the JSON output.
func (t Truth) String() string { return truths[t] }

func truth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

func (t Truth) flip(not bool) Truth {
	if not {
		return Yes - t
	}
	return t
}

// within compares a set of possible ports with the ports a rule wants.
func within(have, want rules.Ports) Truth {
	switch {
	case want.Lo > want.Hi || have.Hi < want.Lo || have.Lo > want.Hi:
		return No
	case want.Lo <= have.Lo && have.Hi <= want.Hi:
		return Yes
	}
	return Unknown
}

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
		of := ofBoth
		switch m.Side {
		case rules.SourceSide:
			of = ofSource
		case rules.DestSide:
			of = ofDest
		}
		add(multiportTest(m), seesPorts(of, m.List...))
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
		add(func(mc *machine, _ *state) Truth {
			if mc.pkt.Length == 0 {
				return Unknown
			}
			return truth(m.Lo <= mc.pkt.Length && mc.pkt.Length <= m.Hi).flip(m.Not)
		}, seesNone)
	case rules.TOS:
		add(func(mc *machine, st *state) Truth { return mc.tos(st, m.Mask, m.Value).flip(m.Not) }, seesNone)
	case rules.DSCP:
		add(func(mc *machine, st *state) Truth { return mc.tos(st, 0xfc, uint32(m.Value)<<2).flip(m.Not) }, seesNone)
	case rules.PktType:
		add(func(mc *machine, st *state) Truth { return mc.delivery(st, m.Type).flip(m.Not) }, seesNone)
	case rules.MAC:
		add(macTest(m), seesNone)
	case rules.Owner:
		add(ownerTest(m), seesNone)
	case rules.Time:
		add(timeTest(m), seesNone)
	case rules.Statistic:
		add(statisticTest(m), seesNone)
	case rules.Opaque:
		if typed, ok := m.Conntrack(); ok {
			compileConntrack(typed, f, add)
			return
		}
		add(unknownTest, seesNone)
	default:
		add(unknownTest, seesNone)
	}
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

// stateTest is --ctstate and --state.
func stateTest(w *rules.WordsMatch) holds {
	wanted := [5]bool{}
	dnat, snat := false, false
	for _, word := range w.Words {
		switch word {
		case "DNAT":
			dnat = true
		case "SNAT":
			snat = true
		default:
			if i := slices.Index(connStates[:], word); i >= 0 {
				wanted[i] = true
			}
		}
	}
	return func(m *machine, st *state) Truth {
		if !st.ct.seen {
			return truth(wanted[StateInvalid]).flip(w.Not)
		}
		hit := wanted[st.ct.state]
		if !hit && st.ct.hasFlow() && (dnat || snat) {
			if st.ct.state == StateEstablished {
				return Unknown
			}
			hit = dnat && st.ct.dnat || snat && st.ct.snat
		}
		return truth(hit).flip(w.Not)
	}
}

// compileConntrack reads the match as xt_conntrack does: a packet without a flow meets
// nothing but --ctstate.
func compileConntrack(m rules.Conntrack, f rules.Family, add addTest) {
	if m.State != nil {
		add(stateTest(m.State), seesNone)
	}
	flow := func(test holds, sees func(*cuts)) {
		withState := m.State != nil
		add(func(mc *machine, st *state) Truth {
			if !st.ct.hasFlow() {
				return truth(withState)
			}
			return test(mc, st)
		}, sees)
	}
	flow(func(*machine, *state) Truth { return Yes }, seesNone)
	if m.Proto != nil {
		n, ok := m.Proto.Number()
		flow(func(mc *machine, _ *state) Truth {
			if !ok {
				return Unknown
			}
			return truth(mc.pkt.Protocol == n).flip(m.Proto.Not)
		}, seesNone)
	}
	nets := [...]struct {
		net           *rules.Net
		reply, source bool
	}{{m.OrigSrc, false, true}, {m.OrigDst, false, false}, {m.ReplSrc, true, true}, {m.ReplDst, true, false}}
	for _, n := range nets {
		if n.net != nil {
			masked := maskedAddrOf(*n.net)
			flow(func(mc *machine, st *state) Truth {
				a, known := mc.flowAddr(st, n.reply, n.source)
				if !known {
					return Unknown
				}
				return truth(masked.holds(a)).flip(n.net.Not)
			}, seesNet(f, &masked))
		}
	}
	ports := [...]struct {
		port          *rules.PortMatch
		reply, source bool
	}{{m.OrigSrcPort, false, true}, {m.OrigDstPort, false, false}, {m.ReplSrcPort, true, true}, {m.ReplDstPort, true, false}}
	for _, p := range ports {
		if p.port != nil {
			flow(func(mc *machine, st *state) Truth {
				have, known := mc.flowPort(st, p.reply, p.source)
				if !known {
					return Unknown
				}
				return within(have, p.port.Ports).flip(p.port.Not)
			}, seesPorts(ofBoth, p.port.Ports))
		}
	}
	if m.Status != nil {
		flow(statusTest(m.Status), seesNone)
	}
	if m.Expire != nil {
		flow(unknownTest, seesNone)
	}
	if m.Dir != "" {
		flow(func(_ *machine, st *state) Truth {
			if st.ct.state != StateNew {
				return Unknown
			}
			return truth(m.Dir == "ORIGINAL")
		}, seesNone)
	}
}

// seesNet is for a test that compares either address with a network.
func seesNet(f rules.Family, m *maskedAddr) func(*cuts) {
	if _, whole := m.hosts(f); !whole {
		return nil
	}
	return func(c *cuts) { c.net(ofBoth, m) }
}

// statusTest is --ctstatus. A new flow is neither expected, nor answered, nor
// assured; it is confirmed once it has been through.
func statusTest(w *rules.WordsMatch) holds {
	return func(_ *machine, st *state) Truth {
		if st.ct.state != StateNew {
			for _, word := range w.Words {
				if word != "NONE" {
					return Unknown
				}
			}
		}
		return truth(st.ct.confirmed && slices.Contains(w.Words, "CONFIRMED")).flip(w.Not)
	}
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
		if st.ttl == 0 || st.has&blurredTTL != 0 {
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
	if m.pkt.Has&HasTOS == 0 || st.has&blurredTOS != 0 {
		return Unknown
	}
	return truth(uint32(m.pkt.TOS)&mask == value)
}

// delivery is -m pkttype. How a frame was addressed follows from the packet's
// first destination, unless it is said.
func (m *machine) delivery(st *state, want string) Truth {
	have := m.pkt.PktType
	switch {
	case m.pkt.Local && !st.looped:
		have = "unicast"
	case have != "":
	case m.pkt.Dst.IsMulticast():
		have = "multicast"
	case m.pkt.Dst.Is6():
		have = "unicast"
	case !m.e.addrs.known:
		return Unknown
	case m.e.addrs.addrType(m.pkt.Dst, "") == "BROADCAST":
		have = "broadcast"
	default:
		have = "unicast"
	}
	return truth(have == want)
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

// clock is a Time match as numbers.
type clock struct {
	from, until           time.Time // inclusive; zero: open
	start, stop           int       // seconds of the day
	weekdays, monthdays   uint32    // bits; 0: every day
	notWeek, notMonth     bool
	contiguous, localZone bool
}

// timeTest compares the time as -m time does.
func timeTest(m rules.Time) holds {
	c := clock{stop: 24*3600 - 1}
	for _, o := range m.Options {
		if !c.take(o) {
			return unknownTest
		}
	}
	return func(mc *machine, _ *state) Truth {
		if mc.pkt.Time.IsZero() {
			return Unknown
		}
		return truth(c.holds(mc.pkt.Time))
	}
}

var weekdayNames = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

func (c *clock) take(o rules.TimeOption) bool {
	ok := true
	switch o.Name {
	case "datestart":
		c.from, ok = parseDate(o.Value)
	case "datestop":
		c.until, ok = parseDate(o.Value)
	case "timestart":
		c.start, ok = parseDaytime(o.Value)
	case "timestop":
		c.stop, ok = parseDaytime(o.Value)
	case "weekdays":
		c.notWeek = o.Not
		for day := range strings.SplitSeq(o.Value, ",") {
			i := slices.Index(weekdayNames[:], day)
			if i < 0 {
				return false
			}
			c.weekdays |= 1 << i
		}
	case "monthdays":
		c.notMonth = o.Not
		for day := range strings.SplitSeq(o.Value, ",") {
			n, err := strconv.ParseUint(day, 10, 5)
			if err != nil {
				return false
			}
			c.monthdays |= 1 << n
		}
	case "contiguous":
		c.contiguous = true
	case "kerneltz", "localtz":
		c.localZone = true
	default:
		return false
	}
	return ok
}

func parseDate(s string) (time.Time, bool) {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	return t, err == nil
}

func parseDaytime(s string) (int, bool) {
	t, err := time.Parse("15:04:05", s)
	return t.Hour()*3600 + t.Minute()*60 + t.Second(), err == nil
}

// holds compares in UTC, or in the zone of the given time where the rule wants
// the kernel's own (time_mt).
func (c *clock) holds(t time.Time) bool {
	if !c.localZone {
		t = t.UTC()
	} else {
		_, offset := t.Zone()
		t = t.UTC().Add(time.Duration(offset) * time.Second)
	}
	t = t.Truncate(time.Second)
	if !c.from.IsZero() && t.Before(c.from) || !c.until.IsZero() && t.After(c.until) {
		return false
	}
	second := t.Hour()*3600 + t.Minute()*60 + t.Second()
	if c.start < c.stop {
		if second < c.start || second > c.stop {
			return false
		}
	} else {
		if second < c.start && second > c.stop {
			return false
		}
		if c.contiguous && second <= c.stop {
			t = t.AddDate(0, 0, -1)
		}
	}
	if c.weekdays != 0 && (c.weekdays>>t.Weekday()&1 == 1) == c.notWeek {
		return false
	}
	return c.monthdays == 0 || (c.monthdays>>t.Day()&1 == 1) != c.notMonth
}
