package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// leftProtocols is what a network sends to the Internet with its private address because the rule that shares an address with
// it, and every other, names other protocols.
type leftProtocols struct {
	share
	protocols []rules.Protocol
}

// protocolsLeftOut are the protocols that rules which share this host's address leave out, once a network and way out.
func (x *Examination) protocolsLeftOut() (list []leftProtocols) {
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "POSTROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		if r.Target.Kind != rules.SNAT && r.Target.Kind != rules.Masquerade || s.proto == 0 || s.marked || s.unsure || !s.dst.Any() ||
			s.sport != (rules.Ports{}) || s.dport != (rules.Ports{}) || len(list) >= alike {
			return
		}
		for _, one := range insides(x, &share{at: at, rule: r, via: s, owner: ownerOf(r, s)}) {
			if slices.ContainsFunc(list, func(l leftProtocols) bool { return l.in == one.in && l.out == one.out }) {
				continue
			}
			if protocols := x.untranslatedBeside(&one); len(protocols) > 0 {
				list = append(list, leftProtocols{one, protocols})
			}
		}
	})
	return list
}

// untranslatedBeside are the protocols that leave with a private address by the way on which a rule translates another.
func (x *Examination) untranslatedBeside(s *share) (list []rules.Protocol) {
	if !isInner(s.packet.Src) || isInner(s.packet.Dst) || !x.outward(s.out) {
		return nil
	}
	way := x.fate(sending(s.packet, s.via.proto))
	if !way.passes() || !way.by(s.at) {
		return nil // the rule translates nothing of the kind
	}
	for _, p := range []rules.Protocol{rules.TCP, rules.UDP, rules.ICMP} {
		if p == s.via.proto {
			continue
		}
		way := x.fate(sending(s.packet, p))
		if way.passes() && !slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool {
			return o.SNAT || o.Delivered != evaluate.Forwarded || o.Out != s.out
		}) {
			list = append(list, p)
		}
	}
	return list
}

// sending is a packet of another protocol between the same machines.
func sending(p evaluate.Packet, protocol rules.Protocol) evaluate.Packet {
	if p.Src.Is6() && protocol == rules.ICMP {
		protocol = rules.ICMPv6
	}
	if p.Protocol = protocol; !protocol.HasPorts() {
		p.SrcPort, p.DstPort = 0, 0
	}
	return p
}

// checkProtocols tells of protocols that leave untranslated because the rules that share an address name others.
func checkProtocols(x *Examination) (list []Finding) {
	for _, l := range x.protocolsLeftOut() {
		var names []string
		for _, p := range l.protocols {
			names = append(names, rules.ProtoName(p))
		}
		found := Finding{
			Check: "protocol-not-translated", Severity: SeverityWarning, Subject: l.in, Evidence: []string{x.textOf(l.at, l.rule)},
			Sentence: fmt.Sprintf("What machines at %s send to the Internet by %s is translated for %s, and not for %s: that leaves with their private address as source, to which nobody can reply.",
				l.in, l.out, rules.ProtoName(l.via.proto), strings.Join(names, ", ")),
		}
		if bare := x.bareOf(&l); bare.flows > 0 {
			found.Severity = SeverityError
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s like %s %s to %s, none answered", rules.Plural(bare.flows, "connection"), bare.first[0].Proto(), bare.first[0].Client(), bare.first[0].AskedFor()))
		}
		x.translateToo(&found, &l)
		list = append(list, found)
	}
	return list
}

// translateToo is the cure: the same rule without a protocol, at the end, where it takes what the others have left.
func (x *Examination) translateToo(found *Finding, l *leftProtocols) {
	if l.at.Backend == rules.Native || l.owner != "" {
		found.Sentence += fmt.Sprintf(" A rule beside it for %s, with the same conditions and the same target, is missing where these come from.", rules.ProtoName(l.protocols[0]))
		return
	}
	to := l.rule.Target.To
	if to.HasPorts {
		found.Sentence += " The ports that the rule gives are perhaps all that this host may use: what has no ports needs a rule of its own."
		return
	}
	target := "MASQUERADE"
	if l.rule.Target.Kind == rules.SNAT {
		target = "SNAT --to-source " + to.String()
	}
	line := "-A %s"
	if !l.via.src.Any() {
		line += " -s " + l.via.src.String()
	}
	packet := sending(l.packet, l.protocols[0])
	found.Cure, _ = x.translateSource("Share the address of "+l.out+" for every protocol", l.at.Variant, fmt.Sprintf("%s -o %s -j %s", line, l.out, target), packet, "what the rules for some protocols leave is translated as well")
}

// bareOf are the flows that left untranslated because a rule leaves their protocol out.
func (x *Examination) bareOf(l *leftProtocols) (c crowd) {
	for i := range x.stats.bare.first {
		if f := &x.stats.bare.first[i]; l.explains(x, f) {
			c.add(f)
		}
	}
	return c
}

// explains tells that a flow left untranslated because a rule leaves its protocol out.
func (l *leftProtocols) explains(x *Examination, f *flow.Flow) bool {
	from, ok := x.insideLink(f.Client().Addr())
	return ok && from == l.in && slices.Contains(l.protocols, f.Proto())
}
