package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/table"
	"nattui/ui/text"
	"nattui/ui/theme"
)

// readNative reads the native tables, with the texts of their rules. Without nf_tables in the kernel there are none.
func readNative(ctx context.Context) (*nft.Ruleset, error) {
	set, err := nftables.Read(ctx)
	switch {
	case errors.Is(err, nfnetlink.ErrAbsent):
		return &nft.Ruleset{}, nil
	case err != nil:
		return &nft.Ruleset{}, fmt.Errorf("native nft tables: %w", err)
	}
	nftables.List(ctx, set)
	return set, nil
}

// nativeHooks are the hooks in the order in which packets come to them.
var nativeHooks = []string{"ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"}

// nativeChains are the chains that iptables does not show, in the order in which the kernel asks them at each hook, each
// followed by those that it leads to.
func (o *rulesOptions) nativeChains(set *nft.Ruleset, sets map[rules.Variant]*rules.Ruleset) []*nft.Chain {
	var base []*nft.Chain
	for _, t := range set.Tables {
		if nft.Shown(t, sets) {
			continue
		}
		for _, c := range t.Chains {
			if c.IsBase() && doesWorkOf(o.table, c) && o.ofFamily(c) {
				base = append(base, c)
			}
		}
	}
	slices.SortStableFunc(base, func(a, b *nft.Chain) int {
		if at := slices.Index(nativeHooks, a.Hook) - slices.Index(nativeHooks, b.Hook); at != 0 {
			return at
		}
		return int(a.Priority) - int(b.Priority)
	})
	var all []*nft.Chain
	seen := map[*nft.Chain]bool{}
	for _, c := range base {
		for _, c := range append([]*nft.Chain{c}, c.Led()...) {
			if !seen[c] && (o.chain == "" || c.Name == o.chain) {
				all = append(all, c)
			}
			seen[c] = true
		}
	}
	return all
}

// doesWorkOf tells whether a native chain does the work of a table of iptables.
func doesWorkOf(table string, c *nft.Chain) bool {
	const conntrack, filter = -200, 0 // enum nf_ip_hook_priorities
	switch table {
	case "nat":
		return c.Type == "nat"
	case "raw":
		return c.Type != "nat" && (c.Priority <= conntrack || c.Table.Family == nft.Netdev)
	case "mangle":
		return c.Type == "route" || c.Type == "filter" && c.Priority > conntrack && c.Priority < filter && c.Table.Family != nft.Netdev
	case "filter":
		return c.Type == "filter" && c.Priority >= filter && c.Table.Family != nft.Netdev
	}
	return false
}

// ofFamily tells whether packets of the family that is asked for come to a native chain.
func (f *variantFlags) ofFamily(c *nft.Chain) bool {
	family, err := rules.ParseFamily(f.family)
	return f.family == "" || err == nil && c.Table.Meets(family)
}

// nativeFamily is a table's family as nattui says it.
func nativeFamily(f nft.Family) string {
	switch f {
	case nft.IPv4:
		return rules.IPv4.String()
	case nft.IPv6:
		return rules.IPv6.String()
	}
	return f.String()
}

// nativePage prints native chains in any of the three ways.
type nativePage struct {
	*rulesOptions
	out     *output
	encoder *json.Encoder
	links   nft.Links
	sets    map[rules.Variant]*rules.Ruleset
	native  *nft.Ruleset
}

// printNative prints the native chains.
func (o *rulesOptions) printNative(out *output, native *nft.Ruleset, sets map[rules.Variant]*rules.Ruleset) error {
	p := nativePage{rulesOptions: o, out: out, encoder: json.NewEncoder(out), links: native.Links, sets: sets, native: native}
	p.encoder.SetEscapeHTML(false)
	for _, c := range o.nativeChains(native, sets) {
		if c.Table.Unread && c.IsBase() {
			o.unread(c)
		}
		switch {
		case o.json:
			for i, r := range c.Rules {
				if !p.hears(c, r) {
					continue
				}
				if err := p.printJSON(c, r, i+1); err != nil {
					return err
				}
			}
		case out.terminal:
			p.printPage(c)
		default:
			for i, r := range c.Rules {
				if p.hears(c, r) {
					p.printLine(c, r, i+1)
				}
			}
		}
	}
	return nil
}

// hears tells whether packets of the family that is asked for can match a rule.
func (p *nativePage) hears(c *nft.Chain, r *nft.Rule) bool {
	family, err := rules.ParseFamily(p.family)
	if p.family == "" || err != nil {
		return true
	}
	of := r.Read(c, p.links).Family
	return of == 0 || of.String() == family.NFT()
}

// unread says that a chain's rules are not shown.
func (o *rulesOptions) unread(c *nft.Chain) {
	say(stderr, text.Safe(fmt.Sprintf("%s, chain %s: too many rules of iptables to be read without iptables-save; see  nft list chain %s %s %s", c.Table, c.Name, c.Table.Family, c.Table.Name, c.Name)))
}

// unordered tells whether the kernel may ask the chain before or after another of the same priority.
func (p *nativePage) unordered(c *nft.Chain) bool {
	if !c.IsBase() || c.Type != "nat" {
		return false
	}
	return slices.ContainsFunc(rules.Families[:], func(f rules.Family) bool {
		return slices.ContainsFunc(nft.Stops(p.native, p.sets, f, c.Hook, true, nil), func(s nft.Stop) bool { return s.Native == c && s.Unordered })
	})
}

