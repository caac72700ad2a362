package evaluate

import "nattui/rules"

// twins are the references of an outcome that name a rule of either backend.
type twins struct{ dnat, snat, dropped bool }

// nameBackends has what the path says of rules name their backend, where both have rules in the table: each has a chain of the
// same name, with rules from 1.
func (e *Evaluator) nameBackends(path *Path, f rules.Family) {
	both := e.families[f].inBoth()
	if len(both) == 0 {
		return
	}
	for i := range path.Visits {
		path.Visits[i].twin = both[path.Visits[i].Table]
	}
	for i := range path.Doubts {
		path.Doubts[i].twin = both[path.Doubts[i].Table]
	}
	for i := range path.Outcomes {
		o := &path.Outcomes[i]
		o.twins = twins{both[o.DNATBy.Table], both[o.SNATBy.Table], both[o.DroppedBy.Table]}
	}
}

// inBoth are the tables that have rules, or policies that drop, on both backends.
func (t *tables) inBoth() map[string]bool {
	if len(t.programs) < 2 {
		return nil
	}
	var both map[string]bool
	first := map[string]rules.Backend{}
	for _, p := range t.programs {
		for _, c := range p.chains {
			if c.length() == 0 && !c.drops {
				continue
			}
			if b, seen := first[c.table]; !seen {
				first[c.table] = p.set.Backend
			} else if b != p.set.Backend {
				if both == nil {
					both = map[string]bool{}
				}
				both[c.table] = true
			}
		}
	}
	return both
}

// among is the reference with its backend behind it, where the other one has rules in the table as well.
func (r RuleRef) among(twin bool) string {
	if twin && (r.Backend == rules.NFT || r.Backend == rules.Legacy) {
		return r.String() + " (" + r.Backend.String() + ")"
	}
	return r.String()
}

// NameBackends has the outcome name the backend of each rule, whether or not both have rules in its table.
func (o *Outcome) NameBackends() { o.twins = twins{true, true, true} }

// Name is the rule as people write it, with its backend where the other one has rules in the table as well.
func (v *Visit) Name() string { return v.among(v.twin) }

// InBoth reports that both backends have rules in its table.
func (v *Visit) InBoth() bool { return v.twin }
