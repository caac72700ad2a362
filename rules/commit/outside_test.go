package commit_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestOutsideChangesAreNoted has other programs change the tables between and
// beside changes of our own: theirs are noted, ours are not noted twice, and theirs
// can be rolled back as long as that fits.
func TestOutsideChangesAreNoted(t *testing.T) {
	everywhere(t, func(g *gateway) {
		ctx := context.Background()
		g.seed()
		observer, another := g.c.Observer(), g.c.Observer()
		look := func(o *commit.Observer, by ...string) commit.Entry {
			g.Helper()
			e, err := o.Look(ctx, g.at, by...)
			if err != nil {
				g.Fatal(err)
			}
			return e
		}
		for _, o := range []*commit.Observer{observer, another} {
			if e := look(o); e.ID != "" {
				g.Errorf("the first look notes %v", e.Commands())
			}
		}
		// Ours alone: made, and made and rolled back.
		ours := g.run(rules.Single(insertion(g.at, "nat -A PREROUTING -s "+g.addr(20)+" -j ACCEPT")), commit.Options{})
		back := g.run(rules.Single(insertion(g.at, "nat -A PREROUTING -s "+g.addr(21)+" -j ACCEPT")), commit.Options{Confirm: time.Hour})
		if e := look(observer); e.ID != "" {
			g.Errorf("our own change is noted as that of others: %v", e.Commands())
		}
		if _, err := g.c.Rollback(ctx, back.ID); err != nil {
			g.Fatal(err)
		}
		if e := look(observer); e.ID != "" {
			g.Errorf("our own rollback is noted as that of others: %v", e.Commands())
		}
		// Theirs, above and beneath one of ours.
		before := g.state()
		g.iptables("-t", "nat", "-I", "PREROUTING", "-s", g.addr(30), "-j", "ACCEPT")
		mine := g.run(rules.Single(insertion(g.at, "nat -A PREROUTING -s "+g.addr(22)+" -j ACCEPT")), commit.Options{})
		g.iptables("-t", "nat", "-A", "PREROUTING", "-s", g.addr(31), "-j", "ACCEPT")
		g.iptables("-t", "nat", "-D", "PREROUTING", "-s", g.addr(1), "-j", "ACCEPT")
		e := look(observer, "iptables (pid 7)", "", "iptables (pid 7)", "dockerd (pid 8)")
		lines := strings.Join(e.Commands(), "\n")
		if e.Kind != commit.KindOutside || e.By != "iptables (pid 7), dockerd (pid 8)" || len(e.Commands()) != 3 || strings.Contains(lines, g.addr(22)) {
			g.Fatalf("noted by %q: %s", e.By, lines)
		}
		for _, want := range []string{"-I PREROUTING 1 -s " + g.addr(30), "-D PREROUTING -s " + g.addr(1), "-A PREROUTING -s " + g.addr(31)} {
			if !strings.Contains(lines, want) {
				g.Errorf("%q is not among\n%s", want, lines)
			}
		}
		if again := look(observer); again.ID != "" {
			g.Errorf("noted again: %v", again.Commands())
		}
		if again := look(another); again.ID != "" {
			g.Errorf("noted by another as well: %v", again.Commands())
		}
		// By default it is our own change that is undone, and theirs when it is named.
		if last, _, err := g.c.UndoPlan(ctx, ""); err != nil || last.ID != mine.ID {
			g.Errorf("undo is for %s, %v", last.ID, err)
		}
		for _, id := range []string{mine.ID, e.ID} {
			if _, err := g.c.Undo(ctx, id, commit.Options{}); err != nil {
				g.Fatal(err)
			}
		}
		g.same("ours and theirs are taken back", g.state(), before)
		if e := look(observer); e.ID != "" {
			g.Errorf("undoing is noted as that of others: %v", e.Commands())
		}
		if _, err := g.c.Undo(ctx, ours.ID, commit.Options{}); err != nil {
			g.Error(err)
		}
		// What is large is noted by its size, and is not rolled back from here.
		var many strings.Builder
		many.WriteString("*nat\n")
		for range 300 {
			many.WriteString("-A POSTROUTING -j ACCEPT\n")
		}
		many.WriteString("COMMIT\n")
		look(observer)
		g.restore(many.String())
		e = look(observer)
		if len(e.Commands()) != 0 || !strings.Contains(e.Summary(), "new rules: 300") || e.By != "another program" {
			g.Errorf("by %s: %s: %d commands", e.By, e.Summary(), len(e.Commands()))
		}
		if _, err := g.c.Undo(ctx, e.ID, commit.Options{}); err == nil || !strings.Contains(err.Error(), "too large") {
			g.Errorf("undoing it: %v", err)
		}
	})
}

// TestOurMovesAreNotNoted moves each of some rules to each place: the difference between two orders may tell of another rule
// than the one that was moved.
func TestOurMovesAreNotNoted(t *testing.T) {
	everywhere(t, func(g *gateway) {
		ctx := context.Background()
		const n = 4
		for i := range n {
			g.iptables("-t", "nat", "-A", "PREROUTING", "-s", g.addr(40+i), "-j", "ACCEPT")
		}
		observer := g.c.Observer()
		if _, err := observer.Look(ctx, g.at); err != nil {
			g.Fatal(err)
		}
		for from := 1; from <= n; from++ {
			for to := 1; to <= n; to++ {
				if from == to {
					continue
				}
				set, err := g.tables.Read(ctx, g.at)
				if err != nil {
					g.Fatal(err)
				}
				chain, _ := set.Chain("nat", "PREROUTING")
				rule := chain.Rules[from-1]
				moved := rules.Change{Op: rules.Move, Family: g.at.Family, Backend: g.at.Backend, Table: "nat", Chain: "PREROUTING", At: from, To: to, Rule: rule}.Named(set)
				g.run(rules.Single(moved), commit.Options{})
				if e, err := observer.Look(ctx, g.at); err != nil || e.ID != "" {
					g.Errorf("from %d to %d: noted as that of others: %v, %v", from, to, e.Commands(), err)
				}
			}
		}
		// An order that others make is noted.
		g.iptables("-t", "nat", "-D", "PREROUTING", "1")
		g.iptables("-t", "nat", "-A", "PREROUTING", "-s", g.addr(40+n), "-j", "ACCEPT")
		if e, err := observer.Look(ctx, g.at); err != nil || e.ID == "" {
			g.Errorf("what others did is not noted: %v", err)
		}
	})
}

// restore loads rules as another program would.
func (g *gateway) restore(text string) {
	g.Helper()
	cmd := exec.Command(g.program()+"-restore", "--noflush", "-w", "5")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		g.Fatalf("%v: %s", err, out)
	}
}
