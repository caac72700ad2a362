package commit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestDisabledKeeper saves where netfilter-persistent restores, and disables it, and nattui's own unit after it: each time
// it is said that nobody restores what is saved, saving again has it restored, and what is in the files can still be had.
func TestDisabledKeeper(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd", "/usr/sbin/netfilter-persistent", "/lib/systemd/system/netfilter-persistent.service", "/usr/share/netfilter-persistent/plugins.d/15-ip4tables", "/usr/share/netfilter-persistent/plugins.d/25-ip6tables"}, func(b *booting) {
		unit, wants := filepath.Join(b.root, "/lib/systemd/system/netfilter-persistent.service"), filepath.Join(b.root, "/etc/systemd/system/multi-user.target.wants")
		link := filepath.Join(wants, "netfilter-persistent.service")
		if err := errors.Join(os.WriteFile(unit, []byte("[Unit]\n"), 0o644), os.MkdirAll(wants, 0o755), os.Symlink(unit, link)); err != nil {
			b.Fatal(err)
		}
		b.load(ours)
		want := b.state()
		if _, saving := b.save(); saving.Method != "netfilter-persistent" {
			b.Fatalf("saved by %s", saving.Method)
		}
		idle := func(say string) {
			b.Helper()
			d, err := b.c.Drift(b.options())
			if got := strings.Join(d.Idle, "\n"); err != nil || !strings.Contains(got, say) || say == "" && got != "" {
				b.Errorf("nobody restores: %q, %v; want %q", got, err, say)
			}
		}
		idle("")
		if err := os.Remove(link); err != nil {
			b.Fatal(err)
		}
		idle("/etc/iptables/rules.v4 holds 5 rules, and netfilter-persistent, which would restore them, is disabled")
		b.clear()
		o := commit.SaveOptions{Standby: b.at.Backend}
		if plan, _, err := b.c.RestorePlan(context.Background(), o, []rules.Variant{b.at}); err != nil || len(plan.Changes()) < 6 {
			b.Errorf("by hand %+v would be restored, %v", plan, err)
		}
		b.load(ours)
		_, saving := b.save()
		if saving.Method != "the unit nattui.service" || !strings.Contains(strings.Join(saving.Notes, "\n"), "netfilter-persistent is disabled") {
			b.Errorf("saved by %s: %q", saving.Method, saving.Notes)
		}
		idle("")
		b.clear()
		b.restore()
		b.same("after a start", b.state(), want)
		if err := os.Remove(filepath.Join(wants, "nattui.service")); err != nil {
			b.Fatal(err)
		}
		idle("the service nattui, which restores what is saved, is disabled")
		if e, _ := b.save(); len(e.Files) == 0 {
			b.Error("saving does not enable it")
		}
		idle("")
		script := filepath.Join(b.root, "/etc/nattui/restore")
		if err := os.Remove(script); err != nil {
			b.Fatal(err)
		}
		idle("/etc/nattui/restore, by which the service nattui restores what is saved, is gone")
		b.save()
		idle("")
		// Masked by hand: the rules are saved, and that they stay away is said.
		unitFile := filepath.Join(b.root, "/etc/systemd/system/nattui.service")
		if err := errors.Join(os.Remove(unitFile), os.Symlink("/dev/null", unitFile)); err != nil {
			b.Fatal(err)
		}
		b.iptables("-t", "nat", "-A", "POSTROUTING", "-s", "10.3.0.0/16", "-j", "MASQUERADE")
		if _, saving := b.save(); !strings.Contains(strings.Join(saving.Notes, "\n"), "nattui.service is masked") {
			b.Errorf("the notes are %q", saving.Notes)
		}
		idle("the service nattui, which restores what is saved, is masked")
	})
}

// TestOthersRestore: a file that people write themselves, and that has rules restored at boot, is named.
func TestOthersRestore(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		set := &rules.Ruleset{Family: b.at.Family, Backend: b.at.Backend}
		for text, want := range map[string]int{"# iptables-restore < /etc/old\nexit 0\n": 0, "iptables-restore < /etc/iptables.up.rules\n": 1} {
			path := filepath.Join(b.root, "/etc/rc.local")
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755)); err != nil {
				b.Fatal(err)
			}
			d, err := b.c.Drift(commit.SaveOptions{Standby: b.at.Backend, Sets: map[rules.Variant]*rules.Ruleset{b.at: set}})
			if err != nil || len(d.Others) != want || want == 1 && !strings.HasPrefix(d.Others[0], "/etc/rc.local runs iptables-restore") {
				b.Errorf("%q: %q, %v", text, d.Others, err)
			}
		}
	})
}

// TestSetsThatNobodyRestores: a rule that asks an ipset is lost at boot unless the set is there before.
func TestSetsThatNobodyRestores(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		set := &rules.Ruleset{Family: b.at.Family, Backend: b.at.Backend}
		set.Tables, _ = rules.ReadMost("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set ops src -j ACCEPT\nCOMMIT\n")
		o := commit.SaveOptions{Standby: b.at.Backend, Sets: map[rules.Variant]*rules.Ruleset{b.at: set}}
		for _, file := range []string{"", "/etc/iptables/ipsets"} {
			if file != "" {
				path := filepath.Join(b.root, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("create ops hash:ip family inet\n"), 0o600)); err != nil {
					b.Fatal(err)
				}
			}
			saving, err := b.c.PlanSave(o)
			if err != nil || (len(saving.Needs) == 1) != (file == "") {
				b.Errorf("with %q it needs %q, %v", file, saving.Needs, err)
			}
		}
	})
}

// TestIdleManagers: a firewalld that runs and is disabled restores nothing of its own.
func TestIdleManagers(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		unit, link := filepath.Join(b.root, "/usr/lib/systemd/system/firewalld.service"), filepath.Join(b.root, "/etc/systemd/system/multi-user.target.wants/firewalld.service")
		if err := errors.Join(os.MkdirAll(filepath.Dir(unit), 0o755), os.MkdirAll(filepath.Dir(link), 0o755), os.WriteFile(unit, []byte("[Unit]\n"), 0o644)); err != nil {
			b.Fatal(err)
		}
		for _, enabled := range []bool{false, true} {
			if enabled {
				if err := os.Symlink(unit, link); err != nil {
					b.Fatal(err)
				}
			}
			d, err := b.c.Drift(b.options("firewalld"))
			if got := strings.Join(d.Idle, "\n"); err != nil || strings.Contains(got, "firewalld is disabled: its own rules") == enabled {
				b.Errorf("enabled %v: %q, %v", enabled, got, err)
			}
		}
	})
}

// TestNobodyIsKnownToRestore: on a host of which no program is known that restores rules, what is saved is not called safe, until
// something that is started with the host names the script.
func TestNobodyIsKnownToRestore(t *testing.T) {
	onHost(t, []string{"/etc/rc.local"}, func(b *booting) {
		b.load(ours)
		b.save()
		idle := func() string {
			d, err := b.c.Drift(b.options())
			if err != nil || !d.None() {
				b.Fatalf("%+v, %v", d, err)
			}
			return strings.Join(d.Idle, "\n")
		}
		if why := idle(); !strings.Contains(why, "run /etc/nattui/restore at boot") {
			b.Errorf("nobody restores: %q", why)
		}
		if err := os.WriteFile(filepath.Join(b.root, "/etc/rc.local"), []byte("#!/bin/sh\n/etc/nattui/restore\n"), 0o755); err != nil {
			b.Fatal(err)
		}
		if why := idle(); why != "" {
			b.Errorf("rc.local restores: %q", why)
		}
	})
}
