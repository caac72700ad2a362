package commit_test

import (
	"context"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestRestoreWhatIsWanted: after somebody has flushed the tables, what nattui has deleted, parked, replaced, moved or added
// since the rules were saved comes back as it stood, and is said to differ from what is saved; after a reboot what was
// saved comes back, but for what is parked.
func TestRestoreWhatIsWanted(t *testing.T) {
	const whole = `*filter
-A FORWARD -s 10.0.0.1/32 -j ACCEPT
-A FORWARD -s 10.0.0.2/32 -j ACCEPT
-A FORWARD -s 10.0.0.3/32 -j ACCEPT
-A FORWARD -s 10.0.0.4/32 -j ACCEPT
-A FORWARD -s 10.0.0.4/32 -j ACCEPT
-A FORWARD -s 10.0.0.5/32 -j ACCEPT
COMMIT
`
	onHost(t, []string{"/usr/lib/systemd/systemd"}, func(b *booting) {
		b.load(whole)
		b.save()
		rule := func(n string) rules.Rule {
			r, err := rules.Parse("-A FORWARD -s 10.0.0." + n + "/32 -j ACCEPT")
			if err != nil {
				b.Fatal(err)
			}
			return r
		}
		run := func(kind commit.Kind, c rules.Change) {
			b.Helper()
			c.Family, c.Backend, c.Table, c.Chain = b.at.Family, b.at.Backend, "filter", "FORWARD"
			b.run(rules.Plan{Title: "Test.", Steps: []rules.Step{{Change: &c}}}, commit.Options{Kind: kind})
		}
		run("", rules.Change{Op: rules.Delete, At: 1, Rule: rule("1")})
		run(commit.KindPark, rules.Change{Op: rules.Delete, At: 1, Rule: rule("2")})
		run("", rules.Change{Op: rules.Replace, At: 1, Old: rule("3"), Rule: rule("33")})
		run("", rules.Change{Op: rules.Delete, At: 2, Rule: rule("4")})
		run("", rules.Change{Op: rules.Insert, At: 2, Rule: rule("6")})
		run("", rules.Change{Op: rules.Move, At: 4, To: 1, Rule: rule("5")})
		// The next start brings back what was deleted and replaced, not what is parked, and no restore does before it.
		lines := func(list []commit.Drifted) (all string) {
			for _, x := range list {
				all += x.Line[len("-A FORWARD -s 10.0.0."):][:1]
			}
			return all
		}
		if d, err := b.c.Drift(b.options()); err != nil || lines(d.Saved) != "134" || lines(d.Removed) != "134" {
			b.Errorf("%v: would come back: %v; was removed: %v", err, d.Saved, d.Removed)
		}
		want := b.state()
		for _, what := range []string{"FORWARD", "-s 10.0.0.4 -j ACCEPT"} {
			if what == "FORWARD" {
				b.iptables("-F", what)
			} else {
				b.iptables(append([]string{"-D", "FORWARD"}, strings.Fields(what)...)...)
			}
			r, err := b.c.Restore(context.Background(), commit.SaveOptions{Standby: b.at.Backend}, []rules.Variant{b.at})
			if err != nil {
				b.Fatal(err)
			}
			if got := b.state(); got != want {
				b.Errorf("after the flush of %s:\n%s\nwant\n%s", what, got, want)
			}
			if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "not restored: change 2 has removed filter -A FORWARD -s 10.0.0.1/32 -j ACCEPT") ||
				!strings.Contains(notes, "change 6 has added filter -A FORWARD -s 10.0.0.6/32") {
				b.Errorf("the notes are\n%s", notes)
			}
		}
		// The next run of the kernel begins with what was saved.
		b.iptables("-F", "FORWARD")
		store, err := commit.Open(b.dir)
		if err != nil {
			b.Fatal(err)
		}
		later := commit.New(store, commit.Kernel{Tables: b.tables, Settings: settings{}}, commit.Setup{Root: b.root, Guard: guardCommand(), Clock: rebooted{commit.KernelClock()}})
		if _, err := later.Restore(context.Background(), commit.SaveOptions{Standby: b.at.Backend}, []rules.Variant{b.at}); err != nil {
			b.Fatal(err)
		}
		booted := b.state()
		for line := range strings.Lines(whole) {
			if parked := strings.Contains(line, "10.0.0.2/"); strings.HasPrefix(line, "-A") && strings.Contains(booted, line) == parked {
				b.Errorf("after a reboot, %q is there: %v\n%s", line, !parked, booted)
			}
		}
	})
}

// rebooted is the clock of the kernel's next run.
type rebooted struct{ commit.Clock }

func (rebooted) Boot() string { return "another" }
