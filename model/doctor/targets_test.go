package doctor

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// TestEachOfSeveralTargets holds that what one of several servers or ports has answered is not said of all that the kernel may
// choose, and that a test of each tells.
func TestEachOfSeveralTargets(t *testing.T) {
	const dnat = "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination "
	chance := []string{"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 192.168.0.2:8080", dnat + "192.168.0.3:8080"}
	for name, test := range map[string]struct {
		lines     []string
		neighbour Severity
		other     string
	}{
		"ports by chance":  {[]string{dnat + "192.168.0.2:8080-8081 --random"}, SeverityOK, "192.168.0.2:8081"},
		"servers":          {[]string{dnat + "192.168.0.2-192.168.0.3:8080"}, SeverityUnknown, "192.168.0.3:8080"},
		"rules by chance":  {chance, SeverityUnknown, "192.168.0.3:8080"},
		"one and the same": {[]string{dnat + "192.168.0.2:8080"}, SeverityOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(test.lines...)})
			g.Facts.Neighbours = []facts.Neighbour{{Link: "lan0", Addr: netip.MustParseAddr("192.168.0.2"), MAC: "02:00:00:00:00:02", Reachable: true}}
			var flows []flow.Flow
			for i := range 8 { // of which the kernel would give each server some
				client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(7 + i)}), 4000).String()
				one := flowOf(tuple(rules.TCP, client, "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", client), flow.StatusSeenReply|flow.StatusAssured|flow.StatusDstNAT, flow.TCPEstablished)
				one.ID = uint32(i + 1)
				flows = append(flows, one)
			}
			g.give(flows...)
			f := Forwards(g)[0]
			f.Server = netip.MustParseAddrPort("192.168.0.2:8080")
			x := examine(g)
			served := SeverityUnknown
			if test.other == "" {
				served = SeverityOK
			}
			if step := stepServed(x, &f); step.Severity != served || !strings.Contains(step.Sentence, test.other) {
				t.Errorf("%s served: %s", step.Severity, step.Sentence)
			}
			if step := stepNeighbour(x, &f); step.Severity != test.neighbour {
				t.Errorf("%s neighbour: %s", step.Severity, step.Sentence)
			}
			g.Probes = map[netip.AddrPort]Probe{}
			for _, to := range Targets(g, f) {
				g.Probes[to] = Probe{Connected: true}
			}
			if step := stepServed(examine(g), &f); step.Severity != SeverityOK {
				t.Errorf("each was asked: %s %s", step.Severity, step.Sentence)
			}
			if test.other == "" {
				return
			}
			g.Probes[netip.MustParseAddrPort(test.other)] = Probe{Refused: true, Why: "refused"}
			if step := stepServed(examine(g), &f); step.Severity != SeverityWarning || !strings.Contains(step.Sentence, test.other) {
				t.Errorf("one refuses: %s %s", step.Severity, step.Sentence)
			}
		})
	}
}
