package nftables

import (
	"context"
	"fmt"
	"testing"

	"nattui/rules/nft"
)

// TestTrialOfCollected deletes a rule of each chain of collected rulesets, on a copy, with the way back; most can be copied
// exactly, and of the others it has to be said.
func TestTrialOfCollected(t *testing.T) {
	tried, made := 0, 0
	eachCollected(t, func(t *testing.T, _ string, set *nft.Ruleset) {
		for _, table := range set.Tables {
			if table.OfIPTables() {
				continue
			}
			script := ""
			for _, c := range table.Chains {
				if len(c.Rules) > 0 {
					script += fmt.Sprintf("delete rule %s %s %s handle %d\n", table.Family, table.Name, c.Name, c.Rules[len(c.Rules)/2].Handle)
				}
			}
			if script == "" {
				continue
			}
			tried++
			if trial, err := Try(context.Background(), set, script); err != nil {
				t.Logf("%s: %v", table, err)
			} else if made++; len(trial.Changes) == 0 {
				t.Errorf("%s: deleting rules changes nothing", table)
			}
		}
	})
	t.Logf("%d of %d tables", made, tried)
	if made*10 < tried*8 {
		t.Errorf("only %d of %d tables can be changed", made, tried)
	}
}
