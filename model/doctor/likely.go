package doctor

import (
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// likely makes a warning of what is not known about a packet where connections of its kind fail, and a rule or policy that
// may drop it does drop packets. what names the packet, fails says of the connections that they fail; "" where none does.
func (x *Examination) likely(found Finding, way *fate, what, fails string) Finding {
	if found.Severity != SeverityUnknown || fails == "" || !way.known {
		return found
	}
	i := slices.IndexFunc(way.Outcomes, func(o evaluate.Outcome) bool {
		return o.Delivered == evaluate.Dropped && !o.DroppedBy.IsZero() && x.hasDropped(o.DroppedBy)
	})
	if i < 0 {
		return found
	}
	by := way.Outcomes[i].DroppedBy
	found.Check, found.Severity = "let-through", SeverityWarning
	found.Sentence = fmt.Sprintf("%s may drop %s, and it has dropped packets while %s: what it asks for is not known here (%s), so that this is likely and not certain.", dropperName(by, way.hook(by)), what, fails, way.doubt())
	found.Evidence = append([]string{x.dropperText(by), fails}, found.Evidence...)
	return found
}

// hasDropped tells that a rule or policy which drops has met packets, or does not count them.
func (x *Examination) hasDropped(by evaluate.RuleRef) bool {
	if by.Backend == rules.Native {
		return true
	}
	c, ok := x.sets[by.Variant].Chain(by.Table, by.Chain)
	if !ok || by.Position > len(c.Rules) {
		return false
	}
	counters := c.Counters
	if by.Position > 0 {
		counters = c.Rules[by.Position-1].Counters
	}
	return !counters.Known || counters.Packets > 0
}

// failing says that connections of a forward get no answer, or that none gets through to its client; "" where none waits, or
// others were answered since.
func (x *Examination) failing(f *Forward) string {
	switch seen := x.stats.tallyOf(f); {
	case seen.unheard > 0 && seen.replied == 0:
		return fmt.Sprintf("%s %s been answered by %s and not heard by the client", rules.Plural(seen.unheard, "connection"), haveOrHas(seen.unheard), f.Server)
	case seen.unanswered > 0 && seen.replied+seen.half == 0:
		return fmt.Sprintf("%s to %s %s got no answer", rules.Plural(seen.unanswered, "connection"), f.Server, haveOrHas(seen.unanswered))
	case seen.unansweredSince() > 0:
		return seen.dated("to "+f.Server.String(), x.now)
	}
	return ""
}

func haveOrHas(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

// sharedFailing is the same for connections that machines at a link have opened.
func (x *Examination) sharedFailing(link string) string {
	waiting := 0
	for _, s := range x.stats.outings {
		if s.unanswered == 0 || s.answered > 0 && s.unansweredSince() == 0 {
			continue
		}
		if from, ok := x.insideLink(s.first[0].Client().Addr()); ok && from == link {
			waiting += s.unanswered
		}
	}
	if waiting == 0 {
		return ""
	}
	return fmt.Sprintf("%s from %s %s got no answer", rules.Plural(waiting, "connection"), link, haveOrHas(waiting))
}
