package main

import (
	"fmt"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"

	"nattui/ui"
)

// newManualCommand makes "nattui man", for packagers.
func newManualCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man",
		Short:  "Print the manual page",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := pipe{c.OutOrStdout()}.Write(manualPage(c.Root()))
			return err
		},
	}
}

// manualPage is the manual page in roff, made from the commands themselves.
func manualPage(root *cobra.Command) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "NATTUI 1 \"\" nattui \"General Commands Manual\"\n====\n\n")
	fmt.Fprintf(&b, "# NAME\n\nnattui - %s\n\n# SYNOPSIS\n\n", strings.ToLower(root.Short[:1])+root.Short[1:])
	for _, line := range synopsis(root) {
		fmt.Fprintf(&b, "`%s`\n\n", line)
	}
	fmt.Fprintf(&b, "# DESCRIPTION\n\n%s\n\n%s\n", paragraphs(root.Long), flagList(root))
	b.WriteString("# COMMANDS\n\n")
	for _, c := range documented(root)[1:] {
		fmt.Fprintf(&b, "### %s\n\n`%s`\n\n%s\n\n", strings.TrimPrefix(c.CommandPath(), "nattui "), c.UseLine(), paragraphs(longOf(c)))
		if c.Example != "" {
			fmt.Fprintf(&b, "```\n%s\n```\n\n", c.Example)
		}
		b.WriteString(flagList(c))
	}
	b.WriteString("# KEYS\n\n")
	for _, group := range ui.KeyTable() {
		fmt.Fprintf(&b, "### %s\n\n", group.Title)
		for _, k := range group.Keys {
			fmt.Fprintf(&b, "**%s**\n: %s\n\n", escapeMarkdown(k.Help().Key), k.Help().Desc)
		}
	}
	fmt.Fprintf(&b, "# EXIT STATUS\n\n%s", entryList(exitEntries))
	fmt.Fprintf(&b, "# JSON\n\n%s\n\n", jsonNote)
	for _, j := range jsonEntries {
		fmt.Fprintf(&b, "### %s\n\n%s", j.title, entryList(j.fields))
	}
	b.WriteString("# SEE ALSO\n\n**iptables**(8), **iptables-extensions**(8), **conntrack**(8), **nft**(8)\n")
	return md2man.Render([]byte(b.String()))
}

// documented are a command and all beneath it that people call, in order.
func documented(c *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "completion" {
			list = append(list, documented(sub)...)
		}
	}
	return list
}

// synopsis is a line for each command that does something of its own.
func synopsis(root *cobra.Command) []string {
	var lines []string
	for _, c := range documented(root) {
		if !c.HasSubCommands() || c == root {
			lines = append(lines, c.UseLine())
		}
	}
	return lines
}

func longOf(c *cobra.Command) string {
	if c.Long == "" {
		return c.Short + "."
	}
	return c.Long
}

// paragraphs turns help into markdown: lines that are indented stay as they are.
func paragraphs(help string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(help, "\n") {
		if strings.HasPrefix(line, "  ") {
			b.WriteString("  " + line + "\n") // four blanks and more are a block
			continue
		}
		b.WriteString("\n" + escapeMarkdown(line) + "\n")
		if strings.HasSuffix(line, ":") {
			b.WriteString("\n")
		}
	}
	return strings.TrimSpace(b.String())
}
