package rules

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// numbered is a rule set of one table whose chain holds the rules of the numbers.
func numbered(t interface{ Fatal(...any) }, numbers []int, more string) *Ruleset {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n" + more)
	for _, n := range numbers {
		fmt.Fprintf(&b, "-A PREROUTING -p tcp -m tcp --dport %d -j REDIRECT --to-ports 8888\n", n)
	}
	b.WriteString("COMMIT\n")
	tables, err := Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return &Ruleset{Tables: tables}
}

// Applying the difference makes one of the other, and its inverse the way back.
func TestDifferenceLeadsThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.IntRange(1, 6), 0, 12)
		own := rapid.SampledFrom([]string{"", ":MINE - [0:0]\n", ":MINE - [0:0]\n-A MINE -j RETURN\n", ":YOURS - [0:0]\n-A PREROUTING -j YOURS\n"})
		before := numbered(t, list.Draw(t, "before"), own.Draw(t, "chains before"))
		after := numbered(t, list.Draw(t, "after"), own.Draw(t, "chains after"))
		plan := Difference(before, after)
		variant := Variant{}
		there, err := plan.Apply(map[Variant]*Ruleset{variant: before})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := textOf(there[variant]), textOf(after); got != want {
			t.Fatalf("the difference leads to\n%s\nnot to\n%s", got, want)
		}
		back, err := plan.Inverse().Apply(there)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := textOf(back[variant]), textOf(before); got != want {
			t.Fatalf("its inverse leads to\n%s\nnot to\n%s", got, want)
		}
	})
}

func textOf(s *Ruleset) string {
	var b strings.Builder
	_ = Save(&b, s.Tables)
	return b.String()
}

func TestPlanAsDiff(t *testing.T) {
	before := numbered(t, []int{1, 2, 3, 4, 5}, "")
	chain, _ := before.Chain("nat", "PREROUTING")
	redirect, _ := Parse("-A PREROUTING -p tcp -m tcp --dport 9 -j REDIRECT --to-ports 8888")
	for _, c := range []struct {
		name   string
		change Change
		want   string
	}{
		{"appended", Change{Op: Insert, Rule: redirect}, "@@ nat PREROUTING @@|  5 5|+ 6 9"},
		{"in the middle", Change{Op: Insert, At: 3, Rule: redirect}, "@@ nat PREROUTING @@|  2 2|+ 3 9|  4 3"},
		{"deleted", Change{Op: Delete, At: 1, Rule: chain.Rules[0]}, "@@ nat PREROUTING @@|- 1 1|  1 2"},
		{"replaced", Change{Op: Replace, At: 2, Old: chain.Rules[1], Rule: redirect}, "@@ nat PREROUTING @@|  1 1|- 2 2|+ 2 9|  3 3"},
		{"moved", Change{Op: Move, At: 2, To: 3, Rule: chain.Rules[1]}, "@@ nat PREROUTING @@|  1 1|- 2 2|  2 3|+ 3 2|  4 4"},
		{"policy", Change{Op: SetPolicy, Policy: "DROP", OldPolicy: "ACCEPT"}, "@@ nat PREROUTING @@|- policy ACCEPT|+ policy DROP"},
	} {
		c.change.Table, c.change.Chain = "nat", "PREROUTING"
		lines, err := Single(c.change).Diff(map[Variant]*Ruleset{{}: before})
		if err != nil {
			t.Fatal(c.name, err)
		}
		var short []string
		for _, l := range lines {
			line := l.String()
			if _, rest, ok := strings.Cut(line, "--dport "); ok {
				line = fmt.Sprintf("%c %d %s", l.Sign, l.At, strings.Fields(rest)[0])
			}
			short = append(short, strings.Join(strings.Fields(line), " "))
			if l.Sign == ' ' {
				short[len(short)-1] = "  " + strings.TrimSpace(short[len(short)-1])
			}
		}
		if got := strings.Join(short, "|"); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// A rule at the end of its chain is shown as it would be typed.
func TestAppendedRuleIsShownAsAppended(t *testing.T) {
	before := numbered(t, []int{1, 2}, "")
	rule, _ := Parse("-A PREROUTING -p tcp -m tcp --dport 9 -j REDIRECT --to-ports 8888")
	plan, err := Single(Change{Op: Insert, Table: "nat", Chain: "PREROUTING", Rule: rule}).Resolve(map[Variant]*Ruleset{{}: before})
	if err != nil {
		t.Fatal(err)
	}
	if got := ShellLine(plan.Commands()[0]); !strings.Contains(got, " -A PREROUTING ") || plan.Steps[0].Change.At != 3 {
		t.Errorf("%s, at %d", got, plan.Steps[0].Change.At)
	}
}
