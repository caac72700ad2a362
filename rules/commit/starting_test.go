package commit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/rules"
)

// hostOf is a host with these files; "PATH -> TARGET" is a link, "PATH!" an empty file.
func hostOf(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		name, target, link := strings.Cut(f, " -> ")
		name, empty := strings.CutSuffix(name, "!")
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case link:
			err = errors.Join(err, os.Symlink(target, path))
		case empty:
			err = errors.Join(err, os.WriteFile(path, nil, 0o644))
		default:
			err = errors.Join(err, os.WriteFile(path, []byte("text\n"), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestWhoRestores: whoever is installed and does not run when the host starts is not named as the one who restores.
func TestWhoRestores(t *testing.T) {
	const (
		systemd = "/usr/lib/systemd/systemd"
		np      = "/usr/sbin/netfilter-persistent"
		plug4   = "/usr/share/netfilter-persistent/plugins.d/15-ip4tables"
		plug6   = "/usr/share/netfilter-persistent/plugins.d/25-ip6tables"
		unit    = "/lib/systemd/system/netfilter-persistent.service"
		wants   = "/etc/systemd/system/multi-user.target.wants/"
		openrc  = "/sbin/openrc-run"
		redhat  = "/usr/libexec/iptables/iptables.init"
		ipt     = "/usr/lib/systemd/system/iptables.service"
		ip6t    = "/usr/lib/systemd/system/ip6tables.service"
	)
	for name, test := range map[string]struct {
		files        []string
		method, note string
		v4, v6       string
	}{
		"enabled":        {[]string{systemd, np, plug4, plug6, unit, wants + "netfilter-persistent.service -> " + unit}, "netfilter-persistent", "", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
		"disabled":       {[]string{systemd, np, plug4, plug6, unit}, "the unit nattui.service", "netfilter-persistent is disabled", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"masked":         {[]string{systemd, np, plug4, plug6, unit, wants + "netfilter-persistent.service -> " + unit, "/etc/systemd/system/netfilter-persistent.service -> /dev/null"}, "the unit nattui.service", "netfilter-persistent is masked", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"masked, empty":  {[]string{systemd, np, plug4, plug6, unit, wants + "netfilter-persistent.service -> " + unit, "/etc/systemd/system/netfilter-persistent.service!"}, "the unit nattui.service", "netfilter-persistent is masked", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"remains":        {[]string{systemd, "/usr/share/netfilter-persistent/plugins.d/15-ip4tables"}, "the unit nattui.service", "netfilter-persistent is not installed", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"by an alias":    {[]string{systemd, np, plug4, plug6, unit, "/etc/systemd/system/iptables.service -> " + unit, wants + "iptables.service -> " + unit}, "netfilter-persistent", "", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
		"no plugins":     {[]string{systemd, np, unit, wants + "netfilter-persistent.service -> " + unit}, "the unit nattui.service", "netfilter-persistent is enabled without a plugin", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"one plugin":     {[]string{systemd, np, plug4, unit, wants + "netfilter-persistent.service -> " + unit}, "netfilter-persistent and the unit nattui.service", "restores nothing at boot, no IPv6 rules", "/etc/iptables/rules.v4", "/etc/nattui/ipv6.nft"},
		"for rescue":     {[]string{systemd, np, plug4, plug6, unit, "/etc/systemd/system/rescue.target.wants/netfilter-persistent.service -> " + unit}, "the unit nattui.service", "disabled", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"by one that is": {[]string{systemd, np, plug4, plug6, unit, "/etc/systemd/system/ssh.service.requires/netfilter-persistent.service -> " + unit, "/lib/systemd/system/ssh.service", wants + "ssh.service -> x"}, "netfilter-persistent", "", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
		"by one not":     {[]string{systemd, np, plug4, plug6, unit, "/etc/systemd/system/ssh.service.requires/netfilter-persistent.service -> " + unit, "/lib/systemd/system/ssh.service"}, "the unit nattui.service", "disabled", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"generated":      {[]string{systemd, np, plug4, plug6, "/run/systemd/generator.late/netfilter-persistent.service", "/run/systemd/generator.late/multi-user.target.wants/netfilter-persistent.service -> ../x"}, "netfilter-persistent", "", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
		"SysV":           {[]string{np, plug4, plug6, "/etc/init.d/netfilter-persistent", "/etc/rcS.d/S14netfilter-persistent -> ../init.d/netfilter-persistent"}, "netfilter-persistent", "", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
		"SysV, stopped":  {[]string{np, plug4, plug6, "/etc/init.d/netfilter-persistent", "/etc/rc2.d/K01netfilter-persistent -> ../init.d/netfilter-persistent"}, "/etc/nattui", "disabled", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"no init system": {[]string{np}, "netfilter-persistent", "not known whether netfilter-persistent runs", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6"},
		"one family":     {[]string{systemd, redhat, ipt, ip6t, wants + "iptables.service -> " + ipt}, "iptables-services and the unit nattui.service", "ip6tables is disabled", "/etc/sysconfig/iptables", "/etc/nattui/ipv6.nft"},
		"OpenRC":         {[]string{openrc, "/etc/init.d/iptables", "/etc/init.d/ip6tables", "/etc/runlevels/default/iptables -> x", "/etc/runlevels/boot/ip6tables -> x"}, "the OpenRC service iptables", "", "/var/lib/iptables/rules-save", "/var/lib/ip6tables/rules-save"},
		"OpenRC, none":   {[]string{openrc, "/etc/init.d/iptables", "/etc/init.d/ip6tables"}, "the OpenRC service nattui", "iptables is disabled", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
		"own, masked":    {[]string{systemd, "/etc/systemd/system/nattui.service -> /dev/null"}, "the unit nattui.service", "nattui.service is masked", "/etc/nattui/ipv4.nft", "/etc/nattui/ipv6.nft"},
	} {
		k, err := findKeeper(hostOf(t, test.files...), nil)
		v4, _ := k.path(rules.Variant{Family: rules.IPv4, Backend: rules.NFT}, rules.NFT)
		v6, _ := k.path(rules.Variant{Family: rules.IPv6, Backend: rules.NFT}, rules.NFT)
		notes := strings.Join(k.notes, "\n")
		if err != nil || k.method != test.method || v4 != test.v4 || v6 != test.v6 {
			t.Errorf("%s: %s keeps %s and %s, %v", name, k.method, v4, v6, err)
		}
		if !strings.Contains(notes, test.note) || test.note == "" && notes != "" {
			t.Errorf("%s: the notes are %q", name, notes)
		}
	}
}

// TestSystemdThatDoesNotRun: its program alone starts nothing, as in a container that has it.
func TestSystemdThatDoesNotRun(t *testing.T) {
	const program, running = "/usr/lib/systemd/systemd", "/run/systemd/system/unit"
	for _, c := range []struct {
		files []string
		lacks bool
	}{{nil, false}, {[]string{program}, true}, {[]string{program, running}, false}} {
		if got := hostFiles(hostOf(t, c.files...)).lacksInit(); got != c.lacks {
			t.Errorf("%v: %v", c.files, got)
		}
	}
	if hostFiles(hostOf(t, program)).isStrange() {
		t.Error("another host's files tell nothing of what runs here")
	}
}
