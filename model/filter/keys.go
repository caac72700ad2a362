package filter

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/model/flow"
	"nattui/rules"
)

// queryKey is a property of the filter language.
type queryKey struct {
	wants   string // what its value is, for errors and completion
	values  []string
	ordered bool // can be compared with < and >
	units   units
	known   condition // of which flows it is known; nil is all
	compile func(p *queryParser, sign string, value Word) (condition, error)
}

// orderedKeys are the properties with an order.
var orderedKeys = []string{"rate", "pps", "bytes", "packets", "age", "timeout", "mark", "zone", "id", "port", "sport", "dport"}

// part is one of the four ends of a flow's two tuples.
type part func(*flow.Flow) (addr *[16]byte, port uint16)

func origSrc(f *flow.Flow) (*[16]byte, uint16)  { return &f.Orig.Src, f.Orig.SrcPort }
func origDst(f *flow.Flow) (*[16]byte, uint16)  { return &f.Orig.Dst, f.Orig.DstPort }
func replySrc(f *flow.Flow) (*[16]byte, uint16) { return &f.Reply.Src, f.Reply.SrcPort }
func replyDst(f *flow.Flow) (*[16]byte, uint16) { return &f.Reply.Dst, f.Reply.DstPort }

const (
	wantsAddress = "an address or a network, such as 192.168.0.2 or 192.168.0.0/24"
	wantsPort    = "a port, such as 80, https, 8000-8099 or 80,443"
)

// queryKeys has every property by its name. It is filled by init, as its functions
// refer to the parser, which refers to it.
var queryKeys map[string]queryKey

func init() {
	address := func(parts ...part) queryKey {
		return queryKey{wants: wantsAddress, compile: func(_ *queryParser, sign string, v Word) (condition, error) {
			return addressTest(parts, sign, v)
		}}
	}
	port := func(parts ...part) queryKey {
		return queryKey{wants: wantsPort, ordered: true, compile: func(_ *queryParser, sign string, v Word) (condition, error) {
			return portTest(parts, sign, v)
		}}
	}
	queryKeys = map[string]queryKey{
		"src": address(origSrc, replyDst), "dst": address(origDst, replySrc),
		"host":   address(origSrc, origDst, replySrc, replyDst),
		"client": address(origSrc), "asked": address(origDst), "server": address(replySrc), "seen": address(replyDst),
		"orig src": address(origSrc), "orig dst": address(origDst), "reply src": address(replySrc), "reply dst": address(replyDst),
		"sport": port(origSrc, replyDst), "dport": port(origDst, replySrc),
		"port":       port(origSrc, origDst, replySrc, replyDst),
		"orig sport": port(origSrc), "orig dport": port(origDst), "reply sport": port(replySrc), "reply dport": port(replyDst),

		"proto": {wants: "a protocol, such as tcp", values: []string{"tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "dccp", "udplite"}, compile: protoTest},
		"state": {
			wants:   "a state, such as established",
			values:  slices.Concat([]string{"established", "assured", "unassured", "replied", "unreplied", "offload"}, slices.DeleteFunc(flow.StateNames(), func(s string) bool { return s == "established" })),
			compile: stateTest,
		},
		"nat":    {wants: "dnat, redirect, snat, masquerade, both, none or any", values: []string{"dnat", "redirect", "snat", "masquerade", "both", "none", "any"}, compile: natTest},
		"family": {wants: "ipv4 or ipv6", values: []string{"ipv4", "ipv6"}, compile: familyTest},
		"rule":   {wants: "a rule, such as 3 or PREROUTING/3, or none", values: []string{"none"}, compile: ruleTest},
		"event":  {wants: "new, update or destroy", values: []string{"new", "update", "destroy"}, compile: eventTest},

		"rate":    measured(number("a number of bytes per second, such as 1M or 8Mbit", unitRate, func(f *flow.Flow, _ int64) (float64, bool) { return float64(f.ByteRate), f.HasRate() })),
		"pps":     measured(number("a number of packets per second, such as 100", unitCount, func(f *flow.Flow, _ int64) (float64, bool) { return float64(f.PacketRate), f.HasRate() })),
		"bytes":   measured(number("a number of bytes, such as 10M", unitSize, func(f *flow.Flow, _ int64) (float64, bool) { return float64(f.Bytes()), f.Counts() })),
		"packets": measured(number("a number of packets, such as 10k", unitCount, func(f *flow.Flow, _ int64) (float64, bool) { return float64(f.Packets()), f.Counts() })),
		"age": number("a time, such as 5m", unitTime, func(f *flow.Flow, now int64) (float64, bool) {
			return f.Age(now).Seconds(), true
		}),
		"timeout": number("a time, such as 30s", unitTime, func(f *flow.Flow, now int64) (float64, bool) { return float64(f.Remaining(now)), true }),
		"zone":    number("a number, such as 1", unitNone, func(f *flow.Flow, _ int64) (float64, bool) { return float64(f.Zone), true }),
		"id":      number("a number, such as 1234", unitNone, func(f *flow.Flow, _ int64) (float64, bool) { return float64(f.ID), true }),
		"mark":    {wants: "a number or number/mask, such as 0x10 or 0x10/0xff", ordered: true, compile: markTest},
	}
}

// addressTest compiles a list of addresses, networks and ranges, each with a port or without.
func addressTest(parts []part, sign string, v Word) (condition, error) {
	var spans []span
	for _, item := range strings.Split(v.Text, ",") {
		s, ok := spanOf(item)
		if !ok {
			if n, begun := networkOf(item + "."); begun {
				return nil, v.NotAddress("for all that begin with it, use %v", n)
			}
			if why := rules.WrongPort(item); why != "" {
				return nil, v.Problem("%s", why)
			}
			return nil, v.NotAddress("use %s", wantsAddress)
		}
		spans = append(spans, s)
	}
	test := func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
		for _, part := range parts {
			a, port := part(f)
			for i := range spans {
				if s := &spans[i]; s.has(f.Orig.Family, a) && (s.port < 0 || s.port == int(port) && f.Orig.Proto.HasPorts()) {
					return true
				}
			}
		}
		return false
	}
	return signed(sign, test), nil
}

// span is a range of addresses of one family, with one port or with any (-1).
type span struct {
	family              rules.Family
	port                int
	fromHigh, fromLow   uint64
	untilHigh, untilLow uint64
}

func (s *span) has(family rules.Family, a *[16]byte) bool {
	if family != s.family {
		return false
	}
	high, low := rules.AddrHalves(a)
	return (high > s.fromHigh || high == s.fromHigh && low >= s.fromLow) &&
		(high < s.untilHigh || high == s.untilHigh && low <= s.untilLow)
}

// spanOf reads addresses, or one with a port.
func spanOf(text string) (span, bool) {
	if s, ok := parseSpan(text); ok {
		return s, true
	}
	end, err := netip.ParseAddrPort(text)
	if err != nil || end.Addr().Zone() != "" {
		return span{}, false
	}
	s := makeSpan(end.Addr(), end.Addr())
	s.port = int(end.Port())
	return s, true
}

// parseSpan reads an address, a network in which host bits may be set, one whose end is a star, or a range.
func parseSpan(text string) (span, bool) {
	text = strings.Trim(text, "[]")
	if first, last, ok := strings.Cut(text, "-"); ok {
		a, err1 := netip.ParseAddr(first)
		b, err2 := netip.ParseAddr(last)
		return makeSpan(a, b), err1 == nil && err2 == nil && a.BitLen() == b.BitLen() && !b.Less(a) && a.Zone()+b.Zone() == ""
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return makeSpan(a, a), a.Zone() == ""
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		var ok bool
		if n, ok = networkOf(strings.TrimRight(text, ".*") + "."); !ok || !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, ".*") {
			return span{}, false
		}
	}
	first := n.Masked().Addr()
	last := first.As16()
	bits := n.Bits()
	if first.Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	end := netip.AddrFrom16(last)
	if first.Is4() {
		end = end.Unmap()
	}
	return makeSpan(first, end), true
}

