package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// outing is how a connection left: by which way, as whom it is seen, for which kind of service.
type outing struct {
	seen  netip.Addr
	proto rules.Protocol
	port  uint16
}

// silence is what became of the connections of an outing.
type silence struct {
	answered int
	course
	heard map[netip.AddrPort]bool // ends that answered, some of them
	// unanswered are those that wait, to these far ends, of which some are kept.
	unanswered int
	half       int // of these, where the far end has answered, and that is not heard
	ends       map[netip.AddrPort]bool
	first      []flow.Flow
}

// asking are services over UDP whose clients wait for an answer; others, such as syslog, may never get one.
var asking = []uint16{53, 69, 123, 161, 443, 500, 1194, 3478, 4500, 5060, 51820}

// expectsAnswers tells that whoever asks for such a service waits for an answer.
func (k outing) expectsAnswers() bool { return k.proto != rules.UDP || slices.Contains(asking, k.port) }

// silenceKept is how many connections that wait are kept of each outing, and how many far ends are told apart.
const silenceKept = 8

// noteSilence counts what left this host, by whether it was answered.
func (c *flowStats) noteSilence(f *flow.Flow, waiting, half bool, now int64) {
	answered := f.Status&flow.StatusSeenReply != 0 && !half
	if waiting = waiting || half; answered && f.Proto() == rules.TCP && f.StateName() == "SYN_RECV" {
		return // it comes up this very moment
	}
	if !waiting && !answered || !f.Proto().HasPorts() && !f.Proto().IsICMP() {
		return
	}
	k := outing{seen: f.SeenAs().Addr(), proto: f.Proto()}
	if f.Proto().HasPorts() {
		k.port = f.ServedBy().Port()
	}
	s := c.outings[k]
	if s == nil {
		s = &silence{ends: map[netip.AddrPort]bool{}, heard: map[netip.AddrPort]bool{}}
		c.outings[k] = s
	}
	if answered {
		s.answered++
		s.noteAnswered(f, now)
		if len(s.heard) < silenceKept {
			s.heard[f.ServedBy()] = true
		}
		if len(c.answering) < statsLimit {
			c.answering[f.ServedBy()] = f.SeenAs().Addr()
		}
		return
	}
	if s.unanswered++; half {
		s.half++
	}
	s.noteWaiting(f, now)
	if len(s.ends) < silenceKept {
		s.ends[f.ServedBy()] = true
	}
	if len(s.first) < silenceKept {
		s.first = append(s.first, *f)
	}
}

// checkSilence tells of connections that left this host and got no answer, and hands each to the evaluator for what
// decides about its next packet.
func checkSilence(x *Examination) (list []Finding) {
	order := slices.SortedFunc(maps.Keys(x.stats.outings), func(a, b outing) int {
		return cmp.Or(cmp.Compare(x.stats.outings[b].unanswered, x.stats.outings[a].unanswered), a.seen.Compare(b.seen), cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port))
	})
	for _, k := range order {
		s := x.stats.outings[k]
		if s.unanswered == 0 || len(list) >= alike {
			break
		}
		if found := x.silent(k, s); found.Check != "" {
			list = append(list, found)
		}
	}
	return list
}

