package commit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestRestorePlaces saves rules among those of another program, takes any of them away, and has them back where they
// stood, each as often as it was saved.
func TestRestorePlaces(t *testing.T) {
	const whole = `*filter
:INPUT_direct - [0:0]
:FORWARD_ZONES - [0:0]
:MINE - [0:0]
-A FORWARD -s 10.0.0.1/32 -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -s 10.0.0.2/32 -j MINE
-A FORWARD -s 10.0.0.2/32 -j MINE
-A FORWARD -s 10.0.0.3/32 -j ACCEPT
-A FORWARD -j FORWARD_ZONES
-A FORWARD -s 10.0.0.4/32 -j ACCEPT
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -s 10.0.0.5/32 -j LOG
-A MINE -s 10.0.0.6/32 -j ACCEPT
COMMIT
`
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		if b.at.Family != 0 {
			return
		}
		b.load(whole)
		want := lines(b.state())
		whole := b.state()
		if _, saving := b.save("firewalld"); saving.Kept != 7 || saving.Left["firewalld"] != 3 {
			b.Errorf("saved: %+v", saving)
		}
		again := func(what string) {
			b.Helper()
			b.restore()
			b.restore()
			if got := b.state(); got != whole {
				b.Errorf("%s:\n%s\nwant\n%s", what, got, strings.Join(want, ""))
			}
		}
		again("with nothing missing")
		b.iptables("-D", "FORWARD", "-s", "10.0.0.2", "-j", "MINE")
		again("with one of two equal rules missing")
		b.iptables("-D", "FORWARD", "-s", "10.0.0.3", "-j", "ACCEPT")
		b.iptables("-D", "FORWARD", "-s", "10.0.0.1", "-j", "ACCEPT")
		b.iptables("-D", "FORWARD", "-s", "10.0.0.5", "-j", "LOG")
		again("with some missing")
		for _, rest := range []string{"10.0.0.1 -j ACCEPT", "10.0.0.2 -j MINE", "10.0.0.2 -j MINE", "10.0.0.3 -j ACCEPT", "10.0.0.4 -j ACCEPT", "10.0.0.5 -j LOG"} {
			b.iptables(append([]string{"-D", "FORWARD", "-s"}, strings.Fields(rest)...)...)
		}
		b.iptables("-F", "MINE")
		b.iptables("-X", "MINE")
		b.restore()
		if got := lines(b.state()); strings.Join(got, "") != strings.Join(want, "") {
			b.Errorf("with all missing:\n%s\nwant\n%s", strings.Join(got, ""), strings.Join(want, ""))
		}
		now := b.state()
		for _, pair := range [][2]string{{"10.0.0.3/32", "-j FORWARD_ZONES"}, {"-j FORWARD_ZONES", "10.0.0.4/32"}, {"10.0.0.4/32", "-j REJECT"}, {"-j REJECT", "10.0.0.5/32"}} {
			if strings.Index(now, pair[0]) > strings.Index(now, pair[1]) {
				b.Errorf("%s stands behind %s:\n%s", pair[0], pair[1], now)
			}
		}
	})
}

// TestNothingIsReplacedByLess: a save that would lose rules is refused until somebody agrees to it.
func TestNothingIsReplacedByLess(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(ours)
		b.save()
		path := "/etc/nattui/ipv4." + b.at.Backend.String()
		before := b.file(path)
		b.clear()
		var fewer *commit.Fewer
		if _, _, err := b.c.Save(context.Background(), b.options()); !errors.As(err, &fewer) || !strings.Contains(err.Error(), "holds 5 rules of yours and would hold 0") {
			b.Errorf("the error is %v", err)
		}
		if b.file(path) != before {
			b.Error("the file was replaced")
		}
		o := b.options()
		o.Replace = true
		if _, _, err := b.c.Save(context.Background(), o); err != nil || strings.Contains(b.file(path), "-A") {
			b.Errorf("agreed to: %v\n%s", err, b.file(path))
		}
	})
}

