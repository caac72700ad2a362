package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"charm.land/bubbles/v2/key"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/ui"
)

//go:generate go test -run ^(TestGeneratedTextIsFresh|TestReadmeHasTheMeasuredWays)$ -write .

// The parts of docs/reference.md and the manual pages that the program knows by itself
// are made from it, and so are the READMEs' figures from docs/performance.md. go generate writes them, and the test fails when they are
// stale.

var write = flag.Bool("write", false, "write the generated text instead of comparing it")

func TestGeneratedTextIsFresh(t *testing.T) {
	commands := newRoot()
	reference := filepath.Join(root, "docs", "reference.md")
	text := readFile(t, reference)
	for _, part := range []struct{ name, text string }{
		{"keys", keyTable()},
		{"settings", "```toml\n" + ui.SettingsExample + "```\n"},
		{"commands", commandTable(commands)},
		{"flags", flagTable(commands)},
		{"exit", entryTable("status", exitEntries)},
		{"json", jsonTables()},
	} {
		text = replacePart(t, text, part.name, part.text)
	}
	fresh(t, reference, text)
	for name, page := range manualPages(t, commands) {
		fresh(t, filepath.Join(root, "docs", "man", name), string(page))
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fresh compares a file with what it should be, or makes it so.
func fresh(t *testing.T, path, want string) {
	t.Helper()
	if *write {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if readFile(t, path) != want {
		t.Errorf("%s is stale: run  make generate", path)
	}
}

// replacePart puts text between the two marks of a part.
func replacePart(t *testing.T, document, name, text string) string {
	t.Helper()
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(document, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("docs/reference.md has no part %q", name)
	}
	return before + begin + text + end + after
}

// Several hands add commands, and cobra takes one twice silently.
func TestCommandsAreThereOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range documented(newRoot()) {
		if seen[c.CommandPath()] {
			t.Errorf("%s is there twice", c.CommandPath())
		}
		seen[c.CommandPath()] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d commands", len(seen))
	}
}

func TestReplacePart(t *testing.T) {
	got := replacePart(t, "a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n<!-- generated: y -->\n<!-- end -->\n", "x", "new\n")
	if want := "a\n<!-- generated: x -->\nnew\n<!-- end -->\nb\n<!-- generated: y -->\n<!-- end -->\n"; got != want {
		t.Errorf("%q", got)
	}
}

// commandTable lists the commands with what they do.
func commandTable(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("| command | |\n|---|---|\n")
	for _, c := range documented(root) {
		if onlyGroups(c) {
			continue
		}
		short := c.Short
		if c == root {
			short = "The screens, on this host"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", cell(strings.TrimSuffix(c.UseLine(), " [flags]")), cell(short))
	}
	return b.String()
}

// flagTable lists the flags of the commands.
func flagTable(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("| command | flags |\n|---|---|\n")
	for _, c := range documented(root) {
		var names []string
		visitFlags(c, func(f *pflag.Flag) { names = append(names, "`"+flagUsage(f)+"`") })
		if len(names) > 0 {
			fmt.Fprintf(&b, "| `%s` | %s |\n", c.CommandPath(), cell(strings.Join(names, " ")))
		}
	}
	return b.String()
}

func entryTable(title string, entries []entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | |\n|---|---|\n", title)
	for _, e := range entries {
		fmt.Fprintf(&b, "| `%s` | %s |\n", cell(e.name), cell(e.meaning))
	}
	return b.String()
}

func jsonTables() string {
	var tables []string
	for _, j := range jsonEntries {
		tables = append(tables, entryTable(j.title, j.fields))
	}
	return strings.Join(tables, "\n")
}

// keyTable lists the keys of the screens.
func keyTable() string {
	var b strings.Builder
	b.WriteString("| | key | |\n|---|---|---|\n")
	for _, group := range ui.KeyTable() {
		title := group.Title
		for _, k := range group.Keys {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", title, cell(k.Help().Key), cell(keyWords(k)))
			title = ""
		}
	}
	return b.String()
}

// keyWords are the name of a key's action, and what it does.
func keyWords(k key.Binding) string {
	if clause := ui.Clause(k.Help().Desc); clause != "" {
		return k.Help().Desc + ": " + clause
	}
	return k.Help().Desc
}

// cell makes text fit for a cell of a table in markdown.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
