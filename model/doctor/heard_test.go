package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/flow"
	"nattui/rules"
)

// TestHeardOfAServer: what a test of a server or a packet of a client has told counts for the steps and the whole gateway, with
// its time, until it is old or a connection tells otherwise.
func TestHeardOfAServer(t *testing.T) {
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	server := netip.MustParseAddrPort("192.168.0.2:8080")
	refused := Probe{At: at, Refused: true, Why: "connection refused"}
	const client = "203.0.113.10:4000"
	answered := flowOf(tuple(rules.TCP, client, "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", client), flow.StatusSeenReply|flow.StatusAssured|flow.StatusDstNAT, flow.TCPEstablished)
	answered.Start = at.Add(time.Minute).UnixNano()
	for _, test := range []struct {
		name            string
		probe           *Probe
		try             *Try
		flow            *flow.Flow
		later           time.Duration
		served, verdict Severity
		says            string
	}{
		{"refused", &refused, nil, nil, time.Minute, SeverityError, SeverityError, "refuses connections (tested at 12:00:00)"},
		{"long ago", &refused, nil, nil, 11 * time.Minute, SeverityUnknown, SeverityUnseen, "it refused a test at 12:00:00, 11m0s ago"},
		{"answered since", &refused, nil, &answered, 2 * time.Minute, SeverityOK, SeverityOK, "has answered"},
		{"accepted", &Probe{At: at, Connected: true}, nil, nil, time.Minute, SeverityOK, SeverityUnseen, "answered this host at 12:00:00"},
		{"a client was refused", nil, &Try{At: at, From: "client", Refused: true, Said: "refused"}, nil, time.Minute, SeverityError, SeverityError, "client was refused at 12:00:00"},
		{"a client was answered", nil, &Try{At: at, From: "client", Answered: true, Server: server, Said: "answered"}, nil, time.Minute, SeverityOK, SeverityOK, "answered client at 12:00:00"},
		{"by another", nil, &Try{At: at, From: "client", Answered: true, Server: netip.MustParseAddrPort("192.168.0.3:8080")}, nil, time.Minute, SeverityUnknown, SeverityUnseen, "is not known"},
		{"the later counts", &refused, &Try{At: at.Add(time.Second), From: "client", Answered: true, Server: server}, nil, time.Minute, SeverityOK, SeverityOK, "answered client"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080")})
			g.Facts.At = at.Add(test.later).UnixNano()
			f := Forwards(g)[0]
			if test.probe != nil {
				g.Probes = map[netip.AddrPort]Probe{server: *test.probe}
			}
			if test.try != nil {
				g.Tries = map[string]Try{f.Name(): *test.try}
			}
			if test.flow != nil {
				g.give(*test.flow)
			}
			steps := ExamineForward(g, f)
			i := slices.IndexFunc(steps, func(s Finding) bool { return s.Check == "served" || s.Check == "server-refuses" })
			if i < 0 || steps[i].Severity != test.served || !strings.Contains(steps[i].Sentence, test.says) {
				t.Errorf("the steps are %v", steps)
			}
			report := Look(g)
			if got := report.Verdict(&f); got != test.verdict {
				t.Errorf("the verdict is %s: %v", got, report.Findings)
			}
			if told := Worst(report.Findings) == SeverityError; told != (test.verdict == SeverityError) {
				t.Errorf("the gateway is told %v", report.Findings)
			}
		})
	}
}

// TestRefusedByWhom: a refusal is the server's only where the rules certainly let the packet through to it.
func TestRefusedByWhom(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080") +
		"*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --dport 8080 -m connlimit --connlimit-above 5 -j REJECT --reject-with tcp-reset\nCOMMIT\n"})
	f := Forwards(g)[0]
	g.Tries = map[string]Try{f.Name(): {At: time.Unix(0, g.Facts.At), From: "client", Refused: true, Said: "refused"}}
	for _, s := range ExamineForward(g, f) {
		if s.Check == "server-refuses" {
			t.Errorf("%s", s.Sentence)
		}
	}
}
