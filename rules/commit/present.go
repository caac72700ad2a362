package commit

import (
	"fmt"

	"nattui/rules"
)

// present is the tables of a variant as they are now, and then as the changes of a way back leave them one after the
// other. The snapshot that it begins with stays as it is.
type present struct {
	set    *rules.Ruleset
	chains map[chainAt]*chainNow
	// jumps are by table, once they were asked for, how many rules lead to each chain by -j or -g.
	jumps map[string]map[string]int
}

// chainNow is a chain, which may not be there.
type chainNow struct {
	of     []rules.Rule // what it began with
	rules  *lineup      // nil until somebody looks
	there  bool
	policy string
}

func presentOf(s *rules.Ruleset) *present {
	p := &present{set: s, chains: map[chainAt]*chainNow{}, jumps: map[string]map[string]int{}}
	for _, t := range s.Tables {
		for _, ch := range t.Chains {
			p.chains[p.place(t.Name, ch.Name)] = &chainNow{of: ch.Rules, there: true, policy: ch.Policy}
		}
	}
	return p
}

func (p *present) place(table, chain string) chainAt {
	return chainAt{rules.Variant{Family: p.set.Family, Backend: p.set.Backend}, table, chain}
}

// chain is the chain of a change.
func (p *present) chain(c rules.Change) *chainNow {
	at := p.place(c.Table, c.Chain)
	if p.chains[at] == nil {
		p.chains[at] = &chainNow{policy: "ACCEPT"}
	}
	return p.chains[at]
}

// list is the rules of the change's chain.
func (p *present) list(c rules.Change) *lineup {
	ch := p.chain(c)
	if ch.rules == nil {
		ch.rules = lineupOf(p.place(c.Table, c.Chain), ch.of)
	}
	return ch.rules
}

// incarnation is that of the change's table; 0 where it is not known.
func (p *present) incarnation(c rules.Change) uint64 {
	if t, ok := p.set.Table(c.Table); ok {
		return t.Incarnation
	}
	return 0
}

// used is the line of a rule that leads to the chain of a change; "" where none does.
func (p *present) used(c rules.Change) string {
	if p.jumps[c.Table] == nil {
		p.jumps[c.Table] = map[string]int{}
		for at, ch := range p.chains {
			for r := range ch.current() {
				if at.table == c.Table {
					p.note(c.Table, r, 1)
				}
			}
		}
	}
	if p.jumps[c.Table][c.Chain] == 0 {
		return ""
	}
	for at, ch := range p.chains {
		for r := range ch.current() {
			if at.table == c.Table && r.Target.LeadsTo(c.Chain) {
				return r.String()
			}
		}
	}
	return ""
}

// current are the rules of a chain as it is now.
func (ch *chainNow) current() func(func(rules.Rule) bool) {
	return func(yield func(rules.Rule) bool) {
		for i := range ch.of {
			if ch.rules == nil && !yield(ch.of[i]) {
				return
			}
		}
		if ch.rules == nil {
			return
		}
		for s := range ch.rules.all() {
			if !yield(s.Rule) {
				return
			}
		}
	}
}

// note counts what a rule that came or went leads to.
func (p *present) note(table string, r rules.Rule, n int) {
	if jumps := p.jumps[table]; jumps != nil && (r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto) {
		jumps[r.Target.Name] += n
	}
}

// apply makes a change that was worked out from what is there. The error says why its table is not to be changed.
func (p *present) apply(c rules.Change) error {
	if why, ok := p.set.Foreign[c.Table]; ok {
		return &rules.ReadOnly{Family: c.Family, Table: c.Table, Why: why}
	}
	ch, list := p.chain(c), p.list(c)
	come := func(at int, r rules.Rule) {
		ch.there = true
		list.insert(at, r)
		p.note(c.Table, r, 1)
	}
	switch c.Op {
	case rules.Insert:
		come(c.At, c.Rule.InChain(c.Chain))
	case rules.Delete:
		p.note(c.Table, list.remove(c.At), -1)
	case rules.Replace:
		p.note(c.Table, list.remove(c.At), -1)
		come(c.At, c.Rule.InChain(c.Chain))
	case rules.Move:
		list.insert(c.To, list.remove(c.At))
	case rules.SetPolicy:
		ch.there, ch.policy = true, c.Policy
	case rules.NewChain:
		ch.there, ch.policy = true, "-"
	case rules.DeleteChain:
		ch.there = false
	default:
		return fmt.Errorf("%s is no change of a table", c.Op)
	}
	return nil
}
