package explain

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// TestBlastLaterPackets: a connection begins by one packet and lives by others, in both directions; a rule may be about
// any of them alone.
func TestBlastLaterPackets(t *testing.T) {
	known, _ := explainGateway(t, "")
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
	const data, rest = "-A INPUT -p tcp -m tcp --dport 22 --tcp-flags PSH PSH -j ACCEPT\n", "-A INPUT -p tcp -m tcp --dport 22 ! --tcp-flags PSH PSH -j ACCEPT\n"
	for _, c := range []struct {
		table, chain, policy, before, after string
		own                                 bool
	}{
		{"filter", "INPUT", "ACCEPT", "", "-A INPUT -p tcp -m tcp --tcp-flags PSH PSH -j DROP", true},
		{"filter", "OUTPUT", "ACCEPT", "", "-A OUTPUT -p tcp -m tcp --tcp-flags PSH PSH -j DROP", true},
		{"filter", "OUTPUT", "ACCEPT", "", "-A OUTPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", true},
		{"filter", "INPUT", "ACCEPT", "", "-A INPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", false},
		{"filter", "OUTPUT", "ACCEPT", "", "-A OUTPUT -p tcp -m tcp --tcp-flags SYN,ACK SYN -j DROP", false},
		{"filter", "INPUT", "ACCEPT", "", "-A INPUT -p tcp -m tcp --tcp-flags FIN FIN -j DROP", true},
		{"filter", "INPUT", "ACCEPT", "", "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP", false},
		{"raw", "PREROUTING", "ACCEPT", "", "-A PREROUTING -p tcp -m tcp --tcp-flags PSH,ACK PSH,ACK -j DROP", true},
		{"raw", "PREROUTING", "ACCEPT", "", "-A PREROUTING -s 198.51.100.77/32 -p tcp -m tcp --tcp-flags PSH,ACK PSH,ACK -j DROP", false},
		{"mangle", "POSTROUTING", "ACCEPT", "", "-A POSTROUTING -p tcp -m tcp --tcp-flags PSH,ACK PSH,ACK -j DROP", true},
		{"filter", "INPUT", "DROP", data + rest, rest, true},
		{"filter", "INPUT", "DROP", data + rest, data + rest, false},
	} {
		read := func(lines string) map[rules.Variant]*rules.Ruleset {
			tables, err := rules.Read(strings.NewReader("*" + c.table + "\n:" + c.chain + " " + c.policy + " [0:0]\n" + strings.TrimSuffix(lines, "\n") + "\nCOMMIT\n"))
			if err != nil {
				t.Fatal(err)
			}
			return map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}
		}
		got := BlastOf(known, Rules{Sets: read(c.before)}, Rules{Sets: read(c.after)}, rules.Plan{}, nil, 0)
		if got.Own != c.own {
			t.Errorf("%s %q -> %q: own %v (%s); want %v", c.table, c.before, c.after, got.Own, got.OwnWhy, c.own)
		}
	}
}

