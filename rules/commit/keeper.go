package commit

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/textfile"
)

// keeper is what restores rules when a host starts.
type keeper struct {
	method string
	// files are the two files of a program that restores one backend, by family;
	// "" where nattui does it itself.
	files  [2]string
	idle   []idleKeeper
	native bool // nattui's own native table is kept
	unit   bool // a systemd unit of nattui's own
	masked bool // somebody has masked that
	rc     bool // an OpenRC service of nattui's own
	// flushedByNft is set where the nftables service may come later.
	flushedByNft bool
	notes        []string
}

// idleKeeper is a program that would restore rules, and does not when the host starts.
type idleKeeper struct {
	family  rules.Family
	service string
	file    string
	why     starting
}

// foreign reports that a program of the host restores a part at least.
func (k keeper) foreign() bool { return k.files[0] != "" || k.files[1] != "" }

// ownDirectory holds what nattui's own unit or service restores.
const ownDirectory = "/etc/nattui"

// Restores tells whether what a Saving or a Drift names as its method is a program that is known to restore rules at boot, and not
// the directory alone that somebody has to see to.
func Restores(method string) bool { return method != ownDirectory }

// known are the programs that restore rules at boot, told by their files, in the
// order in which they are looked for.
var known = []struct {
	method   string
	signs    []string // one of them is there
	services [2]string
	files    [2]string
	plugins  [2]string // without which the service restores nothing of a family; "" where there are none
}{
	{
		"netfilter-persistent",
		[]string{"/usr/sbin/netfilter-persistent", "/usr/share/netfilter-persistent/plugins.d"},
		[2]string{"netfilter-persistent", "netfilter-persistent"},
		[2]string{"/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
		[2]string{"/usr/share/netfilter-persistent/plugins.d/*ip4tables", "/usr/share/netfilter-persistent/plugins.d/*ip6tables"},
	},
	{
		"iptables-services",
		[]string{"/usr/libexec/iptables/iptables.init", "/etc/sysconfig/iptables"},
		[2]string{"iptables", "ip6tables"},
		[2]string{"/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables"},
		[2]string{},
	},
	{
		"the unit iptables.service",
		[]string{"/usr/lib/systemd/system/iptables.service"},
		[2]string{"iptables", "ip6tables"},
		[2]string{"/etc/iptables/iptables.rules", "/etc/iptables/ip6tables.rules"},
		[2]string{},
	},
	{
		"the OpenRC service iptables",
		[]string{"/etc/init.d/iptables"},
		[2]string{"iptables", "ip6tables"},
		[2]string{"/var/lib/iptables/rules-save", "/var/lib/ip6tables/rules-save"},
		[2]string{},
	},
}

// findKeeper finds out what restores rules on the host whose files are at root, beside the programs that make rules
// by themselves. What is not started with the host restores nothing. What firewalld flushes as it starts has to be restored
// behind it, whoever restores it before.
func findKeeper(root string, managers []string) (keeper, error) {
	host := hostFiles(root)
	own := keeper{
		method: ownDirectory,
		notes:  []string{"nothing on this host is known to restore rules at boot: run " + ownDirectory + "/restore at boot"},
	}
	switch {
	case host.systemd():
		own = keeper{method: "the unit nattui.service", unit: true, flushedByNft: true}
		if own.masked = host.starts("nattui") == masked; own.masked {
			own.notes = []string{"nattui.service is masked, and would not restore what is saved: run  systemctl unmask nattui.service"}
		}
		if host.isStrange() {
			own.notes = append(own.notes, strangeHost)
		}
	case host.openrc():
		own = keeper{method: "the OpenRC service nattui", rc: true, flushedByNft: true}
	}
	for _, k := range known {
		if !slices.ContainsFunc(k.signs, host.there) {
			continue
		}
		found := keeper{method: k.method, files: k.files}
		if strings.Contains(k.method, "OpenRC") {
			found.openrcFiles(root)
		}
		found.leaveIdle(host, k.services, k.plugins)
		switch {
		case !found.foreign():
			own.idle, own.notes = append(own.idle, found.idle...), append(own.notes, found.notes...)
			continue
		case len(found.idle) > 0:
			found.unit, found.rc, found.masked, found.notes = own.unit, own.rc, own.masked, append(found.notes, own.notes...)
			found.method += " and " + own.method
		case own.unit && slices.Contains(managers, "firewalld"):
			found.unit, found.method = true, found.method+" and the unit nattui.service"
		}
		return found, nil
	}
	return own, nil
}

// leaveIdle takes the files from a keeper whose services are not started with the host.
func (k *keeper) leaveIdle(host hostFiles, services, plugins [2]string) {
	for _, f := range rules.Families {
		why := host.starts(services[f])
		if why == started && plugins[f] != "" && len(host.glob(plugins[f])) == 0 {
			why = hollow
		}
		switch why {
		case started:
		case notKnown:
			k.notes = append(k.notes, "it is not known whether "+services[f]+" runs at boot: see to it")
		default:
			k.idle = append(k.idle, idleKeeper{f, services[f], k.files[f], why})
			note := fmt.Sprintf("%s is %s and restores nothing at boot", services[f], why)
			if why == hollow || services[rules.IPv4] != services[rules.IPv6] {
				note += ", no " + f.Title() + " rules"
			}
			k.notes = append(k.notes, note)
			k.files[f] = ""
		}
	}
	k.notes = slices.Compact(k.notes)
}

// openrcFiles reads where the OpenRC services keep their rules, if not at the
// usual place.
func (k *keeper) openrcFiles(root string) {
	for i, service := range []string{"iptables", "ip6tables"} {
		text, err := textfile.Read(filepath.Join("/", root, "/etc/conf.d", service))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if value = strings.Trim(value, `"'`); name == "IPTABLES_SAVE" || name == "IP6TABLES_SAVE" {
				if filepath.IsAbs(value) {
					k.files[i] = value
				}
			}
		}
	}
}

