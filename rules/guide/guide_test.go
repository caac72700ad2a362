package guide

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// gateway is one with an address to the Internet, a LAN and a VPN, as values.
func gateway(t *testing.T, tables string) Host {
	t.Helper()
	read, err := rules.Read(strings.NewReader(tables))
	if err != nil {
		t.Fatal(err)
	}
	prefix := netip.MustParsePrefix
	nets := []struct {
		link string
		net  netip.Prefix
	}{{"lan0", prefix("192.168.0.0/24")}, {"tun0", prefix("10.8.0.0/24")}, {"wan0", prefix("203.0.113.0/24")}, {"wan0", prefix("0.0.0.0/0")}}
	own := []string{"203.0.113.1/24", "192.168.0.1/24", "10.8.0.1/24"}
	variant := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	return Host{
		Sets: map[rules.Variant]*rules.Ruleset{variant: {Tables: read}},
		Kernel: evaluate.Host{
			Interfaces: []evaluate.Interface{
				{Name: "lo", Addrs: []evaluate.InterfaceAddr{{Prefix: prefix("127.0.0.1/8")}}},
				{Name: "wan0", Addrs: []evaluate.InterfaceAddr{{Prefix: prefix(own[0])}}},
				{Name: "lan0", Addrs: []evaluate.InterfaceAddr{{Prefix: prefix(own[1])}}},
				{Name: "tun0", Addrs: []evaluate.InterfaceAddr{{Prefix: prefix(own[2])}}},
			},
			Route: func(q evaluate.RouteQuery) evaluate.Decision {
				for _, a := range own {
					if prefix(a).Addr() == q.Dst {
						return evaluate.Decision{Kind: evaluate.RoutedLocal}
					}
				}
				if prefix("172.16.0.0/12").Contains(q.Dst) {
					return evaluate.Decision{Kind: evaluate.RoutedNone}
				}
				for _, n := range nets {
					if n.net.Contains(q.Dst) {
						return evaluate.Decision{Kind: evaluate.RoutedForward, Out: n.link}
					}
				}
				return evaluate.Decision{Kind: evaluate.RoutedNone}
			},
		},
		Links:    []Link{{Name: "lo", Kind: "loopback", Up: true}, {Name: "wan0", Kind: "device", MTU: 1500, Up: true}, {Name: "lan0", Kind: "device", MTU: 1500, Up: true}, {Name: "tun0", Kind: "tun", MTU: 1400, Up: true}},
		Uplinks:  [2]Uplink{{Link: "wan0", Addr: netip.MustParseAddr("203.0.113.1")}},
		Forwards: func(rules.Family) (bool, bool) { return true, true },
		Listens: func(_ rules.Protocol, to netip.AddrPort) (string, bool) {
			switch {
			case to.Port() == 22:
				return "sshd", true
			case to.Port() == 8888, to.Port() == 3128 && to.Addr().IsLoopback():
				return "squid", true
			}
			return "", false
		},
		Session: netip.MustParseAddrPort("203.0.113.1:22"),
	}
}

// told is what an advice comes to, as lines.
func told(a Advice) string {
	var b strings.Builder
	for _, argv := range a.Plan.Commands() {
		b.WriteString(rules.ShellLine(argv) + "\n")
	}
	for _, p := range a.Objections {
		mark := "!"
		if !p.Warning {
			mark = "x"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, p.Field, p)
	}
	for _, n := range a.Notes {
		b.WriteString(". " + n + "\n")
	}
	return b.String()
}

const dropping = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"

