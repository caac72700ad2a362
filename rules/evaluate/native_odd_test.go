package evaluate_test

import (
	"context"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"testing"
	"time"

	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nftables"
)

// oddNative are rules whose expressions the kernel breaks off for packets of the other family, does not tell us of, or that
// change what the kernel takes a packet for. certain is whether their packets can be predicted.
var oddNative = []struct {
	name, chain, rule string
	certain           bool
}{
	{"IPv6 addresses of connections", "filter hook prerouting priority 0", "ct original ip6 daddr != ::1 drop", true},
	{"IPv4 addresses of connections", "filter hook prerouting priority 0", "ct original ip saddr != 1.1.1.1 drop", true},
	{"IPv4 addresses of replies", "filter hook postrouting priority 0", "ct reply ip saddr != 1.1.1.1 drop", true},
	{"IPv6 addresses of replies", "filter hook input priority 0", "ct reply ip6 daddr != ::1 drop", true},
	{"an operating system", "filter hook prerouting priority -150", "osf name unknown drop", false},
	{"another operating system", "filter hook prerouting priority -150", "osf name != Linux drop", false},
	{"a TCP option that is not there", "filter hook prerouting priority -150", "tcp option maxseg size 0-65535 drop", false},
	{"an IPv4 option that is not there", "filter hook prerouting priority -150", "ip option lsrr ptr 0-255 drop", false},
	{"a nexthop of the other family", "filter hook forward priority 0", "rt ip6 nexthop != ::1 drop", false},
	{"a socket that may be transparent", "filter hook input priority 0", "socket transparent 0 drop", false},
	{"a socket's mark", "filter hook prerouting priority -150", "socket mark != 1 drop", false},
	{"made one for another host", "filter hook prerouting priority -150", "meta pkttype set other", true},
	{"made broadcast late", "filter hook prerouting priority 0", "meta pkttype set broadcast", true},
	{"made one for this host", "filter hook prerouting priority -150", "meta pkttype set host", true},
	{"made and asked", "filter hook prerouting priority -150", "meta pkttype set multicast meta pkttype multicast drop", true},
	{"a SYN proxy with a name", "filter hook forward priority 0", "ct state new tcp flags syn synproxy name away", false},
}

func TestOddNativeRulesAgree(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	g := openGround(t)
	for _, o := range oddNative {
		t.Run(o.name, func(t *testing.T) {
			text := "flush ruleset\nadd table inet t\nadd synproxy inet t away mss 1460 wscale 7\nadd chain inet t c { type " + o.chain + "; }\nadd rule inet t c " + o.rule +
				"\nadd chain inet t track { type filter hook forward priority 10; }\nadd rule inet t track ct state new counter\n"
			run(t, text, "nft", "-f", "-")
			set, err := nftables.Read(context.Background())
			check(t, "read the native tables", err)
			g.forgetFlows(t)
			host := g.host
			host.Native = evaluate.CompileNative(set)
			e := evaluate.NewEvaluator(host)
			g.alone = e
			open := 0
			for i, p := range oddNativePackets() {
				if path, err := e.Evaluate(p); err != nil || !path.Certain {
					open++
					if o.certain {
						t.Errorf("packet %d, right and not certain: %v %v", i, err, path.Doubts)
					}
				}
				var sum tally
				if what, ok := compare(t, g, e, p, false, &sum); !ok {
					t.Errorf("packet %d: %s", i, what)
				}
			}
			if !o.certain && open == 0 {
				t.Error("everything is certain")
			}
		})
	}
}

// oddNativePackets are forwarded and for this host, of both families. Raw sockets see TCP for this host before TCP does.
func oddNativePackets() (all []evaluate.Packet) {
	for i, p := range []struct {
		protocol rules.Protocol
		from, to string
	}{
		{rules.UDP, "203.0.113.10", "192.168.0.2"},
		{rules.TCP, "203.0.113.10", "192.168.0.2"},
		{rules.UDP, "203.0.113.10", "203.0.113.1"},
		{rules.UDP, "2001:db8:1::10", "2001:db8:2::2"},
		{rules.TCP, "2001:db8:1::10", "2001:db8:2::2"},
		{rules.UDP, "2001:db8:1::10", "2001:db8:1::1"},
	} {
		packet := evaluate.Packet{
			Protocol: p.protocol, Src: netip.MustParseAddr(p.from), Dst: netip.MustParseAddr(p.to), SrcPort: uint16(4000 + i), DstPort: 80,
			In: "wan0", TTL: 64, MAC: "02:00:00:00:00:01", Has: evaluate.HasTOS,
		}
		if p.protocol == rules.TCP {
			packet.TCPFlags, packet.Has = 2, packet.Has|evaluate.HasTCPFlags
		}
		all = append(all, packet)
	}
	return all
}

// TestTCPTakesWhatIsForThisHost holds the prediction for packets that a rule has made some for another host against real
// connections over loopback.
func TestTCPTakesWhatIsForThisHost(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	lab.Program(t, "nft")
	openGround(t)
	run(t, "", "ip", "link", "set", "lo", "up")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, "listen", err)
	defer listener.Close()
	to := netip.MustParseAddrPort(listener.Addr().String())
	port := strconv.Itoa(int(to.Port()))
	for kind, taken := range map[string]bool{"host": true, "other": false, "broadcast": false} {
		run(t, "flush ruleset\nadd table inet t\nadd chain inet t c { type filter hook prerouting priority -150; }\nadd rule inet t c iif lo tcp dport "+
			port+" meta pkttype set "+kind+
			"\nadd rule inet t c iif lo tcp dport "+port+" tcp flags & (syn | ack) == syn counter\n", "nft", "-f", "-")
		set, err := nftables.Read(context.Background())
		check(t, "read the native tables", err)
		e := evaluate.NewEvaluator(evaluate.Host{Native: evaluate.CompileNative(set), Interfaces: interfaces(t)})
		path, err := e.Evaluate(evaluate.Packet{Protocol: rules.TCP, Src: to.Addr(), Dst: to.Addr(), SrcPort: 4000, DstPort: to.Port(), Local: true, Out: "lo"})
		check(t, "evaluate", err)
		if got := path.Outcomes[0].Delivered == evaluate.Delivered; got != taken || !path.Certain {
			t.Errorf("%s: predicted %v, certain %v: %v", kind, path.Outcomes[0], path.Certain, path.Doubts)
		}
		if got := connects(t, to); got != taken {
			t.Errorf("%s: a connection is made: %v", kind, got)
		}
	}
}

// connects tells whether a connection is made before its SYN is sent again: that shows that the first was dropped.
func connects(t *testing.T, to netip.AddrPort) bool {
	t.Helper()
	made := make(chan bool, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", to.String())
		if err == nil {
			c.Close()
		}
		made <- err == nil
	}()
	sent := regexp.MustCompile(`counter packets (\d+) `)
	for {
		select {
		case ok := <-made:
			return ok
		case <-time.After(20 * time.Millisecond):
			if n, _ := strconv.Atoi(sent.FindStringSubmatch(run(t, "", "nft", "list", "ruleset"))[1]); n > 1 {
				return false
			}
		}
	}
}
