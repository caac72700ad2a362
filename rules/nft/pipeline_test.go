package nft_test

import (
	"slices"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/nft"
)

// TestStops: chains stand in the order of their priorities; of one table and priority the one made last comes first, and
// of several tables nobody can tell.
func TestStops(t *testing.T) {
	one, two := &nft.Table{Family: nft.INet, Name: "one"}, &nft.Table{Family: nft.INet, Name: "two"}
	chain := func(at *nft.Table, name, kind, hook string, priority int32, handle uint64) {
		at.Chains = append(at.Chains, &nft.Chain{Table: at, Name: name, Type: kind, Hook: hook, Priority: priority, Handle: handle, Rules: []*nft.Rule{{}}})
	}
	chain(one, "early", "nat", "prerouting", -100, 1)
	chain(one, "late", "nat", "prerouting", -100, 2)
	chain(one, "alone", "nat", "prerouting", 5, 3)
	chain(one, "security", "filter", "forward", 100, 4)
	chain(one, "shared", "nat", "postrouting", 7, 5)
	chain(two, "shared", "nat", "postrouting", 7, 1)
	set := &nft.Ruleset{Tables: []*nft.Table{one, two}}
	sets := map[rules.Variant]*rules.Ruleset{}
	for _, backend := range rules.Backends {
		tables, err := rules.Read(strings.NewReader("*nat\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n*security\n:FORWARD DROP [0:0]\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		sets[rules.Variant{Family: rules.IPv4, Backend: backend}] = &rules.Ruleset{Family: rules.IPv4, Backend: backend, Tables: tables}
	}
	for _, c := range []struct {
		hook string
		nat  bool
		want []string
	}{
		{"prerouting", true, []string{"late", "early", "alone"}},
		{"forward", false, []string{"legacy 50", "security", "nft 150"}},
		{"postrouting", true, []string{"shared?", "shared?"}},
		{"input", true, []string{"nft 100?", "legacy 100?"}},
	} {
		var got []string
		for _, s := range nft.Stops(set, sets, rules.IPv4, c.hook, c.nat, nil) {
			name := s.Variant.Backend.String()
			if s.Native != nil {
				name = s.Native.Name
			} else {
				name += map[int32]string{50: " 50", 100: " 100", 150: " 150"}[s.Priority]
			}
			if s.Unordered {
				name += "?"
			}
			got = append(got, name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.hook, got, c.want)
		}
	}
}