func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		name, tables string
		recipe       Recipe
		want         []string // lines that have to be there; "- " before one that may not
	}{
		{"share", dropping, Share{Net: "192.168.0.0/24"}, []string{
			"iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source 203.0.113.1",
			"iptables -t filter -A FORWARD -s 192.168.0.0/24 -i lan0 -o wan0 -j ACCEPT",
			"iptables -t filter -A FORWARD -d 192.168.0.0/24 -i wan0 -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
			"- ip_forward", "- TCPMSS",
		}},
		{"all that is wrong is told at once", dropping, Publish{At: "203.0.113.1:80", Port: "", To: "sLmc"}, []string{
			"x port: a port is missing", "x to: \"sLmc\" is not a server", "x at: ",
		}},
		{"share behind an open firewall", "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", Share{Net: "192.168.0.0/24"}, []string{
			"No FORWARD rule is needed, because its policy is ACCEPT", "- -A FORWARD",
		}},
		{"share behind a rule", "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j ACCEPT\nCOMMIT\n", Share{Net: "192.168.0.0/24"}, []string{
			"No FORWARD rule is needed, because rule 1 of FORWARD lets the packets through: -A FORWARD -j ACCEPT",
		}},
		{"share half open", "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i lan0 -j ACCEPT\nCOMMIT\n", Share{Net: "192.168.0.0/24"}, []string{
			"iptables -t filter -A FORWARD -d 192.168.0.0/24", "- No FORWARD rule is needed",
		}},
		{"share, and replies pass already", "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n", Share{Net: "192.168.0.0/24"}, []string{
			"iptables -t filter -A FORWARD -s 192.168.0.0/24 -i lan0 -o wan0 -j ACCEPT", "- -A FORWARD -d",
			"No FORWARD rule is needed for replies, because rule 1 of FORWARD lets the packets through: -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "- No FORWARD rule is needed, because",
		}},
		{"share a VPN", "", Share{Net: "10.8.0.0/24", VPN: true}, []string{
			"iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j SNAT --to-source 203.0.113.1",
			"iptables -t mangle -A FORWARD -o tun0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", "- -A FORWARD -s",
		}},
		{"share what is shared", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n", Share{Net: "192.168.0.0/24"}, []string{
			"rule 1 of POSTROUTING already translates 192.168.0.0/24", "everything it needs is already there", "- iptables",
		}},
		{"share what is shared, and FORWARD drops", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n" + dropping, Share{Net: "192.168.0.0/24"}, []string{
			"rule 1 of POSTROUTING already translates 192.168.0.0/24", "- -t nat", "iptables -t filter -A FORWARD -s 192.168.0.0/24",
		}},
		{"one to one before what is shared, and FORWARD drops", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n" + dropping, OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.9"}, []string{
			"iptables -t nat -I POSTROUTING 1 -s 192.168.0.9/32 -o wan0 -j SNAT --to-source 203.0.113.9", "- is needed for replies",
		}},
		{"share over an exemption", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.168.0.0/24 -j ACCEPT\nCOMMIT\n", Share{Net: "192.168.0.0/24"}, []string{
			"iptables -t nat -I POSTROUTING 1 -s 192.168.0.0/24", "the new rule goes before rule 1 of POSTROUTING, which would keep all of these packets from it: -A POSTROUTING -s 192.168.0.0/24 -j ACCEPT",
		}},
		{"share behind an exemption of one machine", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.168.0.3/32 -j ACCEPT\nCOMMIT\n", Share{Net: "192.168.0.0/24"}, []string{
			"iptables -t nat -A POSTROUTING -s 192.168.0.0/24", "- goes before",
		}},
		{"share with host bits", "", Share{Net: "192.168.0.1/24"}, []string{"! net: 192.168.0.1/24 is taken as the network 192.168.0.0/24"}},
		{"share the wrong side", "", Share{Net: "203.0.113.0/24"}, []string{"x net: 203.0.113.0/24 is on the side of wan0, the uplink (try 192.168.0.0/24)"}},
		{"share what is nowhere", "", Share{Net: "172.16.0.0/24"}, []string{"x net: there is no route to 172.16.0.0/24"}},
		{"share by no interface", "", Share{Net: "192.168.0.0/24", Out: "wna0"}, []string{"x out: this host has no interface wna0", "(try wan0)"}},
		{"publish", dropping, Publish{Port: "80", To: "192.168.0.2:8080"}, []string{
			"iptables -t nat -A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080",
			"iptables -t filter -A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT",
			"iptables -t filter -A FORWARD -s 192.168.0.2/32 -p tcp -m tcp --sport 8080 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "- POSTROUTING",
		}},
		{
			"publish a port that is taken", "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.9\nCOMMIT\n",
			Publish{Port: "80", To: "192.168.0.2:8080"},
			[]string{"x port: port 80 of 203.0.113.1 is taken: rule 1 of PREROUTING sends it to 192.168.0.9:80"},
		},
		{
			"publish what is published", "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n",
			Publish{Port: "80", To: "192.168.0.2:8080"},
			[]string{"rule 1 of PREROUTING already sends it there", "- iptables"},
		},
		{
			"publish behind an exception", "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -j ACCEPT\nCOMMIT\n",
			Publish{Port: "80", To: "192.168.0.2:8080"},
			[]string{"iptables -t nat -I PREROUTING 1 -d 203.0.113.1/32"},
		},
		{"publish SSH away", "", Publish{Port: "22", To: "192.168.0.2"}, []string{"! port: sshd of this host itself listens on port 22", "! port: you are connected to this host by port 22"}},
		{"publish this host", "", Publish{Port: "80", To: "192.168.0.1:8080"}, []string{"x to: 192.168.0.1 is this host's own address on lan0"}},
		{"publish the loopback", "", Publish{Port: "80", To: "127.0.0.1:8080"}, []string{"x to: 127.0.0.1 is this host itself"}},
		{"publish without a route", "", Publish{Port: "80", To: "172.16.0.1"}, []string{"x to: there is no route to 172.16.0.1"}},
		{"publish a bad port", "", Publish{Port: "90-80", To: "192.168.0.2"}, []string{"x port: the range 90-80 is reversed (try 80-90)"}},
		{"publish one-armed", "", Publish{Port: "80", To: "203.0.113.9:8080"}, []string{
			"iptables -t nat -A POSTROUTING -d 203.0.113.9/32 -o wan0 -p tcp -m tcp --dport 8080 -m conntrack --ctstate DNAT -j SNAT --to-source 203.0.113.1", "will see the gateway as the client",
		}},
		{"proxy", "", Proxy{In: "lan0", Port: "80", ToPort: "8888"}, []string{"iptables -t nat -A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888", "- listens"}},
		{"proxy with nobody there", "", Proxy{In: "lan0", Port: "80", ToPort: "8889"}, []string{"! to: nothing listens on port 8889 now"}},
		{"proxy on the loopback", "", Proxy{In: "lan0", Port: "80", ToPort: "3128"}, []string{"! to: the service squid listens on 127.0.0.1 only"}},
		{"proxy from the world", "", Proxy{In: "wan0", Port: "80", ToPort: "8888"}, []string{"! in: wan0 is the uplink", "(try lan0)"}},
		{"one to one", "", OneToOne{Outside: "198.51.100.8/29", Inside: "192.168.0.8/29"}, []string{
			"iptables -t nat -A PREROUTING -d 198.51.100.8/29 -i wan0 -j NETMAP --to 192.168.0.8/29",
			"iptables -t nat -A POSTROUTING -s 192.168.0.8/29 -o wan0 -j NETMAP --to 198.51.100.8/29",
		}},
		{"one to several", "", OneToOne{Outside: "198.51.100.8/29", Inside: "192.168.0.0/24"}, []string{"x inside: 198.51.100.8/29 has 29 bits and 192.168.0.0/24 has 24", "(try 192.168.0.0/29)"}},
		{
			"move nothing", "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n",
			Move{From: "192.168.0.4", To: "192.168.0.5"},
			[]string{"x from: no rule forwards to 192.168.0.4 (try 192.168.0.2:8080)"},
		},
	} {
		got := told(c.recipe.Advise(gateway(t, c.tables)))
		for _, want := range c.want {
			absent, not := strings.CutPrefix(want, "- ")
			if strings.Contains(got, absent) == not {
				t.Errorf("%s: %q is wrong about\n%s", c.name, want, got)
			}
		}
	}
}

