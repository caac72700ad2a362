package doctor

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/flow"
	"nattui/rules"
)

// TestPortThatIsAskedFor holds that of a rule with many ports the one that is asked for is followed to where the kernel
// sends it.
func TestPortThatIsAskedFor(t *testing.T) {
	shifted, kept := "--to-destination 192.168.0.2:8000-8100/9000", "--to-destination 192.168.0.2:9050-9150"
	for _, test := range []struct{ name, to, asked, server, says string }{
		{"shifted", shifted, "9080/tcp", "192.168.0.2:8080", "to 192.168.0.2:8080."},
		{"shifted, the first", shifted, "9000/tcp", "192.168.0.2:8000", "to 192.168.0.2:8000."},
		{"shifted, and begins anew", "--to-destination 192.168.0.2:8000-8009/9000", "9015/tcp", "192.168.0.2:8005", "to 192.168.0.2:8005."},
		{"one of the new ports stays", kept, "9080/tcp", "192.168.0.2:9080", "to 192.168.0.2:9080."},
		{"another becomes the first", kept, "9010/tcp", "192.168.0.2:9050", "to 192.168.0.2:9050."},
		{"nothing is said of ports", "--to-destination 192.168.0.2", "9080/tcp", "192.168.0.2:9080", "to 192.168.0.2:9080."},
		{"any of them", "--to-destination 192.168.0.2:8000-8100 --random", "9080/tcp", "192.168.0.2:8000", "to one of the ports 8000-8100 of 192.168.0.2."},
		{"its range", shifted, "9000-9100/tcp", "192.168.0.2:8000", "to 192.168.0.2:8000."},
		{"its range as rules write it", shifted, "tcp 9000:9100", "192.168.0.2:8000", "to 192.168.0.2:8000."},
		{"its range at its address", shifted, "tcp 203.0.113.1:9000-9100", "192.168.0.2:8000", "to 192.168.0.2:8000."},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 9000:9100 -j DNAT " + test.to)})
			f, found, err := Seek(g, test.asked)
			if err != nil || found != nil {
				t.Fatal(err, found)
			}
			if f.Server.String() != test.server {
				t.Errorf("it leads to %s, not %s", f.Server, test.server)
			}
			for _, step := range ExamineForward(g, f) {
				if step.Check == "translated" && !strings.HasSuffix(step.Sentence, test.says) {
					t.Errorf("%s", step.Sentence)
				}
			}
		})
	}
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 9000:9100 -j DNAT " + shifted)})
	for _, other := range []string{"9000-9099/tcp", "9000:9100/udp", "9100-9000/tcp"} {
		if f, found, err := Seek(g, other); err == nil {
			t.Errorf("%s is no range of a rule: %s %v", other, &f, found)
		}
	}
}

// TestAnotherPortIsNotAnswered holds that connections which wait for another port of a rule say nothing of the one that is
// asked for, and are told by their own.
func TestAnotherPortIsNotAnswered(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 9000:9100 -j DNAT --to-destination 192.168.0.2:8000-8100/9000")})
	g.give(flowOf(tuple(rules.TCP, "198.51.100.7:4000", "203.0.113.1:9080"), tuple(rules.TCP, "192.168.0.2:8080", "198.51.100.7:4000"), flow.StatusDstNAT, flow.TCPSynSent))
	for asked, severity := range map[string]Severity{"9081/tcp": SeverityUnknown, "9080/tcp": SeverityError, "PREROUTING 1": SeverityError} {
		f, _, err := Seek(g, asked)
		if err != nil {
			t.Fatal(err)
		}
		check := map[Severity]string{SeverityUnknown: "answer-returns", SeverityError: "return-path"}[severity]
		step := stepNamed(t, ExamineForward(g, f), check)
		if step.Severity != severity || severity == SeverityError && !strings.Contains(step.Sentence, "192.168.0.2:8080") {
			t.Errorf("%s: %s %s", asked, step.Severity, step.Sentence)
		}
	}
	step := stepNamed(t, Examine(g), "return-path")
	if strings.Contains(step.Sentence, ":8000") {
		t.Errorf("%s", step.Sentence)
	}
}

// TestProbeOfOnePortOfMany holds that one port that refuses is told as one of those that the kernel picks from.
func TestProbeOfOnePortOfMany(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8000-8100 --random")})
	f, _, err := Seek(g, "80/tcp")
	if err != nil {
		t.Fatal(err)
	}
	g.Probes = map[netip.AddrPort]Probe{f.Server: {Refused: true, Why: "refused"}}
	for _, step := range ExamineForward(g, f) {
		if step.Check == "server-refuses" && (step.Severity != SeverityWarning || !strings.Contains(step.Sentence, "the others may work")) {
			t.Errorf("%s", step.Sentence)
		}
	}
}
