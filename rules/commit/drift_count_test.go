package commit

import (
	"slices"
	"testing"

	"nattui/rules"
)

// TestDriftCountsRules counts rules apart from the chains that they stand in.
func TestDriftCountsRules(t *testing.T) {
	at := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	d := Drift{
		Running: []Drifted{{at, "filter", "FORWARD", ":FORWARD DROP"}, {at, "filter", "MINE", ":MINE -"}, {at, "filter", "MINE", "-A MINE -j ACCEPT"}},
		Saved:   []Drifted{{at, "filter", "FORWARD", ":FORWARD -"}, {at, "nat", "OUTPUT", "-A OUTPUT -j ACCEPT"}},
		Order:   []Drifted{{at, "nat", "PREROUTING", ""}},
	}
	if got := RulesOf(d.Running); len(got) != 1 || got[0].Line != "-A MINE -j ACCEPT" {
		t.Errorf("rules that run: %v", got)
	}
	if got := RulesOf(d.Saved); len(got) != 1 {
		t.Errorf("rules that are saved: %v", got)
	}
	if got, want := d.Chains(), []string{"filter FORWARD", "filter MINE"}; !slices.Equal(got, want) {
		t.Errorf("chains: %q", got)
	}
}
