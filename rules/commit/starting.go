package commit

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/textfile"
)

// This file tells from files alone whether a service runs when the host starts: what is installed restores nothing.

// starting is what becomes of a service when the host starts.
type starting int

const (
	notKnown starting = iota // there is no init system here that nattui knows
	started
	disabled
	masked
	absent
	hollow // started, and without what would restore anything
)

func (s starting) String() string {
	return [...]string{notKnown: "perhaps started", started: "enabled", disabled: "disabled", masked: "masked", absent: "not installed", hollow: "enabled without a plugin"}[s]
}

// hostFiles are the files of a host, at a root.
type hostFiles string

func (h hostFiles) path(name string) string { return filepath.Join("/", string(h), name) }

func (h hostFiles) there(name string) bool {
	_, err := os.Lstat(h.path(name))
	return err == nil
}

func (h hostFiles) glob(pattern string) []string {
	paths, _ := filepath.Glob(h.path(pattern))
	return paths
}

// ownScripts are files that people write themselves, by which programs are started with a host.
var ownScripts = []string{
	"/etc/rc.local", "/etc/rc.d/rc.local", "/etc/network/interfaces", "/etc/network/interfaces.d/*", "/etc/network/if-*.d/*", "/etc/crontab", "/etc/cron.d/*",
	"/var/spool/cron/crontabs/root", "/var/spool/cron/root",
}

// startScripts are where people have programs started with a host that has neither systemd nor OpenRC.
var startScripts = append(slices.Clone(ownScripts),
	"/etc/rc", "/etc/inittab", "/etc/local.d/*.start", "/etc/init.d/*", "/etc/rc.d/*", "/etc/runit/*", "/etc/runit/core-services/*", "/etc/sv/*/run",
	"/etc/s6/sv/*/run", "/etc/s6/sv/*/up", "/etc/dinit.d/*")

// scripts are the files of some patterns, by their paths on the host, with what is in them; very long ones are left out.
func (h hostFiles) scripts(patterns []string) iter.Seq2[string, string] {
	const most = 1 << 20
	return func(yield func(path, text string) bool) {
		for _, pattern := range patterns {
			for _, path := range h.glob(pattern) {
				if at, err := os.Stat(path); err != nil || !at.Mode().IsRegular() || at.Size() > most {
					continue
				}
				text, err := os.ReadFile(path)
				if err == nil && !yield(strings.TrimPrefix(path, strings.TrimSuffix(string(h), "/")), string(text)) {
					return
				}
			}
		}
	}
}

// starting tells that a file by which programs are started with the host names a script.
func (h hostFiles) starting(script string) bool {
	for _, text := range h.scripts(startScripts) {
		if strings.Contains(text, script) {
			return true
		}
	}
	return false
}

// restoring says which of the files that people write themselves has rules restored at boot, a sentence each; what comes of
// it is not looked at.
func (h hostFiles) restoring() (list []string) {
	for path, text := range h.scripts(ownScripts) {
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "#")
			i := slices.IndexFunc(restorers, func(command string) bool { return strings.Contains(line, command) })
			if i >= 0 {
				list = append(list, fmt.Sprintf("%s runs %s at boot: which rules it restores is not looked at", path, restorers[i]))
				break
			}
		}
	}
	return list
}

// restorers are commands that load many rules at once.
var restorers = []string{"ip6tables-restore", "iptables-restore", "iptables-legacy-restore", "iptables-nft-restore", "nft -f", "nft --file"}

// systemd and openrc report which of them starts the host.
func (h hostFiles) systemd() bool {
	return h.there("/run/systemd/system") || h.there("/usr/lib/systemd/systemd") || h.there("/lib/systemd/systemd")
}

// isStrange tells that the files are those of the running host, that systemd is among them, and that it does not run: something
// else has started this host, as in a container or a rescue system.
func (h hostFiles) isStrange() bool { return (h == "" || h == "/") && h.lacksInit() }

// lacksInit tells that systemd is there and does not run.
func (h hostFiles) lacksInit() bool { return h.systemd() && !h.there("/run/systemd/system") }

const strangeHost = "systemd is installed and does not run now: whether it starts this host, and its services with it, is not known"

func (h hostFiles) openrc() bool { return h.there("/sbin/openrc-run") || h.there("/sbin/openrc") }

