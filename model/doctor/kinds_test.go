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

// kind is a kind of trouble: what the doctor has to say of a gateway that has it, and that it says nothing of the kind
// once the trouble is mended.
type kind struct {
	name     string
	table    string // the rules; empty: those of the sound gateway
	spoil    func(g *Gateway)
	check    string
	severity Severity
	says     string // part of the sentence or the evidence
	cure     string // part of a command, the advised ones included
	// mended are the rules without the trouble, mend changes what was spoiled back.
	mended string
	mend   func(g *Gateway)
}

// TestKinds breaks a gateway, looks for the cause, and holds that the doctor is silent about it once it is mended.
func TestKinds(t *testing.T) {
	for _, k := range slices.Concat(outputKinds, helperKinds, bridgeKinds, silenceKinds, wayKinds, addressKinds, filterKinds, uplinkKinds, serviceKinds, wayInKinds) {
		t.Run(k.name, func(t *testing.T) {
			look := func(table string, change ...func(*Gateway)) (Finding, bool) {
				if table == "" {
					table = soundTable
				}
				g := gatewayOf(t, map[rules.Variant]string{nft4: table})
				for _, c := range change {
					if c != nil {
						c(g)
					}
				}
				found := Examine(g)
				i := slices.IndexFunc(found, func(f Finding) bool { return f.Check == k.check && f.Severity >= k.severity })
				if i < 0 {
					t.Logf("%v", found)
					return Finding{}, false
				}
				return found[i], true
			}
			f, ok := look(k.table, k.spoil)
			if !ok {
				t.Fatalf("the doctor does not say %s", k.check)
			}
			if f.Severity != k.severity {
				t.Errorf("%s is %s, want %s", f.Check, f.Severity, k.severity)
			}
			if all := f.Sentence + " " + strings.Join(f.Evidence, " "); !strings.Contains(all, k.says) {
				t.Errorf("%q does not say %q", all, k.says)
			}
			var commands []string
			for _, c := range f.CureCommands() {
				commands = append(commands, rules.ShellLine(c))
			}
			if !strings.Contains(strings.Join(commands, "\n"), k.cure) {
				t.Errorf("the cure is %q, want %s: %s", commands, k.cure, f.Sentence)
			}
			if k.mended == "" && k.mend == nil {
				return
			}
			mended := k.mended
			if mended == "" {
				mended = k.table
			}
			if f, ok := look(mended, k.spoil, k.mend); ok {
				t.Errorf("once it is mended the doctor still says %s: %s", f.Check, f.Sentence)
			}
		})
	}
}

func outputTable(lines ...string) string {
	return "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"
}

// listening gives a gateway a program that listens.
func listening(at string, user *facts.User) func(*Gateway) {
	return func(g *Gateway) {
		g.Facts.Listeners = append([]facts.Listener{}, facts.Listener{Proto: rules.TCP, Address: netip.MustParseAddrPort(at), Process: "interceptor", User: user})
	}
}