// TestBlastTranslatedLogin: a login through REDIRECT or DNAT, here or past this host, lives by the port that its client
// asks for, which its socket does not show.
func TestBlastTranslatedLogin(t *testing.T) {
	const redirect, publish = "-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\n", "-A PREROUTING -p tcp -m tcp --dport 2299 -j DNAT --to-destination 192.168.0.10:2022\n"
	here := facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22"), User: "a", Own: true}
	back := facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: netip.MustParseAddrPort("192.168.0.10:40000"), Server: netip.MustParseAddrPort("192.168.0.1:22"), User: "a", Own: true}
	routed := back
	routed.Client = netip.MustParseAddrPort("10.8.0.5:40000")
	toHere := explainedFlow(1, "198.51.100.9:50000", "203.0.113.1:2222", "203.0.113.1:22", "198.51.100.9:50000")
	through := explainedFlow(2, "198.51.100.9:50001", "203.0.113.1:2299", "192.168.0.10:2022", "198.51.100.9:50001")
	other := explainedFlow(2, "198.51.100.77:50001", "203.0.113.1:2299", "192.168.0.10:2022", "198.51.100.77:50001")
	for _, c := range []struct {
		name, before, after string
		way                 facts.Way
		flow                flow.Flow
		own                 bool
	}{
		{"the redirect goes", redirect, "", here, toHere, true},
		{"another one goes", redirect + publish, redirect, here, toHere, false},
		{"its port is sent elsewhere", redirect, "-A PREROUTING -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.168.0.3:22\n" + redirect, here, toHere, true},
		{"port 22 is redirected, which it does not ask for", redirect, redirect + "-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 9\n", here, toHere, false},
		{"the way to the host that logs in here goes", publish, "", back, through, true},
		{"the way to the router of whoever logs in here goes", publish, "", routed, through, true},
		{"another way goes", publish + redirect, publish, back, through, false},
		{"a way from where somebody is logged in goes", publish, "", here, through, true},
		{"a way of somebody else to a host that nobody comes from goes", publish, "", here, other, false},
	} {
		known, before := explainGateway(t, c.before)
		_, after := explainGateway(t, c.after)
		known.Routes = append([]facts.RouteEntry{{
			Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("10.8.0.0/24"), Hops: []facts.Hop{{Out: "lan0", Gateway: netip.MustParseAddr("192.168.0.10")}},
		}}, known.Routes...)
		known.Ways, known.Seat = []facts.Way{c.way}, facts.SeatSSH
		c.flow.Status |= flow.StatusSeenReply | flow.StatusAssured
		flows := flow.NewFlows()
		batch := &flow.Batch{At: 1}
		change := batch.Next()
		change.Kind, change.Flow = flow.Listed, c.flow
		flows.Apply(batch)
		if got := BlastOf(known, Rules{Sets: before}, Rules{Sets: after}, rules.Plan{}, flows, 0); got.Own != c.own {
			t.Errorf("%s: own %v: %s", c.name, got.Own, got.OwnSentence())
		}
		if c.own && !Passages(known)(&c.flow) {
			t.Errorf("%s: its connection is left out of those that are looked at", c.name)
		}
	}
}

