package guide_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/iptables"
)

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}

// firewalls are what a gateway may have before a recipe comes.
var firewalls = map[string]string{
	"bare": "",
	"drop": "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n",
	"strict": `*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i wan0 -p icmp -j ACCEPT
-A FORWARD -j REJECT --reject-with icmp-port-unreachable
COMMIT
`,
	"docker": `*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:DOCKER-FORWARD - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -i docker0 -j ACCEPT
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
`,
	"ufw": `*filter
:FORWARD DROP [0:0]
:ufw-before-forward - [0:0]
:ufw-user-forward - [0:0]
:ufw-before-input - [0:0]
-A FORWARD -j ufw-before-forward
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
COMMIT
`,
}

// stand is a gateway on the real kernel with everything a recipe needs.
type stand struct {
	*lab.Network
	t      *testing.T
	tables *iptables.Host
}

func newStand(t *testing.T, firewall string) *stand {
	t.Helper()
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Gateway.SetSysctl("net/ipv4/ip_forward", "0"); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"iptables-restore", "ip6tables-restore"} {
		text := firewall
		if strings.HasPrefix(program, "ip6") {
			if strings.Contains(text, "172.17") || !n.HasIPv6 {
				continue // Docker does nothing about IPv6 by itself
			}
			text = strings.NewReplacer("icmp-port", "icmp6-port", "-p icmp ", "-p ipv6-icmp ", "ufw-", "ufw6-").Replace(text)
			text = strings.Replace(text, "-A INPUT -i lo", "-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -i lo", 1)
		}
		if text == "" {
			continue
		}
		if err := n.Restore(t.Context(), program, text); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := iptables.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &stand{n, t, tables}
}

// carryOut asks a recipe about the gateway as it is and does what it says.
func (s *stand) carryOut(r guide.Recipe) guide.Advice {
	s.t.Helper()
	ctx := context.Background()
	facts, err := host.Read(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	sets, err := s.tables.ReadAll(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	a := r.Advise(facts.GuideHost(sets, s.tables.Default(), nil))
	if a.Wrong() {
		s.t.Fatalf("%+v: %v", r, a.Problems)
	}
	for _, p := range a.Problems {
		if strings.Contains(p.Text, "still stops it") {
			s.t.Errorf("%+v: %s", r, p)
		}
	}
	if _, err := s.tables.Apply(ctx, a.Plan.Changes()); err != nil {
		s.t.Fatalf("%v\n%s", err, commands(a))
	}
	for _, step := range a.Plan.Steps {
		if step.Why == "" {
			s.t.Errorf("a step without a reason: %s", step.Sentence())
		}
		if w := step.Sysctl; w != nil {
			if _, err := host.WriteSysctl(w.Name, w.Value); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("carried out:\n%s%v\n%v", commands(a), a.Problems, a.Notes)
		}
	})
	return a
}

func commands(a guide.Advice) string {
	var b strings.Builder
	for _, argv := range a.Plan.Commands() {
		b.WriteString(rules.ShellLine(argv) + "\n")
	}
	return b.String()
}

// serve starts a service and fails the test if it cannot.
func (s *stand) serve(n *lab.Node, network, at string) {
	s.t.Helper()
	if _, err := n.Serve(s.t.Context(), network, netip.MustParseAddrPort(at)); err != nil {
		s.t.Fatal(err)
	}
}

// reaches asks a service and returns whom it saw.
func (s *stand) reaches(from *lab.Node, network, to, server string) netip.Addr {
	s.t.Helper()
	answer, err := from.Ask(s.t.Context(), network, netip.MustParseAddrPort(to))
	if err != nil {
		s.t.Errorf("%s does not reach %s: %v", from.Name, to, err)
		return netip.Addr{}
	}
	if answer.Server != server {
		s.t.Errorf("%s at %s is answered by %s, not %s", from.Name, to, answer.Server, server)
	}
	return answer.Peer.Addr()
}

// blocked checks that a service is not reached.
func (s *stand) blocked(from *lab.Node, to string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 300*time.Millisecond)
	defer cancel()
	if answer, err := from.Ask(ctx, "tcp", netip.MustParseAddrPort(to)); err == nil {
		s.t.Errorf("%s reaches %s, answered by %s", from.Name, to, answer.Server)
	}
}

