package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/nftables"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// rulesOptions are the flags of "nattui rules".
type rulesOptions struct {
	variantFlags
	json         bool
	withParked   bool
	table, chain string
	parked       []parkedRule

	printed bool // a page has begun
	gateway string
}

// tableNames are the tables that iptables knows.
var tableNames = []string{"nat", "filter", "mangle", "raw", "security"}

// newRulesCommand makes "nattui rules".
func newRulesCommand() *cobra.Command {
	var o rulesOptions
	c := &cobra.Command{
		Use:   "rules",
		Short: "Print the NAT rules in the order packets pass them",
		Long: "rules prints the rules of table nat, of both families and both backends of iptables, and those of native nft chains of type nat with the chains that they lead to, " +
			"in the order in which the kernel asks them. --table chooses chains that filter or mark, native ones by their type and priority. An element of a map that says where to translate to is a line of its own. " +
			"On a terminal it prints a table of matches and translations. Otherwise it prints one rule per line: family, backend, table, chain, position, packets, bytes, and the rule as iptables-save prints it. " +
			"A dash means an unknown counter.",
		Example: "nattui rules\n" +
			"nattui rules --family ipv4 --chain PREROUTING\n" +
			"nattui rules --json | jq -r 'select(.target == \"DNAT\") | .to'",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	c.Flags().BoolVar(&o.json, "json", false, "one JSON object per rule and line")
	c.Flags().BoolVar(&o.withParked, "parked", false, "with --json also the rules that are parked: they have no position, and the change that parked them as \"parked\"")
	c.Flags().StringVar(&o.chain, "chain", "", "only this chain")
	c.Flags().StringVar(&o.table, "table", "nat", "another table: "+strings.Join(tableNames[1:], ", "))
	registerGateway(c, &o.gateway)
	o.register(c.Flags(), "default: both", "default: all")
	o.offerVariants(c)
	offer(c, "table", tableNames...)
	_ = c.RegisterFlagCompletionFunc("chain", o.completeChain)
	return c
}

func (o *rulesOptions) run(c *cobra.Command) error {
	if err := o.checkAll(); err != nil {
		return err
	}
	if err := checkTable(o.table); err != nil {
		return err
	}
	variants, sets, native, readErr := o.readTables(c, o.gateway)
	if sets == nil {
		return readErr
	}
	if o.chain != "" && readErr == nil && !o.anyHasChain(sets) && len(o.nativeChains(native, sets)) == 0 {
		return fmt.Errorf("there is no chain %s in table %s%s", text.Safe(o.chain), o.table, chainMeant(o.table, o.chain, slices.Collect(maps.Values(sets))...))
	}
	out := newOutput(c)
	if o.gateway == "" {
		o.parked = parkedRules(sets)
	}
	for _, p := range variants {
		if o.backend == rules.Native.String() {
			break
		}
		if err := o.print(out, sets[p]); err != nil {
			return err
		}
	}
	if err := o.printNative(out, native, sets); err != nil {
		return err
	}
	if out.terminal && !o.json && !o.printed {
		fmt.Fprintln(out, out.ink.faint.Render("no rules in table "+o.table+" yet: add one with  nattui add"))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return readErr
}

func checkTable(name string) error {
	if !slices.Contains(tableNames, name) {
		return usagef("--table %s: use %s", name, strings.Join(tableNames, ", "))
	}
	return nil
}

func (o *rulesOptions) anyHasChain(sets map[rules.Variant]*rules.Ruleset) bool {
	if rules.IsBuiltIn(o.table, o.chain) { // on nft it is there once it is used
		return true
	}
	for _, set := range sets {
		if _, ok := set.Chain(o.table, o.chain); ok {
			return true
		}
	}
	return false
}

// completeChain offers the chains of the table, those that are there and those that the kernel has.
func (o *rulesOptions) completeChain(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	names := slices.Clone(rules.BuiltInChains[o.table])
	sets, _ := readForCompletion(c.Context())
	for _, set := range sets {
		t, ok := set.Table(o.table)
		for i := 0; ok && i < len(t.Chains); i++ {
			if name := text.Safe(t.Chains[i].Name); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if now, err := nftables.Read(c.Context()); err == nil {
		all := *o
		all.chain = ""
		for _, chain := range all.nativeChains(now, byVariant(sets)) {
			if name := text.Safe(chain.Name); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// chains are the chains of a set that are to be printed.
func (o *rulesOptions) chains(set *rules.Ruleset) []rules.Chain {
	table, ok := set.Table(o.table)
	if !ok {
		return nil
	}
	if o.chain == "" {
		return table.Chains
	}
	if chain, ok := table.Chain(o.chain); ok {
		return []rules.Chain{*chain}
	}
	return nil
}

func (o *rulesOptions) print(out *output, set *rules.Ruleset) error {
	switch {
	case set == nil: // could not be read
	case o.json:
		return o.printJSON(out, set)
	case out.terminal:
		o.printPage(out, set)
	default:
		o.printLines(out, set)
	}
	return nil
}

// ruleJSON is a rule as "nattui rules --json" prints it. The names are for good.
type ruleJSON struct {
	Family   string  `json:"family"`
	Backend  string  `json:"backend"`
	Table    string  `json:"table"`
	Chain    string  `json:"chain"`
	Position int     `json:"position,omitempty"`
	Target   string  `json:"target"`
	To       string  `json:"to"`
	Packets  *uint64 `json:"packets,omitempty"`
	Bytes    *uint64 `json:"bytes,omitempty"`
	Spec     string  `json:"spec"`
	Owner    string  `json:"owner"`
	Sentence string  `json:"sentence"`
	Parked   string  `json:"parked,omitempty"`
	// Of native nft rules:
	Handle   uint64 `json:"handle,omitempty"`
	Hook     string `json:"hook,omitempty"`
	Priority *int32 `json:"priority,omitempty"`
	// Unordered is set for base chains of table type nat whose priority another has too.
	Unordered bool `json:"order_unknown,omitempty"`
	// Of an element of the map that tells the rule where to translate to:
	Map     string `json:"map,omitempty"`
	Element string `json:"element,omitempty"`
}

// parkedAt are the parked rules that would come back to the position.
func (o *rulesOptions) parkedAt(set *rules.Ruleset, chain *rules.Chain, at int) []parkedRule {
	var found []parkedRule
	for _, p := range o.parked {
		c := &p.back
		last := at > len(chain.Rules) && c.At > at
		if c.Family == set.Family && c.Backend == set.Backend && c.Table == o.table && c.Chain == chain.Name && (c.At == at || last) {
			found = append(found, p)
		}
	}
	return found
}

func (o *rulesOptions) printJSON(out *output, set *rules.Ruleset) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	line := ruleJSON{Family: set.Family.String(), Backend: set.Backend.String(), Table: o.table}
	for _, chain := range o.chains(set) {
		line.Chain = chain.Name
		for i := range len(chain.Rules) + 1 {
			if o.withParked {
				for _, p := range o.parkedAt(set, &chain, i+1) {
					line.Position, line.Parked = 0, p.id
					if err := line.print(encoder, &p.back.Rule); err != nil {
						return err
					}
				}
			}
			if i == len(chain.Rules) {
				break
			}
			line.Position, line.Parked = i+1, ""
			if err := line.print(encoder, &chain.Rules[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// print prints the line of a rule whose variant is filled in.
func (l *ruleJSON) print(encoder *json.Encoder, r *rules.Rule) error {
	l.Target, l.To = r.Target.Name, ""
	if r.Target.Kind.Translates() {
		l.To = translation(r.Target)
	}
	l.Packets, l.Bytes = nil, nil
	if r.Counters.Known {
		l.Packets, l.Bytes = &r.Counters.Packets, &r.Counters.Bytes
	}
	l.Spec, l.Owner, l.Sentence = r.String(), rules.OwnerOf(*r), r.Sentence()
	return encoder.Encode(l)
}

// translation is where a translating target leads to, as its option says it.
func translation(t rules.Target) string {
	if t.Kind == rules.Netmap {
		return t.To.Net.String()
	}
	return t.To.String()
}

// printLines prints one rule a line, for other programs and for grep.
func (o *rulesOptions) printLines(out *output, set *rules.Ruleset) {
	chains := o.chains(set)
	width := 0
	for i := range chains {
		width = max(width, cells(chains[i].Name))
	}
	line := func(chain, at string, r *rules.Rule) {
		packets, bytes := unknown, unknown
		if r.Counters.Known {
			packets, bytes = strconv.FormatUint(r.Counters.Packets, 10), strconv.FormatUint(r.Counters.Bytes, 10)
		}
		fmt.Fprintf(out, "%s %-6s %s %s %4s %9s %12s %s\n", set.Family, set.Backend, o.table, text.Pad(text.Safe(chain), width, false), at, packets, bytes, text.Safe(r.String()))
	}
	for _, chain := range chains {
		for i := range len(chain.Rules) + 1 {
			for _, p := range o.parkedAt(set, &chain, i+1) {
				line(chain.Name, "parked", &p.back.Rule)
			}
			if i < len(chain.Rules) {
				line(chain.Name, strconv.Itoa(i+1), &chain.Rules[i])
			}
		}
	}
}

// printPage prints a set for a person: chain by chain, what becomes of what.
// Chains and sets in which nothing happens are left out.
func (o *rulesOptions) printPage(out *output, set *rules.Ruleset) {
	chains := slices.DeleteFunc(slices.Clone(o.chains(set)), func(c rules.Chain) bool {
		return len(c.Rules) == 0 && c.Policy != "DROP" && len(o.parkedAt(set, &c, 1)) == 0
	})
	if len(chains) == 0 {
		return
	}
	o.printed = true
	out.heading(rules.Variant{Family: set.Family, Backend: set.Backend}.String())
	columns := ruleColumns(o.table, chains)
	widths := table.Widths(columns, out.width)
	fmt.Fprintln(out, table.Head(columns, widths, out.ink.faint))
	for _, chain := range chains {
		about := "1 rule"
		if n := len(chain.Rules); n != 1 {
			about = fmt.Sprintf("%d rules", n)
		}
		if chain.BuiltIn() && chain.Policy != "ACCEPT" {
			about += ", policy " + chain.Policy
		}
		fmt.Fprintln(out, text.Safe(chain.Name)+"  "+out.ink.faint.Render(about))
		for i := range len(chain.Rules) + 1 {
			for _, p := range o.parkedAt(set, &chain, i+1) {
				fmt.Fprintln(out, table.Line(columns, widths, parkedCells(out.ink, o.table, &p.back.Rule), nil))
			}
			if i < len(chain.Rules) {
				fmt.Fprintln(out, table.Line(columns, widths, ruleCells(out.ink, o.table, i+1, &chain.Rules[i]), nil))
			}
		}
	}
}

// ruleColumns are columns as wide as the rules of a table need.
func ruleColumns(of string, chains []rules.Chain) []table.Column {
	number, match, becomes, owner := 1, 1, 1, 0
	for _, chain := range chains {
		number = max(number, len(strconv.Itoa(len(chain.Rules))))
		for i := range chain.Rules {
			r := &chain.Rules[i]
			match = max(match, cells(r.MatchText()))
			becomes = max(becomes, cells(r.Becomes(of)))
			owner = max(owner, cells(rules.OwnerOf(*r)))
		}
	}
	const least = 12 // of a column that gives way to others
	columns := []table.Column{
		{Title: "#", Min: number + 2, Right: true}, // indented beneath the chain's name
		{Title: "match", Min: min(match, least), Want: match},
		{Title: "becomes", Min: min(becomes, least), Want: becomes},
		{Title: "pkts", Min: countWidth, Right: true, Order: 1},
		{Title: "bytes", Min: countWidth, Right: true, Order: 2},
	}
	if owner > 0 {
		columns = append(columns, table.Column{Title: "owner", Min: min(owner, least), Want: owner, Order: 3})
	}
	return columns
}

// parkedCells are those of a rule that is parked: it has no position, and is not in
// force.
func parkedCells(ink ink, of string, r *rules.Rule) []table.Cell {
	cells := ruleCells(ink, of, 0, r)
	cells[0].Text, cells[1].Text = text.Unknown, "parked: "+cells[1].Text
	for i := range cells {
		cells[i].Style = ink.faint
	}
	return cells
}

// countWidth is the width of a counter (text.Count).
const countWidth = 6

func ruleCells(ink ink, of string, position int, r *rules.Rule) []table.Cell {
	packets, bytes := text.Unknown, text.Unknown
	if r.Counters.Known {
		packets, bytes = text.Count(r.Counters.Packets), text.Count(r.Counters.Bytes)
	}
	var plain theme.Style
	return []table.Cell{
		{Text: strconv.Itoa(position), Style: ink.faint},
		{Text: text.Safe(r.MatchText()), Style: plain},
		{Text: text.Safe(r.Becomes(of)), Style: ink.of(r.Target.Kind)},
		{Text: packets, Style: plain},
		{Text: bytes, Style: plain},
		{Text: text.Safe(rules.OwnerOf(*r)), Style: ink.faint},
	}
}
