package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// share is a rule that lets machines inside use this host's way to the Internet.
type share struct {
	at    evaluate.RuleRef
	rule  *rules.Rule
	via   sketch
	owner string
	// in and out are the interfaces of what begins inside, packet an example.
	in, out string
	packet  evaluate.Packet
}

// checkShares examines the rules that give another source to what leaves.
func checkShares(x *Examination) []Finding {
	w := walker{sets: x.sets}
	var list []Finding
	foreign := 0
	x.hooked(&w, "nat", "POSTROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		switch r.Target.Kind {
		case rules.SNAT, rules.Masquerade, rules.Netmap:
		default:
			return
		}
		owner := ownerOf(r, s)
		if owner != "" {
			if foreign++; foreign > foreignForwards {
				return
			}
		}
		list = append(list, examineShare(x, &share{at: at, rule: r, via: s, owner: owner})...)
	})
	return list
}

// sharedPackets are packets that begin in the networks which rules share this host's address with.
func sharedPackets(x *Examination) (list []evaluate.Packet) {
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "POSTROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		if (r.Target.Kind == rules.SNAT || r.Target.Kind == rules.Masquerade) && len(list) < forwardsProven {
			for _, one := range insides(x, &share{at: at, rule: r, via: s}) {
				list = append(list, one.packet)
			}
		}
	})
	return list
}

// examineShare looks at a rule for itself, and follows what begins in each network that it is for.
func examineShare(x *Examination, s *share) (list []Finding) {
	if s.owner == "" {
		list = slices.Concat(sourceAddress(x, s), tooWide(x, s))
		if x.fitsNone(s.via.out) {
			return append(list, x.missingLink(s.at, s.rule, s.via.out.Name))
		}
		if found := x.namesPart(s.at, s.rule, s.via.out, true); found.Check != "" {
			return append(list, found)
		}
	}
	if s.via.marked || s.via.unsure || !s.via.dst.Any() || s.via.proto != 0 {
		return list // it is not for everything that leaves
	}
	all := insides(x, s)
	if s.owner == "" {
		list = append(list, seenAs(x, s, all)...)
	}
	var failed, open []Finding
	for i := range all {
		switch found := sharedWay(x, &all[i]); {
		case found.Check == "":
		case found.Check == "forwarding-off":
			list = append(list, found)
		case found.Severity == SeverityUnknown:
			open = append(open, found)
		default:
			failed = append(failed, found)
		}
	}
	if s.owner == "" && len(open) > 0 && len(open) == len(all) {
		list = append(list, open[0])
	}
	// A rule that names no network shares the way of those that may use it.
	if len(failed) > 0 && (len(failed) == len(all) || !s.via.src.Any()) {
		list = append(list, failed[0])
	}
	return list
}

