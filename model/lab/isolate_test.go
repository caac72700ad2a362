package lab_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"nattui/model/lab"
)

func TestIsolate(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	if uid := os.Getuid(); uid != 0 {
		t.Errorf("uid inside is %d, want 0", uid)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 1 || links[0].Name != "lo" || links[0].Flags&net.FlagUp == 0 {
		t.Errorf("interfaces inside are %v, want lo alone, up", links)
	}
	if target, err := os.Readlink("/proc/self"); err != nil || target == "" {
		t.Errorf("/proc/self: %q, %v", target, err)
	}
	if got := os.Getppid(); got != 1 {
		t.Errorf("parent inside is %d, want 1, the keeper", got)
	}
	if err := lab.Iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8080"); err != nil {
		t.Fatal(err)
	}
	run(t, "ip", "netns", "list")
	t.Run("subtest", func(t *testing.T) {
		if lab.Isolate(t) {
			t.Error("Isolate inside returned true")
		}
	})
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// watchFlows starts to print the events of new flows.
func watchFlows(t *testing.T) (stop func(), events *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("conntrack", "-E", "-e", "NEW", "-b", "8388608")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }, bufio.NewReader(stdout)
}

func BenchmarkIsolate(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	for b.Loop() {
		_ = os.Getuid()
	}
}

// A benchmark is measured as often as -count says, although outside it counts as skipped.
func TestBenchmarksAreCounted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(self, "-test.run", "^$", "-test.bench", "^BenchmarkIsolate$", "-test.benchtime", "1x", "-test.count", "3").CombinedOutput()
	if strings.Contains(string(out), lab.ErrNamespaces.Error()) {
		lab.Lacks(t, lab.ErrNamespaces)
	}
	if measured := strings.Count(string(out), " ns/op"); err != nil || measured != 3 {
		t.Errorf("measured %d times, not 3: %v\n%s", measured, err, out)
	}
}
