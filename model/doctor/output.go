package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// sent is what this host's own programs send, as a rule of OUTPUT takes it, with a packet that meets the rule.
type sent struct {
	at     evaluate.RuleRef
	rule   *rules.Rule
	via    sketch
	packet evaluate.Packet
	way    fate
}

// checkOutput follows what this host's own programs send through the rules of OUTPUT that give it another destination.
func checkOutput(x *Examination) (list []Finding) {
	w := walker{sets: x.sets}
	seen := 0
	x.hooked(&w, "nat", "OUTPUT", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		if seen >= ownForwards || !r.Target.Kind.Translates() || r.Target.Kind == rules.SNAT || ownerOf(r, s) != "" {
			return
		}
		seen++
		for _, own := range x.sendings(at, r, s) {
			if found := sendingFails(x, &own); found.Check != "" {
				list = append(list, found)
				return
			}
		}
	})
	return list
}

// sendings are packets of this host's programs that meet a rule of OUTPUT: to somebody on the Internet, to this
// host's own address, to the loopback address, as far as the rule takes them.
func (t *trial) sendings(at evaluate.RuleRef, r *rules.Rule, s sketch) (list []sent) {
	proto := s.proto
	if proto == 0 {
		proto = rules.TCP
	}
	for _, to := range t.askedFromHere(s) {
		src := t.ownSource(to)
		if !src.IsValid() {
			continue
		}
		for _, uid := range usersOf(r) {
			p := evaluate.Packet{Protocol: proto, Src: src, Dst: to, Local: true, UID: uid, GID: uid, Has: evaluate.HasUID | evaluate.HasGID}
			if proto.HasPorts() {
				p.SrcPort, p.DstPort = 51515, s.ports()[0]
			}
			if way := t.told(p); way.known && way.by(at) && way.translates() {
				list = append(list, sent{at, r, s, p, way})
				break
			}
		}
	}
	return list
}

// askedFromHere are addresses that programs of this host may ask for and a rule of OUTPUT may take.
func (n network) askedFromHere(s sketch) (list []netip.Addr) {
	if !s.dst.Any() {
		if a, ok := n.askedAddr(s, "", rules.DNAT); ok {
			list = append(list, a)
		}
		return list
	}
	if a, ok := n.worldAddr(s.family, ""); ok && !s.toHost {
		list = append(list, a)
	}
	if link, ok := n.uplink(s.family); ok && s.toHost {
		for _, a := range n.inUse(link) {
			if s.family.Holds(a.Prefix.Addr()) && a.Scope == facts.ScopeGlobal {
				return append(list, a.Prefix.Addr())
			}
		}
	}
	return list
}

// ownSource is the address that this host's programs send with.
func (n network) ownSource(to netip.Addr) netip.Addr {
	if n.IsLocal(to) {
		return to
	}
	route, _ := n.Lookup(evaluate.RouteQuery{Dst: to})
	if route.PrefSrc.IsValid() || to.Is4() {
		return route.PrefSrc
	}
	for _, a := range n.inUse(route.Out) {
		if a.Prefix.Addr().Is6() && a.Scope == facts.ScopeGlobal && !a.Deprecated {
			return a.Prefix.Addr()
		}
	}
	return netip.Addr{}
}

// usersOf are users and groups that a rule tells apart, beside one that nobody names.
func usersOf(r *rules.Rule) []uint32 {
	list := []uint32{4_000_000_001, 0}
	for _, m := range r.Matches {
		if o, ok := m.(rules.Owner); ok {
			for _, id := range []*rules.IDMatch{o.UID, o.GID} {
				if id != nil {
					list = append(list, id.Lo)
				}
			}
		}
	}
	return list
}

// sendingFails tells why what a rule of OUTPUT takes does not get where the rule sends it; zero if it does.
func sendingFails(x *Examination, s *sent) Finding {
	o := s.way.Outcomes[0]
	found := Finding{Severity: SeverityError, Subject: ruleName(s.at), Evidence: []string{s.rule.String(), counted(s.rule)}}
	to := o.Dst.AddrPort()
	asked := netip.AddrPortFrom(s.packet.Dst, s.packet.DstPort)
	blocked, is := s.way.blocked()
	out, _ := x.Lookup(evaluate.RouteQuery{Dst: to.Addr()})
	switch {
	case s.packet.Src.IsLoopback() && out.Kind == facts.RouteUnicast && (!is || blocked.DroppedBy.IsZero()):
		return x.loopbackLeaves(s, found, asked, out.Out, !is && o.SNAT)
	case is && !blocked.DroppedBy.IsZero():
		found.Check = "output-dropped"
		found.Evidence = append(found.Evidence, x.dropperText(blocked.DroppedBy))
		found.Sentence = fmt.Sprintf("%s drops what this host's own programs send to %s after the rule has sent it to %s.", dropperName(blocked.DroppedBy, s.way.hook(blocked.DroppedBy)), asked, to)
		return uncertain(found, &s.way)
	case is:
		found.Check = "packet-ends"
		found.Sentence = fmt.Sprintf("What this host's own programs send to %s goes to %s by this rule, and ends here: %s.", asked, to, blocked.Why)
		return found
	case o.Delivered == evaluate.Delivered && s.packet.Protocol.HasPorts():
		return x.takenHere(s, found, asked, to)
	}
	return Finding{}
}

