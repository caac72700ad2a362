package guide_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

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

// A gateway is what a recipe may find: rules that are there already, on the
// backend they are kept on, and the backend that new rules go to.
type gateway struct {
	name     string
	there    string // the backend of the firewall: nft, legacy
	backend  rules.Backend
	firewall string
	// several gives it a second way to the Internet, a second network inside and a
	// tunnel.
	several bool
}

const (
	drop   = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"
	strict = `*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i wan0 -p icmp -j ACCEPT
-A FORWARD -j REJECT --reject-with icmp-port-unreachable
COMMIT
`
	closed = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
COMMIT
`
	docker = `*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-INTERNAL - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
`
	dockerOfOld = `*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
`
	ufw = `*filter
:FORWARD DROP [0:0]
:ufw-before-forward - [0:0]
:ufw-user-forward - [0:0]
:ufw-before-input - [0:0]
-A FORWARD -j ufw-before-forward
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
COMMIT
`
)

var gateways = []gateway{
	{"bare", "nft", rules.NFT, "", false},
	{"bare, legacy, several interfaces", "legacy", rules.Legacy, "", true},
	{"FORWARD dropped, several interfaces", "nft", rules.NFT, drop, true},
	{"FORWARD dropped, legacy", "legacy", rules.Legacy, drop, false},
	{"FORWARD dropped by legacy, new rules on nft", "legacy", rules.NFT, drop, false},
	{"rejected at the end", "nft", rules.NFT, strict, false},
	{"rejected at the end, legacy, several interfaces", "legacy", rules.Legacy, strict, true},
	{"closed both ways", "nft", rules.NFT, closed, true},
	{"Docker, several interfaces", "nft", rules.NFT, docker, true},
	{"Docker of old, legacy", "legacy", rules.Legacy, dockerOfOld, true},
	{"ufw", "nft", rules.NFT, ufw, false},
}

// stand is a gateway on the real kernel with everything a recipe needs, and
// services on all machines.
type stand struct {
	*lab.Network
	gateway
	family rules.Family
	t      *testing.T
	tables *iptables.Host
}

// newStand builds the network and starts the services, which stay for all recipes.
func newStand(t *testing.T, g gateway) *stand {
	t.Helper()
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	s := &stand{Network: n, gateway: g, t: t}
	if s.tables, err = iptables.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.several {
		s.cable("wan1", n.Client, "192.0.2.1/24", "192.0.2.10/24")
		s.cable("dmz0", n.Server3, "10.7.0.1/24", "10.7.0.3/24", "2001:db8:7070::1/64", "2001:db8:7070::3/64")
		s.cable("wg0", n.Server3, "10.8.0.1/24", "10.8.0.2/24", "2001:db8:8080::1/64", "2001:db8:8080::2/64")
		s.run(n.Gateway, "ip", "link", "set", "wg0", "mtu", "1420")
		s.run(n.Server3, "ip", "rule", "add", "from", "10.8.0.2", "lookup", "8")
		s.run(n.Server3, "ip", "route", "add", "default", "via", "10.8.0.1", "table", "8")
		if n.HasIPv6 {
			s.run(n.Server3, "ip", "-6", "rule", "add", "from", "2001:db8:8080::2", "lookup", "8")
			s.run(n.Server3, "ip", "-6", "route", "add", "default", "via", "2001:db8:8080::1", "table", "8")
		}
	}
	for _, a := range []string{"203.0.113.50/32", "203.0.113.67/32", "2001:db8:1::50/128", "2001:db8:1::63/128"} {
		if n.HasIPv6 || !strings.Contains(a, ":") {
			s.run(n.Gateway, "ip", "address", "add", a, "dev", "wan0", "preferred_lft", "0")
		}
	}
	for f, world := range map[rules.Family]netip.Addr{rules.IPv4: lab.WorldIPv4, rules.IPv6: lab.WorldIPv6} {
		if s.family = f; f == rules.IPv6 && !n.HasIPv6 {
			continue
		}
		s.serve(n.Client, "tcp", at(world, 80))
		s.serve(n.Client, "udp", at(world, 53))
		for _, port := range []uint16{8080, 8003} {
			s.serve(n.Server2, "tcp", at(s.of(n.Server2), port))
		}
		s.serve(n.Server2, "udp", at(s.of(n.Server2), 8080))
		s.serve(n.Server3, "tcp", at(s.of(n.Server3), 9090))
		s.serve(n.Gateway, "tcp", at(s.inside(), 8888))
	}
	return s
}

// cable joins the gateway and another machine by one more link, with an address
// at each end, and perhaps IPv6 addresses after them.
func (s *stand) cable(name string, to *lab.Node, addrs ...string) {
	s.t.Helper()
	var far *os.File
	err := to.Do(func() (err error) {
		far, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer far.Close()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name, PeerNamespace: netlink.NsFd(int(far.Fd()))}
	if err := s.Gateway.Do(func() error { return netlink.LinkAdd(veth) }); err != nil {
		s.t.Fatal(err)
	}
	for i, a := range addrs {
		if !s.HasIPv6 && i > 1 {
			break
		}
		node := []*lab.Node{s.Gateway, to}[i%2]
		args := []string{"address", "add", a, "dev", name}
		if i > 1 {
			args = append(args, "nodad")
		}
		s.run(node, "ip", args...)
		s.run(node, "ip", "link", "set", name, "up")
	}
}

func (s *stand) run(on *lab.Node, program string, args ...string) {
	s.t.Helper()
	if _, err := on.Output(s.t.Context(), program, args...); err != nil {
		s.t.Fatal(err)
	}
}

// renew takes all rules away, puts the firewall up again, and forwards nothing.
func (s *stand) renew() {
	s.t.Helper()
	for _, name := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		if err := s.Gateway.SetSysctl(name, "0"); err != nil && s.HasIPv6 {
			s.t.Fatal(err)
		}
	}
	empty := ""
	for _, table := range []string{"filter", "nat", "mangle"} {
		empty += "*" + table + "\n"
		for _, chain := range rules.BuiltInChains[table] {
			empty += ":" + chain + " ACCEPT [0:0]\n"
		}
		empty += "COMMIT\n"
	}
	for _, six := range []bool{false, true} {
		text, program := s.firewall, "iptables-"
		if six {
			text = strings.NewReplacer("icmp-port", "icmp6-port", "-p icmp ", "-p ipv6-icmp ", "ufw-", "ufw6-", "172.17.0.0/16", "fd17::/64", "127.0.0.0/8", "::1/128").Replace(text)
			text = strings.Replace(text, "-A INPUT -i lo", "-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -i lo", 1)
			text = strings.Replace(text, "-A OUTPUT -o lo", "-A OUTPUT -p ipv6-icmp -j ACCEPT\n-A OUTPUT -o lo", 1)
			program = "ip6tables-"
		}
		if six && !s.HasIPv6 {
			continue
		}
		for _, backend := range []string{"nft", "legacy"} {
			whole := empty
			if backend == s.there {
				whole += text
			}
			if backend != s.there && backend != s.backend.String() {
				continue // nothing was ever there
			}
			restore := exec.CommandContext(s.t.Context(), program+backend+"-restore", "-w", "5")
			if backend == "nft" {
				restore.Args = restore.Args[:1]
			}
			restore.Env = append(os.Environ(), "LC_ALL=C")
			restore.Stdin = strings.NewReader(whole)
			if out, err := restore.CombinedOutput(); err != nil {
				s.t.Fatalf("%v: %s\n%s", err, out, whole)
			}
		}
	}
}

// of is a machine's address of the family that is tried.
func (s *stand) of(n *lab.Node) netip.Addr {
	if s.family == rules.IPv6 {
		return n.IPv6
	}
	return n.IPv4
}

// inside is the gateway's address on lan0, and net the network there.
func (s *stand) inside() netip.Addr {
	return s.either("192.168.0.1", "2001:db8:2::1")
}

func (s *stand) net() string {
	if s.family == rules.IPv6 {
		return "2001:db8:2::/64"
	}
	return "192.168.0.0/24"
}

func (s *stand) world() netip.Addr { return s.either(lab.WorldIPv4.String(), lab.WorldIPv6.String()) }

func (s *stand) either(four, six string) netip.Addr {
	if s.family == rules.IPv6 {
		return netip.MustParseAddr(six)
	}
	return netip.MustParseAddr(four)
}

func at(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }

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
	a := r.Advise(facts.GuideHost(sets, s.backend, nil))
	if a.Wrong() {
		s.t.Fatalf("%+v: %v", r, a.Objections)
	}
	for _, p := range a.Objections {
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
			s.t.Logf("carried out:\n%s%v\n%v", commands(a), a.Objections, a.Notes)
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
	return s.reachesFrom(from, netip.Addr{}, network, to, server)
}

// reachesFrom asks with one of a machine's addresses.
func (s *stand) reachesFrom(from *lab.Node, as netip.Addr, network, to, server string) netip.Addr {
	s.t.Helper()
	answer, err := from.AskFrom(s.t.Context(), network, netip.AddrPortFrom(as, 0), netip.MustParseAddrPort(to))
	if err != nil {
		s.t.Errorf("%s does not reach %s by %s: %v", from.Name, to, network, err)
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

// tried are the recipes, and who has to be reached by whom once they are carried out.
var tried = []struct {
	name string
	// several marks what is tried only where the gateway has several interfaces.
	several bool
	try     func(s *stand)
}{
	{"share", false, func(s *stand) {
		s.carryOut(guide.Share{Net: s.net()})
		if as := s.reaches(s.Server2, "tcp", at(s.world(), 80), "client"); as != s.of(s.Gateway) {
			s.t.Errorf("the world sees %s and not the gateway", as)
		}
		s.reaches(s.Server3, "udp", at(s.world(), 53), "client")
		if again := s.carryOut(guide.Share{Net: s.net()}); len(again.Plan.Steps) != 0 {
			s.t.Errorf("a second time it does\n%s", commands(again))
		}
	}},
	{"publish", false, func(s *stand) {
		s.carryOut(guide.Publish{Protocol: "both", Port: "80", To: at(s.of(s.Server2), 8080), Inside: true, ThisHost: true})
		public := at(s.of(s.Gateway), 80)
		if saw := s.reaches(s.Client, "tcp", public, "server2"); saw != s.of(s.Client) {
			s.t.Errorf("the server sees %s, and not its client", saw)
		}
		s.reaches(s.Client, "udp", public, "server2")
		s.reaches(s.Server3, "tcp", public, "server2") // from inside
		s.reaches(s.Server3, "udp", public, "server2")
		s.reaches(s.Server2, "tcp", public, "server2") // from the server itself
		s.reaches(s.Gateway, "tcp", public, "server2") // from this host
		s.reaches(s.Gateway, "udp", public, "server2")
		if s.firewall != closed {
			s.blocked(s.Client, at(s.of(s.Gateway), 8080))
		}
	}},
	{"publish a server that answers by another way", false, func(s *stand) {
		family := map[rules.Family]string{rules.IPv4: "-4", rules.IPv6: "-6"}[s.family]
		s.run(s.Server2, "ip", family, "route", "del", "default")
		defer s.run(s.Server2, "ip", family, "route", "add", "default", "via", s.inside().String())
		s.carryOut(guide.Publish{Port: "80", To: at(s.of(s.Server2), 8080), WayBack: "elsewhere"})
		if saw := s.reaches(s.Client, "tcp", at(s.of(s.Gateway), 80), "server2"); saw != s.inside() {
			s.t.Errorf("the server sees %s, and not the gateway", saw)
		}
	}},
	{"publish a range", false, func(s *stand) {
		s.carryOut(guide.Publish{Port: "8000-8010", To: s.of(s.Server2).String(), Inside: true, ThisHost: true, Comment: "it's a \"range\""})
		for _, from := range []*lab.Node{s.Client, s.Server3, s.Gateway} {
			s.reaches(from, "tcp", at(s.of(s.Gateway), 8003), "server2")
		}
	}},
	{"redirect", false, func(s *stand) {
		if s.firewall != closed {
			s.carryOut(guide.Share{Net: s.net()})
		}
		s.carryOut(guide.Proxy{Family: s.family, In: "lan0", Port: "80", ToPort: "8888"})
		s.reaches(s.Server2, "tcp", at(s.world(), 80), "gateway")
		if s.firewall != closed {
			s.reaches(s.Server2, "udp", at(s.world(), 53), "client")
			s.reaches(s.Gateway, "tcp", at(s.world(), 80), "client") // never its own traffic
		}
	}},
	{"one to one", false, func(s *stand) {
		outer, first := s.either("203.0.113.50", "2001:db8:1::50"), s.of(s.Server2)
		s.carryOut(guide.Share{Net: s.net()})
		s.carryOut(guide.OneToOne{Outside: outer.String(), Inside: first.String()})
		s.reaches(s.Client, "tcp", at(outer, 8080), "server2")
		if as := s.reaches(s.Server2, "tcp", at(s.world(), 80), "client"); as != outer {
			s.t.Errorf("the server goes out as %s", as)
		}
	}},
	{"network to network", false, func(s *stand) {
		o := guide.OneToOne{Outside: "203.0.113.64/29", Inside: "192.168.0.0/29"}
		if s.family == rules.IPv6 {
			o = guide.OneToOne{Outside: "2001:db8:1::60/125", Inside: "2001:db8:2::/125"}
		}
		s.carryOut(o)
		outer := s.either("203.0.113.67", "2001:db8:1::63")
		s.reaches(s.Client, "tcp", at(outer, 9090), "server3")
		if as := s.reaches(s.Server3, "tcp", at(s.world(), 80), "client"); as != outer {
			s.t.Errorf("the third machine goes out as %s", as)
		}
	}},
	{"move", false, func(s *stand) {
		public := at(s.of(s.Gateway), 80)
		s.carryOut(guide.Publish{Port: "80", To: at(s.of(s.Server2), 8080), Inside: true, ThisHost: true})
		s.reaches(s.Client, "tcp", public, "server2")
		s.carryOut(guide.Move{From: at(s.of(s.Server2), 8080), To: at(s.of(s.Server3), 9090)})
		for _, from := range []*lab.Node{s.Client, s.Server2, s.Gateway} {
			s.reaches(from, "tcp", public, "server3")
		}
	}},
	{"let a VPN out", true, func(s *stand) {
		net, peer := "10.8.0.0/24", s.either("10.8.0.2", "2001:db8:8080::2")
		if s.family == rules.IPv6 {
			net = "2001:db8:8080::/64"
		}
		a := s.carryOut(guide.Share{Net: net, VPN: true, In: "wg0", Reach: s.net()})
		if !strings.Contains(commands(a), "-o wg0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu") {
			s.t.Errorf("the size of packets is not clamped:\n%s", commands(a))
		}
		if as := s.reachesFrom(s.Server3, peer, "tcp", at(s.world(), 80), "client"); as != s.of(s.Gateway) {
			s.t.Errorf("the world sees %s and not the gateway", as)
		}
		s.reachesFrom(s.Server3, peer, "udp", at(s.world(), 53), "client")
		if as := s.reachesFrom(s.Server3, peer, "tcp", at(s.of(s.Server2), 8080), "server2"); as != peer {
			s.t.Errorf("the LAN sees %s, and not the VPN's machine", as)
		}
	}},
	{"share two networks", true, func(s *stand) {
		dmz, peer := "10.7.0.0/24", s.either("10.7.0.3", "2001:db8:7070::3")
		if s.family == rules.IPv6 {
			dmz = "2001:db8:7070::/64"
		}
		s.carryOut(guide.Share{Net: s.net()})
		s.carryOut(guide.Share{Net: dmz})
		s.reaches(s.Server2, "tcp", at(s.world(), 80), "client")
		family := map[rules.Family]string{rules.IPv4: "-4", rules.IPv6: "-6"}[s.family]
		via := s.either("10.7.0.1", "2001:db8:7070::1").String()
		s.run(s.Server3, "ip", family, "route", "add", s.world().String(), "via", via)
		defer s.run(s.Server3, "ip", family, "route", "del", s.world().String())
		s.reachesFrom(s.Server3, peer, "tcp", at(s.world(), 80), "client")
	}},
	{"publish a server of another network", true, func(s *stand) {
		peer := s.either("10.7.0.3", "2001:db8:7070::3")
		s.serve(s.Server3, "tcp", at(peer, 8443))
		s.carryOut(guide.Publish{Port: "443", To: at(peer, 8443), Inside: true, ThisHost: true, WayBack: "elsewhere"})
		for _, from := range []*lab.Node{s.Client, s.Server2, s.Gateway} {
			s.reaches(from, "tcp", at(s.of(s.Gateway), 443), "server3")
		}
	}},
	{"publish at the second way to the world", true, func(s *stand) {
		if s.family == rules.IPv6 {
			return // it has no address there
		}
		s.carryOut(guide.Publish{At: "192.0.2.1", Port: "80", To: at(s.of(s.Server2), 8080), Inside: true, ThisHost: true})
		for _, from := range []*lab.Node{s.Client, s.Server3, s.Gateway} {
			s.reaches(from, "tcp", "192.0.2.1:80", "server2")
		}
	}},
}

// Every recipe makes real connections work, from outside, from inside and from
// the gateway itself, whatever firewall it finds.
func TestRecipesOnTheKernel(t *testing.T) {
	for _, g := range gateways {
		t.Run(g.name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			s := newStand(t, g)
			for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
				for _, c := range tried {
					if c.several && !g.several || family == rules.IPv6 && !s.HasIPv6 {
						continue
					}
					t.Run(family.Title()+" "+c.name, func(t *testing.T) {
						on := *s
						on.t, on.family = t, family
						on.renew()
						c.try(&on)
					})
				}
			}
		})
	}
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
