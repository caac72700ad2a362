package doctor

import (
	"strings"
	"testing"

	"nattui/rules"
)

// POSTROUTING compares the destination after DNAT: one that packets no longer have there is doubted, and only that.
func TestDoubtsDestinationsBeforeDNAT(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n"})
	const translated, own = "rule 1 of PREROUTING gives packets for 203.0.113.1 another destination before they come here: 192.168.0.2:8080 is what this rule can match", "203.0.113.1 is an address of this host"
	for line, want := range map[string]string{
		"-A POSTROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j SNAT --to-source 192.168.0.1":   translated,
		"-A POSTROUTING -d 203.0.113.1/32 -j MASQUERADE":                                              translated,
		"-A POSTROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 81 -j SNAT --to-source 192.168.0.1":   own,
		"-A POSTROUTING -d 203.0.113.1/32 -p udp -m udp --dport 80 -j SNAT --to-source 192.168.0.1":   own,
		"-A POSTROUTING -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j SNAT --to-source 192.168.0.1": "",
		"-A POSTROUTING ! -d 203.0.113.1/32 -o wan0 -j MASQUERADE":                                    "",
		"-A INPUT -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j SNAT --to-source 192.168.0.1":         "",
	} {
		r, err := rules.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(Doubts(g.Facts, g.Sets[nft4], r, nil), "\n")
		told := strings.Contains(said, translated) || strings.Contains(said, own)
		if told != (want != "") || !strings.Contains(said, want) {
			t.Errorf("%s\nsays %q, not %q", line, said, want)
		}
	}
}
