package commit_test

import (
	"context"
	"errors"
	"os"
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

// beside has another program run a command of nft just before nft makes a change of ours, or just after. The function that it
// returns ends that.
func (g *gateway) beside(before bool, other string) (end func()) {
	g.Helper()
	real, err := exec.LookPath("nft")
	if err != nil {
		g.Fatal(err)
	}
	netns, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		g.Fatal(err)
	}
	theirs := real + " '" + other + "'"
	script := "#!/bin/sh\n[ \"$*\" = '-f -' ] && [ \"$(readlink /proc/self/ns/net)\" = '" + netns + "' ] || exec " + real + " \"$@\"\n"
	if before {
		script += theirs + "\nexec " + real + " \"$@\"\n"
	} else {
		script += real + " \"$@\"; status=$?\n" + theirs + "\nexit $status\n"
	}
	dir, path := g.TempDir(), os.Getenv("PATH")
	if err := os.WriteFile(dir+"/nft", []byte(script), 0o755); err != nil {
		g.Fatal(err)
	}
	os.Setenv("PATH", dir+":"+path)
	return func() { os.Setenv("PATH", path) }
}

// raceSeed has three rules that tell one another apart.
const raceSeed = `table inet gw {
	map forwards { type inet_service : ipv4_addr; elements = { 80 : 10.0.0.2, 443 : 10.0.0.3 } }
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 25 counter packets 7 bytes 420 dnat ip to 10.0.0.25
		tcp dport 26 dnat ip to 10.0.0.26
		tcp dport 27 dnat ip to 10.0.0.27
	}
}
`

// races are changes of the first rule of raceSeed or an element, and what another program does in the same moment.
var races = []struct{ ours, others string }{
	{"insert rule inet gw prerouting handle LAST tcp dport 25 dnat ip to 10.0.0.25\ndelete rule inet gw prerouting handle FIRST", "delete rule inet gw prerouting handle FIRST"},
	{"replace rule inet gw prerouting handle FIRST tcp dport 25 dnat ip to 10.0.0.33", "delete rule inet gw prerouting handle FIRST"},
	{"replace rule inet gw prerouting handle FIRST tcp dport 25 dnat ip to 10.0.0.33", "flush chain inet gw prerouting"},
	{"replace rule inet gw prerouting handle FIRST tcp dport 25 dnat ip to 10.0.0.33", "replace rule inet gw prerouting handle FIRST tcp dport { 1, 2 } counter drop"},
	{"delete rule inet gw prerouting handle FIRST", "delete rule inet gw prerouting handle FIRST"},
	{"delete rule inet gw prerouting handle FIRST", "replace rule inet gw prerouting handle FIRST tcp dport 99 counter packets 3 bytes 9 drop"},
	{"delete element inet gw forwards { 80 }", "delete element inet gw forwards { 80 }"},
	{"delete element inet gw forwards { 80 }", "delete element inet gw forwards { 80 }; add element inet gw forwards { 80 : 10.0.0.99 }"},
	{"delete element inet gw forwards { 80 }\nadd element inet gw forwards { 80 : 10.0.0.7 }", "delete element inet gw forwards { 80 }; add element inet gw forwards { 80 : 10.0.0.99 }"},
	{"add element inet gw forwards { 81 : 10.0.0.7 }", "add element inet gw forwards { 81 : 10.0.0.99 }"},
	{"delete table inet gw", "add rule inet gw prerouting tcp dport 99 drop"},
}

// race makes a change of raceSeed while another program makes one, and returns what there was of theirs alone.
func (g *gateway) race(ours, others string, before bool) (e commit.Entry, theirs string, err error) {
	g.Helper()
	fill := func(script string) string {
		return strings.NewReplacer("FIRST", g.handleOf("tcp dport 25"), "LAST", g.handleOf("tcp dport 27")).Replace(script)
	}
	nft(g.T, raceSeed)
	nft(g.T, fill(others))
	theirs = g.state()
	nft(g.T, "delete table inet gw\n"+raceSeed)
	steps := scriptSteps(fill(ours))
	end := g.beside(before, fill(others))
	defer end()
	e, err = g.c.Run(context.Background(), rules.Plan{Title: "Test.", Steps: steps}, commit.Options{})
	return e, theirs, err
}

// raced is a test of races, in a cell and where the kernel's process ids are ours.
func raced(t *testing.T, test func(g *gateway)) {
	t.Helper()
	t.Run("cell", func(t *testing.T) { natively(t, test) })
	t.Run("host", func(t *testing.T) {
		if ownNetwork(t) {
			return
		}
		g := newGateway(t, variants[0])
		g.native = true
		test(g)
	})
}