// networkOf is the network of all IPv4 addresses that begin with one to three numbers, each with a dot
// behind it.
func networkOf(text string) (netip.Prefix, bool) {
	numbers := strings.Count(text, ".")
	if numbers < 1 || numbers > 3 {
		return netip.Prefix{}, false
	}
	a, err := netip.ParseAddr(text + strings.Repeat("0.", 3-numbers) + "0")
	return netip.PrefixFrom(a, 8*numbers), err == nil
}

func makeSpan(first, last netip.Addr) span {
	first, last = first.Unmap(), last.Unmap()
	s := span{family: rules.IPv4, port: -1}
	if first.Is6() {
		s.family = rules.IPv6
	}
	a, b := first.As16(), last.As16()
	s.fromHigh, s.fromLow = rules.AddrHalves(&a)
	s.untilHigh, s.untilLow = rules.AddrHalves(&b)
	return s
}

// signed turns a test around for !=.
func signed(sign string, test condition) condition {
	if sign != "!=" {
		return test
	}
	return func(f *flow.Flow, now int64, kind flow.MessageKind) bool { return !test(f, now, kind) }
}

func protoTest(_ *queryParser, sign string, v Word) (condition, error) {
	var want [256]bool
	for _, name := range strings.Split(v.Text, ",") {
		p, ok := rules.ParseProtocol(name)
		if !ok {
			return nil, v.Problem("is not a protocol; use tcp, udp, icmp, icmpv6, sctp, gre … or a number up to 255")
		}
		want[p] = true
	}
	return signed(sign, func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return want[f.Orig.Proto] }), nil
}

// stateTest compiles a list of states.
func stateTest(_ *queryParser, sign string, v Word) (condition, error) {
	return listTest(sign, v, stateOf, "is not a state; use established, syn_sent …, assured, replied, unreplied or offload")
}

