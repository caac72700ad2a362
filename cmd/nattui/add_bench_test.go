package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// BenchmarkAdd measures the processor's time of nattui add, with all that it starts,
// in a table like that of a Kubernetes node, and beside it that of one iptables-save:
//
//	go test ./cmd/nattui -run '^$' -bench Add -benchtime 3x
func BenchmarkAdd(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	for _, backend := range []string{"nft", "legacy"} {
		for _, rules := range []int{10_000, 60_000} {
			b.Run(fmt.Sprintf("%s/rules=%d", backend, rules), func(b *testing.B) { benchmarkAdd(b, backend, rules) })
		}
	}
}

func benchmarkAdd(b *testing.B, backend string, rules int) {
	b.Setenv(commit.StateVariable, filepath.Join(b.TempDir(), "state"))
	loadServices(b, backend, rules/4)
	var save, add time.Duration
	for b.Loop() {
		save += cost(b, "iptables-"+backend+"-save", "-c")
		add += cost(b, "nattui", "add", "masquerade", "--out", "lo", "--yes", "--backend", backend)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(add.Seconds()*1000/float64(b.N), "cpu-ms/add")
	b.ReportMetric(save.Seconds()*1000/float64(b.N), "cpu-ms/iptables-save")
	b.ReportMetric(add.Seconds()/save.Seconds(), "×iptables-save")
	// The next one is not to read what this one has left.
	empty := [][]string{{"iptables-legacy", "-t", "nat", "-F"}, {"iptables-legacy", "-t", "nat", "-X"}}
	if backend == "nft" {
		empty = [][]string{{"nft", "delete", "table", "ip", "nat"}}
	}
	for _, argv := range empty {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

// BenchmarkImport measures the processor's time of nattui import for files of so many lines, and beside it that of
// iptables-restore, which makes the same rules without reading a shell's words, checks, journal or comparison:
//
//	go test ./cmd/nattui -run '^$' -bench Import -benchtime 1x
func BenchmarkImport(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	for _, lines := range []int{1000, 8000} {
		b.Run(fmt.Sprintf("lines=%d", lines), func(b *testing.B) {
			b.Setenv(commit.StateVariable, filepath.Join(b.TempDir(), "state"))
			script, saved := filepath.Join(b.TempDir(), "script"), filepath.Join(b.TempDir(), "saved")
			var commands, rules strings.Builder
			for i := range lines {
				fmt.Fprintf(&commands, "iptables-legacy -t nat -A PREROUTING -d 10.0.%d.%d -p tcp --dport 80 -m comment --comment 'no %d' -j DNAT --to-destination 192.168.0.2\n", i/250, i%250, i)
				fmt.Fprintf(&rules, "-A PREROUTING -d 10.0.%d.%d -p tcp --dport 80 -m comment --comment \"no %d\" -j DNAT --to-destination 192.168.0.2\n", i/250, i%250, i)
			}
			for path, text := range map[string]string{script: commands.String(), saved: "*nat\n" + rules.String() + "COMMIT\n"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			var restore, imported time.Duration
			for b.Loop() {
				cost(b, "iptables-legacy", "-t", "nat", "-F")
				restore += cost(b, "iptables-legacy-restore", "--noflush", saved)
				cost(b, "iptables-legacy", "-t", "nat", "-F")
				imported += cost(b, "nattui", "import", script, "--yes")
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(imported.Seconds()*1000/float64(b.N), "cpu-ms/import")
			b.ReportMetric(imported.Seconds()*1e6/float64(b.N*lines), "cpu-µs/line")
			b.ReportMetric(imported.Seconds()/restore.Seconds(), "×iptables-restore")
		})
	}
}

// cost is the processor's time of a program and of those that it waited for.
func cost(b *testing.B, argv ...string) time.Duration {
	b.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	if err := cmd.Run(); err != nil {
		b.Fatalf("%q: %v", argv, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// loadServices makes the rules of so many services, a chain of three for each, fifty
// at a time: an ordinary user's netlink socket takes no larger transaction.
func loadServices(b *testing.B, backend string, services int) {
	b.Helper()
	step := 50
	if backend == "legacy" {
		step = services // each transaction copies the whole table
	}
	if out, err := exec.Command("iptables-"+backend, "-t", "nat", "-F").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for first := 0; first < services; first += step {
		restore := exec.Command("iptables-"+backend+"-restore", "--noflush")
		restore.Stdin = strings.NewReader(serviceRules(first, min(first+step, services)))
		if out, err := restore.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

// serviceRules are the rules of some services.
func serviceRules(first, end int) string {
	var chains, lines strings.Builder
	for i := first; i < end; i++ {
		name := fmt.Sprintf("KUBE-SVC-%06d", i)
		addr := fmt.Sprintf("%d.%d", i/256%256, i%256)
		fmt.Fprintf(&chains, ":%s - [0:0]\n", name)
		fmt.Fprintf(&lines, "-A %s ! -s 10.244.0.0/16 -d 10.96.%s/32 -p tcp -m comment --comment \"ns/svc-%d cluster IP\" -m tcp --dport 80 -j MARK --set-xmark 0x4000/0x4000\n", name, addr, i)
		fmt.Fprintf(&lines, "-A %s -m comment --comment \"ns/svc-%d\" -m statistic --mode random --probability 0.5 -j RETURN\n", name, i)
		fmt.Fprintf(&lines, "-A %s -p tcp -m tcp -j DNAT --to-destination 10.244.%s:80\n", name, addr)
		fmt.Fprintf(&lines, "-A PREROUTING -d 10.96.%s/32 -p tcp -m tcp --dport 80 -j %s\n", addr, name)
	}
	return "*nat\n" + chains.String() + lines.String() + "COMMIT\n"
}