// TestNativeOthersJustBefore has another program change what a change of ours is about, just before that is made: theirs stays
// as they have made it, and ours is a conflict.
func TestNativeOthersJustBefore(t *testing.T) {
	raced(t, func(g *gateway) {
		for _, r := range races[:len(races)-1] {
			name := r.ours + " | " + r.others
			e, theirs, err := g.race(r.ours, r.others, true)
			if !errors.As(err, new(*rules.NativeConflict)) || e.State == commit.Applied {
				g.Errorf("%s: the change is %s: %v", name, e.State, err)
			}
			g.same(name, g.state(), theirs)
			if err := g.c.Recover(context.Background()); err != nil {
				g.Errorf("%s: %v", name, err)
			}
			g.same(name+", afterwards", g.state(), theirs)
			nft(g.T, "delete table inet gw")
		}
		// What cannot be put back as it was is told.
		r := races[len(races)-1]
		e, _, err := g.race(r.ours, r.others, true)
		if err != nil || !strings.Contains(e.Result, "tcp dport 99 drop") {
			g.Errorf("the table is deleted with what others have added: %v, %q", err, e.Result)
		}
	})
}

// TestNativeOthersJustAfter has the other program come just after: ours was made, and what they removed stays removed.
func TestNativeOthersJustAfter(t *testing.T) {
	raced(t, func(g *gateway) {
		nft(g.T, raceSeed)
		steps := scriptSteps("replace rule inet gw prerouting handle " + g.handleOf("tcp dport 25") + " tcp dport 25 dnat ip to 10.0.0.33")
		end := g.beside(false, "flush chain inet gw prerouting")
		e, err := g.c.Run(context.Background(), rules.Plan{Title: "Test.", Steps: steps}, commit.Options{})
		end()
		if err != nil || e.State != commit.Applied || !strings.Contains(e.Result, "another program") {
			g.Fatalf("the change is %s: %v, %q", e.State, err, e.Result)
		}
		now := g.state()
		if strings.Contains(now, "dport") {
			g.Errorf("a rule is there again:\n%s", now)
		}
		if _, err := g.c.Undo(context.Background(), "", commit.Options{}); err == nil {
			g.Error("undone, although nothing of it is there")
		}
		g.same("afterwards", g.state(), now)
	})
}

// TestNativeKilledAndOthers has nattui killed while it makes a change, which others keep from being made, or of which they
// remove all: what they removed stays removed.
func TestNativeKilledAndOthers(t *testing.T) {
	natively(t, func(g *gateway) {
		for _, at := range []string{"native", "stands"} {
			nft(g.T, raceSeed)
			steps := scriptSteps("replace rule inet gw prerouting handle " + g.handleOf("tcp dport 25") + " tcp dport 25 dnat ip to 10.0.0.33")
			g.c.OnStep(func(name string) {
				if name == at {
					nft(g.T, "flush chain inet gw prerouting")
					panic(name)
				}
			})
			func() {
				defer func() { _ = recover() }()
				_, err := g.c.Run(context.Background(), rules.Plan{Title: "Test.", Steps: steps}, commit.Options{})
				g.Fatalf("it was not ended: %v", err)
			}()
			g.c.OnStep(func(string) {})
			now := g.state()
			if err := g.c.Recover(context.Background()); err != nil {
				g.Fatal(err)
			}
			g.same("killed at "+at, g.state(), now)
			nft(g.T, "delete table inet gw")
		}
	})
}

// TestNativeElementComesBackAsItWas deletes elements that count, and are there for a time, and undoes that, twice.
func TestNativeElementComesBackAsItWas(t *testing.T) {
	natively(t, func(g *gateway) {
		nft(g.T, `table inet gw {
	map forwards { type inet_service : ipv4_addr; counter; elements = { 80 counter packets 5 bytes 300 : 10.0.0.2, 81 counter packets 1 bytes 60 comment "web" : 10.0.0.2 } }
	set guests { type ipv4_addr; flags timeout; elements = { 10.0.0.9 timeout 2h expires 30m } }
}`)
		old := g.state()
		left := regexp.MustCompile(`expires \S+`)
		for range 2 {
			e := g.run(rules.Plan{Title: "Test.", Steps: scriptSteps("delete element inet gw forwards { 80, 81 }\ndelete element inet gw guests { 10.0.0.9 }")}, commit.Options{})
			if now := g.state(); strings.Contains(now, "elements") {
				g.Fatalf("the elements are there:\n%s", now)
			}
			if _, err := g.c.Undo(context.Background(), e.ID, commit.Options{}); err != nil {
				g.Fatal(err)
			}
			now := g.state()
			if !strings.Contains(now, "timeout 2h expires 29m") {
				g.Errorf("the time began anew:\n%s", now)
			}
			g.same("undone", left.ReplaceAllString(now, ""), left.ReplaceAllString(old, ""))
		}
	})
}
