package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// stepNamed is the finding of one step of a forward.
func stepNamed(t *testing.T, found []Finding, name string) Finding {
	t.Helper()
	i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == name })
	if i < 0 {
		t.Fatalf("nothing is said of %s: %v", name, found)
	}
	return found[i]
}

// TestStaleNeighbour: that a machine was there once does not tell that it is; that it has answered since does.
func TestStaleNeighbour(t *testing.T) {
	served := func(state flow.State, left time.Duration) func(*Gateway) {
		return func(g *Gateway) {
			f := flowOf(tuple(rules.TCP, "198.51.100.7:4000", "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", "198.51.100.7:4000"), flow.StatusSeenReply|flow.StatusAssured|flow.StatusDstNAT, state)
			f.Timeout = uint32((left + time.Hour) / time.Second) // told an hour ago
			g.give(f)
		}
	}
	for _, test := range []struct {
		name  string
		stale bool
		spoil func(*Gateway)
		there bool
	}{
		{"reachable", false, func(*Gateway) {}, true},
		{"stale", true, func(*Gateway) {}, false},
		{"stale, and a connection goes on", true, served(flow.TCPEstablished, 5*24*time.Hour-20*time.Second), true},
		{"stale, and a connection is idle", true, served(flow.TCPEstablished, 4*24*time.Hour), false},
		{"stale, and a client sends in vain", true, served(flow.TCPEstablished, 290*time.Second), false},
		{"stale, and one has ended", true, served(flow.TCPTimeWait, 110*time.Second), true},
		{"stale, and one has ended a while ago", true, served(flow.TCPTimeWait, 30*time.Second), false},
		{"stale, and a client closes in vain", true, served(flow.TCPFinWait, 118*time.Second), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := soundGateway(t)
			g.Facts.At = int64(time.Hour)
			g.Facts.Neighbours = []facts.Neighbour{{Link: "lan0", Addr: netip.MustParseAddr("192.168.0.2"), MAC: "02:00:00:00:00:02", Reachable: true, Stale: test.stale}}
			test.spoil(g)
			found := ExamineForward(g, Forwards(g)[0])
			step := stepNamed(t, found, "neighbour")
			if there := step.Severity == SeverityOK; there != test.there {
				t.Errorf("%s: %s %q", step.Severity, step.Sentence, step.Evidence)
			}
			if found[len(found)-1].Check == "neighbour" {
				t.Error("the way is not followed on")
			}
			for _, f := range Examine(g) {
				if f.Check == "neighbour" {
					t.Errorf("the whole gateway is told: %s", f.Sentence)
				}
			}
		})
	}
}

// TestReachableAndSilent: that the kernel still takes a machine for reachable does not tell that it is, where connections since
// then got no answer.
func TestReachableAndSilent(t *testing.T) {
	one := func(id uint32, answered bool, left time.Duration) flow.Flow {
		client := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), uint16(4000+id)).String()
		f := flowOf(tuple(rules.TCP, client, "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", client), flow.StatusDstNAT, flow.TCPSynSent)
		if f.ID = id; answered {
			f.Status, f.State = f.Status|flow.StatusSeenReply|flow.StatusAssured, flow.TCPTimeWait
		}
		f.Timeout = uint32((left + time.Hour) / time.Second) // told an hour ago
		return f
	}
	for name, test := range map[string]struct {
		flows []flow.Flow
		there bool
	}{
		"nobody has come":               {nil, true},
		"one was answered":              {[]flow.Flow{one(1, true, 110*time.Second)}, true},
		"one waits since":               {[]flow.Flow{one(1, true, 100*time.Second), one(2, false, 115*time.Second)}, false},
		"one waits, and one was before": {[]flow.Flow{one(1, false, 90*time.Second), one(2, true, 110*time.Second)}, true},
		"one waits":                     {[]flow.Flow{one(1, false, 110*time.Second)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := soundGateway(t)
			g.Facts.At = int64(time.Hour)
			g.Facts.Neighbours = []facts.Neighbour{{Link: "lan0", Addr: netip.MustParseAddr("192.168.0.2"), MAC: "02:00:00:00:00:02", Reachable: true}}
			g.give(test.flows...)
			x := examine(g)
			if step := stepNeighbour(x, &x.forwards[0]); (step.Severity == SeverityOK) != test.there {
				t.Errorf("%s: %s %q", step.Severity, step.Sentence, step.Evidence)
			}
		})
	}
}