var outputKinds = []kind{
	{
		name: "OUTPUT sends everybody's port to where nobody listens", table: outputTable("-A OUTPUT -p tcp -m tcp --dport 993 -j DNAT --to-destination 127.0.0.1:993"),
		spoil: listening("0.0.0.0:22", nil), check: "nobody-listens", severity: SeverityError, says: "anybody's port 993", cure: "-D OUTPUT",
		mend: listening("127.0.0.1:993", &facts.User{UID: 77}),
	},
	{
		name: "a proxy gets what it asks for itself", table: outputTable("-A OUTPUT -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 9040"),
		spoil: listening("0.0.0.0:9040", &facts.User{UID: 131, GID: 131}), check: "proxy-loop", severity: SeverityWarning, says: "interceptor", cure: "! --uid-owner 131",
		mended: outputTable("-A OUTPUT -p tcp -m owner ! --uid-owner 131 -m tcp --dport 443 -j REDIRECT --to-ports 9040"),
	},
	{
		name: "a proxy left out by its group", table: outputTable("-A OUTPUT -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 9040"),
		spoil: listening("0.0.0.0:9040", &facts.User{UID: 0, GID: 44}), check: "proxy-loop", severity: SeverityWarning, says: "user of its own",
		mended: outputTable("-A OUTPUT -p tcp -m owner --gid-owner 44 -m tcp --dport 443 -j ACCEPT", "-A OUTPUT -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 9040"),
	},
	{
		name: "what is asked of the loopback address is to leave", table: outputTable("-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 5000 -j DNAT --to-destination 192.168.0.7:5000"),
		check: "loopback-leaves", severity: SeverityError, says: "route_localnet",
		mended: outputTable("-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 5000 -j DNAT --to-destination 192.168.0.7:5000", "-A POSTROUTING -s 127.0.0.0/8 -o lan0 -j MASQUERADE"),
		mend: func(g *Gateway) {
			l := g.Facts.Settings.Links["lan0"]
			l.RouteLocalnet = facts.SettingOn
			g.Facts.Settings.Links["lan0"] = l
		},
	},
	{
		name:  "OUTPUT's filter drops the new destination",
		table: outputTable("-A OUTPUT -d 203.0.113.1/32 -p tcp -m tcp --dport 5000 -j DNAT --to-destination 192.168.0.7:5001") + "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -m tcp --dport 5001 -j REJECT\nCOMMIT\n",
		check: "output-dropped", severity: SeverityError, says: "OUTPUT 1",
		mended: outputTable("-A OUTPUT -d 203.0.113.1/32 -p tcp -m tcp --dport 5000 -j DNAT --to-destination 192.168.0.7:5001"),
	},
}

// sharedFlow is a connection of a client inside that leaves with the gateway's address.
func sharedFlow(proto rules.Protocol, client, server string, status flow.Status, state flow.State) flow.Flow {
	c := netip.MustParseAddrPort(client)
	f := flowOf(tuple(proto, client, server), tuple(proto, server, netip.AddrPortFrom(netip.MustParseAddr("203.0.113.1"), c.Port()).String()), status|flow.StatusSrcNAT, state)
	f.Timeout = 5
	return f
}

var helperKinds = []kind{
	{
		name: "a TFTP client behind NAT", spoil: func(g *Gateway) { g.give(sharedFlow(rules.UDP, "192.168.0.9:1069", "198.51.100.4:69", 0, 0)) },
		check: "helper-missing", severity: SeverityWarning, says: "TFTP", cure: "-i lan0 -p udp -m udp --dport 69 -j CT --helper tftp",
		mended: soundTable + "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i lan0 -p udp -m udp --dport 69 -j CT --helper tftp\nCOMMIT\n",
	},
	{
		name: "an FTP client behind NAT", spoil: func(g *Gateway) {
			g.give(sharedFlow(rules.TCP, "192.168.0.9:1021", "198.51.100.4:21", flow.StatusSeenReply|flow.StatusAssured, flow.TCPEstablished))
		},
		check: "helper-missing", severity: SeverityNote, says: "Active FTP", cure: "--helper ftp",
		mend: func(g *Gateway) { g.Facts.Settings.ConntrackHelper = facts.SettingOn },
	},
	{
		name: "an FTP client whose server has come back", spoil: func(g *Gateway) {
			back := flowOf(tuple(rules.TCP, "198.51.100.4:20", "203.0.113.1:41000"), tuple(rules.TCP, "203.0.113.1:41000", "198.51.100.4:20"), flow.StatusSeenReply, flow.TCPSynSent)
			back.ID = 9
			g.give(sharedFlow(rules.TCP, "192.168.0.9:1021", "198.51.100.4:21", flow.StatusSeenReply|flow.StatusAssured, flow.TCPEstablished), back)
		},
		check: "helper-missing", severity: SeverityWarning, says: "part of no connection", cure: "--helper ftp",
		mended: soundTable + "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i lan0 -p tcp -m tcp --dport 21 -j CT --helper ftp\nCOMMIT\n",
	},
	{
		name: "a telephone behind NAT", spoil: func(g *Gateway) {
			g.give(sharedFlow(rules.UDP, "192.168.0.9:5060", "198.51.100.4:5060", flow.StatusSeenReply, 0))
		},
		check: "helper-missing", severity: SeverityNote, says: "SIP", cure: "--helper sip",
		mended: soundTable + "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 5060 -j CT --helper sip\nCOMMIT\n",
	},
}

