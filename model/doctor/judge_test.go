package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// step is what is said of one step of a gateway's first forward.
func step(t *testing.T, g *Gateway, name string) Finding {
	t.Helper()
	list := ExamineForward(g, Forwards(g)[0])
	for _, f := range list {
		if f.Check == name {
			return f
		}
	}
	return list[len(list)-1]
}

// answeredFlow is a connection of a client to the sound gateway's forward that was answered.
func answeredFlow(client string) flow.Flow {
	return flowOf(tuple(rules.TCP, client, "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", client), flow.StatusSeenReply|flow.StatusAssured|flow.StatusDstNAT, flow.TCPEstablished)
}

// TestConnectionsAreEvidence holds that a connection which was answered once proves nothing about the next: what
// the rules do with its first packet today counts.
func TestConnectionsAreEvidence(t *testing.T) {
	const allowOne = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -s 198.51.100.9/32 -j ACCEPT\nCOMMIT\n"
	for _, test := range []struct {
		name, filter, client string
		check                string
		severity             Severity
	}{
		{"FORWARD drops, an old connection goes on", "*filter\n:FORWARD DROP [9:540]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n", "198.51.100.9:4000", "forward-dropped", SeverityError},
		{"FORWARD lets the client of the connection through", allowOne, "198.51.100.9:4000", "let-through", SeverityOK},
		{"answers are dropped, an old connection was answered", "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i lan0 -o wan0 -j DROP\nCOMMIT\n", "198.51.100.9:4000", "answers-dropped", SeverityError},
		{"the LAN's own addresses do not come by the WAN", "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -s 192.168.0.0/24 -j ACCEPT\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n", "198.51.100.9:4000", "forward-dropped", SeverityError},
		{"a set decides that nattui does not read", "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -m set --match-set allowed src -j ACCEPT\nCOMMIT\n", "198.51.100.9:4000", "let-through", SeverityUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: soundTable + test.filter})
			g.give(answeredFlow(test.client))
			f := step(t, g, test.check)
			if f.Check != test.check || f.Severity != test.severity {
				t.Errorf("%s %s: %s, want %s %s", f.Severity, f.Check, f.Sentence, test.severity, test.check)
			}
			found := Examine(g)
			told := slices.ContainsFunc(found, func(f Finding) bool { return f.Check == test.check })
			if told != (test.severity != SeverityOK) {
				t.Errorf("of the whole gateway: %v", found)
			}
		})
	}
}

// TestVerdictOfForwards: a fault that concerns all forwards is told once, and none of them is called ok.
func TestVerdictOfForwards(t *testing.T) {
	g := soundGateway(t)
	g.Facts = g.Facts.WithSetting("net.ipv4.ip_forward", "0")
	r := Look(g)
	for i := range r.Forwards {
		if f := &r.Forwards[i]; f.Rule.Family == rules.IPv4 && r.Verdict(f) != SeverityError {
			t.Errorf("%s is %s while forwarding is off", f.Name(), r.Verdict(f))
		}
	}
}

