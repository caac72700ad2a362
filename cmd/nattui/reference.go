package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/ui"
)

// statusText lists the exit statuses, for the manual page and the README.
const statusText = `| status | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage |
| 3 | conflict: the rule or chain is not, or no longer, what the command took it for |
| 4 | not permitted |
`

// jsonText describes what --json prints, for the manual page and the README.
const jsonText = "`--json` prints one object a line. Counters that the kernel does not keep are absent, not 0.\n" + `
| field of a rule | |
|---|---|
| family, backend | ipv4 or ipv6; nft or legacy |
| table, chain, position | where it stands; positions count from 1 |
| target, to | the word after -j; the new address and port |
| packets, bytes | its counters |
| spec | the line exactly as iptables-save prints it, without counters |
| owner | the program that made it, such as docker; empty for the administrator's own |
| sentence | the rule in words |

| field of a flow | |
|---|---|
| proto, state | tcp, udp, icmp …; state as conntrack names it, absent for protocols without |
| nat | none, snat, dnat or both |
| orig, reply | the two directions: src, sport, dst, dport, packets, bytes |
| timeout | seconds left |
| mark, zone, id | as the kernel keeps them |
| assured, seen_reply | true or false |
| start | when it began (RFC 3339), where the kernel keeps timestamps |
| event, at | with --follow: new, update or destroy, and when |

ICMP has type, code and icmp_id in place of ports, GRE with keys srckey and dstkey.
`

// commandTable lists the commands with what they do, in markdown.
func commandTable(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("| command | |\n|---|---|\n")
	for _, c := range documented(root) {
		if c.HasSubCommands() && c != root {
			continue
		}
		short := c.Short
		if c == root {
			short = "The screens, on this host"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(strings.TrimSuffix(c.UseLine(), " [flags]"), "|", "\\|"), short)
	}
	return b.String()
}

// flagTable lists the flags of each command, in markdown.
func flagTable(root *cobra.Command) string {
	var b strings.Builder
	for _, c := range documented(root) {
		if list := flagNames(c); list != "" {
			fmt.Fprintf(&b, "- `%s`: %s\n", c.CommandPath(), list)
		}
	}
	return b.String()
}

func flagNames(c *cobra.Command) string {
	var names []string
	visitFlags(c, func(f *pflag.Flag) { names = append(names, "`"+flagUsage(f)+"`") })
	return strings.Join(names, ", ")
}

// flagList lists the flags of a command with what they mean, in markdown.
func flagList(c *cobra.Command) string {
	var b strings.Builder
	visitFlags(c, func(f *pflag.Flag) {
		name := flagUsage(f)
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		_, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, "**%s**\n: %s\n\n", name, usage)
	})
	return b.String()
}

func flagUsage(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return "--" + f.Name
	}
	return "--" + f.Name + " " + strings.ToUpper(f.Name)
}

func visitFlags(c *cobra.Command, visit func(*pflag.Flag)) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && f.Name != "version" {
			visit(f)
		}
	})
}

// keyTable lists the keys of the screens, in markdown.
func keyTable() string {
	var b strings.Builder
	for _, group := range ui.KeyTable() {
		fmt.Fprintf(&b, "| %s | |\n|---|---|\n", group.Title)
		for _, k := range group.Keys {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(k.Help().Key, "|", "\\|"), k.Help().Desc)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
