package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// built are the packages that these tests look at: those for this machine, built once, out of a copy of the source.
var built struct {
	release
	dir string
}

func TestMain(m *testing.M) {
	scratch, err := os.MkdirTemp("", "nattui-packages")
	if err != nil {
		panic(err)
	}
	built.dir = scratch
	status := m.Run()
	os.RemoveAll(scratch)
	os.Exit(status)
}

// packages builds the packages for this machine, of a version that is named and at a time that is named, from a copy of
// the source at a path of its own.
func packages(t *testing.T, name, maintainer string) *release {
	t.Helper()
	if testing.Short() {
		t.Skip("left out of short mode: builds packages")
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1767225600")
	t.Setenv("MAINTAINER", maintainer)
	source := filepath.Join(built.dir, name, "source")
	copySource(t, source)
	r := &release{source: source, output: filepath.Join(built.dir, name, "dist"), described: "v1.2.3"}
	if err := r.make([]string{runtime.GOARCH}, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// somebody answers for the packages that most tests look at.
const somebody = "A Maintainer <maintainer@example.org>"

// packagesOnce are the same for all tests that only look at them.
func packagesOnce(t *testing.T) *release {
	t.Helper()
	if built.made == nil {
		built.release = *packages(t, "once", somebody)
	}
	return &built.release
}

// copySource copies what git knows of the source, and what is new in it, without the repository.
func copySource(t *testing.T, to string) {
	t.Helper()
	said, err := git("..", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		lacks(t, fmt.Errorf("not in a git repository: %w", err))
	}
	for name := range strings.SplitSeq(said, "\x00") {
		from := filepath.Join("..", name)
		if info, err := os.Stat(from); err != nil || !info.Mode().IsRegular() {
			continue // deleted, and not yet committed
		}
		if !strings.HasSuffix(name, ".go") && strings.Contains(name, "testdata/") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// file is the one file of a release whose name ends so.
func (r *release) file(t *testing.T, ending string) string {
	t.Helper()
	for _, name := range r.made {
		if strings.HasSuffix(name, ending) {
			path, err := filepath.Abs(filepath.Join(r.output, name))
			if err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Fatalf("no %s among %q", ending, r.made)
	return ""
}

// run runs a program and returns what it printed; it fails the test where the program fails.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// needs skips the test where a program is missing, or fails it where all of them are said to be there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacks(t, err)
		}
	}
}

// lacks ends a test for what this machine has not got: skipped, or failed where it is said to have all, as in CI.
func lacks(t *testing.T, what any) {
	t.Helper()
	if os.Getenv("NATTUI_COMPLETE") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}