// silent is what there is to say of an outing that waits for answers.
func (x *Examination) silent(k outing, s *silence) Finding {
	f := &s.first[0]
	if x.stats.datagrams.answers(f) {
		return Finding{} // of which checkOwnDatagrams tells
	}
	p := explain.FirstPacket(f)
	from := "this host itself"
	if !x.IsLocal(p.Src) {
		link, ok := x.insideLink(p.Src)
		if p.In, from = link, link; !ok {
			return Finding{} // it came from the Internet: its forward is looked at by itself
		}
	} else if p.Local = true; x.markedByProgram(f, p) {
		p.Mark, p.ConnMark = f.Mark, f.Mark
	}
	out, _ := x.Lookup(evaluate.RouteQuery{Dst: f.ServedBy().Addr(), Src: p.Src, In: p.In, Mark: p.Mark})
	if out.Kind != facts.RouteUnicast && out.Kind != facts.RouteNone || p.In != "" && x.outward(p.In) && !x.onNet(p.In, p.Src) {
		return Finding{}
	}
	if now, ok := x.seenNow(p); ok && now != k.seen || out.Kind == facts.RouteUnicast && isInner(k.seen) && !x.IsLocal(k.seen) && x.outward(out.Out) {
		return Finding{} // today's rules give another source; or it leaves untranslated, of which checkUntranslated tells
	}
	service := fmt.Sprintf("%s port %d", k.proto, k.port)
	if k.proto.IsICMP() {
		service = k.proto.String()
	}
	found := Finding{
		Check: "no-answer", Severity: SeverityNote, Subject: fmt.Sprintf("%s to %s, seen as %s", from, service, k.seen),
		Evidence: []string{fmt.Sprintf("%s, none answered, such as %s to %s", rules.Plural(s.unanswered, "connection"), f.Client(), f.ServedBy())},
		Sentence: fmt.Sprintf("Connections from %s that leave by %s as %s for %s get no answer.", from, cmp.Or(out.Out, "?"), k.seen, service),
	}
	if s.answered > 0 {
		found.Evidence[0] = fmt.Sprintf("%s wait for an answer, such as %s to %s; %d more were answered", rules.Plural(s.unanswered, "connection"), f.Client(), f.ServedBy(), s.answered)
		found.Sentence = fmt.Sprintf("Some connections from %s that leave by %s as %s for %s get no answer.", from, cmp.Or(out.Out, "?"), k.seen, service)
		s.stopped(&found, k, x.now)
	} else if s.unanswered >= 3 && len(s.ends) >= 2 && k.expectsAnswers() {
		found.Severity = SeverityWarning
	}
	if s.half > 0 {
		found.Evidence = append(found.Evidence, fmt.Sprintf("the other end has answered %d of them, which is not heard (SYN_RECV)", s.half))
	}
	if p.In != "" && out.Out == p.In {
		found.Severity = SeverityWarning
		found.Sentence += fmt.Sprintf(" They leave by %s, where they came from.", p.In)
	}
	if as := x.othersAnswered(s); as.IsValid() && as != k.seen {
		found.Severity = SeverityWarning
		found.Evidence = append(found.Evidence, fmt.Sprintf("the same end answered who was seen as %s", as))
		found.Sentence += fmt.Sprintf(" Who is seen there as %s is answered: the difference is the source address.", as)
	}
	if s.answered == 0 {
		x.hiddenInside(&found, f, p)
	}
	return x.decidesNow(found, p)
}

// stopsTold is how many connections to one far end have to wait after it has answered: that end itself may be what fails.
const stopsTold = 5

// stopped makes a warning of connections that all get no answer since one was answered: to several ends, or to one that has
// answered.
func (s *silence) stopped(found *Finding, k outing, now int64) {
	n := s.unansweredSince()
	again := len(s.ends) == 1 && n >= stopsTold && slices.ContainsFunc(slices.Collect(maps.Keys(s.ends)), func(end netip.AddrPort) bool { return s.heard[end] })
	if !k.expectsAnswers() || n < 3 || len(s.ends) < 2 && !again {
		return
	}
	found.Severity = SeverityWarning
	found.Evidence = append(found.Evidence, s.dated("of this kind", now))
	found.Sentence = strings.Replace(found.Sentence, "Some connections", "The latest connections", 1) + " Others did, a moment ago: what they go through fails since then, or the far end does."
}

// hiddenInside adds the rule that gives machines inside another address towards others inside, where it is for whoever
// leaves, and nobody answers: servers there that know their clients by their addresses do not.
func (x *Examination) hiddenInside(found *Finding, f *flow.Flow, p evaluate.Packet) {
	way := x.fate(p)
	if p.In == "" || f.NAT()&flow.NATSrc == 0 || !isInner(p.Dst) || !way.passes() || len(way.Outcomes) != 1 || way.Outcomes[0].SNATBy.IsZero() {
		return
	}
	o := &way.Outcomes[0]
	if up, ok := x.uplink(rules.FamilyOf(p.Dst)); o.Out == p.In || ok && up == o.Out {
		return
	}
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "POSTROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		if at != o.SNATBy || !s.src.Any() || !s.dst.Any() || found.Severity >= SeverityWarning {
			return
		}
		found.Severity = SeverityWarning
		found.Evidence = append(found.Evidence, ruleName(at)+": "+x.textOf(at, r))
		found.Sentence += fmt.Sprintf(" The rule %s gives them that address between networks inside as well, whoever asks: a server that knows its clients by their addresses does not answer. It names no network that it is for.", ruleName(at))
	})
}

