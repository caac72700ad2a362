package doctor

import (
	"testing"

	"nattui/rules"
)

// TestShadowsAreProven holds that a rule is called shadowed only where no packet is left to it.
func TestShadowsAreProven(t *testing.T) {
	for _, test := range []struct {
		name, table string
		check       string // of what is said of the second rule; "" for nothing
	}{
		{"special clients first, the others after", natTable("-A PREROUTING -i wan0 -s 203.0.113.0/26 -p udp -m udp --dport 123 -j DNAT --to-destination 192.168.0.2", "-A PREROUTING -i wan0 -s 203.0.113.0/24 -p udp -m udp --dport 123 -j DNAT --to-destination 192.168.0.3"), ""},
		{"special ports first, the others after", natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 7000 -j DNAT --to-destination 192.168.0.2", "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 7000:7100 -j DNAT --to-destination 192.168.0.3"), ""},
		{"special addresses first, the others after", natTable("-A PREROUTING -i wan0 -d 203.0.113.0/25 -p tcp -j DNAT --to-destination 192.168.0.2", "-A PREROUTING -i wan0 -d 203.0.113.0/24 -p tcp -j DNAT --to-destination 192.168.0.3"), ""},
		{"the general rule first", natTable("-A PREROUTING -i wan0 -s 203.0.113.0/24 -p udp -m udp --dport 123 -j DNAT --to-destination 192.168.0.3", "-A PREROUTING -i wan0 -s 203.0.113.0/26 -p udp -m udp --dport 123 -j DNAT --to-destination 192.168.0.2"), "shadowed-rule"},
		{"a wider range first", natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 7000:7050 -j DNAT --to-destination 192.168.0.2", "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 7000:7001 -j DNAT --to-destination 192.168.0.3"), "shadowed-rule"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: test.table})
			said := ""
			for _, f := range Examine(g) {
				if f.Subject == "PREROUTING 2" && (f.IsProblem() || f.Severity == SeverityUnknown) {
					said = f.Check
				}
			}
			if said != test.check {
				t.Errorf("it is said %q, want %q: %v", said, test.check, Examine(g))
			}
		})
	}
}
