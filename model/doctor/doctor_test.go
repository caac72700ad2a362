package doctor

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// gatewayOf is a gateway with a way to the world (wan0), a network inside (lan0)
// and rules as the kernel prints them.
func gatewayOf(t testing.TB, texts map[rules.Variant]string) *Gateway {
	t.Helper()
	prefix := netip.MustParsePrefix
	route := func(dst, out, via string) facts.RouteEntry {
		hop := facts.Hop{Out: out}
		if via != "" {
			hop.Gateway = netip.MustParseAddr(via)
		}
		return facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: prefix(dst), Hops: []facts.Hop{hop}}
	}
	f := &facts.Facts{
		Settings: facts.UnknownSettings(),
		Links: []facts.Link{
			{Name: "lo", Kind: "loopback", Up: true, Running: true, MTU: 65536},
			{Name: "wan0", Kind: "device", Up: true, Running: true, MTU: 1500},
			{Name: "lan0", Kind: "device", Up: true, Running: true, MTU: 1500},
		},
		Addresses: []facts.Address{{Link: "lo", Prefix: prefix("127.0.0.1/8"), Scope: facts.ScopeHost}, {Link: "wan0", Prefix: prefix("203.0.113.1/24")}, {Link: "lan0", Prefix: prefix("192.168.0.1/24")}},
		Routes:    []facts.RouteEntry{route("0.0.0.0/0", "wan0", "203.0.113.254"), route("203.0.113.0/24", "wan0", ""), route("192.168.0.0/24", "lan0", "")},
	}
	for i, table := range []uint32{facts.TableLocal, facts.TableMain, facts.TableDefault} {
		f.PolicyRules = append(f.PolicyRules, facts.PolicyRule{Priority: []uint32{0, 32766, 32767}[i], Action: facts.RuleTable, Table: table, Family: rules.IPv4, SuppressPrefix: -1})
	}
	for _, a := range f.Addresses {
		f.Routes = append(f.Routes, facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.PrefixFrom(a.Prefix.Addr(), 32), Hops: []facts.Hop{{Out: a.Link}}})
	}
	f.Settings.Forwarding4 = facts.SettingOn
	link := facts.LinkSettings{Forwarding4: facts.SettingOn, RPFilter: facts.RPFilterOff, RouteLocalnet: facts.SettingOff, AcceptLocal: facts.SettingOff, SrcValidMark: facts.SettingOff, AcceptRA: -1}
	f.Settings.All = link
	f.Settings.Links = map[string]facts.LinkSettings{"lo": link, "wan0": link, "lan0": link}
	g := &Gateway{Facts: f, Sets: map[rules.Variant]*rules.Ruleset{}}
	for variant, text := range texts {
		tables, err := rules.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		g.Sets[variant] = &rules.Ruleset{Family: variant.Family, Backend: variant.Backend, Tables: tables}
	}
	return g
}

var nft4, legacy4 = rules.Variant{Family: rules.IPv4, Backend: rules.NFT}, rules.Variant{Family: rules.IPv4, Backend: rules.Legacy}

