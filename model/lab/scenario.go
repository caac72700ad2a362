package lab

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Scenario is a situation to find the gateway in: its rules, what is forwarded,
// who serves and who talks to whom.
type Scenario struct {
	Name string
	// Summary says in one line what there is to see.
	Summary string

	forwarding bool
	rulesIPv4  []string      // each as iptables takes it, see words
	rulesIPv6  []string      // each as ip6tables takes it
	many       func() string // rules of IPv4 by the thousand: input of iptables-restore --noflush
	native     string        // what nft reads
	services   []service
	talks      []talk
	flood      *flood
}

// DefaultScenario is the one with a bit of everything.
const DefaultScenario = "publish"

// Scenarios lists what Run and Play know, the default first.
func Scenarios() []Scenario { return slices.Clone(scenarios) }

func scenarioNamed(name string) (Scenario, error) {
	if name == "" {
		name = DefaultScenario
	}
	var names []string
	for _, s := range scenarios {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("no scenario %q: there are %s", name, strings.Join(names, ", "))
}

// machine names one of the lab's nodes in the tables below.
type machine int

const (
	client machine = iota
	gateway
	server2
	server3
)

func (n *Network) machine(m machine) *Node {
	return [...]*Node{client: n.Client, gateway: n.Gateway, server2: n.Server2, server3: n.Server3}[m]
}

// service is a port of a machine that answers, over both families.
type service struct {
	on      machine
	network string
	port    uint16
}

var scenarios = []Scenario{
	{
		Name:       "publish",
		Summary:    "a web server behind DNAT with its return path, two long connections, name queries going out",
		forwarding: true,
		rulesIPv4: []string{
			"-t nat -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -m comment --comment web -j DNAT --to-destination 192.168.0.2:8080",
			"-t nat -A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:443",
			"-t nat -A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888",
			`-t nat -A POSTROUTING -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -m comment --comment "web, return path" -j SNAT --to-source 192.168.0.1`,
			"-t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE",
		},
		rulesIPv6: []string{
			"-t nat -A PREROUTING -d 2001:db8:1::1/128 -p tcp -m tcp --dport 80 -m comment --comment web -j DNAT --to-destination [2001:db8:2::2]:8080",
		},
		services: []service{
			{server2, "tcp", 8080}, {server3, "tcp", 443}, {gateway, "tcp", 8888}, {client, "udp", 53}, {client, "tcp", 80},
		},
		talks: []talk{
			{from: client, network: "tcp", to: "203.0.113.1:80", every: 250 * time.Millisecond},
			{from: client, network: "tcp", to: "[2001:db8:1::1]:80", every: 2 * time.Second},
			{from: client, network: "tcp", to: "203.0.113.1:8443", stays: true},
			{from: client, network: "tcp", to: "203.0.113.1:80", stays: true},
			{from: server3, network: "udp", to: "198.51.100.7:53", every: time.Second},
			{from: server3, network: "tcp", to: "198.51.100.7:80", every: 3 * time.Second},
		},
	},
	{
		Name:       "share",
		Summary:    "machines of the LAN share the gateway's address by MASQUERADE; FORWARD lets only them begin",
		forwarding: true,
		rulesIPv4: []string{
			"-t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE",
			"-P FORWARD DROP",
			"-A FORWARD -i wan0 -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
			"-A FORWARD -i lan0 -o wan0 -j ACCEPT",
		},
		rulesIPv6: []string{
			"-t nat -A POSTROUTING -s 2001:db8:2::/64 -o wan0 -j MASQUERADE",
		},
		services: []service{{client, "tcp", 80}, {client, "tcp", 443}, {client, "udp", 53}},
		talks: []talk{
			{from: server2, network: "tcp", to: "198.51.100.7:80", every: 500 * time.Millisecond},
			{from: server3, network: "tcp", to: "198.51.100.7:443", every: 800 * time.Millisecond},
			{from: server2, network: "tcp", to: "198.51.100.7:443", stays: true},
			{from: server2, network: "udp", to: "198.51.100.7:53", every: time.Second},
			{from: server3, network: "udp", to: "198.51.100.7:53", every: time.Second},
			{from: server3, network: "tcp", to: "[2001:db8:7::7]:80", every: 2 * time.Second},
			{from: server3, network: "icmp", to: "198.51.100.7:0", every: 2 * time.Second},
		},
	},
	{
		Name:       "proxy",
		Summary:    "what the LAN asks of anybody's port 80 is answered by a proxy on the gateway, port 8888, by REDIRECT",
		forwarding: true,
		rulesIPv4: []string{
			"-t nat -A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888",
			"-t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE",
		},
		rulesIPv6: []string{
			"-t nat -A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888",
		},
		services: []service{{gateway, "tcp", 8888}, {client, "tcp", 80}, {client, "tcp", 443}},
		talks: []talk{
			{from: server2, network: "tcp", to: "198.51.100.7:80", every: 400 * time.Millisecond},
			{from: server3, network: "tcp", to: "203.0.113.10:80", every: 700 * time.Millisecond},
			{from: server2, network: "tcp", to: "198.51.100.7:80", stays: true},
			{from: server3, network: "tcp", to: "198.51.100.7:443", every: time.Second},
			{from: server2, network: "tcp", to: "[2001:db8:7::7]:80", every: 2 * time.Second},
		},
	},
	{
		Name:       "kube",
		Summary:    "5,000 rules as kube-proxy writes them: services, node ports and their endpoints",
		forwarding: true,
		many:       func() string { return kubeRules(kubeServices) },
		services:   []service{{server2, "tcp", 8080}, {server3, "tcp", 8080}},
		talks: []talk{
			{from: client, network: "tcp", to: "203.0.113.1:30000", every: 300 * time.Millisecond},
			{from: client, network: "tcp", to: "203.0.113.1:30001", every: 700 * time.Millisecond},
			{from: gateway, network: "tcp", to: "10.96.0.1:80", every: 500 * time.Millisecond},
			{from: client, network: "tcp", to: "203.0.113.1:30000", stays: true},
		},
	},
	{
		Name:       "flood",
		Summary:    "2,000 new UDP flows a second through one DNAT rule, for ten minutes",
		forwarding: true,
		rulesIPv4: []string{
			"-t nat -A PREROUTING -d 203.0.113.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 192.168.0.3:53",
		},
		services: []service{{server3, "udp", 53}},
		flood:    &flood{from: client, to: netip.MustParseAddrPort("203.0.113.1:53"), perSecond: 2000},
	},
	{
		Name:       "fw4",
		Summary:    "a gateway as OpenWrt's fw4 writes it, in native nft: zones, forwards, their reflection and a masquerade",
		forwarding: true,
		native:     nativeRules["fw4"],
		services: []service{
			{server2, "tcp", 8080}, {server3, "tcp", 443}, {client, "tcp", 80}, {client, "udp", 53},
		},
		talks: []talk{
			{from: client, network: "tcp", to: "203.0.113.1:80", every: 300 * time.Millisecond},
			{from: client, network: "tcp", to: "203.0.113.1:8443", stays: true},
			{from: server3, network: "tcp", to: "203.0.113.1:80", every: time.Second},
			{from: server3, network: "udp", to: "198.51.100.7:53", every: time.Second},
			{from: server2, network: "tcp", to: "198.51.100.7:80", every: 2 * time.Second},
		},
	},
	{
		Name:       "native",
		Summary:    "a hand-written gateway in native nft: a map of forwards, a set of networks, a filter that drops",
		forwarding: true,
		native:     nativeRules["native"],
		services: []service{
			{server2, "tcp", 8080}, {server3, "tcp", 443}, {gateway, "udp", 5353}, {client, "tcp", 80}, {client, "udp", 53},
		},
		talks: []talk{
			{from: client, network: "tcp", to: "203.0.113.1:80", every: 300 * time.Millisecond},
			{from: client, network: "tcp", to: "203.0.113.1:8443", stays: true},
			{from: server3, network: "udp", to: "198.51.100.7:53", every: time.Second},
			{from: server2, network: "tcp", to: "198.51.100.7:80", every: 2 * time.Second},
		},
	},
	{
		Name:    "empty",
		Summary: "no rules, no traffic, nothing forwarded: a gateway to begin with",
		services: []service{
			{server2, "tcp", 8080}, {server3, "tcp", 443}, {gateway, "tcp", 8888}, {client, "tcp", 80}, {client, "udp", 53},
		},
	},
}

// Play puts the network into the named scenario. It returns once the rules
// stand and every service listens; the traffic goes on until ctx is done or its
// time is up. IPv6 takes part where kernel and programs have it.
func (n *Network) Play(ctx context.Context, scenario string) error {
	s, err := scenarioNamed(scenario)
	if err != nil {
		return err
	}
	return n.enact(ctx, s)
}

// enact puts the network into a scenario.
func (n *Network) enact(ctx context.Context, s Scenario) error {
	if err := n.forward(s.forwarding); err != nil {
		return err
	}
	if err := n.seed(ctx, s); err != nil {
		return err
	}
	n.countFlows()
	for _, service := range s.services {
		if err := n.serve(ctx, service); err != nil {
			return err
		}
	}
	n.startTraffic(ctx, s)
	return nil
}

func (n *Network) forward(on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	err := n.Gateway.SetSysctl("net/ipv4/ip_forward", value)
	if err == nil && n.HasIPv6 {
		err = n.Gateway.SetSysctl("net/ipv6/conf/all/forwarding", value)
	}
	if err != nil {
		return fmt.Errorf("switch forwarding: %w", err)
	}
	return nil
}

// seed lays the scenario's rules with whatever backend iptables has here, one at a time:
// nothing looks before the last one.
func (n *Network) seed(ctx context.Context, s Scenario) error {
	for _, line := range s.rulesIPv4 {
		if err := n.Gateway.Iptables("iptables", words(line)...); err != nil {
			return err
		}
	}
	if s.native != "" {
		if _, err := n.Gateway.pipe(ctx, s.native, "nft", "-f", "-"); err != nil {
			return err
		}
	}
	if s.many != nil {
		if err := n.Restore(ctx, "iptables-restore", s.many()); err != nil {
			return err
		}
	}
	if _, err := exec.LookPath("ip6tables"); err != nil || !n.HasIPv6 {
		return nil
	}
	for _, line := range s.rulesIPv6 {
		if err := n.Gateway.Iptables("ip6tables", words(line)...); err != nil {
			return err
		}
	}
	return nil
}

// words splits a rule at its spaces, but for those in quotation marks.
func words(line string) []string {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma = ' '
	all, err := r.Read()
	if err != nil {
		panic(err) // the scenarios are written here
	}
	return all
}

// Restore loads rules on the gateway with the named program, which is
// iptables-restore or one of its kin, and keeps the rules that are there: thousands take
// as long as one alone. Many rules go in batches: outside of the first user namespace the nft backend
// cannot send more than the system's socket buffer at once (net.core.wmem_max),
// and fails with "Message too long".
func (n *Network) Restore(ctx context.Context, program, rules string) error {
	for _, batch := range restoreBatches(rules, 150) {
		if _, err := n.Gateway.pipe(ctx, batch, program, "--noflush", "-w", "5"); err != nil {
			return err
		}
	}
	return nil
}

// restoreBatches cuts the input of iptables-restore into several of at most
// size lines that do the same one after the other.
func restoreBatches(rules string, size int) []string {
	const commit = "COMMIT\n"
	var batches []string
	var table string
	var lines []string
	flush := func() {
		if len(lines) > 0 {
			batches = append(batches, table+strings.Join(lines, "")+commit)
		}
		lines = nil
	}
	for line := range strings.Lines(rules) {
		switch {
		case strings.HasPrefix(line, "*"):
			table = line
		case line == commit:
			flush()
		default:
			if lines = append(lines, line); len(lines) == size {
				flush()
			}
		}
	}
	return batches
}

// countFlows makes the kernel keep counters and times of flows where it lets
// this namespace choose; both are off by default. A kernel that does not is no
// reason to do without the lab.
func (n *Network) countFlows() {
	for _, name := range []string{"nf_conntrack_acct", "nf_conntrack_timestamp"} {
		_ = n.Gateway.SetSysctl("net/netfilter/"+name, "1")
	}
}

// serve starts a service on every address of its machine, one socket each, so
// that answers to datagrams come from where the question went.
func (n *Network) serve(ctx context.Context, s service) error {
	for _, address := range n.addressesOf(s.on) {
		if _, err := n.machine(s.on).Serve(ctx, s.network, netip.AddrPortFrom(address, s.port)); err != nil {
			return fmt.Errorf("start the scenario's services: %w", err)
		}
	}
	return nil
}

func (n *Network) addressesOf(m machine) []netip.Addr {
	node := n.machine(m)
	addresses := []netip.Addr{node.IPv4, node.IPv6}
	switch m {
	case client:
		addresses = append(addresses, WorldIPv4, WorldIPv6)
	case gateway:
		addresses = append(addresses, lanIPv4.Addr(), lanIPv6.Addr())
	}
	if n.HasIPv6 {
		return addresses
	}
	return slices.DeleteFunc(addresses, netip.Addr.Is6)
}