// path is the file that a variant's rules are kept in; false where they cannot be.
func (k keeper) path(variant rules.Variant, standby rules.Backend) (string, bool) {
	if k.files[variant.Family] == "" {
		return fmt.Sprintf("%s/%s.%s", ownDirectory, variant.Family, variant.Backend), true
	}
	return k.files[variant.Family], variant.Backend == standby
}

// extra are the files apart from the rules: a script that restores them, and what
// has it run.
func (k keeper) extra(own map[rules.Variant][]rules.Table, o SaveOptions) []File {
	if k.foreign() && !k.unit && !k.rc {
		return nil
	}
	files := []File{{Path: ownDirectory + "/restore", New: []byte(k.restoreScript(own, o)), Mode: 0o755}}
	switch {
	case k.masked:
	case k.unit:
		files = append(files,
			File{Path: "/etc/systemd/system/nattui.service", New: []byte(unitText), Mode: 0o644},
			File{Path: "/etc/systemd/system/multi-user.target.wants/nattui.service", New: []byte("/etc/systemd/system/nattui.service"), Link: true})
	case k.rc:
		files = append(files,
			File{Path: "/etc/init.d/nattui", New: []byte(serviceText), Mode: 0o755},
			File{Path: "/etc/runlevels/default/nattui", New: []byte("/etc/init.d/nattui"), Link: true})
	}
	return files
}

// restoreScript has nattui restore what is missing. Where nattui is not there any more, the restore programs add what is
// saved, without looking at what there is.
func (k keeper) restoreScript(own map[rules.Variant][]rules.Table, o SaveOptions) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Saved by nattui: restores the administrator's own rules at boot.\n# Rules that other programs added are kept.\n")
	if o.Nattui != "" {
		program := rules.ShellWord(o.Nattui)
		fmt.Fprintf(&b, "[ -x %s ] && exec %s restore --boot\n", program, program)
		fmt.Fprintf(&b, "echo 'nattui is not there any more: its rules are added without looking at those that are there' >&2\n")
	}
	b.WriteString(restoreFunction)
	for _, backend := range rules.Backends {
		for _, f := range rules.Families {
			variant := rules.Variant{Family: f, Backend: backend}
			path, ok := k.path(variant, o.Standby)
			if len(own[variant]) == 0 || !ok {
				continue
			}
			program := o.Programs[variant]
			if program == "" {
				program = f.Command() + "-" + backend.String() + "-restore"
			}
			fmt.Fprintf(&b, "restore %s %s\n", path, rules.ShellLine([]string{program}))
		}
	}
	if k.native {
		fmt.Fprintf(&b, "[ ! -s %s ] || nft list table inet nattui >/dev/null 2>&1 || nft -f %s || status=1\n", nativePath, nativePath)
	}
	b.WriteString("exit $status\n")
	return b.String()
}

