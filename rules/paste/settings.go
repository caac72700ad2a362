package paste

import (
	"strings"

	"nattui/rules"
)

// sysctl takes  sysctl -w name=value.
func (im *importer) sysctl(words []scriptWord) {
	im.out.Corrected = append(im.out.Corrected, commandText(words))
	for i := 1; i < len(words); i++ {
		w := words[i]
		if strings.HasPrefix(w.text, "-") {
			if strings.Contains(w.text, "p") || w.text == "--system" || w.text == "--load" {
				if !im.setKept() {
					im.find(Remark{w.line, w.col, w.text, Note, "settings from files are left as they are", ""})
				}
				return
			}
			continue
		}
		name, value, ok := strings.Cut(w.text, "=")
		if !ok && i+2 < len(words) && words[i+1].text == "=" {
			name, value, ok = w.text, words[i+2].text, true
			i += 2
		}
		if !ok {
			im.find(Remark{w.line, w.col, w.text, Note, "this only shows a setting, and is left out", ""})
			continue
		}
		im.write(w, strings.ReplaceAll(strings.TrimSpace(name), "/", "."), value)
	}
}

// procWrite takes  echo value > /proc/sys/….
func (im *importer) procWrite(words []scriptWord, to scriptWord) {
	path := strings.TrimPrefix(to.text, "/proc/sys/")
	name := strings.NewReplacer("/", ".", ".", "/").Replace(path)
	value := strings.Join(texts(words[1:]), " ")
	im.out.Corrected = append(im.out.Corrected, "sysctl -w "+name+"="+value)
	im.write(to, name, value)
}

// isSettingsFile tells a file of settings that are set at boot (sysctl.d(5)).
func isSettingsFile(path string) bool {
	return path == "/etc/sysctl.conf" || strings.HasPrefix(path, "/etc/sysctl.d/") && strings.HasSuffix(path, ".conf")
}

// fileWrite takes  echo name=value >> /etc/sysctl.conf: the setting is kept for
// boot, and what runs stays as it is.
func (im *importer) fileWrite(words []scriptWord, to scriptRedirect) {
	name, value, ok := strings.Cut(strings.Join(texts(words[1:]), " "), "=")
	name, value = strings.ReplaceAll(strings.TrimSpace(name), "/", "."), strings.TrimSpace(value)
	if !ok || name == "" || value == "" {
		im.find(Remark{words[0].line, words[0].col, words[0].text, Doubt, "a setting is written NAME=VALUE into " + to.to.text, ""})
		return
	}
	im.out.Corrected = append(im.out.Corrected, rules.ShellLine([]string{"echo", name + " = " + value, ">>", to.to.text}))
	if to.sign == ">" && to.to.text == "/etc/sysctl.conf" {
		im.find(Remark{to.to.line, to.to.col, ">", Error, "one > empties the file first, with all other settings in it", ">>"})
	}
	before := len(im.steps)
	im.write(words[0], name, value)
	if len(im.steps) == before {
		if have, known := im.setting(name); !known || have != value {
			return // it was refused
		}
		im.steps = append(im.steps, rules.Step{Sysctl: &rules.Sysctl{Name: name, Value: value, Old: value}})
	}
	w := im.steps[len(im.steps)-1].Sysctl
	w.Boot, w.File = true, to.to.text
	if w.Old != "" {
		w.Value, w.AtBoot = w.Old, &rules.Kept{Value: value}
	}
}

func (im *importer) setting(name string) (string, bool) {
	if im.ground.Setting == nil {
		return "", false
	}
	return im.ground.Setting(name)
}

// setKept has settings that were only to be kept for boot set now as well, which
// sysctl -p does; false if there are none.
func (im *importer) setKept() (any bool) {
	for i := range im.steps {
		if w := im.steps[i].Sysctl; w != nil && w.AtBoot != nil {
			w.Value, w.AtBoot, any = w.AtBoot.Value, nil, true
		}
	}
	return any
}

func (im *importer) write(w scriptWord, name, value string) {
	if !strings.HasPrefix(name, "net.") {
		im.find(Remark{w.line, w.col, w.text, Doubt, name + " has nothing to do with the network, and is not written", ""})
		return
	}
	old := ""
	if im.ground.Setting != nil {
		have, ok := im.ground.Setting(name)
		if !ok {
			im.find(Remark{w.line, w.col, w.text, Error, "this kernel has no setting " + name, ""})
			return
		}
		if old = have; have == value {
			im.find(Remark{w.line, w.col, w.text, Note, name + " is " + value + " already", ""})
			return
		}
	}
	im.steps = append(im.steps, rules.Step{Sysctl: &rules.Sysctl{Name: name, Value: value, Old: old}})
}
