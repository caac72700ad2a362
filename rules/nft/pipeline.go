package nft

import (
	"cmp"
	"slices"
	"strings"

	"nattui/rules"
)

// Stop is a chain that the kernel itself calls at a hook: one of iptables, or a native one.
type Stop struct {
	Hook     string // prerouting, input, forward, output, postrouting, ingress …
	Kind     string // nat, filter, route
	Priority int32
	// Variant and Table are those of a chain of iptables.
	Variant rules.Variant
	Table   string
	Chain   *rules.Chain
	// Native is a chain that iptables does not show; then Chain is nil.
	Native *Chain
	// Unordered stops have the priority of another, which may be asked before or after: the kernel asks the one that was
	// registered last first, and does not say which that is.
	Unordered bool
}

// Shown tells whether iptables shows a table as it is; sets are its rule sets.
func Shown(t *Table, sets map[rules.Variant]*rules.Ruleset) bool {
	for _, set := range sets {
		if set.Shows(t.Family.String(), t.Name) {
			return true
		}
	}
	return false
}

// Meets tells whether packets of a family come to a table's chains.
func (t *Table) Meets(f rules.Family) bool {
	switch t.Family {
	case INet, Netdev:
		return true
	case IPv4:
		return f == rules.IPv4
	case IPv6:
		return f == rules.IPv6
	}
	return false
}

// Stops are the chains that packets of a family come to at a hook, in the order in which the kernel asks them. nat chooses
// those that translate, which the kernel asks at one place whatever their priority; else the others. Empty chains that
// accept are left out but for native ones of which away knows rules that are parked, and tables that are dormant. s and away
// may be nil.
func Stops(s *Ruleset, sets map[rules.Variant]*rules.Ruleset, f rules.Family, hook string, nat bool, away func(*Chain) bool) []Stop {
	var all []Stop
	for _, backend := range rules.Holders {
		at := rules.Variant{Family: f, Backend: backend}
		set := sets[at]
		if set == nil {
			continue
		}
		for i := range set.Tables {
			t := &set.Tables[i]
			if (t.Name == "nat") != nat || backend == rules.NFT && set.Foreign[t.Name] != "" && s.Table(at.Family.NFT(), t.Name) != nil {
				continue
			}
			c, ok := t.Chain(strings.ToUpper(hook))
			if !ok || len(c.Rules) == 0 && c.Policy != "DROP" {
				continue
			}
			all = append(all, Stop{Hook: hook, Kind: kindOf(t.Name, hook), Priority: rules.Priority(backend, t.Name, c.Name), Variant: at, Table: t.Name, Chain: c})
		}
	}
	if s != nil {
		for _, t := range s.Tables {
			if t.Dormant || !t.Meets(f) || Shown(t, sets) {
				continue
			}
			for _, c := range t.Chains {
				if c.Hook == hook && (c.Type == "nat") == nat && (len(c.Rules) > 0 || c.Policy.Code == Drop || t.Unread || away != nil && away(c)) {
					all = append(all, Stop{Hook: hook, Kind: c.Type, Priority: c.Priority, Native: c})
				}
			}
		}
	}
	arrange(all)
	return all
}

// arrange puts the chains of a hook in the kernel's order, and marks those whose order nobody can read.
func arrange(all []Stop) {
	slices.SortStableFunc(all, func(a, b Stop) int { return Order(a.Priority, b.Priority, a.Native, b.Native) })
	for i := range all {
		for j := range all {
			if i != j && all[i].Priority == all[j].Priority && !Ordered(all[i].Native, all[j].Native) {
				all[i].Unordered = true
			}
		}
	}
}

// Order compares where the kernel calls two chains of a hook, which are nil where they are of iptables: by their
// priorities and, as it calls the one first that was registered last, in one table by what was made last
// (nf_hook_entries_grow in net/netfilter/core.c). 0 is between chains of which nobody can tell.
func Order(priority, other int32, c, to *Chain) int {
	order := cmp.Compare(priority, other)
	if order == 0 && Ordered(c, to) {
		order = cmp.Compare(to.Handle, c.Handle)
	}
	return order
}

// Ordered tells whether the order of two chains of the same priority can be read: those of one table have handles that
// grow.
func Ordered(a, b *Chain) bool {
	return a != nil && b != nil && a.Table == b.Table
}

func kindOf(table, hook string) string {
	switch {
	case table == "nat":
		return "nat"
	case table == "mangle" && hook == "output":
		return "route"
	}
	return "filter"
}

// Led are the chains that a chain's rules lead to, each once, with those that these lead to.
func (c *Chain) Led() []*Chain {
	var all []*Chain
	seen := map[*Chain]bool{c: true}
	var follow func(c *Chain)
	follow = func(c *Chain) {
		for _, r := range c.Rules {
			for _, to := range r.Leads(c.Table) {
				if !seen[to] {
					seen[to] = true
					all = append(all, to)
					follow(to)
				}
			}
		}
	}
	follow(c)
	return all
}

// Leads are the chains of its table that a rule may go to, by a verdict of its own or of a map.
func (r *Rule) Leads(t *Table) (all []*Chain) {
	for _, name := range r.leads(t) {
		if c := t.Chain(name); c != nil {
			all = append(all, c)
		}
	}
	return all
}

// leads names them, those that are not there, too.
func (r *Rule) leads(t *Table) []string {
	var names []string
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case Immediate:
			if e.Verdict != nil && e.Verdict.Chain != "" {
				names = append(names, e.Verdict.Chain)
			}
		case Lookup:
			if s := t.Set(e.Set); s != nil && e.Map {
				for _, element := range s.Elements {
					if element.Verdict != nil && element.Verdict.Chain != "" {
						names = append(names, element.Verdict.Chain)
					}
				}
			}
		}
	}
	return names
}

// Jump is the chain that the rule goes to by a verdict of its own; nil where none.
func (r *Rule) Jump(t *Table) *Chain {
	for _, e := range r.Exprs {
		if e, ok := e.(Immediate); ok && e.Verdict != nil && e.Verdict.Chain != "" {
			return t.Chain(e.Verdict.Chain)
		}
	}
	return nil
}

// Sets are the sets and maps that the rule looks something up in, each once; small ones without a name, which its text
// shows whole, are left out.
func (r *Rule) Sets(t *Table) []*Set {
	const small = 4
	var all []*Set
	for _, e := range r.Exprs {
		name := ""
		switch e := e.(type) {
		case Lookup:
			name = e.Set
		case ObjRef:
			name = e.Set
		}
		s := t.Set(name)
		if s == nil || slices.Contains(all, s) || s.Flags&SetAnonymous != 0 && s.Flags&SetMap == 0 && len(s.Elements) <= small {
			continue
		}
		all = append(all, s)
	}
	return all
}
