package rules

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