const soundTable = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
[4:240] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
[9:540] -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
COMMIT
`

func soundGateway(t *testing.T) *Gateway {
	return gatewayOf(t, map[rules.Variant]string{nft4: soundTable})
}

// addLink gives a gateway another interface.
func (g *Gateway) addLink(l facts.Link, address string) {
	f := g.Facts
	f.Links = append(f.Links, l)
	p := netip.MustParsePrefix(address)
	f.Addresses = append(f.Addresses, facts.Address{Link: l.Name, Prefix: p})
	f.Routes = append(f.Routes,
		facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.PrefixFrom(p.Addr(), 32), Hops: []facts.Hop{{Out: l.Name}}},
		facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: p.Masked(), Hops: []facts.Hop{{Out: l.Name}}})
	f.Settings.Links[l.Name] = f.Settings.Links["wan0"]
}

func flowOf(orig, reply rules.Tuple, status flow.Status, state flow.State) flow.Flow {
	return flow.Flow{Orig: orig, Reply: reply, Status: status, State: state, ID: 7, Timeout: 60}
}

func tuple(proto rules.Protocol, src, dst string) rules.Tuple {
	return rules.MakeTuple(proto, netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst))
}

func (g *Gateway) give(flows ...flow.Flow) {
	g.Flows = flow.NewFlows()
	b := &flow.Batch{}
	for _, f := range flows {
		b.Messages = append(b.Messages, flow.Message{Kind: flow.EventNew, Has: flow.HasStatus | flow.HasState | flow.HasTimeout, Flow: f})
	}
	g.Flows.Apply(b)
}

// brokenFilter lets nothing through, and has counted what came.
const brokenFilter = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n[5:300] -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n*filter\n:FORWARD DROP [5:300]\nCOMMIT\n"

// TestExamine changes one thing about a sound gateway and looks for what the
// doctor says of it.
func TestExamine(t *testing.T) {
	tests := []struct {
		name     string
		spoil    func(g *Gateway)
		table    string
		check    string
		severity Severity
		subject  string // part of it
		cure     string // part of a command; empty: none is asked for
		says     string // part of the sentence
	}{
		{name: "carrier's NAT", check: "cgnat", severity: SeverityNote, subject: "wan0", spoil: func(g *Gateway) {
			g.Facts.Addresses[1].Prefix = netip.MustParsePrefix("100.64.3.4/24")
		}},
		{name: "both backends translate", check: "both-backends", severity: SeverityWarning, subject: "IPv4", spoil: func(g *Gateway) {
			g.Sets[legacy4] = &rules.Ruleset{Backend: rules.Legacy, Tables: g.Sets[nft4].Tables}
		}},
		{name: "both backends have rules, one translates", check: "both-backends", severity: SeverityNote, subject: "IPv4", spoil: func(g *Gateway) {
			tables, _ := rules.Read(strings.NewReader("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n"))
			g.Sets[legacy4] = &rules.Ruleset{Backend: rules.Legacy, Tables: tables}
		}},
		{name: "native table", check: "native-nat", severity: SeverityUnknown, subject: "inet firewalld", spoil: func(g *Gateway) {
			g.Facts.Natives = []rules.NativeTable{{Family: "inet", Name: "firewalld", Chains: []string{"nat_PREROUTING"}}}
		}},
		{name: "foreign objects", check: "read-only-table", severity: SeverityWarning, subject: "nat", spoil: func(g *Gateway) {
			g.Sets[nft4].Foreign = map[string]string{"nat": "the nft set blocked"}
		}},
		{name: "a backend that is not shown", check: "not-shown", severity: SeverityUnknown, subject: "ip6tables", spoil: func(g *Gateway) {
			g.Unseen = []string{"ip6tables is too old"}
		}},
		{name: "another program", check: "managed-by-docker", severity: SeverityNote, subject: "docker", spoil: func(g *Gateway) {
			g.Facts.Presences = []facts.Presence{{Name: "docker", Running: true, Evidence: "process dockerd"}}
		}},
		{name: "full table", check: "table-full", severity: SeverityError, subject: "conntrack", cure: "nf_conntrack_max=2000", spoil: func(g *Gateway) {
			g.Health = facts.Health{Count: 990, Max: 1000, Buckets: 500, Accounting: facts.SettingOn, Timestamps: facts.SettingOn, Events: facts.SettingAuto}
		}},
		{name: "packets are dropped just now", check: "drop", severity: SeverityError, subject: "conntrack", spoil: func(g *Gateway) {
			g.Health = facts.Health{Count: 9, Max: 1000, HasStats: true, Stats: facts.TableStats{Drop: 12}}
			g.Earlier = facts.Health{HasStats: true, Stats: facts.TableStats{Drop: 5}}
		}},
		{name: "accounting off", check: "accounting-off", severity: SeverityNote, cure: "nf_conntrack_acct=1", spoil: func(g *Gateway) {
			g.Health = facts.Health{Count: 9, Max: 1000, Accounting: facts.SettingOff, Timestamps: facts.SettingOn}
		}},
		{name: "nothing is tracked", check: "nothing-tracked", severity: SeverityNote, says: "no packet has come lately", spoil: func(g *Gateway) {
			g.Health = facts.Health{Max: 1000}
		}},
		{name: "what came was dropped, and is not tracked", check: "nothing-tracked", severity: SeverityNote, says: "a connection whose first packet is dropped is not tracked", table: brokenFilter, spoil: func(g *Gateway) {
			g.Health = facts.Health{Max: 1000}
		}},
		{name: "narrow tunnel", check: "mss-clamp", severity: SeverityWarning, subject: "ppp0", cure: "--clamp-mss-to-pmtu", spoil: func(g *Gateway) {
			g.addLink(facts.Link{Name: "ppp0", Kind: "ppp", Up: true, Running: true, MTU: 1492}, "198.18.0.1/32")
			g.Facts.Routes[0].Hops[0] = facts.Hop{Out: "ppp0"}
		}},
		{name: "bridged packets", check: "bridge-netfilter", severity: SeverityNote, subject: "br0", spoil: func(g *Gateway) {
			g.addLink(facts.Link{Name: "br0", Kind: "bridge", Up: true, MTU: 1500}, "10.5.0.1/24")
			g.Facts.Settings.BridgeCallsIptables = facts.SettingOn
		}},
		{name: "second provider", check: "answer-leaves-elsewhere", severity: SeverityError, subject: "PREROUTING 1", cure: "ip rule add fwmark", table: strings.ReplaceAll(soundTable, "-d 203.0.113.1/32", "-d 198.18.1.2/32"), spoil: func(g *Gateway) {
			g.addLink(facts.Link{Name: "wan1", Kind: "device", Up: true, Running: true, MTU: 1500}, "198.18.1.2/24")
			g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Metric: 900, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan1", Gateway: netip.MustParseAddr("198.18.1.1")}}})
		}},
		{name: "address that is gone", check: "gone-address", severity: SeverityWarning, cure: "conntrack -D -p udp -s 192.168.0.7", spoil: func(g *Gateway) {
			g.give(flowOf(tuple(rules.UDP, "192.168.0.7:5060", "198.51.100.9:5060"), tuple(rules.UDP, "198.51.100.9:5060", "203.0.113.77:5060"), flow.StatusSeenReply|flow.StatusSrcNAT, 0))
		}},
		{name: "stale flow", check: "stale-flows", severity: SeverityWarning, cure: "conntrack -D -p tcp -s 198.51.100.9", spoil: func(g *Gateway) {
			g.give(flowOf(tuple(rules.TCP, "198.51.100.9:4000", "203.0.113.1:80"), tuple(rules.TCP, "192.168.0.3:80", "198.51.100.9:4000"), flow.StatusSeenReply|flow.StatusAssured|flow.StatusDstNAT, 3))
		}},
		{name: "published past INPUT", check: "published-past-input", severity: SeverityWarning, subject: "203.0.113.1:8080", cure: "--ctorigdstport 8080", table: `*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:DOCKER-USER - [0:0]
