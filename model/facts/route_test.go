package facts_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func via(out, gateway string) facts.Hop {
	hop := facts.Hop{Out: out}
	if gateway != "" {
		hop.Gateway = addr(gateway)
	}
	return hop
}

func unicast(table uint32, dst string, metric uint32, hops ...facts.Hop) facts.RouteEntry {
	return facts.RouteEntry{Table: table, Dst: prefix(dst), Kind: facts.RouteUnicast, Metric: metric, Hops: hops}
}

func look(priority, table uint32) facts.PolicyRule {
	return facts.PolicyRule{Family: rules.IPv4, Priority: priority, Table: table, SuppressPrefix: -1}
}

// gatewayFacts is a gateway with an address that may change, a LAN, and one
// machine known there.
func gatewayFacts() facts.Facts {
	off := facts.LinkSettings{RPFilter: facts.RPFilterOff, RouteLocalnet: facts.SettingOff, AcceptLocal: facts.SettingOff, SrcValidMark: facts.SettingOff, Forwarding4: facts.SettingOn}
	settings := facts.UnknownSettings()
	settings.Forwarding4, settings.Forwarding6 = facts.SettingOn, facts.SettingOff
	settings.All, settings.Default = off, off
	settings.Links = map[string]facts.LinkSettings{"lo": off, "wan0": off, "lan0": off}
	return facts.Facts{
		Hostname: "gw1", Kernel: "6.12.9-amd64",
		Links: []facts.Link{
			{Index: 1, Name: "lo", Kind: "loopback", Up: true},
			{Index: 3, Name: "lan0", Kind: "device", Up: true, Running: true},
			{Index: 2, Name: "wan0", Kind: "device", Up: true, Running: true},
			{Index: 4, Name: "spare", Kind: "device"},
		},
		Addresses: []facts.Address{
			{Link: "lo", Prefix: prefix("127.0.0.1/8"), Scope: facts.ScopeHost},
			{Link: "lan0", Prefix: prefix("192.168.0.1/24")},
			{Link: "wan0", Prefix: prefix("203.0.113.1/24"), Dynamic: true, Valid: 3600, Preferred: 3600},
			{Link: "wan0", Prefix: prefix("203.0.113.5/24"), Secondary: true},
			{Link: "wan0", Prefix: prefix("2001:db8:1::1/64")},
			{Link: "wan0", Prefix: prefix("fe80::1/64"), Scope: facts.ScopeLink},
		},
		Routes: []facts.RouteEntry{
			{Table: facts.TableLocal, Dst: prefix("127.0.0.0/8"), Kind: facts.RouteLocal, Hops: []facts.Hop{via("lo", "")}},
			{Table: facts.TableLocal, Dst: prefix("192.168.0.1/32"), Kind: facts.RouteLocal, Hops: []facts.Hop{via("lan0", "")}},
			{Table: facts.TableLocal, Dst: prefix("203.0.113.1/32"), Kind: facts.RouteLocal, Hops: []facts.Hop{via("wan0", "")}},
			unicast(facts.TableMain, "192.168.0.0/24", 0, via("lan0", "")),
			unicast(facts.TableMain, "203.0.113.0/24", 0, via("wan0", "")),
			unicast(facts.TableMain, "0.0.0.0/0", 200, via("spare", "10.0.0.1")),
			unicast(facts.TableMain, "0.0.0.0/0", 100, via("wan0", "203.0.113.254")),
		},
		PolicyRules: []facts.PolicyRule{look(0, facts.TableLocal), look(32766, facts.TableMain), look(32767, facts.TableDefault)},
		Neighbours: []facts.Neighbour{
			{Link: "lan0", Addr: addr("192.168.0.9"), MAC: "02:00:00:00:00:09"},
			{Link: "lan0", Addr: addr("192.168.0.2"), MAC: "02:00:00:00:00:02", Reachable: true},
			{Link: "lan0", Addr: addr("192.168.0.7")},
			{Link: "wan0", Addr: addr("203.0.113.254"), MAC: "02:00:00:00:00:fe", Reachable: true},
		},
		Settings: settings,
		Listeners: []facts.Listener{
			{Proto: 6, Address: netip.MustParseAddrPort("[::]:22"), BothFamilies: true, Process: "sshd", PID: 700},
			{Proto: 17, Address: netip.MustParseAddrPort("192.168.0.1:53")},
		},
		Session:   &facts.Session{Client: netip.MustParseAddrPort("198.51.100.7:50022"), Server: netip.MustParseAddrPort("203.0.113.1:22"), Live: facts.SettingOn, Evidence: "SSH_CONNECTION"},
		Presences: []facts.Presence{{Name: "docker", Running: true, Evidence: "process dockerd"}},
		Gaps:      []string{"neighbours: interrupted"},
	}
}

