package guide

import (
	"strings"
	"testing"

	"nattui/rules"
)

// TestShareKeepsSpecialRules holds that a plan names each rule whose machines it takes, and none that keeps them.
func TestShareKeepsSpecialRules(t *testing.T) {
	const special = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.168.0.3/32 -o wan0 -j SNAT --to-source 203.0.113.2\nCOMMIT\n"
	legacy := rules.Variant{Family: rules.IPv4, Backend: rules.Legacy}
	for _, c := range []struct {
		name string
		host func(*Host)
		want string // of the warning; "" for none
	}{
		{"before the new rule", func(*Host) {}, ""},
		{"of iptables, and FORWARD drops as yet", func(h *Host) {
			h.Native = true
			for _, set := range h.Sets {
				set.Tables = append(set.Tables, rules.Table{Name: "filter", Chains: []rules.Chain{{Name: "FORWARD", Policy: "DROP"}}})
			}
		}, "the new rule comes before it"},
		{"of the other backend", func(h *Host) {
			nft := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
			h.Sets = map[rules.Variant]*rules.Ruleset{nft: {}, legacy: {Backend: rules.Legacy, Tables: h.Sets[nft].Tables}}
		}, "which comes first, it or the new rule, is not known"},
		{"of iptables, and the new rule is native", func(h *Host) { h.Native = true }, "the new rule comes before it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := gateway(t, special)
			c.host(&h)
			a := Share{Net: "192.168.0.0/24"}.Advise(h)
			var warned string
			for _, o := range a.Objections {
				warned += o.String()
			}
			if a.Wrong() || len(a.Plan.Steps) == 0 || (warned == "") != (c.want == "") || !strings.Contains(warned, c.want) {
				t.Fatalf("it warns %q:\n%s", warned, told(a))
			}
			for _, s := range []string{"rule 1 of POSTROUTING", "192.168.0.3", "203.0.113.2"} {
				if c.want != "" && !strings.Contains(warned, s) {
					t.Errorf("%q does not name %s", warned, s)
				}
			}
		})
	}
}