// A way out whose address may change is shared by MASQUERADE, and published
// without the address.
func TestAdviceForAnAddressThatChanges(t *testing.T) {
	h := gateway(t, "")
	h.Uplinks[rules.IPv4].Dynamic = true
	if got := told(Share{Net: "192.168.0.0/24"}.Advise(h)); !strings.Contains(got, "-o wan0 -j MASQUERADE") {
		t.Error(got)
	}
	got := told(Publish{Port: "80", To: "192.168.0.2", Inside: true, ThisHost: true}.Advise(h))
	if strings.Contains(got, "203.0.113.1") || strings.Count(got, "--dst-type LOCAL") != 2 {
		t.Error(got)
	}
}

func TestForwardingIsTurnedOnFirst(t *testing.T) {
	h := gateway(t, "")
	h.Forwards = func(rules.Family) (bool, bool) { return false, true }
	step := Publish{Port: "80", To: "192.168.0.2"}.Advise(h).Plan.Steps[0]
	if w := step.Sysctl; w == nil || w.Name != "net.ipv4.ip_forward" || w.Value != "1" || !w.Boot || w.Old != "0" {
		t.Errorf("the first step is %s", step.Sentence())
	}
}

func TestMoveForgetsItsFlows(t *testing.T) {
	h := gateway(t, "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n")
	flow := func(server string) Flow {
		return Flow{rules.Forget{Proto: rules.TCP, Src: netip.MustParseAddrPort("198.51.100.1:4000"), Dst: netip.MustParseAddrPort("203.0.113.1:80")}, netip.MustParseAddrPort(server)}
	}
	h.Flows = []Flow{flow("192.168.0.2:8080"), flow("192.168.0.2:22"), flow("192.168.0.7:8080")}
	a := Move{From: "192.168.0.2:8080", To: "192.168.0.3"}.Advise(h)
	if len(a.Plan.Steps) != 2 || a.Plan.Steps[1].Forget == nil {
		t.Error(told(a))
	}
	if !strings.Contains(told(a), "-R PREROUTING 1 -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.3:8080") {
		t.Error(told(a))
	}
}