// TestNeighbourOfThePast: that nobody answered when last asked does not hide what drops packets now, which keeps the kernel
// from asking again.
func TestNeighbourOfThePast(t *testing.T) {
	for name, test := range map[string]struct{ table, last string }{
		"packets are dropped": {soundTable + "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n", "forward-dropped"},
		"packets pass":        {soundTable, "server-silent"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: test.table})
			g.Facts.Neighbours = []facts.Neighbour{{Link: "lan0", Addr: netip.MustParseAddr("192.168.0.2")}}
			found := ExamineForward(g, Forwards(g)[0])
			if last := found[len(found)-1]; last.Check != test.last || !last.IsProblem() {
				t.Errorf("it ends with %s: %s", last.Check, last.Sentence)
			}
			if !slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Sentence, "was last asked for") }) {
				t.Errorf("that nobody answered is not said: %v", found)
			}
			if !slices.ContainsFunc(Examine(g), func(f Finding) bool { return f.Check == test.last }) {
				t.Errorf("%s is not said of the gateway", test.last)
			}
		})
	}
}

// TestUndiscoveredServer: where filter rules drop neighbour discovery the forward is told, not that its server is off.
func TestUndiscoveredServer(t *testing.T) {
	v6 := rules.Variant{Family: rules.IPv6, Backend: rules.NFT}
	table := "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 2001:db8:1::1/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n"
	for name, test := range map[string]struct {
		rule      string
		reachable bool
		ends      bool
	}{
		"the server's":                {"-A INPUT -i lan0 -j DROP\n", false, true},
		"the server's, who is known":  {"-A INPUT -i lan0 -j DROP\n", true, false},
		"the clients'":                {"-A INPUT -i wan0 -j DROP\n", true, false},
		"another link's":              {"-A INPUT -i lan1 -j DROP\n", false, false},
		"none, as discovery may pass": {"-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -j DROP\n", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{v6: table + test.rule + "COMMIT\n"})
			g.Facts.Settings.Forwarding6 = facts.SettingOn
			for link, a := range map[string]string{"wan0": "2001:db8:1::1/64", "lan0": "fd00::1/64"} {
				p := netip.MustParsePrefix(a)
				g.Facts.Addresses = append(g.Facts.Addresses, facts.Address{Link: link, Prefix: p})
				g.Facts.Routes = append(g.Facts.Routes,
					facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.PrefixFrom(p.Addr(), 128), Hops: []facts.Hop{{Out: link}}},
					facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: p.Masked(), Hops: []facts.Hop{{Out: link}}})
			}
			for i, table := range []uint32{facts.TableLocal, facts.TableMain} {
				g.Facts.PolicyRules = append(g.Facts.PolicyRules, facts.PolicyRule{Priority: []uint32{0, 32766}[i], Action: facts.RuleTable, Table: table, Family: rules.IPv6, SuppressPrefix: -1})
			}
			n := facts.Neighbour{Link: "lan0", Addr: netip.MustParseAddr("fd00::2")}
			if n.Reachable = test.reachable; n.Reachable {
				n.MAC = "02:00:00:00:00:02"
			}
			g.Facts.Neighbours = []facts.Neighbour{n}
			found := ExamineForward(g, Forwards(g)[0])
			i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == "discovery-dropped" })
			if told := strings.HasPrefix(name, "the "); told != (i >= 0) {
				t.Fatalf("%v", found)
			}
			if i < 0 {
				return
			}
			if len(found[i].Cure.Steps) == 0 {
				t.Error("no cure")
			}
			if ends := slices.IndexFunc(found, func(f Finding) bool { return f.Check == "let-through" }) < 0; ends != test.ends {
				t.Errorf("%v", found)
			}
		})
	}
}
