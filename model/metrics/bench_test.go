package metrics

import (
	"encoding/binary"
	"testing"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
)

// BenchmarkCensus counts a million connections of as many clients, without the kernel.
func BenchmarkCensus(b *testing.B) {
	sets := setOf(b, gateway)
	x := explain.NewExplainer(nil)
	x.SetRules(sets, hostOf().Host(nil))
	batch := listed()
	const flows = 1 << 20
	for i := range flows {
		f := shared("192.168.0.7:40000", "203.0.113.1:2000", "198.51.100.1:443", rules.TCP)
		binary.BigEndian.PutUint16(f.Orig.Src[14:], uint16(i>>4))
		f.Reply.DstPort = uint16(2000 + i%1000)
		binary.BigEndian.PutUint16(f.Orig.Dst[14:], uint16(i>>10))
		f.Reply.Src = f.Orig.Dst
		batch.Messages = append(batch.Messages, flow.Message{Kind: flow.Listed, Flow: f})
	}
	b.ResetTimer()
	for b.Loop() {
		NewCensus(x.Marker()).Take(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/flows, "ns/flow")
}
