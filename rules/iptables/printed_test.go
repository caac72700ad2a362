package iptables

import (
	"strings"
	"testing"

	"nattui/rules"
)

// TestPrintedBesideOthers has another program change a chain in the same moment as we do: only a line that may be our rule,
// written otherwise, is taken for it.
func TestPrintedBesideOthers(t *testing.T) {
	set := func(text string) *rules.Ruleset {
		tables, err := rules.Read(strings.NewReader("*nat\n:PREROUTING ACCEPT [0:0]\n" + text + "COMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		return &rules.Ruleset{Tables: tables}
	}
	const (
		older  = "-A PREROUTING -i lan0 -j ACCEPT\n"
		ours   = "-A PREROUTING -i wan0 -p tcp --dport 62 -m limit --limit 120/minute -j DNAT --to-destination 192.168.0.2\n"
		shown  = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 62 -m limit --limit 2/sec -j DNAT --to-destination 192.168.0.2\n"
		theirs = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 2222 -m limit --limit 2/sec -j DNAT --to-destination 192.168.0.3:22\n"
	)
	r, err := rules.Parse(strings.TrimSpace(ours))
	if err != nil {
		t.Fatal(err)
	}
	changes := []rules.Change{{Op: rules.Insert, Table: "nat", Chain: "PREROUTING", At: 2, Rule: r}}
	for _, c := range []struct{ name, got, want string }{
		{"ours", older + shown, shown},
		{"ours beside theirs", older + shown + theirs, shown},
		{"theirs instead", theirs, ""},
		{"theirs instead, and another", older + older + theirs, ""},
		{"theirs in place of both", theirs + theirs, ""},
	} {
		as := printedAs(set(older+ours), set(c.got), changes)[r.String()]
		if got := as.String(); as.IsZero() != (c.want == "") || c.want != "" && got != strings.TrimSpace(c.want) {
			t.Errorf("%s: taken for ours: %q", c.name, got)
		}
	}
}
