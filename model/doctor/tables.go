package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkTables looks at each table's rules for themselves.
func checkTables(x *Examination) []Finding {
	var list []Finding
	w := walker{sets: x.sets}
	x.hooked(&w, "nat", "PREROUTING", func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
		own := ownerOf(r, s) == ""
		if at.Backend != rules.Native && own || at.Backend == rules.Native && (own || r.Target.Kind == rules.Redirect) && x.wholly(at, r) {
			list = append(list, catchesAll(x, at, r, s)...)
		}
	})
	for _, p := range x.variants() {
		list = slices.Concat(list, neverMatched(x, p), readOnlyTables(x, p))
	}
	return slices.Concat(list, dormantTables(x), goneLinks(x), natDrops(x), pools(x))
}

// neverMatched tells, in one note, of the administrator's rules that no packet has matched.
func neverMatched(x *Examination, p rules.Variant) []Finding {
	t, ok := x.sets[p].Table("nat")
	if !ok {
		return nil
	}
	var idle []string
	met := false
	for i := range t.Chains {
		c := &t.Chains[i]
		for j := range c.Rules {
			r := &c.Rules[j]
			met = met || r.Counters.Packets > 0
			if r.Counters.Known && r.Counters.Packets == 0 && r.Target.Kind.Translates() && rules.OwnerOf(*r) == "" {
				idle = append(idle, fmt.Sprintf("%s %d", c.Name, j+1))
			}
		}
	}
	if len(idle) == 0 || !met {
		return nil // the counters have just begun
	}
	sentence := fmt.Sprintf("%s have not matched a packet since they were made or their counters were set to zero.", rules.Plural(len(idle), "rule"))
	if len(idle) == 1 {
		sentence = "One rule has not matched a packet since it was made or its counter was set to zero."
	}
	return []Finding{{Check: "never-matched", Severity: SeverityNote, Subject: "nat" + variantNote(p), Sentence: sentence, Evidence: []string{strings.Join(idle[:min(len(idle), 12)], ", ")}}}
}

// readOnlyTables tells of tables that iptables cannot show whole.
func readOnlyTables(x *Examination, p rules.Variant) (list []Finding) {
	if x.Unread[p] != "" {
		return nil
	}
	severity := SeverityWarning
	if x.Native != nil {
		severity = SeverityNote // what stands there is read and evaluated all the same
	}
	for _, t := range []string{"nat", "filter", "mangle", "raw"} {
		if what := x.sets[p].Foreign[t]; what != "" {
			list = append(list, Finding{
				Check: "read-only-table", Severity: severity, Subject: "table " + t + variantNote(p), Evidence: []string{what},
				Sentence: fmt.Sprintf("The table %s holds what iptables does not show (%s) and would delete with -F or a restore: nattui does not change it with iptables; change it with nft.", t, what),
			})
		}
	}
	return list
}
