package nftables_test

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
	"nattui/rules/nftables"
)

// beside are tables of others, as they are where nattui's own comes to stand. The port that is published is taken by each of
// those that translate, to a server that does not answer there: whoever is asked first wins.
var beside = map[string]string{
	"alone": "",
	"a hand-written table": `
table inet gw {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 8081 dnat ip to 192.168.0.3:1
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" snat ip to 203.0.113.77
	}
}`,
	"firewalld": `
table inet firewalld {
	chain nat_PREROUTING {
		type nat hook prerouting priority dstnat + 10; policy accept;
		tcp dport 8081 dnat ip to 192.168.0.3:1
	}
	chain nat_POSTROUTING {
		type nat hook postrouting priority srcnat + 10; policy accept;
		oifname "wan0" snat ip to 203.0.113.77
	}
	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
		ct state { established, related } accept
		ct status dnat accept
		iifname "lan0" accept
		reject with icmpx admin-prohibited
	}
}`,
	"fw4": `
table inet fw4 {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state vmap { established : accept, related : accept }
		iifname "lan0" accept
		iifname "wan0" jump forward_wan
	}
	chain forward_wan {
		ct status dnat accept comment "!fw4: Accept port forwards"
	}
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan0" tcp dport 8081 dnat ip to 192.168.0.3:1
	}
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" snat ip to 203.0.113.77
	}
}`,
	"a filter that drops": `
table inet filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan0" accept
	}
}`,
}

// TestOwnTableTranslates makes forwards, shares and redirects in nattui's own table, beside those of others, and sends real
// connections, of which the evaluator has to know the end.
func TestOwnTableTranslates(t *testing.T) {
	for name, others := range beside {
		t.Run(name, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			lab.Program(t, "nft")
			g := newOwnGateway(t, others)
			for _, f := range rules.Families {
				if f == rules.IPv6 && !g.HasIPv6 {
					continue
				}
				g.forwards(f, !strings.Contains(name, "drops"))
				g.shares(f)
				g.redirects(f)
			}
		})
	}
}

// ownGateway is the lab's gateway with servers that answer.
type ownGateway struct {
	*lab.Network
	*testing.T
	changer nftables.Changer
}

func newOwnGateway(t *testing.T, others string) *ownGateway {
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	g := &ownGateway{Network: n, T: t}
	for name, value := range map[string]string{"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"} {
		if err := n.Gateway.SetSysctl(name, value); err != nil && (n.HasIPv6 || !strings.Contains(name, "ipv6")) {
			t.Fatal(err)
		}
	}
	if others != "" {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(others)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft: %v\n%s", err, out)
		}
	}
	for _, f := range rules.Families {
		if f == rules.IPv6 && !n.HasIPv6 {
			continue
		}
		g.serve(n.Server2, g.of(f, n.Server2), 8080)
		g.serve(n.Client, g.either(f, lab.WorldIPv4.String(), lab.WorldIPv6.String()), 80)
		g.serve(n.Gateway, g.either(f, "192.168.0.1", "2001:db8:2::1"), 8888)
	}
	return g
}

func (g *ownGateway) serve(on *lab.Node, at netip.Addr, port uint16) {
	g.Helper()
	if _, err := on.Serve(g.Context(), "tcp", netip.AddrPortFrom(at, port)); err != nil {
		g.Fatal(err)
	}
}

func (g *ownGateway) of(f rules.Family, n *lab.Node) netip.Addr {
	return g.either(f, n.IPv4.String(), n.IPv6.String())
}

func (g *ownGateway) either(f rules.Family, four, six string) netip.Addr {
	if f == rules.IPv6 {
		return netip.MustParseAddr(six)
	}
	return netip.MustParseAddr(four)
}

// add makes a rule as nattui add does.
func (g *ownGateway) add(d rules.Draft) {
	g.Helper()
	rule, problems := d.Rule()
	if rules.HasErrors(problems) {
		g.Fatal(problems)
	}
	said := nft.FromIPTables(d.Family, rule)
	if len(said.Lacks) > 0 {
		g.Fatal(said.Lacks)
	}
	ctx := context.Background()
	now, err := g.changer.ReadNative(ctx)
	if err != nil {
		g.Fatal(err)
	}
	script, err := nft.AddOwn(now, rule.Chain, 0, []string{said.Text})
	if err != nil {
		g.Fatal(err)
	}
	trial, err := nftables.Try(ctx, now, script)
	if err != nil {
		g.Fatal(err)
	}
	changes, err := nft.Resolve(trial.Changes, now)
	if err != nil {
		g.Fatal(err)
	}
	if _, err := g.changer.MakeNative(ctx, now.Generation, changes); err != nil {
		g.Fatal(err)
	}
}

