package commit_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestNativeTableIsSaved saves nattui's own native table, starts the host without it, and has it restored once. Rules that
// end by themselves are not saved, and less is never saved without being asked.
func TestNativeTableIsSaved(t *testing.T) {
	for _, keeper := range []string{"/usr/lib/systemd/systemd", "/usr/sbin/netfilter-persistent"} {
		t.Run(filepath.Base(keeper), func(t *testing.T) {
			onHost(t, []string{keeper, "/usr/lib/systemd/systemd"}, func(b *booting) {
				if _, err := exec.LookPath("nft"); err != nil {
					t.Skip(err)
				}
				add := func(line string, lasts time.Duration) {
					b.run(rules.Plan{Title: "Test.", Steps: scriptSteps("add table inet nattui\n" +
						"add chain inet nattui prerouting { type nat hook prerouting priority -105; }\nadd rule inet nattui prerouting " + line)}, commit.Options{For: lasts})
				}
				add("tcp dport 80 counter dnat ip to 10.0.0.2:8080", 0)
				add("tcp dport { 1, 3, 5-9 } redirect to :99 comment \"kept\"", 0)
				own := nativeTable()
				add("tcp dport 81 dnat ip to 10.0.0.3", time.Hour)
				e, saving := b.save()
				if saving.Kept != 2 || !strings.Contains(saving.Method, "nattui.service") {
					b.Errorf("saved: %+v", saving)
				}
				if text := b.file("/etc/nattui/native.nft"); strings.Contains(text, "dport 81") || !strings.Contains(text, "comment \"kept\"") {
					b.Errorf("the file is\n%s", text)
				}
				if drift, err := b.c.Drift(b.options()); err != nil || !drift.None() {
					b.Errorf("drift right after saving: %+v, %v", drift, err)
				}
				nft(b.T, "delete table inet nattui")
				if drift, err := b.c.Drift(b.options()); err != nil || len(drift.Saved) != 2 || len(drift.Fewer) != 1 {
					b.Errorf("drift without the table: %+v, %v", drift, err)
				}
				if _, _, err := b.c.Save(context.Background(), b.options()); err == nil || !strings.Contains(err.Error(), "holds 2 rules of yours and would hold 0") {
					b.Errorf("less was saved: %v", err)
				}
				b.restore()
				b.restore()
				if got := nativeTable(); got != own {
					b.Errorf("restored:\n%s\nwant\n%s", got, own)
				}
				nft(b.T, "delete table inet nattui")
				if _, err := b.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
					b.Fatal(err)
				}
				if _, err := os.Lstat(filepath.Join(b.root, "/etc/nattui/native.nft")); err == nil {
					b.Error("the file is still there")
				}
				b.restore()
				if got := nativeTable(); got != "" {
					b.Errorf("restored from nothing:\n%s", got)
				}
			})
		})
	}
}

// nativeTable is the own table as nft prints it, without counters.
func nativeTable() string {
	out, _ := exec.Command("nft", "-s", "list", "table", "inet", "nattui").Output()
	return string(out)
}

// TestChangesOfOtherFilesTables: a native change in a table that another file loads is lost at a reboot, unless that file
// has it.
func TestChangesOfOtherFilesTables(t *testing.T) {
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		nft(b.T, "add table inet other\nadd chain inet other input { type filter hook input priority 0; }")
		b.run(rules.Plan{Title: "Test.", Steps: scriptSteps("add rule inet other input tcp dport 25 counter drop")}, commit.Options{})
		path := filepath.Join(b.root, "/etc/nftables.conf")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		for text, want := range map[string]int{"": 1, "table inet other {\n\tchain input {\n\t\ttcp dport 25 counter packets 3 bytes 180 drop\n\t}\n}\n": 0} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			if drift, err := b.c.Drift(b.options()); err != nil || len(drift.Elsewhere) != want {
				b.Errorf("with %q in the file: %+v, %v", text, drift, err)
			}
		}
		nft(b.T, "delete table inet other")
	})
}
