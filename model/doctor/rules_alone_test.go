package doctor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/nft"
)

// TestUnreadNatives: native rules that cannot be read are told, with how many there are, and no verdict says that the rules show
// no problem.
func TestUnreadNatives(t *testing.T) {
	table := &nft.Table{Family: nft.IPv4, Name: "nat"}
	c := &nft.Chain{Table: table, Name: "PREROUTING", Hook: "prerouting", Type: "nat"}
	table.Chains = []*nft.Chain{c}
	accept := nft.Immediate{Verdict: &nft.Verdict{Code: nft.Accept}}
	c.Rules = []*nft.Rule{
		{Exprs: nft.Exprs{accept}},
		{Exprs: nft.Exprs{nft.Extension("match", "recent"), accept}, Listed: "xt match recent accept"},
		{Exprs: nft.Exprs{nft.Unknown{Name: "last"}, accept}},
	}
	g := Gateway{Sets: map[rules.Variant]*rules.Ruleset{}, NativeAlone: &nft.Ruleset{Tables: []*nft.Table{table}}}
	subjects := func() (list []string) {
		for _, f := range Look(&g).Findings {
			if f.Check == "rule-unread" {
				list = append(list, f.Subject)
			}
		}
		return list
	}
	if got := subjects(); !slices.Equal(got, []string{"ip nat PREROUTING 2"}) {
		t.Errorf("it tells of %q", got)
	}
	if said := RulesAloneVerdict(Look(&g).Findings); !strings.HasPrefix(said, "The rules that can be read ") {
		t.Errorf("the verdict is %q", said)
	}
	for range 2 * alike {
		c.Rules = append(c.Rules, &nft.Rule{Exprs: nft.Exprs{nft.Unknown{Name: nft.Unread}}})
	}
	found := Look(&g).Findings
	if last := found[alike-1]; len(subjects()) != alike || !slices.Contains(last.Evidence, fmt.Sprintf("and %d more like it", alike+1)) {
		t.Errorf("of many it tells %+v", found)
	}
	c.Rules = c.Rules[:1]
	if said := RulesAloneVerdict(Look(&g).Findings); strings.Contains(said, "can be read") {
		t.Errorf("where all are read the verdict is %q", said)
	}
}
