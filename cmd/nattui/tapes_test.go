package main

import (
	"go/ast"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nattui/model/lab"
)

// tapes are the tapes of the README's pictures by their paths, with their texts.
func tapes(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.tape", "docs/pictures/*.tape"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			found[strings.TrimPrefix(filepath.ToSlash(path), root+"/")] = readFile(t, path)
		}
	}
	if len(found) < 4 {
		t.Fatalf("only %q", slices.Sorted(maps.Keys(found)))
	}
	return found
}

// What a tape waits for is on a screen of the golden files, or a heading of its own in the source, or typed by the tape itself;
// otherwise it waits until it fails.
func TestTapesWaitForWhatIsShown(t *testing.T) {
	sequential(t)
	screens, whole := shownByGoldens(t), map[string]bool{}
	ourFiles(t, func(file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			if e, ok := node.(ast.Expr); ok {
				if text, ok := literal(e); ok {
					whole[strings.TrimSpace(text)] = true
				}
			}
			return true
		})
	})
	waits := 0
	for path, text := range tapes(t) {
		for _, m := range regexp.MustCompile(`(?m)^Wait\+Screen /(.*)/$`).FindAllStringSubmatch(text, -1) {
			waits++
			wanted, typed := regexp.MustCompile(m[1]), strings.ReplaceAll(text, m[0], "")
			if !wanted.MatchString(screens) && !wanted.MatchString(typed) && !whole[m[1]] {
				t.Errorf("%s waits for %s, which no screen shows", path, m[0])
			}
		}
	}
	if waits < 8 {
		t.Errorf("only %d waits were looked at", waits)
	}
}

// shownByGoldens is the text of all screens that tests hold.
func shownByGoldens(t *testing.T) string {
	t.Helper()
	goldens, err := filepath.Glob(filepath.Join(root, "ui", "testdata", "*.golden"))
	if err != nil || len(goldens) < 50 {
		t.Fatalf("goldens %q, %v", goldens, err)
	}
	var all strings.Builder
	for _, path := range goldens {
		all.WriteString(readFile(t, path))
	}
	return all.String()
}

// make demo replaces a picture by one that was made, and by nothing else.
func TestDemoKeepsThePictures(t *testing.T) {
	for _, c := range []struct {
		name, script, left string
		fails              bool
	}{
		{"made", `sed -n 's/^Output //p' "$1" | while read -r to; do echo new >"$to"; done`, "new\n", false},
		{"failed", `sed -n 's/^Output //p' "$1" | while read -r to; do echo half >"$to"; done; exit 1`, "old\n", true},
		{"nothing made", `exit 0`, "old\n", true},
		{"too large", `sed -n 's/^Output //p' "$1" | while read -r to; do head -c 5000000 /dev/zero >"$to"; done`, "old\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			make := lab.Program(t, "make")
			dir := t.TempDir()
			files := map[string]string{"Makefile": readFile(t, filepath.Join(root, "Makefile")), "runner": "#!/bin/sh\n" + c.script + "\n"}
			for path, text := range tapes(t) {
				files[path] = text
				picture := regexp.MustCompile(`(?m)^Output (.*)$`).FindStringSubmatch(text)[1]
				files[picture] = "old\n"
			}
			for path, text := range files {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.Command(make, "-C", dir, "-o", "build", "demo", "TAPE=./runner")
			said, err := command.CombinedOutput()
			if (err != nil) != c.fails {
				t.Errorf("%v\n%s", err, said)
			}
			if got := readFile(t, filepath.Join(dir, "docs/demo.gif")); got != c.left {
				t.Errorf("the picture is %.20q, not %q\n%s", got, c.left, said)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "docs/*.new.*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}
