package commit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestConfirmedAndGone confirms changes of which something is not in the kernel any more: the countdown ends, and it is
// said what is gone.
func TestConfirmedAndGone(t *testing.T) {
	everywhere(t, func(g *gateway) {
		deleted := "-A PREROUTING -s " + g.addr(2) + " -j ACCEPT"
		policy := rules.Change{Op: rules.SetPolicy, Family: g.at.Family, Backend: g.at.Backend, Table: "filter", Chain: "FORWARD", OldPolicy: "ACCEPT", Policy: "DROP"}
		for name, x := range map[string]struct {
			change  rules.Change
			foreign []string // what another program does
			want    string
		}{
			"stands":            {g.change(rules.Insert, 1, g.forwarding(61, 2)), nil, ""},
			"beside others":     {g.change(rules.Insert, 1, g.forwarding(61, 2)), []string{"-t", "nat", "-D", "PREROUTING", "3"}, ""},
			"an added rule":     {g.change(rules.Insert, 1, g.forwarding(61, 2)), []string{"-t", "nat", "-F", "PREROUTING"}, "the rule it added is gone: " + g.forwarding(61, 2)},
			"a deletion":        {g.change(rules.Delete, 2, deleted), nil, ""},
			"a deletion undone": {g.change(rules.Delete, 2, deleted), append([]string{"-t", "nat"}, strings.Fields(deleted)...), "the rule it deleted exists again: " + deleted},
			"a policy":          {policy, []string{"-P", "FORWARD", "ACCEPT"}, "the policy of FORWARD is ACCEPT again"},
		} {
			g.iptables("-t", "nat", "-F")
			g.iptables("-t", "filter", "-F")
			g.iptables("-P", "FORWARD", "ACCEPT")
			g.seed()
			made := g.run(rules.Single(x.change), commit.Options{Confirm: time.Hour})
			if x.foreign != nil {
				g.iptables(x.foreign...)
			}
			now := g.state()
			e, err := g.c.Confirm(context.Background(), made.ID)
			noted := g.entry(made.ID)
			if err != nil || e.State != commit.Confirmed || e.Gone != x.want || e.Result != x.want || noted.Result != x.want || noted.Unconfirmed() {
				g.Errorf("%s: %s, gone %q, result %q, %v", name, e.State, e.Gone, e.Result, err)
			}
			g.same(name, g.state(), now)
		}
	})
}

func TestConfirmedNativeAndGone(t *testing.T) {
	somewhere(t, func(g *gateway) {
		g.native = true
		g.seed()
		plan := func() rules.Plan { return rules.Plan{Title: "Test.", Steps: nativeSteps(nativeOrder)} }
		g.run(plan(), commit.Options{Confirm: time.Hour})
		if e, err := g.c.Confirm(context.Background(), ""); err != nil || e.Gone != "" {
			g.Errorf("what is there: %q, %v", e.Gone, err)
		}
		nft(g.T, "flush ruleset")
		g.seed()
		g.run(plan(), commit.Options{Confirm: time.Hour})
		nft(g.T, "flush ruleset")
		e, err := g.c.Confirm(context.Background(), "")
		if err != nil || !strings.Contains(e.Gone, "what it added is no longer there") || e.State != commit.Confirmed {
			g.Errorf("what was flushed: %q, %v", e.Gone, err)
		}
	})
}

func TestConfirmedSettingAndGone(t *testing.T) {
	somewhere(t, func(g *gateway) {
		now := flipped(g.T)
		g.run(order{Variant: g.at, Setting: now}.plan(), commit.Options{Confirm: time.Hour})
		other := flipped(g.T)
		if _, err := (settings{}).WriteSysctl("net.ipv4.ip_forward", other); err != nil {
			g.Fatal(err)
		}
		if e, err := g.c.Confirm(context.Background(), ""); err != nil || e.Gone != "net.ipv4.ip_forward is "+other+" now" {
			g.Errorf("gone %q, %v", e.Gone, err)
		}
	})
}