// onEach runs a test in a lab of its own with each firewall.
func onEach(t *testing.T, test func(s *stand)) {
	for name, text := range firewalls {
		t.Run(name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			test(newStand(t, text))
		})
	}
}

func TestShareOnTheKernel(t *testing.T) {
	onEach(t, func(s *stand) {
		world := netip.AddrPortFrom(lab.WorldIPv4, 80).String()
		s.serve(s.Client, "tcp", world)
		s.serve(s.Client, "udp", netip.AddrPortFrom(lab.WorldIPv4, 53).String())
		s.serve(s.Server2, "tcp", "192.168.0.2:8080")
		s.carryOut(guide.Share{Net: "192.168.0.0/24"})
		if as := s.reaches(s.Server2, "tcp", world, "client"); as != s.Gateway.IPv4 {
			s.t.Errorf("the world sees %s and not the gateway", as)
		}
		s.reaches(s.Server3, "udp", netip.AddrPortFrom(lab.WorldIPv4, 53).String(), "client")
		if again := s.carryOut(guide.Share{Net: "192.168.0.0/24"}); len(again.Plan.Steps) != 0 {
			s.t.Errorf("a second time it does\n%s", commands(again))
		}
	})
}

func TestShareIPv6OnTheKernel(t *testing.T) {
	onEach(t, func(s *stand) {
		if !s.HasIPv6 {
			s.t.Skip("this kernel has no IPv6")
		}
		world := netip.AddrPortFrom(lab.WorldIPv6, 80).String()
		s.serve(s.Client, "tcp", world)
		s.carryOut(guide.Share{Net: "2001:db8:2::/64"})
		if as := s.reaches(s.Server2, "tcp", world, "client"); as != s.Gateway.IPv6 {
			s.t.Errorf("the world sees %s and not the gateway", as)
		}
	})
}

func TestPublishOnTheKernel(t *testing.T) {
	onEach(t, func(s *stand) {
		s.serve(s.Server2, "tcp", "192.168.0.2:8080")
		s.serve(s.Server2, "udp", "192.168.0.2:8080")
		s.carryOut(guide.Publish{Protocol: "both", Port: "80", To: "192.168.0.2:8080", Inside: true, ThisHost: true})
		if saw := s.reaches(s.Client, "tcp", "203.0.113.1:80", "server2"); saw != s.Client.IPv4 {
			s.t.Errorf("the server sees %s, and not its client", saw)
		}
		s.reaches(s.Client, "udp", "203.0.113.1:80", "server2")
		s.reaches(s.Server3, "tcp", "203.0.113.1:80", "server2") // from inside
		s.reaches(s.Server2, "tcp", "203.0.113.1:80", "server2") // from the server itself
		s.reaches(s.Gateway, "tcp", "203.0.113.1:80", "server2") // from this host
		s.blocked(s.Client, "203.0.113.1:8080")
	})
}

// A server that answers by another way is reached all the same, and sees the
// gateway as its client.
func TestPublishWithoutAWayBack(t *testing.T) {
	onEach(t, func(s *stand) {
		if _, err := s.Server2.Output(s.t.Context(), "ip", "route", "del", "default"); err != nil {
			s.t.Fatal(err)
		}
		s.serve(s.Server2, "tcp", "192.168.0.2:8080")
		s.carryOut(guide.Publish{Port: "80", To: "192.168.0.2:8080", WayBack: "elsewhere"})
		if saw := s.reaches(s.Client, "tcp", "203.0.113.1:80", "server2"); saw != netip.MustParseAddr("192.168.0.1") {
			s.t.Errorf("the server sees %s, and not the gateway", saw)
		}
	})
}

func TestPublishIPv6AndRanges(t *testing.T) {
	onEach(t, func(s *stand) {
		s.serve(s.Server2, "tcp", "192.168.0.2:8003")
		s.carryOut(guide.Publish{Port: "8000-8010", To: "192.168.0.2", Comment: "it's a \"range\""})
		s.reaches(s.Client, "tcp", "203.0.113.1:8003", "server2")
		if !s.HasIPv6 {
			return
		}
		s.serve(s.Server3, "tcp", "[2001:db8:2::3]:8080")
		s.carryOut(guide.Publish{Port: "80", To: "[2001:db8:2::3]:8080"})
		s.reaches(s.Client, "tcp", "[2001:db8:1::1]:80", "server3")
	})
}

