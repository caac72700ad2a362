package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// TestUnansweredWhereARPIsFiltered: that nobody answered for a server's address does not tell that it is off where this host
// drops ARP.
func TestUnansweredWhereARPIsFiltered(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: soundTable})
	g.Facts.Neighbours = []facts.Neighbour{{Link: "lan0", Addr: netip.MustParseAddr("192.168.0.2")}}
	table := &nft.Table{Family: nft.ARP, Name: "f"}
	table.Chains = []*nft.Chain{{
		Table: table, Name: "c", Hook: "input", Type: "filter", Policy: nft.Verdict{Code: nft.Accept},
		Rules: []*nft.Rule{{Handle: 3, Exprs: nft.Exprs{nft.Meta{Key: "iif", Reg: 1}, nft.Cmp{Op: "eq", Reg: 1, Data: []byte{9, 0, 0, 0}}, nft.Immediate{Verdict: &nft.Verdict{Code: nft.Drop}}}}},
	}}
	g.Facts.Native = evaluate.CompileNative(&nft.Ruleset{Tables: []*nft.Table{table}})
	found := ExamineForward(g, Forwards(g)[0])
	if slices.ContainsFunc(found, func(f Finding) bool { return f.Check == "server-silent" && f.IsProblem() }) ||
		!slices.ContainsFunc(found, func(f Finding) bool {
			return f.Severity == SeverityUnknown && strings.Contains(f.Sentence, "table arp f, chain c drops ARP packets here")
		}) {
		t.Errorf("%v", found)
	}
}
