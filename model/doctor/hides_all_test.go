package doctor

import (
	"strings"
	"testing"

	"nattui/model/flow"
	"nattui/rules"
)

const hidesAll = "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.168.0.2:80\n-A POSTROUTING -j MASQUERADE"

// TestHidingMayBeNeeded: a server whose default gateway is another machine answers only because it sees this host as the
// client. Whether it is so is known only of one that has sent through here.
func TestHidingMayBeNeeded(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(hidesAll)})
	by, found := problems(g)
	f := by["masquerade-too-wide"]
	if !strings.Contains(f.Sentence, "not known whether 192.168.0.2") || commandLines(f) != "" {
		t.Errorf("%q\n%v", commandLines(f), found)
	}
	for _, known := range []flow.Flow{
		sharedFlow(rules.TCP, "192.168.0.2:50000", "198.51.100.4:443", flow.StatusSeenReply|flow.StatusAssured, flow.TCPEstablished),
		flowOf(tuple(rules.TCP, "198.51.100.7:4000", "203.0.113.1:8080"), tuple(rules.TCP, "192.168.0.2:80", "198.51.100.7:4000"), flow.StatusDstNAT|flow.StatusSeenReply|flow.StatusAssured, flow.TCPEstablished),
	} {
		g.give(known)
		by, found := problems(g)
		lines := commandLines(by["masquerade-too-wide"])
		if !strings.Contains(lines, "-o wan0 -j MASQUERADE") {
			t.Errorf("%v", found)
		}
	}
}

// TestNarrowedKeepsHairpin: what the rule did for clients on the server's own network, another does after the cure.
func TestNarrowedKeepsHairpin(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable(hidesAll)})
	g.give(sharedFlow(rules.TCP, "192.168.0.2:50000", "198.51.100.4:443", flow.StatusSeenReply|flow.StatusAssured, flow.TCPEstablished))
	by, found := problems(g)
	f := by["masquerade-too-wide"]
	sets, err := f.Cure.Apply(g.Sets)
	if err != nil || len(f.Cure.Steps) != 2 {
		t.Fatalf("%v %v", err, found)
	}
	x := examine(&Gateway{Facts: g.Facts, Sets: sets})
	link, client, _ := x.insideOf(&x.forwards[0])
	if way := x.fate(inside(&x.forwards[0], link, client)); !way.hairpin() {
		t.Errorf("the hairpin is gone after %s", commandLines(f))
	}
	if way := x.fate(x.forwards[0].packet); way.Outcomes[0].SNAT {
		t.Errorf("clients outside are still hidden after %s", commandLines(f))
	}
	for _, f := range Examine(&Gateway{Facts: g.Facts, Sets: sets}) {
		if f.IsProblem() {
			t.Errorf("after the cure: %s: %s", f.Check, f.Sentence)
		}
	}
}
