package doctor

import (
	"fmt"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// reroutes are the chains in which a mark still changes the route: before it is looked up, or, for what this host
// sends, after which it is looked up again (iptable_mangle in net/ipv4/netfilter/iptable_mangle.c).
var reroutes = []struct{ table, chain string }{{"mangle", "PREROUTING"}, {"raw", "PREROUTING"}, {"mangle", "OUTPUT"}}

// checkMarks tells of marks that a policy rule routes by and that are set only where it is too late.
func checkMarks(x *Examination) (list []Finding) {
	for _, policy := range x.PolicyRules {
		if policy.Mask == 0 || policy.Mark == 0 || policy.Not {
			continue
		}
		var late []string
		var first evaluate.RuleRef
		if x.eachMark(policy, func(at evaluate.RuleRef, r *rules.Rule, hook string) bool {
			if slices.Contains(reroutes, struct{ table, chain string }{at.Table, hook}) {
				return true
			}
			if late = append(late, ruleName(at)+": "+r.String()); first.IsZero() {
				first = at
			}
			return false
		}) || len(late) == 0 {
			continue
		}
		list = append(list, Finding{
			Check: "mark-too-late", Severity: SeverityWarning, Subject: ruleName(first), Evidence: append(late[:min(len(late), 3)], policyText(policy)),
			Sentence: fmt.Sprintf("The rule sets the mark %s that an ip rule routes by, after the route was chosen: the packet goes the way it went anyway. Marks for routing are set in PREROUTING of table mangle, or in OUTPUT of mangle for what this host itself sends.", rules.Hex(policy.Mark)),
		})
	}
	return list
}

// eachMark calls yield with the rules that may set a policy rule's mark, and the chain that the kernel calls, until it
// returns true.
func (t *trial) eachMark(policy facts.PolicyRule, yield func(at evaluate.RuleRef, r *rules.Rule, hook string) bool) (stopped bool) {
	w := walker{sets: t.sets}
	for _, p := range t.variants() {
		if p.Family != policy.Family {
			continue
		}
		for _, table := range []string{"raw", "mangle", "nat", "filter"} {
			for _, hook := range []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"} {
				w.walk(evaluate.RuleRef{Variant: p, Table: table, Chain: hook}, sketch{family: p.Family}, func(at evaluate.RuleRef, r *rules.Rule, _ sketch) {
					m := r.Target.Mark
					sets := r.Target.Kind == rules.SetMark && m.Set.Value&policy.Mask == policy.Mark || r.Target.Kind == rules.SetConnMark && m.Restore
					stopped = stopped || sets && yield(at, r, hook)
				})
			}
		}
	}
	return stopped
}

func policyText(p facts.PolicyRule) string {
	return fmt.Sprintf("ip rule %d: fwmark %s/%s lookup %d", p.Priority, rules.Hex(p.Mark), rules.Hex(p.Mask), p.Table)
}
