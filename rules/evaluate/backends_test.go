package evaluate

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/rules"
)

// Where both backends have rules in a table, what is said of a rule names its backend; elsewhere nothing does.
func TestRulesOfBothBackendsAreNamed(t *testing.T) {
	nat := func(to string) string {
		return "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination " + to + "\nCOMMIT\n"
	}
	said := func(sets ...*rules.Ruleset) string {
		var programs []*Program
		for _, s := range sets {
			programs = append(programs, Compile(s))
		}
		p, err := NewPacket(rules.TCP, netip.MustParseAddrPort("198.51.100.7:5000"), netip.MustParseAddrPort("203.0.113.1:80"))
		if err != nil {
			t.Fatal(err)
		}
		p.In = "wan0"
		path, err := NewEvaluator(gateway(), programs...).Evaluate(p)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for i := range path.Visits {
			lines = append(lines, path.Visits[i].Name())
		}
		for i := range path.Outcomes {
			lines = append(lines, path.Outcomes[i].Sentence(&path.Packet))
		}
		for _, d := range path.Doubts {
			lines = append(lines, d.String())
		}
		return strings.Join(lines, "\n")
	}
	filter := "*filter\n:FORWARD DROP\n-A FORWARD -d 192.168.0.2/32 -j ACCEPT\nCOMMIT\n"
	both := said(setOf(t, rules.IPv4, rules.NFT, nat("192.168.0.2")+filter), setOf(t, rules.IPv4, rules.Legacy, nat("192.168.0.3")))
	for _, want := range []string{"DNAT by nat PREROUTING 1 (nft)", "DNAT by nat PREROUTING 1 (legacy)", "\nnat PREROUTING 1 (legacy)", "filter FORWARD 1\n", "dropped by filter FORWARD policy"} {
		if !strings.Contains(both, want) {
			t.Errorf("%q is not in\n%s", want, both)
		}
	}
	if both = said(setOf(t, rules.IPv4, rules.NFT, "*filter\n:INPUT DROP\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n"), setOf(t, rules.IPv4, rules.Legacy, "*filter\n:INPUT DROP\nCOMMIT\n")); !strings.Contains(both, "dropped by filter INPUT policy (legacy)") {
		t.Errorf("the policy of one backend is not told from the other's:\n%s", both)
	}
	if one := said(setOf(t, rules.IPv4, rules.NFT, filter), setOf(t, rules.IPv4, rules.Legacy, nat("192.168.0.2"))); strings.ContainsAny(one, "()") {
		t.Errorf("a backend is named where only one has rules:\n%s", one)
	}
}
