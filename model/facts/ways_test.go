package facts

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// twoUplinks are facts of a gateway with a LAN and two ways to the Internet.
func twoUplinks(main []Hop, policy ...PolicyRule) *Facts {
	f := &Facts{
		Settings:    UnknownSettings(),
		PolicyRules: append(policy, PolicyRule{Priority: 32766, Action: RuleTable, Table: TableMain, Family: rules.IPv4, SuppressPrefix: -1}),
		Routes: []RouteEntry{
			{Table: TableMain, Kind: RouteUnicast, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: main},
			{Table: 88, Kind: RouteUnicast, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []Hop{{Out: "wan1"}}},
			{Table: TableMain, Kind: RouteUnicast, Dst: netip.MustParsePrefix("192.168.0.0/24"), Hops: []Hop{{Out: "lan0"}}},
		},
	}
	for i, name := range []string{"wan0", "wan1", "lan0"} {
		f.Links = append(f.Links, Link{Name: name, Up: true, Index: i + 1})
		f.Addresses = append(f.Addresses, Address{Link: name, Prefix: netip.MustParsePrefix([]string{"203.0.113.1/24", "198.51.100.1/24", "192.168.0.1/24"}[i])})
	}
	off := LinkSettings{RPFilter: RPFilterOff, RouteLocalnet: SettingOff, AcceptLocal: SettingOff, SrcValidMark: SettingOff, Forwarding4: SettingOn}
	f.Settings.Forwarding4, f.Settings.All = SettingOn, off
	f.Settings.Links = map[string]LinkSettings{"wan0": off, "wan1": off, "lan0": off}
	return f
}

// ruleset reads tables, each with rules of one chain.
func ruleset(t *testing.T, text string) *rules.Ruleset {
	t.Helper()
	set := &rules.Ruleset{Family: rules.IPv4}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "*"); ok {
			set.Tables = append(set.Tables, rules.Table{Name: name, Chains: []rules.Chain{{Policy: "ACCEPT"}}})
			continue
		}
		r, err := rules.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		c := &set.Tables[len(set.Tables)-1].Chains[0]
		c.Name = strings.Fields(line)[1]
		c.Rules = append(c.Rules, r)
	}
	return set
}

// TestWaysOfAPacket follows a packet by each way that it may take, and by one alone where its type of service decides.
func TestWaysOfAPacket(t *testing.T) {
	byTOS := PolicyRule{Priority: 100, Action: RuleTable, Table: 88, Family: rules.IPv4, SuppressPrefix: -1, TOS: 0x10}
	one, two := []Hop{{Out: "wan0"}}, []Hop{{Out: "wan0"}, {Out: "wan1"}}
	const nat = "*nat\n-A POSTROUTING -o wan0 -j MASQUERADE\n-A POSTROUTING -o wan1 -j MASQUERADE\n"
	mangle := func(rule string) string { return "*mangle\n-A PREROUTING " + rule + "\n" }
	for _, c := range []struct {
		name    string
		facts   *Facts
		rules   string
		tos     int // -1: not said
		outs    []string
		certain bool
	}{
		{"one way", twoUplinks(one), nat, -1, []string{"wan0"}, true},
		{"two nexthops", twoUplinks(two), nat, -1, []string{"wan0", "wan1"}, false},
		{"its own type of service", twoUplinks(one, byTOS), nat, 0x10, []string{"wan1"}, true},
		{"congestion bits", twoUplinks(one, byTOS), nat, 0x12, []string{"wan1"}, true},
		{"another type of service", twoUplinks(one, byTOS), nat, 0x20, []string{"wan0"}, true},
		{"a type of service that is not said", twoUplinks(one, byTOS), nat, -1, []string{"wan0", "wan1"}, false},
		{"written by TOS", twoUplinks(one, byTOS), nat + mangle("-p tcp -j TOS --set-tos 0x10/0xff"), -1, []string{"wan1"}, true},
		{"written by DSCP", twoUplinks(one, byTOS), nat + mangle("-p tcp -j DSCP --set-dscp 0x04"), -1, []string{"wan1"}, true},
		{"written to another", twoUplinks(one, byTOS), nat + mangle("-p tcp -j DSCP --set-dscp 0x00"), 0x10, []string{"wan0"}, true},
		{"written in part", twoUplinks(one, byTOS), nat + mangle("-p tcp -j TOS --set-tos 0x20/0x20"), -1, []string{"wan0"}, true},
		{"written in another part", twoUplinks(one, byTOS), nat + mangle("-p tcp -j TOS --set-tos 0x00/0x20"), -1, []string{"wan0", "wan1"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := ruleset(t, c.rules)
			p := evaluate.Packet{Protocol: rules.TCP, Src: netip.MustParseAddr("192.168.0.3"), Dst: netip.MustParseAddr("8.8.8.8"), SrcPort: 4000, DstPort: 80, In: "lan0"}
			if c.tos >= 0 {
				p.TOS, p.Has = uint8(c.tos), evaluate.HasTOS
			}
			e := evaluate.NewEvaluator(c.facts.Host(nil), evaluate.Compile(set))
			path, err := e.Evaluate(p)
			if err != nil {
				t.Fatal(err)
			}
			var outs []string
			for _, o := range path.Outcomes {
				outs = append(outs, o.Out)
				if want := map[string]string{"wan0": "203.0.113.1", "wan1": "198.51.100.1"}[o.Out]; o.Src.Addr.String() != want {
					t.Errorf("by %s it is seen as %s, not %s", o.Out, o.Src.Addr, want)
				}
			}
			slices.Sort(outs)
			if !slices.Equal(outs, c.outs) || path.Certain != c.certain {
				t.Errorf("it leaves by %q, certain %t, not by %q, certain %t: %v", outs, path.Certain, c.outs, c.certain, path.Doubts)
			}
		})
	}
}
