package doctor

import (
	"net/netip"
	"testing"

	"nattui/model/facts"
)

// TestFailover: in step is said only where it was told, and active only of addresses that are here.
func TestFailover(t *testing.T) {
	here := &facts.Facts{Addresses: []facts.Address{{Link: "wan0", Prefix: netip.MustParsePrefix("203.0.113.1/24")}}}
	daemon := func(c facts.Conntrackd) *facts.Failover { return &facts.Failover{Conntrackd: &c} }
	keeper := func(running bool, addresses ...string) *facts.Failover {
		v := facts.VRRPInstance{Name: "VI_1"}
		for _, a := range addresses {
			v.Addresses = append(v.Addresses, netip.MustParseAddr(a))
		}
		return &facts.Failover{Keepalived: &facts.Keepalived{Running: running, Instances: []facts.VRRPInstance{v}}}
	}
	for _, test := range []struct {
		name string
		is   *facts.Failover
		want Severity
	}{
		{"not running", daemon(facts.Conntrackd{}), SeverityWarning},
		{"no answer", daemon(facts.Conntrackd{Running: true, Answer: "exit status 1"}), SeverityUnknown},
		{"does not tell", daemon(facts.Conntrackd{Running: true, Own: -1, Received: -1, Lost: -1}), SeverityUnknown},
		{"hears nothing", daemon(facts.Conntrackd{Running: true, Own: 4}), SeverityWarning},
		{"has lost something", daemon(facts.Conntrackd{Running: true, Own: 4, Received: 9, Lost: 1}), SeverityWarning},
		{"errors", daemon(facts.Conntrackd{Running: true, Own: 4, Received: 9, Errors: 1}), SeverityWarning},
		{"in step", daemon(facts.Conntrackd{Running: true, Own: 4, Peers: 4, Received: 9}), SeverityNote},
		{"keepalived does not run", keeper(false, "203.0.113.1"), SeverityWarning},
		{"active", keeper(true, "203.0.113.1"), SeverityNote},
		{"standby", keeper(true, "203.0.113.7"), SeverityNote},
		{"half", keeper(true, "203.0.113.1", "203.0.113.7"), SeverityWarning},
		{"no addresses", keeper(true), SeverityUnknown},
		{"not configured here", &facts.Failover{Keepalived: &facts.Keepalived{Running: true}}, SeverityUnknown},
	} {
		g := &Gateway{Facts: here}
		g.Failover = test.is
		found := checkFailover(&Examination{Gateway: *g})
		if len(found) != 1 || found[0].Severity != test.want || found[0].Check == "" || found[0].Sentence == "" {
			t.Errorf("%s: %+v, want %v", test.name, found, test.want)
		}
	}
	if found := checkFailover(&Examination{Gateway: Gateway{Facts: here}}); len(found) != 0 {
		t.Errorf("without either: %+v", found)
	}
}