-A INPUT -i wan0 -p tcp -m tcp --dport 8080 -j DROP
-A FORWARD -j DOCKER-USER
COMMIT
`, spoil: func(g *Gateway) {
			g.addLink(facts.Link{Name: "docker0", Kind: "bridge", Up: true, Running: true, MTU: 1500}, "172.17.0.1/16")
		}},
		{name: "redirect for everybody", check: "redirect-too-wide", severity: SeverityWarning, subject: "PREROUTING 1", table: "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888\nCOMMIT\n", spoil: func(*Gateway) {}},
		{name: "duplicate", check: "duplicate-rule", severity: SeverityWarning, subject: "PREROUTING 2", cure: "iptables -t nat -D PREROUTING", table: strings.Replace(soundTable, "[9:540]", "-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\n[9:540]", 1), spoil: func(*Gateway) {}},
		{name: "after everything", check: "rule-after-all", severity: SeverityWarning, subject: "PREROUTING 2", table: strings.Replace(soundTable, "[4:240]", "-A PREROUTING -j ACCEPT\n[4:240]", 1), spoil: func(*Gateway) {}},
		{name: "chain that nothing leads to", check: "chain-unreached", severity: SeverityNote, subject: "MINE", table: strings.Replace(soundTable, "COMMIT", "-A MINE -p tcp -j DNAT --to-destination 192.168.0.9\nCOMMIT", 1), spoil: func(*Gateway) {}},
		{name: "SIP without a helper", check: "helper-missing", severity: SeverityNote, cure: "--helper sip", table: strings.ReplaceAll(strings.ReplaceAll(soundTable, "tcp", "udp"), "--dport 80 ", "--dport 5060 "), spoil: func(*Gateway) {}},
		{name: "saved rules are others", check: "boot-drift", severity: SeverityWarning, subject: "/etc/iptables/rules.v4", cure: "nattui save", spoil: func(g *Gateway) {
			tables, _ := rules.Read(strings.NewReader(strings.Replace(soundTable, ":8080", ":9090", 1)))
			g.Saved = []SavedRules{{Path: "/etc/iptables/rules.v4", Tables: tables}}
		}},
		{name: "what is saved was removed", check: "boot-drift", severity: SeverityWarning, subject: "the unit", cure: "nattui save", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{By: "the unit", Back: []string{"nat -A POSTROUTING -j MASQUERADE"}, Removed: 1}
		}},
		{name: "what is saved is missing", check: "boot-drift", severity: SeverityWarning, subject: "the unit", cure: "nattui restore", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{Back: []string{"nat -A POSTROUTING -j ACCEPT"}, By: "the unit nattui.service"}
		}},
		{name: "nothing is saved beside firewalld", check: "not-saved", severity: SeverityNote, subject: "the unit", cure: "nattui save", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{Gone: []string{"nat -A POSTROUTING -j ACCEPT"}, Nothing: true, By: "the unit nattui.service"}
		}},
		{name: "nothing is saved beside a script of one's own", check: "not-saved", severity: SeverityUnknown, subject: "the unit", cure: "nattui save", says: "is not known: nattui has saved none", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{Gone: []string{"nat -A POSTROUTING -j ACCEPT"}, Nothing: true, By: "the unit nattui.service", Others: []string{"/etc/rc.local runs iptables-restore at boot: which rules it restores is not looked at"}}
		}},
		{name: "a policy is not saved", check: "boot-drift", severity: SeverityWarning, subject: "the unit", cure: "nattui save", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{Chains: []string{"filter FORWARD"}, By: "the unit nattui.service"}
		}},
		{name: "who restores is disabled", check: "not-restored", severity: SeverityWarning, subject: "the unit", cure: "nattui save --dry-run", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{By: "the unit", Idle: []string{"the service nattui, which restores what is saved, is disabled"}}
		}},
		{name: "who restores is disabled, and other rules are saved", check: "boot-drift", severity: SeverityWarning, subject: "the unit", cure: "nattui save", says: "The saved rules differ from the running rules: 1 rule not saved, 1 rule saved and not running.", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{By: "the unit", Gone: []string{"nat -A POSTROUTING -j MASQUERADE"}, Back: []string{"nat -A POSTROUTING -j ACCEPT"}, Idle: []string{"the service nattui, which restores what is saved, is disabled"}}
		}},
		{name: "a reload removes rules", check: "lost-at-reload", severity: SeverityNote, subject: "the unit", cure: "nattui save --watch", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{Unwatched: 2, By: "the unit nattui.service"}
		}},
		{name: "a change of another file's native table", check: "not-saved", severity: SeverityNote, subject: "native tables of other files", spoil: func(g *Gateway) {
			g.Saved, g.Drift = []SavedRules{}, &BootDrift{Elsewhere: []string{"added to inet filter input: tcp dport 25 drop"}, By: "the unit nattui.service"}
		}},
		{name: "saved rules of Docker", check: "saved-foreign-rules", severity: SeverityWarning, subject: "/etc/iptables/rules.v4", spoil: func(g *Gateway) {
			tables, _ := rules.Read(strings.NewReader(soundTable + "*filter\n:DOCKER - [0:0]\n-A DOCKER -d 172.17.0.2/32 -j ACCEPT\nCOMMIT\n"))
			g.Saved = []SavedRules{{Path: "/etc/iptables/rules.v4", Tables: tables}}
		}},
		{name: "nothing is saved", check: "not-saved", severity: SeverityNote, subject: "IPv4", spoil: func(g *Gateway) { g.Saved = []SavedRules{} }},
		{name: "a file switches forwarding off", check: "boot-drift", severity: SeverityWarning, subject: "net.ipv4.ip_forward", spoil: func(g *Gateway) {
			g.BootSettings = map[string]BootSetting{"net.ipv4.ip_forward": {"0", "/etc/sysctl.conf"}}
		}},
		{name: "a file switches forwarding off under Docker", check: "boot-drift", severity: SeverityWarning, subject: "net.ipv4.ip_forward", cure: "/etc/sysctl.d/90-nattui.conf", table: "*nat\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\nCOMMIT\n", spoil: func(g *Gateway) {
			g.BootSettings = map[string]BootSetting{"net.ipv4.ip_forward": {"0", "/etc/sysctl.d/60-baseline.conf"}}
		}},
		{name: "no file switches forwarding on", check: "not-at-boot", severity: SeverityNote, subject: "net.ipv4.ip_forward", spoil: func(g *Gateway) { g.BootSettings = map[string]BootSetting{} }},
		{name: "policy routing", check: "policy-routing", severity: SeverityNote, spoil: func(g *Gateway) {
			g.Facts.PolicyRules = append(g.Facts.PolicyRules, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Action: facts.RuleTable, Table: 100, Mark: 1, Mask: 0xff, SuppressPrefix: -1})
		}},
		{name: "tables that could not be read", check: "tables-unread", severity: SeverityUnknown, subject: "IPv6", spoil: func(g *Gateway) {
			g.Unread = map[rules.Variant]string{{Family: rules.IPv6, Backend: rules.NFT}: "exit status 3"}
		}},
		{name: "what could not be read", check: "not-known", severity: SeverityUnknown, spoil: func(g *Gateway) { g.Facts.Gaps = []string{"listeners: permission denied"} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := soundGateway(t)
			for _, f := range Examine(g) {
				if f.Check == test.check && f.Severity >= test.severity && test.check != "not-saved" {
					t.Fatalf("a sound gateway has it already: %s", f.Sentence)
				}
			}
			if test.table != "" {
				text := test.table
				if strings.Contains(text, "-A MINE") {
					text = strings.Replace(text, ":POSTROUTING", ":MINE - [0:0]\n:POSTROUTING", 1)
				}
				g = gatewayOf(t, map[rules.Variant]string{nft4: text})
			}
			test.spoil(g)
			found := Examine(g)
			i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == test.check && strings.Contains(f.Subject, test.subject) })
			if i < 0 {
				t.Fatalf("%s is not found: %v", test.check, found)
			}
			f := &found[i]
			if f.Severity != test.severity {
				t.Errorf("it is %s, want %s: %s", f.Severity, test.severity, f.Sentence)
			}
			var commands []string
			for _, c := range f.CureCommands() {
				commands = append(commands, rules.ShellLine(c))
			}
			if test.cure != "" && !strings.Contains(strings.Join(commands, "\n"), test.cure) {
				t.Errorf("the cure is %q, want %s", commands, test.cure)
			}
			if _, err := f.Cure.Resolve(g.Sets); err != nil {
				t.Errorf("the cure does not fit the tables: %v", err)
			}
			if !strings.Contains(f.Sentence, test.says) {
				t.Errorf("it says %q, not %q", f.Sentence, test.says)
			}
			if !strings.HasSuffix(f.Sentence, ".") {
				t.Errorf("%q is no sentence", f.Sentence)
			}
		})
	}
}

// A rule that takes what comes by the uplink alone is said in the words of every other hairpin.
func TestHairpinOfARuleForTheUplinkAlone(t *testing.T) {
	g := gatewayOf(t, map[rules.Variant]string{nft4: strings.Replace(soundTable, "-A PREROUTING", "-A PREROUTING -i wan0", 1)})
	const want = "203.0.113.1:80 cannot be reached from the server's own LAN: the rule does not match what arrives by lan0."
	if found := Examine(g); !slices.ContainsFunc(found, func(f Finding) bool { return f.Check == "hairpin" && f.Sentence == want }) {
		t.Errorf("%q is not said: %v", want, found)
	}
}

// The operator's own connection is never forgotten.
func TestDoctorSparesTheSession(t *testing.T) {
	g := soundGateway(t)
	client, server := netip.MustParseAddrPort("198.51.100.9:4000"), netip.MustParseAddrPort("203.0.113.1:80")
	g.Facts.Session = &facts.Session{Client: client, Server: server, Live: facts.SettingOn}
	g.give(flowOf(tuple(rules.TCP, client.String(), server.String()), tuple(rules.TCP, "192.168.0.3:22", client.String()), flow.StatusSeenReply|flow.StatusAssured|flow.StatusDstNAT, 3))
	for _, f := range Examine(g) {
		if f.Check == "stale-flows" {
			t.Errorf("the session is among %v", f.CureCommands())
		}
	}
}

// A forward that only some clients may use is no fault.
func TestDoctorKnowsAllowLists(t *testing.T) {
	filter := "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i lan0 -j ACCEPT\n-A FORWARD -s 198.51.0.0/17 -d 192.168.0.2/32 -j ACCEPT\nCOMMIT\n"
	for _, source := range []string{"198.51.0.0/17", "192.0.2.7"} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: soundTable + strings.Replace(filter, "198.51.0.0/17", source, 1)})
		for _, f := range Examine(g) {
			if f.IsProblem() {
				t.Errorf("for %s: %s %s", source, f.Check, f.Sentence)
			}
		}
	}
}

// The forward of a transparent proxy is named by what its rule says: it has no address that is asked for.
func TestForwardOfProxy(t *testing.T) {
	for rule, want := range map[string]string{
		"-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888":                                    "tcp :80 in lan0 to 192.168.0.1:8888",
		"-A PREROUTING -i lan0 -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888":                  "tcp 203.0.113.1:80 to 192.168.0.1:8888",
		"-A PREROUTING -i wan0 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.2:8080":                      "tcp 203.0.113.1:81 to 192.168.0.2:8080",
		"-A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 81 -j DNAT --to-destination 192.168.0.2:8080": "tcp 203.0.113.1:81 to 192.168.0.2:8080",
	} {
		g := gatewayOf(t, map[rules.Variant]string{nft4: "*nat\n:PREROUTING ACCEPT [0:0]\n" + rule + "\nCOMMIT\n"})
		list := Forwards(g)
		if len(list) != 1 || list[0].String() != want {
			t.Errorf("%s: %v, not %s", rule, list, want)
			continue
		}
		for _, f := range ExamineForward(g, list[0]) {
			if strings.Contains(f.Sentence, "198.51.100.") && strings.Contains(want, " :") {
				t.Errorf("%s: an invented destination: %s", rule, f.Sentence)
			}
		}
	}
}

func TestFindForward(t *testing.T) {
	list := Forwards(soundGateway(t))
	for _, name := range []string{"PREROUTING 1", "prerouting 1", "203.0.113.1:80", "tcp 203.0.113.1:80", "tcp/203.0.113.1:80", "192.168.0.2:8080", ":80", "80", "203.0.113.1"} {
		if f, err := FindForward(list, name); err != nil || f.Server.String() != "192.168.0.2:8080" {
			t.Errorf("%s: %v, %v", name, f.String(), err)
		}
	}
	for _, name := range []string{"PREROUTING 2", "udp 203.0.113.1:80", "203.0.113.1:81", "nonsense", ""} {
		_, err := FindForward(list, name)
		if err == nil || !strings.Contains(err.Error(), "PREROUTING 1 (tcp 203.0.113.1:80)") {
			t.Errorf("%q: %v does not say what there is", name, err)
		}
	}
	if _, err := FindForward(list, "tcp 203.0.113.1:99999"); err == nil || !strings.Contains(err.Error(), `"99999" is not a port: ports go from 1 to 65535`) {
		t.Errorf("%v does not name the port", err)
	}
}

func TestParseSysctlFile(t *testing.T) {
	got := map[string]BootSetting{"net.ipv4.ip_forward": {"0", "before"}}
	ParseSysctlFile("# a comment\n; another\n\nnet.ipv4.ip_forward = 1\n-net/ipv4/conf/eth0.10/rp_filter=2\nno setting\n", "file", got)
	want := map[string]BootSetting{"net.ipv4.ip_forward": {"1", "file"}, "net.ipv4.conf.all.forwarding": {"1", "file"}, "net.ipv4.conf.eth0/10.rp_filter": {"2", "file"}}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for name, s := range want {
		if got[name] != s {
			t.Errorf("%s is %v, want %v", name, got[name], s)
		}
	}
}

// With many forwards and flows the doctor still finds what matters first, also where much is
// wrong.
func TestDoctorOnALargeGateway(t *testing.T) {
	const forwards = 500
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for i := range forwards {
		b.WriteString("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport " + strconv.Itoa(10000+i) + " -j DNAT --to-destination 192.168.0.2:80\n")
	}
	b.WriteString("-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\nCOMMIT\n")
	for name, filter := range map[string]string{
		"sound": "", "dropped": "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n", "uncertain": "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m set --match-set allowed src -j ACCEPT\nCOMMIT\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := gatewayOf(t, map[rules.Variant]string{nft4: b.String() + filter})
			g.Flows = manyFlows(10_000)
			found := Examine(g)
			if name == "dropped" && (len(found) == 0 || found[0].Check != "forward-dropped" || len(found[0].Cure.Steps) == 0) {
				t.Errorf("that FORWARD drops is not said first, with its cure: %v", found)
			}
		})
	}
}

// BenchmarkExamine is a whole examination with 5,000 forwards and 300,000 flows.
func BenchmarkExamine(b *testing.B) {
	var text strings.Builder
	text.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for i := range 5000 {
		text.WriteString("-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport " + strconv.Itoa(10000+i) + " -j DNAT --to-destination 192.168.0.2:80\n")
	}
	text.WriteString("-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\nCOMMIT\n")
	g := gatewayOf(b, map[rules.Variant]string{nft4: text.String()})
	g.Flows = manyFlows(300_000)
	for b.Loop() {
		Examine(g)
	}
}

// BenchmarkExamineCluster is a whole examination of a node with thousands of service chains and a million flows.
func BenchmarkExamineCluster(b *testing.B) {
	for _, rules10k := range []int{1, 6} {
		b.Run(strconv.Itoa(rules10k*10_000), func(b *testing.B) {
			g := gatewayOf(b, map[rules.Variant]string{nft4: clusterTable(rules10k * 2500)})
			g.Flows = manyFlows(1_000_000)
			for b.Loop() {
				Examine(g)
			}
		})
	}
}

// clusterTable has a chain a service and a chain for its one server, four rules each.
func clusterTable(services int) string {
	var chains, lines strings.Builder
	for i := range services {
		n := strconv.Itoa(i)
		chains.WriteString(":KUBE-SVC-" + n + " - [0:0]\n:KUBE-SEP-" + n + " - [0:0]\n")
		lines.WriteString("-A KUBE-SERVICES -d 10.96." + strconv.Itoa(i/250) + "." + strconv.Itoa(1+i%250) + "/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-" + n + "\n-A KUBE-SVC-" + n + " -j KUBE-SEP-" + n +
			"\n-A KUBE-SEP-" + n + " -s 192.168.0.2/32 -j MARK --set-xmark 0x4000/0x4000\n-A KUBE-SEP-" + n + " -p tcp -m tcp -j DNAT --to-destination 192.168.0.2:8080\n")
	}
	return "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + chains.String() + "-A PREROUTING -j KUBE-SERVICES\n" + lines.String() +
		"-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\n-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE\nCOMMIT\n"
}

// manyFlows is a table of n connections from as many clients to one published address.
func manyFlows(n int) *flow.Flows {
	b := &flow.Batch{}
	b.Reset(int64(time.Second))
	b.Since, b.Begin, b.End, b.Count = b.At, true, true, n
	public := netip.MustParseAddrPort("203.0.113.1:80")
	for i := range n {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000))
		f := flow.Flow{Orig: rules.MakeTuple(rules.TCP, client, public), ID: uint32(i) + 1, State: flow.TCPEstablished, Timeout: 432000}
		f.Reply = rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("192.168.0.2:8080"), client)
		f.Status = flow.StatusDstNAT | flow.StatusSeenReply
		*b.Next() = flow.Message{Kind: flow.Listed, Has: flow.HasStatus | flow.HasState | flow.HasTimeout, Flow: f}
	}
	t := flow.NewFlows()
	t.Apply(b)
	return t
}
