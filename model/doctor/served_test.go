package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// TestListensElsewhere: a program that listens at another address of this host is told by that, not denied.
func TestListensElsewhere(t *testing.T) {
	for _, c := range []struct{ name, rule, says, cure string }{
		{"redirected", "-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9000", "192.168.0.1:9000", "DNAT --to-destination 203.0.113.1:9000"},
		{"translated", "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.1:9000", "192.168.0.1:9000", "DNAT --to-destination 203.0.113.1:9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			look := func(listens string) ([]Finding, int) {
				g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(c.rule)})
				g.Facts.Listeners = []facts.Listener{{Proto: rules.TCP, Address: netip.MustParseAddrPort(listens), Process: "proxy"}}
				found := Examine(g)
				return found, slices.IndexFunc(found, func(f Finding) bool { return f.Check == "nobody-listens" })
			}
			found, i := look("203.0.113.1:9000")
			if i < 0 || found[i].Severity != SeverityError || strings.Contains(found[i].Sentence, "No program") || !strings.Contains(found[i].Sentence, c.says) || !strings.Contains(found[i].Sentence, "proxy listens at 203.0.113.1:9000 alone") {
				t.Fatalf("%v", found)
			}
			if lines := commandLines(found[i]); !strings.Contains(lines, c.cure) {
				t.Errorf("the cure is %q: %s", lines, found[i].Sentence)
			}
			for _, right := range []string{"192.168.0.1:9000", "0.0.0.0:9000"} {
				if found, i := look(right); i >= 0 {
					t.Errorf("%s: %s", right, found[i].Sentence)
				}
			}
			if found, i := look("203.0.113.1:9001"); i < 0 || !strings.Contains(found[i].Sentence, "No program listens") {
				t.Errorf("nobody listens at all: %v", found)
			}
		})
	}
}

// TestAskedOfAnotherAddress: what no rule forwards and is for this host is told the same way.
func TestAskedOfAnotherAddress(t *testing.T) {
	g := soundGateway(t)
	g.Facts.Listeners = []facts.Listener{{Proto: rules.TCP, Address: netip.MustParseAddrPort("192.168.0.1:9000"), Process: "proxy"}}
	_, found, err := Seek(g, "tcp 203.0.113.1:9000")
	if err != nil || len(found) == 0 || !strings.Contains(found[0].Sentence, "proxy listens at 192.168.0.1:9000") {
		t.Errorf("%v %v", found, err)
	}
}
