package commit_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nattui/rules"
	"nattui/rules/commit"
)

// TestRollbackWhoseRestoreEnds has the first restore of a rollback killed, or do nothing without a word: the same
// restore is made again, and nothing between the old state and the new one is ever seen.
func TestRollbackWhoseRestoreEnds(t *testing.T) {
	everywhere(t, func(g *gateway) {
		g.seed()
		for range 2 { // two equal rules, one of which goes, and another of which comes
			g.iptables("-t", "nat", "-I", "PREROUTING", "2", "-s", g.addr(7), "-j", "ACCEPT")
		}
		twin := "-A PREROUTING -s " + g.addr(7) + " -j ACCEPT"
		plan := rules.Plan{Steps: []rules.Step{
			rules.StepOf(g.change(rules.Delete, 1, "-A PREROUTING -s "+g.addr(1)+" -j ACCEPT")),
			rules.StepOf(g.change(rules.Delete, 2, twin)),
			rules.StepOf(g.change(rules.Insert, 0, twin)),
			rules.StepOf(insertion(g.at, "filter -A FORWARD -s "+g.addr(9)+" -j ACCEPT")),
		}}
		old := g.state()
		for name, end := range map[string]string{"killed": "kill -9 $$", "idle": "exit 0"} {
			e, err := g.c.Run(context.Background(), plan, commit.Options{Confirm: time.Hour})
			if err != nil {
				g.Fatal(err)
			}
			log := filepath.Join(g.TempDir(), "runs")
			restored := g.oddly(odd{script: "echo run >> " + log + "\n[ $(wc -l < " + log + ") -gt 1 ] || { cat >/dev/null; " + end + "; }\nexec %s \"$@\""})
			_, err = g.c.Rollback(context.Background(), e.ID)
			restored()
			if err != nil {
				g.Fatalf("%s: %v", name, err)
			}
			g.same(name, g.state(), old)
			if runs, _ := os.ReadFile(log); strings.Count(string(runs), "run") != 2 {
				g.Errorf("%s: it took %d restores instead of 2", name, strings.Count(string(runs), "run"))
			}
		}
	})
}
