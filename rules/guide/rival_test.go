package guide

import (
	"strings"
	"testing"

	"nattui/rules"
)

// TestRivalsAreNamed holds that a plan names each rule whose packets its own takes, however narrow, and none that keeps them.
func TestRivalsAreNamed(t *testing.T) {
	const first, unknown = "the new rule comes before it", "which comes first, it or the new rule, is not known"
	proxy, mapped := Proxy{In: "lan0", Port: "80", ToPort: "8888"}, OneToOne{Outside: "203.0.113.1", Inside: "192.168.0.9"}
	for _, c := range []struct {
		name, there string // the rule of PREROUTING
		recipe      Recipe
		backend     rules.Backend
		native      bool
		want        []string // of the warning; none for no warning
	}{
		{"proxy before all that it is for", "-i lan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 203.0.113.9:81", proxy, rules.NFT, false, []string{"port: rule 1 of PREROUTING now sends to 203.0.113.9:81", first}},
		{"proxy behind a narrower one", "-d 203.0.113.9/32 -i lan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 203.0.113.9:81", proxy, rules.NFT, false, nil},
		{"proxy beside a narrower one of the other backend", "-d 203.0.113.9/32 -i lan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 203.0.113.9:81", proxy, rules.Legacy, false, []string{"port: rule 1 of PREROUTING", "tcp 203.0.113.9:80", unknown}},
		{"native proxy before a narrower one", "-s 192.168.0.7/32 -p tcp -m multiport --dports 79,80 -j DNAT --to-destination 203.0.113.9:81", proxy, rules.NFT, true, []string{"port: rule 1 of PREROUTING", first, "-s 192.168.0.7/32"}},
		{"proxy beside one for this host, which has the port itself", "-d 192.168.0.1/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 203.0.113.9", Proxy{In: "lan0", Port: "22", ToPort: "8888"}, rules.NFT, true, nil},
		{"proxy beside another interface", "-i tun0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 203.0.113.9:81", proxy, rules.NFT, true, nil},
		{"proxy beside another port", "-p tcp -m tcp --dport 81 -j DNAT --to-destination 203.0.113.9:81", proxy, rules.NFT, true, nil},
		{"proxy that is there", "-i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888", proxy, rules.NFT, false, nil},
		{"native one to one before a port", "-d 203.0.113.1/32 -p udp -m udp --dport 8000:8100 -j DNAT --to-destination 192.168.0.3", mapped, rules.NFT, true, []string{"outside: rule 1 of PREROUTING", "udp 203.0.113.1:8000", first}},
		{"one to one before all of the address", "-d 203.0.113.1/32 -j DNAT --to-destination 192.168.0.3", mapped, rules.NFT, false, []string{"outside: rule 1 of PREROUTING", first, "--to-destination 192.168.0.3"}},
		{"one to one behind a port", "-d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3", mapped, rules.NFT, false, nil},
		{"a network to a network, and one of its machines", "-d 203.0.113.10/32 -j DNAT --to-destination 192.168.0.3", OneToOne{Outside: "203.0.113.8/29", Inside: "192.168.0.8/29"}, rules.NFT, true, []string{"outside: rule 1 of PREROUTING", "203.0.113.10:", first}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := gateway(t, "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING "+c.there+"\nCOMMIT\n")
			nft := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
			h.Sets = map[rules.Variant]*rules.Ruleset{nft: {}, {Family: rules.IPv4, Backend: c.backend}: {Backend: c.backend, Tables: h.Sets[nft].Tables}}
			h.Native = c.native
			a := c.recipe.Advise(h)
			var warned string
			for _, o := range a.Objections {
				if strings.Contains(o.Text, "sends to") {
					warned += o.Field + ": " + o.String() + "\n"
				}
			}
			if a.Wrong() || strings.Count(warned, "\n") != min(1, len(c.want)) {
				t.Fatalf("it warns %q:\n%s", warned, told(a))
			}
			for _, s := range c.want {
				if !strings.Contains(warned, s) {
					t.Errorf("%q does not say %q", warned, s)
				}
			}
		})
	}
}
