package explain

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// TestBlastUpkeep: what keeps the route to a client, or the address that it came to, may end its connection; and somebody who
// works here by a connection that this host began is dialled again.
func TestBlastUpkeep(t *testing.T) {
	client, here := netip.MustParseAddrPort("198.51.100.9:50000"), netip.MustParseAddrPort("203.0.113.1:22")
	login := facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: client, Server: here, User: "alice"}
	agent := facts.Way{Kind: facts.WayShell, Proto: rules.TCP, Client: netip.MustParseAddrPort("198.51.100.9:443"), Server: netip.MustParseAddrPort("203.0.113.1:40000"), Program: "agent", Outward: true}
	for _, c := range []struct {
		way    facts.Way
		origin string
		lent   bool
		rule   string
		own    bool
	}{
		{login, "ospf", false, "-A INPUT -p 89 -j DROP", true},
		{login, "bird", false, "-A INPUT -p 89 -j DROP", true},
		{login, "bird", false, "-A OUTPUT -d 224.0.0.0/24 -j DROP", true},
		{login, "static", false, "-A INPUT -p 89 -j DROP", false},
		{login, "bgp", false, "-A INPUT -p tcp -m tcp --dport 179 -j DROP", true},
		{login, "bgp", false, "-A OUTPUT -p tcp -m tcp --dport 179 -m conntrack --ctstate NEW -j DROP", true},
		{login, "zebra", false, "-A INPUT -p udp -m udp --dport 3784 -j DROP", true},
		{login, "bgp", false, "-A INPUT -p udp -m udp --dport 53 -j DROP", false},
		{login, "boot", true, "-A INPUT -p udp -m udp --dport 68 -j DROP", true},
		{login, "boot", true, "-A OUTPUT -p udp -m udp --dport 67 -j DROP", true},
		{login, "boot", false, "-A OUTPUT -p udp -m udp --dport 67 -j DROP", false},
		{agent, "boot", false, "-A OUTPUT -p tcp -m tcp --dport 443 -m conntrack --ctstate NEW -j DROP", true},
		{agent, "boot", false, "-A OUTPUT -p tcp -m tcp --dport 8443 -j DROP", false},
	} {
		known, _ := explainGateway(t, "")
		known.Ways, known.Session, known.Seat = []facts.Way{c.way}, nil, facts.SeatConsole
		known.Routes = append(known.Routes, facts.RouteEntry{
			Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("198.51.100.0/24"), Origin: c.origin,
			Hops: []facts.Hop{{Out: "wan0", Gateway: netip.MustParseAddr("203.0.113.9")}},
		})
		for i := range known.Addresses {
			if known.Addresses[i].Prefix.Addr() == here.Addr() && c.lent {
				known.Addresses[i].Dynamic, known.Addresses[i].Valid = true, 600
			}
		}
		tables, err := rules.Read(strings.NewReader("*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + c.rule + "\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		made, err := rules.Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		plan := rules.Plan{Steps: []rules.Step{{Change: &rules.Change{Op: rules.Insert, Table: "filter", Chain: made.Chain, Rule: made}}}}
		got := BlastOf(known, Rules{}, Rules{Sets: map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}}, plan, nil, 0)
		if got.Own != c.own {
			t.Errorf("%v by a route of %s, lent %v: %s: own %v (%s); want %v", c.way, c.origin, c.lent, c.rule, got.Own, got.OwnWhy, c.own)
		}
	}
}
