package doctor

import (
	"slices"
	"strings"
	"testing"

	"nattui/model/flow"
	"nattui/rules"
)

// published are two addresses that lead to one rule, of which a mark has one masked.
const published = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:SVC - [0:0]
-A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j SVC
-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 30080 -j MARK --set-xmark 0x4000/0x4000
-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 30080 -j SVC
-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
-A SVC -p tcp -j DNAT --to-destination 192.168.0.2:8080
COMMIT
`

// TestWaysToARule holds that what one address of a rule's was asked in vain is not said of another, and that it is said of
// rules that programs make.
func TestWaysToARule(t *testing.T) {
	vain := flowOf(tuple(rules.TCP, "192.168.0.7:4000", "10.96.0.10:80"), tuple(rules.TCP, "192.168.0.2:8080", "192.168.0.7:4000"), flow.StatusDstNAT, flow.TCPSynSent)
	for _, chain := range []string{"SVC", "KUBE-SVC-A", "CNI-DN-A", "NETAVARK-DN-A", "DOCKER"} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: strings.ReplaceAll(published, "SVC", chain)})
		g.give(vain)
		for _, f := range Forwards(g) {
			fails := slices.ContainsFunc(ExamineForward(g, f), func(f Finding) bool { return f.Check == "hairpin" && f.IsProblem() })
			if want := f.Asked.Port() == 80; fails != want {
				t.Errorf("%s: %s fails: %t, want %t", chain, f.Asked, fails, want)
			}
		}
		if !slices.ContainsFunc(Examine(g), func(f Finding) bool { return f.Check == "hairpin" && f.IsProblem() }) {
			t.Errorf("of the whole gateway nothing is said of %s", chain)
		}
	}
}

// TestMaskedSince holds that a connection from before a neighbour was masked does not say that it is not.
func TestMaskedSince(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: natTable("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080", "-A POSTROUTING -s 192.168.0.0/24 -d 192.168.0.2/32 -j MASQUERADE")})
	g.give(flowOf(tuple(rules.TCP, "192.168.0.7:4000", "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", "192.168.0.7:4000"), flow.StatusDstNAT, flow.TCPSynSent))
	for _, f := range Examine(g) {
		if f.IsProblem() {
			t.Errorf("%s: %s", f.Check, f.Sentence)
		}
	}
}

// TestHairpinSparesOthers holds that the cure for neighbours forgets no connection of anybody else.
func TestHairpinSparesOthers(t *testing.T) {
	g := soundGateway(t)
	waiting := func(client string, id uint32) flow.Flow {
		f := flowOf(tuple(rules.TCP, client, "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", client), flow.StatusDstNAT, flow.TCPSynSent)
		f.ID = id
		return f
	}
	g.give(waiting("192.168.0.7:4000", 1), waiting("198.51.100.9:4000", 2))
	i := slices.IndexFunc(Examine(g), func(f Finding) bool { return f.Check == "hairpin" && len(f.Cure.Steps) > 0 })
	if i < 0 {
		t.Fatal("no hairpin, or no cure")
	}
	forgets := 0
	for _, s := range Examine(g)[i].Cure.Steps {
		if s.Forget != nil && !strings.HasPrefix(s.Forget.Src.String(), "192.168.0.") {
			t.Errorf("%v is forgotten", s.Forget)
		} else if s.Forget != nil {
			forgets++
		}
	}
	if forgets != 1 {
		t.Errorf("%d connections are forgotten, want 1", forgets)
	}
}