// silentUDP are connections of clients inside to several servers, none of which has answered.
func silentUDP(port uint16) (list []flow.Flow) {
	for _, server := range []string{"198.51.100.4", "198.51.100.5", "198.51.100.6"} {
		f := sharedFlow(rules.UDP, "192.168.0.9:50000", netip.AddrPortFrom(netip.MustParseAddr(server), port).String(), 0, 0)
		f.ID = uint32(len(list) + 1)
		list = append(list, f)
	}
	return list
}

// bridgedPods gives a gateway a bridge with two machines, one of which has asked for the other by a service address.
func bridgedPods(g *Gateway) {
	g.addLink(facts.Link{Name: "cbr0", Kind: "bridge", Up: true, Running: true, MTU: 1500}, "10.61.0.1/24")
	for _, port := range []string{"pod1", "pod2"} {
		g.Facts.Links = append(g.Facts.Links, facts.Link{Name: port, Kind: "veth", Up: true, Running: true, Master: "cbr0"})
	}
	g.Facts.Settings.BridgeCallsIptables = facts.SettingOff
	f := flowOf(tuple(rules.TCP, "10.61.0.8:40000", "10.99.0.1:80"), tuple(rules.TCP, "10.61.0.9:8080", "10.61.0.8:40000"), flow.StatusDstNAT, flow.TCPSynSent)
	f.Timeout = 60
	g.give(f)
}

const serviceTable = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -j KUBE-SERVICES\n-A KUBE-SERVICES -d 10.99.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.61.0.9:8080\nCOMMIT\n"

var bridgeKinds = []kind{
	{
		name: "a service on the same bridge", table: serviceTable, spoil: bridgedPods, check: "bridge-netfilter-off", severity: SeverityError,
		says: "is not translated", cure: "sysctl -w net.bridge.bridge-nf-call-iptables=1",
		mend: func(g *Gateway) { g.Facts.Settings.BridgeCallsIptables = facts.SettingOn },
	},
	{
		name: "FORWARD drops what stays on a bridge", table: soundTable + "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT\n-A FORWARD -i lan0 -j ACCEPT\nCOMMIT\n",
		spoil: func(g *Gateway) { bridgedPods(g); g.Facts.Settings.BridgeCallsIptables = facts.SettingOn },
		check: "bridge-dropped", severity: SeverityWarning, says: "The policy of FORWARD",
		mend: func(g *Gateway) { g.Facts.Settings.BridgeCallsIptables = facts.SettingOff },
	},
}

var silenceKinds = []kind{
	{
		name: "what stays inside is given the public address", table: natTable("-A POSTROUTING -s 192.168.0.0/24 -j SNAT --to-source 203.0.113.1"),
		spoil: func(g *Gateway) {
			f := flowOf(tuple(rules.TCP, "192.168.0.1:40000", "192.168.0.7:22"), tuple(rules.TCP, "192.168.0.7:22", "203.0.113.1:40000"), flow.StatusSrcNAT, flow.TCPSynSent)
			f.Timeout = 60
			g.give(f)
		},
		check: "masquerade-too-wide", severity: SeverityError, says: "none answered", cure: "-o wan0",
		mended: natTable("-A POSTROUTING -s 192.168.0.0/24 ! -d 192.168.0.0/24 -j SNAT --to-source 203.0.113.1"),
	},
	{
		name: "nobody answers who is seen so", spoil: func(g *Gateway) {
			var list []flow.Flow
			for _, server := range []string{"198.51.100.4:443", "198.51.100.5:443", "198.51.100.6:443"} {
				f := sharedFlow(rules.TCP, "192.168.0.9:50000", server, 0, flow.TCPSynSent)
				f.Orig, f.Reply = tuple(rules.TCP, "192.168.0.9:50000", server), tuple(rules.TCP, server, "203.0.113.1:50000")
				f.ID = uint32(len(list) + 1)
				list = append(list, f)
			}
			g.give(list...)
		},
		check: "no-answer", severity: SeverityWarning, says: "as 203.0.113.1 for tcp port 443",
		mend: func(g *Gateway) {
			g.give(sharedFlow(rules.TCP, "192.168.0.9:50000", "198.51.100.4:443", flow.StatusSeenReply|flow.StatusAssured, flow.TCPEstablished))
		},
	},
	{
		name: "nobody answers what asks for time", spoil: func(g *Gateway) { g.give(silentUDP(123)...) }, check: "no-answer", severity: SeverityWarning, says: "udp port 123",
		mend: func(g *Gateway) { g.give(silentUDP(514)...) }, // a log server never answers
	},
	{
		name: "a network behind a router inside is not translated", table: natTable("-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"),
		spoil: func(g *Gateway) {
			g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("10.44.0.0/16"), Hops: []facts.Hop{{Out: "lan0", Gateway: netip.MustParseAddr("192.168.0.250")}}})
			f := flowOf(tuple(rules.TCP, "10.44.3.9:50000", "9.9.9.9:443"), tuple(rules.TCP, "9.9.9.9:443", "10.44.3.9:50000"), 0, flow.TCPSynSent)
			f.Timeout = 60
			g.give(f)
		},
		check: "not-translated", severity: SeverityError, says: "lan0", cure: "-s 10.44.0.0/16 -o wan0 -j MASQUERADE",
		mended: natTable("-A POSTROUTING -o wan0 -j MASQUERADE"),
	},
	{
		name: "packets that belong to no connection pass", check: "invalid-packets", severity: SeverityNote, says: "INVALID",
		spoil: func(g *Gateway) {
			g.Health = facts.Health{HasStats: true, Stats: facts.TableStats{Invalid: 12}}
			g.Earlier = facts.Health{HasStats: true, Stats: facts.TableStats{Invalid: 4}}
		},
		mended: soundTable + "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
	},
	{
		name: "answers to what was sent are dropped", table: soundTable + "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 198.51.100.0/24 -i wan0 -j DROP\nCOMMIT\n",
		spoil: func(g *Gateway) {
			g.give(sharedFlow(rules.TCP, "192.168.0.9:50000", "198.51.100.4:8443", 0, flow.TCPSynSent))
		},
		check: "no-answer", severity: SeverityWarning, says: "drops the answers",
		mended: soundTable,
	},
}

