package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

const wideDNAT = "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:80\n-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"

// taken is a connection from inside to somebody else that a rule has sent to the server, which answers its neighbour directly.
func taken(to string) flow.Flow {
	f := flowOf(tuple(rules.TCP, "192.168.0.50:40000", to), tuple(rules.TCP, "192.168.0.2:80", "192.168.0.50:40000"), flow.StatusDstNAT, flow.TCPSynSent)
	f.Timeout = 60
	return f
}

// problems are the warnings and errors of a gateway by their checks, and all that was found.
func problems(g *Gateway) (map[string]Finding, []Finding) {
	found := Examine(g)
	by := map[string]Finding{}
	for _, f := range found {
		if f.IsProblem() {
			by[f.Check] = f
		}
	}
	return by, found
}

// TestTakenFromOthersIsNoHairpin: who asks somebody else and is sent to the own server is not helped by an answer from
// there: the rule's width is told, and its cure offered.
func TestTakenFromOthersIsNoHairpin(t *testing.T) {
	for _, c := range []struct{ name, table, asked, says string }{
		{"no address", natTable(wideDNAT), "198.51.100.10:80", "neither an address"},
		{"a mask too many", natTable(strings.Replace(wideDNAT, "PREROUTING -p", "PREROUTING -d 203.0.113.0/24 -p", 1)), "203.0.113.254:80", "203.0.113.254"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: c.table})
			g.give(taken(c.asked))
			by, found := problems(g)
			if f, ok := by["hairpin"]; ok {
				t.Errorf("nobody asked for the public address: %s", f.Sentence)
			}
			f := by["dnat-too-wide"]
			if f.Severity != SeverityError || !strings.Contains(f.Sentence, c.says) || !strings.Contains(strings.Join(f.Evidence, " "), c.asked) {
				t.Errorf("the width is not told: %v", found)
			}
			if lines := commandLines(f); !strings.Contains(lines, "--dst-type LOCAL") {
				t.Errorf("its cure is %q: %s", lines, f.Sentence)
			}
		})
	}
}

// TestAnsweredByTheWrongServer: where the rule publishes a service, that it has answered who asked somebody else is no
// service to be kept.
func TestAnsweredByTheWrongServer(t *testing.T) {
	vpn := func(from, asked string) flow.Flow {
		return flowOf(tuple(rules.TCP, from, asked), tuple(rules.TCP, "192.168.0.2:80", from), flow.StatusDstNAT|flow.StatusSeenReply|flow.StatusAssured, flow.TCPEstablished)
	}
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(wideDNAT)})
	g.addLink(facts.Link{Name: "tun0", Kind: "tun", Up: true, Running: true, MTU: 1500}, "10.8.0.1/24")
	other, own := vpn("10.8.0.2:4000", "198.51.100.10:80"), vpn("198.51.100.7:4000", "203.0.113.1:80")
	own.ID = 8
	g.give(other)
	if by, found := problems(g); commandLines(by["dnat-too-wide"]) != "" {
		t.Errorf("whether it is a proxy's work is not known: %v", found)
	}
	g.give(other, own)
	if by, found := problems(g); commandLines(by["dnat-too-wide"]) == "" {
		t.Errorf("%v", found)
	}
}

// TestHairpinOfWideRule: where the rule takes what is meant for others too, the cure for the own network narrows it first,
// so that these are not answered by the server.
func TestHairpinOfWideRule(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(wideDNAT)})
	g.give(taken("203.0.113.1:80"))
	by, found := problems(g)
	f, ok := by["hairpin"]
	lines := commandLines(f)
	if !ok || !strings.Contains(lines, "--dst-type LOCAL") || !strings.Contains(lines, "MASQUERADE") {
		t.Fatalf("%q\n%v", lines, found)
	}
	sets, err := f.Cure.Apply(g.Sets)
	if err != nil {
		t.Fatal(err)
	}
	x := examine(&Gateway{Facts: g.Facts, Sets: sets})
	p := x.forwards[0].packet
	other := taken("198.51.100.10:80")
	p.In, p.Src, p.Dst = "lan0", other.Client().Addr(), other.AskedFor().Addr()
	if way := x.fate(p); way.by(x.forwards[0].Rule) {
		t.Error("what is asked of others is still taken")
	}
}

// TestIntercepted: a rule for what comes by an interface inside means to take what is asked of others; that it is not
// answered is the want of a hairpin.
func TestIntercepted(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(strings.Replace(wideDNAT, "PREROUTING -p", "PREROUTING -i lan0 -p", 1))})
	g.give(taken("198.51.100.10:80"))
	by, found := problems(g)
	if _, ok := by["hairpin"]; !ok {
		t.Errorf("%v", found)
	}
	if f, ok := by["dnat-too-wide"]; ok {
		t.Errorf("%s", f.Sentence)
	}
}

func commandLines(f Finding) string {
	var lines []string
	for _, c := range f.CureCommands() {
		lines = append(lines, strings.Join(c, " "))
	}
	return strings.Join(lines, "\n")
}

// TestNetworkOfOnesOwn: a rule for a network of which nobody else's address is known is no trouble.
func TestNetworkOfOnesOwn(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(strings.Replace(wideDNAT, "PREROUTING -p", "PREROUTING -d 203.0.113.0/28 -p", 1))})
	if found := Examine(g); slices.ContainsFunc(found, func(f Finding) bool { return f.Check == "dnat-too-wide" }) {
		t.Errorf("%v", found)
	}
}
