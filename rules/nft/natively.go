package nft

import (
	"fmt"
	"strings"

	"nattui/rules"
)

// mssChain is the chain of nattui's own table that stands for FORWARD of table mangle.
const mssChain = "forward_mangle"

// Natively is a plan with its new rules of iptables' tables nat and mangle in nattui's own native table instead; what it does to table
// filter, to settings and by other programs stays. Lacks names what nft cannot say: then the plan is not to be made. The native
// changes have not been tried yet.
func Natively(p rules.Plan, now *Ruleset) (out rules.Plan, lacks []string) {
	n := natively{now: now, made: map[string]bool{}}
	out = rules.Plan{Title: p.Title}
	for _, s := range p.Steps {
		c := s.Change
		if c == nil || c.Table != "nat" && c.Table != "mangle" {
			out.Steps = append(out.Steps, s)
			continue
		}
		if c.Op != rules.Insert {
			n.lacks = append(n.lacks, "what changes or deletes rules of iptables")
			continue
		}
		out.Steps = append(out.Steps, n.add(*c, s.Why)...)
	}
	return out, n.lacks
}

type natively struct {
	now   *Ruleset
	made  map[string]bool // places that the plan makes
	lacks []string
}

// add are the steps that add a rule, with the table and chain where they are missing.
func (n *natively) add(c rules.Change, why string) (steps []rules.Step) {
	said := FromIPTables(c.Family, c.Rule.InChain(c.Chain))
	n.lacks = append(n.lacks, said.Lacks...)
	chain, body := n.chain(c)
	if chain == "" {
		n.lacks = append(n.lacks, "chain "+c.Chain+" of table "+c.Table)
		return nil
	}
	t := n.now.Table("inet", OwnTable)
	if t == nil && !n.made[""] {
		n.made[""] = true
		steps = append(steps, explained(rules.NativeChange{What: rules.NativeTableKind, Family: "inet", Table: OwnTable}))
	}
	there := t.chain(chain)
	if there == nil && !n.made[chain] {
		n.made[chain] = true
		steps = append(steps, explained(rules.NativeChange{What: rules.NativeChainKind, Family: "inet", Table: OwnTable, Chain: chain, Text: body}))
	}
	rule := rules.NativeChange{What: rules.NativeRule, Family: "inet", Table: OwnTable, Chain: chain, Text: said.Text, Words: c.Rule.Sentence()}
	if c.At > 0 && c.Next != rules.EndOfChain && there != nil && c.At <= len(there.Rules) {
		rule.Before = there.Rules[c.At-1].Handle
	}
	return append(steps, rules.Step{Native: &rule, Why: why})
}

func explained(c rules.NativeChange) rules.Step { return rules.Step{Native: &c, Why: Why(c)} }

// chain is the chain of nattui's own table for that of a change, and what it is made as.
func (n *natively) chain(c rules.Change) (name, body string) {
	if c.Table == "mangle" && c.Chain == "FORWARD" {
		return mssChain, "type filter hook forward priority mangle; policy accept;"
	}
	own, ok := ownChains[c.Chain]
	if !ok || c.Table != "nat" {
		return "", ""
	}
	return own.hook, own.body()
}

// OpensFor is a step that lets what a rule of iptables accepts pass a native base chain, before all of its rules. The
// error is *Foreign where the chain is another program's.
func OpensFor(base *Chain, f rules.Family, accept rules.Rule, why string) (rules.Step, error) {
	said := FromIPTables(f, accept)
	c := rules.NativeChange{
		What: rules.NativeRule, Family: base.Table.Family.String(), Table: base.Table.Name, Chain: base.Name, Text: said.Text, Words: accept.Sentence(),
	}
	if len(base.Rules) > 0 {
		c.Before = base.Rules[0].Handle
	}
	if len(said.Lacks) > 0 {
		return rules.Step{}, fmt.Errorf("nft cannot say %s", strings.Join(said.Lacks, ", "))
	}
	return rules.Step{Native: &c, Why: why}, Allowed([]rules.NativeChange{c}, &Ruleset{Tables: []*Table{base.Table}})
}

// Base is the base chain of a table that the kernel calls at a hook to filter, and that comes to a chain; nil where none does.
func (t *Table) Base(hook, chain string) *Chain {
	for _, c := range t.Chains {
		if c.Hook != hook || c.Type == "nat" {
			continue
		}
		if c.Name == chain {
			return c
		}
		for _, led := range c.Led() {
			if led.Name == chain {
				return c
			}
		}
	}
	return nil
}
