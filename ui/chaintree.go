package ui

import (
	"fmt"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// chainKey names a chain of iptables in its table, or a native one.
type chainKey struct {
	table, chain string
	native       nativeChain
}

// chainRow is a chain, below the one whose rules lead to it.
type chainRow struct {
	chainKey
	iptables *rules.Chain // nil where it is a native one
	nft      *nft.Chain
	depth    int
	stray    bool   // the kernel does not call it, and no rule leads to it
	entered  uint64 // packets that rules have sent to it
	counted  bool   // those are known
}

// keyOfNative names a native chain.
func keyOfNative(n nativeChain) chainKey {
	return chainKey{table: n.family.String() + " " + n.table, chain: n.name, native: n}
}

// chainRows are all chains of iptables' tables, then those that only nft shows.
func (s *rulesScreen) chainRows() (rows []chainRow) {
	if s.set() != nil {
		for _, name := range []string{"nat", "filter", "mangle", "raw", "security"} {
			if tab, ok := s.set().Table(name); ok {
				rows = append(rows, chainsOf(tab)...)
			}
		}
	}
	if s.tables.Native == nil {
		return rows
	}
	for _, t := range s.tables.Native.Tables {
		if nft.Shown(t, s.tables.Sets) || !t.Meets(s.variant.Family) && t.Family != nft.Bridge && t.Family != nft.ARP {
			continue
		}
		rows = append(rows, nativeChainsOf(t)...)
	}
	return rows
}

// chainsOf are the chains of a table of iptables, as its rules lead from one to another.
func chainsOf(tab *rules.Table) []chainRow {
	at := make(map[string]int, len(tab.Chains))
	rows := make([]chainRow, len(tab.Chains))
	for i := range tab.Chains {
		at[tab.Chains[i].Name] = i
		c := &tab.Chains[i]
		rows[i] = chainRow{chainKey: chainKey{table: tab.Name, chain: c.Name}, iptables: c, counted: !c.BuiltIn()}
	}
	leads := make([][]int, len(rows))
	for i := range tab.Chains {
		for j := range tab.Chains[i].Rules {
			r := &tab.Chains[i].Rules[j]
			if to, ok := at[r.Target.Name]; ok && jumps(r) {
				leads[i] = append(leads[i], to)
				rows[to].entered += r.Counters.Packets
				rows[to].counted = rows[to].counted && r.Counters.Known
			}
		}
	}
	return inOrder(rows, leads, func(i int) bool { return tab.Chains[i].BuiltIn() })
}

// nativeChainsOf are the chains of a native table: those that the kernel calls, each with what its rules lead to. A verdict
// map does not count what it sends where.
func nativeChainsOf(t *nft.Table) []chainRow {
	at := make(map[*nft.Chain]int, len(t.Chains))
	rows := make([]chainRow, len(t.Chains))
	for i, c := range t.Chains {
		at[c] = i
		rows[i] = chainRow{chainKey: keyOfNative(nativeChain{t.Family, t.Name, c.Name}), nft: c, counted: !c.IsBase()}
	}
	leads := make([][]int, len(rows))
	for i, c := range t.Chains {
		for _, r := range c.Rules {
			counter, counts := r.Counter()
			for _, to := range r.Leads(t) {
				leads[i] = append(leads[i], at[to])
				row := &rows[at[to]]
				row.entered += counter.Packets
				row.counted = row.counted && counts && r.Jump(t) == to
			}
		}
	}
	return inOrder(rows, leads, func(i int) bool { return t.Chains[i].IsBase() })
}

// inOrder puts each chain once behind the first that leads to it, those that the kernel calls first; what nothing leads to
// comes last.
func inOrder(rows []chainRow, leads [][]int, called func(i int) bool) []chainRow {
	sorted, seen, led := make([]chainRow, 0, len(rows)), make([]bool, len(rows)), make([]bool, len(rows))
	for _, all := range leads {
		for _, to := range all {
			led[to] = true
		}
	}
	var put func(i, depth int)
	put = func(i, depth int) {
		if seen[i] {
			return
		}
		seen[i] = true
		rows[i].depth, rows[i].stray = depth, !called(i) && !led[i]
		sorted = append(sorted, rows[i])
		for _, to := range leads[i] {
			put(to, depth+1)
		}
	}
	for _, first := range []func(i int) bool{called, func(i int) bool { return !led[i] }, func(int) bool { return true }} {
		for i := range rows {
			if first(i) {
				put(i, 0)
			}
		}
	}
	return sorted
}

// policy is what a chain does with packets that no rule has decided on, with how many those were where that is counted.
func (r *chainRow) policy() (told string, drops bool) {
	switch {
	case !r.called():
		return "", false
	case r.nft != nil:
		drops = r.nft.Policy.Code == nft.Drop
		return map[bool]string{false: "accept", true: "drop"}[drops], drops
	}
	told = r.iptables.Policy
	if r.iptables.Counters.Known {
		told += " " + text.Count(r.iptables.Counters.Packets)
	}
	return told, r.iptables.Policy == "DROP"
}

// called tells whether the kernel itself calls the chain.
func (r *chainRow) called() bool {
	if r.nft != nil {
		return r.nft.IsBase()
	}
	return r.iptables.BuiltIn()
}

// hook is where the kernel calls a chain, and by which priority among others there.
func (r *chainRow) hook(b rules.Backend) string {
	switch {
	case r.stray:
		return "nothing leads here"
	case !r.called():
		return ""
	case r.nft != nil:
		return fmt.Sprintf("%s %d", r.nft.Hook, r.nft.Priority)
	}
	return fmt.Sprintf("%s %d", strings.ToLower(r.chain), rules.Priority(b, r.table, r.chain))
}

// owner is the program that made a chain, "" where none is known.
func (r *chainRow) owner() string {
	if r.nft != nil {
		return r.nft.Owner()
	}
	return rules.ChainOwner(r.chain)
}

// rules is how many the chain has.
func (r *chainRow) rules() int {
	if r.nft != nil {
		return len(r.nft.Rules)
	}
	return len(r.iptables.Rules)
}
