package traced

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nattui/rules"
)

// TraceMessage is one thing that the kernel reports about a packet that is traced
// (nft_trace_attributes in linux/netfilter/nf_tables.h).
type TraceMessage struct {
	// ID is the kernel's number for the packet; a later one may have the same.
	ID uint32
	// ConnID is that of the flow in conntrack, where the kernel tells (Linux 6.16); 0
	// where it does not, or there is none.
	ConnID uint32
	// Mark says what the message means to whoever set the trace off.
	Mark TraceMark
	// Hop is what the packet met, unless the message is a mark.
	Hop TraceHop
	// Packet is the packet as it is here; nil where the kernel has told it already for
	// this hook.
	Packet *TracedPacket
	// Constant is what of its headers no rule of NAT or routing changes: two packets with the same are one and the same, sent
	// once; "" where its headers do not tell them apart.
	Constant string
}

// TraceMark is the meaning of the tracer's own rules.
type TraceMark uint8

// The marks.
const (
	TraceNoMark        TraceMark = iota
	TraceRequestBegins           // the packet fits the filter
	TraceReplyBegins             // the packet answers one that does
	TraceLeaves                  // the packet is past every table, on its way out
	TraceArrives                 // the packet is past every table, and this host's
	TraceHere                    // the packet as it is here; it has met nothing
	TraceNothing                 // a rule of the tracer's own that says nothing
)

// TraceHop is what a packet met: a rule, or the end of a chain.
type TraceHop struct {
	// Family, Table and Chain are the place as nft names it; ip and ip6 hold the tables
	// of iptables.
	Family, Table, Chain string
	Kind                 HopKind
	// Handle is the kernel's number of the rule, Position its place in the chain from
	// 1; 0 where the chain has changed too quickly to tell.
	Handle   uint64
	Position int
	// Verdict is accept, drop, continue, jump, goto, return, stolen, queue or repeat,
	// and To the chain of a jump.
	Verdict, To string
	// Text is the rule as nft prints it, where it is not one of iptables'.
	Text string
	// Packet is the packet as it was when it met the hop.
	Packet TracedPacket
}

// HopKind is what kind of hop it is.
type HopKind uint8

// The kinds (enum nft_trace_types).
const (
	HopRule   HopKind = iota // a rule that matched
	HopReturn                // the end of a chain that was jumped to
	HopPolicy                // the policy of a chain that the kernel calls
)

// TracedPacket is a packet at one moment of its way.
type TracedPacket struct {
	Proto rules.Protocol
	// Src and Dst have port 0 where the protocol has none; for an ICMP echo both have
	// its identifier.
	Src, Dst netip.AddrPort
	// In and Out are the interfaces; "" for this host itself, or not decided yet.
	In, Out  string
	Mark     uint32
	TTL      uint8
	Length   uint16
	TCPFlags uint8 // FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
	ICMPType uint8
	ICMPCode uint8
}

// Ends is the packet's two ends in words: 203.0.113.10:4000 > 203.0.113.1:80.
func (p *TracedPacket) Ends() string { return p.end(p.Src) + " > " + p.end(p.Dst) }

func (p *TracedPacket) end(a netip.AddrPort) string {
	switch {
	case !a.IsValid():
		return "?"
	case p.Proto.HasPorts():
		return a.String()
	}
	return a.Addr().String()
}

// String is the packet in a few words: tcp syn 203.0.113.10:4000 > 203.0.113.1:80.
func (p *TracedPacket) String() string {
	s := p.Proto.String()
	if k := p.Sort(); k != "" {
		s += " " + k
	}
	return s + " " + p.Ends()
}

// Sort says which of its protocol's packets it is: syn, syn+ack, echo-request …; "" if
// there is nothing to say.
func (p *TracedPacket) Sort() string {
	switch {
	case p.Proto == rules.TCP:
		var flags []string
		for i, name := range [...]string{"fin", "syn", "rst", "psh", "ack", "urg"} {
			if p.TCPFlags>>i&1 != 0 {
				flags = append(flags, name)
			}
		}
		return strings.Join(flags, "+")
	case p.Proto == rules.ICMP && p.ICMPType == 8, p.Proto == rules.ICMPv6 && p.ICMPType == 128:
		return "echo request"
	case p.Proto == rules.ICMP && p.ICMPType == 0, p.Proto == rules.ICMPv6 && p.ICMPType == 129:
		return "echo reply"
	case p.Proto.IsICMP():
		return "type " + strconv.Itoa(int(p.ICMPType)) + " code " + strconv.Itoa(int(p.ICMPCode))
	}
	return ""
}

// sameEnds compares where packets come from and go to.
func (p *TracedPacket) sameEnds(q *TracedPacket) bool { return p.Src == q.Src && p.Dst == q.Dst }

// begins tells that the packet is one that begins a flow.
func (p *TracedPacket) begins() bool {
	const syn, ack = 2, 16
	return p.Proto != rules.TCP || p.TCPFlags&(syn|ack) == syn
}

// Traced is a packet's whole way, as the kernel reported it. Rules that did not match
// are not reported.
type Traced struct {
	Number int       // counted from 1
	At     time.Time // when it came
	// Reply is set for an answer, ReplyTo is then the packet that it answers.
	Reply   bool
	ReplyTo int
	Hops    []TraceHop
	// First and Last are the packet as it came and as it was last seen.
	First, Last TracedPacket
	End         TraceEnd
	// Bridge is the bridge that it came by where the bridge itself has it pass through PREROUTING (br_netfilter): the
	// kernel numbers a packet by the interface that it came by, which behind that is another one; "" for others.
	Bridge string
	// Untraced is set where rules of the legacy backend apply as well, of which the kernel reports nothing here.
	Untraced bool
	// Generation is that of the rules when its way ended (rules.Ruleset.Generation).
	Generation uint32
}

// TraceEnd is what became of a traced packet.
type TraceEnd uint8

// The ends.
const (
	TraceLost      TraceEnd = iota // it was not seen any more: routing did not take it, or reports were lost
	TraceForwarded                 // out by an interface
	TraceLocal                     // to this host itself
	TraceDropped                   // by the last hop
	TraceStolen                    // taken by the last hop, to a queue for instance
)

// String is forward, local, dropped, stolen or unknown, as in the JSON output.
func (e TraceEnd) String() string {
	return [...]string{"unknown", "forward", "local", "dropped", "stolen"}[e]
}

// Translated tells whether the packet's ends were changed on its way.
func (t *Traced) Translated() bool { return !t.First.sameEnds(&t.Last) }

// Title is the packet as it came, in a line.
func (t *Traced) Title() string {
	s := t.First.String()
	if t.First.In != "" {
		s += ", arrives by " + t.First.In
	} else {
		s += ", from this host"
	}
	if t.Mark() != "" {
		s += ", mark " + t.Mark()
	}
	return s
}

// Mark is the mark it came with, "" for none.
func (t *Traced) Mark() string {
	if t.First.Mark == 0 {
		return ""
	}
	return fmt.Sprintf("0x%x", t.First.Mark)
}
