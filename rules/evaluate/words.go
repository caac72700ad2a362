package evaluate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
)

// Sentence says in a line what becomes of the packet.
func (o *Outcome) Sentence(p *Packet) string {
	src, dst := o.Src.String(), o.Dst.String()
	if !p.Protocol.HasPorts() {
		src, dst = o.Src.Addr.String(), o.Dst.Addr.String()
	}
	var b strings.Builder
	switch o.Delivered {
	case Dropped:
		b.WriteString("dropped")
		switch {
		case !o.DroppedBy.IsZero():
			b.WriteString(" by " + o.DroppedBy.among(o.twins.dropped))
		case o.Why != "":
			b.WriteString(": " + o.Why)
		}
	case NoRoute:
		b.WriteString("not sent: " + o.Why)
	case Delivered:
		b.WriteString("to this host at " + dst)
	default:
		b.WriteString("out by " + cmp.Or(o.Out, "an interface that is not known") + " to " + dst)
	}
	back := p.State != StateNew // of an answer: no rule does it
	if o.DNAT && !back {
		b.WriteString(", DNAT by " + o.DNATBy.among(o.twins.dnat))
	}
	switch {
	case back && o.SNAT:
		b.WriteString(", translated back, seen as " + src)
	case back && o.DNAT:
		b.WriteString(", translated back")
	case o.SNAT && o.SNATBy.IsZero():
		b.WriteString(", seen as " + src + ", as another connection has its port")
	case o.SNAT:
		b.WriteString(", seen as " + src + " by " + o.SNATBy.among(o.twins.snat))
	case o.Delivered == Forwarded && !o.DNAT:
		b.WriteString(", not translated")
	}
	return b.String()
}

// Sentence says which packet it is and how it gets here.
func (p *Path) Sentence() string {
	text := rules.ProtoName(p.Packet.Protocol) + " " + endWords(p.Packet.Src, p.Packet.SrcPort) + " to " + endWords(p.Packet.Dst, p.Packet.DstPort)
	switch {
	case p.Assumed != "":
		text += ", " + p.Assumed
	case p.Packet.In != "":
		text += ", arrives by " + p.Packet.In
	}
	switch {
	case p.Exists && p.Packet.State != StateNew:
		text += "; it answers a connection that exists already"
	case p.Exists:
		text += "; the connection exists already, and goes as it began"
	}
	return text
}

func endWords(a netip.Addr, port uint16) string {
	if port == 0 {
		return a.String()
	}
	return netip.AddrPortFrom(a, port).String()
}

// SamplePacket is a packet that is made to meet the rule: it takes what the rule
// asks for, and plausible values for what it leaves open. It is false where the
// rule gives nothing to go by. own are addresses of this host: where the rule asks for a local destination it is one of
// them, or none where none is known.
func SamplePacket(r rules.Rule, f rules.Family, own ...netip.Addr) (proto rules.Protocol, src, dst netip.AddrPort, in string, ok bool) {
	proto = rules.TCP
	if n, known := r.Protocol.Number(); known && !r.Protocol.Any() && !r.Protocol.Not {
		proto = n
	}
	source, dest := netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("198.51.100.20")
	if f == rules.IPv6 {
		source, dest = netip.MustParseAddr("2001:db8:9::9"), netip.MustParseAddr("2001:db8:9::20")
	}
	sport, dport := uint16(40000), uint16(80)
	if !r.Source.Any() && !r.Source.Not {
		source = sampleOf(r.Source, dest)
	}
	if !r.Dest.Any() && !r.Dest.Not {
		dest = sampleOf(r.Dest, source)
	}
	if a, found := ownDest(&r, f, own); found || r.Dest.Any() && asksLocal(&r) {
		dest = a
	}
	if source == dest {
		source = source.Next()
		if !r.Source.Any() && !r.Source.Not {
			source = sampleOf(r.Source, dest)
		}
	}
	for _, m := range r.Matches {
		switch m := m.(type) {
		case rules.Transport:
			if m.Dest != nil && !m.Dest.Not {
				dport = m.Dest.Lo
			}
			if m.Source != nil && !m.Source.Not {
				sport = m.Source.Lo
			}
		case rules.Multiport:
			if len(m.List) > 0 && !m.Not && m.Side != rules.SourceSide {
				dport = m.List[0].Lo
			}
		}
	}
	if !proto.HasPorts() {
		sport, dport = 0, 0
	}
	if !r.In.Any() && !r.In.Not && !strings.HasSuffix(r.In.Name, "+") {
		in = r.In.Name
	}
	return proto, netip.AddrPortFrom(source, sport), netip.AddrPortFrom(dest, dport), in, r.Unparseable() == nil
}

// asksLocal tells that a rule asks for a destination of this host by its type.
func asksLocal(r *rules.Rule) bool {
	return slices.ContainsFunc(r.Matches, func(m rules.Match) bool {
		t, ok := m.(rules.AddrType)
		return ok && t.Dest != nil && !t.Dest.Not && slices.Contains(t.Dest.Types, "LOCAL")
	})
}

// ownDest is the first address of this host that a rule for a local destination matches.
func ownDest(r *rules.Rule, f rules.Family, own []netip.Addr) (netip.Addr, bool) {
	i := slices.IndexFunc(own, func(a netip.Addr) bool { return f.Holds(a) && (r.Dest.Any() || r.Dest.Contains(a)) })
	if i < 0 || !asksLocal(r) {
		return netip.Addr{}, false
	}
	return own[i], true
}

// sampleOf is an address of the net: the host itself, or one near the second of a network. It is not the other end where
// there is a choice: a host sends itself nothing through a gateway, while a rule for the return path names a server and
// the network that the server is in.
func sampleOf(n rules.Net, other netip.Addr) netip.Addr {
	if a, ok := n.Host(); ok {
		return a
	}
	first := n.Addr
	for _, a := range []netip.Addr{first.Next().Next(), first.Next().Next().Next(), first.Next(), first} {
		if a != other && n.Contains(a) {
			return a
		}
	}
	return first
}
