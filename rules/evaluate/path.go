package evaluate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
)

// Path is a packet's way through the tables: what it met and what becomes of it.
type Path struct {
	Packet Packet
	// Assumed says what was taken for granted because the packet did not say it:
	// by which interface it arrives.
	Assumed string
	// Exists is set by who knows that the packet's connection exists already, so that no rule of nat is asked.
	Exists bool
	// Visits are the rules the packet meets, in the order of the hooks. Where the way divides
	// because a match cannot be known, or which of two chains is asked first, the visits of every branch
	// at a hook follow one another, each rule once.
	Visits []Visit
	// Outcomes is what may become of the packet, one where that is certain.
	Outcomes []Outcome
	// Certain is set if there is just one outcome, down to the port.
	Certain bool
	// Doubts name what the outcome hangs on, if it is not certain.
	Doubts []Doubt
	// Incomplete is set where even Outcomes is not all: a target that nattui does
	// not know, rules it cannot see, or more branches than it follows.
	Incomplete bool
}

// Visit is a packet meeting a rule, or the end of a chain the kernel calls.
type Visit struct {
	RuleRef
	Rule    *rules.Rule // nil: the chain's policy, or a native rule
	Native  *nft.Rule   // nil: the chain's policy, or a rule of iptables
	In      *nft.Chain  // that of a native rule or policy
	Verdict Truth
	Unknown string // the match that cannot be decided, where Verdict is Unknown
	links   nft.Links
	stage   stage
	looped  bool // after it came back by the loopback
	twin    bool // both backends have rules in the table
}

// Text is the rule as its program prints it; policy for the end of a chain.
func (v *Visit) Text() string {
	switch {
	case v.Native != nil:
		return v.Native.Text(v.In, v.links)
	case v.Rule != nil:
		return v.Rule.String()
	}
	return "policy"
}

// IsPolicy tells that it is the end of a chain that the kernel calls.
func (v *Visit) IsPolicy() bool { return v.Rule == nil && v.Native == nil }

// RuleRef names a rule by its place; Position 0 is the chain's policy, and the
// zero RuleRef no rule at all.
type RuleRef struct {
	rules.Variant
	// Table is the name of the table, of a native one with its family before it, as in inet filter.
	Table, Chain string
	Position     int    // from 1
	Handle       uint64 // of a native rule, which keeps it as long as it is there
}

// IsZero reports that no rule is meant.
func (r RuleRef) IsZero() bool { return r.Chain == "" }

// String is the reference as people write it: nat PREROUTING 3.
func (r RuleRef) String() string {
	switch {
	case r.IsZero():
		return "no rule"
	case r.Position == 0:
		return r.Table + " " + r.Chain + " policy"
	}
	return fmt.Sprintf("%s %s %d", r.Table, r.Chain, r.Position)
}

// Doubt is a reason why an outcome is not certain.
type Doubt struct {
	RuleRef        // the rule, if it is one that leaves it open
	What    string // the match, the target, or what else is not known
	twin    bool   // both backends have rules in the table
}

// String says the doubt in a few words.
func (d Doubt) String() string {
	if d.IsZero() {
		return d.What
	}
	return d.among(d.twin) + ": " + d.What
}

// Open leaves the path open for something that the evaluator was not told of.
func (p *Path) Open(what string) {
	p.Certain, p.Incomplete = false, true
	p.Doubts = append(slices.Clip(p.Doubts), Doubt{What: what})
}

// Delivery is what becomes of a packet.
type Delivery uint8

// The four ends of a packet's way.
const (
	Forwarded Delivery = iota // out by an interface
	Delivered                 // to this host itself
	Dropped
	NoRoute
)

var deliveries = [...]string{"forward", "local", "dropped", "no-route"}

// String is forward, local, dropped or no-route, as in the JSON output.
func (d Delivery) String() string { return deliveries[d] }

