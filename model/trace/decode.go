package trace

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"nattui/model/traced"
	"nattui/rules"
)

// ctID is NFTA_TRACE_CT_ID, which Linux 6.16 has added after NFTA_TRACE_PAD.
const ctID = 18

// verdicts by the kernel's numbers (linux/netfilter.h, enum nft_verdicts).
var verdicts = map[int32]string{
	0: "drop", 1: "accept", 2: "stolen", 3: "queue", 4: "repeat",
	unix.NFT_CONTINUE: "continue", unix.NFT_BREAK: "continue", unix.NFT_JUMP: "jump", unix.NFT_GOTO: "goto", unix.NFT_RETURN: "return",
}

// verdictMask leaves the verdict of a number whose upper half may hold a queue's
// number or an error (NF_VERDICT_MASK).
const verdictMask = 0xff

var families = map[uint32]string{
	unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6", unix.NFPROTO_ARP: "arp", unix.NFPROTO_NETDEV: "netdev", unix.NFPROTO_BRIDGE: "bridge",
}

// raw is a report as it is on the wire, before interfaces have names.
type raw struct {
	traced.TraceMessage
	family                byte
	table, chain          string
	network, transport    []byte
	in, out, mark, policy uint32
	nfproto               uint32
	kind                  uint32
}

// decode reads a trace message (struct nfgenmsg, then NFTA_TRACE_…); false where it
// makes no sense. name tells what an interface is called.
func decode(b []byte, own string, name func(index uint32) string) (traced.TraceMessage, bool) {
	if len(b) < 4 {
		return traced.TraceMessage{}, false
	}
	r := raw{family: b[0]}
	each(b[4:], r.attribute)
	if r.table == "" || r.chain == "" {
		return traced.TraceMessage{}, false
	}
	m := &r.TraceMessage
	m.Hop.Family, m.Hop.Table, m.Hop.Chain = families[uint32(r.family)], r.table, r.chain
	switch r.kind {
	case unix.NFT_TRACETYPE_RULE:
		m.Hop.Kind = traced.HopRule
	case unix.NFT_TRACETYPE_RETURN:
		m.Hop.Kind = traced.HopReturn
	case unix.NFT_TRACETYPE_POLICY:
		m.Hop.Kind = traced.HopPolicy
		m.Hop.Verdict = verdicts[int32(r.policy)]
	default:
		return traced.TraceMessage{}, false
	}
	if p, ok := packetOf(r.nfproto, r.network, r.transport); ok {
		p.In, p.Out, p.Mark = name(r.in), name(r.out), r.mark
		m.Packet = &p
		m.Constant = constantOf(&p, r.network, r.transport)
	}
	// Before the policy the kernel reports a rule without a handle: none matched.
	met := m.Hop.Kind != traced.HopRule || m.Hop.Handle != 0
	switch {
	case r.table == own:
		m.Mark = markOf(r.chain, m.Hop.Kind == traced.HopRule && met)
	case !met:
		m.Mark = traced.TraceHere
	}
	return *m, true
}

// markOf is what a report about the trigger's own table means.
func markOf(chain string, matched bool) traced.TraceMark {
	switch {
	case chain == chainEndIn:
		return traced.TraceArrives
	case chain == chainEndOut:
		return traced.TraceLeaves
	case !matched:
		return traced.TraceNothing
	case chain == chainRequestIn || chain == chainRequestOut:
		return traced.TraceRequestBegins
	case chain == chainReplyIn || chain == chainReplyOut:
		return traced.TraceReplyBegins
	}
	return traced.TraceNothing
}

