package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// prepare finds out what is built before anything is: its version, its time, and who answers for it.
func (r *release) prepare() (err error) {
	if r.described == "" {
		if r.described, err = describe(r.source); err != nil {
			return err
		}
	}
	if r.version, err = parseVersion(r.described); err != nil {
		return err
	}
	if r.when, err = epoch(r.source); err != nil {
		return err
	}
	if r.version.unreleased {
		fmt.Printf("%s is not a release: there is no tag at this commit, or not all is committed\n", r.version.upstream())
	}
	if os.Getenv("MAINTAINER") == "" {
		fmt.Println("warning: the packages name nobody who answers for them. Before you hand them on, build with MAINTAINER='Your Name <your address>'")
	}
	return r.begin()
}

// build compiles nattui for an architecture: static, without symbols, without the paths of this machine.
func (r *release) build(goarch, binary string) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	command := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -X main.version="+r.version.upstream(), "-o", binary, "./cmd/nattui")
	command.Dir = r.source
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch, "GOARM=7", "GOMIPS=softfloat", "GO386=sse2", "GOAMD64=v1", "GOFLAGS=")
	command.Stderr = os.Stderr
	return command.Run()
}

// parts are the files that all packages have in common, by the name that nfpm.yaml calls them.
type parts map[string]string

// collect makes the common files: compressed manual pages and changelog, completions, and the licences of all that
// the binary is made of.
func (r *release) collect(scratch string) (parts, error) {
	p := parts{"LICENCES": filepath.Join(scratch, "copyright"), "PAGES": filepath.Join(scratch, "man"), "CHANGES": filepath.Join(scratch, "changelog.gz")}
	native := filepath.Join(scratch, "nattui")
	if err := r.build(runtime.GOARCH, native); err != nil {
		return nil, err
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, err := exec.Command(native, "completion", shell).Output()
		if err != nil {
			return nil, fmt.Errorf("completion for %s: %w", shell, err)
		}
		p[strings.ToUpper(shell)] = filepath.Join(scratch, shell)
		if err := os.WriteFile(p[strings.ToUpper(shell)], script, 0o644); err != nil {
			return nil, err
		}
	}
	pages, err := filepath.Glob(filepath.Join(r.source, "docs/man/*.[1-8]"))
	if err != nil || len(pages) == 0 {
		return nil, fmt.Errorf("no manual pages in %s: %w", r.source, err)
	}
	for _, page := range pages {
		section := strings.TrimPrefix(filepath.Ext(page), ".")
		if err := compress(page, filepath.Join(p["PAGES"], "man"+section, filepath.Base(page)+".gz")); err != nil {
			return nil, err
		}
	}
	if err := compress(filepath.Join(r.source, "CHANGELOG.md"), p["CHANGES"]); err != nil {
		return nil, err
	}
	modules, err := modulesOf(native)
	if err != nil {
		return nil, err
	}
	text, err := r.notices(modules)
	if err != nil {
		return nil, err
	}
	return p, os.WriteFile(p["LICENCES"], text, 0o644)
}

// compress writes a file's text with gzip, without the name and the time that would differ from build to build.
func compress(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b.Bytes(), 0o644)
}
