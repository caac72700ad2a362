package evaluate

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// hide notes what the host has beside the given rule sets that packets meet and that is not evaluated: nothing is certain
// there.
func (e *Evaluator) hide(h Host) {
	for _, n := range h.Natives {
		for _, f := range rules.Families {
			if t := &e.families[f]; n.Meets(f) {
				t.hidden = append(t.hidden, Doubt{What: fmt.Sprintf("%s also translates (%s) and is not evaluated", n, strings.Join(n.Chains, ", "))})
				t.unseen = append(t.unseen, n.String())
			}
		}
	}
	for _, l := range h.Legacy {
		t := &e.families[l.Family]
		if slices.ContainsFunc(t.programs, func(p *Program) bool { return p.set.Backend == rules.Legacy }) {
			continue
		}
		t.hidden = append(t.hidden, Doubt{What: "what the " + l.String() + " do, which nothing here reads"})
		if l.Has("nat") {
			t.unseen = append(t.unseen, "what stands in "+l.String())
			t.tracks = true
		}
	}
}
