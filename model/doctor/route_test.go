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

// TestServerWithoutNetwork: where no route but the default one leads to a server, the doctor says what becomes of the
// packet, and that it leaves only where it does.
func TestServerWithoutNetwork(t *testing.T) {
	const leaves = "leaves to the Internet"
	for _, test := range []struct {
		name, table string
		spoil       func(*Gateway)
		check       string
		severity    Severity
		says, not   []string
	}{
		{"the link is down and FORWARD drops", forwardToLAN + outwardsOnly, lanDown, "link-down", SeverityError, []string{"192.168.0.1/24", "lan0, which is down", "policy of FORWARD drops"}, []string{leaves, "no network of this host"}},
		{"the link is down and FORWARD accepts", forwardToLAN, lanDown, "link-down", SeverityError, []string{"lan0, which is down", leaves + " by wan0"}, []string{"no network of this host"}},
		{"the link is down and there is no default route", forwardToLAN, func(g *Gateway) {
			lanDown(g)
			g.Facts.Routes = slices.DeleteFunc(g.Facts.Routes, func(r facts.RouteEntry) bool { return r.Dst.Bits() == 0 })
		}, "link-down", SeverityError, []string{"lan0, which is down", "no route"}, []string{leaves}},
		{"no network, and FORWARD drops", forwardToLAN + outwardsOnly, noLAN, "no-route", SeverityWarning, []string{"no network of this host has it", "policy of FORWARD drops"}, []string{leaves}},
		{"no network, and FORWARD accepts", forwardToLAN, noLAN, "no-route", SeverityWarning, []string{"no network of this host has it", leaves}, nil},
		{"no network, and whether FORWARD drops is not known", forwardToLAN + "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m set --match-set s src -j ACCEPT\nCOMMIT\n", noLAN, "no-route", SeverityWarning, []string{"not known"}, []string{leaves}},
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
				for _, s := range append(test.not, "itself asks of others") {
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
