package doctor

import (
	"fmt"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// stepTranslated asks whether the packet meets the rule, or another one first.
func stepTranslated(x *Examination, f *Forward) Finding {
	way := x.fate(f.packet)
	named := fmt.Sprintf("a packet from %s for %s", f.packet.Src, f.Asked)
	if !way.known || way.translators != "" {
		return unknown(fmt.Sprintf("Whether the rule translates %s is not known: %s.", named, way.doubt()), f.ruleCount())
	}
	if way.by(f.Rule) && way.translates() {
		return Finding{Sentence: fmt.Sprintf("The rule translates %s to %s.", f.Asked, f.Server), Evidence: []string{f.ruleCount()}}
	}
	way = x.told(f.packet)
	by, what := way.taker(f.Rule.Variant)
	if v, met := way.visit(f.Rule); way.by(f.Rule) || met && v.Verdict != evaluate.Yes || way.Incomplete || f.via.unsure || f.via.marked || by.IsZero() {
		return unknown(fmt.Sprintf("Whether the rule translates %s is not known: %s.", named, way.doubt()), f.ruleCount())
	}
	if !x.takesAll(by, f) {
		return unknown(fmt.Sprintf("Whether the rule ever translates is not known: %s is taken by %s before, and no packet was found that is not.", named, ruleName(by)), ruleName(by)+": "+what, f.ruleCount())
	}
	found := Finding{
		Check: "shadowed-rule", Severity: SeverityWarning, Subject: ruleName(f.Rule), Evidence: []string{ruleName(by) + ": " + what, f.ruleCount()},
		Sentence: fmt.Sprintf("Packets for %s never reach this rule: %s matches first.", f.Asked, ruleName(by)),
	}
	if f.Owner != "" {
		found.Severity = SeverityNote
	}
	if by.Chain == f.Rule.Chain && by.Variant == f.Rule.Variant {
		found.takesOver = true
		found.Cure = x.moveBefore(f.Rule, *f.rule, by.Position, func(t *trial) bool { return true })
	}
	return found
}

// takesAll proves that a rule takes every packet that would meet a forward's rule: the two are all of a chain, and
// no packet comes to the second.
func (t *trial) takesAll(by evaluate.RuleRef, f *Forward) bool {
	first, ok := ruleOf(t.sets, by)
	if !ok || !rules.IsBuiltIn(by.Table, by.Chain) {
		return false // what leads to it has conditions of its own
	}
	two := rules.Chain{Name: "PREROUTING", Rules: []rules.Rule{*first, *f.rule}}
	for i := range two.Rules {
		two.Rules[i].Chain = two.Name
	}
	set := &rules.Ruleset{Family: f.Rule.Family, Backend: f.Rule.Backend, Tables: []rules.Table{{Name: "nat", Chains: []rules.Chain{two}}}}
	return len(evaluate.Reach(set, "nat")) > 0
}