var wayKinds = []kind{
	{
		name: "raw takes it from connection tracking", table: soundTable + "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j CT --notrack\nCOMMIT\n",
		check: "untracked", severity: SeverityError, says: "raw PREROUTING 1", cure: "iptables -t raw -I PREROUTING 1 -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j ACCEPT",
		mended: soundTable,
	},
	{
		name: "a policy rule leaves the server's answers without a way", check: "answer-no-route", severity: SeverityError, says: "blackhole",
		spoil: func(g *Gateway) {
			g.Facts.PolicyRules = slices.Insert(g.Facts.PolicyRules, 1, facts.PolicyRule{Priority: 90, Action: facts.RuleBlackhole, Family: rules.IPv4, From: netip.MustParsePrefix("192.168.0.2/32"), SuppressPrefix: -1})
		},
		mend: func(g *Gateway) { g.Facts.PolicyRules = slices.Delete(g.Facts.PolicyRules, 1, 2) },
	},
}

// secondUplink gives a gateway another way to the Internet.
func secondUplink(g *Gateway) {
	g.addLink(facts.Link{Name: "wan1", Kind: "device", Up: true, Running: true, MTU: 1500}, "198.18.1.2/24")
	g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: 100, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan1", Gateway: netip.MustParseAddr("198.18.1.1")}}})
}

// alsoHas gives a gateway another address.
func alsoHas(link, address string) func(*Gateway) {
	return func(g *Gateway) {
		p := netip.MustParsePrefix(address)
		g.Facts.Addresses = append(g.Facts.Addresses, facts.Address{Link: link, Prefix: p, Secondary: true})
		g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.PrefixFrom(p.Addr(), 32), Hops: []facts.Hop{{Out: link}}})
	}
}

