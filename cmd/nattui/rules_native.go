package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// nativeRules are the chains of native nft tables that translate, each with those that it leads to.
type nativeRules struct {
	chains []*nft.Chain
	text   map[ruleKey]string // as the program nft prints it; without it a rule has its expressions
}

type ruleKey struct {
	table  *nft.Table
	handle uint64
}

// readNativeRules reads the native tables. Without nf_tables in the kernel there are none.
func readNativeRules(ctx context.Context) (nativeRules, error) {
	natives, err := iptables.Natives(ctx)
	if err != nil || len(natives) == 0 {
		return nativeRules{}, err
	}
	set, err := nftables.Read(ctx)
	if err != nil {
		return nativeRules{}, err
	}
	n := nativeRules{text: nftListing(ctx, set)}
	for _, t := range set.Tables {
		seen := map[*nft.Chain]bool{}
		for _, c := range t.Chains {
			if c.Type == "nat" && !iptables.MadeChain(t.Family.String(), t.Name, c.Name) {
				n.take(c, seen)
			}
		}
	}
	return n, nil
}

// take adds a chain and those that its rules jump to.
func (n *nativeRules) take(c *nft.Chain, seen map[*nft.Chain]bool) {
	if c == nil || seen[c] {
		return
	}
	seen[c] = true
	n.chains = append(n.chains, c)
	for _, r := range c.Rules {
		for _, e := range r.Exprs {
			switch e := e.(type) {
			case nft.Immediate:
				if e.Verdict != nil && e.Verdict.Chain != "" {
					n.take(c.Table.Chain(e.Verdict.Chain), seen)
				}
			case nft.Lookup:
				if s := c.Table.Set(e.Set); s != nil {
					for _, element := range s.Elements {
						if element.Verdict != nil && element.Verdict.Chain != "" {
							n.take(c.Table.Chain(element.Verdict.Chain), seen)
						}
					}
				}
			}
		}
	}
}

// say is a rule's text.
func (n *nativeRules) say(c *nft.Chain, r *nft.Rule) string {
	if line, ok := n.text[ruleKey{c.Table, r.Handle}]; ok {
		return line
	}
	return strings.Join(strings.Fields(strings.NewReplacer("[ ", "[", " ]", "]").Replace(r.Program())), " ")
}

var (
	listedTable  = regexp.MustCompile(`^table (\w+) (\S+) \{`)
	listedHandle = regexp.MustCompile(`^(.*) # handle (\d+)$`)
)

// nftListing is what the program nft calls each rule; nothing where it is missing or fails.
func nftListing(ctx context.Context, set *nft.Ruleset) map[ruleKey]string {
	out, err := exec.CommandContext(ctx, "nft", "-a", "list", "ruleset").Output()
	if err != nil {
		return nil
	}
	all := map[ruleKey]string{}
	var table *nft.Table
	var parts []string // of a rule over several lines
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		line := lines.Text()
		if m := listedTable.FindStringSubmatch(line); m != nil {
			table, parts = tableNamed(set, m[1], m[2]), nil
			continue
		}
		if !strings.HasPrefix(line, "\t\t") || table == nil {
			parts = nil
			continue
		}
		parts = append(parts, strings.TrimSpace(line))
		if m := listedHandle.FindStringSubmatch(strings.Join(parts, " ")); m != nil {
			handle, _ := strconv.ParseUint(m[2], 10, 64)
			all[ruleKey{table, handle}] = m[1]
			parts = nil
		} else if len(parts) == 1 && (strings.HasPrefix(parts[0], "type ") || strings.HasSuffix(parts[0], ";")) {
			parts = nil // the chain's own line
		}
	}
	return all
}

func tableNamed(set *nft.Ruleset, family, name string) *nft.Table {
	for _, t := range set.Tables {
		if t.Family.String() == family && t.Name == name {
			return t
		}
	}
	return nil
}

// nativeTarget is what a rule does with a flow, as its statement is called; "" where it does not translate.
func nativeTarget(r *nft.Rule) string {
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case nft.NAT:
			return map[bool]string{false: "DNAT", true: "SNAT"}[e.Source]
		case nft.Masq:
			return "MASQUERADE"
		case nft.Redir:
			return "REDIRECT"
		case nft.TProxy:
			return "TPROXY"
		}
	}
	return ""
}

// nativeCounter is the counter of a rule, if it has one.
func nativeCounter(r *nft.Rule) (nft.Counter, bool) {
	for _, e := range r.Exprs {
		if c, ok := e.(nft.Counter); ok {
			return c, true
		}
	}
	return nft.Counter{}, false
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

// printNative prints the native chains, in any of the three ways.
func (o *rulesOptions) printNative(out *output, n nativeRules) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, c := range n.chains {
		if o.chain != "" && c.Name != o.chain || o.family != "" && nativeFamily(c.Table.Family) != o.family && c.Table.Family != nft.INet {
			continue
		}
		if out.terminal && !o.json {
			o.printed = true
			out.heading(text.Safe(c.Table.String() + ", chain " + c.Name))
			if c.IsBase() {
				fmt.Fprintln(out, out.ink.faint.Render(fmt.Sprintf("native nft, %s %s, priority %d", c.Type, c.Hook, c.Priority)))
			}
		}
		for i, r := range c.Rules {
			if err := o.printNativeRule(out, encoder, n, c, r, i+1); err != nil {
				return err
			}
		}
		if out.terminal && !o.json {
			fmt.Fprintln(out)
		}
	}
	return nil
}

func (o *rulesOptions) printNativeRule(out *output, encoder *json.Encoder, n nativeRules, c *nft.Chain, r *nft.Rule, at int) error {
	spec := n.say(c, r)
	count, counted := nativeCounter(r)
	switch {
	case o.json:
		line := ruleJSON{
			Family: nativeFamily(c.Table.Family), Backend: "native", Table: c.Table.Name, Chain: c.Name, Position: at, Handle: r.Handle,
			Target: nativeTarget(r), Spec: spec, Hook: c.Hook,
		}
		if c.IsBase() {
			line.Priority = &c.Priority
		}
		if counted {
			line.Packets, line.Bytes = &count.Packets, &count.Bytes
		}
		return encoder.Encode(line)
	case out.terminal:
		fmt.Fprintf(out, "%4d  %s\n", at, text.Safe(spec))
	default:
		packets, bytes := unknown, unknown
		if counted {
			packets, bytes = strconv.FormatUint(count.Packets, 10), strconv.FormatUint(count.Bytes, 10)
		}
		fmt.Fprintf(out, "%s %-6s %s %s %4d %9s %12s %s\n", nativeFamily(c.Table.Family), "native", text.Safe(c.Table.Name), text.Safe(c.Name), at, packets, bytes, text.Safe(spec))
	}
	return nil
}
