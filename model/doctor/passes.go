package doctor

import (
	"fmt"
	"net/netip"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// stepLetThrough asks whether the filter rules let the translated packet, and
// its answer, pass.
func stepLetThrough(x *Examination, f *Forward) Finding {
	hook := "FORWARD"
	if f.local {
		hook = "INPUT"
	}
	way := x.fate(f.packet)
	if found := ttlEnds(x, f.packet, "A packet for "+f.askedText()); found.Check != "" {
		found.Evidence = append(found.Evidence, f.ruleCount())
		return found
	}
	o, blocked := way.blocked()
	if blocked && o.DroppedBy.IsZero() {
		return Finding{
			Check: "packet-ends", Severity: SeverityError, Evidence: []string{o.Why, f.ruleCount()},
			Sentence: fmt.Sprintf("A packet for %s ends here: %s.", f.askedText(), o.Why),
		}
	}
	if blocked {
		if client, ok := othersPass(x, f); ok {
			other := *f
			other.packet = client
			found := stepLetThrough(x, &other) // whose packet is not blocked, so that it goes no deeper
			if found.Severity == SeverityOK {
				found.Sentence = fmt.Sprintf("%s lets packets from %s to %s through, and not those from %s.", hook, client.Src, f.Server, f.packet.Src)
				found.Evidence = []string{dropperName(o.DroppedBy, way.hook(o.DroppedBy)) + ": " + x.dropperText(o.DroppedBy)}
			}
			return found
		}
		if found, ok := closedOnPurpose(x, f, &way, &o); ok {
			return found
		}
		if found, ok := x.droppedUnheard(o.DroppedBy, "the packet to "+f.Server.String()); ok {
			return found
		}
		if !way.cameToNAT(f.Rule) {
			return dropped(x, "dropped-early", f, &way, o, "before the NAT rules are asked")
		}
		if found, ok := forwardDropped(x, f, &way, "the packet to "+f.Server.String()); ok {
			return found
		}
		check := map[bool]string{false: "forward-dropped", true: "input-dropped"}[f.local]
		return dropped(x, check, f, &way, o, "after the translation")
	}
	back, ok := answerPasses(x, f)
	if !ok {
		return back
	}
	if found, ok := laterPasses(x, f); !ok {
		return found
	}
	if !way.passes() {
		found := unknown(fmt.Sprintf("Whether %s lets the packet to %s through is not known: %s.", hook, f.Server, way.doubt()), x.answered(f)...)
		return x.likely(found, &way, "the packet to "+f.Server.String(), x.failing(f))
	}
	what := "the packet to " + f.Server.String()
	if !x.answerEndsBefore(f) {
		what += " and its answer"
	}
	return Finding{Sentence: fmt.Sprintf("%s lets %s through.", hook, what), Evidence: x.answered(f)}
}

// answerEndsBefore tells that a server's answer ends without a rule that drops it, so that it comes to no filter.
func (x *Examination) answerEndsBefore(f *Forward) bool {
	_, way, ok := x.answerWay(f)
	if !ok {
		return false
	}
	o, blocked := way.blocked()
	return blocked && o.DroppedBy.IsZero()
}

// answerPasses follows the server's answer; not ok where it is dropped, or where that is not known.
func answerPasses(x *Examination, f *Forward) (found Finding, ok bool) {
	p, way, ok := x.answerWay(f)
	if !ok {
		return Finding{}, true
	}
	if found := answerUntracked(x, f, p, &way); found.Sentence != "" {
		return found, false
	}
	first := x.fate(f.packet)
	if found := zonesDiffer(&first, &way, "the answer from "+f.Server.String()); found.Sentence != "" {
		return found, false
	}
	for _, way := range []*fate{&first, &way} {
		if found := x.ipsecDecides(way); found.Sentence != "" {
			return found, false
		}
	}
	if found := ttlEnds(x, p, fmt.Sprintf("The answer from %s", f.Server)); found.Check != "" {
		return found, false
	}
	switch o, blocked := way.blocked(); {
	case blocked && !o.DroppedBy.IsZero():
		if found, ok := x.droppedUnheard(o.DroppedBy, "the answer from "+f.Server.String()); ok {
			return found, false
		}
		if found, ok := forwardDropped(x, f, &way, "the answer from "+f.Server.String()); ok {
			return found, false
		}
		return dropped(x, "answers-dropped", f, &way, o, "on the way back"), false
	case !blocked && way.unseen == "" && !way.allowed():
		found := unknown(fmt.Sprintf("Whether the answer from %s gets through is not known: %s.", f.Server, way.doubt()), x.answered(f)...)
		return x.likely(found, &way, "the answer from "+f.Server.String(), x.failing(f)), false
	}
	return Finding{}, true
}

// answered tells, as evidence, of the connections of a forward.
func (x *Examination) answered(f *Forward) []string {
	seen := x.stats.tallyOf(f)
	if seen.flows == 0 {
		return nil
	}
	return []string{seen.String()}
}

// othersPass finds a client for whom a forward works although it does not for others: one that was answered and
// would get through today, or one of a network that the filter rules name. The packet is the forward's own, with
// another source: it comes by the same interface, and is the very one that gets through.
func othersPass(x *Examination, f *Forward) (evaluate.Packet, bool) {
	p := f.packet
	passes := func(client netip.Addr) bool {
		p.Src = client
		way := x.fate(p)
		return client != f.packet.Src && way.arrives()
	}
	seen := x.stats.tallyOf(f)
	for i := range seen.answered {
		if served := seen.answered[i].ServedBy(); served.Port() != f.Server.Port() {
			continue // another forward of the same rule
		}
		if x.cameBy(f.Link, &seen.answered[i]) && passes(seen.answered[i].Client().Addr()) {
			return p, true
		}
	}
	for _, n := range x.allowedSources(f.Rule.Family) {
		s := f.via
		s.src = n
		client, ok := x.clientOn(f.Link, s, f.Server.Addr())
		if !ok || !x.comesBy(client, f.Link) {
			continue
		}
		if passes(client) {
			return p, true
		}
	}
	for _, client := range strangers {
		if f.via.src.Any() && f.Rule.Family.Holds(client) && !x.IsLocal(client) && x.comesBy(client, f.Link) && passes(client) {
			return p, true
		}
	}
	return f.packet, false
}

// allowedSources are the networks that filter rules let something through from.
func (x *Examination) allowedSources(family rules.Family) []rules.Net {
	var nets []rules.Net
	for _, n := range x.listed.sources {
		if family.Holds(n.Addr()) {
			nets = append(nets, rules.NetOf(n))
		}
	}
	for at, r := range x.rulesOf("filter") {
		lets := r.Target.Kind == rules.Accept || r.Target.Kind == rules.Jump || r.Target.Kind == rules.Return || r.Target.Kind == rules.Goto
		if lets && at.Family == family && !r.Source.Any() && !r.Source.Not && len(nets) < 32 {
			nets = append(nets, r.Source)
		}
	}
	return nets
}

// dropped tells which rule drops a packet of a forward, with the rules that
// would let it through.
func dropped(x *Examination, check string, f *Forward, way *fate, o evaluate.Outcome, when string) Finding {
	hook := way.hook(o.DroppedBy)
	if o.DroppedBy.Backend == rules.Native {
		check = "native-drop"
	}
	found := Finding{
		Check: check, Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{x.dropperText(o.DroppedBy), f.ruleCount()},
	}
	what := fmt.Sprintf("the packet to %s", f.Server)
	switch check {
	case "answers-dropped":
		what = fmt.Sprintf("the answer from %s", f.Server)
	case "dropped-early":
		what = fmt.Sprintf("a packet for %s", f.askedText())
	}
	found.Evidence = append(found.Evidence, x.answered(f)...)
	found.Sentence = fmt.Sprintf("%s drops %s %s%s.", dropperName(o.DroppedBy, hook), what, when, x.setBy(o.DroppedBy))
	if check != "dropped-early" {
		found.Cure, _ = x.letThrough(f)
	}
	return uncertain(found, way)
}

// uncertain makes a warning of an error that nft tables which are not evaluated may keep from happening.
func uncertain(f Finding, way *fate) Finding {
	if way.unseen != "" {
		f.Severity = min(f.Severity, SeverityWarning)
		f.Sentence += " This is not certain: " + way.doubt() + "."
	}
	return f
}