// TestNothingIsReplacedByOthers: as many rules as are saved are no reason to lose those, unless nattui has removed them.
func TestNothingIsReplacedByOthers(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load("*nat\n-A POSTROUTING -s 10.1.0.0/16 -j MASQUERADE\n-A POSTROUTING -s 10.2.0.0/16 -j MASQUERADE\nCOMMIT\n")
		b.save()
		r, err := rules.Parse("-A POSTROUTING -s 10.1.0.0/16 -j MASQUERADE")
		if err != nil {
			b.Fatal(err)
		}
		b.run(rules.Single(rules.Change{Op: rules.Delete, Backend: b.at.Backend, Family: b.at.Family, Table: "nat", Chain: "POSTROUTING", At: 1, Rule: r}), commit.Options{})
		b.iptables("-t", "nat", "-D", "POSTROUTING", "1") // by hand
		for n := range 2 {
			b.iptables("-t", "nat", "-A", "POSTROUTING", "-s", fmt.Sprintf("10.%d.0.0/16", n+4), "-j", "MASQUERADE")
		}
		var fewer *commit.Fewer
		_, _, err = b.c.Save(context.Background(), b.options())
		if !errors.As(err, &fewer) || !strings.Contains(err.Error(), "holds 1 rule of yours that nattui did not remove, and would lose: the first is nat -A POSTROUTING -s 10.2.0.0/16 -j MASQUERADE") {
			b.Errorf("the error is %v", err)
		}
		if drift, err := b.c.Drift(b.options()); err != nil || len(drift.Fewer) != 1 || len(drift.Saved) != 2 {
			b.Errorf("drift: %+v, %v", drift, err)
		}
		b.iptables("-t", "nat", "-A", "POSTROUTING", "-s", "10.2.0.0/16", "-j", "MASQUERADE")
		if _, _, err := b.c.Save(context.Background(), b.options()); err != nil {
			b.Errorf("what nattui has removed is not saved any more, and that is no loss: %v", err)
		}
	})
}

// TestMadeElsewhere: rules that wg-quick and interfaces(5) make are theirs.
func TestMadeElsewhere(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		for path, text := range map[string]string{
			"/etc/wireguard/wg0.conf":   "[Interface]\nAddress = 10.6.0.1/24\nPostUp = iptables -A FORWARD -i %i -j ACCEPT; iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE\nPostDown = iptables -D FORWARD -i %i -j ACCEPT\n",
			"/etc/network/interfaces":   "auto lan0\niface lan0 inet static\n\taddress 192.168.7.1/24\n\tpost-up iptables -t nat -A PREROUTING -i $IFACE -p tcp --dport 80 -j REDIRECT --to-ports 3128 || true\n",
			"/etc/network/if-up.d/nat":  "#!/bin/sh\nset -e\niptables -A INPUT -s 10.9.0.0/16 -j ACCEPT\n",
			"/etc/ufw/before.rules":     "*nat\n-A POSTROUTING -s 10.8.0.0/16 -j MASQUERADE\nCOMMIT\n", // not enabled
			"/etc/systemd/system/other": "iptables -A INPUT -s 10.7.0.0/16 -j ACCEPT\n",
			"/etc/rc.local":             "#!/bin/sh\niptables -A INPUT -s 10.5.0.0/16 -j ACCEPT\nexit 0\n",
			"/sbin/ifup":                "#!/bin/sh\n",
		} {
			path = filepath.Join(b.root, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
				b.Fatal(err)
			}
		}
		b.load("*nat\n-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128\n-A POSTROUTING -o wan0 -j MASQUERADE\n-A POSTROUTING -s 10.8.0.0/16 -j MASQUERADE\nCOMMIT\n" +
			"*filter\n-A INPUT -s 10.9.0.0/16 -j ACCEPT\n-A INPUT -s 10.5.0.0/16 -j ACCEPT\n-A INPUT -s 10.7.0.0/16 -j ACCEPT\n-A FORWARD -i wg0 -j ACCEPT\nCOMMIT\n")
		_, saving := b.save()
		if saving.Kept != 2 || saving.Left["wg-quick"] != 2 || saving.Left["ifupdown"] != 2 || saving.Left["rc.local"] != 1 {
			b.Errorf("saved: %d, left %v\n%s", saving.Kept, saving.Left, b.file("/etc/nattui/ipv4."+b.at.Backend.String()))
		}
		// A script that may not be executed makes nothing, nor does ifupdown where it is not installed.
		if err := errors.Join(os.Chmod(filepath.Join(b.root, "/etc/rc.local"), 0o644), os.Remove(filepath.Join(b.root, "/sbin/ifup"))); err != nil {
			b.Fatal(err)
		}
		if _, saving = b.save(); saving.Kept != 5 || saving.Left["ifupdown"]+saving.Left["rc.local"] != 0 {
			b.Errorf("without them: %d, left %v", saving.Kept, saving.Left)
		}
	})
}
