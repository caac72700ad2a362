package rules

import (
	"slices"
	"strconv"
	"strings"
)

// ProtoMatch is the protocol as -p takes it: the word as printed, a name of
// /etc/protocols or a number.
type ProtoMatch struct {
	Not  bool
	Name string // "": any protocol
}

// Any reports that the protocol was not given.
func (p ProtoMatch) Any() bool { return p.Name == "" || p.Name == "all" || p.Name == "0" }

// Numbers of the protocols that nattui treats by name (IANA protocol numbers).
const (
	ICMP    = 1
	TCP     = 6
	UDP     = 17
	DCCP    = 33
	GRE     = 47
	ESP     = 50
	AH      = 51
	ICMPv6  = 58
	SCTP    = 132
	UDPLite = 136
)

// protocols are the names iptables prints without asking anybody, and those
// that /etc/protocols has everywhere.
var protocols = map[string]Protocol{
	"ip": 0, "all": 0, "icmp": ICMP, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": TCP, "egp": 8, "igp": 9, "pup": 12,
	"udp": UDP, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": DCCP, "xtp": 36, "ddp": 37, "idpr-cmtp": 38,
	"ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": GRE, "esp": ESP, "ipsec-esp": ESP,
	"ah": AH, "ipsec-ah": AH, "skip": 57, "ipv6-icmp": ICMPv6, "icmpv6": ICMPv6, "icmp6": ICMPv6, "ipv6-nonxt": 59, "ipv6-opts": 60,
	"rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89, "ospfigp": 89, "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98,
	"pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": SCTP, "fc": 133, "mobility-header": 135,
	"ipv6-mh": 135, "mh": 135, "udplite": UDPLite, "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142,
	"ethernet": 143,
}

var protocolNames = func() map[Protocol]string {
	m := map[Protocol]string{
		0: "all", ESP: "esp", AH: "ah", ICMPv6: "ipv6-icmp", 89: "ospf", 135: "mobility-header",
	}
	for name, n := range protocols {
		if _, ok := m[n]; !ok {
			m[n] = name
		}
	}
	return m
}()

// ProtoNumber returns the number of a protocol given by name or number.
func ProtoNumber(name string) (Protocol, bool) {
	if n, ok := protocols[strings.ToLower(name)]; ok {
		return n, true
	}
	n, err := strconv.ParseUint(name, 10, 8)
	return Protocol(n), err == nil
}

// ProtoName is the name of a protocol number, or the number itself.
func ProtoName(n Protocol) string {
	if name, ok := protocolNames[n]; ok {
		return name
	}
	return strconv.Itoa(int(n))
}

// Number returns the protocol's number; ok is false for a name nobody knows.
func (p ProtoMatch) Number() (n Protocol, ok bool) {
	return ProtoNumber(p.Name)
}

// HasPorts reports whether the protocol has ports that NAT can change.
func (p ProtoMatch) HasPorts() bool {
	if p.Not {
		return false
	}
	n, ok := p.Number()
	return ok && n.HasPorts()
}

// Protocol is the number of a protocol above IP (IANA assigned internet protocol
// numbers). It prints as conntrack(8) names it, which is not always iptables' name: see ProtoName.
type Protocol uint8

// trackedNames are the names that conntrack prints, and those of a few protocols
// that pass a gateway untracked in detail.
var trackedNames = map[Protocol]string{
	ICMP: "icmp", 2: "igmp", 4: "ipencap", TCP: "tcp", UDP: "udp", DCCP: "dccp", 41: "ipv6", GRE: "gre", 50: "esp", 51: "ah",
	ICMPv6: "icmpv6", 89: "ospf", 94: "ipip", 103: "pim", 112: "vrrp", SCTP: "sctp", UDPLite: "udplite",
}

// trackedTexts are the names of all numbers, made once: drawing a screen asks for them often.
var trackedTexts = func() (texts [256]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(i)
	}
	for p, name := range trackedNames {
		texts[p] = name
	}
	return texts
}()

// String is the name, or the number where there is none.
func (p Protocol) String() string { return trackedTexts[p] }

// Named tells whether the protocol has a name.
func (p Protocol) Named() bool { return trackedNames[p] != "" }

// AppendName appends what String returns.
func (p Protocol) AppendName(b []byte) []byte { return append(b, trackedTexts[p]...) }

// HasPorts tells whether packets of the protocol carry ports that NAT can change
// (net/netfilter/nf_nat_proto.c).
func (p Protocol) HasPorts() bool {
	switch p {
	case TCP, UDP, DCCP, SCTP, UDPLite:
		return true
	}
	return false
}

// IsICMP tells whether the protocol is ICMP or ICMPv6.
func (p Protocol) IsICMP() bool { return p == ICMP || p == ICMPv6 }

// ParseProtocol reads a name, in either case, or a number from 0 to 255.
func ParseProtocol(s string) (Protocol, bool) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		return Protocol(n), true
	}
	s = strings.ToLower(s)
	switch s {
	case "ipv6-icmp", "icmp6":
		return ICMPv6, true
	}
	for p, name := range trackedNames {
		if name == s {
			return p, true
		}
	}
	return 0, false
}

// ProtocolNames are the names of all protocols as Protocol prints them, by number; a number that has no name stands for itself.
func ProtocolNames() []string { return slices.Clone(trackedTexts[:]) }
