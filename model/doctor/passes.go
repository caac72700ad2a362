package doctor

import (
	"fmt"

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
	if o, blocked := way.blocked(); blocked && !o.DroppedBy.IsZero() && !othersPass(x, f) {
		name := "forward-dropped"
		if f.local {
			name = "input-dropped"
		}
		return dropped(x, name, f, &way, o, "after the translation")
	}
	if o, blocked := way.blocked(); blocked && o.DroppedBy.IsZero() {
		return Finding{
			Check: "packet-ends", Severity: SeverityWarning, Evidence: []string{o.Why, f.ruleCount()},
			Sentence: fmt.Sprintf("A packet for %s ends here: %s.", f.Asked, o.Why),
		}
	}
	if answer, ok := x.answer(f); ok {
		y := x.fate(answer)
		if o, blocked := y.blocked(); blocked && !o.DroppedBy.IsZero() && x.census.of(f.Rule).replied == 0 {
			return dropped(x, "answers-dropped", f, &y, o, "on the way back")
		}
	}
	if found := nativeForward(x, f); found.Check != "" {
		return found
	}
	return Finding{Sentence: fmt.Sprintf("%s lets the packet to %s and its answer through.", hook, f.Server)}
}

// othersPass tells that the forward is for some clients alone: there are flows
// that were answered, or a client that the filter rules name gets through.
func othersPass(x *Examination, f *Forward) bool {
	if x.census.of(f.Rule).replied > 0 {
		return true
	}
	for _, n := range x.allowedSources(f.Rule.Family) {
		s := f.via
		s.src = n
		client, ok := x.clientOn(f.Link, s, f.Server.Addr())
		if !ok {
			continue
		}
		p := f.packet
		p.Src = client
		if way := x.fate(p); way.arrives() {
			return true
		}
	}
	return false
}

// allowedSources are the networks that filter rules let something through from.
func (t *trial) allowedSources(family rules.Family) []rules.Net {
	var nets []rules.Net
	for _, p := range t.places() {
		t, ok := t.sets[p].Table("filter")
		if !ok || p.Family != family {
			continue
		}
		for i := range t.Chains {
			for j := range t.Chains[i].Rules {
				r := &t.Chains[i].Rules[j]
				lets := r.Target.Kind == rules.Accept || r.Target.Kind == rules.Jump || r.Target.Kind == rules.Return || r.Target.Kind == rules.Goto
				if lets && !r.Source.Any() && !r.Source.Not && len(nets) < 32 {
					nets = append(nets, r.Source)
				}
			}
		}
	}
	return nets
}

// dropped tells which rule drops a packet of a forward, with the rules that
// would let it through.
func dropped(x *Examination, check string, f *Forward, way *fate, o evaluate.Outcome, when string) Finding {
	hook := way.hook(o.DroppedBy)
	found := Finding{
		Check: check, Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{x.dropperText(o.DroppedBy), f.ruleCount()},
	}
	what := fmt.Sprintf("the packet to %s", f.Server)
	switch check {
	case "answers-dropped":
		what = fmt.Sprintf("the answer from %s", f.Server)
	case "dropped-early":
		what = fmt.Sprintf("a packet for %s", f.Asked)
	}
	found.Sentence = fmt.Sprintf("%s drops %s %s%s.", dropperName(o.DroppedBy, hook), what, when, x.setBy(o.DroppedBy))
	if check != "dropped-early" {
		found.Cure, _ = x.letThrough(f)
	}
	return found
}
