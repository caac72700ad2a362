package evaluate

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"nattui/rules"
)

// kubeTable is a nat table as kube-proxy writes it: services, each with its own
// chain that chooses among endpoints by chance.
func kubeTable(services int) string {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" +
		":KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-POSTROUTING - [0:0]\n")
	for i := range services {
		fmt.Fprintf(&b, ":KUBE-SVC-%d - [0:0]\n:KUBE-SEP-%d-0 - [0:0]\n:KUBE-SEP-%d-1 - [0:0]\n", i, i, i)
	}
	b.WriteString("-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n-A POSTROUTING -j KUBE-POSTROUTING\n" +
		"-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n" +
		"-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n-A KUBE-POSTROUTING -j MASQUERADE --random-fully\n")
	for i := range services {
		ip := fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)
		fmt.Fprintf(&b, "-A KUBE-SERVICES -d %s/32 -p tcp -m comment --comment \"default/s%d cluster IP\" -m tcp --dport 80 -j KUBE-SVC-%d\n", ip, i, i)
	}
	b.WriteString("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j RETURN\n")
	for i := range services {
		ip := fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)
		fmt.Fprintf(&b, "-A KUBE-SVC-%d ! -s 10.244.0.0/16 -d %s/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ\n", i, ip)
		fmt.Fprintf(&b, "-A KUBE-SVC-%d -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-%d-0\n-A KUBE-SVC-%d -j KUBE-SEP-%d-1\n", i, i, i, i)
		for end := range 2 {
			fmt.Fprintf(&b, "-A KUBE-SEP-%d-%d -s 10.244.%d.%d/32 -j KUBE-MARK-MASQ\n-A KUBE-SEP-%d-%d -p tcp -m tcp -j DNAT --to-destination 10.244.%d.%d:8080\n",
				i, end, i/250, i%250+1, i, end, i/250, (i+end)%250+1)
		}
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

const kubeServices = 1250 // ten thousand rules

// twentyRules is a filter chain of an ordinary gateway, of which the packet of
// the benchmarks meets the last one.
func twentyRules() string {
	var b strings.Builder
	b.WriteString("*filter\n:FORWARD DROP [0:0]\n")
	for i := range 19 {
		fmt.Fprintf(&b, "-A FORWARD -i wan0 -d 192.168.0.%d/32 -p tcp -m tcp --dport %d -j ACCEPT\n", i%5+1, 1000+i)
	}
	b.WriteString("-A FORWARD -p tcp -m conntrack --ctstate NEW -m multiport --dports 80,443 -j ACCEPT\nCOMMIT\n")
	return b.String()
}

func benchmarkOutcomes(b *testing.B, p *Program, packets ...Packet) {
	e := NewEvaluator(gateway(), p)
	var buf []Outcome
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buf, _ = e.Outcomes(buf[:0], &packets[i%len(packets)])
	}
	if len(buf) == 0 {
		b.Fatal("no outcome")
	}
}

func BenchmarkTwentyRules(b *testing.B) {
	benchmarkOutcomes(b, Compile(setOf(b, rules.IPv4, rules.NFT, twentyRules())), parsePacket(b, "tcp 203.0.113.10:1000 192.168.0.9:80 in=wan0"))
}

// BenchmarkKubeProxy sends packets through a kube-proxy table of 10,000 rules:
// with the index, with each rule read, and for a packet that no service is
// meant by.
func BenchmarkKubeProxy(b *testing.B) {
	set := setOf(b, rules.IPv4, rules.NFT, kubeTable(kubeServices))
	var packets []Packet
	for i := range 64 {
		at := i * kubeServices / 64
		packets = append(packets, parsePacket(b, fmt.Sprintf("tcp 192.168.0.7:1000 10.96.%d.%d:80 in=lan0", at/250, at%250+1)))
	}
	plain := Compile(set)
	for _, c := range plain.chains {
		c.index = nil
	}
	stranger := parsePacket(b, "tcp 192.168.0.7:1000 1.2.3.4:80 in=lan0")
	b.Run("indexed", func(b *testing.B) { benchmarkOutcomes(b, Compile(set), packets...) })
	b.Run("every-rule", func(b *testing.B) { benchmarkOutcomes(b, plain, packets...) })
	b.Run("stranger-indexed", func(b *testing.B) { benchmarkOutcomes(b, Compile(set), stranger) })
	b.Run("stranger-every-rule", func(b *testing.B) { benchmarkOutcomes(b, plain, stranger) })
}

