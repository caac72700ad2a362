package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"

	"nattui/model/lab"
	"nattui/ui"
)

// manualPages are the manual pages in roff by their file names. They are made here, from the commands
// themselves, and not by the program: packages have them, and the program need not carry what makes them.
func manualPages(t *testing.T, root *cobra.Command) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"nattui.8":        roff(manualPage(root)),
		"nattui-guide.7":  roff(guidePage(t, root)),
		"nattui-filter.7": roff(filterPage(t)),
	}
}

// roff is a page as man reads it. In the C locale troff has no ellipsis.
func roff(page string) []byte { return md2man.Render([]byte(strings.ReplaceAll(page, "…", "..."))) }

// manualHead is what a page begins with, for md2man.
func manualHead(name, section, kind, short string) string {
	return fmt.Sprintf("%s %s \"\" nattui \"%s\"\n====\n\n# NAME\n\n%s - %s\n\n", strings.ToUpper(name), section, kind, name, short)
}

// manualPage is nattui(8) in markdown.
func manualPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(manualHead("nattui", "8", "System Manager's Manual", strings.ToLower(root.Short[:1])+root.Short[1:]))
	b.WriteString("# SYNOPSIS\n\n")
	for _, line := range synopsis(root) {
		fmt.Fprintf(&b, "`%s`\n\n", line)
	}
	fmt.Fprintf(&b, "# DESCRIPTION\n\n%s\n\n%s\n\n%s\n", paragraphs(root.Long), manualIntroduction, flagList(root))
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
			fmt.Fprintf(&b, "**%s**\n: %s\n\n", escapeMarkdown(k.Help().Key), keyWords(k))
		}
	}
	fmt.Fprintf(&b, "# FILES\n\n%s### An example of config.toml\n\n```\n%s```\n\n", entryList(fileEntries), ui.SettingsExample)
	fmt.Fprintf(&b, "# ENVIRONMENT\n\n%s", entryList(environmentEntries))
	fmt.Fprintf(&b, "# EXIT STATUS\n\n%s", entryList(exitEntries))
	fmt.Fprintf(&b, "# JSON\n\n%s\n\n", jsonNote)
	for _, j := range jsonEntries {
		fmt.Fprintf(&b, "### %s\n\n%s", j.title, entryList(j.fields))
	}
	b.WriteString("# EXAMPLES\n\n")
	for _, e := range taskExamples {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n```\n%s\n```\n\n", e.task, e.words, strings.Join(e.lines, "\n"))
	}
	fmt.Fprintf(&b, "# SECURITY\n\n%s\n\n", securityProse)
	b.WriteString("# SEE ALSO\n\n**nattui-guide**(7), **nattui-filter**(7), **iptables**(8), **iptables-extensions**(8), **conntrack**(8), **nft**(8), **sysctl.d**(5)\n")
	return b.String()
}

// synopsis is a line for each command that does something of its own.
func synopsis(root *cobra.Command) []string {
	var lines []string
	for _, c := range documented(root) {
		if !onlyGroups(c) {
			lines = append(lines, c.UseLine())
		}
	}
	return lines
}

// onlyGroups tells that a command does nothing without one of those beneath it.
func onlyGroups(c *cobra.Command) bool {
	return c.HasSubCommands() && c.HasParent() && c.Use == c.Name()
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

// undated is what mandoc complains of in a page that belongs to a version and not to a day.
var undated = regexp.MustCompile(`(?m)^mandoc: .*missing date, using "": TH\n`)

// The pages are what the programs that show them take without a warning.
func TestManualHasNoWarnings(t *testing.T) {
	sequential(t)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "man", "*.[1-8]"))
	if err != nil || len(pages) < 3 {
		t.Fatalf("pages %q, %v", pages, err)
	}
	checkers := [][]string{
		{"mandoc", "-T", "lint", "-W", "warning,stop"},
		{"groff", "-man", "-K", "utf8", "-T", "utf8", "-ww", "-z"},
		{"man", "--warnings=w", "-E", "UTF-8", "-P", "cat", "-l"},
	}
	checked := 0
	for _, checker := range checkers {
		if _, err := exec.LookPath(checker[0]); err != nil {
			continue
		}
		for _, page := range pages {
			checked++
			command := exec.Command(checker[0], append(checker[1:], page)...)
			command.Env = append(command.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8")
			var said, shown strings.Builder
			command.Stderr, command.Stdout = &said, &shown
			err := command.Run()
			complaints := said.String()
			if checker[0] == "mandoc" { // which tells on its output, and by its status, also of the date
				complaints, err = undated.ReplaceAllString(complaints+shown.String(), ""), nil
			}
			if err != nil || complaints != "" {
				t.Errorf("%s %s: %v\n%s", checker[0], page, err, complaints)
			}
		}
	}
	if checked == 0 {
		lab.Lacks(t, "neither mandoc nor groff nor man is there")
	}
}
