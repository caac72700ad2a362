package explain

import (
	"fmt"
	"slices"

	"nattui/model/flow"
	"nattui/rules/evaluate"
)

// asker evaluates first packets that got through, as members of their classes where there are such.
type asker struct {
	evaluator *evaluate.Evaluator
	classes   *evaluate.Classes
}

func (a asker) outcomes(buf []evaluate.Outcome, p *evaluate.Packet) (outcomes []evaluate.Outcome, certain, common bool) {
	if a.classes != nil {
		return a.classes.Translations(buf, p)
	}
	outcomes, certain = a.evaluator.Translations(buf, p)
	return outcomes, certain, false
}

// explain explains a flow by its usual first packet, and reconsiders that by the others that it
// may have had: rules that would have made just this translation from another interface, or of a mark,
// explain it too; that no rule translated it explains it where its source is reached that way, and elsewhere
// keeps it from being stale. What today would drop such a packet tells nothing: the flow is there. A rule that would have
// made just this translation of a packet that the reverse path filter drops today explains what nothing else does.
func (a asker) explain(f *flow.Flow, buf []evaluate.Outcome) (x Explanation, outcomes []evaluate.Outcome, common bool) {
	p := FirstPacket(f)
	p.PickedUp = true // when it began is not kept
	outcomes, certain, common := a.outcomes(buf, &p)
	x = comparing(outcomes, certain, f, a.evaluator.Unseen(f.Family()))
	arrivals := a.evaluator.Arrivals(p)
	for _, refused := range [...]bool{false, true} {
		for _, other := range arrivals {
			if other.Refused != refused || refused && !x.doubted() {
				continue
			}
			var alike bool
			outcomes, certain, alike = a.outcomes(outcomes[:0], &other.Packet)
			common = common && alike
			if !refused {
				outcomes = withoutRefused(outcomes)
			}
			if was := comparing(outcomes, certain, f, ""); !refused || !was.Rule().IsZero() {
				x = x.weigh(was, &other)
			}
		}
	}
	if x.Confidence == Stale && f.Zone != 0 {
		x.Confidence, x.Unseen = Unknown, fmt.Sprintf("who keeps connection tracking's zone %d", f.Zone)
	}
	if x.Confidence == Stale || x.Halted {
		down, any := a.evaluator.DownBeside(f.Client().Addr(), f.ServedBy().Addr(), f.SeenAs().Addr())
		if down != "" {
			x = Explanation{Confidence: Unknown, Down: down}
		}
		common = common && !any // a class says nothing of networks
	}
	return x, outcomes, common
}

// doubted tells that no rule of today is known to have made the flow.
func (x Explanation) doubted() bool { return x.Confidence == Stale || x.Confidence == Unknown }

// weigh is an explanation after another one, by another first packet, was found beside it.
func (x Explanation) weigh(other Explanation, by *evaluate.Arrival) Explanation {
	undecided := other.Confidence == Ambiguous && other.Rule().IsZero()
	switch {
	case other.Confidence == Stale, other.Halted:
	case other.Rule().IsZero() && x.doubted() && by.Reached && !undecided:
		return Explanation{Confidence: Inferred}
	case other.Rule().IsZero() && x.Confidence == Stale && by.In != "":
		return Explanation{Confidence: Unknown, Arrival: by.In}
	case other.Rule().IsZero():
	case x.doubted():
		return Explanation{DNAT: other.DNAT, SNAT: other.SNAT, Confidence: max(other.Confidence, Inferred)}
	case x.DNAT != other.DNAT || x.SNAT != other.SNAT:
		x.Confidence = Ambiguous
	}
	return x
}

// withoutRefused leaves out what the kernel drops itself: no flow begins like that.
func withoutRefused(outcomes []evaluate.Outcome) []evaluate.Outcome {
	return slices.DeleteFunc(outcomes, func(o evaluate.Outcome) bool {
		return o.Delivered == evaluate.NoRoute || o.Delivered == evaluate.Dropped && o.DroppedBy.IsZero()
	})
}
