package evaluate

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"nattui/rules"
)

// Packet is a packet as it reaches this host, or as one of its programs sends
// it: what the rules can ask about it. What is not said is not known, and a
// rule that asks for it cannot be decided; where a field has a usual value for
// the first packet of a new flow, its zero value stands for that.
type Packet struct {
	Protocol rules.Protocol // IANA number
	Src, Dst netip.Addr
	// SrcPort and DstPort are for protocols with ports; 0: not known.
	SrcPort, DstPort uint16
	// ICMPType and ICMPCode count with HasICMP; an echo request otherwise.
	ICMPType, ICMPCode uint8
	ICMPID             uint16

	// In is the interface it arrives by; "" not known, or Local.
	In string
	// Out is the interface it leaves by. The routes decide that; it is asked
	// only where the host's routes are not known.
	Out string
	// Local marks a packet that a program of this host sends.
	Local bool

	// State is what connection tracking will say of it.
	State ConnState
	// Of is its connection, where that is there already (StateEstablished); nil: not known.
	Of *Connection
	// Mark is the packet's mark as it begins its way, ConnMark that of its flow.
	Mark, ConnMark uint32
	// MarkOpen and ConnMarkOpen are the bits of these that are not known.
	MarkOpen, ConnMarkOpen uint32

	TTL     uint8  // time to live or hop limit as it arrives; 0: not known
	Length  uint16 // bytes with the IP header; 0: not known
	TOS     uint8  // with HasTOS
	PktType string // unicast, broadcast or multicast; "": as its destination says
	MAC     string // Ethernet source as aa:bb:cc:dd:ee:ff; "": not known
	// UID and GID are the sending program's, with HasUID and HasGID.
	UID, GID uint32
	TCPFlags uint8 // with HasTCPFlags; SYN alone for a new flow otherwise, but with PickedUp
	// PickedUp tells that the flow may have begun in the middle of a connection (nf_conntrack_tcp_loose), so that the flags of
	// its first packet are not known.
	PickedUp bool
	Ext      ExtHeaders // with HasExt, the extension headers of an IPv6 packet
	Time     time.Time  // when it arrives; zero: not known
	Has      PacketFields
}

// PacketFields says which fields of a Packet are known whose zero is a value too.
type PacketFields uint8

// The fields that need saying.
const (
	HasICMP PacketFields = 1 << iota
	HasTOS
	HasUID
	HasGID
	HasTCPFlags
	HasExt
)

// ConnState is what connection tracking says of a packet (-m conntrack --ctstate).
type ConnState uint8

// The states. A new flow is the rule: only its first packet visits the nat table.
const (
	StateNew ConnState = iota
	StateEstablished
	StateRelated
	StateInvalid
	StateUntracked
)

var connStates = [...]string{"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"}

// String is the state as rules write it.
func (s ConnState) String() string { return connStates[s] }

// Bits of a TCP header's flags.
const (
	tcpFIN = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
	tcpURG
)

var errPacket = errors.New("no such packet")

// NewPacket is the first packet of a new flow from src to dst. The ports are 0
// for a protocol without them, or where they are not known. For ICMP the
// source's port is the echo identifier. The error says why there can be no such
// packet.
func NewPacket(protocol rules.Protocol, src, dst netip.AddrPort) (Packet, error) {
	p := Packet{Protocol: protocol, Src: src.Addr(), Dst: dst.Addr(), SrcPort: src.Port(), DstPort: dst.Port()}
	if p.isICMP() {
		p.ICMPID, p.SrcPort = p.SrcPort, 0
	}
	return p, p.Validate()
}

