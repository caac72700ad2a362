package commit_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/commit"
)

const settingsPath = "/etc/sysctl.d/90-nattui.conf"

// TestSettingsAreKeptAndUndone: what is meant for boot is written there also where
// the running value is right already, and undoing puts back what the file had.
func TestSettingsAreKeptAndUndone(t *testing.T) {
	onHost(t, []string{"/usr/sbin/netfilter-persistent"}, func(b *booting) {
		path := filepath.Join(b.root, settingsPath)
		text := func() string {
			content, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				b.Fatal(err)
			}
			return string(content)
		}
		set := func(value string) string {
			w := &rules.Sysctl{Name: "net.ipv4.ip_forward", Value: value, Boot: true}
			return b.run(rules.Plan{Title: "Test.", Steps: []rules.Step{{Sysctl: w}}}, commit.Options{}).ID
		}
		undo := func(id string) {
			b.Helper()
			if _, err := b.c.Undo(context.Background(), id, commit.Options{}); err != nil {
				b.Fatal(err)
			}
		}
		now, err := host.Sysctl("net.ipv4.ip_forward")
		if err != nil {
			b.Fatal(err)
		}
		id := set(now)
		if got := text(); !strings.Contains(got, "net.ipv4.ip_forward = "+now+"\n") {
			b.Errorf("with the running value right already the file has\n%s", got)
		}
		undo(id)
		if got := text(); strings.Contains(got, "ip_forward") {
			b.Errorf("after undoing it the file has\n%s", got)
		}
		// Where the file had another value that comes back, whatever runs.
		const other = "# mine\nnet.ipv4.ip_forward = 7\n"
		if err := os.WriteFile(path, []byte(other), 0o644); err != nil {
			b.Fatal(err)
		}
		flip := flipped(b.T)
		id = set(flip)
		if got := text(); got != "# mine\nnet.ipv4.ip_forward = "+flip+"\n" {
			b.Errorf("the file has\n%s", got)
		}
		undo(id)
		if got := text(); got != other {
			b.Errorf("after undoing it the file has\n%s", got)
		}
		if got, _ := host.Sysctl("net.ipv4.ip_forward"); got != now {
			b.Errorf("after undoing it ip_forward is %s, was %s", got, now)
		}
		// Undoing the undo makes it so again, at boot as well.
		undo("4")
		if got := text(); got != "# mine\nnet.ipv4.ip_forward = "+flip+"\n" {
			b.Errorf("made again the file has\n%s", got)
		}
		b.nobodyLeft()
	})
}

// TestModulesOfSettings: a setting of connection tracking is there at boot only if
// its module is loaded before.
func TestModulesOfSettings(t *testing.T) {
	onHost(t, []string{"/usr/sbin/netfilter-persistent"}, func(b *booting) {
		b.load(ours) // a rule that refers to NAT makes the kernel track
		value, err := host.Sysctl("net.netfilter.nf_conntrack_acct")
		if err != nil {
			b.Fatal(err)
		}
		for range 2 {
			w := &rules.Sysctl{Name: "net.netfilter.nf_conntrack_acct", Value: value, Boot: true}
			b.run(rules.Plan{Title: "Test.", Steps: []rules.Step{{Sysctl: w}}}, commit.Options{})
		}
		if got := b.file("/etc/modules-load.d/90-nattui.conf"); got != "# Saved by nattui.\nnf_conntrack\n" {
			b.Errorf("the modules are\n%s", got)
		}
	})
}