// printJSON prints a rule, and a line for each element of a map that tells it where to translate to.
func (p *nativePage) printJSON(c *nft.Chain, r *nft.Rule, at int) error {
	x := r.Read(c, p.links)
	line := ruleJSON{
		Family: nativeFamily(c.Table.Family), Backend: rules.Native.String(), Table: c.Table.Name, Chain: c.Name, Position: at, Handle: r.Handle,
		Target: x.Target(), To: x.To(), Spec: r.Text(c, p.links), Owner: r.Owner(c), Sentence: x.Sentence(c.Name), Hook: c.Hook, Unordered: p.unordered(c),
	}
	if c.IsBase() {
		line.Priority = &c.Priority
	}
	if n, ok := r.Counted(c.Table); ok {
		line.Packets, line.Bytes = &n.Packets, &n.Bytes
	}
	if err := p.encoder.Encode(line); err != nil {
		return err
	}
	line.Packets, line.Bytes = nil, nil
	for _, f := range x.Forwards(p.links) {
		line.Map, line.Element, line.To, line.Sentence = f.Map, f.Key, f.To, f.Sentence
		if err := p.encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (p *nativePage) printLine(c *nft.Chain, r *nft.Rule, at int) {
	packets, bytes := unknown, unknown
	if n, ok := r.Counted(c.Table); ok {
		packets, bytes = strconv.FormatUint(n.Packets, 10), strconv.FormatUint(n.Bytes, 10)
	}
	line := func(at, packets, bytes, spec string) {
		fmt.Fprintf(p.out, "%s %-6s %s %s %4s %9s %12s %s\n", nativeFamily(c.Table.Family), rules.Native, text.Safe(c.Table.Name), text.Safe(c.Name), at, packets, bytes, text.Safe(spec))
	}
	line(strconv.Itoa(at), packets, bytes, r.Text(c, p.links))
	for _, f := range r.Read(c, p.links).Forwards(p.links) {
		line("", unknown, unknown, fmt.Sprintf("%s: %s -> %s", f.Map, f.Key, f.To))
	}
}

// printPage prints a chain for a person.
func (p *nativePage) printPage(c *nft.Chain) {
	if len(c.Rules) == 0 && (!c.IsBase() || c.Policy.Code != nft.Drop) {
		return
	}
	p.printed = true
	p.out.heading(text.Safe(c.Table.String() + " · " + c.Name))
	fmt.Fprintln(p.out, p.out.ink.faint.Render(text.Safe(p.about(c))))
	rows := p.rows(c)
	columns := nativeColumns(rows)
	widths := table.Widths(columns, p.out.width)
	fmt.Fprintln(p.out, table.Head(columns, widths, p.out.ink.faint))
	for _, cells := range rows {
		fmt.Fprintln(p.out, table.Line(columns, widths, cells, nil))
	}
}

// about says what kind of chain it is.
func (p *nativePage) about(c *nft.Chain) string {
	parts := []string{"native nft"}
	if o := c.Owner(); o != "" {
		parts = append(parts, o+"'s, by its name")
	}
	if !c.IsBase() {
		return strings.Join(append(parts, "jumped to"), ", ")
	}
	parts = append(parts, c.Type+" "+c.Hook, fmt.Sprintf("priority %d", c.Priority))
	if c.Policy.Code == nft.Drop {
		parts = append(parts, "policy drop")
	}
	if c.Table.Dormant {
		parts = append(parts, "dormant: not in use")
	}
	if p.unordered(c) {
		parts = append(parts, "order among chains of this priority not known")
	}
	return strings.Join(parts, ", ")
}

// rows are a chain's rules, each followed by the forwards of its map.
func (p *nativePage) rows(c *nft.Chain) [][]table.Cell {
	plain, faint := theme.Style{}, p.out.ink.faint
	var rows [][]table.Cell
	for i, r := range c.Rules {
		if !p.hears(c, r) {
			continue
		}
		x := r.Read(c, p.links)
		packets, bytes := text.Unknown, text.Unknown
		if n, ok := r.Counted(c.Table); ok {
			packets, bytes = text.Count(n.Packets), text.Count(n.Bytes)
		}
		ink := p.out.ink.of(x.Kind())
		rows = append(rows, []table.Cell{
			{Text: strconv.Itoa(i + 1), Style: faint},
			{Text: text.Safe(x.MatchText()), Style: plain},
			{Text: text.Safe(x.Becomes(p.links)), Style: ink},
			{Text: packets, Style: plain},
			{Text: bytes, Style: plain},
			{Text: text.Safe(r.Owner(c)), Style: faint},
		})
		for _, f := range x.Forwards(p.links) {
			rows = append(rows, []table.Cell{{}, {Text: "  " + text.Safe(f.Key), Style: faint}, {Text: text.Safe(f.To), Style: ink}, {}, {}, {}})
		}
	}
	return rows
}

// nativeColumns are columns as wide as the rows need.
func nativeColumns(rows [][]table.Cell) []table.Column {
	widths := [6]int{1, len("match"), len("becomes")} // a title is not cut off
	for _, cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], text.Width(cell.Text))
		}
	}
	const least = 12
	columns := []table.Column{
		{Title: "#", Min: widths[0] + 2, Right: true},
		{Title: "match", Min: min(widths[1], least), Want: widths[1]},
		{Title: "becomes", Min: min(widths[2], least), Want: widths[2]},
		{Title: "pkts", Min: countWidth, Right: true, Order: 1},
		{Title: "bytes", Min: countWidth, Right: true, Order: 2},
	}
	if widths[5] > 0 {
		widths[5] = max(widths[5], len("owner"))
		columns = append(columns, table.Column{Title: "owner", Min: min(widths[5], least), Want: widths[5], Order: 3})
	}
	return columns
}