var addressKinds = []kind{
	{
		name: "one-to-one with an address that nobody answers for", check: "old-address", severity: SeverityError, says: "nobody answers for it", cure: "ip address add 203.0.113.40/24 dev wan0",
		table: natTable("-A PREROUTING -d 203.0.113.40/32 -j DNAT --to-destination 192.168.0.8", "-A POSTROUTING -s 192.168.0.8/32 -o wan0 -j SNAT --to-source 203.0.113.40"),
		mend:  alsoHas("wan0", "203.0.113.40/24"),
	},
	{
		name: "the same, for what leaves", check: "snat-foreign-address", severity: SeverityError, says: "PREROUTING 1", cure: "ip address add 203.0.113.40/24 dev wan0",
		table: natTable("-A PREROUTING -d 203.0.113.40/32 -j DNAT --to-destination 192.168.0.8", "-A POSTROUTING -s 192.168.0.8/32 -o wan0 -j SNAT --to-source 203.0.113.40"),
		mend: func(g *Gateway) {
			g.Facts.Proxied = []facts.Proxied{{Link: "wan0", Addr: netip.MustParseAddr("203.0.113.40")}}
			// The kernel answers for what it routes to another link.
			g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("203.0.113.40/32"), Hops: []facts.Hop{{Out: "lan0"}}})
		},
	},
	{
		name: "a wider rule stands before one for a single machine", check: "translated-otherwise", severity: SeverityWarning, says: "seen as 203.0.113.1 instead of 203.0.113.9", cure: "iptables -t nat -I POSTROUTING 1 -s 192.168.0.200/32",
		spoil:  alsoHas("wan0", "203.0.113.9/24"),
		table:  natTable("-A POSTROUTING -o wan0 -j MASQUERADE", "-A POSTROUTING -s 192.168.0.200/32 -j SNAT --to-source 203.0.113.9"),
		mended: natTable("-A POSTROUTING -s 192.168.0.200/32 -o wan0 -j SNAT --to-source 203.0.113.9", "-A POSTROUTING -o wan0 -j MASQUERADE"),
	},
	{
		name: "a mapped network that nobody answers for", check: "old-address", severity: SeverityError, says: "the others that the rule maps",
		table: natTable("-A PREROUTING -d 203.0.113.64/29 -j NETMAP --to 192.168.0.64/29"),
		mend: func(g *Gateway) {
			g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableLocal, Kind: facts.RouteLocal, Dst: netip.MustParsePrefix("203.0.113.64/29"), Hops: []facts.Hop{{Out: "lo"}}})
		},
	},
	{
		name: "a range of which only the end lies in the network", check: "snat-foreign-address", severity: SeverityError, says: "one of 70 addresses in the network of wan0. For 69 of them, such as 203.0.113.2",
		table: natTable("-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source 198.0.0.1-203.0.113.70"), mended: natTable("-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE"),
	},
	{
		name: "a pattern that fits no interface", check: "interface-missing", severity: SeverityWarning, says: "No interface fits the pattern enp+", cure: "-o wan0 -j MASQUERADE",
		table: natTable("-A POSTROUTING -s 192.168.0.0/24 -o enp+ -j MASQUERADE"), mended: natTable("-A POSTROUTING -s 192.168.0.0/24 -o wan+ -j MASQUERADE"),
	},
	{
		name: "a pattern that nobody comes by", check: "interface-missing", severity: SeverityWarning, says: "No interface fits the pattern enp+", cure: "-i wan0",
		table: natTable("-A PREROUTING -i enp+ -p tcp -m tcp --dport 25 -j DNAT --to-destination 192.168.0.8:25"), mended: natTable("-A PREROUTING -i wan+ -p tcp -m tcp --dport 25 -j DNAT --to-destination 192.168.0.8:25"),
	},
	{
		name: "MASQUERADE does not ask the route", check: "masquerade-source", severity: SeverityWarning, says: "203.0.113.9", cure: "SNAT --to-source 203.0.113.9",
		spoil: func(g *Gateway) {
			alsoHas("wan0", "203.0.113.9/24")(g)
			g.Facts.Routes[0].PrefSrc = netip.MustParseAddr("203.0.113.9")
		},
		mended: strings.Replace(soundTable, "MASQUERADE", "SNAT --to-source 203.0.113.9", 1),
	},
	{
		name: "the address of the other uplink", check: "source-of-other-uplink", severity: SeverityWarning, says: "name the interface with -o", spoil: secondUplink,
		table: natTable("-A POSTROUTING -s 192.168.0.0/24 -j SNAT --to-source 198.18.1.2"), mended: natTable("-A POSTROUTING -s 192.168.0.0/24 -o wan1 -j SNAT --to-source 198.18.1.2"),
	},
	{
		name: "IPsec's packets get another source", check: "ipsec-translated", severity: SeverityError, says: "unprotected", cure: "-I POSTROUTING 1 -s 192.168.0.0/24 -d 10.77.0.0/16 -m policy --dir out --pol ipsec -j ACCEPT",
		spoil: func(g *Gateway) {
			g.Facts.IPsec = []facts.IPsecPolicy{{Dir: "out", Src: netip.MustParsePrefix("192.168.0.0/24"), Dst: netip.MustParsePrefix("10.77.0.0/16"), Protects: true}}
		},
		mended: strings.Replace(soundTable, "[9:540]", "-A POSTROUTING -s 192.168.0.0/24 -o wan0 -m policy --dir out --pol ipsec -j ACCEPT\n[9:540]", 1),
	},
	{
		name: "a mark set after the route was chosen", check: "mark-too-late", severity: SeverityWarning, says: "after the route was chosen",
		spoil: func(g *Gateway) {
			secondUplink(g)
			g.Facts.PolicyRules = append(g.Facts.PolicyRules, facts.PolicyRule{Priority: 80, Action: facts.RuleTable, Table: 100, Family: rules.IPv4, Mark: 7, Mask: 0xff, SuppressPrefix: -1})
		},
		table:  soundTable + "*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 192.168.0.44/32 -j MARK --set-xmark 0x7/0xff\nCOMMIT\n",
		mended: soundTable + "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 192.168.0.44/32 -j MARK --set-xmark 0x7/0xff\nCOMMIT\n",
	},
}

