package natlog

import (
	"testing"

	"nattui/model/flow"
)

// BenchmarkRecords makes lines of 1,000 connections that begin and end, from what the kernel tells of them: 20,000 a second are
// 40,000 lines, which one core is to have time for beside the kernel.
func BenchmarkRecords(b *testing.B) {
	const connections = 1000
	queue := NewQueue(4 * connections)
	t := NewTracker(queue.Put)
	rule := []byte(`"rule":{"backend":"nft","table":"nat","chain":"POSTROUTING","position":1,"confidence":"exact","id":"0123456789ab"}`)
	t.Rule = func(*flow.Message, *flow.Batch) []byte { return rule }
	room, line := make([]Record, 512), []byte(nil)
	for b.Loop() {
		begun, ended := batch(1), batch(2)
		for i := range connections {
			begun.Messages = append(begun.Messages, event(flow.EventNew, masked(uint16(1+i))))
			ended.Messages = append(ended.Messages, event(flow.EventDestroy, masked(uint16(1+i))))
		}
		t.Take(begun, flow.Feed{})
		t.Take(ended, flow.Feed{})
		for {
			taken, _ := queue.Take(room)
			if len(taken) == 0 {
				break
			}
			for i := range taken {
				line = taken[i].AppendJSON(line[:0])
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*connections), "ns/line")
}
