package doctor

import (
	"fmt"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// reachLimit is how many findings of one kind are told for rules of other programs.
const reachLimit = 5

// checkReach tells of rules of the nat tables that no packet ever meets.
func checkReach(x *Examination) []Finding { return x.unreached }

// unreachedRules finds the rules of the nat tables that no packet ever meets.
func unreachedRules(t *trial) []Finding {
	var list report
	for _, p := range t.variants() {
		for _, table := range []string{"filter", "mangle", "raw"} {
			list.take(unreachedIn(t, p, table))
		}
		told := map[string]int{}
		for _, r := range t.programs[t.sets[p]].Reach("nat") {
			owner := rules.ChainOwner(r.Chain)
			if r.Rule != nil && owner == "" {
				owner = rules.OwnerOf(*r.Rule)
			}
			found := unreached(t, r, owner)
			if told[owner+found.Check]++; owner != "" && told[owner+found.Check] > reachLimit {
				continue
			}
			list.take([]Finding{found})
		}
	}
	return list
}

// unreachedIn finds the administrator's own rules of a table other than nat that no packet ever meets.
func unreachedIn(t *trial, p rules.Variant, table string) (list []Finding) {
	if _, ok := t.sets[p].Table(table); !ok {
		return nil
	}
	for _, r := range t.programs[t.sets[p]].Reach(table) {
		if r.Rule == nil || rules.ChainOwner(r.Chain) != "" || rules.OwnerOf(*r.Rule) != "" || len(list) >= reachLimit {
			continue
		}
		found := unreached(t, r, "")
		found.Severity, found.Cure = SeverityNote, rules.Plan{}
		list = append(list, found)
	}
	return list
}

// unreached tells why a rule meets no packet, with a cure where it is the administrator's own.
func unreached(t *trial, r evaluate.DeadRule, owner string) Finding {
	check := map[evaluate.DeadKind]string{
		evaluate.Shadowed: "shadowed-rule", evaluate.Duplicate: "duplicate-rule", evaluate.AfterAll: "rule-after-all", evaluate.Orphaned: "chain-unreached", evaluate.Unfit: "rule-unfit",
	}[r.Kind]
	found := Finding{Check: check, Severity: SeverityWarning, Subject: ruleName(r.RuleRef), Sentence: r.Sentence()}
	if r.Kind == evaluate.Orphaned {
		found.Subject, found.Severity = r.Chain+variantNote(r.Variant), SeverityNote
	}
	if owner != "" {
		found.Severity = SeverityNote
		found.Sentence += " It is " + owner + "'s."
	}
	if r.ByRule != nil {
		found.Evidence = []string{fmt.Sprintf("%s: %s", ruleName(r.By), r.ByRule)}
	}
	if r.Rule != nil && r.Rule.Counters.Known {
		found.Evidence = append(found.Evidence, "the rule matched "+rules.Plural(int(r.Rule.Counters.Packets), "packet"))
	}
	if r.Rule != nil && owner == "" {
		switch {
		case r.Kind == evaluate.Duplicate:
			c := t.change(rules.Delete, r.RuleRef)
			c.Rule = *r.Rule
			c = c.Named(t.sets[r.Variant]) // by its specification the first of the two would go
			found.Cure = rules.Plan{Title: fmt.Sprintf("Delete rule %d of %s, which is there twice", r.Position, r.Chain), Steps: []rules.Step{{Change: &c, Why: "the first of the two does all the work"}}}
		case r.By.Chain == r.Chain && r.ByRule != nil && r.Rule.Target.Kind.Translates():
			found.takesOver = true
			found.Cure = t.moveBefore(r.RuleRef, *r.Rule, r.By.Position, func(*trial) bool { return true })
		}
	}
	return found
}