// ends is what the evaluator says of a packet.
func (g *ownGateway) ends(in string, from, to netip.AddrPort) evaluate.Outcome {
	g.Helper()
	now, err := g.changer.ReadNative(context.Background())
	if err != nil {
		g.Fatal(err)
	}
	f, err := host.Read(context.Background())
	if err != nil {
		g.Fatal(err)
	}
	f.Native = evaluate.CompileNative(now)
	p, err := evaluate.NewPacket(rules.TCP, from, to)
	if err != nil {
		g.Fatal(err)
	}
	p.In = in
	path, err := evaluate.NewEvaluator(f.Host(nil)).Evaluate(p)
	if err != nil || !path.Certain {
		g.Fatalf("%v: %v, not certain: %v", to, err, path.Doubts)
	}
	return path.Outcomes[0]
}

// asked is who answers a connection, and from where he is asked; nobody within a second is an empty answer.
func (g *ownGateway) asked(by *lab.Node, to netip.AddrPort) lab.Answer {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), time.Second)
	defer cancel()
	answer, err := by.Ask(ctx, "tcp", to)
	if err != nil {
		return lab.Answer{}
	}
	return answer
}

func (g *ownGateway) forwards(f rules.Family, passes bool) {
	g.Helper()
	wan, server := g.either(f, "203.0.113.1", "2001:db8:1::1"), netip.AddrPortFrom(g.of(f, g.Server2), 8080)
	g.add(rules.Draft{Family: f, Kind: rules.DNAT, Protocol: "tcp", In: "wan0", Ports: "8081", To: server.String()})
	to, from := netip.AddrPortFrom(wan, 8081), netip.AddrPortFrom(g.of(f, g.Client), 40000)
	end := g.ends("wan0", from, to)
	answer := g.asked(g.Client, to)
	if got := answer.At == server; got != passes || (end.Delivered == evaluate.Forwarded) != passes || passes && end.Dst.AddrPort() != server {
		g.Errorf("%v: answered at %v, predicted %v to %v", to, answer.At, end.Delivered, end.Dst)
	}
	if !passes && (end.DroppedBy.Table != "inet filter" || end.DroppedBy.Chain != "forward") {
		g.Errorf("dropped by %v", end.DroppedBy)
	}
}

func (g *ownGateway) shares(f rules.Family) {
	g.Helper()
	wan, world := g.either(f, "203.0.113.1", "2001:db8:1::1"), g.either(f, lab.WorldIPv4.String(), lab.WorldIPv6.String())
	g.add(rules.Draft{Family: f, Kind: rules.Masquerade, Source: map[rules.Family]string{rules.IPv4: "192.168.0.0/24", rules.IPv6: "2001:db8:2::/64"}[f], Out: "wan0"})
	to, from := netip.AddrPortFrom(world, 80), netip.AddrPortFrom(g.of(f, g.Server2), 41000)
	end, answer := g.ends("lan0", from, to), g.asked(g.Server2, to)
	if answer.Peer.Addr() != wan || end.Src.Addr != wan {
		g.Errorf("%v: seen as %v, predicted %v", to, answer.Peer, end.Src)
	}
}

func (g *ownGateway) redirects(f rules.Family) {
	g.Helper()
	world, own := g.either(f, lab.WorldIPv4.String(), lab.WorldIPv6.String()), netip.AddrPortFrom(g.either(f, "192.168.0.1", "2001:db8:2::1"), 8888)
	g.add(rules.Draft{Family: f, Kind: rules.Redirect, Protocol: "tcp", In: "lan0", Ports: "81,82", To: "8888"})
	to, from := netip.AddrPortFrom(world, 82), netip.AddrPortFrom(g.of(f, g.Server2), 42000)
	end, answer := g.ends("lan0", from, to), g.asked(g.Server2, to)
	if answer.At != own || end.Delivered != evaluate.Delivered || end.Dst.AddrPort() != own {
		g.Errorf("%v: answered at %v, predicted %v at %v", to, answer.At, end.Delivered, end.Dst)
	}
}
