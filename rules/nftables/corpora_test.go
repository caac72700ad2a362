package nftables

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nattui/model/lab"
)

// TestPrograms loads collected rulesets, and holds the expressions of every rule against those that nft prints.
func TestPrograms(t *testing.T) {
	dir := os.Getenv("NATTUI_CORPORA")
	files, _ := filepath.Glob(filepath.Join(dir, "nft", "*.nft"))
	if dir == "" || len(files) == 0 {
		t.Skip("NATTUI_CORPORA names no folder of collected rulesets")
	}
	if lab.Isolate(t) {
		return
	}
	nft := lab.Program(t, "nft")
	loaded, compared := 0, 0
	for _, file := range files {
		if other := strings.TrimSuffix(file, ".nft") + ".loaded.nft"; !strings.Contains(file, ".loaded.") {
			if _, err := os.Stat(other); err == nil {
				continue
			}
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			if out, err := exec.Command(nft, "flush", "ruleset").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			makeDevices(t, file)
			if out, err := exec.Command(nft, "-f", file).CombinedOutput(); err != nil {
				t.Skipf("does not load here: %.200s", out)
			}
			loaded++
			set, err := Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(nft, "--debug=netlink", "-a", "list", "ruleset").Output()
			if err != nil {
				t.Skipf("nft cannot list it: %v", err)
			}
			want := programs(string(out))
			for _, table := range set.Tables {
				for _, c := range table.Chains {
					for _, r := range c.Rules {
						key := fmt.Sprintf("%s %s %s %d", table.Family, table.Name, c.Name, r.Handle)
						compared++
						if got := r.Program(); got != want[key] {
							t.Errorf("%s\n%swant\n%s", key, got, want[key])
						}
						delete(want, key)
					}
				}
			}
			for key := range want {
				t.Errorf("%s is not read", key)
			}
		})
	}
	t.Logf("%d rulesets, %d rules", loaded, compared)
}

var deviceNames = regexp.MustCompile(`\b[io]if\s+(?:!=\s*)?(?:\{([^}]*)\}|"?([\w.@-]+)"?)|devices?\s*=?\s*(?:\{([^}]*)\}|"?([\w.-]+)"?)`)

// makeDevices makes the interfaces that a ruleset names by their number.
func makeDevices(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range deviceNames.FindAllStringSubmatch(string(text), -1) {
		for _, name := range strings.FieldsFunc(strings.Join(m[1:], " "), func(r rune) bool { return strings.ContainsRune(" ,\t\n\"", r) }) {
			if name != "lo" {
				_ = exec.Command("ip", "link", "add", name, "type", "bridge").Run()
			}
		}
	}
}

// programs are the rules' expressions that nft prints, by family, table, chain and handle.
func programs(text string) map[string]string {
	all := map[string]string{}
	key := ""
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "  [ ") && key != "":
			all[key] += strings.TrimRight(strings.TrimSuffix(strings.TrimRight(line, "\n"), "]"), " ") + " ]\n"
		case strings.TrimSpace(line) == "":
			key = ""
		case !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, " "):
			key = ""
			if f := strings.Fields(line); len(f) >= 4 && f[0] != "table" && !strings.HasPrefix(f[2], "@") {
				key = strings.Join(f[:4], " ")
				all[key] = ""
			}
		}
	}
	return all
}
