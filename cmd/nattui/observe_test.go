package main

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
)

// What another program changes while the screens are open is in the history, with
// the program's name, and what nattui changes is there once.
func TestOthersAreNotedInTheHistory(t *testing.T) {
	onGateway(t, func(t *testing.T, _ *lab.Network) {
		keepState(t)
		ctx, cancel := context.WithCancel(t.Context())
		tables, err := iptables.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		committer, err := openCommitter(tables, nil)
		if err != nil {
			t.Fatal(err)
		}
		others := newOutsiders()
		looks, err := followTables(ctx, tables, func(map[rules.Variant]*rules.Ruleset, time.Time) {}, others.saw)
		if err != nil {
			t.Fatal(err)
		}
		look := firstLook(ctx, committer, tables.Variants())
		var working sync.WaitGroup
		working.Go(func() { others.note(ctx, look) })
		see := func(line string) {
			t.Helper()
			for look := range looks {
				for _, set := range look.Sets {
					if chain, ok := set.Chain("nat", "PREROUTING"); ok {
						for _, r := range chain.Rules {
							if strings.Contains(r.String(), line) {
								return
							}
						}
					}
				}
			}
		}
		rule, err := rules.Parse("-A PREROUTING -p tcp -m tcp --dport 1 -j REDIRECT --to-ports 1001")
		if err != nil {
			t.Fatal(err)
		}
		ours := rules.Change{Op: rules.Insert, Backend: tables.Default(), Table: "nat", Chain: "PREROUTING", Rule: rule}
		if _, err := committer.Run(ctx, rules.Single(ours), commit.Options{}); err != nil {
			t.Fatal(err)
		}
		see("--dport 1 ")
		if out, err := exec.Command("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "2", "-j", "REDIRECT", "--to-ports", "1002").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		see("--dport 2 ")
		cancel() // what was seen is noted all the same
		working.Wait()
		entries, _, err := committer.Store().History()
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 2 || entries[1].Kind != commit.KindOutside || len(entries[1].Commands()) != 1 || !strings.Contains(entries[1].Commands()[0], "-A PREROUTING -p tcp -m tcp --dport 2 ") {
			t.Fatalf("the history is %+v", entries)
		}
		if tables.Default() == rules.NFT && !strings.Contains(entries[1].By, "iptables (") {
			t.Errorf("it was by %q", entries[1].By)
		}
		if _, err := committer.Undo(context.Background(), entries[1].ID, commit.Options{}); err != nil {
			t.Errorf("undoing it: %v", err)
		}
	})
}
