package lab

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// TB is the part of testing.TB that Isolate needs. It is declared here because
// a program that links package testing gets its flags.
type TB interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Isolate runs the calling test alone in user, mount, network, PID, IPC and
// UTS namespaces of its own, as root there, with a loopback interface that is
// up, an empty /run and a fresh /proc. Call it first in the test:
//
//	if lab.Isolate(t) {
//		return
//	}
//
// Outside, it runs the test binary again for this one test, waits for its end,
// relays what it printed, fails or skips as it did, and returns true. Inside
// it returns false, and the test goes on with the whole process, its subtests
// and the programs it starts living in the namespaces. Called again inside,
// for example in a subtest, it returns false.
//
// It works as root and as an ordinary user. Where user namespaces are
// forbidden root does without one; an ordinary user's test is then skipped.
// However the test ends, nothing it started inside outlives it.
//
// A benchmark's figures are printed from inside, and outside it counts as
// skipped, since what was measured there is nothing. A benchmark of root has no
// user namespace: what is measured is what root of a gateway has.
func Isolate(t TB) bool {
	t.Helper()
	switch takeRole() {
	case testInmate:
		return false
	case testKeeper:
		keep(testInmate)
	case outside:
	default:
		t.Fatalf("lab: this test binary was started as part of a lab; call lab.Main in TestMain")
	}
	var output string
	enter := inCell
	if _, measures := t.(interface{ ReportMetric(float64, string) }); measures && os.Geteuid() == 0 {
		enter = inRootCell
	}
	err := enter(func(asUser bool) error {
		printed, err := runInCell(t, asUser)
		output = printed
		return err
	})
	if errors.Is(err, ErrNamespaces) {
		Lacks(t, fmt.Errorf("lab: %w", err))
		return true
	}
	report(t, output, err)
	return true
}

// runInCell runs t inside and returns what it printed and the error of its
// process, if any.
func runInCell(t TB, asUser bool) (output string, err error) {
	var printed bytes.Buffer
	cmd := cellCommand(testKeeper, asUser, testArguments(t), os.Environ())
	cmd.Stdout = &printed
	cmd.Stderr = &printed
	c, err := startCell(cmd)
	if err != nil {
		return "", err
	}
	c.begin()
	err = c.wait()
	return printed.String(), err
}

// inheritedFlags are the test flags that mean the same inside. Profiles and
// logs are not among them: both processes would write the same file.
var inheritedFlags = map[string]bool{
	"test.short": true, "test.cpu": true, "test.parallel": true, "test.benchtime": true,
	"test.benchmem": true, "test.paniconexit0": true, "test.fullpath": true,
}

// testArguments are the arguments with which the test binary runs only t, and
// says so: -test.v makes it print the outcome that report looks for.
func testArguments(t TB) []string {
	args := []string{"-test.v=true"}
	if isBenchmark(t) { // which is not repeated outside, where it counts as skipped
		args = append(args, "-test.run=^$", "-test.bench="+exactPattern(t.Name()), "-test.count="+flag.Lookup("test.count").Value.String())
	} else {
		args = append(args, "-test.run="+exactPattern(t.Name()), "-test.count=1")
	}
	flag.Visit(func(f *flag.Flag) {
		if inheritedFlags[f.Name] {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	return append(args, "-test.timeout="+timeLeft(t).String())
}

func isBenchmark(t TB) bool { return strings.HasPrefix(t.Name(), "Benchmark") }

// exactPattern matches exactly the test of the given name, whose parts are
// separated by slashes, in the way of -test.run.
func exactPattern(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// timeLeft is a little less than the time t has, so that the test inside ends
// with its own stack traces before the one outside does with less telling ones.
// Zero means that there is no limit.
func timeLeft(t TB) time.Duration {
	limited, ok := t.(interface {
		Deadline() (deadline time.Time, ok bool)
	})
	if !ok {
		return 0
	}
	deadline, ok := limited.Deadline()
	if !ok {
		return 0
	}
	left := time.Until(deadline)
	return max(left-min(left/10, 5*time.Second), time.Second).Round(time.Millisecond)
}

// report passes on the outcome of the test inside. A test that neither passed
// nor was skipped by its own word has failed, whatever its exit status.
func report(t TB, output string, err error) {
	t.Helper()
	quoted := quote(output)
	switch {
	case err != nil:
		t.Fatalf("%s: %v\n%s", t.Name(), err, quoted)
	case isBenchmark(t):
		fmt.Print(benchmarkLines(output))
		t.Skipf("measured inside")
	case printedOutcome(output, "SKIP", t.Name()):
		t.Skipf("%s", quoted)
	case !printedOutcome(output, "PASS", t.Name()):
		t.Fatalf("%s did not run inside\n%s", t.Name(), quoted)
	default:
		t.Logf("%s", quoted)
	}
}

// quote marks the lines from inside, lest tools that read the output of go test
// take them for outcomes of this process.
func quote(output string) string {
	return "| " + strings.ReplaceAll(strings.TrimSuffix(output, "\n"), "\n", "\n| ")
}

func printedOutcome(output, outcome, name string) bool {
	return strings.Contains(output, "--- "+outcome+": "+name+" (")
}

// benchmarkLines are the lines that tools which compare benchmarks read.
func benchmarkLines(output string) string {
	var lines strings.Builder
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "Benchmark") && strings.Contains(line, "\t") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}
