package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The tests in this file hold the layout of the project: imports run one way,
// cmd → ui → model → rules, the values are pure, the kernel adapters hang off
// the side, nothing is called after nothing, and files and functions are short.

const (
	module = "nattui"
	root   = "../.."
)

// goPackage is what these tests need of the output of go list -json.
type goPackage struct {
	ImportPath string
	Standard   bool
	CgoFiles   []string
	Imports    []string
}

func goList(t *testing.T, environ []string, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), environ...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %q: %v\n%s", args, err, &stderr)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("go list %q: %v", args, err)
		}
		packages = append(packages, p)
	}
}

// local is the import path within this module, and false for anything else.
func local(path string) (string, bool) {
	return strings.CutPrefix(path, module+"/")
}

// layerOf is the first part of a local path: cmd, ui, model or rules.
func layerOf(path string) string {
	layer, _, _ := strings.Cut(path, "/")
	return layer
}

// pure are the packages that hold values only.
var pure = []string{"rules", "rules/beat", "rules/desired", "rules/evaluate", "rules/guide", "rules/nft", "rules/paste", "model/doctor", "model/explain", "model/facts", "model/filter", "model/flow", "model/live", "model/mission", "model/natlog", "model/traced"}

// formats are libraries that parse text into values, and reach nothing else: what a pure package may import beside
// the standard library.
var formats = []string{"go.yaml.in/yaml/v3"}

// paced are pure packages that work by timers, and are tested where time stands still.
var paced = []string{"model/live"}

// shared is what any adapter may use: the one way to read files of others, the one to ask nf_tables, and whether packets pass.
var shared = []string{"rules/nfnetlink", "rules/textfile", "rules/traffic"}

// adapterOf names the kernel adapter that a local path belongs to: the first
// two parts of everything beneath rules and model that is not pure.
func adapterOf(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) < 2 || (parts[0] != "rules" && parts[0] != "model") || slices.Contains(pure, path) || slices.Contains(shared, path) {
		return ""
	}
	return parts[0] + "/" + parts[1]
}

// isScreen says whether a local path beneath ui may know what NAT is.
func isScreen(path string) bool {
	return path == "ui" || path == "ui/screens" || strings.HasPrefix(path, "ui/screens/")
}

// outsideWorld are the packages of the standard library through which a value
// would reach the system, which is the adapters' business.
var outsideWorld = []string{"os", "os/exec", "os/signal", "os/user", "net", "net/http", "syscall", "unsafe", "log", "log/slog", "plugin", "testing"}

// complaint says what is wrong with package from importing to, both as go list
// names them, or nothing.
func complaint(from string, to goPackage) string {
	here, _ := local(from)
	there, isLocal := local(to.ImportPath)
	rank := map[string]int{"rules": 0, "model": 1, "ui": 2, "cmd": 3}
	switch {
	case isLocal && rank[layerOf(there)] > rank[layerOf(here)]:
		return "imports run cmd → ui → model → rules"
	case isLocal && adapterOf(there) != "" && layerOf(here) != "cmd" && adapterOf(here) != adapterOf(there):
		return "an adapter is imported by cmd and tests only"
	case isLocal && layerOf(here) == "ui" && !isScreen(here) && layerOf(there) != "ui":
		return "a widget knows nothing of NAT"
	case isLocal && layerOf(here) == "ui" && !isScreen(here) && isScreen(there):
		return "a widget knows nothing of screens"
	case isLocal && layerOf(there) == "cmd" && here != there:
		return "nobody imports a program"
	case !slices.Contains(pure, here):
		return ""
	case !isLocal && !to.Standard && !slices.Contains(formats, to.ImportPath):
		return "a pure package imports the standard library only"
	case slices.Contains(outsideWorld, to.ImportPath), slices.Contains(shared, there):
		return "a pure package does not reach the system"
	}
	return ""
}

func TestImportsRunOneWay(t *testing.T) {
	sequential(t)
	known := map[string]goPackage{"C": {ImportPath: "C"}}
	for _, p := range goList(t, nil, "-deps", "./...") {
		known[p.ImportPath] = p
	}
	count := 0
	for _, p := range goList(t, nil, "./...") {
		for _, path := range p.Imports {
			count++
			if why := complaint(p.ImportPath, known[path]); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, path, why)
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d imports seen: go list did not list this module", count)
	}
}

