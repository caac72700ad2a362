package facts

import (
	"net/netip"
	"testing"

	"nattui/rules"
)

// answering is a host with addresses on two links and on lo, that was told to answer for others.
func answering(wan LinkSettings) *Facts {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	f := &Facts{
		Settings: UnknownSettings(),
		Links:    []Link{{Name: "wan0", MAC: "02:00:00:00:00:01"}, {Name: "ppp0", PointToPoint: true}},
		Proxied:  []Proxied{{"wan0", addr("203.0.113.20")}, {"wan0", addr("203.0.113.21")}, {"wan0", addr("2001:db8::20")}},
		Addresses: []Address{
			{Link: "wan0", Prefix: prefix("203.0.113.1/24")},
			{Link: "lo", Prefix: prefix("203.0.113.5/32")},
			{Link: "lo", Prefix: prefix("203.0.113.6/32"), Scope: ScopeHost},
			{Link: "wan0", Prefix: prefix("2001:db8::1/64")},
			{Link: "lo", Prefix: prefix("2001:db8::5/128")},
		},
		Routes: []RouteEntry{
			{Table: TableMain, Kind: RouteUnicast, Dst: prefix("203.0.113.30/32"), Hops: []Hop{{Out: "lan0"}}},
			{Table: TableMain, Kind: RouteUnicast, Dst: prefix("203.0.113.21/32"), Hops: []Hop{{Out: "lan0"}}},
			{Table: TableMain, Kind: RouteUnicast, Dst: prefix("203.0.113.0/24"), Hops: []Hop{{Out: "wan0"}}},
			{Table: TableLocal, Kind: RouteLocal, Dst: prefix("203.0.113.64/29"), Hops: []Hop{{Out: "lo"}}},
		},
		PolicyRules: []PolicyRule{
			{Priority: 0, Action: RuleTable, Table: TableLocal, Family: rules.IPv4, SuppressPrefix: -1}, {Priority: 32766, Action: RuleTable, Table: TableMain, Family: rules.IPv4, SuppressPrefix: -1},
		},
	}
	f.Settings.Forwarding6, f.Settings.All.ProxyARP, f.Settings.All.ProxyNDP = SettingOn, SettingOff, SettingOff
	wan.AcceptRA = -1
	f.Settings.Links = map[string]LinkSettings{"wan0": wan}
	return f
}

// TestAnswersFor asks for which addresses a host answers on a link, as Linux 6.18 did in a namespace.
func TestAnswersFor(t *testing.T) {
	plain := LinkSettings{Forwarding4: SettingOn, ProxyARP: SettingOff, ProxyNDP: SettingOff}
	for _, test := range []struct {
		name         string
		set          func(*LinkSettings)
		answers, not []string
	}{
		{
			"as it is", func(*LinkSettings) {},
			[]string{"203.0.113.1", "203.0.113.5", "203.0.113.6", "203.0.113.65", "203.0.113.21", "2001:db8::1"},
			[]string{"203.0.113.20", "203.0.113.30", "203.0.113.31", "2001:db8::5", "2001:db8::20"},
		},
		{"proxy_arp", func(s *LinkSettings) { s.ProxyARP = SettingOn }, []string{"203.0.113.30"}, []string{"203.0.113.20", "203.0.113.31"}},
		{"proxy_ndp", func(s *LinkSettings) { s.ProxyNDP = SettingOn }, []string{"2001:db8::20"}, []string{"2001:db8::5", "2001:db8::21"}},
		{"no forwarding", func(s *LinkSettings) { s.Forwarding4 = SettingOff }, []string{"203.0.113.1", "203.0.113.5"}, []string{"203.0.113.21"}},
		{"arp_ignore 1", func(s *LinkSettings) { s.ARPIgnore = 1 }, []string{"203.0.113.1", "2001:db8::1"}, []string{"203.0.113.5", "203.0.113.65"}},
		{"arp_ignore 2", func(s *LinkSettings) { s.ARPIgnore = 2 }, []string{"203.0.113.1"}, []string{"203.0.113.5"}},
		{"arp_ignore 3", func(s *LinkSettings) { s.ARPIgnore = 3 }, []string{"203.0.113.1", "203.0.113.5"}, []string{"203.0.113.6", "203.0.113.65"}},
		{"arp_ignore 8", func(s *LinkSettings) { s.ARPIgnore = 8 }, []string{"2001:db8::1"}, []string{"203.0.113.1", "203.0.113.5"}},
	} {
		s := plain
		test.set(&s)
		f := answering(s)
		for _, list := range []struct {
			addresses []string
			want      bool
		}{{test.answers, true}, {test.not, false}} {
			for _, a := range list.addresses {
				if got := f.AnswersFor("wan0", netip.MustParseAddr(a)); got != list.want {
					t.Errorf("%s: %s: %t", test.name, a, got)
				}
			}
		}
		if !f.AnswersFor("ppp0", netip.MustParseAddr("203.0.113.5")) {
			t.Errorf("%s: nobody asks on a point-to-point link", test.name)
		}
	}
	f := answering(plain)
	f.Settings.All.ARPIgnore = 1
	if f.AnswersFor("wan0", netip.MustParseAddr("203.0.113.5")) {
		t.Error("the setting of all counts, too")
	}
}
