package traced

import (
	"strings"
	"testing"
	"time"

	"nattui/rules"
)

// TestTraceRenumbered: a packet that came by a bridge goes on under another number, and is joined where it is that one for certain.
func TestTraceRenumbered(t *testing.T) {
	came := traced(rules.TCP, "192.168.0.3:4000", "203.0.113.1:80")
	went := traced(rules.TCP, "192.168.0.3:4000", "192.168.0.2:8080")
	other := traced(rules.TCP, "192.168.0.3:4000", "203.0.113.1:80")
	came.In, went.In, other.In = "lan0", "lan0", "wan0"
	for _, test := range []struct {
		name        string
		first, then TraceMessage
		twice       bool
		joined      bool
	}{
		{"its connection and constants", TraceMessage{ConnID: 7, Packet: came, Constant: "a"}, TraceMessage{ConnID: 7, Packet: went, Constant: "a"}, false, true},
		{"its ends, without a connection", TraceMessage{Packet: came, Constant: "a"}, TraceMessage{Packet: came, Constant: "a"}, false, true},
		{"another packet of its connection", TraceMessage{ConnID: 7, Packet: came, Constant: "a"}, TraceMessage{ConnID: 7, Packet: went, Constant: "b"}, false, false},
		{"another connection", TraceMessage{ConnID: 7, Packet: came, Constant: "a"}, TraceMessage{ConnID: 8, Packet: came, Constant: "a"}, false, false},
		{"translated, without a connection", TraceMessage{Packet: came, Constant: "a"}, TraceMessage{Packet: went, Constant: "a"}, false, false},
		{"another interface", TraceMessage{ConnID: 7, Packet: came, Constant: "a"}, TraceMessage{ConnID: 7, Packet: other, Constant: "a"}, false, false},
		{"nothing constant", TraceMessage{ConnID: 7, Packet: came}, TraceMessage{ConnID: 7, Packet: went}, false, false},
		{"two that it may be", TraceMessage{ConnID: 7, Packet: came, Constant: "a"}, TraceMessage{ConnID: 7, Packet: went, Constant: "a"}, true, false},
	} {
		var j TraceJoin
		now := time.Unix(1, 0)
		test.first.ID, test.first.Mark = 1, TraceRequestBegins
		j.Take(&test.first, now)
		if test.twice {
			again := test.first
			again.ID = 2
			j.Take(&again, now)
		}
		test.then.ID, test.then.Hop = 9, hop("filter", "FORWARD", 1, "accept")
		j.Take(&test.then, now)
		p := j.Take(&TraceMessage{ID: 9, Mark: TraceLeaves, Packet: went}, now)
		if joined := p != nil && len(p.Hops) == 1; joined != test.joined {
			t.Errorf("%s: joined is %v, want %v", test.name, joined, test.joined)
		}
	}
}

// TestTraceLostOnABridge: what is behind the bridge is not known, and nothing disagrees with what was predicted.
func TestTraceLostOnABridge(t *testing.T) {
	p := Traced{Bridge: "lan0", Hops: []TraceHop{hop("nat", "PREROUTING", 0, "accept")}, First: *traced(rules.TCP, "192.168.0.3:4000", "203.0.113.10:80")}
	if said := p.Outcome(); !strings.HasPrefix(said, "not known after nat PREROUTING: the bridge lan0 ") || strings.Contains(said, "refused") {
		t.Errorf("it says %q", said)
	}
	if said := p.Brief(); !strings.HasPrefix(said, "not known") {
		t.Errorf("in brief it says %q", said)
	}
}
