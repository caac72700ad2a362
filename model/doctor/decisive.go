package doctor

import (
	"slices"
	"strings"

	"nattui/rules/evaluate"
)

// decisive are the doubts that decide about a packet. In which order chains of one priority are called is none where all
// orders were followed and one table alone has translated: the others leave the packet to it.
func (x *fate) decisive() []evaluate.Doubt {
	var one evaluate.RuleRef
	for i := range x.Outcomes {
		switch by := x.Outcomes[i].DNATBy; {
		case by.IsZero():
		case one.IsZero():
			one = by
		case by.Variant != one.Variant || by.Table != one.Table:
			return x.Doubts
		}
	}
	if one.IsZero() || x.Incomplete {
		return x.Doubts
	}
	left := slices.DeleteFunc(slices.Clone(x.Doubts), isOrder)
	if len(left) == 0 {
		return x.Doubts // of something else the order decides, such as a mark
	}
	return left
}

// isOrder tells the doubt about which of several chains comes first.
func isOrder(d evaluate.Doubt) bool {
	return d.RuleRef.IsZero() && (strings.Contains(d.What, "which comes first depends") || strings.Contains(d.What, "which come first depend"))
}