// starts tells what becomes of a service; its name is without .service.
func (h hostFiles) starts(name string) starting {
	switch {
	case h.systemd():
		return h.units().starts(name+".service", nil)
	case h.openrc():
		return h.linked("/etc/init.d/"+name, "/etc/runlevels/boot/"+name, "/etc/runlevels/default/"+name, "/etc/runlevels/sysinit/"+name)
	case len(h.glob("/etc/rc[S2345].d")) > 0:
		return h.linked("/etc/init.d/"+name, "/etc/rc[S2345].d/S[0-9][0-9]"+name)
	}
	return notKnown
}

// linked tells of a service with a script that one of the links has started.
func (h hostFiles) linked(script string, links ...string) starting {
	if !h.there(script) {
		return absent
	}
	if slices.ContainsFunc(links, func(pattern string) bool { return len(h.glob(pattern)) > 0 }) {
		return started
	}
	return disabled
}

// aside are targets that a host does not come to when it starts.
var aside = []string{"rescue", "emergency", "shutdown", "reboot", "poweroff", "halt", "kexec", "soft-reboot", "suspend", "hibernate", "hybrid-sleep", "sleep", "umount", "final"}

// starts tells of a unit of systemd, as systemctl is-enabled would, and that something which starts wants it; way are the
// units on whose behalf it is asked.
func (u *units) starts(unit string, way []string) starting {
	file, name := u.files[unit], strings.TrimSuffix(unit, ".service")
	switch {
	case file == "" && u.there("/etc/init.d/"+name): // systemd-sysv-generator(8) makes a unit of it
		return u.linked("/etc/init.d/"+name, "/etc/rc[S2345].d/S[0-9][0-9]"+name)
	case file == "":
		return absent
	case u.emptied(file):
		return masked
	}
	for _, name := range append([]string{unit}, u.aliases[unit]...) {
		for _, by := range u.wanted[name] {
			target, isTarget := strings.CutSuffix(by, ".target")
			switch {
			case isTarget && !slices.Contains(aside, target), strings.HasSuffix(by, ".socket"):
				return started
			case strings.HasSuffix(by, ".service") && !slices.Contains(way, by) && u.starts(by, append(way, unit)) == started:
				return started
			}
		}
	}
	return disabled
}

// emptied reports a unit file that masks its unit: a link to /dev/null, or an empty one.
func (h hostFiles) emptied(file string) bool {
	if target, err := os.Readlink(h.path(file)); err == nil {
		return target == os.DevNull
	}
	info, err := os.Stat(h.path(file))
	return err == nil && info.Size() == 0
}

// setFiles are those from which the programs of ipset restore sets when the host starts.
var setFiles = []string{"/etc/iptables/ipsets", "/etc/ipset.*", "/etc/ipset/*", "/etc/ipset.d/*", "/etc/sysconfig/ipset", "/etc/sysconfig/ipset.d/*", "/var/lib/ipset/*"}

// neededSets says which ipsets the rules of a file need at boot that no such file has.
func neededSets(root, path string, saved savedRules) (needs []string) {
	host, have := hostFiles(root), ""
	what := "it is left out at boot then, and what would drop or divert behind it is held back"
	if !strings.HasPrefix(path, ownDirectory) {
		what = path + " is refused as a whole at boot then"
	}
	for _, pattern := range setFiles {
		for _, path := range host.glob(pattern) {
			text, _ := textfile.Read(path)
			have += string(text) + "\n"
		}
	}
	seen := map[string]bool{}
	for _, t := range saved.tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for _, set := range setsOf(r) {
					if !seen[set] && !strings.Contains("\n"+have, "\ncreate "+set+" ") && !host.there("/etc/firewalld/ipsets/"+set+".xml") {
						needs = append(needs, fmt.Sprintf("nothing here is known to restore the ipset %s before the rules, which %s of %s needs: %s", set, r.String(), saved.variant, what))
					}
					seen[set] = true
				}
			}
		}
	}
	return needs
}

// setsOf are the ipsets that a rule asks.
func setsOf(r rules.Rule) (sets []string) {
	words := strings.Fields(r.String())
	for i, w := range words[:len(words)-1] {
		if w == "--match-set" {
			sets = append(sets, words[i+1])
		}
	}
	return sets
}
