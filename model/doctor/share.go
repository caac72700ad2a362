package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// share is a rule that lets machines inside use this host's way to the world.
type share struct {
	at    evaluate.RuleRef
	rule  *rules.Rule
	via   sketch
	owner string
	// in and out are the interfaces of what begins inside, packet an example.
	in, out string
	packet  evaluate.Packet
}

// shares examines the rules that give another source to what leaves.
func (d *doctor) shares() {
	w := walker{doctor: d}
	for _, p := range d.places() {
		w.walk(evaluate.RuleRef{Place: p, Table: "nat", Chain: "POSTROUTING"}, sketch{family: p.Family}, func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
			switch r.Target.Kind {
			case rules.SNAT, rules.Masquerade, rules.Netmap:
			default:
				return
			}
			owner := ownerOf(r, s)
			if owner != "" {
				if w.foreign++; w.foreign > foreignForwards {
					return
				}
			}
			d.shareRule(share{at: at, rule: r, via: s, owner: owner})
		})
	}
}

func (d *doctor) shareRule(s share) {
	if s.owner == "" {
		d.sourceAddress(&s)
		d.tooWide(&s)
		if !s.via.out.Any() && !strings.HasSuffix(s.via.out.Name, "+") && s.rule.Target.Kind != rules.Netmap {
			if _, ok := d.f.LinkNamed(s.via.out.Name); !ok && d.f.Links != nil {
				d.add(d.missingLink(s.at, s.rule, s.via.out.Name))
				return
			}
		}
	}
	if s.via.marked || s.via.unsure || !s.via.dst.Any() || s.via.proto != 0 {
		return // it is not for everything that leaves
	}
	all := d.insides(&s)
	var failed []Finding
	for i := range all {
		found := d.shared(&all[i])
		if found.Check == "" {
			continue
		}
		if found.Check == "forwarding-off" {
			d.add(found)
			continue
		}
		failed = append(failed, found)
	}
	// A rule that names no network shares the way of those that may use it.
	if len(failed) > 0 && (len(failed) == len(all) || !s.via.src.Any()) {
		d.add(failed[0])
	}
}

// insides are the networks that a sharing rule is for, each with a packet.
func (d *doctor) insides(s *share) []share {
	family := s.at.Family
	out := s.via.out.Name
	if s.via.out.Any() || s.via.out.Not || strings.HasSuffix(out, "+") {
		var ok bool
		if out, ok = d.uplink(family); !ok || s.via.out.Not && s.via.out.Matches(out) || !s.via.out.Any() && !s.via.out.Not && !s.via.out.Matches(out) {
			return nil
		}
	}
	world, ok := d.worldAddr(family, out)
	if !ok {
		return nil
	}
	var list []share
	for _, l := range d.f.Links {
		if l.Name == out || l.Kind == "loopback" || !l.Up {
			continue
		}
		client, ok := d.insider(l.Name, family, func(a netip.Addr) bool {
			return family.Holds(a) && !d.f.IsLocal(a) && (s.via.src.Any() || s.via.src.Contains(a)) &&
				!slices.ContainsFunc(s.via.notSrc, func(n rules.Net) bool { return n.Contains(a) })
		})
		if !ok || s.via.src.Any() && !isInner(client) {
			continue
		}
		one := *s
		one.in, one.out = l.Name, out
		one.packet = evaluate.Packet{Protocol: rules.TCP, Src: client, Dst: world, SrcPort: 51515, DstPort: 443, In: l.Name}
		list = append(list, one)
	}
	return list
}

// shared follows what begins inside to the world and back.
func (d *doctor) shared(s *share) Finding {
	if found := d.forwardingOff(s.at.Family, s.in, fmt.Sprintf("%s: %s out by %s", ruleName(s.at), s.in, s.out)); found.Check != "" {
		return found
	}
	wanted := []passage{
		{s.packet, fmt.Sprintf("-A %%s -i %s -o %s -j ACCEPT", s.in, s.out), "machines at " + s.in + " may begin connections to the world"},
		{
			answerTo(netip.AddrPortFrom(s.packet.Src, s.packet.SrcPort), netip.AddrPortFrom(s.packet.Dst, s.packet.DstPort), rules.TCP, s.out),
			fmt.Sprintf("-A %%s -i %s -o %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", s.out, s.in), "only answers may come back to them",
		},
	}
	for i, check := range []string{"forward-dropped", "answers-dropped"} {
		x := d.fate(wanted[i].packet)
		o, blocked := x.blocked()
		if !blocked || o.DroppedBy.IsZero() || d.anyAllowed(s, wanted[i].packet, i) {
			continue
		}
		found := Finding{
			Check: check, Severity: SeverityError, Subject: ruleName(s.at), Evidence: []string{d.dropperText(o.DroppedBy)},
		}
		what := fmt.Sprintf("what %s sends to the world by %s", s.in, s.out)
		if i == 1 {
			what = fmt.Sprintf("the answers that come by %s for machines at %s", s.out, s.in)
		}
		found.Sentence = fmt.Sprintf("%s drops %s%s.", dropperName(o.DroppedBy, x.hook(o.DroppedBy)), what, d.setBy(o.DroppedBy))
		found.Cure, _ = d.titled(fmt.Sprintf("Let %s reach the world by %s", s.in, s.out), nil, wanted, func(t *trial) bool {
			y := t.fate(s.packet)
			return y.arrives()
		})
		return found
	}
	return d.nativeStops("forward", s.packet, netip.AddrPortFrom(s.packet.Dst, s.packet.DstPort), s.in, s.out, ruleName(s.at), false)
}

