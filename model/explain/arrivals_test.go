package explain

import (
	"net/netip"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// TestArrivals explains flows whose first packet may have come otherwise than by the route back to
// its source and without a mark, which connection tracking does not keep.
func TestArrivals(t *testing.T) {
	const (
		first  = "-A PREROUTING -i wan0 -p tcp -m tcp --dport 53 -j DNAT --to-destination 192.168.0.2\n"
		second = "-A PREROUTING -i dmz0 -p tcp -m tcp --dport 53 -j DNAT --to-destination 192.168.0.3\n"
		alike  = "-A PREROUTING -i dmz0 -p tcp -m tcp --dport 53 -j DNAT --to-destination 192.168.0.2\n"
		marked = ":OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -m mark --mark 0x7 -j DNAT --to-destination 192.168.0.9\n-A OUTPUT -p tcp -m tcp --dport 53 -j DNAT --to-destination 192.168.0.8\n"
	)
	to := func(server string) flow.Flow {
		return explainedFlow(1, "8.8.8.8:4000", "198.51.100.1:53", server, "8.8.8.8:4000")
	}
	inZone := to("192.168.0.7:53")
	inZone.Zone = 5
	for _, c := range []struct {
		name, rules string
		arrange     func(*facts.Facts)
		flow        flow.Flow
		want        string
		sure        Confidence
	}{
		{"the usual uplink", first + second, nil, to("192.168.0.2:53"), "PREROUTING 2", Exact},
		{"the second uplink", first + second, nil, to("192.168.0.3:53"), "PREROUTING 3", Inferred},
		{"either uplink", first + alike, nil, to("192.168.0.2:53"), "ambiguous PREROUTING 2", Ambiguous},
		{"the reverse path filter decides", first + alike, func(f *facts.Facts) {
			f.Settings.Links = map[string]facts.LinkSettings{"dmz0": {RPFilter: facts.RPFilterStrict}}
		}, to("192.168.0.2:53"), "PREROUTING 2", Exact},
		{"neither uplink", first + second, nil, to("192.168.0.7:53"), "stale", Stale},
		{"in a zone of somebody's", first + second, nil, inZone, "unknown", Unknown},
		{"not translated, which the second uplink would not do either", first, nil, to("198.51.100.1:53"), "unknown", Unknown},
		{"not translated, by the only way in that is believed", first, func(f *facts.Facts) {
			f.Settings.Links = map[string]facts.LinkSettings{"dmz0": {RPFilter: facts.RPFilterStrict}, "lan0": {RPFilter: facts.RPFilterStrict}}
		}, to("198.51.100.1:53"), "stale", Stale},
		{"not translated, by the only interface that is up", first, func(f *facts.Facts) {
			f.Links[2].Up, f.Links[3].Up = false, false
		}, to("198.51.100.1:53"), "stale", Stale},
		{"not translated, with an uplink that has no address", first, func(f *facts.Facts) {
			f.Addresses = f.Addresses[:len(f.Addresses)-1]
			f.Settings.Links = map[string]facts.LinkSettings{"lan0": {RPFilter: facts.RPFilterStrict}}
		}, to("198.51.100.1:53"), "unknown", Unknown},
		{"not translated, from a neighbour", first, nil, explainedFlow(1, "203.0.113.9:4000", "198.51.100.1:53", "198.51.100.1:53", "203.0.113.9:4000"), "stale", Stale},
		{"not translated, from a neighbour on two cables", first, func(f *facts.Facts) {
			f.Addresses = append(f.Addresses, facts.Address{Link: "dmz0", Prefix: netip.MustParsePrefix("203.0.113.2/24")})
		}, explainedFlow(1, "203.0.113.9:4000", "198.51.100.1:53", "198.51.100.1:53", "203.0.113.9:4000"), "unknown", Unknown},
		{"not translated, with routes by the second uplink", first, func(f *facts.Facts) {
			f.Routes = append(f.Routes, facts.RouteEntry{Table: 100, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "dmz0"}}})
			f.PolicyRules = append(f.PolicyRules, facts.PolicyRule{Family: rules.IPv4, Priority: 200, Table: 100, Mark: 2, Mask: 0xff, SuppressPrefix: -1})
			last := len(f.PolicyRules) - 1
			f.PolicyRules[1], f.PolicyRules[last] = f.PolicyRules[last], f.PolicyRules[1]
		}, to("198.51.100.1:53"), "none", Inferred},
		{"a neighbour comes by its cable", first + alike, nil, explainedFlow(1, "203.0.113.9:4000", "198.51.100.1:53", "192.168.0.2:53", "203.0.113.9:4000"), "PREROUTING 2", Exact},
		{"a program's mark", marked, nil, explainedFlow(1, "192.168.0.1:4000", "198.51.100.1:53", "192.168.0.9:53", "192.168.0.1:4000"), "OUTPUT 1", Inferred},
		{"without a mark", marked, nil, explainedFlow(1, "192.168.0.1:4000", "198.51.100.1:53", "192.168.0.8:53", "192.168.0.1:4000"), "OUTPUT 2", Exact},
	} {
		t.Run(c.name, func(t *testing.T) {
			known, sets := explainGateway(t, c.rules)
			known.Links = append(known.Links, facts.Link{Index: 4, Name: "dmz0", Up: true, Running: true})
			known.Addresses = append(known.Addresses, facts.Address{Link: "dmz0", Prefix: netip.MustParsePrefix("10.0.0.1/24")})
			if c.arrange != nil {
				c.arrange(known)
			}
			x := NewExplainer(nil)
			x.SetRules(sets, known.Host(nil))
			mark := x.Marker()
			for range 2 { // evaluated, and remembered
				if e := mark(&c.flow); e.String() != c.want || e.Confidence != c.sure {
					t.Errorf("got %s, %s; want %s, %s", e, e.Confidence, c.want, c.sure)
				}
			}
		})
	}
}