// Validate reports why there can be no such packet; nil if there can.
func (p *Packet) Validate() error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", errPacket, fmt.Sprintf(format, args...))
	}
	switch {
	case !p.Src.IsValid() || !p.Dst.IsValid():
		return refuse("it needs a source and a destination address")
	case p.Src.Is4() != p.Dst.Is4():
		return refuse("%s is an %s address and %s an %s address; both must be of one family",
			p.Src, rules.FamilyOf(p.Src).Title(), p.Dst, rules.FamilyOf(p.Dst).Title())
	case p.Src.Zone() != "" || p.Dst.Zone() != "":
		return refuse("give the interface separately from the address %s", p.Dst)
	case p.Protocol == 0:
		return refuse("it needs a protocol, such as tcp, udp or icmp")
	case p.Protocol == rules.ICMP && p.Src.Is6(), p.Protocol == rules.ICMPv6 && p.Src.Is4():
		return refuse("%s does not work with %s addresses", rules.ProtoName(p.Protocol), rules.FamilyOf(p.Src).Title())
	case !p.Protocol.HasPorts() && (p.SrcPort != 0 || p.DstPort != 0):
		return refuse("%s has no ports", rules.ProtoName(p.Protocol))
	case p.Src.IsMulticast():
		return refuse("%s is a multicast address and cannot be a source", p.Src)
	case p.Local && p.In != "":
		return refuse("it cannot be sent by this host and arrive by %s", p.In)
	case p.State > StateUntracked:
		return refuse("its state must be new, established, related, invalid or untracked")
	case p.Has&HasTCPFlags != 0 && p.Protocol != rules.TCP:
		return refuse("%s has no TCP flags", rules.ProtoName(p.Protocol))
	case p.Has&HasExt != 0 && p.Src.Is4():
		return refuse("only IPv6 packets have extension headers")
	case p.Has&(HasUID|HasGID) != 0 && p.In != "":
		return refuse("it arrives by %s, so no user of this host sent it", p.In)
	}
	switch p.PktType {
	case "", "unicast", "broadcast", "multicast":
		return nil
	}
	return refuse("%q is not a packet type: use unicast, broadcast or multicast", p.PktType)
}

func (p *Packet) isICMP() bool { return p.Protocol == rules.ICMP || p.Protocol == rules.ICMPv6 }

// icmp is the message's type and code.
func (p *Packet) icmp() (kind, code uint8) {
	switch {
	case p.Has&HasICMP != 0:
		return p.ICMPType, p.ICMPCode
	case p.Protocol == rules.ICMPv6:
		return 128, 0
	}
	return 8, 0
}

func (p *Packet) tcpFlags() (flags uint8, known bool) {
	switch {
	case p.Has&HasTCPFlags != 0:
		return p.TCPFlags, true
	case p.State == StateNew && !p.PickedUp:
		return tcpSYN, true
	}
	return 0, false
}

// Tuple is the packet's own direction, as connection tracking keys it.
func (p *Packet) Tuple() rules.Tuple {
	sport, dport := p.ends()
	return rules.MakeTuple(p.Protocol, netip.AddrPortFrom(p.Src, sport), netip.AddrPortFrom(p.Dst, dport))
}

// ends are the ports of the packet's tuple: for ICMP the identifier and type<<8 | code.
func (p *Packet) ends() (src, dst uint16) {
	if p.isICMP() {
		kind, code := p.icmp()
		return p.ICMPID, uint16(kind)<<8 | uint16(code)
	}
	return p.SrcPort, p.DstPort
}

// beginsFlow reports whether connection tracking makes a flow of a packet that
// belongs to none: false is invalid to it. Neighbour discovery and the like are
// never tracked (nf_conntrack_proto_{tcp,icmp,icmpv6}.c).
func (p *Packet) beginsFlow() ConnState {
	if p.State != StateNew {
		return p.State
	}
	switch p.Protocol {
	case rules.ICMP, rules.ICMPv6:
		kind, _ := p.icmp()
		if rules.ICMPBegins(p.Protocol, kind) {
			return StateNew
		}
		if p.Protocol == rules.ICMPv6 && (kind >= 130 && kind <= 137 || kind == 143) {
			return StateUntracked
		}
		return StateInvalid
	case rules.TCP:
		if p.PickedUp && p.Has&HasTCPFlags == 0 {
			return StateNew // whatever its flags were
		}
		flags, _ := p.tcpFlags()
		switch flags &^ (tcpPSH | tcpURG) {
		case tcpSYN, tcpACK: // without the handshake: picked up (nf_conntrack_tcp_loose)
			return StateNew
		}
		return StateInvalid
	}
	return StateNew
}
