package main

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// The tests in this file hold what is written for people against the program, and the pages against each other.

// link is a link of markdown to a file of the project, with an anchor or without.
var link = regexp.MustCompile(`\]\(([^)#:\s]+)?(#[^)\s]+)?\)`)

// pages are the pages for people, from the top.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	if len(found) < 8 {
		t.Fatalf("only %q", found)
	}
	return found
}

func TestLinksLead(t *testing.T) {
	sequential(t)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(readFile(t, page), -1) {
			to := page
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(page), m[1])
			}
			text, err := os.ReadFile(to)
			if err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if m[2] != "" && !slices.Contains(anchors(string(text)), m[2]) {
				t.Errorf("%s links to %s%s, and there is no such heading", page, m[1], m[2])
			}
		}
	}
}

// anchors are the headings of a page as links name them.
func anchors(page string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, "#"+strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

// From each README one gets to every page.
func TestReadmeLinksEveryPage(t *testing.T) {
	sequential(t)
	for _, readme := range []string{"README.md", "README.zh.md"} {
		var linked []string
		for _, m := range link.FindAllStringSubmatch(readFile(t, filepath.Join(root, readme)), -1) {
			linked = append(linked, m[1])
		}
		for _, page := range pages(t) {
			name := strings.TrimPrefix(filepath.ToSlash(page), root+"/")
			if name != readme && !slices.Contains(linked, name) {
				t.Errorf("%s does not link %s", readme, name)
			}
		}
	}
}

// codeIn counts what stands for code in a page.
func codeIn(page string) map[string]int {
	found := map[string]int{}
	for _, m := range code.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(strings.Join(m[1:], "")) {
			if line = strings.TrimSpace(line); line != "" {
				found[line]++
			}
		}
	}
	return found
}

func TestCodeIn(t *testing.T) {
	got := codeIn("a `b` c\n\n    d  e\n    f\n\n| `b` | g |\n\n```sh\nh\n```\n")
	if want := map[string]int{"b": 2, "d  e": 1, "f": 1, "h": 1}; !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

// checkNames are the words in the doctor's source that may be names of checks, and those of them that surely are.
func checkNames(t *testing.T) (possible, certain map[string]bool) {
	t.Helper()
	possible, certain = map[string]bool{}, map[string]bool{}
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*-?$`)
	for _, dir := range []string{"model/doctor", "model/facts"} {
		for path, file := range parseDir(t, filepath.Join(root, dir)) {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			ast.Inspect(file, func(node ast.Node) bool {
				e, ok := node.(ast.Expr)
				if text, isText := literal(e); ok && isText && name.MatchString(text) {
					possible[text] = true
				}
				if pair, ok := node.(*ast.KeyValueExpr); ok && called(pair.Key) == "Check" {
					value := pair.Value
					if sum, ok := value.(*ast.BinaryExpr); ok {
						value = sum.X
					}
					if text, ok := literal(value); ok {
						certain[text] = true
					}
				}
				return true
			})
		}
	}
	if len(certain) < 50 {
		t.Fatalf("only the checks %q were found", slices.Sorted(maps.Keys(certain)))
	}
	return possible, certain
}

// What the pages call a check is one, and every check is on the page of symptoms.
func TestTroubleshootingNamesTheChecks(t *testing.T) {
	sequential(t)
	possible, certain := checkNames(t)
	page := readFile(t, filepath.Join(root, "docs", "troubleshooting.md"))
	span := regexp.MustCompile("`([a-z]+(?:-[a-z]+)+)`")
	named := map[string]bool{}
	for _, text := range []string{page, readFile(t, filepath.Join(root, "README.md"))} {
		for _, m := range span.FindAllStringSubmatch(text, -1) {
			if m[1] == "iptables-apply" {
				continue
			}
			named[m[1]] = true
			if !possible[m[1]] && !strings.HasPrefix(m[1], "managed-by-") {
				t.Errorf("the doctor has no check %s", m[1])
			}
		}
	}
	for _, check := range doctor.CheckNames() {
		if !possible[check] {
			t.Errorf("doctor.CheckNames has %s, which is none", check)
		}
	}
	for check := range named {
		if possible[check] && !doctor.IsCheck(check) {
			t.Errorf("doctor.CheckNames lacks %s", check)
		}
	}
	for check := range certain {
		if !strings.HasSuffix(check, "-") && !doctor.IsCheck(check) {
			t.Errorf("doctor.CheckNames lacks %s", check)
		}
		if !named[check] && !strings.Contains(page, "`"+check) {
			t.Errorf("docs/troubleshooting.md does not have the check %s", check)
		}
	}
}

