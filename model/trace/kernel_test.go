package trace_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"nattui/model/lab"
	"nattui/model/trace"
	"nattui/model/traced"
	"nattui/rules"
)

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// gateway is a lab whose gateway publishes an echo service of server2's.
type gateway struct {
	*testing.T
	*lab.Network
}

func build(t *testing.T) *gateway {
	t.Helper()
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	g := &gateway{t, n}
	for _, s := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		if err := n.Gateway.SetSysctl(s, "1"); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func (g *gateway) sh(words ...string) string {
	g.Helper()
	out, err := g.Gateway.Output(g.Context(), words[0], words[1:]...)
	if err != nil {
		g.Fatal(err)
	}
	return out
}

// echo serves on a machine until the test ends.
func (g *gateway) echo(on *lab.Node, at netip.AddrPort) {
	g.Helper()
	l, err := on.Listen(g.Context(), at)
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
}

func (g *gateway) start(filter string) *trace.Trace {
	g.Helper()
	tr, err := trace.Start(g.Context(), parsed(g.T, filter))
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { tr.Close() })
	return tr
}

func (g *gateway) next(tr *trace.Trace) *traced.Traced {
	g.Helper()
	select {
	case p, ok := <-tr.Packets():
		if !ok {
			g.Fatalf("the trace ended: %v", tr.Err())
		}
		return p
	case <-time.After(patience):
		g.Fatal("no packet was reported")
		return nil
	}
}

// way is a packet's way as text, a line for each hop.
func way(p *traced.Traced) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", p.Title())
	for i := range p.Hops {
		h := &p.Hops[i]
		fmt.Fprintf(&b, "%s %s: %s\n", h.Where(), h.Verdict, h.Packet.Ends())
	}
	fmt.Fprintln(&b, p.Outcome())
	return b.String()
}

// clientPort is where the client speaks from.
const clientPort = 4000

func (g *gateway) dial(to netip.AddrPort) net.Conn {
	g.Helper()
	from := g.Client.IPv4
	if to.Addr().Is6() {
		from = g.Client.IPv6
	}
	c, err := g.Client.Dial(g.Context(), "tcp", netip.AddrPortFrom(from, clientPort), to)
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { c.Close() })
	return c
}

// iptables makes one change on the gateway.
func (g *gateway) iptables(program string, words ...string) {
	g.Helper()
	if err := g.Gateway.Iptables(program, words...); err != nil {
		g.Fatal(err)
	}
}

// says sends a datagram from the client.
func (g *gateway) says(to string) {
	g.Helper()
	at := netip.MustParseAddrPort(to)
	from := g.Client.IPv4
	if at.Addr().Is6() {
		from = g.Client.IPv6
	}
	if err := g.Client.SendUDP(netip.AddrPortFrom(from, clientPort), at, []byte("hello")); err != nil {
		g.Fatal(err)
	}
}

func (g *gateway) expect(p *traced.Traced, want string) {
	g.Helper()
	want = strings.TrimPrefix(want, "\n")
	if got := way(p); got != want {
		g.Errorf("the way was\n%swant\n%s", got, want)
	}
}

func TestDNATAndReply(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		t.Run(family, func(t *testing.T) {
			g := build(t)
			iptables, client, outside, inside := "iptables", g.Client.IPv4, g.Gateway.IPv4, g.Server2.IPv4
			if family == "ipv6" {
				iptables, client, outside, inside = "ip6tables", g.Client.IPv6, g.Gateway.IPv6, g.Server2.IPv6
			}
			g.echo(g.Server2, netip.AddrPortFrom(inside, 8080))
			for _, rule := range []string{
				"-t nat -A PREROUTING -p tcp --dport 443 -j ACCEPT",
				"-t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination " + netip.AddrPortFrom(inside, 8080).String(),
				"-N web", "-A FORWARD -o lan0 -j web", "-A web -p tcp -j ACCEPT",
			} {
				g.iptables(iptables+"-nft", strings.Fields(rule)...)
			}
			tr := g.start("tcp dst " + outside.String() + " dport 80 new")
			g.dial(netip.AddrPortFrom(outside, 80))
			request, reply := g.next(tr), g.next(tr)

			names := strings.NewReplacer("CLIENT", netip.AddrPortFrom(client, clientPort).String(),
				"OUTSIDE", netip.AddrPortFrom(outside, 80).String(), "INSIDE", netip.AddrPortFrom(inside, 8080).String())
			g.expect(request, names.Replace(`
tcp syn CLIENT > OUTSIDE, arrives by wan0
nat PREROUTING 2 accept: CLIENT > OUTSIDE
filter FORWARD 1 jump: CLIENT > INSIDE
filter web 1 accept: CLIENT > INSIDE
out by lan0 as CLIENT > INSIDE
`))
			g.expect(reply, names.Replace(`
tcp syn+ack INSIDE > CLIENT, arrives by lan0
filter FORWARD policy accept: INSIDE > CLIENT
out by wan0 as OUTSIDE > CLIENT
`))
			if !reply.Reply || reply.ReplyTo != request.Number || request.Reply {
				t.Errorf("packet %d answers %d, want %d", reply.Number, reply.ReplyTo, request.Number)
			}
		})
	}
}

