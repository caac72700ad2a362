package evaluate

import (
	"fmt"
	"strings"

	"nattui/rules"
)

// ExtHeaders are the extension headers of an IPv6 packet (RFC 8200, section 4), in
// the bits of ip6t_ipv6header.h.
type ExtHeaders uint8

// The headers that rules can ask for.
const (
	extProto ExtHeaders = 1 << iota // a transport header, which is none of them
	extNone
	extESP
	extAH
	extFrag
	extRoute
	extDst
	extHop
)

// extNames are the names that ip6tables prints and the short ones that it takes.
var extNames = []struct {
	bit         ExtHeaders
	long, short string
}{
	{extHop, "hop-by-hop", "hop"},
	{extDst, "ipv6-opts", "dst"},
	{extRoute, "ipv6-route", "route"},
	{extFrag, "ipv6-frag", "frag"},
	{extAH, "ah", "auth"},
	{extESP, "esp", "esp"},
	{extNone, "ipv6-nonxt", "none"},
	{extProto, "protocol", "prot"},
}

func extNamed(name string) (ExtHeaders, bool) {
	for _, e := range extNames {
		if e.long == name || e.short == name {
			return e.bit, true
		}
	}
	return 0, false
}

// ParseExtHeaders reads names as ip6tables' --header takes them, separated by commas. The name none
// alone stands for a packet without any.
func ParseExtHeaders(text string) (ExtHeaders, error) {
	var all ExtHeaders
	for name := range strings.SplitSeq(strings.ToLower(text), ",") {
		bit, ok := extNamed(name)
		if !ok {
			return 0, fmt.Errorf("%q is not an extension header: use hop, dst, route, frag, auth, esp or none", name)
		}
		all |= bit
	}
	return all &^ (extNone | extProto), nil
}

// extMatches are the matches that, without options, ask whether a header is there.
var extMatches = map[string]ExtHeaders{"frag": extFrag, "hbh": extHop, "dst": extDst, "rt": extRoute}

// extTest is the test of a match that looks at extension headers (ip6t_ipv6header.c,
// ip6t_frag.c and their like); false where it asks for more than which are there.
func extTest(m rules.Opaque) (holds, bool) {
	if bit, ok := extMatches[m.Name]; ok && len(m.Words) == 0 {
		return onExt(func(there ExtHeaders) bool { return there&bit != 0 }), true
	}
	if m.Name != "ipv6header" {
		return nil, false
	}
	words, soft := m.Words, false
	if n := len(words); n > 0 && words[n-1] == "--soft" {
		words, soft = words[:n-1], true
	}
	not := len(words) > 0 && words[0] == "!"
	if not {
		words = words[1:]
	}
	if len(words) != 2 || words[0] != "--header" {
		return nil, false
	}
	var want ExtHeaders
	for name := range strings.SplitSeq(words[1], ",") {
		bit, ok := extNamed(name)
		if !ok {
			return nil, false
		}
		want |= bit
	}
	return onExt(func(there ExtHeaders) bool {
		switch {
		case soft && not:
			return there&want == 0
		case soft:
			return there&want == want
		}
		return (there == want) != not
	}), true
}

// onExt asks a packet whose extension headers are said.
func onExt(ask func(ExtHeaders) bool) holds {
	return func(m *machine, _ *state) Truth {
		if m.pkt.Has&HasExt == 0 {
			return Unknown
		}
		there := m.pkt.Ext
		if there&extESP == 0 && m.pkt.Protocol != rules.ESP {
			there |= extProto
		}
		return truth(ask(there))
	}
}
