package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

const closedInput = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n"

// TestOpeningOpensNoMore: the cure for what a filter drops lets through who asks by the translation, and nobody who asks
// for the place itself.
func TestOpeningOpensNoMore(t *testing.T) {
	for _, c := range []struct{ rule, check, cure, closed string }{
		{"-A PREROUTING -i wan0 -p tcp -m tcp --dport 8022 -j REDIRECT --to-ports 22", "input-dropped", "--ctorigdstport 8022", "203.0.113.1:22"},
		{"-A PREROUTING -i wan0 -p tcp -m tcp --dport 8000:8010 -j REDIRECT --to-ports 22", "input-dropped", "--ctorigdstport 8000:8010", "203.0.113.1:22"},
		{"-A PREROUTING -i wan0 -p tcp -m multiport --dports 8022,9022 -j REDIRECT --to-ports 22", "input-dropped", "--ctstate DNAT", "203.0.113.1:22"},
		{"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.168.0.1", "input-dropped", "--ctorigdst 203.0.113.1", "203.0.113.9:22"},
		{"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 198.18.4.2:80", "forward-dropped", "--ctstate DNAT", "198.18.4.2:80"},
	} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(c.rule) + closedInput})
		alsoHas("wan0", "203.0.113.9/24")(g)
		g.addLink(facts.Link{Name: "dmz0", Kind: "device", Up: true, Running: true, MTU: 1500}, "198.18.4.1/24")
		g.Facts.Listeners = []facts.Listener{{Proto: rules.TCP, Address: netip.MustParseAddrPort("0.0.0.0:22")}}
		found := Examine(g)
		i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == c.check })
		if i < 0 || !strings.Contains(commandLines(found[i]), c.cure) {
			t.Errorf("%s: the cure is not %s: %v", c.rule, c.cure, found)
			continue
		}
		sets, err := found[i].Cure.Apply(g.Sets)
		if err != nil {
			t.Fatal(err)
		}
		x := examine(&Gateway{Facts: g.Facts, Sets: sets})
		p := x.forwards[0].packet
		if way := x.fate(p); !way.passes() {
			t.Errorf("%s: %s does not let it through", c.rule, commandLines(found[i]))
		}
		to := netip.MustParseAddrPort(c.closed)
		p.Dst, p.DstPort = to.Addr(), to.Port()
		if way := x.fate(p); way.arrives() {
			t.Errorf("%s: %s opens %s too", c.rule, commandLines(found[i]), to)
		}
	}
}