// TestNotKnownIsNotOK holds that what is not known has a severity of its own, in the report and on the way.
func TestNotKnownIsNotOK(t *testing.T) {
	t.Run("a native table translates too", func(t *testing.T) {
		g := soundGateway(t)
		g.Facts.Natives = []rules.NativeTable{{Family: "inet", Name: "lxd", Chains: []string{"pstrt.lxdbr0"}}}
		g.give(answeredFlow("198.51.100.9:4000"))
		for _, name := range []string{"translated", "let-through"} {
			if f := step(t, g, name); f.Severity != SeverityUnknown || !strings.Contains(f.Sentence, "table inet lxd") {
				t.Errorf("%s %s: %s", f.Severity, f.Check, f.Sentence)
			}
		}
		r := Look(g)
		if v := r.Verdict(&r.Forwards[0]); v != SeverityUnknown || Unknown(r.Findings) == 0 || Worst(r.Findings) >= SeverityWarning {
			t.Errorf("the forward is %s, and of the gateway is said %v", v, r.Findings)
		}
	})
	t.Run("what iptables drops beside a native table is not certain", func(t *testing.T) {
		g := gatewayOf(t, map[rules.Variant]string{nft4: soundTable + "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"})
		g.Facts.Natives = []rules.NativeTable{{Family: "ip", Name: "lxd", Chains: []string{"prert"}}}
		f := Examine(g)[0]
		if f.Check != "forward-dropped" || f.Severity != SeverityWarning || !strings.Contains(f.Sentence, "table ip lxd") {
			t.Errorf("%s %s: %s", f.Severity, f.Check, f.Sentence)
		}
	})
	t.Run("iptables drops what a native table shares an address with", func(t *testing.T) {
		g := gatewayOf(t, map[rules.Variant]string{nft4: "*filter\n:FORWARD DROP [5:300]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\nCOMMIT\n"})
		g.addLink(facts.Link{Name: "vmbr7", Kind: "bridge", Up: true, Running: true, MTU: 1500}, "10.7.0.1/24")
		g.Facts.Natives = []rules.NativeTable{{Family: "inet", Name: "machines", Chains: []string{"post.vmbr7"}}}
		f := Examine(g)[0]
		if f.Check != "forward-dropped" || f.Subject != "vmbr7" || f.Severity != SeverityWarning || len(f.Cure.Steps) == 0 || !strings.Contains(f.Sentence, "table inet machines") {
			t.Errorf("%s %s %s: %s", f.Severity, f.Check, f.Subject, f.Sentence)
		}
	})
	t.Run("nobody has asked yet", func(t *testing.T) {
		g := soundGateway(t)
		for _, name := range []string{"served", "answer-returns", "neighbour"} {
			if f := step(t, g, name); f.Severity != SeverityUnknown {
				t.Errorf("%s %s: %s", f.Severity, f.Check, f.Sentence)
			}
		}
	})
	t.Run("nobody has come", func(t *testing.T) {
		g := gatewayOf(t, map[rules.Variant]string{nft4: strings.ReplaceAll(soundTable, "[4:240]", "[0:0]")})
		if f := step(t, g, "arrives"); f.Severity != SeverityUnseen || !strings.Contains(f.Sentence, "has counted none yet") {
			t.Errorf("%s %s: %s", f.Severity, f.Check, f.Sentence)
		}
		r := Look(g)
		if Worst(r.Findings) != SeverityOK && Worst(r.Findings) != SeverityNote || r.Verdict(&r.Forwards[0]) != SeverityUnseen {
			t.Errorf("%s: %v", r.Verdict(&r.Forwards[0]), r.Findings)
		}
		g.give(answeredFlow("198.51.100.9:4000"))
		if f := step(t, g, "arrives"); f.Severity != SeverityOK {
			t.Errorf("%s %s: %s", f.Severity, f.Check, f.Sentence)
		}
		r = Look(g)
		if v := r.Verdict(&r.Forwards[0]); v != SeverityOK {
			t.Errorf("somebody was answered: %s", v)
		}
	})
	t.Run("nothing was read of the host", func(t *testing.T) {
		g := soundGateway(t)
		g.Facts.Routes, g.Facts.Settings.Forwarding4 = nil, 0
		for _, f := range ExamineForward(g, Forwards(g)[0]) {
			if f.Severity == SeverityOK && (f.Check == "route" || f.Check == "let-through") {
				t.Errorf("it is ok without routes: %s", f.Sentence)
			}
		}
	})
}