// Endpoint is an address and the ports it may be with.
type Endpoint struct {
	Addr netip.Addr // invalid: not known
	// Ports has one port where it is certain, 0 for protocols without ports, and
	// for ICMP the identifier (source) and type<<8 | code (destination).
	Ports rules.Ports
}

// Certain reports that the endpoint is one address and one port.
func (e Endpoint) Certain() bool { return e.Addr.IsValid() && e.Ports.Single() }

// AddrPort is the endpoint with the lowest of its ports.
func (e Endpoint) AddrPort() netip.AddrPort { return netip.AddrPortFrom(e.Addr, e.Ports.Lo) }

// Holds reports whether the endpoint may be this one.
func (e Endpoint) Holds(a netip.AddrPort) bool {
	return (!e.Addr.IsValid() || e.Addr == a.Addr()) && e.Ports.Contains(a.Port())
}

// String is the endpoint as text: 192.0.2.1:80, [2001:db8::1]:1024-65535, ?:80.
func (e Endpoint) String() string {
	var b strings.Builder
	switch {
	case !e.Addr.IsValid():
		b.WriteByte('?')
	case e.Addr.Is6() && e.Ports != (rules.Ports{}):
		b.WriteString("[" + e.Addr.String() + "]")
	default:
		b.WriteString(e.Addr.String())
	}
	if e.Ports != (rules.Ports{}) {
		b.WriteString(":" + e.Ports.Text("-"))
	}
	return b.String()
}

// Outcome is one thing that may become of a packet.
type Outcome struct {
	Delivered Delivery
	// Src and Dst are the packet's as it ends its way: what the receiver sees.
	Src, Dst Endpoint
	// SNAT and DNAT tell whether its flow is translated.
	SNAT, DNAT bool
	// In and Out are the interfaces; "" for this host itself, or not known.
	In, Out string
	// DNATBy and SNATBy are the rules that translated, DroppedBy the rule or
	// policy that dropped.
	DNATBy, SNATBy, DroppedBy RuleRef
	// Tracked is set if connection tracking keeps a flow of it. Without a rule that
	// needs it there is no tracking.
	Tracked bool
	// Zoned is set if a rule puts it into a zone of connection tracking: what is not in that zone does not know its flow.
	Zoned bool
	// TTL is the packet's as it leaves, where it is known because it was given or a rule sets it; else 0. A packet that
	// leaves with 1 ends at the next router.
	TTL uint8
	// ConnMark is the mark that its connection has then, but for the bits of ConnMarkOpen, which are not known.
	ConnMark, ConnMarkOpen uint32
	// Why says what ended the packet's way, where no rule did.
	Why   string
	twins twins
}

// NAT is none, snat, dnat or both, as in the JSON output.
func (o *Outcome) NAT() string {
	switch {
	case o.SNAT && o.DNAT:
		return "both"
	case o.SNAT:
		return "snat"
	case o.DNAT:
		return "dnat"
	}
	return "none"
}

// Matches reports whether the outcome is a flow whose replies come from src to
// dst, in the terms of rules.Tuple.
func (o *Outcome) Matches(src, dst netip.AddrPort) bool {
	return o.Tracked && o.Src.Holds(src) && o.Dst.Holds(dst)
}

// sameOutcome compares what matters to a packet: where it goes and as what. Of a
// packet that ends without a flow nothing else is left to matter.
func (o *Outcome) sameOutcome(p *Outcome) bool {
	if o.Delivered != p.Delivered || o.Tracked != p.Tracked {
		return false
	}
	if !o.Tracked && o.Delivered == Dropped {
		return true
	}
	return o.Src == p.Src && o.Dst == p.Dst && o.SNAT == p.SNAT && o.DNAT == p.DNAT && o.Out == p.Out
}

// blur leaves of the connection's mark only the bits that it also has where its mark may be another one.
func (o *Outcome) blur(mark, open uint32) {
	o.ConnMarkOpen |= open | (o.ConnMark^mark)&^open
	o.ConnMark &^= o.ConnMarkOpen
}
