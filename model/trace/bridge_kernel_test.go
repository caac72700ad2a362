package trace_test

import (
	"net/netip"
	"strings"
	"testing"

	"nattui/model/lab"
	"nattui/model/traced"
)

// TestFromABridge: what comes by a bridge with br_netfilter has another number behind PREROUTING, and its way is told to its end
// all the same, also where PREROUTING translates it last.
func TestFromABridge(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := bridged(t)
	inside := netip.AddrPortFrom(g.Server2.IPv4, 8080)
	g.echo(g.Server2, inside)
	g.iptables("iptables-nft", strings.Fields("-t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 80 -j DNAT --to-destination "+inside.String())...)
	outside := netip.AddrPortFrom(g.Client.IPv4, 8081)
	g.echo(g.Client, outside)
	g.iptables("iptables-nft", strings.Fields("-t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 81 -j DNAT --to-destination "+outside.String())...)
	g.iptables("iptables-nft", strings.Fields("-t nat -A POSTROUTING -o wan0 -j MASQUERADE")...)

	// The reply of a published service comes by the bridge.
	tr := g.start("tcp dst 203.0.113.1 dport 80 new")
	g.dial(netip.MustParseAddrPort("203.0.113.1:80"))
	request, reply := g.next(tr), g.next(tr)
	if request.End != traced.TraceForwarded || reply.End != traced.TraceForwarded || reply.ReplyTo != request.Number || reply.First.In != "br0" || reply.Last.Out != "wan0" {
		t.Errorf("the way of the request was\n%s and of the reply\n%s", way(request), way(reply))
	}
	tr.Close()

	// What the LAN sends is translated by the last hop before it gets another number.
	tr = g.start("tcp dst 203.0.113.1 dport 81 new in br0")
	c, err := g.Server3.Dial(g.Context(), "tcp", netip.AddrPortFrom(g.Server3.IPv4, clientPort), netip.MustParseAddrPort("203.0.113.1:81"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	request = g.next(tr)
	if request.End != traced.TraceForwarded || request.Last.Dst != outside || request.Last.Src.Addr().String() != "203.0.113.1" {
		t.Errorf("the way of what the LAN sends was\n%s", way(request))
	}
	tr.Close()

	// Of what is not seen any more nobody can say why.
	if err := g.Gateway.SetSysctl("net/ipv4/ip_forward", "0"); err != nil {
		t.Fatal(err)
	}
	tr = g.start("udp dst 203.0.113.10 dport 7")
	if err := g.Server3.SendUDP(netip.AddrPortFrom(g.Server3.IPv4, clientPort), netip.MustParseAddrPort("203.0.113.10:7"), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	lost := g.next(tr)
	if said := lost.Outcome(); lost.End != traced.TraceLost || !strings.Contains(said, "not known") || !strings.Contains(said, "br0") || strings.Contains(said, "refused") {
		t.Errorf("of a packet that is not seen any more it says %q", said)
	}
}

// bridged is a gateway whose LAN is a bridge that has packets pass through iptables.
func bridged(t *testing.T) *gateway {
	g := build(t)
	for _, c := range []string{
		"ip link add br0 type bridge", "ip link set br0 up", "ip addr flush dev lan0", "ip link set lan0 master br0", "ip addr add 192.168.0.1/24 dev br0",
	} {
		g.sh(strings.Fields(c)...)
	}
	if err := g.Gateway.SetSysctl("net/bridge/bridge-nf-call-iptables", "1"); err != nil {
		lab.Lacks(t, "br_netfilter is not loaded: "+err.Error())
	}
	for _, n := range []*lab.Node{g.Server2, g.Server3} {
		if _, err := n.Ping(t.Context(), netip.MustParseAddr("192.168.0.1")); err != nil {
			t.Fatal(err)
		}
	}
	return g
}