// flatTable is a gateway of 10,000 rules in chains without jumps: a port each that is forwarded, networks that are dropped
// by their sources, and servers that are let through.
func flatTable() string {
	var b strings.Builder
	b.WriteString("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
	for i := range 3300 {
		fmt.Fprintf(&b, "-A PREROUTING -i wan0 -p tcp -m tcp --dport %d -j DNAT --to-destination 192.168.%d.%d:80\n", 1000+i, i/250, i%250+2)
	}
	b.WriteString("-A POSTROUTING -s 192.168.0.0/16 -o wan0 -j MASQUERADE\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n")
	for i := range 3300 {
		fmt.Fprintf(&b, "-A FORWARD -s 10.%d.%d.0/24 -j DROP\n", i/250, i%250)
	}
	for i := range 3400 {
		fmt.Fprintf(&b, "-A FORWARD -d 192.168.%d.%d/32 -p tcp -m tcp --dport 80 -j ACCEPT\n", i/250, i%250+2)
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// BenchmarkManyPackets follows packets of many clients to 3,300 services through 10,000 rules, each by itself with all
// rules that it is compared with, with those that match, and as they are foreseen by their classes. One of the last took
// 0.6 µs where each by itself took 1,500, and 33 with those that match, on a core of 2.6 GHz.
func BenchmarkManyPackets(b *testing.B) {
	host := gateway()
	host.RouteNets = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}
	e := NewEvaluator(host, Compile(setOf(b, rules.IPv4, rules.NFT, flatTable())))
	packets := make([]Packet, 16384)
	for i := range packets {
		packets[i] = parsePacket(b, fmt.Sprintf("tcp 203.0.113.%d:%d 203.0.113.1:%d in=wan0", i%200+10, 1024+i, 1000+i%3300))
	}
	follow := func(name string, of func(Packet) (Path, error)) {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if path, err := of(packets[i%len(packets)]); err != nil || !path.Certain {
					b.Fatal(path.Doubts, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
	follow("each-rule", e.Evaluate)
	follow("met", func(p Packet) (Path, error) { return e.Foresee(p, false) })
	follow("foreseen", e.Foresight(false).Of)
}

func BenchmarkCompileKubeProxy(b *testing.B) {
	set := setOf(b, rules.IPv4, rules.NFT, kubeTable(kubeServices))
	b.ReportAllocs()
	for b.Loop() {
		Compile(set)
	}
}

func BenchmarkReachKubeProxy(b *testing.B) {
	p := Compile(setOf(b, rules.IPv4, rules.NFT, kubeTable(kubeServices)))
	for b.Loop() {
		if found := p.Reach("nat"); len(found) != 0 {
			b.Fatal(found[0].Sentence())
		}
	}
}

// TestCostsLittle holds what the screens count on: a packet that decides every
// match costs no allocation, and a long table little more than a short one.
func TestCostsLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	short := NewEvaluator(gateway(), Compile(setOf(t, rules.IPv4, rules.NFT, published)))
	packet := parsePacket(t, "tcp 203.0.113.10:999 203.0.113.1:80 in=wan0")
	var buf []Outcome
	allocs := testing.AllocsPerRun(200, func() {
		var certain bool
		if buf, certain = short.Outcomes(buf[:0], &packet); !certain {
			t.Fatal("not certain")
		}
	})
	if allocs >= 1 { // the pool may be emptied now and then
		t.Errorf("a packet costs %.1f allocations", allocs)
	}
	kube := Compile(setOf(t, rules.IPv4, rules.NFT, kubeTable(kubeServices)))
	m := new(machine)
	e := NewEvaluator(gateway(), kube)
	p := parsePacket(t, "tcp 192.168.0.7:1000 10.96.2.9:80 in=lan0")
	m.reset(e, &p)
	m.run()
	if met := maxRules - m.budget; met > 100 {
		t.Errorf("a packet to a service meets %d of 10,000 rules", met)
	}
	if len(m.outcomes) < 2 || m.certain() {
		t.Errorf("the endpoint is chance: %+v", m.outcomes)
	}
	dst := m.outcomes[0].Dst.AddrPort()
	if !netip.MustParsePrefix("10.244.0.0/16").Contains(dst.Addr()) || dst.Port() != 8080 {
		t.Errorf("served by %s", dst)
	}
}

// BenchmarkClassesKubeProxy divides packets by 10,000 rules, and says of packets to
// their services in which class they are.
func BenchmarkClassesKubeProxy(b *testing.B) {
	e := NewEvaluator(gateway(), Compile(setOf(b, rules.IPv4, rules.NFT, kubeTable(kubeServices))))
	e.host.RouteNets = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/24"), netip.MustParsePrefix("2001:db8:2::/64")}
	b.Run("divide", func(b *testing.B) {
		for b.Loop() {
			e.Classes()
		}
	})
	classes := e.Classes()
	var tuples []rules.Tuple
	for i := range kubeServices {
		src, dst := netip.MustParseAddr("192.168.0.7"), netip.MustParseAddr(fmt.Sprintf("10.96.%d.%d", i/250, i%250+1))
		tuples = append(tuples, rules.Tuple{Proto: rules.TCP, Src: src.As16(), Dst: dst.As16(), SrcPort: uint16(40000 + i), DstPort: 80})
	}
	b.Run("of", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			t := &tuples[i%len(tuples)]
			if _, ok := classes.Of(t, t); !ok {
				b.Fatal("no class")
			}
		}
	})
}