func TestComplaints(t *testing.T) {
	sequential(t)
	const fine = ""
	local := func(path string) goPackage { return goPackage{ImportPath: module + "/" + path} }
	std := func(path string) goPackage { return goPackage{ImportPath: path, Standard: true} }
	foreign := goPackage{ImportPath: "github.com/spf13/cobra"}
	tests := []struct {
		from string
		to   goPackage
		want string
	}{
		{"model", local("rules"), fine},
		{"rules", local("model"), "imports run"},
		{"model", local("ui"), "imports run"},
		{"rules/iptables", local("rules"), fine},
		{"rules/iptables", local("model"), "imports run"},
		{"rules/commit", local("rules/iptables"), "an adapter"},
		{"model/conntrack", local("rules/iptables"), "an adapter"},
		{"model/conntrack", local("model/conntrack/wire"), fine},
		{"model", local("model/host"), "an adapter"},
		{"ui", local("model/host"), "an adapter"},
		{"ui", local("rules/guide"), fine},
		{"cmd/nattui", local("model/host"), fine},
		{"ui/table", local("model"), "a widget"},
		{"ui/table", local("rules"), "a widget"},
		{"ui/table", local("ui/theme"), fine},
		{"ui/table", local("ui"), "a widget"},
		{"ui/table", foreign, fine},
		{"ui/screens", local("model"), fine},
		{"rules", foreign, "a pure package imports"},
		{"model/flow", std("os"), "a pure package does not"},
		{"model/flow", std("net"), "a pure package does not"},
		{"model/flow", std("net/netip"), fine},
		{"model/host", std("os"), fine},
		{"rules/guide", std("os/exec"), "a pure package does not"},
	}
	for _, test := range tests {
		got := complaint(module+"/"+test.from, test.to)
		if (test.want == "") != (got == "") || !strings.HasPrefix(got, test.want) {
			t.Errorf("%s imports %s: %q, want %q", test.from, test.to.ImportPath, got, test.want)
		}
	}
}

// readsClock are the functions of package time through which a value would
// have a clock of its own.
var readsClock = []string{"Now", "Since", "Until", "Tick", "After", "AfterFunc", "NewTimer", "NewTicker", "Sleep"}

func TestValuesHaveNoClock(t *testing.T) {
	sequential(t)
	for _, dir := range pure {
		if slices.Contains(paced, dir) {
			continue
		}
		for path, file := range parseDir(t, filepath.Join(root, dir)) {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, call := range clockReadings(file) {
				t.Errorf("%s uses time.%s: the caller passes the time in", path, call)
			}
		}
	}
	source := "package p\nimport \"time\"\nvar start = time.Now()\nvar d = 3 * time.Second\n"
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := clockReadings(file); !slices.Equal(got, []string{"Now"}) {
		t.Errorf("clockReadings of a file with time.Now is %q", got)
	}
}

func clockReadings(file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if from, ok := selector.X.(*ast.Ident); ok && from.Name == "time" && slices.Contains(readsClock, selector.Sel.Name) {
			found = append(found, selector.Sel.Name)
		}
		return true
	})
	return found
}

func parseDir(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]*ast.File, len(paths))
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = file
	}
	return files
}

func TestTopLevel(t *testing.T) {
	sequential(t)
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{
		"cmd", "ui", "model", "rules", "docs", "packaging", "Makefile", "demo.tape", "go.mod", "go.sum",
		"README.md", "README.zh.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE",
	}
	ignored := strings.Fields(readFile(t, filepath.Join(root, ".gitignore"))) // what make and go build leave here
	for _, entry := range entries {
		hidden := strings.HasPrefix(entry.Name(), ".")
		if !hidden && !slices.Contains(allowed, entry.Name()) && !slices.ContainsFunc(ignored, func(i string) bool { return strings.Trim(i, "/") == entry.Name() }) {
			t.Errorf("%s at the top level: only %v belong there", entry.Name(), allowed)
		}
	}
}

