package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/nft"
	"nattui/ui/table"
	"nattui/ui/text"
)

// chainsOptions are the flags of "nattui chains".
type chainsOptions struct {
	variantFlags
	json    bool
	table   string
	gateway string
}

// newChainsCommand makes "nattui chains".
func newChainsCommand() *cobra.Command {
	var o chainsOptions
	c := &cobra.Command{
		Use:   "chains",
		Short: "Print all chains with their hooks, policies and counters",
		Long: "chains prints every chain of every table, those of iptables and those of native nft: where the kernel calls it and by which priority, its policy, the packets that reached the end of it (native policies do not count), " +
			"its rules, and the program that made it. On a terminal it prints a table. Otherwise it prints one chain per line: family, backend, table, chain, policy, packets, bytes, rules, owner, hook, priority; " +
			"a dash means none or unknown. --table chooses native chains by their type and priority, as rules does.",
		Example: "nattui chains\nnattui chains --table filter --json",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	c.Flags().BoolVar(&o.json, "json", false, "one JSON object per chain and line")
	c.Flags().StringVar(&o.table, "table", "", "only this table: nat, filter, mangle, raw, security")
	registerGateway(c, &o.gateway)
	o.register(c.Flags(), "default: both", "default: all")
	o.offerVariants(c)
	offer(c, "table", tableNames...)
	return c
}

// chainTold is a chain as JSON.
type chainTold struct {
	Family  string  `json:"family"`
	Backend string  `json:"backend"`
	Table   string  `json:"table"`
	Chain   string  `json:"chain"`
	Policy  string  `json:"policy,omitempty"`
	Packets *uint64 `json:"packets,omitempty"`
	Bytes   *uint64 `json:"bytes,omitempty"`
	Rules   int     `json:"rules"`
	Owner   string  `json:"owner"`
	// Of chains that the kernel itself calls:
	Hook     string `json:"hook,omitempty"`
	Priority *int32 `json:"priority,omitempty"`
}

func (o *chainsOptions) run(c *cobra.Command) error {
	if err := o.checkAll(); err != nil {
		return err
	}
	if o.table != "" {
		if err := checkTable(o.table); err != nil {
			return err
		}
	}
	variants, sets, native, readErr := o.readTables(c, o.gateway)
	if sets == nil {
		return readErr
	}
	var told []chainTold
	for _, v := range variants {
		if set := sets[v]; set != nil && o.backend != rules.Native.String() {
			told = append(told, o.tell(set)...)
		}
	}
	for _, t := range native.Tables {
		if !nft.Shown(t, sets) {
			told = append(told, o.tellNative(t)...)
		}
	}
	out := newOutput(c)
	if err := out.chains(told, o.json); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return readErr
}

// tell are the chains of a set.
func (o *chainsOptions) tell(set *rules.Ruleset) (told []chainTold) {
	for _, name := range tableNames {
		tab, ok := set.Table(name)
		if !ok || o.table != "" && name != o.table {
			continue
		}
		for i := range tab.Chains {
			ch := &tab.Chains[i]
			x := chainTold{Family: set.Family.String(), Backend: set.Backend.String(), Table: name, Chain: ch.Name, Rules: len(ch.Rules), Owner: rules.ChainOwner(ch.Name)}
			if ch.BuiltIn() {
				at := rules.Priority(set.Backend, name, ch.Name)
				x.Policy, x.Hook, x.Priority = ch.Policy, strings.ToLower(ch.Name), &at
				if ch.Counters.Known {
					x.Packets, x.Bytes = &ch.Counters.Packets, &ch.Counters.Bytes
				}
			}
			told = append(told, x)
		}
	}
	return told
}

// tellNative are the chains of a native table.
func (o *chainsOptions) tellNative(t *nft.Table) (told []chainTold) {
	wanted := map[*nft.Chain]bool{}
	for _, c := range t.Chains {
		if c.IsBase() && o.ofFamily(c) && (o.table == "" || doesWorkOf(o.table, c)) {
			wanted[c] = true
			for _, led := range c.Led() {
				wanted[led] = true
			}
		}
	}
	for _, c := range t.Chains {
		if !wanted[c] && (c.IsBase() || o.table != "" || !o.ofFamily(c)) {
			continue
		}
		x := chainTold{Family: nativeFamily(t.Family), Backend: rules.Native.String(), Table: t.Name, Chain: c.Name, Rules: len(c.Rules), Owner: c.Owner()}
		if c.IsBase() {
			x.Policy, x.Hook, x.Priority = "accept", c.Hook, &c.Priority
			if c.Policy.Code == nft.Drop {
				x.Policy = "drop"
			}
		}
		told = append(told, x)
	}
	return told
}

// chains prints chains: as JSON, as a table on a terminal, else a line of fields each.
func (out *output) chains(told []chainTold, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		for i := range told {
			if err := encoder.Encode(&told[i]); err != nil {
				return err
			}
		}
		return nil
	}
	number := func(n *uint64) string {
		if n == nil {
			return "-"
		}
		return strconv.FormatUint(*n, 10)
	}
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return text.Safe(s)
	}
	if !out.terminal {
		tables, chains := 0, 0
		for _, x := range told {
			tables, chains = max(tables, cells(text.Safe(x.Table))), max(chains, cells(or(x.Chain)))
		}
		for _, x := range told {
			if _, err := fmt.Fprintf(out, "%s %-6s %s %s %-6s %9s %12s %4d %s %s %s\n", x.Family, x.Backend, text.Pad(text.Safe(x.Table), tables, false), text.Pad(or(x.Chain), chains, false),
				or(x.Policy), number(x.Packets), number(x.Bytes), x.Rules, or(x.Owner), or(x.Hook), x.priority()); err != nil {
				return err
			}
		}
		return nil
	}
	return out.chainPage(told, number, or)
}

