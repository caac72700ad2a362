package lab_test

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/lab"
)

// build makes the lab's network around the calling test.
func build(t *testing.T) *lab.Network {
	t.Helper()
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close the network: %v", err)
		}
	})
	return n
}

func play(t *testing.T, scenario string) *lab.Network {
	t.Helper()
	n := build(t)
	if err := n.Play(t.Context(), scenario); err != nil {
		t.Fatal(err)
	}
	return n
}

func ask(t *testing.T, from *lab.Node, network, to string) lab.Answer {
	t.Helper()
	answer, err := from.Ask(t.Context(), network, netip.MustParseAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestNewOutsideRefuses(t *testing.T) {
	if n, err := lab.New(); err == nil {
		n.Close()
		t.Fatal("New built a network around a process that is not isolated")
	}
}

func TestWiring(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	n := build(t)
	for _, ping := range []struct {
		from *lab.Node
		to   netip.Addr
	}{
		{n.Client, n.Gateway.IPv4},
		{n.Client, n.Gateway.IPv6},
		{n.Gateway, n.Server2.IPv4},
		{n.Gateway, n.Server3.IPv6},
		{n.Server2, n.Server3.IPv4},
		{n.Gateway, lab.WorldIPv4},
		{n.Gateway, lab.WorldIPv6},
	} {
		from, err := ping.from.Ping(t.Context(), ping.to)
		if err != nil || from != ping.to {
			t.Errorf("ping %s from %s: reply from %v, %v", ping.to, ping.from.Name, from, err)
		}
	}
	if _, err := n.Client.Output(t.Context(), "ip", "route", "get", n.Server2.IPv4.String()); err == nil {
		t.Error("the client has a route to the servers' private network")
	}
	if err := n.Play(t.Context(), "empty"); err != nil {
		t.Fatal(err)
	}
	if on, err := n.Gateway.Sysctl("net/ipv4/ip_forward"); err != nil || on != "0" {
		t.Errorf("forwarding in the empty scenario is %q, %v", on, err)
	}
	if rules := run(t, "iptables-save"); strings.Contains(rules, "-A") {
		t.Errorf("the empty scenario has rules:\n%s", rules)
	}
}

func TestSendUDP(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	n := build(t)
	at := netip.AddrPortFrom(n.Gateway.IPv4, 4000)
	conn, err := n.Gateway.ListenUDP(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	from := netip.MustParseAddrPort("203.0.113.10:1234")
	if err := n.Client.SendUDP(from, at, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	size, peer, err := conn.ReadFromUDPAddrPort(buffer)
	if err != nil || peer != from || string(buffer[:size]) != "hello" {
		t.Errorf("got %q from %s, %v; want hello from %s", buffer[:size], peer, err, from)
	}
}

// TestTranslation holds every scenario's rules against what the services see
// and against the kernel's own table.
func TestTranslation(t *testing.T) {
	t.Run("publish", func(t *testing.T) {
		if lab.Isolate(t) {
			return
		}
		n := play(t, "publish")
		a := ask(t, n.Client, "tcp", "203.0.113.1:80")
		expect(t, a, "server2", "192.168.0.2:8080", "192.168.0.1")
		tracked(t, "tcp", a, "src=192.168.0.2 dst=192.168.0.1 sport=8080")
		a = ask(t, n.Client, "tcp", "203.0.113.1:8443")
		expect(t, a, "server3", "192.168.0.3:443", "203.0.113.10")
		a = ask(t, n.Server3, "udp", "198.51.100.7:53")
		expect(t, a, "client", "198.51.100.7:53", "203.0.113.1")
		a = ask(t, n.Server3, "tcp", "198.51.100.7:80")
		expect(t, a, "gateway", "192.168.0.1:8888", "192.168.0.3")
		a = ask(t, n.Client, "tcp", "[2001:db8:1::1]:80")
		expect(t, a, "server2", "[2001:db8:2::2]:8080", "2001:db8:1::10")
		if on, err := n.Gateway.Sysctl("net/netfilter/nf_conntrack_acct"); err == nil && on != "1" {
			t.Errorf("flows are not counted: nf_conntrack_acct is %s", on)
		}
	})
	t.Run("share", func(t *testing.T) {
		if lab.Isolate(t) {
			return
		}
		n := play(t, "share")
		a := ask(t, n.Server2, "tcp", "198.51.100.7:80")
		expect(t, a, "client", "198.51.100.7:80", "203.0.113.1")
		tracked(t, "tcp", a, "src=198.51.100.7 dst=203.0.113.1 sport=80")
		a = ask(t, n.Server3, "tcp", "[2001:db8:7::7]:80")
		expect(t, a, "client", "[2001:db8:7::7]:80", "2001:db8:1::1")
		if from, err := n.Server2.Ping(t.Context(), lab.WorldIPv4); err != nil || from != lab.WorldIPv4 {
			t.Errorf("ping the world from the LAN: %v, %v", from, err)
		}
	})
	t.Run("proxy", func(t *testing.T) {
		if lab.Isolate(t) {
			return
		}
		n := play(t, "proxy")
		a := ask(t, n.Server2, "tcp", "198.51.100.7:80")
		expect(t, a, "gateway", "192.168.0.1:8888", "192.168.0.2")
		tracked(t, "tcp", a, "src=192.168.0.1 dst=192.168.0.2 sport=8888")
		a = ask(t, n.Server2, "tcp", "198.51.100.7:443")
		expect(t, a, "client", "198.51.100.7:443", "203.0.113.1")
	})
	t.Run("kube", func(t *testing.T) {
		if lab.Isolate(t) {
			return
		}
		n := play(t, "kube")
		a := ask(t, n.Client, "tcp", "203.0.113.1:30000")
		if a.At.Port() != 8080 || a.Peer.Addr().String() != "192.168.0.1" {
			t.Errorf("a node port answers %+v, want a server's port 8080, seen as 192.168.0.1", a)
		}
		a = ask(t, n.Gateway, "tcp", "10.96.0.2:80")
		if a.At.Port() != 8080 {
			t.Errorf("a cluster address answers %+v, want a server's port 8080", a)
		}
		if count := strings.Count(run(t, "iptables-save", "-t", "nat"), "\n-A "); count < 4800 || count > 5200 {
			t.Errorf("%d rules, want about 5,000", count)
		}
	})
	t.Run("fw4", func(t *testing.T) {
		if lab.Isolate(t) {
			return
		}
		lab.Program(t, "nft")
		n := play(t, "fw4")
		a := ask(t, n.Client, "tcp", "203.0.113.1:80")
		expect(t, a, "server2", "192.168.0.2:8080", "203.0.113.10")
		a = ask(t, n.Server3, "tcp", "203.0.113.1:80")
		expect(t, a, "server2", "192.168.0.2:8080", "192.168.0.1")
		a = ask(t, n.Server2, "tcp", "198.51.100.7:80")
		expect(t, a, "client", "198.51.100.7:80", "203.0.113.1")
		tracked(t, "tcp", a, "src=198.51.100.7 dst=203.0.113.1 sport=80")
	})
	t.Run("native", func(t *testing.T) {
		if lab.Isolate(t) {
			return
		}
		lab.Program(t, "nft")
		n := play(t, "native")
		a := ask(t, n.Client, "tcp", "203.0.113.1:8443")
		expect(t, a, "server3", "192.168.0.3:443", "203.0.113.10")
		a = ask(t, n.Server3, "udp", "198.51.100.7:53")
		expect(t, a, "gateway", "192.168.0.1:5353", "192.168.0.3")
		a = ask(t, n.Server2, "tcp", "198.51.100.7:80")
		expect(t, a, "client", "198.51.100.7:80", "203.0.113.1")
	})
}

// expect holds an answer against who should have given it, at which address
// and port, and whose address it should have seen.
func expect(t *testing.T, a lab.Answer, server, at, peer string) {
	t.Helper()
	if a.Server != server || a.At.String() != at || a.Peer.Addr().String() != peer {
		t.Errorf("%s asked %s and was answered by %s at %s, seen as %s; want %s at %s, seen as %s",
			a.From, a.To, a.Server, a.At, a.Peer.Addr(), server, at, peer)
	}
}

// tracked looks for the flow of a question in the kernel's table, and for its
// reply tuple.
func tracked(t *testing.T, protocol string, a lab.Answer, reply string) {
	t.Helper()
	table := run(t, "conntrack", "-L", "-p", protocol,
		"--orig-src", a.From.Addr().String(), "--sport", portOf(a.From), "--orig-dst", a.To.Addr().String(), "--dport", portOf(a.To))
	if !strings.Contains(table, reply) {
		t.Errorf("the flow %s to %s has no reply tuple %q:\n%s", a.From, a.To, reply, table)
	}
}

func portOf(a netip.AddrPort) string {
	_, port, _ := strings.Cut(a.String(), "]")
	if port == "" {
		port = a.String()
	}
	return port[strings.LastIndex(port, ":")+1:]
}

func TestFlood(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	// The kernel announces each new flow; the events are the clock here.
	n := build(t)
	stop, events := watchFlows(t)
	defer stop()
	if err := n.Play(t.Context(), "flood"); err != nil {
		t.Fatal(err)
	}
	const want = 1000
	for count := 0; count < want; {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d flows: %v", count, err)
		}
		if strings.Contains(line, "dst=203.0.113.1") && strings.Contains(line, "src=192.168.0.3") {
			count++
		}
	}
}
