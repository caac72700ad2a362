package facts

import (
	"net/netip"
	"testing"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// TestProtected asks which policy decides.
func TestProtected(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	f := &Facts{IPsec: []IPsecPolicy{
		{Dir: "out", Src: prefix("192.168.0.0/24"), Dst: prefix("10.0.0.0/8"), Priority: 20, Protects: true},
		{Dir: "out", Src: prefix("192.168.0.0/24"), Dst: prefix("10.9.0.0/16"), Priority: 10}, // left alone
		{Dir: "out", Src: prefix("192.168.0.7/32"), Dst: prefix("172.16.0.0/12"), Protects: true, Narrow: true},
		{Dir: "fwd", Src: prefix("10.0.0.0/8"), Dst: prefix("192.168.0.0/24"), Protects: true},
	}}
	for _, test := range []struct {
		out      bool
		src, dst string
		want     evaluate.Truth
	}{
		{true, "192.168.0.9", "10.1.2.3", evaluate.Yes},
		{true, "192.168.0.9", "10.9.2.3", evaluate.No},
		{true, "192.168.1.9", "10.1.2.3", evaluate.No},
		{false, "192.168.0.9", "10.1.2.3", evaluate.No},
		{false, "10.1.2.3", "192.168.0.9", evaluate.Yes},
		{true, "192.168.0.7", "172.16.0.1", evaluate.Unknown},
	} {
		if got := f.Protected(test.out, addr(test.src), addr(test.dst)); got != test.want {
			t.Errorf("out %t, %s to %s: %s, want %s", test.out, test.src, test.dst, got, test.want)
		}
	}
	if got := (&Facts{}).Protected(true, addr("10.0.0.1"), addr("10.0.0.2")); got != evaluate.Unknown {
		t.Errorf("policies that were not read: %s", got)
	}
}

// TestAnswersFor asks for which addresses a host answers on a link.
func TestAnswersFor(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	on := LinkSettings{Forwarding4: SettingOn, ProxyARP: SettingOn, AcceptRA: -1}
	f := &Facts{
		Settings:    UnknownSettings(),
		Proxied:     []Proxied{{"wan0", addr("203.0.113.20")}, {"wan0", addr("2001:db8::20")}},
		Addresses:   []Address{{Link: "wan0", Prefix: prefix("203.0.113.1/24")}},
		Routes:      []RouteEntry{{Table: TableMain, Kind: RouteUnicast, Dst: prefix("203.0.113.30/32"), Hops: []Hop{{Out: "lan0"}}}, {Table: TableMain, Kind: RouteUnicast, Dst: prefix("203.0.113.0/24"), Hops: []Hop{{Out: "wan0"}}}},
		PolicyRules: []PolicyRule{{Priority: 32766, Action: RuleTable, Table: TableMain, Family: rules.IPv4, SuppressPrefix: -1}},
	}
	f.Settings.Links = map[string]LinkSettings{"wan0": on}
	for a, want := range map[string]bool{"203.0.113.1": true, "203.0.113.20": true, "2001:db8::20": true, "2001:db8::21": false, "203.0.113.30": true, "203.0.113.31": false} {
		if got := f.AnswersFor("wan0", addr(a)); got != want {
			t.Errorf("%s: %t", a, got)
		}
	}
	f.Settings.Links["wan0"] = LinkSettings{Forwarding4: SettingOn, ProxyARP: SettingOff, AcceptRA: -1}
	f.Settings.All.ProxyARP = SettingOff
	if f.AnswersFor("wan0", addr("203.0.113.30")) {
		t.Error("without proxy_arp nobody answers for an address elsewhere")
	}
}
