package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// TestNoHalfOfACure holds that what commands belong to which nattui does not run is advice as a whole.
func TestNoHalfOfACure(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: strings.ReplaceAll(soundTable, "-d 203.0.113.1/32", "-d 198.18.1.2/32")})
	g.addLink(facts.Link{Name: "wan1", Kind: "device", Up: true, Running: true, MTU: 1500}, "198.18.1.2/24")
	g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Metric: 900, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan1", Gateway: netip.MustParseAddr("198.18.1.1")}}})
	// Somebody uses the usual number already.
	g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: 110, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan0"}}})
	g.Facts.PolicyRules = append(g.Facts.PolicyRules, facts.PolicyRule{Priority: 90, Action: facts.RuleTable, Table: 110, Mark: 0x6e, Mask: 0xff, Family: rules.IPv4, SuppressPrefix: -1})
	found := Examine(g)
	i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == "answer-leaves-elsewhere" })
	if i < 0 {
		t.Fatal(found)
	}
	if f := found[i]; len(f.Cure.Steps) > 0 || len(f.Commands) != 4 || f.Commands[0][0] != "iptables-nft" && f.Commands[0][0] != "iptables" || f.Commands[3][1] != "rule" || slices.Contains(f.Commands[3], "110") || slices.Contains(f.Commands[3], "0x6e") {
		t.Errorf("%s\ncure: %v\ncommands: %v", f.Sentence, f.Cure, f.Commands)
	}
}

// TestOneRuleForOneFault holds that carrying out every cure that is offered leaves one rule for what one was meant for.
func TestOneRuleForOneFault(t *testing.T) {
	for _, table := range []string{
		natTable("-A POSTROUTING -s 192.168.0.0/24 -o eth0 -j MASQUERADE"),
		natTable("-A POSTROUTING -o eth+ -j SNAT --to-source 203.0.113.1"),
		"*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:out - [0:0]\n-A POSTROUTING -j out\n-A out -o eth0 -j MASQUERADE\nCOMMIT\n",
	} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: table})
		g.give(flowOf(tuple(rules.TCP, "192.168.0.7:4000", "198.51.100.9:80"), tuple(rules.TCP, "198.51.100.9:80", "192.168.0.7:4000"), 0, flow.TCPSynSent))
		cured := 0
		for _, f := range Examine(g) {
			if len(f.Cure.Steps) == 0 {
				continue
			}
			if sets, err := f.Cure.Apply(g.Sets); err == nil {
				g.Sets = sets
				cured++
			}
		}
		n := 0
		for _, chain := range []string{"POSTROUTING", "out"} {
			if c, ok := g.Sets[nft4].Chain("nat", chain); ok {
				for i := range c.Rules {
					if c.Rules[i].Target.Kind.Translates() {
						n++
					}
				}
			}
		}
		if cured == 0 || n != 1 {
			t.Errorf("%s%d cures leave %d rules", table, cured, n)
		}
		for _, f := range Examine(g) {
			if f.IsProblem() {
				t.Errorf("%safter the cure: %s: %s", table, f.Check, f.Sentence)
			}
		}
	}
}
