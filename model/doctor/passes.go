package doctor

import (
	"fmt"
)

// stepLetThrough asks whether the filter rules let the translated packet of one client, and its answer, pass.
func stepLetThrough(x *Examination, f *Forward) Finding {
	hook := f.filter()
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
			return letsOthers(x, f, client, dropperName(o.DroppedBy, way.hook(o.DroppedBy))+": "+x.dropperText(o.DroppedBy))
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
	if way.known && !way.by(f.Rule) {
		return unknown(fmt.Sprintf("Whether %s lets packets to %s through is not known: no packet was found that the rule sends there.", hook, f.Server), f.ruleCount())
	}
	back, ok := answerPasses(x, f)
	if !ok {
		return back
	}
	if found, ok := laterPasses(x, f); !ok {
		return found
	}
	if found, ok := dataPasses(x, f, &way); !ok {
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
