package model

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// queryKey is a property of the filter language.
type queryKey struct {
	wants   string // what its value is, for errors and completion
	values  []string
	ordered bool // can be compared with < and >
	compile func(p *queryParser, sign string, value word) (condition, error)
}

// orderedKeys are the properties with an order.
var orderedKeys = []string{"rate", "pps", "bytes", "packets", "age", "timeout", "mark", "zone", "id", "port", "sport", "dport"}

// part is one of the four ends of a flow's two tuples.
type part func(*Flow) (addr *[16]byte, port uint16)

func origSrc(f *Flow) (*[16]byte, uint16)  { return &f.Orig.Src, f.Orig.SrcPort }
func origDst(f *Flow) (*[16]byte, uint16)  { return &f.Orig.Dst, f.Orig.DstPort }
func replySrc(f *Flow) (*[16]byte, uint16) { return &f.Reply.Src, f.Reply.SrcPort }
func replyDst(f *Flow) (*[16]byte, uint16) { return &f.Reply.Dst, f.Reply.DstPort }

const (
	wantsAddress = "an address or a network, such as 192.168.0.2 or 192.168.0.0/24"
	wantsPort    = "a port, such as 80, 8000-8099 or 80,443"
)

// queryKeys has every property by its name. It is filled by init, as its functions
// refer to the parser, which refers to it.
var queryKeys map[string]queryKey

