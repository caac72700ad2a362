package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// fitsNone tells that an interface or pattern of a rule fits none that is there.
func (n network) fitsNone(i rules.Iface) bool {
	return !i.Any() && !i.Not && n.Links != nil && !slices.ContainsFunc(n.Links, func(l facts.Link) bool { return i.Matches(l.Name) })
}

// missingLink tells of a rule that names an interface which is not there.
func (t *trial) missingLink(at evaluate.RuleRef, r *rules.Rule, name string) Finding {
	found := Finding{
		Check: "interface-missing", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{t.textOf(at, r), "interfaces: " + t.linkNames()},
		Sentence: fmt.Sprintf("Interface %s does not exist: the rule matches nothing.", name),
	}
	if strings.HasSuffix(name, "+") {
		found.Sentence = fmt.Sprintf("No interface fits the pattern %s: the rule matches nothing.", name)
	}
	for _, comes := range [...]string{"ppp", "tun", "tap", "wg", "vpn"} {
		if strings.HasPrefix(name, comes) {
			found.Severity = SeverityNote
			found.Sentence = fmt.Sprintf("Interface %s does not exist now: the rule matches nothing until it comes up.", name)
			return found
		}
	}
	return t.renamed(found, at, r, name)
}

// renamed is a finding of an interface that is not there with the plan that has every rule which names it name the interface
// to the Internet: half of them would let a packet come to the next rule that does not match.
func (t *trial) renamed(found Finding, at evaluate.RuleRef, r *rules.Rule, name string) Finding {
	others := slices.DeleteFunc(t.naming(name), func(n naming) bool { return n.at == at })
	for i := range others[:min(len(others), namingTold)] {
		found.Evidence = append(found.Evidence, ruleName(others[i].at)+" names it too: "+t.textOf(others[i].at, others[i].rule))
	}
	if len(others) > 0 {
		found.Sentence += fmt.Sprintf(" %s it too.", map[bool]string{true: "Another rule names", false: rules.Plural(len(others), "other rule") + " name"}[len(others) == 1])
	}
	wan, ok := t.uplink(at.Family)
	if !ok || rules.OwnerOf(*r) != "" || r.Out.Name != name && (r.In.Name != name || r.Target.Kind != rules.DNAT) {
		return found
	}
	plan := rules.Plan{Title: fmt.Sprintf("Let rule %d of %s name %s, the interface to the Internet", at.Position, at.Chain, wan)}
	if len(others) > 0 {
		plan.Title = fmt.Sprintf("Let all rules that name %s name %s, the interface to the Internet", name, wan)
	}
	whole := ""
	for _, n := range append([]naming{{at, r}}, others...) {
		changed := *n.rule
		if changed.In.Name == name {
			changed.In.Name = wan
		}
		if changed.Out.Name == name {
			changed.Out.Name = wan
		}
		switch {
		case changed.In == changed.Out:
			return found // what comes in by it goes out by that one: it was another
		case n.at.Backend == rules.Native || rules.OwnerOf(*n.rule) != "":
			whole = fmt.Sprintf("%s, which is not nattui's to change, has to name %s as well", ruleName(n.at), wan)
			continue
		case t.fitsNone(changed.In) || t.fitsNone(changed.Out):
			whole = fmt.Sprintf("%s also names another interface that does not exist", ruleName(n.at))
		}
		plan.Steps = append(plan.Steps, t.replace(n.at, *n.rule, changed, ""))
	}
	found.Cure = plan
	if whole != "" {
		found.Commands, found.Cure = found.CureCommands(), rules.Plan{}
		found.Sentence += fmt.Sprintf(" The commands alone do not mend it: %s.", whole)
	}
	return found
}

// namingTold is how many of the rules that name an interface are told.
const namingTold = 6

// naming is a rule that names an interface.
type naming struct {
	at   evaluate.RuleRef
	rule *rules.Rule
}

// naming are the rules of all tables that name an interface; those of native tables as iptables would say them.
func (t *trial) naming(name string) (list []naming) {
	names := func(r *rules.Rule) bool { return r.In.Name == name || r.Out.Name == name }
	for _, v := range t.variants() {
		for i := range t.sets[v].Tables {
			table := &t.sets[v].Tables[i]
			for j := range table.Chains {
				for k := range table.Chains[j].Rules {
					if r := &table.Chains[j].Rules[k]; names(r) {
						list = append(list, naming{evaluate.RuleRef{Variant: v, Table: table.Name, Chain: table.Chains[j].Name, Position: k + 1}, r})
					}
				}
			}
		}
	}
	t.eachNative(func(at evaluate.RuleRef, said []rules.Rule) {
		if i := slices.IndexFunc(said, func(r rules.Rule) bool { return names(&r) }); i >= 0 {
			list = append(list, naming{at, &said[i]})
		}
	})
	return list
}
