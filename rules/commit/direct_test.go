package commit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDirectRulesAreFirewallds: what firewalld was handed as it is counts as firewalld's while it runs, chains included; what
// somebody puts into such a chain is his own.
func TestDirectRulesAreFirewallds(t *testing.T) {
	const direct = `<?xml version="1.0" encoding="utf-8"?>
<direct>
  <chain ipv="ipv4" table="filter" chain="zork"/>
  <chain ipv="ipv4" table="filter" chain="used"/>
  <rule ipv="ipv4" table="filter" chain="FORWARD" priority="0">-s 10.7.0.0/16 -p tcp --dport 80 -m comment --comment &quot;the &amp; shop&quot; -j ACCEPT</rule>
  <rule ipv="eb" table="filter" chain="FORWARD" priority="0">-j ACCEPT</rule>
  <passthrough ipv="ipv4">-t nat -A POSTROUTING -s 10.6.0.0/16 -j MASQUERADE</passthrough>
</direct>
`
	onHost(t, []string{"/usr/lib/systemd/systemd", "/run/firewalld.pid"}, func(b *booting) {
		path := filepath.Join(b.root, "/etc/firewalld/direct.xml")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(direct), 0o644)); err != nil {
			b.Fatal(err)
		}
		b.load("*filter\n:zork - [0:0]\n:used - [0:0]\n-A FORWARD -s 10.7.0.0/16 -p tcp -m tcp --dport 80 -m comment --comment \"the & shop\" -j ACCEPT\n-A FORWARD -s 10.8.0.0/16 -j ACCEPT\n-A used -j ACCEPT\nCOMMIT\n" +
			"*nat\n-A POSTROUTING -s 10.6.0.0/16 -j MASQUERADE\nCOMMIT\n")
		e, saving := b.save()
		text := b.file("/etc/nattui/ipv4." + b.at.Backend.String())
		if saving.Kept != 2 || saving.Left["firewalld"] != 2 || strings.Contains(text, "zork") || !strings.Contains(text, ":used") || e.ID == "" {
			b.Errorf("kept %d, left %v\n%s", saving.Kept, saving.Left, text)
		}
		if d, err := b.c.Drift(b.options()); err != nil || !d.None() {
			b.Errorf("it differs by %+v, %v", d, err)
		}
		// A firewalld that neither runs nor is enabled makes nothing.
		if err := os.Remove(filepath.Join(b.root, "/run/firewalld.pid")); err != nil {
			b.Fatal(err)
		}
		if _, saving = b.save(); saving.Kept != 4 {
			b.Errorf("without firewalld: kept %d, left %v", saving.Kept, saving.Left)
		}
	})
}
