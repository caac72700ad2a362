package flow

import (
	"strconv"
	"strings"
)

// Proto is the number of a protocol above IP (IANA assigned internet protocol
// numbers).
type Proto uint8

// The protocols that conntrack knows how to follow (nf_conntrack_l4proto); of
// any other it keeps the addresses alone.
const (
	ICMP    Proto = 1
	TCP     Proto = 6
	UDP     Proto = 17
	DCCP    Proto = 33
	GRE     Proto = 47
	ICMPv6  Proto = 58
	SCTP    Proto = 132
	UDPLite Proto = 136
)

// protoNames are the names that conntrack prints, and those of a few protocols
// that pass a gateway untracked in detail.
var protoNames = map[Proto]string{
	ICMP: "icmp", 2: "igmp", 4: "ipencap", TCP: "tcp", UDP: "udp", DCCP: "dccp", 41: "ipv6", GRE: "gre", 50: "esp", 51: "ah",
	ICMPv6: "icmpv6", 89: "ospf", 94: "ipip", 103: "pim", 112: "vrrp", SCTP: "sctp", UDPLite: "udplite",
}

// protoTexts are the names of all numbers, made once: drawing a screen asks for them often.
var protoTexts = func() (texts [256]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(i)
	}
	for p, name := range protoNames {
		texts[p] = name
	}
	return texts
}()

// String is the name, or the number where there is none.
func (p Proto) String() string { return protoTexts[p] }

// Named tells whether the protocol has a name.
func (p Proto) Named() bool { return protoNames[p] != "" }

// AppendName appends what String returns.
func (p Proto) AppendName(b []byte) []byte { return append(b, protoTexts[p]...) }

// HasPorts tells whether packets of the protocol carry ports that conntrack keeps.
func (p Proto) HasPorts() bool {
	switch p {
	case TCP, UDP, DCCP, SCTP, UDPLite:
		return true
	}
	return false
}

// IsICMP tells whether the protocol is ICMP or ICMPv6.
func (p Proto) IsICMP() bool { return p == ICMP || p == ICMPv6 }

// ParseProto reads a name, in either case, or a number from 0 to 255.
func ParseProto(s string) (Proto, bool) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		return Proto(n), true
	}
	s = strings.ToLower(s)
	switch s {
	case "ipv6-icmp", "icmp6":
		return ICMPv6, true
	}
	for p, name := range protoNames {
		if name == s {
			return p, true
		}
	}
	return 0, false
}