// priority is a chain's priority, a dash where the kernel does not call it.
func (x *chainTold) priority() string {
	if x.Priority == nil {
		return unknown
	}
	return strconv.Itoa(int(*x.Priority))
}

// heading stands over the chains of a table.
func (x *chainTold) heading() string {
	table := text.Safe(x.Table)
	if x.Backend == rules.Untold.String() {
		return x.Family + " " + table + ", backend not known"
	}
	return x.Family + " " + x.Backend + " " + table
}

// at is where the kernel calls a chain, and by which priority.
func (x *chainTold) at() string {
	if x.Hook == "" {
		return ""
	}
	return x.Hook + " " + x.priority()
}

// chainPage prints the chains of each table under a heading.
func (out *output) chainPage(told []chainTold, number func(*uint64) string, or func(string) string) error {
	cols := []table.Column{{Title: "chain", Min: 12, Want: 22, Grow: 1}, {Title: "hook", Min: 16, Want: 16, Order: 2}, {Title: "policy", Min: 6, Want: 6}, {Title: "packets", Min: 7, Want: 8, Right: true}, {Title: "rules", Min: 5, Want: 5, Right: true}, {Title: "owner", Min: 6, Want: 10, Order: 1}}
	widths := table.Widths(cols, min(out.width, 100))
	before := ""
	for _, x := range told {
		if head := x.heading(); head != before {
			if before != "" {
				fmt.Fprintln(out)
			}
			before = head
			fmt.Fprintf(out, "%s\n%s\n", out.ink.strong.Render(head), table.Head(cols, widths, out.ink.faint))
		}
		cells := []table.Cell{{Text: or(x.Chain)}, {Text: text.Safe(x.at())}, {Text: or(x.Policy)}, {Text: number(x.Packets)}, {Text: strconv.Itoa(x.Rules)}, {Text: or(x.Owner)}}
		if _, err := fmt.Fprintln(out, table.Line(cols, widths, cells, nil)); err != nil {
			return err
		}
	}
	return nil
}
