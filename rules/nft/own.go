package nft

import (
	"fmt"
	"strings"

	"nattui/rules"
)

// OwnTable is the table that nattui makes its native rules in, of the family inet. Other programs do not touch it, and it
// survives what they do but for flush ruleset.
const OwnTable = "nattui"

// ownChains are the base chains of that table by the chain of iptables that they stand for.
//
// The kernel asks the chains that translate in the order of their priorities, and the first that translates wins; of equal
// priorities the one made last comes first, which changes whenever another program makes its chains anew. iptables, fw4,
// Docker and most hand-written tables are at -100 and 100, firewalld at -90 and 110: five before -100 and 100 ours
// come before all of them, whoever was made last. A packet that they are not about goes on to the others.
var ownChains = map[string]ownChain{
	"PREROUTING":  {"prerouting", -105},
	"OUTPUT":      {"output", -105},
	"INPUT":       {"input", 95},
	"POSTROUTING": {"postrouting", 95},
}

// ownChain is a base chain of that table.
type ownChain struct {
	hook     string
	priority int
}

// body is what it is made as.
func (c ownChain) body() string {
	return fmt.Sprintf("type nat hook %s priority %d; policy accept;", c.hook, c.priority)
}

// OwnChain is the chain of nattui's own table that stands for a chain of iptables' table nat; "" for none.
func OwnChain(name string) string { return ownChains[strings.ToUpper(name)].hook }

// OwnPriority is the priority of that chain, which orders it among those that the kernel calls at its hook.
func OwnPriority(name string) int32 { return int32(ownChains[strings.ToUpper(name)].priority) }

// AddOwn is what nft reads to add rules to nattui's own table, one behind the other, with the table and chain where they are
// missing: at a place of the chain counted from 1, or with 0 at its end. chain is named as in iptables.
func AddOwn(now *Ruleset, chain string, at int, texts []string) (string, error) {
	own, ok := ownChains[chain]
	if !ok {
		return "", fmt.Errorf("no chain of nattui's own table stands for %s", chain)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "add table inet %s\n", OwnTable)
	t := now.Table("inet", OwnTable)
	c := t.chain(own.hook)
	if c == nil {
		fmt.Fprintf(&b, "add chain inet %s %s { %s }\n", OwnTable, own.hook, own.body())
	} else if c.Hook != own.hook || c.Type != "nat" {
		return "", fmt.Errorf("chain %s of table inet %s is not a chain of NAT at %s: somebody has made it otherwise", own.hook, OwnTable, own.hook)
	}
	place := ""
	switch count := len(c.rules()); {
	case at < 0 || at > count+1:
		return "", fmt.Errorf("chain %s of table inet %s has %s, so use 1 to %d, or leave the position out for the end", own.hook, OwnTable, rules.Plural(count, "rule"), count+1)
	case at > 0 && at <= count:
		place = fmt.Sprintf(" handle %d", c.Rules[at-1].Handle)
	}
	for _, text := range texts {
		if place == "" {
			fmt.Fprintf(&b, "add rule inet %s %s %s\n", OwnTable, own.hook, text)
		} else {
			fmt.Fprintf(&b, "insert rule inet %s %s%s %s\n", OwnTable, own.hook, place, text)
		}
	}
	return b.String(), nil
}

func (c *Chain) rules() []*Rule {
	if c == nil {
		return nil
	}
	return c.Rules
}

// Translates tells whether any rule of a native table translates, those of iptables' tables left out.
func (s *Ruleset) Translates() bool {
	for _, t := range s.Tables {
		if t.OfIPTables() {
			continue
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				if r.Read(c, nil).Translates() {
					return true
				}
			}
		}
	}
	return false
}
