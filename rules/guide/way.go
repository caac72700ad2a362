package guide

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// Way draws a packet's way with the chains marked in which a rule is met:
//
//	in ▸ [PREROUTING] ▸ routing ▸ FORWARD ▸ POSTROUTING ▸ out
//	                       ▾                    ▴
//	                     INPUT ▸ this host ▸ OUTPUT
//
// The chains are those that the kernel calls; see Leads for others.
func Way(marked ...string) []string {
	name := func(s string) string {
		if slices.Contains(marked, s) {
			return "[" + s + "]"
		}
		return s
	}
	above := "in ▸ " + name("PREROUTING") + " ▸ "
	down := cells(above) + cells("routing")/2
	above += "routing ▸ " + name("FORWARD") + " ▸ " + name("POSTROUTING") + " ▸ out"
	start := down - cells(name("INPUT"))/2
	below := strings.Repeat(" ", start) + name("INPUT") + " ▸ this host ▸ " + name("OUTPUT")
	up := cells(below) - cells(name("OUTPUT"))/2 - 1 // somewhere beneath POSTROUTING
	middle := strings.Repeat(" ", down) + "▾" + strings.Repeat(" ", up-down-1) + "▴"
	return []string{above, middle, below}
}

func cells(s string) int { return len([]rune(s)) }

// Leads lists the chains that the kernel calls and from which jumps lead to a
// chain; a chain of the kernel's own leads to itself.
func Leads(set *rules.Ruleset, table, chain string) []string {
	if rules.IsBuiltIn(table, chain) {
		return []string{chain}
	}
	t, ok := set.Table(table)
	if !ok {
		return nil
	}
	seen := map[string]bool{chain: true}
	var found []string
	for queue := []string{chain}; len(queue) > 0; queue = queue[1:] {
		for _, c := range t.Chains {
			to := slices.ContainsFunc(c.Rules, func(r rules.Rule) bool {
				return r.Target.LeadsTo(queue[0])
			})
			if !to || seen[c.Name] {
				continue
			}
			seen[c.Name] = true
			if rules.IsBuiltIn(table, c.Name) {
				found = append(found, c.Name)
			} else {
				queue = append(queue, c.Name)
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int {
		chains := rules.BuiltInChains[table]
		return slices.Index(chains, a) - slices.Index(chains, b)
	})
	return found
}

// moments say what is known of a packet in each chain that the kernel calls.
var moments = map[string]string{
	"PREROUTING":  "before routing: the outgoing interface is not decided yet, and a new destination decides it",
	"INPUT":       "on the way to a program of this host",
	"FORWARD":     "after routing, for forwarded packets: their destination is already translated, their source not yet",
	"OUTPUT":      "packets that this host itself sends: they never pass PREROUTING",
	"POSTROUTING": "last before the packet leaves: its source can be changed here, its route no longer",
}

// counts say how often each table is asked.
var counts = map[string]string{
	"nat":      "only the first packet of a connection is checked here; the others are translated alike, and replies back",
	"filter":   "every packet is checked, including replies",
	"mangle":   "every packet is checked, before tables nat and filter",
	"raw":      "every packet is checked, before connection tracking sees it",
	"security": "every packet is checked, after table filter",
}

// Moment says what it means that a rule stands in a chain of a table.
func Moment(table, chain string) string {
	when, ok := moments[chain]
	if !ok {
		when = "a chain of its own: packets reach it where a rule jumps to it"
	}
	return fmt.Sprintf("Table %s, %s, %s. In table %s %s.", table, chain, when, table, counts[table])
}
