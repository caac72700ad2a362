package nft

import (
	"testing"

	"nattui/rules"
)

// A deleted rule goes back to the neighbour of then that stood nearest and is there: two that were deleted one after the other
// come back in their order, whichever is first.
func TestSlotOfADeletedRule(t *testing.T) {
	for _, c := range []struct {
		name          string
		chain         []uint64
		prior, behind []uint64
		want          uint64
	}{
		{"nothing else has changed", []uint64{2, 4}, []uint64{2}, []uint64{4}, 4},
		{"what stood behind it was put back anew", []uint64{2, 9, 4}, []uint64{2}, []uint64{3, 4}, 9},
		{"what stood before it was put back anew", []uint64{2, 9, 4}, []uint64{3, 2}, []uint64{4}, 4},
		{"as near to either side", []uint64{2, 9, 4}, []uint64{2}, []uint64{4}, 9},
		{"those before it are gone", []uint64{7, 4}, []uint64{2}, []uint64{4}, 4},
		{"those behind it are gone", []uint64{2, 7}, []uint64{2}, []uint64{4}, 7},
		{"it was the last", []uint64{2}, []uint64{2}, nil, 0},
		{"all are gone", []uint64{7}, []uint64{2}, []uint64{4}, 0},
	} {
		chain := &Chain{Name: "pre", Table: &Table{Family: IPv4, Name: "gw"}}
		for _, h := range c.chain {
			chain.Rules = append(chain.Rules, &Rule{Handle: h})
		}
		if got := chain.slot(rules.NativeSpot{Prior: c.prior, Behind: c.behind}, nil); got != c.want {
			t.Errorf("%s: before %d, want %d", c.name, got, c.want)
		}
	}
}

// TestSlotBesideRulesMadeAnew: neighbours that were deleted and restored have other handles, and are known by what they say.
func TestSlotBesideRulesMadeAnew(t *testing.T) {
	table := &Table{Family: IPv4, Name: "gw"}
	chain := &Chain{Name: "pre", Table: table}
	says := func(handle uint64, comment string) *Rule { return &Rule{Handle: handle, Comment: comment} }
	prints := func(comment string) []string { return []string{says(0, comment).Print(table)} }
	chain.Rules = []*Rule{says(9, "above"), says(4, "other"), says(8, "beneath")}
	spot := rules.NativeSpot{Last: 6, Prior: []uint64{2}, Behind: []uint64{3}, PriorPrints: prints("above"), BehindPrints: prints("beneath")}
	if got := chain.slot(spot, nil); got != 4 {
		t.Errorf("behind the one above: before %d", got)
	}
	spot.PriorPrints = prints("gone")
	if got := chain.slot(spot, nil); got != 8 {
		t.Errorf("before the one beneath: before %d", got)
	}
	chain.Rules = append(chain.Rules, says(11, "beneath")) // which of them it was is not known
	if got := chain.slot(spot, nil); got != 0 {
		t.Errorf("two say the same: before %d", got)
	}
	spot.BehindPrints = prints("other") // which was there before, and is another one
	if got := chain.slot(spot, nil); got != 0 {
		t.Errorf("an older one: before %d", got)
	}
}
