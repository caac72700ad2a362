package facts_test

import (
	"net/netip"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

func TestProxyPort(t *testing.T) {
	on := func(proto rules.Protocol, address string, both bool) facts.Listener {
		return facts.Listener{Proto: proto, Address: netip.MustParseAddrPort(address), BothFamilies: both}
	}
	for _, c := range []struct {
		name      string
		listeners []facts.Listener
		family    rules.Family
		want      uint16
	}{
		{"nobody", nil, rules.IPv4, 0},
		{"a web server", []facts.Listener{on(rules.TCP, "0.0.0.0:80", false)}, rules.IPv4, 0},
		{"tinyproxy", []facts.Listener{on(rules.TCP, "0.0.0.0:8888", false)}, rules.IPv4, 8888},
		{"squid, for clients that know it and that do not", []facts.Listener{on(rules.TCP, "192.168.0.1:3128", false), on(rules.TCP, "192.168.0.1:3129", false)}, rules.IPv4, 3129},
		{"for this host alone", []facts.Listener{on(rules.TCP, "127.0.0.1:3128", false)}, rules.IPv4, 0},
		{"of the other family", []facts.Listener{on(rules.TCP, "0.0.0.0:3128", false)}, rules.IPv6, 0},
		{"of both", []facts.Listener{on(rules.TCP, "[::]:3128", true)}, rules.IPv4, 3128},
		{"UDP", []facts.Listener{on(rules.UDP, "0.0.0.0:3128", false)}, rules.IPv4, 0},
	} {
		f := facts.Facts{Listeners: c.listeners}
		if got := f.ProxyPort(c.family); got != c.want {
			t.Errorf("%s: port %d, not %d", c.name, got, c.want)
		}
	}
}