// No rule is planned that could never match: what is done already is said, and what is in the way comes behind it.
func TestNothingPlannedIsShadowed(t *testing.T) {
	publish := Publish{Port: "80", To: "192.168.0.2:8080", Inside: true}
	for earlier, want := range map[string]string{
		"-d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j SNAT --to-source 192.168.0.1": "rule 1 of POSTROUTING already does this",
		"-j MASQUERADE": "rule 1 of POSTROUTING already does this",
		"-d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j SNAT --to-source 192.168.0.77": "-I POSTROUTING 1 -s 192.168.0.0/24",
		"-d 192.168.0.0/24 -j ACCEPT": "-I POSTROUTING 1 -s 192.168.0.0/24",
		"-s 192.168.0.9/32 -d 192.168.0.2/32 -p tcp -m tcp -j SNAT --to-source 192.168.0.1": "-A POSTROUTING -s 192.168.0.0/24",
	} {
		got := told(publish.Advise(gateway(t, "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING "+earlier+"\nCOMMIT\n")))
		if !strings.Contains(got, want) {
			t.Errorf("behind %s: %q is missing in\n%s", earlier, want, got)
		}
	}
}

// Steps that are needed of each protocol say which they are for.
func TestStepsOfBothProtocolsSayWhich(t *testing.T) {
	const drops = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
	a := Publish{Protocol: "both", Port: "53", To: "192.168.0.2", Inside: true, ThisHost: true}.Advise(gateway(t, drops))
	seen := map[string]bool{}
	for _, s := range a.Plan.Steps {
		if seen[s.Why] {
			t.Errorf("two steps give the same reason: %s", s.Why)
		}
		seen[s.Why] = true
	}
	if len(a.Plan.Steps) < 8 {
		t.Errorf("only %d steps", len(a.Plan.Steps))
	}
	if !slices.ContainsFunc(a.Notes, func(n string) bool { return strings.Contains(n, "the server's gateway is another") }) {
		t.Errorf("no note says by which answer another gateway of the server is told: %q", a.Notes)
	}
}

// TestReasonHoldsOfEveryFilter holds that a plan gives a reason why no rule is needed only where it is one in the tables of both
// backends: a policy of one says nothing of the other.
func TestReasonHoldsOfEveryFilter(t *testing.T) {
	const open, established = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	passing := strings.Replace(dropping, "COMMIT", established+"COMMIT", 1)
	mapped, shared := OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.9"}, Share{Net: "192.168.0.0/24"}
	for _, c := range []struct {
		name, nft, legacy string
		recipe            Recipe
		want              string // the reason; "" for none
	}{
		{"the plan's own rule, and a policy", dropping, open, mapped, ""},
		{"a policy, and the plan's own rule", open, dropping, mapped, ""},
		{"a rule, and a policy", passing, open, shared, "for replies, because rule 1 of FORWARD lets"},
		{"a policy, and a rule", open, passing, shared, "for replies, because rule 1 of FORWARD lets"},
		{"rules of both", passing, passing, shared, ""},
		{"policies of both", open, open, shared, ", because its policy is ACCEPT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := gateway(t, c.nft)
			read, err := rules.Read(strings.NewReader(c.legacy))
			if err != nil {
				t.Fatal(err)
			}
			h.Sets[rules.Variant{Family: rules.IPv4, Backend: rules.Legacy}] = &rules.Ruleset{Backend: rules.Legacy, Tables: read}
			for range 8 { // the order of a map's keys is any
				got := told(c.recipe.Advise(h))
				if strings.Contains(got, "rule is needed") != (c.want != "") || !strings.Contains(got, c.want) {
					t.Fatalf("%q is wrong about\n%s", c.want, got)
				}
			}
		})
	}
}
