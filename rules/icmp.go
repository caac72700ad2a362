package rules

import (
	"strconv"
	"strings"
)

// The types of ICMP and ICMPv6 that ask and are answered: the tables invmap of
// nf_conntrack_proto_icmp.c and nf_conntrack_proto_icmpv6.c.
var (
	icmpPairs   = [...][2]uint8{{8, 0}, {13, 14}, {15, 16}, {17, 18}}
	icmpv6Pairs = [...][2]uint8{{128, 129}, {139, 140}}
)

func pairsOf(p Protocol) [][2]uint8 {
	if p == ICMPv6 {
		return icmpv6Pairs[:]
	}
	return icmpPairs[:]
}

// ICMPAnswer is the type of the message that answers one of the given type, in either direction; the type
// itself for one that is neither asked nor answered.
func ICMPAnswer(p Protocol, kind uint8) uint8 {
	for _, pair := range pairsOf(p) {
		switch kind {
		case pair[0]:
			return pair[1]
		case pair[1]:
			return pair[0]
		}
	}
	return kind
}

// ICMPBegins tells that a message of the type asks, and so begins a connection for conntrack.
func ICMPBegins(p Protocol, kind uint8) bool {
	for _, pair := range pairsOf(p) {
		if kind == pair[0] {
			return true
		}
	}
	return false
}

// ICMPType is a match on the type, and where given the code, of an ICMP
// (module icmp) or ICMPv6 (icmp6) message.
type ICMPType struct {
	V6   bool
	Not  bool
	Any  bool // "any": every type
	Type uint8
	Code *uint8
}

func (m ICMPType) Module() string {
	if m.V6 {
		return "icmp6"
	}
	return "icmp"
}

func (m ICMPType) options() []Option {
	name := "--icmp-type"
	if m.V6 {
		name = "--icmpv6-type"
	}
	text := strconv.Itoa(int(m.Type))
	if m.Any {
		text = "any"
	}
	if m.Code != nil {
		text += "/" + strconv.Itoa(int(*m.Code))
	}
	return []Option{NewOption(m.Not, name, text)}
}

func parseICMPType(module string, opts []Option) (Match, bool) {
	if len(opts) != 1 || opts[0].Name != "--icmp-type" && opts[0].Name != "--icmpv6-type" {
		return nil, false
	}
	m := ICMPType{V6: module == "icmp6", Not: opts[0].Not}
	text, _ := opts[0].single()
	if text == "any" {
		m.Any = true
		return m, true
	}
	kind, code, coded := strings.Cut(text, "/")
	n, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return nil, false
	}
	m.Type = uint8(n)
	if coded {
		n, err := strconv.ParseUint(code, 10, 8)
		if err != nil {
			return nil, false
		}
		c := uint8(n)
		m.Code = &c
	}
	return m, true
}
