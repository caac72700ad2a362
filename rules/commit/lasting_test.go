package commit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"nattui/rules/commit"
)

// TestEndsBeforeTheCountdown gives a change less time than its countdown has: it ends at its time.
func TestEndsBeforeTheCountdown(t *testing.T) {
	somewhere(t, func(g *gateway) {
		o := g.order()
		old, _, _ := g.both(o)
		e := g.run(o.plan(), commit.Options{Confirm: time.Hour, For: 300 * time.Millisecond})
		if !e.Deadline.Equal(e.Expires) || time.Until(e.Expires) > time.Second {
			g.Errorf("it ends at %s, and is to be confirmed by %s", e.Expires, e.Deadline)
		}
		g.untilState(e.ID, commit.RolledBack)
		if got := g.entry(e.ID).Result; got != "its time was up" {
			g.Errorf("the journal says %q", got)
		}
		g.same("its time is over", g.state(), old)
		e = g.run(o.plan(), commit.Options{Confirm: time.Hour, For: 2 * time.Second})
		if _, err := g.c.Confirm(context.Background(), ""); err != nil {
			g.Fatal(err)
		}
		g.untilState(e.ID, commit.RolledBack)
		g.same("confirmed, and its time is over", g.state(), old)
		if _, err := g.c.Confirm(context.Background(), e.ID); !errors.As(err, new(*commit.Absent)) {
			g.Errorf("confirmed afterwards: %v", err)
		}
		g.nobodyLeft()
	})
}
