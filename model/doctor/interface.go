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
		Check: "interface-missing", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{r.String(), "interfaces: " + t.linkNames()},
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
	wan, ok := t.uplink(at.Family)
	if !ok || rules.OwnerOf(*r) != "" {
		return found
	}
	changed := *r
	if r.In.Name == name && r.Target.Kind == rules.DNAT {
		changed.In.Name = wan
	} else if r.Out.Name == name {
		changed.Out.Name = wan
	} else {
		return found
	}
	found.Cure = rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s name %s, the interface to the Internet", at.Position, at.Chain, wan),
		Steps: []rules.Step{t.replace(at, *r, changed, "")},
	}
	return found
}