// TestBlastRelays: a login that comes through a tunnel which this host itself began (ssh -R from here) lives by what it
// sends to the tunnel's other end and by what comes back.
func TestBlastRelays(t *testing.T) {
	known, before := explainGateway(t, "")
	known.Addresses = append(known.Addresses, facts.Address{Link: "lo", Prefix: netip.MustParsePrefix("127.0.0.1/8")})
	known.Ways, known.Seat = []facts.Way{
		{Kind: facts.WaySSH, Proto: rules.TCP, Program: "sshd", Client: netip.MustParseAddrPort("127.0.0.1:50000"), Server: netip.MustParseAddrPort("127.0.0.1:22"), User: "a", Own: true},
		{Kind: facts.WayRelay, Proto: rules.TCP, Program: "ssh", Client: netip.MustParseAddrPort("203.0.113.1:40000"), Server: netip.MustParseAddrPort("198.51.100.20:22"), Own: true},
	}, facts.SeatSSH
	for rule, own := range map[string]bool{
		"-A OUTPUT -d 198.51.100.20/32 -j DROP":                                         true,
		"-A OUTPUT -p tcp -m tcp --dport 22 -j DROP":                                    true,
		"-A OUTPUT -o wan0 -p tcp -m tcp --tcp-flags SYN,RST,ACK,FIN SYN -j DROP":       true,
		"-A INPUT -s 198.51.100.20/32 -j DROP":                                          true,
		"-A INPUT -i wan0 -p tcp -m tcp --sport 22 --tcp-flags SYN,ACK SYN,ACK -j DROP": true,
		"-A INPUT -i wan0 -p tcp -m tcp --dport 22 -j DROP":                             false,
		"-A OUTPUT -d 198.51.100.21/32 -j DROP":                                         false,
		"-A FORWARD -j DROP":                                                            false,
	} {
		tables, err := rules.Read(strings.NewReader("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + rule + "\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		after := map[rules.Variant]*rules.Ruleset{{}: {Tables: append(tables, before[rules.Variant{}].Tables...)}}
		if got := BlastOf(known, Rules{Sets: before}, Rules{Sets: after}, rules.Plan{}, nil, 0); got.Own != own {
			t.Errorf("%s: own %v: %s", rule, got.Own, got.OwnSentence())
		}
	}
}

// TestProvers: each of those who may be cut off has to prove that he is not, and nobody who certainly is not, if he did
// not make the change.
func TestProvers(t *testing.T) {
	way := func(from, user string, own bool) facts.Way {
		return facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Program: "sshd", Client: netip.MustParseAddrPort(from), Server: netip.MustParseAddrPort("203.0.113.1:22"), User: user, Own: own}
	}
	const a, b, robot = "198.51.100.9", "198.51.100.10", "198.51.100.11"
	drop := func(from string) string {
		return "-A PREROUTING -s " + from + "/32 -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 9\n"
	}
	for _, c := range []struct {
		name, change string
		seat         facts.Seat
		own          bool // A made it, and that is known
		want         []string
	}{
		{"A's address alone, in a terminal that both may have", drop(a), facts.SeatShared, false, []string{a}},
		{"both", drop(a) + drop(b), facts.SeatShared, false, []string{a, b}},
		{"neither", "", facts.SeatShared, false, []string{a, b}},
		{"A cuts B off", drop(b), facts.SeatSSH, true, []string{a, b}},
		{"A cuts himself off", drop(a), facts.SeatSSH, true, []string{a}},
		{"a robot that has not logged in", drop(robot), facts.SeatSSH, true, []string{a}},
		{"at the console", drop(a), facts.SeatConsole, false, nil},
	} {
		known, before := explainGateway(t, "")
		_, after := explainGateway(t, c.change)
		known.Seat, known.Ways = c.seat, []facts.Way{way(a+":1000", "a", c.own), way(b+":1000", "b", false), way(robot+":1000", "", false)}
		blast := BlastOf(known, Rules{Sets: before}, Rules{Sets: after}, rules.Plan{}, nil, 0)
		var got []string
		for _, addr := range blast.Provers(known) {
			got = append(got, addr.String())
		}
		slices.Sort(got)
		want := slices.Clone(c.want)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", c.name, got, want)
		}
	}
}

