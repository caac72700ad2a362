package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func natTable(t testing.TB, text string) *Ruleset {
	t.Helper()
	tables, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &Ruleset{Tables: tables}
}

func saved(s *Ruleset) string {
	var b bytes.Buffer
	_ = Save(&b, s.Tables)
	return b.String()
}

// randomSet draws a nat table with a few rules, some of them equal.
func randomSet(t *rapid.T) *Ruleset {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n")
	for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
		chain := rapid.SampledFrom([]string{"PREROUTING", "OWN"}).Draw(t, "chain")
		fmt.Fprintf(&b, "[%d:60] -A %s -s 10.0.0.%d/32 -j ACCEPT\n", i, chain, rapid.IntRange(1, 3).Draw(t, "host"))
	}
	b.WriteString("COMMIT\n")
	tables, err := Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return &Ruleset{Tables: tables}
}

// randomChange draws a change that fits the set.
func randomChange(t *rapid.T, s *Ruleset) (Change, bool) {
	c := Change{Table: "nat", Chain: rapid.SampledFrom([]string{"PREROUTING", "OWN"}).Draw(t, "chain")}
	ch, ok := s.Chain("nat", c.Chain)
	if !ok {
		return c, false
	}
	fresh := mustParse(t, fmt.Sprintf("-A %s -s 10.0.1.%d/32 -j RETURN", c.Chain, rapid.IntRange(1, 9).Draw(t, "new")))
	n := len(ch.Rules)
	c.Op = rapid.SampledFrom([]Op{Insert, Delete, Replace, Move, SetPolicy, NewChain}).Draw(t, "op")
	if n == 0 && (c.Op == Delete || c.Op == Replace || c.Op == Move) {
		return c, false
	}
	switch c.Op {
	case Insert:
		c.Rule, c.At = fresh, rapid.IntRange(0, n+1).Draw(t, "at")
	case Delete, Replace, Move:
		c.At = rapid.IntRange(1, n).Draw(t, "at")
		c.Rule = ch.Rules[c.At-1]
		if c.Op == Replace {
			c.Old, c.Rule = c.Rule, fresh
		}
		if c.Op == Move {
			c.To = rapid.IntRange(1, n).Draw(t, "to")
		}
	case SetPolicy:
		c.Chain, c.Policy, c.OldPolicy = "OUTPUT", "DROP", "ACCEPT"
		o, _ := s.Chain("nat", "OUTPUT")
		if o.Policy == "DROP" {
			c.Policy, c.OldPolicy = "ACCEPT", "DROP"
		}
	case NewChain:
		c.Chain = rapid.SampledFrom([]string{"A", "M", "Z"}).Draw(t, "name")
		if _, exists := s.Chain("nat", c.Chain); exists {
			return c, false
		}
	}
	return c, true
}

func TestInverseUndoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := randomSet(t)
		before := saved(start)
		var plan Plan
		now := start
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			c, ok := randomChange(t, now)
			if !ok {
				continue
			}
			next, err := c.Apply(now)
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			plan.Steps = append(plan.Steps, StepOf(c))
			now = next
		}
		variant := Variant{}
		plan, err := plan.Resolve(map[Variant]*Ruleset{variant: start})
		if err != nil {
			t.Fatal(err)
		}
		if saved(start) != before {
			t.Fatal("a snapshot was changed")
		}
		undone, err := plan.Inverse().Apply(map[Variant]*Ruleset{variant: now})
		if err != nil {
			t.Fatal(err)
		}
		if got := saved(undone[variant]); got != before {
			t.Fatalf("undone to\n%s\nfrom\n%s", got, before)
		}
		data, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		var again Plan
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(again.Commands()) != fmt.Sprint(plan.Commands()) {
			t.Fatalf("read back as %v, was %v", again.Commands(), plan.Commands())
		}
	})
}

func TestConflicts(t *testing.T) {
	s := natTable(t, "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i a -j ACCEPT\n-A PREROUTING -i b -j ACCEPT\nCOMMIT\n")
	b := mustParse(t, "-A PREROUTING -i b -j ACCEPT")
	c := mustParse(t, "-A PREROUTING -i c -j ACCEPT")
	for name, test := range map[string]struct {
		change    Change
		elsewhere int
	}{
		"delete a rule that moved":     {Change{Op: Delete, Table: "nat", Chain: "PREROUTING", At: 1, Rule: b}, 2},
		"delete a rule that is gone":   {Change{Op: Delete, Table: "nat", Chain: "PREROUTING", At: 1, Rule: c}, 0},
		"replace a rule that changed":  {Change{Op: Replace, Table: "nat", Chain: "PREROUTING", At: 2, Old: c, Rule: b}, 0},
		"insert beyond the end":        {Change{Op: Insert, Table: "nat", Chain: "PREROUTING", At: 4, Rule: c}, 0},
		"insert before another rule":   {Change{Op: Insert, Table: "nat", Chain: "PREROUTING", At: 1, Rule: c, Next: b.String()}, 2},
		"insert into a missing chain":  {Change{Op: Insert, Table: "nat", Chain: "NONE", At: 1, Rule: c}, 0},
		"policy that somebody changed": {Change{Op: SetPolicy, Table: "nat", Chain: "PREROUTING", Policy: "ACCEPT", OldPolicy: "DROP"}, 0},
		"remove a chain in use":        {Change{Op: DeleteChain, Table: "nat", Chain: "PREROUTING"}, 0},
		"make a chain that exists":     {Change{Op: NewChain, Table: "nat", Chain: "PREROUTING"}, 0},
	} {
		_, err := test.change.Apply(s)
		var conflict *Conflict
		if !errors.As(err, &conflict) || conflict.Elsewhere != test.elsewhere {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadOnlyTable(t *testing.T) {
	s := natTable(t, "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n")
	s.Foreign = map[string]string{"nat": "a native set"}
	_, err := Change{Op: Insert, Table: "nat", Chain: "PREROUTING", Rule: mustParse(t, "-A PREROUTING -j ACCEPT")}.Apply(s)
	var ro *ReadOnly
	if !errors.As(err, &ro) || !strings.Contains(err.Error(), "native set") {
		t.Errorf("%v", err)
	}
}

func TestCommands(t *testing.T) {
	r := mustParse(t, `-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -m comment --comment "it\'s a web" -j DNAT --to-destination 192.168.0.2:8080`)
	c := Change{Op: Insert, Family: IPv4, Table: "nat", Chain: "PREROUTING", At: 1, Rule: r}
	want := `iptables -t nat -I PREROUTING 1 -i wan0 -p tcp -m tcp --dport 80 -m comment --comment 'it'\''s a web' -j DNAT --to-destination 192.168.0.2:8080`
	if got := ShellLine(c.Commands()[0]); got != want {
		t.Errorf("%s\nis not\n%s", got, want)
	}
}