func TestLookup(t *testing.T) {
	with := func(change func(*facts.Facts)) facts.Facts {
		f := gatewayFacts()
		change(&f)
		return f
	}
	policy := func(f *facts.Facts, added ...facts.PolicyRule) {
		f.PolicyRules = append(f.PolicyRules[:1:1], append(added, f.PolicyRules[1:]...)...)
	}
	vpn := func(f *facts.Facts) { f.Routes = append(f.Routes, unicast(100, "0.0.0.0/0", 0, via("tun0", ""))) }
	plain := gatewayFacts()
	tests := []struct {
		name  string
		facts facts.Facts
		query evaluate.RouteQuery
		want  string // kind, interface, gateway, or a sign of uncertainty before it
	}{
		{"default", plain, evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast wan0 203.0.113.254"},
		{"connected", plain, evaluate.RouteQuery{Dst: addr("192.168.0.2")}, "unicast lan0 -"},
		{"mapped", plain, evaluate.RouteQuery{Dst: addr("::ffff:192.168.0.2")}, "unicast lan0 -"},
		{"own", plain, evaluate.RouteQuery{Dst: addr("203.0.113.1")}, "local lo -"},
		{"no IPv6", plain, evaluate.RouteQuery{Dst: addr("2001:db8::1")}, "none  -"},
		{"multicast", plain, evaluate.RouteQuery{Dst: addr("224.0.0.1")}, "? multicast  -"},
		{"nothing asked", plain, evaluate.RouteQuery{}, "? none  -"},
		{"dead hop", with(func(f *facts.Facts) { f.Routes[6].Hops[0].Dead = true }), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast spare 10.0.0.1"},
		{"link down, used", with(func(f *facts.Facts) { f.Routes[6].Hops[0].LinkDown = true }), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast wan0 203.0.113.254"},
		{"link down, ignored", with(func(f *facts.Facts) {
			f.Routes[6].Hops[0].LinkDown = true
			f.Settings.IgnoreLinkDown = facts.SettingOn
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast spare 10.0.0.1"},
		{"two ways", with(func(f *facts.Facts) {
			f.Routes[6].Hops = []facts.Hop{via("wan0", "203.0.113.254"), via("spare", "10.0.0.1")}
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "? unicast wan0 203.0.113.254"},
		{"cut", with(func(f *facts.Facts) { f.RoutesCut = true }), evaluate.RouteQuery{Dst: addr("192.168.0.2")}, "? unicast lan0 -"},
		{"bound", plain, evaluate.RouteQuery{Dst: addr("198.51.100.9"), Out: "spare"}, "unicast spare 10.0.0.1"},
		{"mark", with(func(f *facts.Facts) {
			vpn(f)
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, Mark: 0x10, Mask: 0xf0, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9"), Mark: 0x1f}, "unicast tun0 -"},
		{"other mark", with(func(f *facts.Facts) {
			vpn(f)
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, Mark: 0x10, Mask: 0xf0, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9"), Mark: 0x2f}, "unicast wan0 203.0.113.254"},
		// As wg-quick sets it up: all but its own packets by the tunnel, except for
		// what the main table knows better than by its default route.
		{"wireguard", with(func(f *facts.Facts) {
			vpn(f)
			main := look(50, facts.TableMain)
			main.SuppressPrefix = 0
			policy(f, main, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, Mark: 0xca6c, Mask: 0xffffffff, Not: true, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast tun0 -"},
		{"wireguard, LAN", with(func(f *facts.Facts) {
			vpn(f)
			main := look(50, facts.TableMain)
			main.SuppressPrefix = 0
			policy(f, main, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, Mark: 0xca6c, Mask: 0xffffffff, Not: true, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("192.168.0.2")}, "unicast lan0 -"},
		{"source", with(func(f *facts.Facts) {
			vpn(f)
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, From: prefix("192.168.0.0/25"), In: "lan0", SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9"), Src: addr("192.168.0.7"), In: "lan0"}, "unicast tun0 -"},
		{"own packets", with(func(f *facts.Facts) {
			vpn(f)
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, In: "lo", SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast tun0 -"},
		{"prohibited", with(func(f *facts.Facts) {
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Action: facts.RuleProhibit, To: prefix("198.51.100.0/24"), SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "prohibit  -"},
		{"goto", with(func(f *facts.Facts) {
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Action: facts.RuleGoto, Goto: 32767, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "none  -"},
		{"throw", with(func(f *facts.Facts) {
			f.Routes = append(f.Routes, facts.RouteEntry{Table: 100, Dst: prefix("198.51.100.0/24"), Kind: facts.RouteThrow})
			policy(f, look(100, 100))
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast wan0 203.0.113.254"},
		{"ports known", with(func(f *facts.Facts) {
			vpn(f)
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, Proto: 6, DstPorts: [2]uint16{80, 90}, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9"), Proto: 6, DstPort: 85}, "unicast tun0 -"},
		{"ports not known", with(func(f *facts.Facts) {
			vpn(f)
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, Proto: 6, DstPorts: [2]uint16{80, 90}, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "? unicast wan0 203.0.113.254"},
		{"opaque rule", with(func(f *facts.Facts) {
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, Table: 100, Opaque: true, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "? unicast wan0 203.0.113.254"},
		{"VRF", with(func(f *facts.Facts) {
			f.Links[1].Master, f.Links[1].VRF = "red", 10
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, L3Master: true, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9"), Src: addr("192.168.0.7"), In: "lan0"}, "? unicast wan0 203.0.113.254"},
		{"not of the VRF", with(func(f *facts.Facts) {
			policy(f, facts.PolicyRule{Family: rules.IPv4, Priority: 100, L3Master: true, SuppressPrefix: -1})
		}), evaluate.RouteQuery{Dst: addr("198.51.100.9")}, "unicast wan0 203.0.113.254"},
		{"equal IPv6 routes", with(func(f *facts.Facts) {
			f.PolicyRules = append(f.PolicyRules, facts.PolicyRule{Family: rules.IPv6, Table: facts.TableMain, SuppressPrefix: -1})
			f.Routes = append(f.Routes, unicast(facts.TableMain, "::/0", 1024, via("wan0", "fe80::a")), unicast(facts.TableMain, "::/0", 1024, via("wan0", "fe80::b")))
		}), evaluate.RouteQuery{Dst: addr("2001:db8::1")}, "? unicast wan0 fe80::a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			route, certain := test.facts.Lookup(test.query)
			gateway := "-"
			if route.Gateway.IsValid() {
				gateway = route.Gateway.String()
			}
			got := route.Kind.String() + " " + route.Out + " " + gateway
			if !certain {
				got = "? " + got
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSourceOfOwnPackets(t *testing.T) {
	f := gatewayFacts()
	for dst, want := range map[string]string{"198.51.100.9": "203.0.113.1", "192.168.0.2": "192.168.0.1", "203.0.113.1": "203.0.113.1"} {
		if route, _ := f.Lookup(evaluate.RouteQuery{Dst: addr(dst)}); route.PrefSrc != addr(want) {
			t.Errorf("packets to %s have source %s, want %s", dst, route.PrefSrc, want)
		}
	}
}

func TestReversePath(t *testing.T) {
	type settings = facts.LinkSettings
	tests := []struct {
		name    string
		mode    facts.RPFilter
		src, in string
		change  func(*settings)
		passes  bool
		certain bool
		why     string
	}{
		{"off", facts.RPFilterOff, "192.168.0.2", "wan0", nil, true, true, ""},
		{"strict, right way", facts.RPFilterStrict, "192.168.0.2", "lan0", nil, true, true, ""},
		{"strict, wrong way", facts.RPFilterStrict, "192.168.0.2", "wan0", nil, false, true, "by lan0, not wan0"},
		{"loose, wrong way", facts.RPFilterLoose, "192.168.0.2", "wan0", nil, true, true, ""},
		{"own address", facts.RPFilterOff, "192.168.0.1", "lan0", nil, false, true, "of this host"},
		{"own address, allowed", facts.RPFilterOff, "192.168.0.1", "lan0", func(s *settings) { s.AcceptLocal = facts.SettingOn }, true, true, ""},
		{"loopback", facts.RPFilterOff, "127.0.0.1", "lan0", nil, false, true, "cannot be the source"},
		{"unknown", facts.RPFilterUnknown, "192.168.0.2", "wan0", nil, false, false, ""},
		{"IPv6", facts.RPFilterStrict, "2001:db8::9", "lan0", nil, true, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := gatewayFacts()
			s := f.Settings.On(test.in)
			s.RPFilter = test.mode
			if test.change != nil {
				test.change(&s)
			}
			f.Settings.Links[test.in] = s
			p := f.ReversePath(evaluate.RouteQuery{Src: addr(test.src), Dst: addr("198.51.100.9"), In: test.in})
			if p.Certain != test.certain || test.certain && p.Passes != test.passes || !strings.Contains(p.Why, test.why) || test.passes && p.Why != "" {
				t.Errorf("got %+v, want passes %v, certain %v, %q", p, test.passes, test.certain, test.why)
			}
		})
	}
}

// TestHost holds the whole decision that the evaluation of rules is given.
func TestHost(t *testing.T) {
	f := gatewayFacts()
	host := f.Host(nil)
	tests := []struct {
		name  string
		query evaluate.RouteQuery
		want  evaluate.Routed
		why   string
	}{
		{"forwarded", evaluate.RouteQuery{Src: addr("192.168.0.2"), Dst: addr("198.51.100.9"), In: "lan0"}, evaluate.RoutedForward, ""},
		{"delivered", evaluate.RouteQuery{Src: addr("198.51.100.9"), Dst: addr("203.0.113.1"), In: "wan0"}, evaluate.RoutedLocal, ""},
		{"own", evaluate.RouteQuery{Dst: addr("198.51.100.9")}, evaluate.RoutedForward, ""},
		{"no route", evaluate.RouteQuery{Dst: addr("2001:db8:9::9")}, evaluate.RoutedNone, "no route"},
		{"to the loopback", evaluate.RouteQuery{Src: addr("192.168.0.2"), Dst: addr("127.0.0.1"), In: "lan0"}, evaluate.RoutedRefused, "route_localnet"},
		{"as ourselves", evaluate.RouteQuery{Src: addr("203.0.113.1"), Dst: addr("198.51.100.9"), In: "lan0"}, evaluate.RoutedRefused, "of this host"},
		{"multicast", evaluate.RouteQuery{Src: addr("192.168.0.2"), Dst: addr("224.0.0.251"), In: "lan0"}, evaluate.RoutedUnknown, "multicast"},
	}
	for _, test := range tests {
		if got := host.Route(test.query); got.Kind != test.want || !strings.Contains(got.Why, test.why) {
			t.Errorf("%s: got %+v, want kind %d, %q", test.name, got, test.want, test.why)
		}
	}
	f.Settings.Links["lan0"] = facts.LinkSettings{RPFilter: facts.RPFilterOff, Forwarding4: facts.SettingOff, AcceptLocal: facts.SettingOff}
	got := f.Host(nil).Route(tests[0].query)
	if got.Kind != evaluate.RoutedRefused || !strings.Contains(got.Why, "forwarding is off") {
		t.Errorf("with forwarding off: %+v", got)
	}
	for kernel, random := range map[string]bool{"4.19.0": false, "5.10.0-28-amd64": true, "6.6.13": true, "6.8.0": false, "6.12.9-amd64": false, "": false} {
		f.Kernel = kernel
		if got := f.Host(nil).RandomDNATPort; got != random {
			t.Errorf("on Linux %s a DNAT's port may be random: %v", kernel, got)
		}
	}
	if len(host.Interfaces) != 4 || host.Interfaces[0].Addrs[0].Scope != evaluate.ScopeHost {
		t.Errorf("interfaces are %+v", host.Interfaces)
	}
	if unread := (&facts.Facts{}).Host(nil); unread.Interfaces != nil {
		t.Error("facts that were not read have interfaces")
	}
}

func TestWAN(t *testing.T) {
	f := gatewayFacts()
	wan, ok := f.WAN()
	if !ok || wan.Link != "wan0" || wan.Router != addr("203.0.113.254") || wan.Address() != addr("203.0.113.1") || !wan.IPv4.Dynamic || wan.IPv6.Prefix != prefix("2001:db8:1::1/64") {
		t.Errorf("WAN is %+v, %v", wan, ok)
	}
	f.Routes = f.Routes[:5]
	if wan, ok := f.WAN(); ok {
		t.Errorf("without a default route WAN is %+v", wan)
	}
}

func TestQuestions(t *testing.T) {
	f := gatewayFacts()
	for a, want := range map[string]bool{"203.0.113.1": true, "127.9.9.9": true, "2001:db8:1::1": true, "::ffff:192.168.0.1": true, "192.168.0.2": false, "::1": true} {
		if f.IsLocal(addr(a)) != want {
			t.Errorf("IsLocal(%s) is %v", a, !want)
		}
	}
	for a, want := range map[string]string{"192.168.0.77": "lan0", "203.0.113.1": "wan0", "fe80::1": "wan0", "fe80::2": "", "198.51.100.9": ""} {
		if got, _ := f.LinkOf(addr(a)); got != want {
			t.Errorf("LinkOf(%s) is %q, want %q", a, got, want)
		}
	}
	for to, want := range map[string]bool{"192.168.0.1:22": true, "[2001:db8:1::1]:22": true, "192.168.0.1:23": false, "203.0.113.1:53": false} {
		if _, got := f.ListensOn(6, netip.MustParseAddrPort(to), ""); got != want {
			t.Errorf("ListensOn(tcp, %s) is %v", to, got)
		}
	}
	if _, ok := f.ListensOn(17, netip.MustParseAddrPort("192.168.0.1:53"), ""); !ok {
		t.Error("nobody listens on udp 192.168.0.1:53")
	}
	if p, ok := f.Present("docker"); !ok || !p.Running {
		t.Errorf("docker is %+v, %v", p, ok)
	}
	if route, certain, ok := f.Reachable(addr("192.168.0.2")); !ok || !certain || route.Out != "lan0" {
		t.Errorf("192.168.0.2 is reached by %+v, %v, %v", route, certain, ok)
	}
}

func TestSuggestions(t *testing.T) {
	f := gatewayFacts()
	values := func(offered []facts.Suggestion) string {
		var s []string
		for _, o := range offered {
			s = append(s, o.Value+" ("+o.Note+")")
		}
		return strings.Join(s, "; ")
	}
	for _, test := range []struct{ what, got, want string }{
		{"interfaces", values(f.SuggestInterfaces()), "wan0 (203.0.113.1/24, 203.0.113.5/24, 2001:db8:1::1/64, default route); lan0 (192.168.0.1/24); spare (down); lo (127.0.0.1/8)"},
		{"addresses", values(f.SuggestAddresses(rules.IPv4)), "203.0.113.1 (on wan0, may change); 203.0.113.5 (on wan0); 192.168.0.1 (on lan0)"},
		{"hosts", values(f.SuggestHosts(rules.IPv4)), "192.168.0.2 (on lan0, 02:00:00:00:00:02); 192.168.0.9 (on lan0, 02:00:00:00:00:09)"},
		{"networks", values(f.SuggestNetworks(rules.IPv4)), "192.168.0.0/24 (on lan0)"},
	} {
		if test.got != test.want {
			t.Errorf("%s offered:\n%s\nwant\n%s", test.what, test.got, test.want)
		}
	}
}

func TestFactsAsJSON(t *testing.T) {
	f := gatewayFacts()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Kind":"local"`, `"Action":"lookup"`, `"RPFilter":"off"`, `"Forwarding4":"on"`, `"Scope":"host"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	var back facts.Facts
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f, back) {
		t.Errorf("facts\n%+v\ncome back as\n%+v", f, back)
	}
	if err := json.Unmarshal([]byte(`{"Settings":{"Forwarding4":"perhaps"}}`), &back); err == nil {
		t.Error("a switch in the position perhaps was read")
	}
}

func BenchmarkLookup(b *testing.B) {
	f := gatewayFacts()
	for i := range 200 {
		f.Routes = append(f.Routes, unicast(facts.TableMain, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16).String(), 0, via("lan0", "192.168.0.2")))
	}
	q := evaluate.RouteQuery{Dst: addr("10.77.3.4"), Src: addr("198.51.100.9"), In: "wan0"}
	b.ReportAllocs()
	for b.Loop() {
		if route, certain := f.Lookup(q); !certain || route.Out != "lan0" {
			b.Fatal(route)
		}
	}
}

// TestPolicyRuleRecord has the family of a policy rule recorded as the IP version, as gateways always were.
func TestPolicyRuleRecord(t *testing.T) {
	for version, family := range map[string]rules.Family{"4": rules.IPv4, "6": rules.IPv6} {
		rule := facts.PolicyRule{Family: family, Priority: 7, Table: facts.TableMain, SuppressPrefix: -1}
		text, err := json.Marshal(rule)
		if err != nil || !strings.HasPrefix(string(text), `{"Family":`+version+`,"Priority":7,"Action":"lookup","Table":254,`) {
			t.Errorf("recorded as %s, %v", text, err)
		}
		var back facts.PolicyRule
		if err := json.Unmarshal(text, &back); err != nil || back != rule {
			t.Errorf("%s is read as %+v, %v", text, back, err)
		}
	}
}
