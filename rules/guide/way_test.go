package guide

import (
	"slices"
	"strings"
	"testing"

	"nattui/rules"
)

func TestWayMarksItsChains(t *testing.T) {
	want := `in ▸ PREROUTING ▸ routing ▸ FORWARD ▸ [POSTROUTING] ▸ out
                     ▾                    ▴
                   INPUT ▸ this host ▸ [OUTPUT]`
	if got := strings.Join(Way("POSTROUTING", "OUTPUT"), "\n"); got != want {
		t.Errorf("drawn\n%s\nnot\n%s", got, want)
	}
}

// A chain of a person's own is met where jumps lead to it, however many.
func TestLeadsFollowsJumps(t *testing.T) {
	h := gateway(t, `*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:inner - [0:0]
:outer - [0:0]
:round - [0:0]
-A PREROUTING -j outer
-A OUTPUT -g inner
-A outer -j inner
-A inner -j round
-A round -j inner
COMMIT
`)
	set := h.Sets[rules.Variant{Family: rules.IPv4, Backend: rules.NFT}]
	for chain, want := range map[string][]string{"inner": {"PREROUTING", "OUTPUT"}, "outer": {"PREROUTING"}, "POSTROUTING": {"POSTROUTING"}, "nowhere": nil} {
		if got := Leads(set, "nat", chain); !slices.Equal(got, want) {
			t.Errorf("%s is met in %v, not %v", chain, got, want)
		}
	}
}
