package evaluate

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/rules"
)

// TestPolicy decides -m policy by the host's IPsec policies.
func TestPolicy(t *testing.T) {
	protected := func(out bool, src, dst netip.Addr) Truth {
		return truth(out && src == netip.MustParseAddr("192.168.0.9") && dst == netip.MustParseAddr("10.1.0.1"))
	}
	for _, test := range []struct {
		rule, dst string
		host      Host
		want      string
	}{
		{"--dir out --pol ipsec", "10.1.0.1", Host{IPsec: protected}, "ACCEPT"},
		{"--dir out --pol ipsec", "10.2.0.1", Host{IPsec: protected}, "SNAT"},
		{"--dir out --pol none", "10.1.0.1", Host{IPsec: protected}, "SNAT"},
		{"--dir out --pol none", "10.2.0.1", Host{IPsec: protected}, "ACCEPT"},
		{"--dir in --pol ipsec", "10.1.0.1", Host{IPsec: protected}, "SNAT"},
		{"--dir out --pol ipsec --strict --reqid 1", "10.1.0.1", Host{IPsec: protected}, "?"},
		{"--dir out --pol ipsec --strict --reqid 1", "10.2.0.1", Host{IPsec: protected}, "SNAT"},
		{"--dir out --pol ipsec", "10.1.0.1", Host{}, "?"},
	} {
		tables, err := rules.Read(strings.NewReader("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -m policy " + test.rule + " -j ACCEPT\n-A POSTROUTING -j SNAT --to-source 203.0.113.1\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		test.host.Route = func(RouteQuery) Decision { return Decision{Kind: RoutedForward, Out: "wan0"} }
		e := NewEvaluator(test.host, Compile(&rules.Ruleset{Tables: tables}))
		p := Packet{Protocol: rules.TCP, Src: netip.MustParseAddr("192.168.0.9"), Dst: netip.MustParseAddr(test.dst), SrcPort: 5000, DstPort: 80, In: "lan0"}
		outcomes, certain := e.Outcomes(nil, &p)
		got := "ACCEPT"
		switch {
		case !certain:
			got = "?"
		case outcomes[0].SNAT:
			got = "SNAT"
		}
		if got != test.want {
			t.Errorf("%s to %s: %s, want %s", test.rule, test.dst, got, test.want)
		}
	}
}
