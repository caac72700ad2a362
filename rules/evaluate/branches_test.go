package evaluate

import (
	"fmt"
	"testing"

	"nattui/rules/nft"
)

// TestBranchesOfChains: a branch in one chain is not taken for one in another, however many follow each other. Each chain
// here returns to the policy, which drops, or goes to the next; what gets through the last is accepted.
func TestBranchesOfChains(t *testing.T) {
	const chains = 9
	table := &nft.Table{Family: nft.IPv4, Name: "t"}
	rule := func(e ...nft.Expr) *nft.Rule { return &nft.Rule{Exprs: e} }
	verdict := func(code nft.VerdictCode, chain string) nft.Expr {
		return nft.Immediate{Verdict: &nft.Verdict{Code: code, Chain: chain}}
	}
	table.Chains = append(table.Chains, &nft.Chain{
		Table: table, Name: "input", Type: "filter", Hook: "input", Policy: nft.Verdict{Code: nft.Drop}, Rules: []*nft.Rule{rule(verdict(nft.Goto, "c0"))},
	})
	for i := range chains {
		c := &nft.Chain{Table: table, Name: fmt.Sprintf("c%d", i), Rules: []*nft.Rule{rule(nft.Limit{}, verdict(nft.Return, "")), rule(verdict(nft.Goto, fmt.Sprintf("c%d", i+1)))}}
		table.Chains = append(table.Chains, c)
	}
	table.Chains = append(table.Chains, &nft.Chain{Table: table, Name: fmt.Sprintf("c%d", chains), Rules: []*nft.Rule{rule(verdict(nft.Accept, ""))}})
	host := gateway()
	host.Native = CompileNative(&nft.Ruleset{Tables: []*nft.Table{table}})
	path, err := NewEvaluator(host).Evaluate(parsePacket(t, "tcp 203.0.113.10:4000 203.0.113.1:80 in=wan0"))
	if err != nil {
		t.Fatal(err)
	}
	ways := map[Delivery]bool{}
	for _, o := range path.Outcomes {
		ways[o.Delivered] = true
	}
	if path.Certain || !ways[Dropped] || len(ways) < 2 {
		t.Errorf("certain %v: %+v", path.Certain, path.Outcomes)
	}
}
