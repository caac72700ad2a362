package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nattui/model/lab"
)

// blocks are the paragraphs of a page, and each row of its tables.
func blocks(page string) []string {
	var all []string
	for part := range strings.SplitSeq(page, "\n\n") {
		if strings.HasPrefix(part, "|") {
			all = append(all, strings.Split(part, "\n")...)
		} else {
			all = append(all, part)
		}
	}
	return all
}

// wordsOfAll are what a block must have in any language: code and figures, in order of their spelling, as sentences have
// other orders. Where links lead is compared elsewhere.
func wordsOfAll(block string) []string {
	block = regexp.MustCompile(`\]\([^)]*\)`).ReplaceAllString(block, "]")
	var all []string
	for word, n := range codeIn(block) {
		all = append(all, slices.Repeat([]string{"`" + word + "`"}, n)...)
	}
	all = append(all, regexp.MustCompile(`\d+(?:[.,]\d+)*`).FindAllString(code.ReplaceAllString(block, ""), -1)...)
	slices.Sort(all)
	return all
}

// The two READMEs say the same in the same order: paragraph by paragraph and row by row they have the same commands, keys,
// names of checks, and figures.
func TestReadmesSayTheSame(t *testing.T) {
	sequential(t)
	english, chinese := blocks(readFile(t, filepath.Join(root, "README.md"))), blocks(readFile(t, filepath.Join(root, "README.zh.md")))
	if len(english) < 80 {
		t.Fatalf("only %q", english)
	}
	for i := range min(len(english), len(chinese)) {
		a, b := wordsOfAll(english[i]), wordsOfAll(chinese[i])
		if !slices.Equal(a, b) {
			t.Fatalf("%s\nhas %q, and\n%s\nhas %q", english[i], a, chinese[i], b)
		}
	}
	if len(english) != len(chinese) {
		t.Errorf("README.md has %d paragraphs and rows, and README.zh.md %d", len(english), len(chinese))
	}
}

func TestWordsOfAll(t *testing.T) {
	if got, want := wordsOfAll("`b` of [1,000](docs/2.md) in 3.5 s, then `a`"), []string{"1,000", "3.5", "`a`", "`b`"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// The recipe of the README that publishes a service works for a server that has no route back: for clients outside and for
// those in its own LAN.
func TestReadmePublishesWithAWayBack(t *testing.T) {
	sequential(t)
	lab.Program(t, "curl")
	command := regexp.MustCompile("`sudo (nattui guide publish --port 80 --to 192.168.0.2:8080[^`]*)`").FindStringSubmatch(readFile(t, filepath.Join(root, "README.md")))
	if command == nil {
		t.Fatal("README.md has no recipe that publishes port 80")
	}
	script := "set -e\nnattui lab enter server2 -- ip route del default\n" + command[1] + " --yes --confirm off\n" +
		"for host in client server3; do nattui lab enter $host -- curl -sS -m 5 http://203.0.113.1/; done\n"
	out, err := exec.Command("nattui", "lab", "--scenario", "empty", "--", "sh", "-c", script).CombinedOutput()
	if strings.Contains(string(out), lab.ErrNamespaces.Error()) {
		lab.Lacks(t, lab.ErrNamespaces)
	}
	if answered := strings.Count(string(out), "server2 192.168.0.2:8080 saw 192.168.0.1:"); err != nil || answered != 2 {
		t.Errorf("%d of 2 clients were answered: %v\n%s", answered, err, out)
	}
}

// What is needed to build is what go.mod asks for.
func TestPagesNameTheGo(t *testing.T) {
	sequential(t)
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(readFile(t, filepath.Join(root, "go.mod")))[1]
	for _, page := range []string{"README.md", "README.zh.md", "packaging/openwrt/nattui/Makefile"} {
		if !strings.Contains(readFile(t, filepath.Join(root, page)), "Go "+version) {
			t.Errorf("%s does not name Go %s", page, version)
		}
	}
}

// The checks by which the README answers a question are together in one row of the page of symptoms.
func TestReadmeAnswersByTroubleshooting(t *testing.T) {
	sequential(t)
	rows := blocks(readFile(t, filepath.Join(root, "docs", "troubleshooting.md")))
	_, questions, _ := strings.Cut(readFile(t, filepath.Join(root, "README.md")), "\n## Questions\n")
	possible, _ := checkNames(t)
	answered := 0
	for _, block := range blocks(questions) {
		var checks []string
		for _, m := range regexp.MustCompile("`([a-z]+(?:-[a-z]+)*)`").FindAllStringSubmatch(block, -1) {
			if possible[m[1]] && strings.HasPrefix(block, "**") {
				checks = append(checks, m[0])
			}
		}
		if len(checks) == 0 {
			continue
		}
		answered++
		if !slices.ContainsFunc(rows, func(row string) bool {
			return !slices.ContainsFunc(checks, func(c string) bool { return !strings.Contains(row, c) })
		}) {
			t.Errorf("no row of docs/troubleshooting.md has all of %q, by which the README answers\n%s", checks, block)
		}
	}
	if answered < 7 {
		t.Errorf("only %d answers were looked at", answered)
	}
}
