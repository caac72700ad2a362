package doctor

import (
	"slices"
	"strings"

	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// endedBefore is the native rule that takes a packet in the chain of another rule before that: what follows it there is met
// no more. It is false where that is not certain.
func (x *fate) endedBefore(rule evaluate.RuleRef) (by evaluate.RuleRef, text string, ok bool) {
	if _, met := x.visit(rule); met || !x.Certain {
		return by, "", false
	}
	var last *evaluate.Visit
	within := false // a chain that the rule's own leads to is a part of it
	for i := range x.Visits {
		v := &x.Visits[i]
		if v.In == nil {
			within = false
			continue
		}
		if v.In.IsBase() || v.Table != rule.Table {
			within = v.Table == rule.Table && v.Chain == rule.Chain && v.In.Type == "nat"
		}
		if within && v.Native != nil {
			last = v
		}
	}
	if last == nil || last.Verdict != evaluate.Yes || !ends(last) {
		return by, "", false
	}
	return last.RuleRef, last.Text(), true
}

// ends tells that a rule decides about what it matches, and does not only call another chain.
func ends(v *evaluate.Visit) bool {
	return slices.ContainsFunc(v.Native.Read(v.In, nil).Does, func(d nft.Deed) bool {
		return d.Kind == nft.Decides && !strings.HasPrefix(d.Text, "jump ")
	})
}