// TestBlastTunnels: what a tunnel sends first, by ports of its own choice, is what it lives by, as are the connections that
// it has now.
func TestBlastTunnels(t *testing.T) {
	any4 := netip.IPv4Unspecified()
	vxlan := facts.Way{Kind: facts.WayVPN, Proto: rules.UDP, Server: netip.AddrPortFrom(any4, 4789), Program: "VXLAN"}
	guard := facts.Way{Kind: facts.WayVPN, Proto: rules.UDP, Server: netip.AddrPortFrom(any4, 51820), Program: "WireGuard"}
	gre := facts.Way{Kind: facts.WayVPN, Proto: rules.GRE, Server: netip.AddrPortFrom(any4, 0), Program: "gre1"}
	udp := func(from, to string) flow.Flow {
		g := explainedFlow(1, from, to, to, from)
		g.Orig.Proto, g.Reply.Proto = rules.UDP, rules.UDP
		return g
	}
	peer := udp("203.0.113.1:51820", "198.51.100.9:40123")
	for _, c := range []struct {
		way  facts.Way
		flow flow.Flow
		rule string
		own  bool
	}{
		{vxlan, flow.Flow{}, "-A OUTPUT -d 198.51.100.9/32 -p udp -j DROP", true},
		{vxlan, flow.Flow{}, "-A OUTPUT -p udp -m udp --dport 4789 -j DROP", true},
		{vxlan, flow.Flow{}, "-A OUTPUT -p udp -m udp --sport 4789 -m conntrack --ctstate NEW -j DROP", true},
		{vxlan, flow.Flow{}, "-A OUTPUT -p udp -m udp --dport 4790 -j DROP", true}, // which sends from 4789 perhaps
		{vxlan, flow.Flow{}, "-A OUTPUT -p tcp -m tcp --dport 4789 -j DROP", false},
		{gre, flow.Flow{}, "-A OUTPUT -p gre -m conntrack --ctstate NEW -j DROP", true},
		{guard, peer, "-A OUTPUT -p udp -m conntrack --ctstate NEW -j DROP", true},
		{guard, flow.Flow{}, "-A INPUT -p udp -m udp --sport 1000:1024 -j DROP", true},
		{guard, flow.Flow{}, "-A INPUT -p udp -m udp --dport 53 -j DROP", false},
		{guard, flow.Flow{}, "-A OUTPUT -p icmp -j DROP", false},
	} {
		known, _ := explainGateway(t, "")
		known.Session = &facts.Session{Client: netip.MustParseAddrPort("192.168.0.9:50000"), Server: netip.MustParseAddrPort("192.168.0.1:22")}
		known.Ways = []facts.Way{c.way}
		tables, err := rules.Read(strings.NewReader("*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + c.rule + "\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		flows := flow.NewFlows()
		if c.flow.Proto() != 0 {
			batch := &flow.Batch{At: 1}
			change := batch.Next()
			change.Kind, change.Flow = flow.Listed, c.flow
			flows.Apply(batch)
		}
		made, err := rules.Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		plan := rules.Plan{Steps: []rules.Step{{Change: &rules.Change{Op: rules.Insert, Table: "filter", Chain: made.Chain, Rule: made}}}}
		got := BlastOf(known, Rules{}, Rules{Sets: map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}}, plan, flows, 0)
		if got.Own != c.own {
			t.Errorf("%s, %s: own %v (%s); want %v", c.way.Program, c.rule, got.Own, got.OwnWhy, c.own)
		}
	}
}

// TestBlastUntold: where nothing tracks connections it is not known who comes through this gateway, until a rule has them tracked.
func TestBlastUntold(t *testing.T) {
	const tracks, forward, input = "-A PREROUTING -p tcp -m tcp --dport 99 -j DNAT --to-destination 192.168.0.2\n", "-A POSTROUTING -p tcp -m tcp --dport 99 -j MASQUERADE", "-A INPUT -p tcp -m tcp --dport 99 -j ACCEPT"
	login := facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: netip.MustParseAddrPort("192.168.0.9:50000"), Server: netip.MustParseAddrPort("192.168.0.1:22"), User: "a", Own: true}
	for _, c := range []struct {
		before, rule string
		ways         []facts.Way
		forwarding   facts.Setting
		own          bool
		said         string
	}{
		{"", forward, []facts.Way{login}, facts.SettingOn, true, "nothing tracks"},
		{"", forward, nil, facts.SettingOn, false, "not known"},
		{"", forward, []facts.Way{login}, facts.SettingOff, false, "certainly not affected"},
		{"", input, []facts.Way{login}, facts.SettingOn, false, "certainly not affected"},
		{tracks, forward, []facts.Way{login}, facts.SettingOn, false, "certainly not affected"},
	} {
		known, before := explainGateway(t, c.before)
		if c.before == "" {
			before = nil
		}
		known.Settings.Forwarding4, known.Ways = c.forwarding, c.ways
		made, err := rules.Parse(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		plan := rules.Plan{Steps: []rules.Step{{Change: &rules.Change{Op: rules.Insert, Table: "nat", Chain: made.Chain, Rule: made}}}}
		got := BlastOf(known, Rules{Sets: before}, Rules{Sets: before}, plan, nil, 0)
		if got.Own != c.own || !strings.Contains(strings.ToLower(got.OwnSentence()), c.said) {
			t.Errorf("%q, %s, forwarding %v: own %v: %s", c.before, c.rule, c.forwarding, got.Own, got.OwnSentence())
		}
	}
}

// TestBlastTemporary: a policy is judged by what lets a login in for good.
func TestBlastTemporary(t *testing.T) {
	const accept = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
	read := func(policy string) map[rules.Variant]*rules.Ruleset {
		tables, err := rules.Read(strings.NewReader("*filter\n:INPUT " + policy + " [0:0]\n-A INPUT -m conntrack --ctstate RELATED -j ACCEPT\n" + accept + "\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		return map[rules.Variant]*rules.Ruleset{{}: {Tables: tables}}
	}
	made, err := rules.Parse(accept)
	if err != nil {
		t.Fatal(err)
	}
	step := func(c rules.Change) rules.Plan {
		c.Table, c.Chain = "filter", "INPUT"
		return rules.Plan{Steps: []rules.Step{{Change: &c}}}
	}
	temporary := step(rules.Change{Op: rules.Insert, Rule: made})
	closes := step(rules.Change{Op: rules.SetPolicy, OldPolicy: "ACCEPT", Policy: "DROP"})
	known, _ := explainGateway(t, "")
	known.Session = &facts.Session{Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22")}
	for _, c := range []struct {
		ending []rules.Plan
		after  string
		own    bool
	}{{nil, "DROP", false}, {[]rules.Plan{temporary}, "DROP", true}, {[]rules.Plan{temporary}, "ACCEPT", false}, {[]rules.Plan{closes}, "DROP", true}} {
		got := BlastOf(known, Rules{Sets: read("ACCEPT"), Ending: c.ending}, Rules{Sets: read(c.after)}, closes, nil, 0)
		if got.Own != c.own {
			t.Errorf("%d temporary changes, then %s: own %v: %s", len(c.ending), c.after, got.Own, got.OwnSentence())
		}
	}
}

// TestBlastUnhooked: with the last rule that needs it, connection tracking ends, and with it every translation that is in force.
func TestBlastUnhooked(t *testing.T) {
	const first, second = "-A POSTROUTING -o wan0 -j MASQUERADE\n", "-A PREROUTING -p tcp -m tcp --dport 99 -j DNAT --to-destination 192.168.0.2\n"
	here := facts.Way{Kind: facts.WaySSH, Proto: rules.TCP, Client: netip.MustParseAddrPort("198.51.100.9:50000"), Server: netip.MustParseAddrPort("203.0.113.1:22"), User: "a", Own: true}
	redirected := explainedFlow(1, "198.51.100.9:50000", "203.0.113.1:2222", "203.0.113.1:22", "198.51.100.9:50000") // by a rule that is gone
	for _, c := range []struct {
		before, after string
		unhooked      bool
	}{{first, "", true}, {first + second, second, false}, {first, first, false}, {"", "", false}} {
		known, before := explainGateway(t, c.before)
		_, after := explainGateway(t, c.after)
		if c.before == "" {
			before = nil
		}
		if c.after == "" {
			after = nil
		}
		known.Ways = []facts.Way{here}
		flows := flow.NewFlows()
		batch := &flow.Batch{At: 1}
		change := batch.Next()
		change.Kind, change.Flow = flow.Listed, redirected
		flows.Apply(batch)
		got := BlastOf(known, Rules{Sets: before}, Rules{Sets: after}, rules.Plan{}, flows, 10)
		if got.Broken > 0 != c.unhooked || got.Own != c.unhooked {
			t.Errorf("%q -> %q: broken %v, own %v: %s", c.before, c.after, got.Broken, got.Own, got.OwnSentence())
		}
		if !strings.Contains(got.FlowsSentence("x"), "break") == c.unhooked {
			t.Errorf("%q -> %q: %s", c.before, c.after, got.FlowsSentence("x"))
		}
		known.Ways = nil // whose own connections are not told of
		if _, _, broken := KeptFlows(t.Context(), known, Rules{Sets: before}, Rules{Sets: after}, flows, 10); broken != c.unhooked {
			t.Errorf("%q -> %q: they keep their translation", c.before, c.after)
		}
	}
}
