package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"

	"nattui/model/doctor"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/rules/textfile"
)

// savedFiles are where programs keep rules that are loaded at boot, by family,
// the first that is there counts. Several files of one entry belong together.
var savedFiles = [...][][]string{
	rules.IPv4: {{"/etc/iptables/rules.v4"}, {"/etc/sysconfig/iptables"}, {"/etc/iptables/iptables.rules"}, {"/var/lib/iptables/rules-save"}, {"/etc/nattui/ipv4.nft", "/etc/nattui/ipv4.legacy"}},
	rules.IPv6: {{"/etc/iptables/rules.v6"}, {"/etc/sysconfig/ip6tables"}, {"/etc/iptables/ip6tables.rules"}, {"/var/lib/ip6tables/rules-save"}, {"/etc/nattui/ipv6.nft", "/etc/nattui/ipv6.legacy"}},
}

// filesRoot is the directory that the gateway's own files are under: the lab
// shares the files of its host, which are not the model gateway's.
func filesRoot() string {
	if os.Getenv(lab.ScenarioVariable) != "" {
		return filepath.Join(commit.Directory(), "host")
	}
	return "/"
}

// savedRules reads the rules that are loaded at boot; what cannot be read or
// understood is left out.
func savedRules() []doctor.SavedRules {
	root, saved := filesRoot(), []doctor.SavedRules{}
	for _, family := range rules.Families {
		for _, files := range savedFiles[family] {
			one := doctor.SavedRules{Family: family}
			for _, path := range files {
				content, err := textfile.Read(filepath.Join(root, path))
				if err != nil {
					continue
				}
				tables, err := rules.Read(bytes.NewReader(content))
				if err != nil {
					continue
				}
				one.Path, one.Tables = cmp.Or(one.Path, path), append(one.Tables, tables...)
			}
			if one.Path != "" {
				saved = append(saved, one)
				break
			}
		}
	}
	return saved
}

// bootDrift compares what runs with what is saved for reboot, as History does; nil
// where that cannot be told.
func bootDrift(tables *iptables.Host, sets map[rules.Variant]*rules.Ruleset) *doctor.BootDrift {
	if sets == nil {
		return nil
	}
	committer, err := openCommitter(tables, nil)
	if err != nil {
		return nil
	}
	o := commit.SaveOptions{Sets: sets, Standby: tables.Default(), Programs: restorePrograms(tables), Nattui: ownPath(), Managers: managersHere()}
	d, err := committer.Drift(o)
	if err != nil {
		return nil
	}
	lines := func(list []commit.Drifted) (lines []string) {
		for _, l := range commit.RulesOf(list) {
			lines = append(lines, l.Table+" "+l.Line)
		}
		return lines
	}
	return &doctor.BootDrift{Gone: lines(d.Running), Back: lines(d.Saved), Chains: d.Chains(), Removed: len(commit.RulesOf(d.Removed)), Orders: len(d.Order), Nothing: d.Nothing, By: d.Method, Unwatched: d.Unwatched, Elsewhere: d.Elsewhere, Idle: d.Idle, Others: d.Others}
}

// bootSettings reads the settings that files set at boot, in the order in which
// sysctl --system reads them (sysctl(8)).
func bootSettings() map[string]doctor.BootSetting {
	root := filesRoot()
	byName := map[string]string{} // a file hides those of its name in directories before
	for _, dir := range []string{"/lib/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"} {
		paths, _ := filepath.Glob(filepath.Join(root, dir, "*.conf"))
		for _, path := range paths {
			byName[filepath.Base(path)] = filepath.Join(dir, filepath.Base(path))
		}
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	settings := map[string]doctor.BootSetting{}
	for _, name := range names {
		if content, err := textfile.Read(filepath.Join(root, byName[name])); err == nil {
			doctor.ParseSysctlFile(string(content), byName[name], settings)
		}
	}
	for _, last := range lastSysctlFiles(root) {
		if content, err := textfile.Read(filepath.Join(root, last)); err == nil {
			doctor.ParseSysctlFile(string(content), last, settings)
		}
	}
	return settings
}

// lastSysctlFiles are read after those in directories: /etc/sysctl.conf, except by systemd-sysctl, which reads it only
// where a link in /etc/sysctl.d leads there; and the file that ufw loads as it starts (IPT_SYSCTL in /etc/default/ufw).
func lastSysctlFiles(root string) (list []string) {
	_, err := os.Stat(filepath.Join(root, "/lib/systemd/systemd-sysctl"))
	if err != nil {
		list = append(list, "/etc/sysctl.conf")
	}
	enabled, _ := os.ReadFile(filepath.Join(root, "/etc/ufw/ufw.conf"))
	if bytes.Contains(bytes.ToLower(enabled), []byte("\nenabled=yes")) || bytes.HasPrefix(bytes.ToLower(enabled), []byte("enabled=yes")) {
		list = append(list, "/etc/ufw/sysctl.conf")
	}
	return list
}