// takenHere asks who takes what a rule of OUTPUT sends to this host itself, and whether what that program asks for
// comes back to it.
func (x *Examination) takenHere(s *sent, found Finding, asked, to netip.AddrPort) Finding {
	if x.Listeners == nil || !s.way.Outcomes[0].Dst.Certain() || s.packet.Protocol != rules.TCP && s.packet.Protocol != rules.UDP {
		return Finding{}
	}
	l, ok := x.ListensOn(s.packet.Protocol, to, "lo")
	if !ok {
		found.Check = "nobody-listens"
		found.Evidence = append(found.Evidence, fmt.Sprintf("no %s socket at %s", s.packet.Protocol, to))
		found.Sentence = fmt.Sprintf("The rule sends what this host's own programs ask of %s to %s, where no program listens: they are refused.", asked, to)
		if s.via.dst.Any() && !s.via.toHost {
			found.Sentence = fmt.Sprintf("The rule sends whatever this host's own programs ask of anybody's port %d to %s, where no program listens: they are refused.", asked.Port(), to)
		}
		if n := x.stats.of(s.at).flows; n >= loopFlows {
			found.Evidence = append(found.Evidence, rules.Plural(n, "connection")+" by this rule now")
			found.Sentence += " So many connections look like a proxy that was sent its own connections, without end, until it stopped: leave its user out, -m owner ! --uid-owner USER."
		}
		found.Sentence += " Start the service, or delete the rule."
		found.Commands = [][]string{deletion(x.sets[s.at.Variant], s.at, s.rule)}
		return found
	}
	if x.IsLocal(asked.Addr()) {
		return Finding{}
	}
	return x.proxyLoops(s, found, l)
}

// proxyLoops tells that a program which takes redirected connections has its own connections redirected to itself.
func (x *Examination) proxyLoops(s *sent, found Finding, l facts.Listener) Finding {
	if l.User == nil {
		return Finding{}
	}
	p := s.packet
	p.UID, p.GID = l.User.UID, l.User.GID
	way := x.told(p)
	if !way.known || !way.by(s.at) || !way.translates() {
		return Finding{}
	}
	found.Check, found.Severity = "proxy-loop", SeverityWarning
	found.Evidence = append(found.Evidence, fmt.Sprintf("%s listens at %s and runs as user %d, group %d", listenerName(l), l.Address, l.User.UID, l.User.GID))
	found.Sentence = fmt.Sprintf("The rule redirects to %s what %s itself asks of others as well: where it asks for port %d, its connections come back to it, without end.", listenerName(l), listenerName(l), s.packet.DstPort)
	if n := x.stats.of(s.at).flows; n >= loopFlows {
		found.Severity = SeverityError
		found.Evidence = append(found.Evidence, rules.Plural(n, "connection")+" by this rule now")
	}
	if l.User.UID == 0 || slices.ContainsFunc(s.rule.Matches, func(m rules.Match) bool { return m.Module() == "owner" }) {
		found.Sentence += fmt.Sprintf(" Run %s as a user of its own, and leave that user out: -m owner ! --uid-owner USER.", listenerName(l))
		return found
	}
	changed := *s.rule
	changed.Matches = append(slices.Clone(changed.Matches), rules.Owner{UID: &rules.IDMatch{Not: true, Lo: l.User.UID, Hi: l.User.UID}})
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Leave the connections of %s itself out of rule %d of %s", listenerName(l), s.at.Position, s.at.Chain),
		Steps: []rules.Step{x.replace(s.at, *s.rule, changed, "what the proxy asks for itself goes where it is meant to")},
	}
	return found
}

// loopFlows is how many connections by one rule of OUTPUT at one time look like a loop.
const loopFlows = 16

// loopbackLeaves tells that a packet with an address of 127.0.0.0/8 may not leave by another interface
// (ip_route_output_key_hash_rcu in net/ipv4/route.c), and that nobody could answer it unless its source is translated.
func (x *Examination) loopbackLeaves(s *sent, found Finding, asked netip.AddrPort, out string, hidden bool) Finding {
	found.Check = "loopback-leaves"
	if x.Settings.RouteLocalnetOn(out) != facts.SettingOn {
		name := facts.LinkSetting(out, "route_localnet")
		found.Evidence = append(found.Evidence, name+" = 0")
		found.Sentence = fmt.Sprintf("What this host's own programs ask of %s is to leave by %s with the source address %s: the kernel lets nothing of 127.0.0.0/8 leave, unless route_localnet is on there and a rule gives it another source.", asked, out, s.packet.Src)
		return found
	}
	if !hidden {
		found.Sentence = fmt.Sprintf("What this host's own programs ask of %s leaves by %s with the source address %s, to which nobody can answer: a rule of POSTROUTING has to give it another.", asked, out, s.packet.Src)
		line := fmt.Sprintf("-A %%s -s 127.0.0.0/8 -o %s -j MASQUERADE", out)
		if step, ok := x.insert(evaluate.RuleRef{Variant: s.at.Variant, Table: "nat", Chain: "POSTROUTING"}, line, "so that the answers come to this host"); ok {
			found.Cure = rules.Plan{Title: "Give what leaves by " + out + " from the loopback network this host's address", Steps: []rules.Step{step}}
		}
		return found
	}
	return Finding{}
}

// counted is what the counter of a rule says, as evidence.
func counted(r *rules.Rule) string {
	if !r.Counters.Known {
		return "the rule's counter is not known"
	}
	return "the rule matched " + rules.Plural(int(r.Counters.Packets), "packet")
}

// deletion is the command that deletes a rule, for the operator to decide about.
func deletion(set *rules.Ruleset, at evaluate.RuleRef, r *rules.Rule) []string {
	c := rules.Change{Op: rules.Delete, Family: at.Family, Backend: at.Backend, Table: at.Table, Chain: at.Chain, At: at.Position, Rule: *r, Program: set.Program()}
	return c.Named(set).Commands()[0]
}
