package iptables

import (
	"testing"

	"nattui/rules"

	"pgregory.net/rapid"
)

// TestAlikeRulesAreKin: rules are looked for among their kin only, and so all that iptables could take for one another
// have to be.
func TestAlikeRulesAreKin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := func() rules.Rule {
			pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "part") }
			line := "-A INPUT" + pick("", " -s ::/64", " -s fd00::/64", " -s fd00::/80", " ! -s fd00::/64") + pick("", " -d fd00::1/128", " -d ::/0") +
				pick("", " -i eth0") + pick(" -p tcp -m tcp --dport 80", " -p udp") +
				pick("", " -m helper --helper ftp", " -m helper --helper sip", " -m connlabel --label 1", " -m comment --comment a") +
				pick(" -j ACCEPT", " -j NFQUEUE --queue-num 1", " -j NFQUEUE --queue-num 2", " -j MARK --set-xmark 0x1/0xffffffff")
			r, err := rules.Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		a, b := rule(), rule()
		if alike(a, b) && kinship(a) != kinship(b) {
			t.Fatalf("%s and %s are alike, and no kin", a, b)
		}
	})
}
