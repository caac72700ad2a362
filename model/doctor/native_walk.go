package doctor

import (
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// nativeWalker goes through the chains of native tables as packets may. It meets each rule as rules of iptables that say
// the same, as far as these have words for it: a map has one for each of its elements.
type nativeWalker struct {
	family rules.Family
	links  nft.Links
	steps  int
}

// hooked visits the rules of a hook's chains of table nat or filter, those of iptables in every variant and those of native
// tables.
func (t *trial) hooked(w *walker, table, hook string, visit func(evaluate.RuleRef, *rules.Rule, sketch)) {
	for _, p := range t.variants() {
		w.walk(evaluate.RuleRef{Variant: p, Table: table, Chain: hook}, sketch{family: p.Family}, visit)
	}
	for _, family := range rules.Families {
		t.nativeHooked(family, table, hook, visit)
	}
}

// nativeHooks are the hooks as nft names them.
var nativeHooks = map[string]string{"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward", "OUTPUT": "output", "POSTROUTING": "postrouting"}

func (t *trial) nativeHooked(family rules.Family, table, hook string, visit func(evaluate.RuleRef, *rules.Rule, sketch)) {
	set := t.Native.Ruleset()
	if set == nil {
		return
	}
	w := nativeWalker{family: family, links: set.Links}
	for _, at := range set.Tables {
		if at.Dormant || !t.evaluatesNatively(at) || at.Family != nft.INet && at.Family.String() != family.NFT() {
			continue
		}
		for _, c := range at.Chains {
			if c.Hook == nativeHooks[hook] && (c.Type == "nat") == (table == "nat") {
				w.walk(c, sketch{family: family}, visit)
			}
		}
	}
}

// evaluatesNatively tells that no rule set of iptables stands for a table.
func (t *trial) evaluatesNatively(at *nft.Table) bool {
	return !slices.ContainsFunc(t.variants(), func(v rules.Variant) bool { return t.sets[v].Shows(at.Family.String(), at.Name) })
}

func (w *nativeWalker) walk(c *nft.Chain, s sketch, visit func(evaluate.RuleRef, *rules.Rule, sketch)) {
	if c == nil || s.depth > 12 {
		return
	}
	for i, r := range c.Rules {
		if w.steps++; w.steps > walkLimit {
			return
		}
		at := evaluate.RuleRef{
			Variant: rules.Variant{Family: w.family, Backend: rules.Native}, Table: c.Table.Family.String() + " " + c.Table.Name,
			Chain: c.Name, Position: i + 1, Handle: r.Handle,
		}
		said := r.IPTables(c, w.family, w.links)
		for j := range said {
			next, ok := s.with(&said[j])
			if !ok {
				continue
			}
			if next.owner == "" {
				next.owner = strangerOf(c, r)
			}
			if k := said[j].Target.Kind; k == rules.Jump || k == rules.Goto {
				next.depth++
				w.walk(c.Table.Chain(said[j].Target.Name), next, visit)
				continue
			}
			visit(at, &said[j], next)
		}
	}
}

// strangerOf is the program that made a native rule and may make it again; "" where the rule is the administrator's own, as
// in the table that nattui keeps for him.
func strangerOf(c *nft.Chain, r *nft.Rule) string {
	if c.Table.Name == nft.OwnTable {
		return ""
	}
	return r.Owner(c)
}

// textOf is a rule as its program prints it.
func (t *trial) textOf(at evaluate.RuleRef, r *rules.Rule) string {
	if text, ok := t.Native.Text(at); ok {
		return text
	}
	return r.String()
}

// eachNative visits the rules of native tables, whether or not packets come to them, each as the rules of iptables that say the
// same.
func (t *trial) eachNative(visit func(evaluate.RuleRef, []rules.Rule)) {
	set := t.Native.Ruleset()
	if set == nil {
		return
	}
	for _, table := range set.Tables {
		family := rules.IPv4
		if table.Family.String() == rules.IPv6.NFT() {
			family = rules.IPv6
		}
		if table.Dormant || !t.evaluatesNatively(table) {
			continue
		}
		for _, c := range table.Chains {
			for i, r := range c.Rules {
				visit(evaluate.RuleRef{
					Variant: rules.Variant{Family: family, Backend: rules.Native}, Table: table.Family.String() + " " + table.Name,
					Chain: c.Name, Position: i + 1, Handle: r.Handle,
				}, r.IPTables(c, family, set.Links))
			}
		}
	}
}
