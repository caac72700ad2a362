package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nattui/model/facts"
	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
)

func read(t *testing.T) facts.Facts {
	t.Helper()
	facts, err := host.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, gap := range facts.Gaps {
		t.Errorf("could not be read: %s", gap)
	}
	return facts
}

// onGateway plays a scenario around the test and reads the gateway's facts.
func onGateway(t *testing.T, scenario string) (*lab.Network, facts.Facts) {
	t.Helper()
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Play(t.Context(), scenario); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Gateway.Ping(t.Context(), n.Server2.IPv4); err != nil { // makes it a neighbour
		t.Fatal(err)
	}
	return n, read(t)
}

func TestReadGateway(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	n, known := onGateway(t, "publish")
	wan, ok := known.WAN()
	if !ok || wan.Link != "wan0" || wan.Address() != n.Gateway.IPv4 || wan.IPv6.Prefix.Addr() != n.Gateway.IPv6 || wan.IPv4.Dynamic {
		t.Errorf("WAN is %+v, %v; want wan0 with %s and %s, for ever", wan, ok, n.Gateway.IPv4, n.Gateway.IPv6)
	}
	if link, ok := known.LinkNamed("lan0"); !ok || link.Kind != "veth" || !link.Up || !link.Running || link.MTU != 1500 || link.MAC == "" {
		t.Errorf("lan0 is %+v", link)
	}
	if lo, ok := known.LinkNamed("lo"); !ok || lo.Kind != "loopback" {
		t.Errorf("lo is %+v", lo)
	}
	s := known.Settings
	if s.Forwarding4 != facts.SettingOn || s.Forwarding6 != facts.SettingOn || s.ConntrackMax <= 0 || s.ConntrackCount < 0 || s.RPFilterOn("wan0") == facts.RPFilterUnknown {
		t.Errorf("settings are %+v", s)
	}
	if l, ok := known.ListensOn(6, netip.AddrPortFrom(netip.MustParseAddr("192.168.0.1"), 8888), ""); !ok || l.PID != os.Getpid() || l.Process == "" {
		t.Errorf("who listens on 192.168.0.1:8888 is %+v, %v; want this process", l, ok)
	}
	if l, ok := known.ListensOn(6, netip.MustParseAddrPort("192.168.0.1:80"), ""); ok {
		t.Errorf("%+v listens on 192.168.0.1:80, want nobody", l)
	}
	if offered := known.SuggestHosts(rules.IPv4); len(offered) == 0 || offered[0].Value != "192.168.0.2" {
		t.Errorf("known hosts are %v, want 192.168.0.2 first", offered)
	}
	if !known.IsLocal(n.Gateway.IPv4) || known.IsLocal(n.Server2.IPv4) {
		t.Error("the gateway's own address is not local, or a server's is")
	}
	if link, ok := known.LinkOf(n.Server3.IPv4); !ok || link != "lan0" {
		t.Errorf("%s is behind %s, want lan0", n.Server3.IPv4, link)
	}
	if known.Hostname == "" || known.Kernel == "" {
		t.Errorf("host name %q, kernel %q", known.Hostname, known.Kernel)
	}
}

// TestReplay holds that recorded facts are as good as the ones read.
func TestReplay(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	_, known := onGateway(t, "share")
	recorded, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	var replayed facts.Facts
	if err := json.Unmarshal(recorded, &replayed); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(known, replayed) {
		t.Errorf("facts\n%+v\ncome back as\n%+v", known, replayed)
	}
}

func TestReadStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := host.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestWatch(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, err := host.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		command string
		want    host.Changes
	}{
		{"link add name near type veth peer name far", host.LinksChanged},
		{"link set near up", host.LinksChanged},
		{"link set far up", host.LinksChanged},
		{"address add 10.0.0.1/24 dev near", host.AddressesChanged | host.RoutesChanged},
		{"route add 10.9.0.0/16 via 10.0.0.2", host.RoutesChanged},
		{"rule add fwmark 1 lookup 100", host.PolicyRulesChanged},
		{"-6 route add 2001:db8::/32 dev near", host.RoutesChanged},
		{"link del near", host.LinksChanged},
	}
	for _, step := range steps {
		ip(t, strings.Fields(step.command)...)
		for seen := host.Changes(0); seen&step.want != step.want; {
			change, ok := <-changes
			if !ok {
				t.Fatal("the channel is closed")
			}
			seen |= change
		}
	}
	for _, name := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if _, err := host.WriteSysctl(name, "1"); err != nil {
			t.Fatal(err)
		}
		for seen := host.Changes(0); seen&host.SettingsChanged == 0; {
			seen |= <-changes
		}
	}
	cancel()
	for range changes { // must end
	}
}

// TestReadSettings reads the settings alone again, as they are then.
func TestReadSettings(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	f, err := host.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := f.Settings
	if again := host.ReadSettings(f.Links); !again.Equal(&before) {
		t.Errorf("nothing has changed:\n%+v\n%+v", before, again)
	}
	if _, err := host.WriteSysctl("net.ipv4.conf.lo.route_localnet", "1"); err != nil {
		t.Fatal(err)
	}
	again := host.ReadSettings(f.Links)
	if again.Equal(&before) || again.On("lo").RouteLocalnet != facts.SettingOn {
		t.Errorf("after a change: %+v", again.On("lo"))
	}
	again = before
	again.ConntrackCount++
	if !again.Equal(&before) {
		t.Error("the number of connections is no setting")
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("ip", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip %q: %v\n%s", args, err, out)
	}
}

func TestSysctl(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	old, err := host.WriteSysctl("net.ipv4.ip_forward", "1")
	if err != nil || old != "0" && old != "1" {
		t.Fatalf("the old value is %q, %v", old, err)
	}
	if old, err = host.WriteSysctl("net.ipv4.ip_forward", "0"); err != nil || old != "1" {
		t.Errorf("the old value is %q, %v; want 1", old, err)
	}
	if now, err := host.Sysctl("net/ipv4/ip_forward"); err != nil || now != "0" {
		t.Errorf("the value is %q, %v; want 0", now, err)
	}
	ip(t, "link", "add", "a.10", "type", "veth", "peer", "name", "b")
	for _, name := range []string{"net/ipv4/conf/a.10/rp_filter", "net.ipv4.conf.a/10.rp_filter"} {
		if _, err := host.WriteSysctl(name, "2"); err != nil {
			t.Error(err)
		}
	}
	if mode := read(t); mode.Settings.On("a.10").RPFilter != facts.RPFilterLoose {
		t.Errorf("rp_filter of a.10 is %v, want loose", mode.Settings.On("a.10").RPFilter)
	}
	for _, name := range []string{"net.ipv4.no_such", "net/../../etc/passwd", "ip_forward", ""} {
		if value, err := host.Sysctl(name); err == nil {
			t.Errorf("sysctl %q is %q", name, value)
		}
	}
	if _, err := host.Sysctl("net.ipv4.no_such"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want os.ErrNotExist", err)
	}
}

func BenchmarkRead(b *testing.B) {
	if lab.Isolate(b) {
		return
	}
	for b.Loop() {
		if _, err := host.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTunnelIsAWay: somebody may come by what a tunnel carries, whose packets no program takes.
func TestTunnelIsAWay(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	ip(t, "link", "add", "near", "type", "vxlan", "id", "5", "dstport", "4789", "dev", "lo")
	ip(t, "link", "set", "near", "up")
	known, err := host.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(known.Ways, func(w facts.Way) bool {
		return w.Kind == facts.WayVPN && w.Proto == rules.UDP && w.Server.Port() == 4789 && w.Program == "VXLAN"
	}) {
		t.Errorf("no way in by the tunnel among %v", known.Ways)
	}
}
