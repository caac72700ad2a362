package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// corpora returns the folder of collected real rules, or skips.
func corpora(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("NATTUI_CORPORA")
	if dir == "" {
		t.Skip("NATTUI_CORPORA names no folder of collected rules")
	}
	return dir
}

// printedLines returns every line that a kernel printed, from the collection.
func printedLines(t *testing.T) []string {
	t.Helper()
	var lines []string
	files, _ := filepath.Glob(filepath.Join(corpora(t), "canonical-*.tsv"))
	if len(files) == 0 {
		t.Fatal("the collection holds no canonical-*.tsv")
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			_, printed, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			for rule := range strings.SplitSeq(printed, ` \n `) {
				if strings.HasPrefix(rule, "-A ") {
					lines = append(lines, strings.ReplaceAll(strings.ReplaceAll(rule, `\n`, "\n"), `\t`, "\t"))
				}
			}
		}
	}
	return lines
}

func TestPrintedLinesComeBack(t *testing.T) {
	opaque := map[string]int{}
	lines := printedLines(t)
	for _, line := range lines {
		r, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if r.String() != line {
			t.Errorf("printed %s\ncame back as %s", line, r)
		}
		if r.Unparseable() != nil {
			t.Logf("unparseable: %s: %v", line, r.Unparseable())
			continue
		}
		if got := r.canonical(); got != line {
			t.Errorf("typed parts of\n%s print as\n%s", line, got)
		}
		for _, m := range r.Matches {
			if o, ok := m.(Opaque); ok {
				opaque[o.Name]++
			}
		}
		if r.Target.Kind == Other {
			opaque["-j "+r.Target.Name]++
		}
	}
	var seen []string
	for name := range opaque {
		seen = append(seen, name)
	}
	slices.Sort(seen)
	t.Logf("%d lines; not understood: %v", len(lines), opaque)
}
