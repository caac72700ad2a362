package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// module is a Go module that is in the binary, as its build information says, with its source beside it.
type module struct {
	path, version, sum string
	licence            string // the identifier of SPDX; NOASSERTION where the text is none that is known
	texts              []string
}

// modulesOf are the modules that a binary is made of, nattui itself left out.
func modulesOf(binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var all []module
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			return nil, fmt.Errorf("module %s is replaced: its licence is not looked for", dep.Path)
		}
		all = append(all, module{path: dep.Path, version: dep.Version, sum: dep.Sum})
	}
	return all, nil
}

// notices is the text of all licences that the binary is under: nattui's, Go's and those of its modules. The MIT and
// BSD licences, and Apache's, ask for their texts to go with the binary.
func (r *release) notices(modules []module) ([]byte, error) {
	own, err := os.ReadFile(filepath.Join(r.source, "LICENSE"))
	if err != nil {
		return nil, err
	}
	toolchain, err := os.ReadFile(filepath.Join(goroot(), "LICENSE"))
	if err != nil {
		return nil, fmt.Errorf("licence of Go: %w", err)
	}
	directories, err := r.directories()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "nattui is free software under this licence:\n\n%s\nThe binary contains the software below, each under its own licence.\n", own)
	fmt.Fprintf(&b, "\n%s\nThe Go standard library, %s\n\n%s", strings.Repeat("-", 78), runtime.Version(), toolchain)
	for i := range modules {
		m := &modules[i]
		if err := m.licences(directories[m.path]); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n\n%s", strings.Repeat("-", 78), m.path, m.version, m.licence, strings.Join(m.texts, "\n"))
	}
	return b.Bytes(), nil
}

// goroot is where the Go that builds has its files.
func goroot() string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// directories are where the sources of nattui's modules are on this machine.
func (r *release) directories() (map[string]string, error) {
	command := exec.Command("go", "list", "-m", "-json", "all")
	command.Dir, command.Stderr = r.source, os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Dir string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		found[m.Path] = m.Dir
	}
}

// licences reads the licence files of a module and says which licence it is. A module without one stops the build:
// nobody may hand it on.
func (m *module) licences(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("licence of %s: %w", m.path, err)
	}
	var ids []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, strings.TrimRight(string(text), "\n")+"\n")
		for _, match := range licensecheck.Scan(text).Match {
			if !match.IsURL && !slices.Contains(ids, match.ID) {
				ids = append(ids, match.ID)
			}
		}
	}
	if len(m.texts) == 0 {
		return fmt.Errorf("module %s has no licence file", m.path)
	}
	m.licence = strings.Join(ids, " AND ")
	if m.licence == "" {
		m.licence = "NOASSERTION"
	}
	return nil
}