func (r *raw) attribute(kind uint16, v []byte) {
	switch kind {
	case unix.NFTA_TRACE_TABLE:
		r.table = textOf(v)
	case unix.NFTA_TRACE_CHAIN:
		r.chain = textOf(v)
	case unix.NFTA_TRACE_RULE_HANDLE:
		if len(v) == 8 {
			r.Hop.Handle = binary.BigEndian.Uint64(v)
		}
	case unix.NFTA_TRACE_TYPE:
		r.kind = number32(v)
	case unix.NFTA_TRACE_VERDICT:
		each(v, func(kind uint16, v []byte) {
			switch kind {
			case unix.NFTA_VERDICT_CODE:
				code := int32(number32(v))
				if code >= 0 {
					code &= verdictMask
				}
				r.Hop.Verdict = verdicts[code]
			case unix.NFTA_VERDICT_CHAIN:
				r.Hop.To = textOf(v)
			}
		})
	case unix.NFTA_TRACE_ID:
		r.ID = number32(v)
	case unix.NFTA_TRACE_NETWORK_HEADER:
		r.network = v
	case unix.NFTA_TRACE_TRANSPORT_HEADER:
		r.transport = v
	case unix.NFTA_TRACE_IIF:
		r.in = number32(v)
	case unix.NFTA_TRACE_OIF:
		r.out = number32(v)
	case unix.NFTA_TRACE_MARK:
		r.mark = number32(v)
	case unix.NFTA_TRACE_NFPROTO:
		r.nfproto = number32(v)
	case unix.NFTA_TRACE_POLICY:
		r.policy = number32(v)
	case ctID:
		r.ConnID = number32(v)
	}
}

// packetOf reads the headers; false where there are none or they are cut short.
func packetOf(nfproto uint32, network, transport []byte) (traced.TracedPacket, bool) {
	var p traced.TracedPacket
	var src, dst netip.Addr
	switch {
	case nfproto == unix.NFPROTO_IPV4 && len(network) >= 20:
		p.Proto, p.TTL, p.Length = rules.Protocol(network[9]), network[8], binary.BigEndian.Uint16(network[2:])
		src, dst = netip.AddrFrom4([4]byte(network[12:])), netip.AddrFrom4([4]byte(network[16:]))
	case nfproto == unix.NFPROTO_IPV6 && len(network) >= 40:
		p.Proto, p.TTL = rules.Protocol(network[6]), network[7]
		p.Length = uint16(min(40+int(binary.BigEndian.Uint16(network[4:])), 0xffff))
		src, dst = netip.AddrFrom16([16]byte(network[8:])), netip.AddrFrom16([16]byte(network[24:]))
	default:
		return p, false
	}
	var sport, dport uint16
	switch {
	case p.Proto.HasPorts() && len(transport) >= 4:
		sport, dport = binary.BigEndian.Uint16(transport), binary.BigEndian.Uint16(transport[2:])
		if p.Proto == rules.TCP && len(transport) >= 14 {
			p.TCPFlags = transport[13] & 0x3f
		}
	case p.Proto.IsICMP() && len(transport) >= 8:
		p.ICMPType, p.ICMPCode = transport[0], transport[1]
		if s := p.Sort(); s == "echo request" || s == "echo reply" {
			sport = binary.BigEndian.Uint16(transport[4:])
			dport = sport
		}
	}
	p.Src, p.Dst = netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)
	return p, true
}

// constantOf is what neither NAT nor forwarding changes of a packet's headers, and what tells it from others of its connection;
// "" where nothing does.
func constantOf(p *traced.TracedPacket, network, transport []byte) string {
	b := binary.BigEndian.AppendUint16([]byte{byte(p.Proto)}, p.Length)
	numbered := false
	if p.Src.Addr().Is4() {
		b = append(b, network[4:8]...) // identification, by which alone fragments may be told, and their place
		numbered = binary.BigEndian.Uint16(network[4:]) != 0
	} else {
		b = append(b, network[1]&0x0f, network[2], network[3]) // flow label
	}
	switch {
	case p.Proto == rules.TCP && len(transport) >= 14:
		b = append(b, transport[4:14]...) // sequence numbers and flags
	case p.Proto.IsICMP() && len(transport) >= 8:
		b = append(append(b, transport[:2]...), transport[4:8]...)
	case !numbered:
		return ""
	}
	return string(b)
}
