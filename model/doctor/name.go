package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// ruleName names a rule as a person would, with its table and place only where
// they are not the usual ones.
func ruleName(r evaluate.RuleRef) string {
	name := r.Chain
	if r.Table != "nat" && !rules.IsBuiltIn("filter", r.Chain) || r.Table == "mangle" || r.Table == "raw" || r.Table == "security" {
		name = r.Table + " " + name
	}
	if r.Position == 0 {
		name += " policy"
	} else {
		name += fmt.Sprintf(" %d", r.Position)
	}
	return name + variantNote(r.Variant)
}

// variantNote names a variant where it is not IPv4 on nft.
func variantNote(p rules.Variant) string {
	var parts []string
	if p.Family == rules.IPv6 {
		parts = append(parts, p.Family.Title())
	}
	if p.Backend == rules.Legacy {
		parts = append(parts, p.Backend.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// dropperName names the rule or policy that drops, with the chain that the
// kernel calls.
func dropperName(by, hook evaluate.RuleRef) string {
	if by.Position == 0 {
		return "The " + policyName(by)
	}
	name := "Rule " + ruleName(by)
	if hook.Chain != by.Chain {
		name += " (called from " + ruleName(hook) + ")"
	}
	return name
}

// policyName names a policy.
func policyName(by evaluate.RuleRef) string {
	if by.Backend == rules.Native {
		return "policy of " + by.Table + " " + by.Chain
	}
	return "policy of " + by.Chain + variantNote(by.Variant)
}

// dropperText is the rule or policy that drops, as the kernel prints it, with its counter.
func (t *trial) dropperText(by evaluate.RuleRef) string {
	if text, ok := t.Native.Text(by); ok {
		return text
	}
	c, ok := t.sets[by.Variant].Chain(by.Table, by.Chain)
	switch {
	case !ok:
		return ruleName(by)
	case by.Position == 0:
		text := fmt.Sprintf("-P %s %s", by.Chain, c.Policy)
		if c.Counters.Known {
			text += " (" + rules.Plural(c.Counters.Packets, "packet") + ")"
		}
		return text
	case by.Position > len(c.Rules):
		return ruleName(by)
	}
	r := &c.Rules[by.Position-1]
	text := r.String()
	if r.Counters.Known {
		text += " (" + rules.Plural(r.Counters.Packets, "packet") + ")"
	}
	return text
}

// setBy names the program that is known to set such a policy.
func (t *trial) setBy(by evaluate.RuleRef) string {
	if owner := rules.ChainOwner(by.Chain); owner != "" && by.Chain != "DOCKER-USER" { // whose rules are the administrator's
		return "; " + owner + " made it"
	}
	if by.Position != 0 || by.Chain != "FORWARD" {
		return ""
	}
	if t.hasDocker(by.Variant) {
		return "; Docker sets it to DROP when it starts"
	}
	for _, owner := range []string{"ufw", "firewalld"} {
		if _, ok := t.Present(owner); ok {
			return "; " + owner + " sets it"
		}
	}
	return ""
}

func (t *trial) hasDocker(p rules.Variant) bool {
	filter, ok := t.sets[p].Table("filter")
	if !ok {
		return false
	}
	return slices.ContainsFunc(filter.Chains, func(c rules.Chain) bool { return strings.HasPrefix(c.Name, "DOCKER") })
}
