package doctor

import (
	"fmt"
	"net/netip"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// nativeWay is a packet on its way through native filters, and what it is for.
type nativeWay struct {
	packet  evaluate.Packet
	to      netip.AddrPort // after the translation
	from    netip.Prefix   // the network that it is from, of a shared one
	in, out string
	src     rules.Net // that the rule is for
	port    uint16    // of the service; 0 for all that leaves
}

// nativeWayOf is a forward's packet on its way through native filters.
func (x *Examination) nativeWayOf(f *Forward) nativeWay {
	w := nativeWay{packet: f.packet, to: f.Server, in: f.Link, src: f.via.src, port: f.Server.Port()}
	if !f.local {
		if route, certain := x.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()}); certain {
			w.out = route.Out
		}
	}
	return w
}

// nativeDropper is the native rule or policy that drops a packet.
type nativeDropper struct {
	hooked, in *nft.Chain // the chain that the kernel called, and that of the rule
	rule       *nft.Rule  // nil: the policy
}

// nativeDropper is what a reference to a native rule or policy names that a packet has met.
func (x *fate) nativeDropper(by evaluate.RuleRef) (d nativeDropper, ok bool) {
	for _, v := range x.Visits {
		if v.In == nil || v.Table != by.Table {
			continue
		}
		if v.In.IsBase() {
			d.hooked = v.In
		}
		if v.RuleRef == by && v.Verdict != evaluate.No {
			d.in, d.rule = v.In, v.Native
			return d, d.hooked != nil
		}
	}
	return d, false
}

// nativeMeeting is a packet as it meets a native chain.
type nativeMeeting struct {
	src, dst   netip.AddrPort
	proto      rules.Protocol
	in, out    string // out is "" where it is not known yet
	answer     bool   // to what has begun the connection
	translated bool   // its destination, already
}

// translatesAt is the priority at which the kernel translates what arrives (NF_IP_PRI_NAT_DST).
const translatesAt = -100

// meets is the way's packet, or its answer, as it comes to a chain.
func (w *nativeWay) meets(p *evaluate.Packet, c *nft.Chain) nativeMeeting {
	m := nativeMeeting{
		src: netip.AddrPortFrom(p.Src, p.SrcPort), dst: netip.AddrPortFrom(p.Dst, p.DstPort), proto: p.Protocol,
		in: p.In, answer: p.State == evaluate.StateEstablished && (p.Of == nil || p.Of.Answers),
	}
	if c.Hook == "ingress" || c.Hook == "prerouting" && c.Priority <= translatesAt {
		return m
	}
	routed := c.Hook != "prerouting"
	if m.answer {
		if routed {
			m.out = w.in
		}
		if p.Of != nil {
			_, m.dst = p.Of.Goes()
		}
		return m
	}
	if routed {
		m.out = w.out
	}
	m.dst, m.translated = w.to, w.to != m.dst
	return m
}

// droppedNatively is what there is to say where a native rule or policy drops a packet of a way, or its answer; false
// where something else does.
func droppedNatively(x *Examination, w *nativeWay, way *fate, who, what string) (Finding, bool) {
	o, blocked := way.blocked()
	if !blocked || o.DroppedBy.Backend != rules.Native {
		return Finding{}, false
	}
	d, ok := way.nativeDropper(o.DroppedBy)
	if !ok {
		return Finding{}, false
	}
	by := "its policy"
	if d.rule != nil {
		by = fmt.Sprintf("the rule with handle %d of its chain %s", d.rule.Handle, d.in.Name)
	}
	found := Finding{
		Check: "native-drop", Severity: SeverityError, Subject: who,
		Evidence: []string{
			fmt.Sprintf("nft %s, chain %s: hook %s, policy %s", d.hooked.Table, d.hooked.Name, d.hooked.Hook, d.hooked.Policy),
			x.dropperText(o.DroppedBy),
		},
		Sentence: fmt.Sprintf("A native nft table drops %s: %s, %s. iptables does not show it, and what it drops no rule of iptables can let through.", what, d.hooked.Table, by),
	}
	m := w.meets(&way.Packet, d.hooked)
	switch {
	case !d.opened(&m, w):
		found.Sentence += " Packets come there with the addresses that they leave with: open it for those, where its rules come from, such as /etc/nftables.conf."
	case d.hooked.Table.Name != "firewalld":
		found.Commands = d.opens(&m, w)
		found.Sentence += " The commands open it until its rules are loaded again: write them to where these come from, such as /etc/nftables.conf."
	case m.answer:
		found.Sentence += " It is firewalld's, which lets answers through by itself: a rule of somebody else in its table, or one without regard to the connection's state, drops them."
	default:
		found.Commands = firewalldOpens(&m, w.from)
		found.Sentence += " It is firewalld's: let firewalld open the way, else its next reload closes it again."
	}
	return found, true
}

// forwardDropped tells of a forward's packet, or of its answer, that a native rule or policy drops, and of the list that
// would let it in.
func forwardDropped(x *Examination, f *Forward, way *fate, what string) (Finding, bool) {
	w := x.nativeWayOf(f)
	found, ok := droppedNatively(x, &w, way, ruleName(f.Rule), what)
	if !ok {
		return found, false
	}
	if set := x.listToFill(f, way); set != nil {
		found.Commands = nil
		found.Sentence, _, _ = strings.Cut(found.Sentence, " The commands open")
		found.Sentence += fmt.Sprintf(" Whom it lets in stands in its set @%s, and nobody who comes by %s is in there: add the networks of those who may, nft add element %s %s %s { … }, where its rules come from too.", set.Name, w.in, set.Table.Family, set.Table.Name, set.Name)
	}
	return found, true
}