func TestEcho(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	g.iptables("iptables-nft", "-t", "nat", "-A", "PREROUTING", "-p", "icmp", "-j", "DNAT", "--to-destination", g.Server2.IPv4.String())
	tr := g.start("icmp")
	if _, err := g.Client.Ping(t.Context(), g.Gateway.IPv4); err != nil {
		t.Fatal(err)
	}
	g.expect(g.next(tr), `
icmp echo request 203.0.113.10 > 203.0.113.1, arrives by wan0
nat PREROUTING 1 accept: 203.0.113.10 > 203.0.113.1
out by lan0 as 203.0.113.10 > 192.168.0.2
`)
	g.expect(g.next(tr), `
icmp echo reply 192.168.0.2 > 203.0.113.10, arrives by lan0
out by wan0 as 203.0.113.1 > 203.0.113.10
`)
}

// TestThisHost is a service of the gateway's own, and one of its programs.
func TestThisHost(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	g.echo(g.Gateway, netip.MustParseAddrPort("203.0.113.1:80"))
	g.iptables("iptables-nft", "-A", "INPUT", "-p", "tcp", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
	tr := g.start("203.0.113.10 > :80 new")
	g.dial(netip.MustParseAddrPort("203.0.113.1:80"))
	g.expect(g.next(tr), `
tcp syn 203.0.113.10:4000 > 203.0.113.1:80, arrives by wan0
filter INPUT 1 accept: 203.0.113.10:4000 > 203.0.113.1:80
to this host, not translated
`)
	g.expect(g.next(tr), `
tcp syn+ack 203.0.113.1:80 > 203.0.113.10:4000, from this host
out by wan0, not translated
`)
	tr.Close()

	tr = g.start("udp dport 53")
	if err := g.Gateway.SendUDP(netip.MustParseAddrPort("192.168.0.1:5353"), netip.MustParseAddrPort("192.168.0.3:53"), nil); err != nil {
		t.Fatal(err)
	}
	g.expect(g.next(tr), `
udp 192.168.0.1:5353 > 192.168.0.3:53, from this host
out by lan0, not translated
`)
}

func TestDropped(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	if _, err := g.Client.Output(t.Context(), "ip", "route", "add", "192.168.0.0/24", "via", "203.0.113.1"); err != nil {
		t.Fatal(err)
	}
	g.iptables("iptables-nft", "-t", "raw", "-A", "PREROUTING", "-p", "udp", "--dport", "9", "-j", "DROP")
	g.iptables("iptables-nft", "-t", "mangle", "-A", "PREROUTING", "-p", "udp", "-j", "MARK", "--set-mark", "7")
	g.iptables("iptables-nft", "-P", "FORWARD", "DROP")
	tr := g.start("udp in wan0")
	g.says("192.168.0.2:9")
	g.expect(g.next(tr), `
udp 203.0.113.10:4000 > 192.168.0.2:9, arrives by wan0
raw PREROUTING 1 drop: 203.0.113.10:4000 > 192.168.0.2:9
dropped by raw PREROUTING 1
`)
	g.says("192.168.0.2:10")
	p := g.next(tr)
	g.expect(p, `
udp 203.0.113.10:4000 > 192.168.0.2:10, arrives by wan0
raw PREROUTING policy accept: 203.0.113.10:4000 > 192.168.0.2:10
mangle PREROUTING 1 continue: 203.0.113.10:4000 > 192.168.0.2:10
mangle PREROUTING policy accept: 203.0.113.10:4000 > 192.168.0.2:10
filter FORWARD policy drop: 203.0.113.10:4000 > 192.168.0.2:10
dropped by filter FORWARD policy
`)
	if p.Last.Mark != 7 || p.First.Mark != 0 {
		t.Errorf("the mark went from %d to %d", p.First.Mark, p.Last.Mark)
	}

	// Where routing takes it for nobody, it is not seen any more.
	if err := g.Gateway.SetSysctl("net/ipv4/ip_forward", "0"); err != nil {
		t.Fatal(err)
	}
	g.says("192.168.0.2:11")
	if p = g.next(tr); p.End != traced.TraceLost || len(p.Hops) != 3 {
		t.Errorf("with forwarding off:\n%s", way(p))
	}
}

// TestRulesMove: positions are those of now, whatever was inserted meanwhile.
func TestRulesMove(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	g.iptables("iptables-nft", "-t", "raw", "-A", "PREROUTING", "-p", "udp", "-j", "DROP")
	tr := g.start("udp")
	g.says("203.0.113.1:9")
	first := g.next(tr)
	g.iptables("iptables-nft", "-t", "raw", "-I", "PREROUTING", "-p", "tcp", "-j", "DROP")
	g.says("203.0.113.1:9")
	second := g.next(tr)
	if first.Hops[0].Where() != "raw PREROUTING 1" || second.Hops[0].Where() != "raw PREROUTING 2" || first.Generation == second.Generation {
		t.Errorf("dropped by %s, then by %s (generations %d and %d)", first.Hops[0].Where(), second.Hops[0].Where(), first.Generation, second.Generation)
	}
}

func TestNativeTable(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	g.sh("nft", "add table inet corp; add chain inet corp in { type filter hook prerouting priority -10; }; add rule inet corp in udp dport 1 accept; add rule inet corp in udp dport 9 drop")
	tr := g.start("udp dport 9")
	g.says("203.0.113.1:9")
	p := g.next(tr)
	g.expect(p, `
udp 203.0.113.10:4000 > 203.0.113.1:9, arrives by wan0
inet corp in 2 drop: 203.0.113.10:4000 > 203.0.113.1:9
dropped by inet corp in 2
`)
	if p.Hops[0].Text != "udp dport 9 drop" {
		t.Errorf("nft prints it as %q", p.Hops[0].Text)
	}
}

// TestBounded: a flood that fits the filter is not traced as a whole.
func TestBounded(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	tr := g.start("udp dport 9-10")
	began := time.Now()
	const flood = 2000
	for range flood {
		g.says("203.0.113.1:9")
	}
	// The last one is sent again until the limit lets it through.
	last := time.NewTicker(20 * time.Millisecond)
	defer last.Stop()
	for count := 0; ; {
		select {
		case p := <-tr.Packets():
			switch {
			case p.First.Dst.Port() == 9 && !p.Reply: // the gateway answers that nobody is there
				count++
				continue
			case p.First.Dst.Port() != 10:
				continue
			}
			if most := 10 + int(10*(time.Since(began).Seconds()+1)); count > most || count < 10 {
				t.Errorf("%d of %d packets were traced", count, flood)
			}
			return
		case <-last.C:
			g.says("203.0.113.1:10")
		}
	}
}

// tables are those of nf_tables as nft lists them.
func (g *gateway) tables() string { return g.sh("nft", "list", "tables") }

func TestGoneAfterClose(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	tr := g.start("tcp dport 80")
	if !strings.Contains(g.tables(), "nattui_trace") {
		t.Fatalf("the trigger is not there: %q", g.tables())
	}
	tr.Close()
	if left := g.tables(); left != "" {
		t.Errorf("after Close there is %q", left)
	}
	if _, more := <-tr.Packets(); more || tr.Err() != nil {
		t.Errorf("packets go on, %v", tr.Err())
	}
	ctx, stop := context.WithCancel(t.Context())
	tr, err := trace.Start(ctx, traced.TraceFilter{Proto: rules.UDP})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	for range tr.Packets() { // ends with the context
	}
	if left := g.tables(); left != "" {
		t.Errorf("after the end of the context there is %q", left)
	}
}

// doomed makes this test's program start a trace and wait for its end.
const doomed = "NATTUI_TEST_DOOMED"

func TestGoneAfterKill(t *testing.T) {
	if os.Getenv(doomed) != "" {
		if _, err := trace.Start(t.Context(), traced.TraceFilter{Proto: rules.TCP, DstPorts: rules.Port(80)}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("traces")
		select {}
	}
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestGoneAfterKill$")
	cmd.Env = append(os.Environ(), doomed+"=yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "traces\n" {
		t.Fatalf("it said %q, %v", line, err)
	}
	if !strings.Contains(g.tables(), "nattui_trace") {
		t.Errorf("the trigger is not there: %q", g.tables())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// A killed process's files are closed before its end is told.
	if left := g.tables(); left != "" {
		t.Errorf("after SIGKILL there is %q", left)
	}
}

// TestCommands: what is printed for nft makes the very rules that the kernel has.
func TestCommands(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := build(t)
	for _, filter := range []string{
		"tcp dport 80 new", "src 192.0.2.0/24 dst 203.0.113.1 sport 1000-2000 dport 80 udp", "src 2001:db8::/32 tcp dport 443", "icmp in wan0", "icmpv6", "proto gre dst 203.0.113.1", "family ipv6 in lan0",
	} {
		tr := g.start(filter)
		ours := g.sh("nft", "-n", "list", "ruleset")
		tr.Close()
		for _, c := range trace.Commands(parsed(t, filter)) {
			g.sh(c...)
		}
		theirs := g.sh("nft", "-n", "list", "ruleset")
		g.sh("nft", "flush", "ruleset")
		// Only the owner of the table tells them apart.
		ours = regexp.MustCompile(`(?m) # progname.*$|^\tflags owner\n\n`).ReplaceAllString(ours, "")
		if ours != theirs || !strings.Contains(ours, "nftrace set 1") {
			t.Errorf("%s: the trigger is\n%s\nthe commands make\n%s", filter, ours, theirs)
		}
	}
}

func parsed(t *testing.T, filter string) traced.TraceFilter {
	t.Helper()
	f, err := traced.ParseTraceFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
