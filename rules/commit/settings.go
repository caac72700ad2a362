package commit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nattui/rules"
)

// settingsFile is where settings are kept for boot (sysctl.d(5)).
const settingsFile = "/etc/sysctl.d/90-nattui.conf"

// keepSettings writes the settings of a plan that are meant for boot as well.
func (c *Committer) keepSettings(p rules.Plan) error {
	byFile := map[string]map[string]string{}
	for _, s := range p.Steps {
		if s.Sysctl == nil || !s.Sysctl.Boot {
			continue
		}
		path := s.Sysctl.File
		if path == "" {
			path = settingsFile
		}
		path = filepath.Join("/", c.root, path)
		if byFile[path] == nil {
			byFile[path] = map[string]string{}
		}
		byFile[path][s.Sysctl.Name] = s.Sysctl.Value
	}
	for path, values := range byFile {
		old, err := os.ReadFile(path)
		if err != nil && !missing(err) {
			return fmt.Errorf("keep a setting for boot: %w", err)
		}
		if text := withSettings(old, values); !bytes.Equal(text, old) {
			if err := writeFile(path, text, 0o644); err != nil {
				return fmt.Errorf("keep a setting for boot: %w", err)
			}
		}
	}
	return nil
}

// withSettings is the text of a sysctl.d file in which the settings have the values.
func withSettings(text []byte, values map[string]string) []byte {
	var out strings.Builder
	written := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(line, "=")
		name = strings.TrimPrefix(strings.TrimSpace(name), "-")
		if value, ours := values[name]; ok && ours {
			if written[name] {
				continue
			}
			written[name] = true
			line = name + " = " + value + "\n"
		}
		out.WriteString(line)
	}
	if n := out.Len(); n == 0 {
		out.WriteString("# Kept by nattui.\n")
	} else if out.String()[n-1] != '\n' {
		out.WriteByte('\n')
	}
	names := make([]string, 0, len(values))
	for name := range values {
		if !written[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		out.WriteString(name + " = " + values[name] + "\n")
	}
	return []byte(out.String())
}

// writeFile puts a file in place, durably and in one step; its directory is made
// where it is missing.
func writeFile(path string, content []byte, mode os.FileMode) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if err = file.Chmod(mode); err == nil {
		_, err = file.Write(content)
	}
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
