package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// TestNativeQueues: rules of native tables that hand packets to a program are told of like those of iptables. Not every kernel can
// have them (nft_queue), so that what real packets do is held where it can, and what is said everywhere.
func TestNativeQueues(t *testing.T) {
	const bypass = 1 // NFT_QUEUE_FLAG_BYPASS in linux/netfilter/nf_tables.h
	for _, c := range []struct {
		name     string
		rule     nft.ToQueue
		queues   []evaluate.Queue
		severity Severity
		says     string // "": nothing
	}{
		{"nobody listens", nft.ToQueue{Num: 5, Total: 1}, []evaluate.Queue{}, SeverityError, "queue 5, and none listens there: they are dropped"},
		{"nobody listens, and packets go on", nft.ToQueue{Num: 5, Total: 1, Flags: bypass}, []evaluate.Queue{}, SeverityNote, "queue 5, and none listens there: they go on"},
		{"somebody listens", nft.ToQueue{Num: 5, Total: 1}, []evaluate.Queue{{Num: 5, Copies: true}}, SeverityNote, ""},
		{"who listens is not known", nft.ToQueue{Num: 5, Total: 1}, nil, SeverityNote, ""},
	} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\nCOMMIT\n"})
		table := &nft.Table{Family: nft.INet, Name: "ips"}
		table.Chains = []*nft.Chain{{
			Table: table, Name: "thru", Hook: "forward", Type: "filter", Policy: nft.Verdict{Code: nft.Accept},
			Rules: []*nft.Rule{{Handle: 3, Exprs: nft.Exprs{c.rule}}},
		}}
		g.Facts.Native, g.Facts.Queues = evaluate.CompileNative(&nft.Ruleset{Tables: []*nft.Table{table}}), c.queues
		found := Examine(g)
		i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == "queue-unheard" })
		switch {
		case c.says == "" && i >= 0:
			t.Errorf("%s: %+v", c.name, found[i])
		case c.says != "" && (i < 0 || found[i].Severity != c.severity || !strings.Contains(found[i].Sentence, c.says)):
			t.Errorf("%s: %d of %+v", c.name, i, found)
		}
	}
}
