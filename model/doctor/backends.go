package doctor

import (
	"fmt"

	"nattui/rules"
)

// checkBackends tells of a host whose rules are in two places.
func checkBackends(x *Examination) (list []Finding) {
	for _, family := range rules.Families {
		var evidence []string
		severity := SeverityNote
		nat := 0
		for _, b := range rules.Backends {
			p := rules.Variant{Family: family, Backend: b}
			n, total := 0, 0
			for i := range setOf(x.sets, p) {
				t := &x.sets[p].Tables[i]
				total += t.Rules()
				if t.Name == "nat" {
					n = t.Rules()
				}
			}
			if total == 0 {
				continue
			}
			if n > 0 {
				nat++
			}
			evidence = append(evidence, fmt.Sprintf("%s: %s, %d of them in nat", b, rules.Plural(total, "rule"), n))
		}
		if len(evidence) < 2 {
			continue
		}
		sentence := family.Title() + " has rules on both backends, nft and legacy: packets meet both, and each program shows only its own."
		if nat == 2 {
			severity = SeverityWarning
			sentence = family.Title() + " has NAT rules on both backends, nft and legacy: packets meet both, the first that translates wins, and each program shows only its own."
		}
		list = append(list, Finding{Check: "both-backends", Severity: severity, Subject: family.Title(), Evidence: evidence, Sentence: sentence})
	}
	return list
}

func setOf(sets map[rules.Variant]*rules.Ruleset, p rules.Variant) []rules.Table {
	if sets[p] == nil {
		return nil
	}
	return sets[p].Tables
}
