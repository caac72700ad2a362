package guide

import (
	"nattui/rules"
	"nattui/rules/evaluate"
)

// shadow is the rule that takes all packets which a rule of table nat would, where that is certain.
func (b *builder) shadow(c rules.Change) (by evaluate.RuleRef, text rules.Rule, ok bool) {
	after, err := c.Apply(b.set(rules.Variant{Family: c.Family, Backend: c.Backend}))
	if err != nil || c.Table != "nat" {
		return by, text, false
	}
	chain, _ := after.Chain(c.Table, c.Chain)
	at := c.At
	if at == 0 {
		at = len(chain.Rules)
	}
	dead, ok := evaluate.Compile(after).DeadAt(c.Table, c.Chain, at)
	if !ok || dead.ByRule == nil || dead.By.Position < 1 {
		return by, text, false
	}
	return dead.By, *dead.ByRule, dead.Kind == evaluate.Shadowed || dead.Kind == evaluate.AfterAll
}

// sourcesHere reports whether a rule gives packets an address of this host as their source, so that what is replied comes back.
func (b *builder) sourcesHere(r rules.Rule) bool {
	if r.Target.Kind != rules.SNAT {
		return r.Target.Kind == rules.Masquerade
	}
	to := r.Target.To.Addrs
	_, own := b.local(to.Lo)
	return own && to.Lo == to.Hi
}
