package main

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// waysRows are the rows of the READMEs' table of ways to forward: their titles, and the benchmark and unit of the figures, with
// the digits that are shown.
var waysRows = []struct {
	english, chinese, benchmark, unit string
	digits                            int
}{
	{"GB a second, four streams", "每秒 GB，四路并发", "ForwardBulk", "GB/s", 2},
	{"CPU seconds a GB", "每 GB 的 CPU 秒数", "ForwardBulk", "cpu-s/GB", 2},
	{"connections a second, four clients", "每秒连接数，四个客户端", "ForwardConnections", "conn/s", -2},
	{"CPU µs a connection", "每个连接的 CPU 微秒", "ForwardConnections", "cpu-us/conn", 0},
	{"a byte there and back, median µs", "一个字节往返的微秒数，中位数", "ForwardRoundTrip", "p50-us", 1},
}

// The READMEs' figures are those of docs/performance.md, rounded, with the least and the most: go generate takes them from there.
func TestReadmeHasTheMeasuredWays(t *testing.T) {
	sequential(t)
	measured := readFile(t, filepath.Join(root, "docs", "performance.md"))
	for _, readme := range []string{"README.md", "README.zh.md"} {
		path := filepath.Join(root, readme)
		text := readFile(t, path)
		for _, row := range waysRows {
			title := row.english
			if readme == "README.zh.md" {
				title = row.chinese
			}
			old := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(title) + ` \|.*$`)
			if !old.MatchString(text) {
				t.Fatalf("%s has no row %q", readme, title)
			}
			text = old.ReplaceAllString(text, "| "+title+" | "+strings.Join(measuredWays(t, measured, row.benchmark, row.unit, row.digits), " | ")+" |")
		}
		fresh(t, path, text)
	}
}

// measuredWays are the cells of a row: of each way the median, the least and the most.
func measuredWays(t *testing.T, measured, benchmark, unit string, digits int) []string {
	t.Helper()
	var cells []string
	for _, way := range []string{"routed", "dnat-legacy", "dnat-iptables-nft", "dnat-nft", "forwarder", "ssh-L"} {
		m := regexp.MustCompile(`(?m)^\| model/forward \| ` + benchmark + "/" + way + ` \|.*?([\d.]+) \(([\d.]+) – ([\d.]+)\) ` + unit).FindStringSubmatch(measured)
		if m == nil {
			t.Fatalf("docs/performance.md has no %s of %s/%s with its spread", unit, benchmark, way)
		}
		cells = append(cells, fmt.Sprintf("%s (%s – %s)", rounded(t, m[1], digits), rounded(t, m[2], digits), rounded(t, m[3], digits)))
	}
	return cells
}

// rounded is a figure with so many decimals, or with so many zeros at its end.
func rounded(t *testing.T, figure string, digits int) string {
	t.Helper()
	f, err := strconv.ParseFloat(figure, 64)
	if err != nil {
		t.Fatal(err)
	}
	whole, decimals, _ := strings.Cut(strconv.FormatFloat(math.Round(f*math.Pow10(digits))/math.Pow10(digits), 'f', max(digits, 0), 64), ".")
	if len(whole) > 3 {
		whole = whole[:len(whole)-3] + "," + whole[len(whole)-3:]
	}
	if decimals != "" {
		return whole + "." + decimals
	}
	return whole
}

func TestRounded(t *testing.T) {
	for _, c := range []struct {
		figure string
		digits int
		want   string
	}{{"1.258", 1, "1.3"}, {"8698", -2, "8,700"}, {"676.5", -2, "700"}, {"133.2", 0, "133"}, {"0.7258", 2, "0.73"}, {"7.02", 1, "7.0"}, {"10284", -2, "10,300"}} {
		if got := rounded(t, c.figure, c.digits); got != c.want {
			t.Errorf("%s is %s, not %s", c.figure, got, c.want)
		}
	}
}

// What make bench measures several times is shown by its median, with the least and the most.
func TestFiguresOfSeveralRuns(t *testing.T) {
	sequential(t)
	awk := exec.Command(lab.Program(t, "awk"), "-f", filepath.Join(root, ".ci", "figures"))
	awk.Stdin = strings.NewReader("pkg: nattui/model/a\nBenchmarkX/y-2 \t 4\t 3000000 ns/op\t 9.5 GB/s\nBenchmarkX/y-2 \t 4\t 12000000 ns/op\t 10.5 GB/s\n" +
		"BenchmarkX/y-2 \t 4\t 900000 ns/op\t 8.5 GB/s\nPASS\npkg: nattui/ui\nBenchmarkZ-2 \t 1\t 17.5 ns/op\t 0 B/op\n")
	out, err := awk.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "| model/a | X/y | 3.0 (0.9 – 12.0) ms/op, 9.5 (8.5 – 10.5) GB/s |\n| ui | Z | 17.5 ns/op, 0 B/op |\n"; string(out) != want {
		t.Errorf("%q, not %q", out, want)
	}
}
