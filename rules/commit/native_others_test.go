package commit_test

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// handleOf is the handle of the only rule of the gateway that has the text.
func (g *gateway) handleOf(text string) string {
	g.Helper()
	out, err := exec.Command("nft", "-a", "list", "ruleset").Output()
	if err != nil {
		g.Fatal(err)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(text) + `.* # handle (\d+)`).FindStringSubmatch(string(out))
	if m == nil {
		g.Fatalf("no rule has %q:\n%s", text, out)
	}
	return m[1]
}

// TestNativeRuleReplacedByOthers has others replace a rule that a change has added, which keeps its handle, while the change
// waits to be confirmed: theirs stays and is named, the rest is rolled back, and the change ends.
func TestNativeRuleReplacedByOthers(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		old := g.state()
		const theirs = "tcp dport 82 counter packets 0 bytes 0 dnat ip to 10.0.0.99"
		for _, byGuard := range []bool{false, true} {
			wait := time.Hour
			if byGuard {
				wait = time.Second
			}
			e := g.run(rules.Plan{Title: "Test.", Steps: scriptSteps(`
add chain inet gw mine
add rule inet gw mine tcp dport 83 accept
add rule inet gw prerouting tcp dport 82 dnat ip to 10.0.0.9
add rule inet gw postrouting ip saddr 10.0.0.4 drop
`)}, commit.Options{Confirm: wait})
			nft(g.T, "replace rule inet gw prerouting handle "+g.handleOf("tcp dport 82 dnat")+" "+theirs+"\nreplace rule inet gw mine handle "+g.handleOf("tcp dport 83 accept")+" tcp dport 84 accept")
			if !byGuard {
				if _, err := g.c.Rollback(context.Background(), ""); err != nil {
					g.Fatal(err)
				}
			}
			g.untilState(e.ID, commit.RolledBack)
			result := g.entry(e.ID).Result
			for _, want := range []string{"replaced", "tcp dport 82", "tcp dport 84 accept", "chain inet gw mine is kept"} {
				if !strings.Contains(result, want) {
					g.Errorf("%q is missing in the result %q", want, result)
				}
			}
			nft(g.T, "delete rule inet gw prerouting handle "+g.handleOf(theirs)+"\nflush chain inet gw mine\ndelete chain inet gw mine")
			g.same("but for what others replaced", g.state(), old)
			g.nobodyLeft()
		}
	})
}

// TestNativeUndoOfReplaced undoes a change whose rule others have replaced since: nothing is done.
func TestNativeUndoOfReplaced(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		e := g.run(rules.Plan{Title: "Test.", Steps: scriptSteps("add rule inet gw prerouting tcp dport 82 dnat ip to 10.0.0.9")}, commit.Options{})
		nft(g.T, "replace rule inet gw prerouting handle "+g.handleOf("tcp dport 82 dnat")+" tcp dport 82 drop")
		now := g.state()
		_, err := g.c.Undo(context.Background(), e.ID, commit.Options{})
		if err == nil || !strings.Contains(err.Error(), "replaced") {
			g.Errorf("undone, or not said why: %v", err)
		}
		g.same("nothing was done", g.state(), now)
	})
}

// TestNativeRollbackRefusedInPart has others use a chain that a change has added in a way that only the kernel knows: the rest
// is rolled back, and the change ends.
func TestNativeRollbackRefusedInPart(t *testing.T) {
	natively(t, func(g *gateway) {
		g.seed()
		const chain, rule = "add chain inet gw mine\n", "add rule inet gw postrouting ip saddr 10.0.0.4 drop\n"
		for _, script := range []string{chain + rule, chain} {
			e := g.run(rules.Plan{Title: "Test.", Steps: scriptSteps(script)}, commit.Options{Confirm: time.Hour})
			nft(g.T, "add map inet gw ways { type inet_service : verdict; elements = { 1 : jump mine } }")
			if _, err := g.c.Rollback(context.Background(), ""); err != nil {
				g.Fatal(err)
			}
			g.untilState(e.ID, commit.RolledBack)
			if result := g.entry(e.ID).Result; !strings.Contains(result, "not rolled back: delete chain inet gw mine") {
				g.Errorf("the result is %q", result)
			}
			if now := g.state(); strings.Contains(now, "10.0.0.4 drop") || !strings.Contains(now, "jump mine") {
				g.Errorf("the gateway is\n%s", now)
			}
			nft(g.T, "delete map inet gw ways\ndelete chain inet gw mine")
			g.nobodyLeft()
		}
	})
}