// restoreFunction restores a file; where it is refused, each line by itself, as one must not lose the others, but for those
// that take packets away: what lets you in may be what was refused.
const restoreFunction = `status=0
restore() {
	grep -v 'ufw6*-user-' "$1" | "$2" --noflush -w 30 && return
	status=1
	while IFS= read -r line; do
		case $line in
		'*'*) table=$line ;;
		:*' DROP '* | -A*' -j DROP' | -A*' -j REJECT'*) echo "not set: $line" >&2 ;;
		:* | -A*) printf '%s\n%s\nCOMMIT\n' "$table" "$line" | "$2" --noflush -w 30 ;;
		esac
	done <<LINES
$(grep -v 'ufw6*-user-' "$1")
LINES
}
`

// unitText is nattui's own unit. It comes before programs that put their rules in front, and after those that begin with
// a clean table: ufw and nftables are done when they are started, for firewalld nattui itself waits.
const unitText = `[Unit]
Description=The administrator's own NAT and firewall rules, saved by nattui
Documentation=man:nattui(8)
DefaultDependencies=no
After=local-fs.target systemd-sysctl.service ipset.service nftables.service netfilter-persistent.service ufw.service firewalld.service
Before=network-pre.target docker.service
Wants=network-pre.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=` + ownDirectory + `/restore

[Install]
WantedBy=multi-user.target
`

// WatchUnit is the unit that puts rules back whenever firewalld or ufw makes its own anew; watchLink has it start at boot.
const (
	WatchUnit = "/etc/systemd/system/nattui-watch.service"
	watchLink = "/etc/systemd/system/multi-user.target.wants/nattui-watch.service"
)

func watchText(program string) string {
	return `[Unit]
Description=Restores the rules that nattui saved when firewalld or ufw reloads
Documentation=man:nattui(8)
After=nattui.service firewalld.service ufw.service
StartLimitIntervalSec=0

[Service]
ExecStart=` + program + ` restore --watch
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
`
}

// flushed counts the rules that firewalld or ufw removes whenever it makes its own anew: firewalld empties the tables
// of iptables, ufw its own chains.
func flushed(tables []rules.Table, managers []string) (n int) {
	for _, t := range tables {
		for _, c := range t.Chains {
			if slices.Contains(managers, "firewalld") || rules.UserChain(c.Name) {
				n += len(c.Rules)
			}
		}
	}
	return n
}

// addWatch adds the unit that watches, if it is wanted or there already, and says where one would be of use.
func (c *Committer) addWatch(s *Saving, o SaveOptions, where keeper) error {
	there := c.hostFile(WatchUnit) != ""
	s.Watched = o.Watch || there && !o.Unwatch
	switch systemd := where.unit || c.onSystemd(); {
	case o.Watch && (!systemd || o.Nattui == ""):
		return fmt.Errorf("nattui save --watch makes a systemd unit, and this host has no systemd")
	case s.Watched && o.Nattui != "" && systemd:
		return errors.Join(s.add(c.root, WatchUnit, []byte(watchText(o.Nattui)), 0o644, false, true),
			s.add(c.root, watchLink, []byte(WatchUnit), 0, true, true))
	case there && o.Unwatch:
		s.Files = append(s.Files,
			File{Path: WatchUnit, Old: []byte(c.hostFile(WatchUnit)), Existed: true, Mode: 0o644, Remove: true},
			File{Path: watchLink, Old: []byte(WatchUnit), Existed: true, Link: true, Remove: true})
	case s.Flushed > 0 && systemd:
		s.Notes = append(s.Notes, fmt.Sprintf("firewalld or ufw may remove %s of these when it reloads: nattui save --watch installs a unit that restores them", rules.Plural(s.Flushed, "rule")))
	case s.Flushed > 0:
		s.Notes = append(s.Notes, fmt.Sprintf("firewalld or ufw may remove %s of these when it reloads: run nattui restore then", rules.Plural(s.Flushed, "rule")))
	}
	return nil
}

// onSystemd reports that systemd starts the host.
func (c *Committer) onSystemd() bool { return hostFiles(c.root).systemd() }

const serviceText = `#!/sbin/openrc-run
description="The administrator's own NAT and firewall rules, saved by nattui"

depend() {
	need localmount
	after sysctl nftables
	before net docker
}

start() {
	ebegin "Restoring NAT and firewall rules"
	` + ownDirectory + `/restore
	eend $?
}
`