// markedByProgram tells that the mark of a connection of this host's own says which way it took: without the mark it would
// have left by another link than that of its address. Tunnels mark their own packets so (SO_MARK, wg-quick(8)).
func (x *Examination) markedByProgram(f *flow.Flow, p evaluate.Packet) bool {
	link, ok := x.LinkOf(p.Src)
	if f.Mark == 0 || !ok {
		return false
	}
	by := func(mark uint32) string {
		route, _ := x.Lookup(evaluate.RouteQuery{Dst: f.ServedBy().Addr(), Src: p.Src, Mark: mark})
		return route.Out
	}
	return by(0) != link && by(f.Mark) == link
}

// seenNow is the source that today's rules give the first packet of a connection; false where that is not known.
func (x *Examination) seenNow(p evaluate.Packet) (netip.Addr, bool) {
	way := x.fate(p)
	if !way.known || way.Incomplete || way.translators != "" || len(way.Outcomes) != 1 || way.Outcomes[0].Delivered != evaluate.Forwarded {
		return netip.Addr{}, false
	}
	a := way.Outcomes[0].Src.Addr
	return a, a.IsValid()
}

// othersAnswered is as whom others were seen that one of the same ends has answered; not valid if there are none.
func (x *Examination) othersAnswered(s *silence) netip.Addr {
	for _, end := range slices.SortedFunc(maps.Keys(s.ends), netip.AddrPort.Compare) {
		if as, ok := x.stats.answering[end]; ok {
			return as
		}
	}
	return netip.Addr{}
}

// decidesNow adds what today's rules and switches do with the first packet of a connection and with its answer.
func (x *Examination) decidesNow(found Finding, p evaluate.Packet) Finding {
	way := x.fate(p)
	o, blocked := way.blocked()
	switch {
	case blocked && !o.DroppedBy.IsZero():
		found.Severity = max(found.Severity, SeverityWarning)
		found.Evidence = append(found.Evidence, x.dropperText(o.DroppedBy))
		found.Sentence += fmt.Sprintf(" %s drops them now.", dropperName(o.DroppedBy, way.hook(o.DroppedBy)))
		return uncertain(found, &way)
	case blocked:
		found.Severity = max(found.Severity, SeverityWarning)
		found.Sentence += fmt.Sprintf(" They end here: %s.", strings.TrimSuffix(o.Why, "."))
		return found
	case !way.passes():
		found.Evidence = append(found.Evidence, "what becomes of them is not known: "+way.doubt())
		return found
	}
	end := &way.Outcomes[0]
	answer := answerTo(netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(end.Dst.Addr, p.DstPort), p.Protocol, end.Out)
	answer = answering(answer, p, end)
	answer.ConnMark = p.ConnMark
	if back := x.fate(answer); end.Delivered == evaluate.Forwarded {
		if o, blocked := back.blocked(); blocked && !o.DroppedBy.IsZero() {
			found.Severity = max(found.Severity, SeverityWarning)
			found.Evidence = append(found.Evidence, x.dropperText(o.DroppedBy))
			found.Sentence += fmt.Sprintf(" %s drops the answers.", dropperName(o.DroppedBy, back.hook(o.DroppedBy)))
			return uncertain(found, &back)
		}
	}
	if end.Delivered == evaluate.Forwarded && !x.returns(end) {
		found.Severity = max(found.Severity, SeverityWarning)
		found.Sentence += fmt.Sprintf(" Answers to %s do not come back this way: it belongs to another way to the Internet than %s.", end.Src.Addr, end.Out)
	}
	return found
}

// returns tells that answers to the source a packet leaves with can come back here: it is this host's own on the way
// out, or a network that others may route here.
func (x *Examination) returns(o *evaluate.Outcome) bool {
	if !o.Src.Addr.IsValid() || !x.IsLocal(o.Src.Addr) {
		return true // a routed network, which is known only outside
	}
	link, ok := x.LinkOf(o.Src.Addr)
	return !ok || link == o.Out || !x.outward(link) || !x.outward(o.Out)
}
