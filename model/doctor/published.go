package doctor

import (
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkPublished tells of ports that Docker publishes past rules of INPUT which seem to
// close them: what is forwarded never comes to INPUT.
func checkPublished(x *Examination) (list []Finding) {
	for i := range x.forwards {
		f := &x.forwards[i]
		if f.Owner != "docker" || f.local || f.Link == "" || !x.outward(f.Link) {
			continue
		}
		way := x.fate(f.packet)
		if !way.arrives() {
			continue
		}
		closer, policy, ok := x.closedByInput(f)
		if !ok {
			continue
		}
		found := Finding{
			Check: "published-past-input", Severity: SeverityWarning, Subject: fmt.Sprintf("%s %s", f.Proto, f.Asked), Evidence: []string{closer, f.String()},
			Sentence: fmt.Sprintf("Docker publishes port %d to the Internet although INPUT seems to close it: what Docker forwards never comes to INPUT.", f.Asked.Port()),
		}
		found.narrows = f.Rule
		if policy {
			found.Severity = SeverityNote
		}
		name := rules.ProtoName(f.Proto)
		line := fmt.Sprintf("-A %%s -i %s -p %s -m conntrack --ctorigdstport %d --ctdir ORIGINAL -j DROP", f.Link, name, f.Asked.Port())
		for _, p := range x.variants() {
			if _, ok := x.sets[p].Chain("filter", "DOCKER-USER"); !ok || p.Family != f.Rule.Family {
				continue
			}
			if step, ok := x.insert(evaluate.RuleRef{Variant: p, Table: "filter", Chain: "DOCKER-USER", Position: 1}, line, "DOCKER-USER is where rules for published ports belong"); ok {
				found.Cure = rules.Plan{Title: fmt.Sprintf("Close port %d to what comes by %s", f.Asked.Port(), f.Link), Steps: []rules.Step{step}}
				break
			}
		}
		list = append(list, found)
	}
	return list
}

// closedByInput tells what would become of a published port if it were this
// host's own: whether a rule or the policy of INPUT drops it.
func (t *trial) closedByInput(f *Forward) (by string, policy, closed bool) {
	sets := map[rules.Variant]*rules.Ruleset{}
	for p, s := range t.sets {
		without := *s
		without.Tables = slices.Clone(s.Tables)
		for i := range without.Tables {
			if without.Tables[i].Name == "nat" {
				without.Tables[i] = emptied(without.Tables[i])
			}
		}
		sets[p] = &without
	}
	bare := newTrial(t.Facts, sets, nil)
	p := f.packet
	x := bare.fate(p)
	o, blocked := x.blocked()
	if !blocked || o.DroppedBy.IsZero() {
		return "", false, false
	}
	return ruleName(o.DroppedBy) + ": " + t.dropperText(o.DroppedBy), o.DroppedBy.Position == 0, true
}

// emptied is a table with its chains and without their rules. One that was not there at all would be taken from nft's own view
// of the same table, where iptables made it with the nft backend.
func emptied(t rules.Table) rules.Table {
	t.Chains = slices.Clone(t.Chains)
	for i := range t.Chains {
		t.Chains[i].Rules = nil
	}
	return t
}