// TestLatestConnectionsCount holds that connections which began after the last that was answered speak up.
func TestLatestConnectionsCount(t *testing.T) {
	g := soundGateway(t)
	old, late := answeredFlow("198.51.100.9:4000"), flowOf(tuple(rules.TCP, "198.51.100.8:4001", "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.2:8080", "198.51.100.8:4001"), flow.StatusDstNAT, flow.TCPSynSent)
	old.Start, late.Start = 1e9, 500e9
	late.ID = 8
	g.Health.At = 600e9
	g.give(old, late)
	f := step(t, g, "server-stopped")
	if f.Check != "server-stopped" || f.Severity != SeverityWarning || !strings.Contains(strings.Join(f.Evidence, " "), "ago, was") {
		t.Errorf("%s %s: %s %q", f.Severity, f.Check, f.Sentence, f.Evidence)
	}
	late.Start = 0.5e9 // it is older than the one that was answered
	g.give(old, late)
	if f := step(t, g, "answer-returns"); f.IsProblem() {
		t.Errorf("%s %s: %s %q", f.Severity, f.Check, f.Sentence, f.Evidence)
	}
}

// TestEveryLocalAddressIsJudged holds that a rule for all of this host's addresses is followed for each of them that
// clients on the Internet may ask for, whoever made it.
func TestEveryLocalAddressIsJudged(t *testing.T) {
	for _, rule := range []string{"-A PREROUTING -m addrtype --dst-type LOCAL -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.5:443", "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.5:443"} {
		table := natTable(rule)
		if strings.Contains(rule, "DOCKER") {
			table = strings.Replace(natTable("-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", rule), ":POSTROUTING", ":DOCKER - [0:0]\n:POSTROUTING", 1)
		}
		g := gatewayOf(t, map[rules.Variant]string{nft4: table})
		if found := Examine(g); Worst(found) >= SeverityWarning {
			t.Fatalf("with one way out it is not healthy: %v", found)
		}
		g.addLink(facts.Link{Name: "wan1", Kind: "device", Up: true, Running: true, MTU: 1500}, "198.18.1.2/24")
		g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Metric: 900, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan1", Gateway: netip.MustParseAddr("198.18.1.1")}}})
		if found := Examine(g); Worst(found) >= SeverityWarning {
			t.Errorf("nobody has seen to the second way: %v", found)
		}
		asked := func() Severity {
			t.Helper()
			one, found, err := Seek(g, "tcp 198.18.1.2:8443")
			if err != nil || found != nil {
				t.Fatal(found, err)
			}
			steps := ExamineForward(g, one)
			i := slices.IndexFunc(steps, func(f Finding) bool { return f.Check == "answer-leaves-elsewhere" })
			if i < 0 {
				t.Fatal(steps)
			}
			return steps[i].Severity
		}
		if s := asked(); s != SeverityNote {
			t.Errorf("asked for singly it is %s, and a note else", s)
		}
		g.Facts.PolicyRules = append(g.Facts.PolicyRules, facts.PolicyRule{Priority: 100, Action: facts.RuleTable, Table: 100, Family: rules.IPv4, From: netip.MustParsePrefix("198.18.1.2/32"), SuppressPrefix: -1})
		g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: 100, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan1", Gateway: netip.MustParseAddr("198.18.1.1")}}})
		f := Examine(g)[0]
		if f.Check != "answer-leaves-elsewhere" || f.Severity != SeverityWarning || !strings.Contains(strings.Join(f.Evidence, " "), "198.18.1.2:8443") {
			t.Errorf("%s: %s %q", f.Check, f.Sentence, f.Evidence)
		}
		if s := asked(); s != f.Severity {
			t.Errorf("asked for singly it is %s, and %s else", s, f.Severity)
		}
	}
}

// TestBlockedStrangers: a list of bad networks that holds an address which stands for anybody is no fault of a forward.
func TestBlockedStrangers(t *testing.T) {
	blocked := "*filter\n:FORWARD ACCEPT [0:0]\n"
	for _, net := range []string{"198.51.100.0/24", "192.0.2.0/24", "203.0.113.128/25", "198.18.0.0/15"} {
		blocked += "-A FORWARD -s " + net + " -j DROP\n"
	}
	for _, f := range Examine(gatewayOf(t, map[rules.Variant]string{nft4: soundTable + blocked + "COMMIT\n"})) {
		if f.IsProblem() {
			t.Errorf("%s %s: %s", f.Severity, f.Check, f.Sentence)
		}
	}
}
