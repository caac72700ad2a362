package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

const (
	forwardToLAN = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 3001 -j DNAT --to-destination 192.168.0.21:8080\nCOMMIT\n"
	outwardsOnly = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i lan0 -o wan0 -j ACCEPT\nCOMMIT\n"
)

// lanDown takes the interface inside down, with which the kernel takes its routes.
func lanDown(g *Gateway) {
	f := g.Facts
	i := slices.IndexFunc(f.Links, func(l facts.Link) bool { return l.Name == "lan0" })
	f.Links[i].Up, f.Links[i].Running = false, false
	f.Routes = slices.DeleteFunc(f.Routes, func(r facts.RouteEntry) bool { return r.Hops[0].Out == "lan0" })
}

// noLAN is a gateway that has no network inside.
func noLAN(g *Gateway) {
	lanDown(g)
	g.Facts.Addresses = slices.DeleteFunc(g.Facts.Addresses, func(a facts.Address) bool { return a.Link == "lan0" })
}

// leadOut gives the server a route out to the Internet, although its network is inside.
func leadOut(g *Gateway) {
	g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{
		Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("192.168.0.21/32"), Hops: []facts.Hop{{Out: "wan0"}},
	})
}

// A private server behind another router outside, which a route leads to, is no stray.
func TestServerBehindARouterOutside(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: strings.ReplaceAll(forwardToLAN, "192.168.0.21", "10.9.0.5")})
	g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{
		Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("10.0.0.0/8"), Hops: []facts.Hop{{Out: "wan0", Gateway: netip.MustParseAddr("203.0.113.9")}},
	})
	for _, f := range Examine(g) {
		if f.Check == "no-route" {
			t.Errorf("it says %q", f.Sentence)
		}
	}
}

// TestServerWithoutNetwork: where no route but the default one leads to a server, the doctor says what becomes of the
// packet, and that it leaves only where it does.
func TestServerWithoutNetwork(t *testing.T) {
	const leaves, asks = "leaves to the Internet", "itself asks of others"
	for _, test := range []struct {
		name, table string
		spoil       func(*Gateway)
		check       string
		severity    Severity
		says, not   []string
	}{
		{"the link is down and FORWARD drops", forwardToLAN + outwardsOnly, lanDown, "link-down", SeverityError, []string{"192.168.0.1/24", "lan0, which is down", "policy of FORWARD drops"}, []string{leaves, "no network of this host", asks}},
		{"the link is down and FORWARD accepts", forwardToLAN, lanDown, "link-down", SeverityError, []string{"lan0, which is down", leaves + " by wan0"}, []string{"no network of this host", asks}},
		{"the link is down and there is no default route", forwardToLAN, func(g *Gateway) {
			lanDown(g)
			g.Facts.Routes = slices.DeleteFunc(g.Facts.Routes, func(r facts.RouteEntry) bool { return r.Dst.Bits() == 0 })
		}, "link-down", SeverityError, []string{"lan0, which is down", "no route"}, []string{leaves, asks}},
		{"no network, and FORWARD drops", forwardToLAN + outwardsOnly, noLAN, "no-route", SeverityWarning, []string{"no network of this host has it", "policy of FORWARD drops"}, []string{leaves, asks}},
		{"no network, and FORWARD accepts", forwardToLAN, noLAN, "no-route", SeverityWarning, []string{"no network of this host has it", leaves}, []string{asks}},
		{"no network, and whether FORWARD drops is not known", forwardToLAN + "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m set --match-set s src -j ACCEPT\nCOMMIT\n", noLAN, "no-route", SeverityWarning, []string{"not known"}, []string{leaves, asks}},
		{"a route of its own leads out", forwardToLAN, leadOut, "no-route", SeverityWarning, []string{"on the network of 192.168.0.1/24 on lan0", "by wan0", leaves}, []string{"no network of this host"}},
		{"a route of its own leads out, and FORWARD drops", forwardToLAN + "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n", leadOut, "no-route", SeverityWarning, []string{"on the network of 192.168.0.1/24 on lan0", "policy of FORWARD drops"}, []string{leaves}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: test.table})
			test.spoil(g)
			found := Examine(g)
			i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == test.check })
			if i < 0 {
				t.Fatalf("%s is not said: %v", test.check, found)
			}
			if found[i].Severity != test.severity {
				t.Errorf("it is %s, not %s", found[i].Severity, test.severity)
			}
			for _, s := range test.says {
				if !strings.Contains(found[i].Sentence, s) {
					t.Errorf("%q does not say %q", found[i].Sentence, s)
				}
			}
			for _, f := range found {
				for _, s := range test.not {
					if strings.Contains(f.Sentence, s) {
						t.Errorf("%q says %q", f.Sentence, s)
					}
				}
			}
		})
	}
}

// A container's rule that is left over says that FORWARD drops, not that its packets leave.
func TestContainerWithoutNetwork(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: `*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
` + outwardsOnly})
	found := Examine(g)
	i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == "no-route" })
	if i < 0 || !strings.Contains(found[i].Sentence, "policy of FORWARD drops") || strings.Contains(found[i].Sentence, "leaves to") {
		t.Errorf("it says %v", found)
	}
	if to := netip.MustParseAddr("172.17.0.2"); i >= 0 && !strings.Contains(found[i].Sentence, to.String()) {
		t.Errorf("%q does not name %s", found[i].Sentence, to)
	}
}