// listTest compiles a list of which one must hold; of reads an entry of it.
func listTest(sign string, v Word, of func(name string) condition, problem string) (condition, error) {
	var tests []condition
	for _, name := range strings.Split(v.Text, ",") {
		test := of(strings.ToLower(name))
		if test == nil {
			return nil, v.Problem("%s", problem)
		}
		tests = append(tests, test)
	}
	return signed(sign, anyOf(tests)), nil
}

// states that are bits of a flow's status rather than steps of its protocol.
var statusStates = map[string]struct {
	bits flow.Status
	set  bool
}{
	"assured": {flow.StatusAssured, true}, "unassured": {flow.StatusAssured, false},
	"replied": {flow.StatusSeenReply, true}, "unreplied": {flow.StatusSeenReply, false},
	"offload": {flow.StatusOffloaded | flow.StatusHWOffloaded, true}, "offloaded": {flow.StatusOffloaded | flow.StatusHWOffloaded, true},
}

// stateOf is the condition of one state, which may be shortened as long as it is the beginning of one; nil
// for what is none. Hyphens and underscores make no difference.
func stateOf(name string) condition {
	if s, ok := statusStates[name]; ok {
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Status&s.bits != 0 == s.set }
	}
	plain := strings.NewReplacer("_", "", "-", "")
	name = plain.Replace(name)
	var want [256][16]bool
	found := false
	for _, p := range []rules.Protocol{rules.TCP, rules.SCTP, rules.DCCP} {
		exact := slices.IndexFunc(flow.States(p), func(n string) bool { return strings.EqualFold(plain.Replace(n), name) })
		for i, n := range flow.States(p) {
			if i == exact || exact < 0 && strings.HasPrefix(strings.ToLower(plain.Replace(n)), name) {
				want[p][i], found = true, true
			}
		}
	}
	if !found || name == "" {
		return nil
	}
	return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return want[f.Orig.Proto][f.State&15] }
}

func natTest(_ *queryParser, sign string, v Word) (condition, error) {
	return listTest(sign, v, natOf, "is not a kind of NAT; use dnat, redirect, snat, masquerade, both, none or any")
}

// natOf is the condition of one kind of translation, nil for what is none.
func natOf(name string) condition {
	switch name {
	case "dnat", "redirect":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.NAT()&flow.NATDst != 0 }
	case "snat", "masquerade":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.NAT()&flow.NATSrc != 0 }
	case "both":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.NAT() == flow.NATBoth }
	case "none", "no":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.NAT() == flow.NATNone }
	case "any", "yes":
		return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.NAT() != flow.NATNone }
	}
	return nil
}

func eventTest(p *queryParser, sign string, v Word) (condition, error) {
	of := func(name string) condition {
		var want flow.MessageKind
		switch name {
		case "new", "begin", "begun":
			want = flow.EventNew
		case "update", "updated", "change", "changed":
			want = flow.EventUpdate
		case "destroy", "destroyed", "end", "ended":
			want = flow.EventDestroy
		default:
			return nil
		}
		return func(_ *flow.Flow, _ int64, kind flow.MessageKind) bool { return kind == want }
	}
	return listTest(sign, v, of, "is not an event; use new, update or destroy")
}

func familyTest(_ *queryParser, sign string, v Word) (condition, error) {
	want, err := rules.ParseFamily(strings.ToLower(v.Text))
	if err != nil {
		return nil, v.Problem("is not a family; use ipv4 or ipv6")
	}
	return signed(sign, func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Orig.Family == want }), nil
}

func ruleTest(p *queryParser, sign string, v Word) (condition, error) {
	if p.rules == nil {
		if v.Is("none") {
			return signed(sign, func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Rule == 0 }), nil
		}
		n, err := strconv.ParseUint(v.Text, 10, 32)
		if err != nil {
			return nil, v.Problem("is not a rule; use a number or none")
		}
		return signed(sign, func(f *flow.Flow, _ int64, _ flow.MessageKind) bool { return f.Rule == uint32(n) }), nil
	}
	match, err := p.rules(v.Text)
	if err != nil {
		return nil, v.Problem("%v", err)
	}
	want := sign != "!="
	p.known = func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
		_, known := match(f)
		return known
	}
	return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
		meant, known := match(f)
		return known && meant == want
	}, nil
}

func markTest(_ *queryParser, sign string, v Word) (condition, error) {
	text, maskText, masked := strings.Cut(v.Text, "/")
	value, err := strconv.ParseUint(text, 0, 32)
	mask := uint64(math.MaxUint32)
	if err == nil && masked {
		mask, err = strconv.ParseUint(maskText, 0, 32)
	}
	if err != nil {
		return nil, v.Problem("is not a mark; use a number such as 16 or 0x10, or one with a mask such as 0x10/0xff")
	}
	return func(f *flow.Flow, _ int64, _ flow.MessageKind) bool {
		return holds(sign, cmp.Compare(uint64(f.Mark)&mask, value))
	}, nil
}
