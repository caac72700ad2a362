package doctor

import (
	"encoding/binary"
	"fmt"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
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
		}) {
			continue
		}
		natively, subject, early := x.nativeMarks(policy)
		late = append(late, natively...)
		if early || len(late) == 0 {
			continue
		}
		if first.IsZero() {
			list = append(list, markTooLate(policy, subject, late, "a prerouting chain, or a chain of type route at hook output for what this host itself sends"))
			continue
		}
		list = append(list, markTooLate(policy, ruleName(first), late, "PREROUTING of table mangle, or in OUTPUT of mangle for what this host itself sends"))
	}
	return list
}

// markTooLate is the finding of marks that are set where they change no route; where says in which chains they would.
func markTooLate(policy facts.PolicyRule, subject string, late []string, where string) Finding {
	return Finding{
		Check: "mark-too-late", Severity: SeverityWarning, Subject: subject, Evidence: append(late[:min(len(late), 3)], policyText(policy)),
		Sentence: fmt.Sprintf("The rule sets the mark %s that an ip rule routes by, after the route was chosen: the packet goes the way it went anyway. Marks for routing are set in %s.", rules.Hex(policy.Mark), where),
	}
}

// nativeMarks are the native rules that set a policy rule's mark after the route was chosen, and how the first is named; early is set
// where one does so before, or may.
func (t *trial) nativeMarks(policy facts.PolicyRule) (late []string, subject string, early bool) {
	set := t.Native.Ruleset()
	if set == nil {
		return nil, "", false
	}
	for _, table := range set.Tables {
		if table.Dormant || !table.Meets(policy.Family) || table.OfIPTables() {
			continue
		}
		for _, base := range table.Chains {
			if !base.IsBase() {
				continue
			}
			routed := base.Hook != "prerouting" && base.Hook != "ingress" && base.Type != "route"
			for _, c := range append([]*nft.Chain{base}, base.Led()...) {
				for i, r := range c.Rules {
					sets, known := setsMark(r, policy)
					switch {
					case !sets:
					case !routed:
						return nil, "", true
					case known:
						if late = append(late, r.Text(c, set.Links)); subject == "" {
							subject = fmt.Sprintf("%s %s %s %d", table.Family, table.Name, c.Name, i+1)
						}
					}
				}
			}
		}
	}
	return late, subject, false
}

// setsMark reports whether a native rule sets a policy rule's mark; not known where the value comes from elsewhere.
func setsMark(r *nft.Rule, policy facts.PolicyRule) (sets, known bool) {
	values := map[nft.Register][]byte{}
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case nft.Immediate:
			values[e.Into] = e.Data
		case nft.Meta:
			if !e.Set {
				delete(values, e.Reg)
			} else if e.Key == "mark" {
				value, ok := values[e.Reg]
				if !ok || len(value) != 4 {
					return true, false
				}
				return binary.NativeEndian.Uint32(value)&policy.Mask == policy.Mark, true
			}
		default:
			clear(values) // the value is loaded just before it is set
		}
	}
	return false, true
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