// The figures of the README's promise are those that were measured.
func TestReadmeHasMeasuredFigures(t *testing.T) {
	sequential(t)
	measured := readFile(t, filepath.Join(root, "docs", "reliability.md"))
	changes := regexp.MustCompile(`each of the ([\d,]+) changes`).FindStringSubmatch(measured)
	if changes == nil {
		t.Fatal("docs/reliability.md does not say how many changes there were")
	}
	for _, readme := range []string{"README.md", "README.zh.md"} {
		for line := range strings.Lines(readFile(t, filepath.Join(root, readme))) {
			if !strings.Contains(line, changes[1]) {
				continue
			}
			for _, figure := range regexp.MustCompile(`\d[\d,]{2,}\d`).FindAllString(line, -1) {
				if !strings.Contains(measured, figure) {
					t.Errorf("%s has the figure %s, and docs/reliability.md does not", readme, figure)
				}
			}
			measured += "seen in " + readme
		}
		if !strings.Contains(measured, "seen in "+readme) {
			t.Errorf("%s does not have the figures of docs/reliability.md", readme)
		}
	}
}

// The versions in docs/beside.md are those of the systems that the tests boot, where they have been made.
func TestBesideNamesTheVersions(t *testing.T) {
	sequential(t)
	where := os.Getenv("NATTUI_SYSTEMS")
	if where == "" {
		where = "/var/cache/nattui-systems"
	}
	status, err := os.ReadFile(filepath.Join(where, "root/var/lib/dpkg/status"))
	if err != nil {
		lab.Lacks(t, fmt.Errorf("no system was made: %w", err))
	}
	release, err := os.ReadFile(filepath.Join(where, "root/etc/debian_version"))
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{"12": 2, "13": 3}[strings.Split(string(release), ".")[0]]
	if column == 0 {
		t.Fatalf("docs/beside.md says nothing of Debian %s, which the tests boot", release)
	}
	versions := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)Package: (\S+)\n(?:[^\n]+\n)*?Version: (?:\d+:)?(\S+)\n`).FindAllStringSubmatch(string(status), -1) {
		versions[m[1]] = m[2]
	}
	page := readFile(t, filepath.Join(root, "docs", "beside.md"))
	seen := 0
	for first, program := range map[string]string{"firewalld, nftables": "firewalld", "ufw,": "ufw", "Docker": "docker.io", "libvirt": "libvirt-daemon-system", "fail2ban": "fail2ban", "sshd": "openssh-server", "nothing": "iptables"} {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(first) + `.*$`).FindString(page)
		cells := strings.Split(row, "|")
		if len(cells) < 5 || versions[program] == "" {
			t.Errorf("no row %q, or no %s there", first, program)
			continue
		}
		version := regexp.MustCompile(`[\d.]+\d`).FindString(cells[column])
		seen++
		if version == "" || !strings.HasPrefix(versions[program], version) {
			t.Errorf("docs/beside.md has %s %s for Debian %s, which has %s", program, version, fmt.Sprint(strings.TrimSpace(string(release))), versions[program])
		}
	}
	if seen < 5 {
		t.Errorf("only %d versions were compared", seen)
	}
}

// docs/code.md has every package, and none that is not there.
func TestCodePageHasThePackages(t *testing.T) {
	sequential(t)
	_, table, _ := strings.Cut(readFile(t, filepath.Join(root, "docs", "code.md")), "\n## Packages\n")
	table, _, _ = strings.Cut(table, "\n## ")
	told := map[string]bool{}
	for row := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
			told[m[1]] = true
		}
	}
	there := map[string]bool{}
	walk(t, func(path string) {
		if dir := filepath.ToSlash(filepath.Dir(path)); filepath.Ext(path) == ".go" && !strings.Contains(dir, "testdata") {
			there[dir] = true
		}
	})
	if got, want := slices.Sorted(maps.Keys(told)), slices.Sorted(maps.Keys(there)); !slices.Equal(got, want) {
		t.Errorf("docs/code.md has the packages\n%q, and there are\n%q", got, want)
	}
}
