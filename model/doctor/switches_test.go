package doctor

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/rules"
)

// switchGateway has every switch, and files that set some at boot.
func switchGateway(t *testing.T) *Gateway {
	g := gatewayOf(t, map[rules.Variant]string{nft4: strings.Replace(soundTable, "COMMIT", "-A PREROUTING -i wan0 -p tcp -m tcp --dport 25 -j DNAT --to-destination 127.0.0.1:25\nCOMMIT", 1)})
	s := &g.Facts.Settings
	s.Forwarding6, s.ConntrackMax, s.ConntrackBuckets, s.ConntrackCount = facts.SettingOff, 65536, 16384, 1000
	s.ConntrackAccounting, s.ConntrackTimestamps = facts.SettingOff, facts.SettingOn
	g.BootSettings = map[string]BootSetting{
		"net.ipv4.ip_forward":               {"0", "/etc/sysctl.conf"},
		"net.ipv4.conf.all.rp_filter":       {"2", "/usr/lib/sysctl.d/99-distribution.conf"},
		"net.netfilter.nf_conntrack_acct":   {"1", "/etc/sysctl.d/10-mine.conf"},
		"net.ipv4.conf.lan0.route_localnet": {"0", "/etc/sysctl.d/90-nattui.conf"},
	}
	return g
}

func TestSwitches(t *testing.T) {
	x := SwitchesOf(switchGateway(t))
	tests := []struct{ name, value, want string }{
		{"ip_forward", "off", "net.ipv4.ip_forward=0 was 1, at boot in /etc/sysctl.conf"},
		{"net.ipv4.conf.all.forwarding", "0", "net.ipv4.ip_forward=0 was 1, at boot in /etc/sysctl.conf"},
		{"/proc/sys/net/ipv4/ip_forward", "0", "net.ipv4.ip_forward=0 was 1, at boot in /etc/sysctl.conf"},
		{"net.ipv6.conf.all.forwarding", "ON", "net.ipv6.conf.all.forwarding=1 was 0, at boot in "},
		{"wan0.rp_filter", "loose", "net.ipv4.conf.wan0.rp_filter=2 was 0, at boot in "},
		{"net.ipv4.conf.all.rp_filter", "strict", "net.ipv4.conf.all.rp_filter=1 was 0, at boot in /etc/sysctl.d/zz-nattui.conf"},
		{"nf_conntrack_acct", "on", "net.netfilter.nf_conntrack_acct=1 was 0, at boot in "},
		{"lan0.route_localnet", "on", "net.ipv4.conf.lan0.route_localnet=1 was 0, at boot in "},
		{"nf_conntrack_max", "262_144", "net.netfilter.nf_conntrack_max=262144 was 65536, at boot in "},
	}
	for _, test := range tests {
		s, err := x.Find(test.name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := x.Plan(s, test.value, true)
		if err != nil {
			t.Fatal(err)
		}
		w := p.Steps[len(p.Steps)-1].Sysctl
		if got := w.Name + "=" + w.Value + " was " + w.Old + ", at boot in " + w.File; got != test.want || !w.Boot {
			t.Errorf("%s %s: %s, want %s", test.name, test.value, got, test.want)
		}
		if p, _ := x.Plan(s, test.value, false); p.Steps[0].Sysctl.Boot {
			t.Errorf("%s: at boot although it is not wanted", test.name)
		}
	}
	s, _ := x.Find("net.ipv4.conf.wan0.route_localnet")
	if !slices.ContainsFunc(s.Depends, func(d string) bool { return strings.Contains(d, "127.0.0.1") }) {
		t.Errorf("what hangs on route_localnet: %q", s.Depends)
	}
}

// What cannot work is refused with the nearest that would, and that one is not.
func TestSwitchesRefuse(t *testing.T) {
	g := switchGateway(t)
	s := &g.Facts.Settings
	s.All.RPFilter, s.All.RouteLocalnet = facts.RPFilterStrict, facts.SettingOn
	wan := s.Links["wan0"]
	wan.RPFilter = facts.RPFilterLoose
	s.Links["wan0"] = wan
	x := SwitchesOf(g)
	for _, test := range []struct{ name, value, says string }{
		{"ip_forward", "2", "off, on"},
		{"ip_forward", "maybe", "off, on"},
		{"net.ipv4.conf.wan0.rp_filter", "off", "the larger number counts"},
		{"net.ipv4.conf.wan0.route_localnet", "off", "all interfaces"},
		{"nf_conntrack_max", "500", "1,000 connections"},
		{"nf_conntrack_max", "2000", "however quiet it is"},
		{"nf_conntrack_max", "lots", "is a number"},
		{"nf_conntrack_max", "99999999999", "GB"},
		{"nf_conntrack_buckets", "1000", "1024"},
		{"nf_conntrack_buckets", "0", "512"},
	} {
		one, err := x.Find(test.name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.Plan(one, test.value, true)
		var no *Refusal
		if !errors.As(err, &no) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s %s: %v", test.name, test.value, err)
			continue
		}
		name, value, ok := strings.Cut(no.Nearest, " ")
		if near, err := x.Find(name); !ok || err != nil {
			t.Errorf("%s %s: the nearest is %q", test.name, test.value, no.Nearest)
		} else if _, err := x.Plan(near, value, true); err != nil {
			t.Errorf("%s %s: the nearest, %q, is refused: %v", test.name, test.value, no.Nearest, err)
		}
	}
	s.Fixed = []string{"net.netfilter.nf_conntrack_buckets"}
	x = SwitchesOf(g)
	one, _ := x.Find("nf_conntrack_buckets")
	if _, err := x.Plan(one, "65536", true); err == nil || !strings.Contains(err.Error(), "hashsize") {
		t.Errorf("in another namespace: %v", err)
	}
	for _, name := range []string{"rp_filter", "nothing", "net.ipv6.conf.wan0.forwarding"} {
		if _, err := x.Find(name); err == nil {
			t.Errorf("%s is found", name)
		}
	}
}

// A host that learns its default route from a router keeps it as it begins to forward.
func TestSwitchKeepsRouterHeard(t *testing.T) {
	g := switchGateway(t)
	f := g.Facts
	f.Routes = append(f.Routes, facts.RouteEntry{Table: facts.TableMain, Kind: facts.RouteUnicast, Dst: rules.IPv6.Whole(), Origin: "ra", Hops: []facts.Hop{{Out: "wan0"}}})
	wan := f.Settings.Links["wan0"]
	wan.AcceptRA = 1
	f.Settings.Links["wan0"] = wan
	x := SwitchesOf(g)
	s, err := x.Find("net.ipv6.conf.all.forwarding")
	if err != nil {
		t.Fatal(err)
	}
	p, err := x.Plan(s, "on", true)
	if err != nil || len(p.Steps) != 2 || p.Steps[0].Sysctl.Name != "net.ipv6.conf.wan0.accept_ra" || p.Steps[0].Sysctl.Value != "2" {
		t.Errorf("%v: %+v", err, p.Commands())
	}
}
