package doctor

import (
	"fmt"

	"nattui/rules/evaluate"
)

// stepTranslated asks whether the packet meets the rule, or another one first.
func stepTranslated(x *Examination, f *Forward) Finding {
	way := x.fate(f.packet)
	if !way.known || way.by(f.Rule) {
		return Finding{Sentence: fmt.Sprintf("The rule translates %s to %s.", f.Asked, f.Server), Evidence: []string{f.ruleCount()}}
	}
	way = x.told(f.packet)
	if v, met := way.visit(f.Rule); met && v.Verdict != evaluate.Yes || way.Incomplete || f.via.unsure || f.via.marked {
		return Finding{Sentence: "Whether a packet meets the rule hangs on what is not known here."}
	}
	by, what := way.taker(f.Rule.Place)
	if by.IsZero() {
		return Finding{Sentence: "Whether a packet meets the rule is not known here."}
	}
	found := Finding{
		Check: "shadowed-rule", Severity: SeverityWarning, Subject: ruleName(f.Rule), Evidence: []string{ruleName(by) + ": " + what, f.ruleCount()},
		Sentence: fmt.Sprintf("A packet for %s never comes to the rule: %s takes it before.", f.Asked, ruleName(by)),
	}
	if f.Owner != "" {
		found.Severity = SeverityNote
	}
	if by.Chain == f.Rule.Chain && by.Place == f.Rule.Place {
		found.Cure = x.moveBefore(f.Rule, *f.rule, by.Position, func(t *trial) bool { return true })
	}
	return found
}