// The most lines of a file and of a function. A table may be longer where it reads better whole: it is
// named in longer, with the reason.
const (
	maxFileLines     = 500
	maxFunctionLines = 60
)

// longer are the files, and functions as FILE:NAME, that may exceed the sizes, and why.
var longer = map[string]string{}

func TestSizes(t *testing.T) {
	sequential(t)
	used, seen := map[string]bool{}, 0
	complain := func(place string, lines, most int) {
		if longer[place] != "" {
			used[place] = true
			return
		}
		t.Errorf("%s has %d lines, at most %d: split it by concept", place, lines, most)
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		place := strings.TrimPrefix(filepath.ToSlash(path), root+"/")
		lines, functions := sizesOf(t, path, text)
		if lines > maxFileLines {
			complain(place, lines, maxFileLines)
		}
		for name, lines := range functions {
			if lines > maxFunctionLines {
				complain(place+":"+name, lines, maxFunctionLines)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("only %d files seen: this is not the whole project", seen)
	}
	for place := range longer {
		if !used[place] {
			t.Errorf("%s may be longer and is not: remove the exception", place)
		}
	}
}

func TestSizesOf(t *testing.T) {
	sequential(t)
	source := "package p\n\n// f has a comment, which does not count.\nfunc f() {\n\tprintln()\n}\n\nfunc (p *T) g() {}\n\ntype T struct{}\n"
	lines, functions := sizesOf(t, "p.go", []byte(source))
	if want := map[string]int{"f": 3, "T.g": 1}; lines != 10 || !maps.Equal(functions, want) {
		t.Errorf("sizesOf is %d and %v, want 10 and %v", lines, functions, want)
	}
}

// sizesOf counts the lines of a file and of its functions; a method's name is TYPE.NAME.
func sizesOf(t *testing.T, path string, text []byte) (lines int, functions map[string]int) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	functions = map[string]int{}
	for _, decl := range file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := function.Name.Name
		if function.Recv != nil {
			receiver := function.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			if of, ok := receiver.(*ast.IndexExpr); ok {
				receiver = of.X
			}
			name = types.ExprString(receiver) + "." + name
		}
		functions[name] = set.Position(function.End()).Line - set.Position(function.Pos()).Line + 1
	}
	return bytes.Count(text, []byte("\n")), functions
}

// vague are names that say nothing of what is inside.
var vague = []string{"util", "utils", "helper", "helpers", "common", "manager", "base", "misc"}

func TestNamesSaySomething(t *testing.T) {
	sequential(t)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir():
			for file, syntax := range parseDir(t, path) {
				for _, name := range vagueTypes(syntax) {
					t.Errorf("%s declares type %s: the name says nothing", file, name)
				}
			}
		}
		stem, _, _ := strings.Cut(entry.Name(), ".")
		for part := range strings.SplitSeq(stem, "_") {
			if slices.Contains(vague, part) {
				t.Errorf("%s: the name says nothing", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", "package p\ntype RuleManager struct{}\ntype Rule struct{}\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := vagueTypes(file); !slices.Equal(got, []string{"RuleManager"}) {
		t.Errorf("vagueTypes found %q, want RuleManager alone", got)
	}
}

// vagueTypes are the types declared in file that are called after nothing, or
// end in a word that makes anything of anything.
func vagueTypes(file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok {
			return true
		}
		name := spec.Name.Name
		if slices.Contains(vague, strings.ToLower(name)) {
			found = append(found, name)
			return true
		}
		for _, ending := range []string{"Manager", "Util", "Utils", "Common", "Base"} {
			if strings.HasSuffix(name, ending) {
				found = append(found, name)
			}
		}
		return true
	})
	return found
}

func TestNoCgo(t *testing.T) {
	sequential(t)
	for _, p := range goList(t, []string{"CGO_ENABLED=1"}, "-deps", "./cmd/nattui") {
		if !p.Standard && len(p.CgoFiles) > 0 {
			t.Errorf("%s needs a C compiler: %v", p.ImportPath, p.CgoFiles)
		}
	}
}