func init() {
	address := func(parts ...part) queryKey {
		return queryKey{wants: wantsAddress, compile: func(_ *queryParser, sign string, v word) (condition, error) {
			return addressTest(parts, sign, v)
		}}
	}
	port := func(parts ...part) queryKey {
		return queryKey{wants: wantsPort, ordered: true, compile: func(_ *queryParser, sign string, v word) (condition, error) {
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
			values:  slices.Concat([]string{"established", "assured", "unassured", "replied", "unreplied", "offload"}, slices.DeleteFunc(slices.Clone(stateNames), func(s string) bool { return s == "established" })),
			compile: stateTest,
		},
		"nat":    {wants: "dnat, snat, both, none or any", values: []string{"dnat", "snat", "both", "none", "any"}, compile: natTest},
		"family": {wants: "ipv4 or ipv6", values: []string{"ipv4", "ipv6"}, compile: familyTest},
		"rule":   {wants: "a rule, such as 3, or none", values: []string{"none"}, compile: ruleTest},

		"rate":    number("bytes a second, such as 1M", unitSize, func(f *Flow, _ int64) (float64, bool) { return float64(f.ByteRate), f.HasRate() }),
		"pps":     number("packets a second, such as 100", unitSize, func(f *Flow, _ int64) (float64, bool) { return float64(f.PacketRate), f.HasRate() }),
		"bytes":   number("bytes, such as 10M", unitSize, func(f *Flow, _ int64) (float64, bool) { return float64(f.Bytes()), f.Counts() }),
		"packets": number("packets, such as 10k", unitSize, func(f *Flow, _ int64) (float64, bool) { return float64(f.Packets()), f.Counts() }),
		"age": number("a time, such as 5m", unitTime, func(f *Flow, now int64) (float64, bool) {
			return f.Age(now).Seconds(), true
		}),
		"timeout": number("a time, such as 30s", unitTime, func(f *Flow, now int64) (float64, bool) { return float64(f.Remaining(now)), true }),
		"zone":    number("a number, such as 1", unitNone, func(f *Flow, _ int64) (float64, bool) { return float64(f.Zone), true }),
		"id":      number("a number, such as 1234", unitNone, func(f *Flow, _ int64) (float64, bool) { return float64(f.ID), true }),
		"mark":    {wants: "a number or number/mask, such as 0x10 or 0x10/0xff", ordered: true, compile: markTest},
	}
}

// addressTest compiles a list of addresses, networks and ranges.
func addressTest(parts []part, sign string, v word) (condition, error) {
	var spans []span
	for _, item := range strings.Split(v.text, ",") {
		s, ok := parseSpan(item)
		if !ok {
			return nil, v.problem("is no address; right would be %s", wantsAddress)
		}
		spans = append(spans, s)
	}
	test := func(f *Flow, _ int64) bool {
		for _, part := range parts {
			a, _ := part(f)
			for i := range spans {
				if spans[i].has(f.Orig.Family, a) {
					return true
				}
			}
		}
		return false
	}
	return signed(sign, test), nil
}

// span is a range of addresses of one family.
type span struct {
	family              Family
	fromHigh, fromLow   uint64
	untilHigh, untilLow uint64
}

func (s *span) has(family Family, a *[16]byte) bool {
	if family != s.family {
		return false
	}
	high, low := words(a)
	return (high > s.fromHigh || high == s.fromHigh && low >= s.fromLow) &&
		(high < s.untilHigh || high == s.untilHigh && low <= s.untilLow)
}

// parseSpan reads an address, a network in which host bits may be set, or a range.
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
		return span{}, false
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

func makeSpan(first, last netip.Addr) span {
	s := span{family: IPv4}
	if first.Is6() {
		s.family = IPv6
	}
	a, b := first.As16(), last.As16()
	s.fromHigh, s.fromLow = words(&a)
	s.untilHigh, s.untilLow = words(&b)
	return s
}

// portTest compiles a list of ports and ranges, or a comparison.
func portTest(parts []part, sign string, v word) (condition, error) {
	type ports struct{ from, to uint16 }
	var list []ports
	for _, item := range strings.Split(v.text, ",") {
		first, last, ranged := strings.Cut(item, "-")
		if !ranged {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || b < a {
			return nil, v.problem("is no port; right would be %s", wantsPort)
		}
		list = append(list, ports{uint16(a), uint16(b)})
	}
	switch ordered := sign == "<" || sign == "<=" || sign == ">" || sign == ">="; {
	case ordered && (len(list) > 1 || list[0].from != list[0].to):
		return nil, v.problem("%s needs one port", sign)
	case ordered:
		n := list[0].from
		switch {
		case sign == "<" && n == 0, sign == ">" && n == math.MaxUint16:
			return func(*Flow, int64) bool { return false }, nil
		case sign == "<":
			list[0] = ports{0, n - 1}
		case sign == "<=":
			list[0] = ports{0, n}
		case sign == ">":
			list[0] = ports{n + 1, math.MaxUint16}
		default:
			list[0] = ports{n, math.MaxUint16}
		}
	}
	test := func(f *Flow, _ int64) bool {
		if !f.Orig.Proto.HasPorts() {
			return false
		}
		for _, part := range parts {
			_, port := part(f)
			for _, p := range list {
				if port >= p.from && port <= p.to {
					return true
				}
			}
		}
		return false
	}
	return signed(sign, test), nil
}

// signed turns a test around for !=.
func signed(sign string, test condition) condition {
	if sign != "!=" {
		return test
	}
	return func(f *Flow, now int64) bool { return !test(f, now) }
}

func protoTest(_ *queryParser, sign string, v word) (condition, error) {
	var want [256]bool
	for _, name := range strings.Split(v.text, ",") {
		p, ok := ParseProto(name)
		if !ok {
			return nil, v.problem("is no protocol; right would be tcp, udp, icmp, icmpv6, sctp, gre … or a number up to 255")
		}
		want[p] = true
	}
	return signed(sign, func(f *Flow, _ int64) bool { return want[f.Orig.Proto] }), nil
}

// stateTest compiles a state, which may be shortened as long as it is the beginning of one.
func stateTest(_ *queryParser, sign string, v word) (condition, error) {
	name := strings.ReplaceAll(strings.ToLower(v.text), "-", "_")
	bit := func(s Status, want bool) (condition, error) {
		return signed(sign, func(f *Flow, _ int64) bool { return f.Status&s != 0 == want }), nil
	}
	switch name {
	case "assured":
		return bit(StatusAssured, true)
	case "unassured":
		return bit(StatusAssured, false)
	case "replied":
		return bit(StatusSeenReply, true)
	case "unreplied":
		return bit(StatusSeenReply, false)
	case "offload", "offloaded":
		return bit(StatusOffloaded|StatusHWOffloaded, true)
	}
	var want [256][16]bool
	found := false
	for _, p := range []Proto{TCP, SCTP, DCCP} {
		names := statesOf(p)
		exact := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		for i, n := range names {
			if i == exact || exact < 0 && strings.HasPrefix(strings.ToLower(n), name) {
				want[p][i], found = true, true
			}
		}
	}
	if !found {
		return nil, v.problem("is no state; right would be one of %s", strings.Join(queryKeys["state"].values, ", "))
	}
	return signed(sign, func(f *Flow, _ int64) bool { return want[f.Orig.Proto][f.State&15] }), nil
}

func natTest(_ *queryParser, sign string, v word) (condition, error) {
	var test condition
	switch strings.ToLower(v.text) {
	case "dnat", "redirect":
		test = func(f *Flow, _ int64) bool { return f.NAT()&NATDst != 0 }
	case "snat", "masquerade":
		test = func(f *Flow, _ int64) bool { return f.NAT()&NATSrc != 0 }
	case "both":
		test = func(f *Flow, _ int64) bool { return f.NAT() == NATBoth }
	case "none", "no":
		test = func(f *Flow, _ int64) bool { return f.NAT() == NATNone }
	case "any", "yes":
		test = func(f *Flow, _ int64) bool { return f.NAT() != NATNone }
	default:
		return nil, v.problem("is no kind of translation; right would be dnat, snat, both, none or any")
	}
	return signed(sign, test), nil
}

func familyTest(_ *queryParser, sign string, v word) (condition, error) {
	var want Family
	switch strings.ToLower(v.text) {
	case "ipv4", "4", "ip4", "inet":
		want = IPv4
	case "ipv6", "6", "ip6", "inet6":
		want = IPv6
	default:
		return nil, v.problem("is no family; right would be ipv4 or ipv6")
	}
	return signed(sign, func(f *Flow, _ int64) bool { return f.Orig.Family == want }), nil
}

func ruleTest(p *queryParser, sign string, v word) (condition, error) {
	if p.rules == nil {
		if v.is("none") {
			return signed(sign, func(f *Flow, _ int64) bool { return f.Rule == 0 }), nil
		}
		n, err := strconv.ParseUint(v.text, 10, 32)
		if err != nil {
			return nil, v.problem("is no rule; right would be a number or none")
		}
		return signed(sign, func(f *Flow, _ int64) bool { return f.Rule == uint32(n) }), nil
	}
	match, err := p.rules(v.text)
	if err != nil {
		return nil, v.problem("%v", err)
	}
	return signed(sign, func(f *Flow, _ int64) bool { return f.Rule != 0 && match(f.Rule) }), nil
}

func markTest(_ *queryParser, sign string, v word) (condition, error) {
	text, maskText, masked := strings.Cut(v.text, "/")
	value, err := strconv.ParseUint(text, 0, 32)
	mask := uint64(math.MaxUint32)
	if err == nil && masked {
		mask, err = strconv.ParseUint(maskText, 0, 32)
	}
	if err != nil {
		return nil, v.problem("is no mark; right would be a number such as 16 or 0x10, or one with a mask such as 0x10/0xff")
	}
	return func(f *Flow, _ int64) bool { return holds(sign, cmp.Compare(uint64(f.Mark)&mask, value)) }, nil
}

// units of numbers in the filter language.
type units map[byte]float64

var (
	unitNone units
	unitSize = units{'k': 1e3, 'm': 1e6, 'g': 1e9, 't': 1e12}
	unitTime = units{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
)

// number is a property that is compared with a number. A flow that does not have
// it passes no comparison.
func number(wants string, u units, get func(f *Flow, now int64) (float64, bool)) queryKey {
	return queryKey{wants: wants, ordered: true, compile: func(_ *queryParser, sign string, v word) (condition, error) {
		want, ok := parseNumber(v.text, u)
		if !ok {
			return nil, v.problem("is no number; right would be %s", wants)
		}
		return func(f *Flow, now int64) bool {
			n, known := get(f, now)
			return known && holds(sign, cmp.Compare(n, want))
		}, nil
	}}
}

// parseNumber reads a number with an optional unit; times may be written as 1h30m too.
func parseNumber(text string, u units) (float64, bool) {
	if text == "" {
		return 0, false
	}
	scale := 1.0
	number := text
	if by, ok := u[text[len(text)-1]|0x20]; ok {
		scale, number = by, text[:len(text)-1]
	}
	if n, err := strconv.ParseFloat(number, 64); err == nil && n >= 0 && !math.IsInf(n, 0) && !math.IsNaN(n) {
		return n * scale, true
	}
	if u['h'] != 0 {
		if d, err := time.ParseDuration(text); err == nil && d >= 0 {
			return d.Seconds(), true
		}
	}
	return 0, false
}

// holds tells whether a comparison that came out as c is what the sign asks for.
func holds(sign string, c int) bool {
	switch sign {
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return c == 0
}
