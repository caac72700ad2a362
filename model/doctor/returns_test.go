package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/flow"
	"nattui/rules"
)

// TestServerSeesAnother: a server that sees an address of somebody else as the client answers that one. It is not said to see
// this host.
func TestServerSeesAnother(t *testing.T) {
	const dnat = "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080"
	waiting := func(seenAs string, status flow.Status) flow.Flow {
		f := flowOf(tuple(rules.TCP, "198.51.100.7:4000", "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", seenAs+":4000"), status|flow.StatusDstNAT|flow.StatusSrcNAT, flow.TCPSynSent)
		f.Timeout = 100
		return f
	}
	for _, test := range []struct {
		name, as string
		status   flow.Status
		check    string
		severity Severity
	}{
		{"an address of nobody", "192.168.0.77", 0, "snat-foreign-address", SeverityError},
		{"an address that may be routed here", "192.0.2.9", 0, "answer-returns", SeverityUnknown},
		{"one that was answered", "192.0.2.9", flow.StatusSeenReply, "answer-returns", SeverityOK},
		{"this host's", "192.168.0.1", 0, "server-silent", SeverityError},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(dnat, "-A POSTROUTING -d 192.168.0.2/32 -j SNAT --to-source "+test.as)})
			g.give(waiting(test.as, test.status))
			found := ExamineForward(g, Forwards(g)[0])
			step := stepNamed(t, found, test.check)
			if step.Severity != test.severity {
				t.Errorf("%s: %s", step.Severity, step.Sentence)
			}
			if others := slices.ContainsFunc(found, func(f Finding) bool {
				return strings.Contains(f.Sentence, "sees this host as the client")
			}); others != (test.as == "192.168.0.1") {
				t.Errorf("%v", found)
			}
		})
	}
}
