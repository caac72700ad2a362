package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// lastingly is the rule that lets a connection's later packets pass.
const lastingly = "-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"

// goesOnVain tells of connections whose first packet and its answer get through, and not what the client sends then: they
// stop after the handshake. what names the packets, as in "the packets to 192.0.2.1:80". fails is what likely wants. The
// finding has neither subject nor cure; it is zero where the packets get through.
func (x *Examination) goesOnVain(first, back *fate, what, fails string) Finding {
	if !first.arrives() || !first.known || first.Incomplete {
		return Finding{} // of which is told otherwise
	}
	all := x.goesOn(first, back)
	if len(all) == 0 {
		return Finding{}
	}
	ends := func(l later) bool { _, blocked := l.way.blocked(); return blocked }
	if i := slices.IndexFunc(all, ends); i >= 0 && !slices.ContainsFunc(all, func(l later) bool { return !ends(l) }) {
		return x.endsLater(&all[i], what)
	}
	for i := range all {
		l := &all[i]
		if !l.way.passes() && first.passes() {
			found := unknown(fmt.Sprintf("Whether the rules let %s after the first one of a connection through is not known: %s.", what, l.way.doubt()))
			return x.likely(found, &l.way, what+" after the first one of a connection", fails)
		}
		if found := l.strays(what); found.Check != "" {
			return found
		}
	}
	return Finding{}
}

// endsLater tells what ends the way of a connection's later packets.
func (x *Examination) endsLater(l *later, what string) Finding {
	o, _ := l.way.blocked()
	found := Finding{Check: "established-dropped", Severity: lastingSeverity(l.way.Packet.Protocol)}
	which := fmt.Sprintf("%s that come after the first one of a connection", what)
	if o.DroppedBy.IsZero() {
		found.Evidence = []string{o.Why}
		found.Sentence = fmt.Sprintf("The first packet of a connection and its answer get through; %s end here: %s.", which, strings.TrimSuffix(o.Why, "."))
		return found
	}
	found.Evidence = []string{x.dropperText(o.DroppedBy)}
	found.Sentence = fmt.Sprintf("%s drops %s%s: a rule lets the first packet in, and none those of connections that are there (state ESTABLISHED). %s", dropperName(o.DroppedBy, l.way.hook(o.DroppedBy)), which, x.setBy(o.DroppedBy), stopsThen(l.way.Packet.Protocol))
	return uncertain(found, &l.way)
}

// lastingSeverity is how bad it is that connections of a protocol stop after the first answer: an exchange of one question and
// one answer is complete by then.
func lastingSeverity(p rules.Protocol) Severity {
	if p == rules.UDP || p.IsICMP() {
		return SeverityWarning
	}
	return SeverityError
}

// stopsThen says what becomes of a connection whose client is not heard after the first answer.
func stopsThen(p rules.Protocol) string {
	if lastingSeverity(p) == SeverityError {
		return "Every connection hangs after its handshake."
	}
	return "Whoever sends a second packet from the same port gets no answer to it."
}

// strays tells of later packets that leave by another way than the first, by which their connection is not known.
func (l *later) strays(what string) Finding {
	if len(l.way.Outcomes) != 1 {
		return Finding{}
	}
	now := &l.way.Outcomes[0]
	if now.Delivered == l.end.Delivered && (now.Out == l.end.Out || now.Out == "" || l.end.Out == "") {
		return Finding{}
	}
	to := func(o *evaluate.Outcome) string {
		if o.Delivered == evaluate.Delivered {
			return "this host itself"
		}
		return cmp.Or(o.Out, "?")
	}
	return Finding{
		Check: "established-elsewhere", Severity: lastingSeverity(l.way.Packet.Protocol), Evidence: []string{fmt.Sprintf("the first packet goes to %s, later ones to %s", to(l.end), to(now))},
		Sentence: fmt.Sprintf("The first packet of a connection leaves by %s, and %s that come after it by %s: a rule that marks packets for a route of their own marks only the first (state NEW). Keep the mark with the connection (CONNMARK --save-mark, --restore-mark), or mark all of its packets.", to(l.end), what, to(now)),
	}
}