func TestProxyOnTheKernel(t *testing.T) {
	onEach(t, func(s *stand) {
		s.serve(s.Gateway, "tcp", "192.168.0.1:8888")
		s.serve(s.Client, "tcp", "198.51.100.7:80")
		s.carryOut(guide.Proxy{In: "lan0", Port: "80", ToPort: "8888"})
		s.reaches(s.Server2, "tcp", "198.51.100.7:80", "gateway")
		s.reaches(s.Gateway, "tcp", "198.51.100.7:80", "client") // never its own traffic
	})
}

func TestOneToOneOnTheKernel(t *testing.T) {
	onEach(t, func(s *stand) {
		for _, a := range []string{"203.0.113.50/32", "203.0.113.66/32"} {
			if _, err := s.Gateway.Output(s.t.Context(), "ip", "address", "add", a, "dev", "wan0"); err != nil {
				s.t.Fatal(err)
			}
		}
		world := netip.AddrPortFrom(lab.WorldIPv4, 80).String()
		s.serve(s.Client, "tcp", world)
		s.serve(s.Server2, "tcp", "192.168.0.2:22")
		s.serve(s.Server3, "tcp", "192.168.0.3:22")
		s.carryOut(guide.Share{Net: "192.168.0.0/24"})
		s.carryOut(guide.OneToOne{Outside: "203.0.113.50", Inside: "192.168.0.2"})
		s.reaches(s.Client, "tcp", "203.0.113.50:22", "server2")
		if as := s.reaches(s.Server2, "tcp", world, "client"); as != netip.MustParseAddr("203.0.113.50") {
			s.t.Errorf("the server goes out as %s", as)
		}
		s.carryOut(guide.OneToOne{Outside: "203.0.113.64/29", Inside: "192.168.0.0/29"})
		if _, err := s.Gateway.Output(s.t.Context(), "ip", "address", "add", "203.0.113.67/32", "dev", "wan0"); err != nil {
			s.t.Fatal(err)
		}
		s.reaches(s.Client, "tcp", "203.0.113.67:22", "server3")
	})
}

func TestMoveOnTheKernel(t *testing.T) {
	onEach(t, func(s *stand) {
		s.serve(s.Server2, "tcp", "192.168.0.2:8080")
		s.serve(s.Server3, "tcp", "192.168.0.3:9090")
		s.carryOut(guide.Publish{Port: "80", To: "192.168.0.2:8080", Inside: true, ThisHost: true})
		s.reaches(s.Client, "tcp", "203.0.113.1:80", "server2")
		s.carryOut(guide.Move{From: "192.168.0.2:8080", To: "192.168.0.3:9090"})
		s.reaches(s.Client, "tcp", "203.0.113.1:80", "server3")
		s.reaches(s.Server2, "tcp", "203.0.113.1:80", "server3")
		s.reaches(s.Gateway, "tcp", "203.0.113.1:80", "server3")
	})
}

// A VPN's net that comes in by a tunnel goes out and reaches the LAN.
func TestVPNOnTheKernel(t *testing.T) {
	onEach(t, func(s *stand) {
		// The machines of the LAN stand in for the VPN's: their net comes in by lan0.
		s.serve(s.Client, "tcp", "198.51.100.7:80")
		if _, err := s.Gateway.Output(s.t.Context(), "ip", "link", "set", "lan0", "mtu", "1400"); err != nil {
			s.t.Fatal(err)
		}
		a := s.carryOut(guide.Share{Net: "192.168.0.0/24", VPN: true, In: "lan0"})
		if !strings.Contains(commands(a), "-o lan0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu") {
			s.t.Errorf("the size of packets is not clamped:\n%s", commands(a))
		}
		s.reaches(s.Server2, "tcp", "198.51.100.7:80", "client")
	})
}

func ExampleShare() {
	h := guide.Host{Uplinks: [2]guide.Uplink{{Link: "ppp0", Dynamic: true}}, Links: []guide.Link{{Name: "ppp0", Kind: "ppp"}}}
	for _, argv := range (guide.Share{Net: "192.168.0.0/24"}).Advise(h).Plan.Commands() {
		fmt.Println(rules.ShellLine(argv))
	}
	// Output:
	// iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o ppp0 -j MASQUERADE
	// iptables -t mangle -A FORWARD -o ppp0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
}
