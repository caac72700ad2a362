package doctor

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// TestSeek asks for what rules forward without naming it, and for what no rule forwards.
func TestSeek(t *testing.T) {
	const local = `*nat
:PREROUTING ACCEPT [0:0]
:PUBLISHED - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j PUBLISHED
-A PUBLISHED -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.5:443
COMMIT
`
	second := func(g *Gateway) {
		g.addLink(facts.Link{Name: "wan1", Kind: "device", Up: true, Running: true, MTU: 1500}, "198.18.1.2/24")
	}
	drop := func(g *Gateway) {
		tables, err := rules.Read(strings.NewReader("*filter\n:INPUT DROP [0:0]\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		set := g.Sets[nft4]
		set.Tables = append(set.Tables, tables...)
	}
	listen := func(g *Gateway) {
		g.Facts.Listeners = []facts.Listener{{Proto: rules.TCP, Address: netip.MustParseAddrPort("0.0.0.0:22"), Process: "sshd"}}
	}
	proxy := func(g *Gateway) { // for the inside alone, of whatever address
		listen(g)
		r, err := rules.Parse("-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888")
		if err != nil {
			t.Fatal(err)
		}
		chain, _ := g.Sets[nft4].Chain("nat", "PREROUTING")
		chain.Rules = append(chain.Rules, r)
	}
	for _, test := range []struct {
		name, text string
		spoil      func(*Gateway)
		server     string // of the forward
		severity   Severity
		says       string
	}{
		{"a rule for every local address", "tcp 198.18.1.2:8443", second, "192.168.0.5:443", 0, ""},
		{"a service of this host", "203.0.113.1:22", listen, "", SeverityNote, "sshd takes it"},
		{"nobody listens", "tcp 203.0.113.1:25", listen, "", SeverityWarning, "no program listens"},
		{"INPUT drops", "tcp 203.0.113.1:25", drop, "", SeverityWarning, "The policy of INPUT drops a packet from"},
		{"somebody else's", "udp 192.168.0.9:53", nil, "", SeverityNote, "from 198.51.100.201 by wan0 for udp 192.168.0.9:53 another destination: it goes on to 192.168.0.9 by lan0"},
		{"a port alone", "8443/tcp", nil, "192.168.0.5:443", 0, ""},
		{"a port alone that nobody takes", "tcp/25", listen, "", SeverityWarning, "for tcp 203.0.113.1:25"},
		{"a rule that is no forward", "prerouting 1", nil, "", SeverityNote, "No finding is about this rule"},
		{"taken from inside alone", "tcp 203.0.113.1:80", proxy, "", SeverityWarning, "by wan0 for tcp 203.0.113.1:80 another destination: it is for this host, where no program listens"},
		{"its port alone", "80", proxy, "", SeverityWarning, "by wan0 for tcp 203.0.113.1:80"},
		{"its port and protocol", "80/tcp", proxy, "", SeverityWarning, "by wan0 for tcp 203.0.113.1:80"},
		{"listeners were not read", "tcp 203.0.113.1:25", nil, "", SeverityUnknown, "not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: local})
			if test.spoil != nil {
				test.spoil(g)
			}
			f, found, err := Seek(g, test.text)
			switch {
			case err != nil:
				t.Fatal(err)
			case test.server != "":
				if f.Server.String() != test.server || len(found) > 0 {
					t.Errorf("%s, %v", &f, found)
				}
				for _, step := range ExamineForward(g, f) {
					if step.Check == "translated" && strings.Contains(test.text, "198.18.1.2") && !strings.Contains(step.Sentence, "198.18.1.2:8443") {
						t.Errorf("another address was followed: %s", step.Sentence)
					}
				}
			case len(found) == 0 || found[0].Severity != test.severity || !strings.Contains(found[0].Sentence, test.says):
				t.Errorf("%v", found)
			}
		})
	}
	if _, _, err := Seek(gatewayOf(t, map[rules.Variant]string{nft4: local}), "icmp 203.0.113.1"); err == nil || !strings.Contains(err.Error(), "icmp has no ports") {
		t.Errorf("of a protocol without ports it says %v", err)
	}
	if _, _, err := Seek(gatewayOf(t, map[rules.Variant]string{nft4: local}), "the web server"); err == nil {
		t.Error("it found something in words that name nothing")
	}
}