// laterPasses follows what clients of a forward send after the first answer; not ok where that does not get to the server, or
// is not known to.
func laterPasses(x *Examination, f *Forward) (found Finding, ok bool) {
	first := x.fate(f.packet)
	_, back, _ := x.answerWay(f)
	found = x.goesOnVain(&first, &back, "the packets to "+f.Server.String(), x.failing(f))
	if found.Sentence == "" {
		return found, true
	}
	found.Evidence = append(found.Evidence, x.answered(f)...)
	if found.Check != "established-dropped" {
		return found, false
	}
	if all := x.goesOn(&first, &back); len(all) > 0 {
		if found, ok := forwardDropped(x, f, &all[0].way, "the packets to "+f.Server.String()+" that come after the first one of a connection"); ok {
			return found, false
		}
	}
	found.Cure, _ = x.letThrough(f)
	return found, false
}

// dataPasses follows packets with data, to the server and from it, which rules may tell from those of the handshake by their
// flags; not ok where they do not get through, or are not known to.
func dataPasses(x *Examination, f *Forward, first *fate) (found Finding, ok bool) {
	if f.Proto != rules.TCP {
		return Finding{}, true
	}
	_, back, answered := x.answerWay(f)
	var packets []evaluate.Packet
	for _, l := range x.goesOn(first, &back) {
		packets = append(packets, l.way.Packet)
	}
	if answered {
		packets = append(packets, back.Packet)
	}
	for i, p := range packets {
		p.TCPFlags, p.Has = psh|ack, p.Has|evaluate.HasTCPFlags
		what := "packets with data to " + f.Server.String()
		if answered && i == len(packets)-1 {
			what = "packets with data from " + f.Server.String()
		}
		way := x.fate(p)
		switch o, blocked := way.blocked(); {
		case blocked && !o.DroppedBy.IsZero():
			return uncertain(Finding{
				Check: "established-dropped", Severity: SeverityError, Evidence: []string{x.dropperText(o.DroppedBy)},
				Sentence: fmt.Sprintf("%s drops %s (TCP flag PSH)%s. The handshake gets through, and nothing after it.", dropperName(o.DroppedBy, way.hook(o.DroppedBy)), what, x.setBy(o.DroppedBy)),
			}, &way), false
		case !blocked && first.passes() && way.unseen == "" && !way.allowed():
			return unknown(fmt.Sprintf("Whether %s get through is not known: %s.", what, way.doubt())), false
		}
	}
	return Finding{}, true
}

// laterPassage is a packet of a forward's client after the first answer, with the rule that lets such through; false where
// it is not known how a connection begins.
func (t *trial) laterPassage(f *Forward) (passage, bool) {
	first := t.fate(f.packet)
	_, back, _ := t.answerWay(f)
	all := t.goesOn(&first, &back)
	if len(all) == 0 {
		return passage{}, false
	}
	return passage{all[0].way.Packet, lastingly, "what clients send after the first answer belongs to connections that are there"}, true
}

// sharedStops tells that connections which begin inside do not outlive their first answer.
func sharedStops(x *Examination, s *share, wanted []passage) Finding {
	first, back := x.fate(wanted[0].packet), x.fate(wanted[1].packet)
	what := fmt.Sprintf("the packets from machines at %s to the Internet", s.in)
	found := x.goesOnVain(&first, &back, what, x.sharedFailing(s.in))
	if found.Sentence == "" {
		return found
	}
	found.Check, found.Subject = cmp.Or(found.Check, "let-through"), ruleName(s.at)
	all := x.goesOn(&first, &back)
	if found.Check != "established-dropped" || len(all) == 0 {
		return found
	}
	w := x.nativeShare(s)
	if found, ok := droppedNatively(x, &w, &all[0].way, ruleName(s.at), what+" that come after the first one of a connection"); ok {
		return found
	}
	next := passage{all[0].way.Packet, lastingly, "what machines send after the first answer belongs to connections that are there"}
	found.Cure, _ = x.titled(fmt.Sprintf("Let connections from %s to the Internet go on", s.in), nil, append(wanted, next), func(t *trial) bool {
		y := t.fate(next.packet)
		return y.arrives()
	})
	return found
}
