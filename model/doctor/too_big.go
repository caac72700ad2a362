package doctor

import (
	"fmt"
	"net/netip"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Where a packet does not fit through the link that it is to leave by, this host tells its sender how large it may be (path
// MTU discovery, RFC 1191 and RFC 8201). Filter rules for what this host itself sends see that message: where they drop it,
// connections come up, and hang with the first large packet.

// tooBig is the message that tells a sender of packets which come by one link and do not fit through another.
type tooBig struct {
	packet   evaluate.Packet
	from, to *facts.Link
	by       evaluate.RuleRef // that drops it
}

// Types of ICMP by which senders hear of it, with the code that IPv4 asks for.
const (
	unreachable4, fragmentationNeeded = 3, 4
	packetTooBig                      = 2
)

// checkTooBig tells of rules that drop what this host says of packets that are too large for the way out.
func checkTooBig(x *Examination) (list []Finding) {
	told := map[evaluate.RuleRef]bool{}
	for _, family := range rules.Families {
		for i := range x.Links {
			for j := range x.Links {
				m, ok := x.tooBig(&x.Links[i], &x.Links[j], family)
				if !ok {
					continue
				}
				if found := tooBigDropped(x, &m); found.Check != "" && !told[m.by] {
					told[m.by] = true
					list = append(list, found)
				}
				break // the message is the same whichever the way out
			}
		}
	}
	return list
}

// tooBigFor tells that of the links of a forward and of its answers.
func tooBigFor(x *Examination, f *Forward) Finding {
	route, certain := x.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	outer, ok := x.LinkNamed(f.Link)
	inner, known := x.LinkNamed(route.Out)
	if f.local || !certain || !ok || !known {
		return Finding{}
	}
	for _, way := range [][2]*facts.Link{{&outer, &inner}, {&inner, &outer}} {
		if m, ok := x.tooBig(way[0], way[1], f.Rule.Family); ok {
			if found := tooBigDropped(x, &m); found.Check != "" {
				return found
			}
		}
	}
	return Finding{}
}

// tooBig is the message for what comes by one link and does not fit through another; false where nothing comes and goes so.
func (t *trial) tooBig(from, to *facts.Link, family rules.Family) (m tooBig, ok bool) {
	if from.MTU <= to.MTU || to.MTU <= 0 || !t.routes(from, family) || !t.routes(to, family) {
		return m, false
	}
	own, _ := t.ownOn(from.Name, family)
	far, _ := t.ownOn(to.Name, family)
	client, near := t.clientOn(from.Name, sketch{family: family}, own)
	server, beyond := t.clientOn(to.Name, sketch{family: family}, far)
	if !near || !beyond || !t.mayPass(from.Name, client, server) {
		return m, false
	}
	m.from, m.to = from, to
	m.packet = evaluate.Packet{Protocol: rules.ICMP, Src: own, Dst: client, Local: true, State: evaluate.StateRelated, Has: evaluate.HasICMP, ICMPType: unreachable4, ICMPCode: fragmentationNeeded}
	if family == rules.IPv6 {
		m.packet.Protocol, m.packet.ICMPType, m.packet.ICMPCode = rules.ICMPv6, packetTooBig, 0
	}
	return m, true
}

// mayPass tells that packets of a connection between two machines may pass, from the link of the first.
func (t *trial) mayPass(link string, from, to netip.Addr) bool {
	p := evaluate.Packet{Protocol: rules.TCP, Src: from, Dst: to, SrcPort: 443, DstPort: 51515, In: link, State: evaluate.StateEstablished, TCPFlags: ack, Has: evaluate.HasTCPFlags}
	way := t.fate(p)
	return way.arrives()
}

// ownOn is this host's address on a link.
func (n network) ownOn(link string, family rules.Family) (netip.Addr, bool) {
	for _, a := range n.inUse(link) {
		if family.Holds(a.Prefix.Addr()) && a.Scope == facts.ScopeGlobal {
			return a.Prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// routes tells that this host forwards what comes by a link.
func (t *trial) routes(l *facts.Link, family rules.Family) bool {
	_, addressed := t.ownOn(l.Name, family)
	return l.Up && l.Kind != "loopback" && addressed && t.Settings.ForwardsFrom(l.Name, family) == facts.SettingOn
}

// tooBigDropped tells of a rule that drops it, if one does: an error where large packets of TCP are lost, a note where a rule has TCP choose small ones.
func tooBigDropped(x *Examination, m *tooBig) Finding {
	way := x.fate(m.packet)
	o, blocked := way.blocked()
	if m.by = o.DroppedBy; !blocked || m.by.IsZero() {
		return Finding{}
	}
	what, line := "fragmentation needed, ICMP type 3 code 4", "-A %s -p icmp -m icmp --icmp-type 3/4 -j ACCEPT"
	if m.packet.Src.Is6() {
		what, line = "packet too big, ICMPv6 type 2", "-A %s -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j ACCEPT"
	}
	by := dropperName(o.DroppedBy, way.hook(o.DroppedBy))
	found := Finding{
		Check: "too-big-dropped", Severity: SeverityError, Subject: ruleName(o.DroppedBy),
		Evidence: []string{fmt.Sprintf("MTU of %s is %d, of %s %d", m.from.Name, m.from.MTU, m.to.Name, m.to.MTU), x.dropperText(o.DroppedBy)},
		Sentence: fmt.Sprintf("%s drops what this host tells senders whose packets come by %s and are too large for %s (%s): connections come up, and hang with their first large packet.", by, m.from.Name, m.to.Name, what),
	}
	if x.clamps() {
		found.Severity = SeverityNote
		found.Sentence = fmt.Sprintf("%s drops what this host tells senders whose packets come by %s and are too large for %s (%s). A rule has TCP choose smaller segments; of UDP large packets are lost.", by, m.from.Name, m.to.Name, what)
	}
	title := "Let this host say that a packet is too large"
	wanted := []passage{{m.packet, line, "senders lower the size of their packets when they hear it, and wait for ever when they do not"}}
	found.Cure, _ = x.titled(title, nil, wanted, func(t *trial) bool {
		y := t.fate(m.packet)
		_, still := y.blocked()
		return !still
	})
	return uncertain(found, &way)
}
