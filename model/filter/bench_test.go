package filter

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"nattui/model/flow"
	"nattui/rules"
)

// BenchmarkSelect is a screen of 60 rows out of tables that a filter line is asked of.
func BenchmarkSelect(b *testing.B) {
	for _, n := range []int{10_000, 262_144, 1_000_000} {
		table := manyFlows(n)
		for _, line := range []string{"nat dnat state established", "dst 192.168.0.0/24 dport 80 bytes>1k", "10.0.3"} {
			query, err := Parse(line, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%d/%s", n, line), func(b *testing.B) {
				s := flow.NewSelector(table)
				for b.Loop() {
					if _, err := s.Select(b.Context(), query.Condition(), flow.Sort{By: flow.ColumnBytes, Descending: true}, flow.Window{Limit: 60}, 100*int64(time.Second)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// manyFlows is a table of n connections, half of them to a published server.
func manyFlows(n int) *flow.Flows {
	var batch flow.Batch
	batch.Reset(int64(time.Second))
	batch.Since, batch.Begin, batch.End, batch.Count = batch.At, true, true, n
	public, server := netip.MustParseAddrPort("203.0.113.1:80"), netip.MustParseAddrPort("192.168.0.2:8080")
	for i := range n {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))
		f := flow.Flow{Orig: rules.MakeTuple(rules.TCP, client, public), ID: uint32(i) + 1, State: flow.TCPEstablished, Timeout: 432000}
		f.Reply = f.Orig.Mirror()
		if i%2 == 0 {
			f.Reply, f.Status = rules.MakeTuple(rules.TCP, server, client), flow.StatusDstNAT
		}
		f.SetCounts(uint64(i), uint64(i)*100, uint64(i), uint64(i)*1000)
		*batch.Next() = flow.Message{Kind: flow.Listed, Has: flow.HasStatus | flow.HasState | flow.HasTimeout | flow.HasCounts, Flow: f}
	}
	table := flow.NewFlows()
	table.Apply(&batch)
	return table
}
