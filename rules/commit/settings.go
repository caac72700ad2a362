package commit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/textfile"
)

// settingsFile is where settings are saved for reboot.
const settingsFile = rules.SysctlFile

// modulesFile has modules loaded before the settings are set at boot
// (modules-load.d(5)): those of connection tracking are there only with it.
const modulesFile = "/etc/modules-load.d/90-nattui.conf"

// settingModules are the modules that settings belong to, by what these begin with.
var settingModules = map[string]string{"net.netfilter.nf_conntrack_": "nf_conntrack", "net.bridge.": "br_netfilter"}

// keepSettings writes the settings of a plan that are meant for boot as well.
func (c *Committer) keepSettings(p rules.Plan) error {
	byFile := map[string]map[string]string{}
	for _, s := range p.Steps {
		if s.Sysctl == nil || !s.Sysctl.Boot {
			continue
		}
		path := c.keptIn(*s.Sysctl)
		if byFile[path] == nil {
			byFile[path] = map[string]string{}
		}
		byFile[path][s.Sysctl.Name] = s.Sysctl.KeptValue()
		if err := c.keepModule(*s.Sysctl); err != nil {
			return err
		}
	}
	for path, values := range byFile {
		old, err := textfile.Read(path)
		if err != nil && !missing(err) {
			return fmt.Errorf("save a setting for boot: %w", err)
		}
		if text := withSettings(old, values); !bytes.Equal(text, old) {
			if err := writeFile(path, text, 0o644); err != nil {
				return fmt.Errorf("save a setting for boot: %w", err)
			}
		}
	}
	return nil
}

// keptIn is the path of the file that keeps a setting.
func (c *Committer) keptIn(w rules.Sysctl) string { return filepath.Join("/", c.root, w.BootFile()) }

// kept is what is kept of a setting for boot; "" nothing.
func (c *Committer) kept(w rules.Sysctl) (string, error) {
	text, err := textfile.Read(c.keptIn(w))
	if err != nil && !missing(err) {
		return "", fmt.Errorf("read the saved rules: %w", err)
	}
	value := ""
	for line := range strings.Lines(string(text)) {
		if name, v, ok := strings.Cut(line, "="); ok && strings.TrimPrefix(strings.TrimSpace(name), "-") == w.Name {
			value = strings.TrimSpace(v)
		}
	}
	return value, nil
}

// keepModule has the module loaded at boot without which there is no such setting
// when settings are set.
func (c *Committer) keepModule(w rules.Sysctl) error {
	path := filepath.Join("/", c.root, modulesFile)
	for prefix, module := range settingModules {
		if !strings.HasPrefix(w.Name, prefix) || w.KeptValue() == "" {
			continue
		}
		old, err := textfile.Read(path)
		if err != nil && !missing(err) {
			return fmt.Errorf("save a module for boot: %w", err)
		}
		if slices.Contains(strings.Fields(string(old)), module) {
			continue
		}
		if len(old) == 0 {
			old = []byte("# Saved by nattui.\n")
		}
		if err := writeFile(path, append(old, module+"\n"...), 0o644); err != nil {
			return fmt.Errorf("save a module for boot: %w", err)
		}
	}
	return nil
}

// withSettings is the text of a sysctl.d file in which the settings have the
// values; of those with none nothing is said.
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
			if value == "" {
				continue
			}
			line = name + " = " + value + "\n"
		}
		out.WriteString(line)
	}
	if n := out.Len(); n == 0 {
		out.WriteString("# Saved by nattui.\n")
	} else if out.String()[n-1] != '\n' {
		out.WriteByte('\n')
	}
	names := make([]string, 0, len(values))
	for name := range values {
		if !written[name] && values[name] != "" {
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
// where it is missing. Where the path is a link, what that leads to is written, and keeps its mode and owner.
func writeFile(link string, content []byte, mode os.FileMode) error {
	path, err := followed(link)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if err = file.Chmod(mode); err == nil && path != link {
		err = likeTarget(file, path)
	}
	if err == nil {
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

func (c *Committer) checkSetting(w rules.Sysctl) (rules.Sysctl, error) {
	now, err := c.kernel.Settings.Sysctl(w.Name)
	if err != nil {
		return w, err
	}
	if w.Old != "" && !sameValue(now, w.Old) && !sameValue(now, w.Value) {
		return w, &Changed{w.Name, w.Old, now}
	}
	w.Old = now
	if !w.Boot {
		return w, nil
	}
	old, err := c.kept(w)
	w.AtBoot = &rules.Kept{Value: w.KeptValue(), Old: old}
	return w, err
}

// sameValue compares settings; those of several numbers are printed with tabs.
func sameValue(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}
