package doctor_test

import (
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
	"nattui/rules"
)

// TestBarred: what would drop what a new rule forwards is said before it is made, and nothing where it arrives.
func TestBarred(t *testing.T) {
	forward, err := rules.Parse("-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.2:8080")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter [][]string
		says   string
	}{
		"nothing":             {nil, ""},
		"policy":              {[][]string{{"iptables", "-P", "FORWARD", "DROP"}}, "the policy of FORWARD drops what goes to 192.168.0.2:8080"},
		"rule":                {[][]string{{"iptables", "-A", "FORWARD", "-i", "wan0", "-j", "DROP"}}, "rule FORWARD 1 drops"},
		"native":              {[][]string{{"nft", "add table inet f; add chain inet f c { type filter hook forward priority 5; policy drop; }"}}, "the policy of inet f c drops"},
		"policy and accept":   {[][]string{{"iptables", "-P", "FORWARD", "DROP"}, {"iptables", "-A", "FORWARD", "-d", "192.168.0.2", "-p", "tcp", "--dport", "8080", "-j", "ACCEPT"}}, ""},
		"what is not known":   {[][]string{{"iptables", "-P", "FORWARD", "DROP"}, {"iptables", "-A", "FORWARD", "-m", "statistic", "--mode", "random", "--probability", "0.5", "-j", "ACCEPT"}}, ""},
		"accepts before NAT":  {[][]string{{"iptables", "-P", "FORWARD", "DROP"}, {"iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "81", "-j", "ACCEPT"}}, "the policy of FORWARD drops"},
		"drops another's way": {[][]string{{"iptables", "-A", "FORWARD", "-i", "lan0", "-j", "DROP"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			w.base()
			for _, argv := range c.filter {
				w.run(w.Gateway, argv...)
			}
			w.settle()
			g := w.look()
			plan := rules.Single(rules.Change{Op: rules.Insert, Family: rules.IPv4, Backend: rules.NFT, Table: "nat", Chain: "PREROUTING", Rule: forward})
			after, err := plan.Apply(g.Sets)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(doctor.Barred(g.Facts, after, nil, plan), "\n")
			if c.says == "" && said != "" || !strings.Contains(said, c.says) {
				t.Errorf("it says %q, not %q", said, c.says)
			}
		})
	}
}
