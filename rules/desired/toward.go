package desired

import (
	"slices"

	"nattui/rules"
)

// Toward is a rule set with the administrator's rules, chains and policies as tables want them, and everything that a program
// owns where it is. Rules of programs in want only tell where the administrator's stand among them. complete has tables that
// want does not name lose the administrator's rules; else they stay. Where the administrator's rules are as wanted already, in their order,
// nothing is moved: whoever asks twice changes nothing the second time.
func Toward(now *rules.Ruleset, want []rules.Table, made rules.Made, complete bool) *rules.Ruleset {
	wanted := &rules.Ruleset{Family: now.Family, Backend: now.Backend, Tables: want}
	m := merge{now: rules.OwnersIn(now, made), want: rules.OwnersIn(wanted, made)}
	after := *now
	after.Tables = nil
	for _, name := range names(now, wanted) {
		had, isNow := now.Table(name)
		asked, isWanted := wanted.Table(name)
		switch {
		case now.Foreign[name] != "", !isWanted && !complete:
			after.Tables = append(after.Tables, *had)
			continue
		case !isWanted:
			asked = &rules.Table{Name: name, Chains: openChains(had)}
		case !isNow:
			had = &rules.Table{Name: name}
		}
		after.Tables = append(after.Tables, m.table(had, asked))
	}
	return &after
}

// names are the names of the tables of two sets.
func names(sets ...*rules.Ruleset) (list []string) {
	for _, s := range sets {
		for i := range s.Tables {
			if !slices.Contains(list, s.Tables[i].Name) {
				list = append(list, s.Tables[i].Name)
			}
		}
	}
	return list
}

// openChains are the built-in chains of a table with nothing in them, which let everything pass.
func openChains(t *rules.Table) (list []rules.Chain) {
	for i := range t.Chains {
		if t.Chains[i].BuiltIn() {
			list = append(list, rules.Chain{Name: t.Chains[i].Name, Policy: "ACCEPT"})
		}
	}
	return list
}

// merge knows who owns the rules that are, and those that are wanted.
type merge struct{ now, want rules.Owners }

func (m *merge) table(had, asked *rules.Table) rules.Table {
	after := rules.Table{Name: had.Name}
	for i := range had.Chains {
		c := had.Chains[i]
		w, ok := asked.Chain(c.Name)
		switch {
		case ok:
			c.Policy = m.policy(had.Name, &c, w)
			c.Rules = m.rules(had.Name, c.Rules, w.Rules)
		case !mayHold(c.Name):
			// a program's chain
		default:
			kept := m.rules(had.Name, c.Rules, nil)
			if len(kept) == 0 && !rules.IsBuiltIn(had.Name, c.Name) && !m.ledTo(had, c.Name) && rules.ChainOwner(c.Name) == "" {
				continue // it is not wanted
			}
			c.Rules = kept
		}
		after.Chains = append(after.Chains, c)
	}
	for i := range asked.Chains {
		w := asked.Chains[i]
		if _, ok := had.Chain(w.Name); ok || !mayHold(w.Name) {
			continue
		}
		w.Rules = m.rules(had.Name, nil, w.Rules)
		if rules.IsBuiltIn(had.Name, w.Name) && w.Policy == "-" {
			w.Policy = "ACCEPT"
		}
		after.Chains = append(after.Chains, w)
	}
	return after
}

// mayHold tells whether a chain may hold rules of the administrator: it is no program's, or one that a program has for that.
func mayHold(chain string) bool {
	return rules.ChainOwner(chain) == "" || chain == rules.DockerUser || rules.UserChain(chain)
}

// ledTo tells whether a rule that stays leads to a chain: one of a program.
func (m *merge) ledTo(t *rules.Table, chain string) bool {
	for i := range t.Chains {
		for _, r := range t.Chains[i].Rules {
			if (r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto) && r.Target.Name == chain && m.now.Of(t.Name, r) != "" {
				return true
			}
		}
	}
	return false
}

// policy is the policy that a chain is to have: the wanted one, unless a program gives the chain its own.
func (m *merge) policy(table string, c, want *rules.Chain) string {
	if !rules.IsBuiltIn(table, c.Name) || want.Policy == "-" || want.Policy == "" || m.managed(table, c) {
		return c.Policy
	}
	return want.Policy
}

// managed tells whether a program that has rules in a chain gives it a policy each time it starts.
func (m *merge) managed(table string, c *rules.Chain) bool {
	return slices.ContainsFunc(c.Rules, func(r rules.Rule) bool {
		by := m.now.Of(table, r)
		return by == "ufw" || by == "firewalld" || by == "docker" && c.Name == "FORWARD"
	})
}

// rules are those of a chain once the administrator's are as wanted.
func (m *merge) rules(table string, now, want []rules.Rule) []rules.Rule {
	own := func(owners rules.Owners, list []rules.Rule) (mine []rules.Rule) {
		for _, r := range list {
			if owners.Of(table, r) == "" {
				mine = append(mine, r)
			}
		}
		return mine
	}
	if slices.EqualFunc(own(m.now, now), own(m.want, want), rules.Rule.Same) {
		return now
	}
	var after []rules.Rule
	for _, e := range rules.Edits(now, want) {
		switch e.Sign {
		case ' ':
			after = append(after, want[e.At-1])
		case '-':
			if m.now.Of(table, now[e.At-1]) != "" {
				after = append(after, now[e.At-1])
			}
		case '+':
			if r := want[e.At-1]; m.want.Of(table, r) == "" {
				r.Counters = rules.Counters{}
				after = append(after, r)
			}
		}
	}
	return after
}

// Own are the tables of a rule set with nothing but what is the administrator's, without counters.
func Own(now *rules.Ruleset, made rules.Made) (own []rules.Table) {
	m := merge{now: rules.OwnersIn(now, made)}
	for i := range now.Tables {
		t := &now.Tables[i]
		if now.Foreign[t.Name] != "" {
			continue
		}
		mine := rules.Table{Name: t.Name}
		for _, c := range t.Chains {
			if !mayHold(c.Name) {
				continue
			}
			kept := rules.Chain{Name: c.Name, Policy: c.Policy}
			if m.managed(t.Name, &c) {
				kept.Policy = "-"
			}
			for _, r := range c.Rules {
				if m.now.Of(t.Name, r) == "" {
					r.Counters = rules.Counters{}
					kept.Rules = append(kept.Rules, r)
				}
			}
			mine.Chains = append(mine.Chains, kept)
		}
		own = append(own, mine)
	}
	return own
}