// insides are the networks that a sharing rule is for, each with a packet.
func insides(x *Examination, s *share) []share {
	family := s.at.Family
	out := s.via.out.Name
	if s.via.out.Any() || s.via.out.Not || strings.HasSuffix(out, "+") {
		var ok bool
		if out, ok = x.wayToInternet(family); !ok || s.via.out.Not && s.via.out.Matches(out) || !s.via.out.Any() && !s.via.out.Not && !s.via.out.Matches(out) {
			return nil
		}
	}
	world, ok := x.beyondLink(family, out)
	if !ok || slices.ContainsFunc(s.via.notDst, func(n rules.Net) bool { return n.Contains(world) }) {
		return nil
	}
	var list []share
	for _, l := range x.Links {
		if l.Name == out || l.Kind == "loopback" || !l.Up {
			continue
		}
		client, ok := x.insider(l.Name, family, func(a netip.Addr) bool {
			return family.Holds(a) && !x.IsLocal(a) && (s.via.src.Any() || s.via.src.Contains(a)) &&
				!slices.ContainsFunc(s.via.notSrc, func(n rules.Net) bool { return n.Contains(a) })
		})
		if host, single := s.via.src.Host(); single && !ok && x.onNet(l.Name, host) && !x.IsLocal(host) {
			client, ok = host, true
		}
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

// sharedWay follows what begins inside to the Internet and back.
func sharedWay(x *Examination, s *share) Finding {
	if found := x.forwardingOff(s.at.Family, s.in, fmt.Sprintf("%s: %s out by %s", ruleName(s.at), s.in, s.out)); found.Check != "" {
		return found
	}
	answer := answerTo(netip.AddrPortFrom(s.packet.Src, s.packet.SrcPort), netip.AddrPortFrom(s.packet.Dst, s.packet.DstPort), rules.TCP, s.out)
	if way := x.fate(s.packet); len(way.Outcomes) == 1 {
		answer = answering(answer, s.packet, &way.Outcomes[0])
	}
	wanted := []passage{
		{s.packet, fmt.Sprintf("-A %%s -i %s -o %s -j ACCEPT", s.in, s.out), "machines at " + s.in + " may open connections to the Internet"},
		{
			answer,
			fmt.Sprintf("-A %%s -i %s -o %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", s.out, s.in), "only answers may come back to them",
		},
	}
	if found := sharedDropped(x, s, wanted); found.Check != "" {
		return found
	}
	for i, what := range []string{fmt.Sprintf("What machines at %s send to the Internet by %s", s.in, s.out), "The answers for machines at " + s.in} {
		if found := ttlEnds(x, wanted[i].packet, what); found.Check != "" {
			found.Subject = ruleName(s.at)
			return found
		}
	}
	if found := notShared(x, s); found.Check != "" {
		return found
	}
	if found := sharedStops(x, s, wanted); found.Sentence != "" {
		return found
	}
	if found, ends := sharedEnds(x, s, wanted); ends {
		return found
	}
	if found := sharedInDoubt(x, wanted); found.Sentence != "" {
		found.Check, found.Subject = "let-through", ruleName(s.at)
		return found
	}
	for i, what := range []string{"what machines at " + s.in + " send to the Internet by " + s.out, "the answers"} {
		if way := x.fate(wanted[i].packet); way.unread != "" || !way.passes() && !anyAllowed(x, s, wanted[i].packet, i) {
			found := unknown(fmt.Sprintf("Whether the filter rules let %s through is not known: %s.", what, way.doubt()))
			found.Check, found.Subject = "let-through", ruleName(s.at)
			return x.likely(found, &way, what, x.sharedFailing(s.in))
		}
	}
	return Finding{}
}

// sharedEnds tells that what begins inside, or its answers, ends at a route or a switch, which no filter rule decides.
func sharedEnds(x *Examination, s *share, wanted []passage) (found Finding, ends bool) {
	first := x.fate(wanted[0].packet)
	for i, what := range []string{"What machines at " + s.in + " send to the Internet", "The answer that comes by " + s.out + " for machines at " + s.in} {
		way := x.fate(wanted[i].packet)
		o, blocked := way.blocked()
		if !blocked || !o.DroppedBy.IsZero() {
			continue
		}
		if i == 1 && (len(first.Outcomes) != 1 || first.Outcomes[0].Out != s.out) {
			return Finding{}, true // no question has left by this way
		}
		p := &wanted[i].packet
		return Finding{
			Check: "packet-ends", Severity: SeverityError, Subject: ruleName(s.at), Evidence: append([]string{fmt.Sprintf("a packet from %s to %s: %s", p.Src, p.Dst, o.Why)}, refusals(x)...),
			Sentence: fmt.Sprintf("%s ends here: %s.", what, strings.TrimSuffix(o.Why, ".")),
		}, true
	}
	return Finding{}, false
}

// only is the machine or network that a rule which drops names, where that is a part of those a sharing rule is for; ""
// where the rule is for all of them.
func (x *Examination) only(by evaluate.RuleRef, s *share) string {
	r, ok := ruleOf(x.sets, by)
	if !ok {
		return ""
	}
	whole, _ := x.netOf(s.in, s.packet.Src)
	for _, n := range []rules.Net{r.Source, r.Dest} {
		if p, ok := n.Prefix(); ok && !n.Any() && !n.Not && p.Contains(s.packet.Src) && p.Bits() > whole.Bits() {
			if p.IsSingleIP() {
				return p.Addr().String()
			}
			return p.String()
		}
	}
	return ""
}

// sharedDropped tells which filter rule drops what begins inside, or its answers, with the rules that would let them through.
func sharedDropped(x *Examination, s *share, wanted []passage) Finding {
	for i, check := range []string{"forward-dropped", "answers-dropped"} {
		way := x.fate(wanted[i].packet)
		o, blocked := way.blocked()
		if !blocked || o.DroppedBy.IsZero() || anyAllowed(x, s, wanted[i].packet, i) {
			continue
		}
		w := x.nativeShare(s)
		what := fmt.Sprintf("what %s sends to the Internet by %s", s.in, s.out)
		if i == 1 {
			what = fmt.Sprintf("the answers that come by %s for machines at %s", s.out, s.in)
		}
		if found, ok := x.droppedUnheard(o.DroppedBy, what); ok {
			return found
		}
		if found, ok := droppedNatively(x, &w, &way, ruleName(s.at), what); ok {
			return found
		}
		found := Finding{
			Check: check, Severity: SeverityError, Subject: ruleName(s.at), Evidence: []string{x.dropperText(o.DroppedBy)},
		}
		if one := x.only(o.DroppedBy, s); one != "" {
			what = map[string]string{"forward-dropped": fmt.Sprintf("what %s sends to the Internet by %s", one, s.out), "answers-dropped": fmt.Sprintf("the answers that come by %s for %s", s.out, one)}[check]
			found.Severity = SeverityWarning
			found.Sentence = fmt.Sprintf("%s drops %s, and of no other machine at %s.", dropperName(o.DroppedBy, way.hook(o.DroppedBy)), what, s.in)
			return uncertain(found, &way) // somebody has named it: that may be meant
		}
		found.Sentence = fmt.Sprintf("%s drops %s%s.", dropperName(o.DroppedBy, way.hook(o.DroppedBy)), what, x.setBy(o.DroppedBy))
		found.Cure, _ = x.titled(fmt.Sprintf("Let %s reach the Internet by %s", s.in, s.out), nil, wanted, func(t *trial) bool {
			y := t.fate(s.packet)
			return y.arrives()
		})
		return uncertain(found, &way)
	}
	return Finding{}
}

// sharedInDoubt tells what keeps it from being known whether what begins inside gets an answer.
func sharedInDoubt(x *Examination, wanted []passage) Finding {
	first, back := x.fate(wanted[0].packet), x.fate(wanted[1].packet)
	if found := zonesDiffer(&first, &back, "an answer from the Internet"); found.Sentence != "" {
		return found
	}
	for _, way := range []*fate{&first, &back} {
		if found := x.ipsecDecides(way); found.Sentence != "" {
			return found
		}
	}
	return Finding{}
}

// nativeShare is what begins inside on its way through native filters.
func (x *Examination) nativeShare(s *share) nativeWay {
	from, _ := x.netOf(s.in, s.packet.Src)
	return nativeWay{packet: s.packet, to: netip.AddrPortFrom(s.packet.Dst, s.packet.DstPort), from: from, in: s.in, out: s.out, src: s.via.src}
}

// anyAllowed tells that filter rules let some machines of the network through, or some services for it, so that the others
// are kept out on purpose.
func anyAllowed(x *Examination, s *share, p evaluate.Packet, direction int) bool {
	if direction == 1 {
		return false // answers are either let through or not
	}
	passes := func(q evaluate.Packet) bool { way := x.fate(q); return way.arrives() }
	for _, n := range x.allowedSources(s.at.Family) {
		if s.via.src.Any() || s.via.src.Contains(n.Addr) {
			q := p
			q.Src = n.Addr
			if _, single := n.Host(); !single {
				q.Src = n.Addr.Next()
			}
			if x.IsLocal(q.Src) {
				q.Src = q.Src.Next()
			}
			if passes(q) {
				return true
			}
		}
	}
	for _, port := range slices.Concat([]uint16{80, 53, 22}, x.listed.ports) {
		q := p
		q.DstPort = port
		if port == 53 {
			q.Protocol = rules.UDP
		}
		if passes(q) {
			return true
		}
	}
	return slices.ContainsFunc(x.listed.dests, func(n netip.Prefix) bool {
		q, ok := p, false
		q.Dst, ok = x.beyond(n, &p, s.out)
		return ok && passes(q)
	})
}

// beyond is an address of a network that a packet for it leaves to by a link.
func (x *Examination) beyond(n netip.Prefix, p *evaluate.Packet, out string) (netip.Addr, bool) {
	for _, a := range []netip.Addr{n.Addr(), n.Masked().Addr().Next()} {
		if a.BitLen() != p.Src.BitLen() || !n.Contains(a) || x.IsLocal(a) {
			continue
		}
		if r, certain := x.Lookup(evaluate.RouteQuery{Dst: a, Src: p.Src, In: p.In}); certain && r.Out == out {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// notShared tells that what a network sends to the Internet is not translated although a rule is for it.
func notShared(x *Examination, s *share) Finding {
	way := x.told(s.packet)
	if !way.Certain || way.translators != "" || way.Outcomes[0].Delivered != evaluate.Forwarded || way.Outcomes[0].SNAT || !x.outward(way.Outcomes[0].Out) || !isInner(s.packet.Src) {
		return Finding{}
	}
	found := Finding{
		Check: "not-translated", Severity: SeverityError, Subject: ruleName(s.at), Evidence: []string{s.rule.String()},
		Sentence: fmt.Sprintf("What machines at %s send to the Internet by %s is not translated, although the rule is for it: nobody can answer their private addresses.", s.in, way.Outcomes[0].Out),
	}
	if v, ok := way.untracked(); ok {
		found.Check = "untracked"
		found.Evidence = append(found.Evidence, ruleName(v.RuleRef)+": "+v.Text())
		found.Sentence = fmt.Sprintf("Rule %s takes what machines at %s send from connection tracking: it leaves by %s untranslated, and nobody can answer their private addresses.", ruleName(v.RuleRef), s.in, way.Outcomes[0].Out)
		return found
	}
	if !s.via.out.Matches(way.Outcomes[0].Out) && !s.via.out.Any() {
		return Finding{} // it leaves by another interface than the rule is for: another's business
	}
	by, what := way.taker(s.at.Variant)
	if r, ok := ruleOf(x.sets, by); s.owner != "" || ok && (!r.Source.Any() || !r.Dest.Any() || len(r.Matches) > 0) {
		return Finding{} // somebody has left them out
	} else if ok {
		found.Evidence = append(found.Evidence, ruleName(by)+": "+what)
	}
	return found
}
