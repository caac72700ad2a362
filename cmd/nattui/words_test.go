package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// The test in this file keeps the language of everything that a user reads plain:
// one word for one thing, and the one that administrators use.

// phrasing is a way of putting something that users do not read from us, and the better one.
type phrasing struct {
	not    string // a regular expression for whole words, in any case
	better string
}

var phrasings = []phrasing{
	{`(takes?|taken|took|taking) (it |them |all of it |a change |the change )?back`, "roll back (an unconfirmed change), undo (a confirmed one)"},
	{`take change \S+ back`, "roll back, undo"},
	{`retreats?|abandon(s|ed)?`, "roll back, undo"},
	{`puts? back`, "restore, undo"},
	{`lets? (\S+ |a change )?stand|may stand|(it|that|change \S+|the change) stands( already)?|stands at once|does not stand|as it stands`, "keep, applied"},
	{`starts again|started anew|next start( of the host)?|when (the host|this host) starts`, "reboot, at boot"},
	{`what boots|(kept|keeps?) (\S+ |what runs )?for (boot|the next)`, "saved, restored at boot"},
	{`what runs`, "the running rules"},
	{`the world`, "the Internet"},
	{`has met|met no packets?|met [0-9]+ packets?|meets? a rule`, "matched, N packets"},
	{`besides`, "more, also"},
	{`saved as`, "iptables-save"},
	{`asked at|inside too|here too|its router`, "Public address, Also from the LAN, Also from this host, Server's gateway"},
	{`makes? no sense|made no sense`, "invalid, and why"},
	{`meanwhile`, "still using …, filter ignored; in the meantime"},
	{`somebody (said|says) so|without a word|say a word|needs no word`, "requested by USER; unless you confirm it; did not start"},
	{`sets? (it|the trace) off|set off by`, "nattui adds its own nft table"},
	{`none is needed`, "not needed here"},
	{`otherwise than|translated? (\S+ )?otherwise|treated otherwise|do otherwise`, "differently"},
	{`takes it before|comes to the rule|comes that far`, "matches first, reaches"},
	{`what passes by`, "passing traffic"},
	{`go(es)? on as (it is|they are|before)`, "continue"},
	{`it counts how`, "filters match packets as they arrive"},
	{`right would be`, "use"},
	{`is no (address|port|protocol|number|rule|state|event|family|mark|property|comparison|interface|regular file)`, "is not a(n) …"},
	{`as it was before|as before`, "unchanged, still"},
	{`nobody can lock himself out`, "an operator cannot be locked out"},
}

// otherWords are the texts that may say it differently: a file or a directory, and why.
var otherWords = map[string]string{}

// pattern matches any of the words on the left.
var pattern = func() *regexp.Regexp {
	var all []string
	for _, p := range phrasings {
		all = append(all, "("+strings.ReplaceAll(p.not, "(", "(?:")+")")
	}
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(all, "|") + `)\b`)
}()

// quaint is the first phrasing in a text that has a better one, and that one; "" if there is none.
func quaint(text string) (found, better string) {
	text = strings.Join(strings.Fields(text), " ")
	m := pattern.FindStringSubmatchIndex(text)
	if m == nil {
		return "", ""
	}
	for i, p := range phrasings {
		if m[2+2*i] >= 0 {
			return text[m[0]:m[1]], p.better
		}
	}
	return "", ""
}

// mayDiffer tells whether a file is one of otherWords.
func mayDiffer(file string) bool {
	for prefix := range otherWords {
		if strings.HasPrefix(file, prefix) {
			return true
		}
	}
	return false
}

// wordsIn are the texts in a Go file with their lines: its strings, each alone and in
// the sums they are in, where an X stands for what is no string. Import paths and tags are none.
func wordsIn(files *token.FileSet, file *ast.File) map[int][]string {
	found := map[int][]string{}
	add := func(node ast.Node, text string) {
		line := files.Position(node.Pos()).Line
		found[line] = append(found[line], text)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil
		case *ast.BinaryExpr:
			if text := sum(n); n.Op == token.ADD && len(text) > len("XX") {
				add(n, text)
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				add(n, sum(n))
			}
		}
		return true
	})
	return found
}

func sum(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return sum(e.X) + sum(e.Y)
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	}
	return "X"
}

// TestWordsInStrings looks at every string of the program.
func TestWordsInStrings(t *testing.T) {
	sequential(t)
	looked := 0
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for line, texts := range wordsIn(files, file) {
			for _, text := range texts {
				looked++
				if found, better := quaint(text); found != "" {
					t.Errorf("%s:%d says %q; better: %s", path, line, found, better)
				}
			}
		}
	})
	if looked < 3000 {
		t.Errorf("only %d strings were looked at", looked)
	}
}

// TestWordsOnPaper looks at what is generated or written: screens, manual page, README, docs.
func TestWordsOnPaper(t *testing.T) {
	sequential(t)
	looked := 0
	walk(t, func(path string) {
		switch filepath.Ext(path) {
		case ".golden", ".md", ".7", ".8":
		default:
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		looked++
		// Words of a screen or a paragraph go on in the next line, beyond frames and bullets.
		prose := strings.Join(strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune(" \n│|*`\\", r) }), " ")
		if found, better := quaint(prose); found != "" {
			t.Errorf("%s says %q; better: %s", path, found, better)
		}
	})
	if looked < 50 {
		t.Errorf("only %d files were looked at", looked)
	}
}

// TestWordsInHelp looks at the help of every command, with the descriptions of its flags.
func TestWordsInHelp(t *testing.T) {
	sequential(t)
	for _, c := range documented(newRoot()) {
		text := c.Short + ". " + c.Long + " " + c.Example
		visitFlags(c, func(f *pflag.Flag) { text += " " + f.Usage })
		if found, better := quaint(text); found != "" {
			t.Errorf("the help of %s says %q; better: %s", c.CommandPath(), found, better)
		}
	}
}

func TestQuaint(t *testing.T) {
	for _, text := range []string{
		"without a word from you it is taken back", "Take change X back?", "the change stands", "off: it stands at\n once", "machines reach the world",
		"a message made no sense", "what boots", "kept for boot", "in force meanwhile: X", "it did not say a word", "would be translated otherwise", "Besides, run: X",
	} {
		if found, _ := quaint(text); found == "" {
			t.Errorf("%q passes", text)
		}
	}
	for _, text := range []string{"rolled back unless you confirm it", "metric", "saved for reboot", "WAN stands for an interface", "worldwide", "$ iptables -A X"} {
		if found, better := quaint(text); found != "" {
			t.Errorf("%q has %q; better: %s", text, found, better)
		}
	}
	source := "package p\n// taken back\nvar s = `it is ` + f(\"besides\") + ` back`\ntype t struct { a int `json:\"besides\"` }\n"
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "p.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%q", wordsIn(files, file)[3]); got != `["it is X back" "it is X" "it is " "besides" " back"]` {
		t.Errorf("the strings of a file: %s", got)
	}
}

// walk visits the files of the project that are not excused, as paths beneath its root.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err = filepath.Rel(root, path)
		switch hidden := strings.HasPrefix(path, ".") && path != "."; {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || path == "dist"):
			return fs.SkipDir
		case !entry.IsDir() && !hidden && !mayDiffer(filepath.ToSlash(path)):
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
