package commit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// forwarding is a rule of PREROUTING that forwards a port, as the kernel prints it.
func (g *gateway) forwarding(port, server int) string {
	to, _, _ := strings.Cut(g.addr(server), "/")
	return fmt.Sprintf("-A PREROUTING -i wan0 -p tcp -m tcp --dport %d -j DNAT --to-destination %s", port, to)
}

func (g *gateway) prerouting(argv ...string) {
	g.Helper()
	g.iptables(append([]string{"-t", "nat"}, argv...)...)
}

// TestForeignRuleIsNotOurs has another administrator put a rule in place of the one that a change has made. It differs in
// its port or in where it leads to only: neither rollback nor undo touches it.
func TestForeignRuleIsNotOurs(t *testing.T) {
	added := func(g *gateway) rules.Change { return g.change(rules.Insert, 2, g.forwarding(62, 2)) }
	edited := func(g *gateway) rules.Change {
		c := g.change(rules.Replace, 1, g.forwarding(62, 2))
		c.Old = g.change(rules.Insert, 1, g.forwarding(60, 2)).Rule
		return c
	}
	for name, way := range map[string]struct {
		change  func(*gateway) rules.Change
		foreign func(*gateway)
		gone    string
	}{
		"another port": {added, func(g *gateway) {
			g.prerouting("-D", "PREROUTING", "2")
			g.prerouting(strings.Fields(g.forwarding(2222, 2))...)
		}, "the rule it added is gone"},
		"another server": {added, func(g *gateway) {
			g.prerouting("-D", "PREROUTING", "2")
			g.prerouting(strings.Fields(g.forwarding(62, 3))...)
		}, "the rule it added is gone"},
		"loaded anew": {added, func(g *gateway) {
			g.restore("*nat\n-F PREROUTING\n" + g.forwarding(80, 2) + "\n" + g.forwarding(443, 3) + "\nCOMMIT\n")
		}, "the rule it added is gone"},
		"edited again": {edited, func(g *gateway) {
			g.prerouting(append([]string{"-R", "PREROUTING", "1"}, strings.Fields(g.forwarding(63, 2))[2:]...)...)
		}, "the changed rule is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(g *gateway) {
				for _, confirm := range []time.Duration{0, time.Hour} {
					g.restore("*nat\n-F PREROUTING\n" + g.forwarding(60, 2) + "\nCOMMIT\n")
					e := g.run(rules.Single(way.change(g)), commit.Options{Confirm: confirm})
					way.foreign(g)
					theirs := g.state()
					if confirm > 0 {
						e, err := g.c.Rollback(context.Background(), "")
						if err != nil || !strings.Contains(e.Result, way.gone) {
							g.Errorf("the rollback says %q, %v", e.Result, err)
						}
						g.same("after the rollback", g.state(), theirs)
						continue
					}
					_, plan, err := g.c.UndoPlan(context.Background(), e.ID)
					if !errors.As(err, new(*commit.Unfit)) || !strings.Contains(err.Error(), way.gone) {
						g.Errorf("the plan of undo is %v, %v", plan.Commands(), err)
					}
					if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err == nil {
						g.Error("it was undone")
					}
					g.same("after undo", g.state(), theirs)
				}
			})
		})
	}
}

// TestForeignRuleMayBeOurs has another rule in place of the one that a change has made, and it differs from that in words only
// of which nattui knows nothing: it stays, and that is said.
func TestForeignRuleMayBeOurs(t *testing.T) {
	everywhere(t, func(g *gateway) {
		line := "-A PREROUTING -i wan0 -m string --string \"%s\" --algo bm -j ACCEPT"
		e := g.run(rules.Single(g.change(rules.Insert, 1, fmt.Sprintf(line, "one"))), commit.Options{Confirm: time.Hour})
		g.prerouting("-F", "PREROUTING")
		g.restore("*nat\n-F PREROUTING\n" + fmt.Sprintf(line, "two") + "\nCOMMIT\n")
		theirs := g.state()
		e, err := g.c.Rollback(context.Background(), e.ID)
		if err != nil || !strings.Contains(e.Result, "it is not known whether") {
			g.Errorf("the rollback says %q, %v", e.Result, err)
		}
		g.same("after the rollback", g.state(), theirs)
	})
}