// anyAllowed tells that filter rules let some machines or services of the network
// through, so that the others are kept out on purpose.
func (d *doctor) anyAllowed(s *share, p evaluate.Packet, direction int) bool {
	if direction == 1 {
		return false // answers are either let through or not
	}
	for _, n := range d.allowedSources(s.at.Family) {
		if s.via.src.Any() || s.via.src.Contains(n.Addr) {
			q := p
			q.Src = n.Addr
			if _, single := n.Host(); !single {
				q.Src = n.Addr.Next()
			}
			if d.f.IsLocal(q.Src) {
				q.Src = q.Src.Next()
			}
			if x := d.fate(q); x.arrives() {
				return true
			}
		}
	}
	for _, port := range []uint16{80, 53, 22} {
		q := p
		q.DstPort = port
		if port == 53 {
			q.Protocol = rules.UDP
		}
		if x := d.fate(q); x.arrives() {
			return true
		}
	}
	return false
}

// sourceAddress checks the address that packets leave with.
func (d *doctor) sourceAddress(s *share) {
	to := s.rule.Target.To.Addrs
	if s.rule.Target.Kind != rules.SNAT || to.IsZero() || !to.Single() || d.f.Addresses == nil || d.f.IsLocal(to.Lo) || d.standby() {
		return
	}
	out := s.via.out.Name
	if s.via.out.Any() {
		out, _ = d.uplink(s.at.Family)
		if a, ok := s.via.dst.Host(); ok {
			if route, certain := d.f.Lookup(evaluate.RouteQuery{Dst: a}); certain {
				out = route.Out
			}
		}
	}
	found := Finding{
		Check: "snat-foreign-address", Severity: SeverityNote, Subject: ruleName(s.at), Evidence: []string{fmt.Sprintf("%s has %s", out, d.addressesText(out))},
		Sentence: fmt.Sprintf("The rule gives packets the address %s, which is none of this host's: answers come back only if the network routes it here.", to.Lo),
	}
	if d.onNet(out, to.Lo) || isInner(to.Lo) && d.outward(out) {
		found.Severity = SeverityError
		found.Sentence = fmt.Sprintf("The rule gives packets the address %s, which is none of this host's: nobody brings the answers here.", to.Lo)
		if own, ok := d.ownAddr(out, to.Lo); ok {
			changed := *s.rule
			changed.Target.To.Addrs = rules.Addrs{Lo: own, Hi: own}
			found.Cure = rules.Plan{
				Title: fmt.Sprintf("Let rule %d of %s use %s, which %s has", s.at.Position, s.at.Chain, own, out),
				Steps: []rules.Step{d.replace(s.at, *s.rule, changed, "so that the answers come to this host")},
			}
		}
	}
	d.add(found)
}

// tooWide tells of a rule that hides more than what leaves for the world.
func (d *doctor) tooWide(s *share) {
	if s.rule.Target.Kind == rules.Netmap || !s.via.out.Any() || !s.via.dst.Any() || s.via.marked || s.via.unsure || s.via.proto != 0 || s.via.toHost || len(s.via.notSrc) > 0 {
		return
	}
	out, ok := d.uplink(s.at.Family)
	if !ok {
		return
	}
	found := Finding{
		Check: "masquerade-too-wide", Severity: SeverityWarning, Subject: ruleName(s.at), Evidence: []string{s.rule.String()},
		Sentence: fmt.Sprintf("The rule names no interface to leave by, so it also hides who asks from this host's own networks: servers inside see %s for every client.", "this host"),
	}
	if !s.via.src.Any() {
		found.Severity = SeverityNote
		found.Sentence = "The rule names no interface to leave by, so it also hides machines inside from each other where they are on different networks."
	}
	for i := range d.all {
		x := d.fate(d.all[i].packet)
		if slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool { return o.SNATBy == s.at }) {
			found.Severity = SeverityWarning
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s: clients' addresses are hidden from %s", ruleName(d.all[i].Rule), d.all[i].Server.Addr()))
		}
		if len(found.Evidence) > 3 {
			break
		}
	}
	changed := *s.rule
	changed.Out = rules.Iface{Name: out}
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s hide only what leaves by %s", s.at.Position, s.at.Chain, out),
		Steps: []rules.Step{d.replace(s.at, *s.rule, changed, "what stays inside keeps its source address, so servers see who asks")},
	}
	d.add(found)
}