const openTable = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 192.168.0.2:80\nCOMMIT\n"

var filterKinds = []kind{
	{
		name: "a filter rule for the published port", check: "filter-before-nat", severity: SeverityWarning, says: "does not close", cure: "--ctorigdstport 8081",
		table:  openTable + "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -i wan0 -p tcp -m tcp --dport 8081 -j DROP\nCOMMIT\n",
		mended: openTable + "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -i wan0 -p tcp -m conntrack --ctorigdstport 8081 --ctdir ORIGINAL -j DROP\nCOMMIT\n",
	},
	{
		name: "a filter rule for the public address", check: "filter-before-nat", severity: SeverityWarning, says: "does not close",
		table:  openTable + "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -d 203.0.113.1/32 -p tcp -m tcp --dport 8081 -j REJECT\nCOMMIT\n",
		mended: openTable + "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 80 -j REJECT\nCOMMIT\n",
	},
	{
		name: "published for this host alone, and open to neighbours", check: "loopback-published", severity: SeverityNote, says: "all the same", cure: "iptables -t raw -I PREROUTING 1 -d 127.0.0.0/8 ! -i lo -j DROP",
		table:  natTable("-A PREROUTING -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 5432 -j DNAT --to-destination 192.168.0.2:5432"),
		mended: natTable("-A PREROUTING -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 5432 -j DNAT --to-destination 192.168.0.2:5432") + "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 5432 -j DROP\nCOMMIT\n",
	},
}

var uplinkKinds = []kind{
	{
		name: "no default route", check: "no-default-route", severity: SeverityError, says: "no IPv4 default route", spoil: func(g *Gateway) {
			g.Facts.Routes = g.Facts.Routes[1:]
			g.Drops = facts.KernelDrops{Known: true, InNoRoute: 3}
		},
		mend: func(g *Gateway) {
			g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: 77, Kind: facts.RouteUnicast, Dst: netip.MustParsePrefix("0.0.0.0/0"), Hops: []facts.Hop{{Out: "wan0"}}})
		},
	},
	{
		name: "a forwarding host that hears no router", check: "deaf-to-routers", severity: SeverityWarning, says: "accept_ra = 1", cure: "sysctl -w net.ipv6.conf.wan0.accept_ra=2",
		spoil: func(g *Gateway) {
			g.Facts.Settings.Forwarding6 = facts.SettingOn
			l := g.Facts.Settings.Links["wan0"]
			l.AcceptRA = 1
			g.Facts.Settings.Links["wan0"] = l
			g.Facts.Routes = append(g.Facts.Routes, facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Origin: "ra", Dst: netip.MustParsePrefix("::/0"), Hops: []facts.Hop{{Out: "wan0", Gateway: netip.MustParseAddr("fe80::1")}}})
		},
		mend: func(g *Gateway) {
			l := g.Facts.Settings.Links["wan0"]
			l.AcceptRA = 2
			g.Facts.Settings.Links["wan0"] = l
		},
	},
}
