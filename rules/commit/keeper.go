package commit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"nattui/rules"
)

// keeper is what restores rules when a host starts.
type keeper struct {
	method string
	// files are the two files of a program that restores one backend, by family;
	// "" where nattui does it itself.
	files [2]string
	unit  bool // a systemd unit of nattui's own
	rc    bool // an OpenRC service of nattui's own
	// flushedByNft is set where the nftables service may come later.
	flushedByNft bool
	notes        []string
}

// ownDirectory holds what nattui's own unit or service restores.
const ownDirectory = "/etc/nattui"

// known are the programs that restore rules at boot, told by their files, in the
// order in which they are looked for.
var known = []struct {
	method string
	signs  []string // one of them is there
	files  [2]string
}{
	{
		"netfilter-persistent",
		[]string{"/usr/sbin/netfilter-persistent", "/usr/share/netfilter-persistent/plugins.d"},
		[2]string{"/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
	},
	{
		"iptables-services",
		[]string{"/usr/libexec/iptables/iptables.init", "/etc/sysconfig/iptables"},
		[2]string{"/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables"},
	},
	{
		"the unit iptables.service",
		[]string{"/usr/lib/systemd/system/iptables.service"},
		[2]string{"/etc/iptables/iptables.rules", "/etc/iptables/ip6tables.rules"},
	},
	{
		"the OpenRC service iptables",
		[]string{"/etc/init.d/iptables"},
		[2]string{"/var/lib/iptables/rules-save", "/var/lib/ip6tables/rules-save"},
	},
}

// findKeeper finds out what restores rules on the host whose files are at root.
func findKeeper(root string) (keeper, error) {
	there := func(path string) bool {
		_, err := os.Lstat(filepath.Join("/", root, path))
		return err == nil
	}
	for _, k := range known {
		for _, sign := range k.signs {
			if !there(sign) {
				continue
			}
			found := keeper{method: k.method, files: k.files}
			if strings.Contains(k.method, "OpenRC") {
				found.openrcFiles(root)
			}
			return found, nil
		}
	}
	switch {
	case there("/run/systemd/system"), there("/usr/lib/systemd/systemd"), there("/lib/systemd/systemd"):
		return keeper{method: "the unit nattui.service", unit: true, flushedByNft: true}, nil
	case there("/sbin/openrc-run"), there("/sbin/openrc"):
		return keeper{method: "the OpenRC service nattui", rc: true, flushedByNft: true}, nil
	}
	return keeper{
		method: ownDirectory,
		notes:  []string{"nothing on this host is known to restore rules at boot: run " + ownDirectory + "/restore at boot"},
	}, nil
}

// openrcFiles reads where the OpenRC services keep their rules, if not at the
// usual place.
func (k *keeper) openrcFiles(root string) {
	for i, service := range []string{"iptables", "ip6tables"} {
		text, err := os.ReadFile(filepath.Join("/", root, "/etc/conf.d", service))
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
	if k.files[0] == "" {
		return fmt.Sprintf("%s/%s.%s", ownDirectory, variant.Family, variant.Backend), true
	}
	return k.files[variant.Family], variant.Backend == standby
}

// extra are the files apart from the rules: a script that restores them, and what
// has it run.
func (k keeper) extra(own map[rules.Variant][]rules.Table, o SaveOptions) []File {
	if k.files[0] != "" {
		return nil
	}
	files := []File{{Path: ownDirectory + "/restore", New: []byte(restoreScript(own, o)), Mode: 0o755}}
	switch {
	case k.unit:
		files = append(files,
			File{Path: "/etc/systemd/system/nattui.service", New: []byte(unitText(o.Managers)), Mode: 0o644},
			File{Path: "/etc/systemd/system/multi-user.target.wants/nattui.service", New: []byte("/etc/systemd/system/nattui.service"), Link: true})
	case k.rc:
		files = append(files,
			File{Path: "/etc/init.d/nattui", New: []byte(serviceText), Mode: 0o755},
			File{Path: "/etc/runlevels/default/nattui", New: []byte("/etc/init.d/nattui"), Link: true})
	}
	return files
}

// restoreScript runs the restore program of each variant that has rules. It adds
// them to what is there, and only once after a start of the kernel.
func restoreScript(own map[rules.Variant][]rules.Table, o SaveOptions) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Saved by nattui: restores the administrator's own rules at boot.\n" +
		"# Rules that other programs added are kept.\n" +
		"done=/run/nattui.restored\n[ -e \"$done\" ] && exit 0\nstatus=0\n")
	for _, b4 := range rules.Backends {
		for _, f := range rules.Families {
			variant := rules.Variant{Family: f, Backend: b4}
			if len(own[variant]) == 0 {
				continue
			}
			program := o.Programs[variant]
			if program == "" {
				program = f.Command() + "-" + b4.String() + "-restore"
			}
			fmt.Fprintf(&b, "%s --noflush -w 30 < %s/%s.%s || status=1\n", rules.ShellLine([]string{program}), ownDirectory, f, b4)
		}
	}
	b.WriteString("[ $status = 0 ] && : > \"$done\"\nexit $status\n")
	return b.String()
}

// unitText is nattui's own unit. It comes before programs that put their rules in
// front, and after those that begin with a clean table.
func unitText(managers []string) string {
	after := "systemd-sysctl.service nftables.service"
	for _, m := range managers {
		if m == "ufw" || m == "firewalld" {
			after += " " + m + ".service"
		}
	}
	return `[Unit]
Description=The administrator's own NAT and firewall rules, saved by nattui
Documentation=man:nattui(1)
DefaultDependencies=no
After=local-fs.target ` + after + `
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
}

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
