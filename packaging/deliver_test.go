package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A source without a repository has a version where one is named, and the time of its changelog.
func TestTimeWithoutRepository(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "")
	outer := t.TempDir()
	for _, args := range [][]string{{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "another project"}} {
		if _, err := git(outer, args...); err != nil {
			t.Fatal(err)
		}
	}
	source, when := filepath.Join(outer, "nattui"), time.Unix(1767225600, 0)
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	changes := filepath.Join(source, "CHANGELOG.md")
	if err := os.WriteFile(changes, []byte("# Changelog\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(changes, when, when); err != nil {
		t.Fatal(err)
	}
	if said, err := describe(source); err == nil {
		t.Errorf("the version of another project is taken: %s", said)
	}
	r := release{source: source, output: t.TempDir(), described: "v9.9.9"}
	if err := r.prepare(); err != nil || !r.when.Equal(when) {
		t.Errorf("%v, %v", r.when, err)
	}
}

// Where something fails in the middle, nothing is there that has a release's name; what an earlier run has made stays.
func TestNothingHalfMade(t *testing.T) {
	r := packages(t, "broken", "") // first as it should be
	before := names(t, r.output)
	if err := os.Remove(filepath.Join(r.source, "packaging/nfpm.yaml")); err != nil {
		t.Fatal(err)
	}
	again := release{source: r.source, output: r.output, described: "v1.2.4"}
	if err := again.make([]string{"amd64"}, []string{"deb"}); err == nil {
		t.Error("packages without a description")
	}
	if after := names(t, r.output); !slices.Equal(before, after) {
		t.Errorf("%q, and before %q", after, before)
	}
}

// A later run takes the place of the last: a pattern matches one file. What is not nattui's stays.
func TestDeliverClearsTheLastRun(t *testing.T) {
	dir := t.TempDir()
	made := func(list string, files ...string) {
		t.Helper()
		r := release{output: dir, made: files}
		if err := r.begin(); err != nil {
			t.Fatal(err)
		}
		for _, name := range append([]string{checksumList}, files...) {
			text := name
			if name == checksumList {
				text = list
			}
			if err := os.WriteFile(filepath.Join(r.stage, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.deliver(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(r.stage); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"nattui-mine.txt", "photo.png"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	made("00  nattui_1.0.0_amd64.deb\n00  photo.png\n00  ../nattui\n", "nattui_1.0.0_amd64.deb")
	made("00  nattui_1.1.0_amd64.deb\n", "nattui_1.1.0_amd64.deb")
	if got := names(t, dir); !slices.Equal(got, []string{"SHA256SUMS", "nattui-mine.txt", "nattui_1.1.0_amd64.deb", "photo.png"}) {
		t.Errorf("%q", got)
	}
}

// names are what lies in a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
