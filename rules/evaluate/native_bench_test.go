package evaluate

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"nattui/rules/nft"
)

// kubeNative is a table as kube-proxy writes it for nftables: services in a verdict map, each with a chain that draws
// one of its two endpoints.
func kubeNative(services int) *nft.Ruleset {
	t := &nft.Table{Family: nft.IPv4, Name: "kube-proxy"}
	chain := func(name, hook string, priority int32, rules ...*nft.Rule) {
		c := &nft.Chain{Table: t, Name: name, Hook: hook, Priority: priority, Rules: rules, Policy: nft.Verdict{Code: nft.Accept}}
		if hook != "" {
			c.Type = "nat"
		}
		t.Chains = append(t.Chains, c)
	}
	rule := func(e ...nft.Expr) *nft.Rule { return &nft.Rule{Exprs: e} }
	to := func(code nft.VerdictCode, chain string) nft.Expr {
		return nft.Immediate{Verdict: &nft.Verdict{Code: code, Chain: chain}}
	}
	ips := &nft.Set{Table: t, Name: "service-ips", Flags: nft.SetMap, KeyLen: 12}
	t.Sets = append(t.Sets, ips)
	chain("nat-prerouting", "prerouting", -100, rule(to(nft.Jump, "services")))
	chain("nat-postrouting", "postrouting", 100)
	chain("services", "", 0, rule(
		nft.Payload{Base: nft.NetworkHeader, Offset: 16, Len: 4, Into: 1}, nft.Meta{Key: "l4proto", Reg: 9},
		nft.Payload{Base: nft.TransportHeader, Offset: 2, Len: 2, Into: 10}, nft.Lookup{Set: "service-ips", Key: 1, Map: true},
	))
	for i := range services {
		addr := kubeServiceAddr(i).As4()
		name := fmt.Sprintf("service-%d", i)
		key := append(addr[:], 6, 0, 0, 0, 0, 80, 0, 0)
		ips.Elements = append(ips.Elements, nft.Element{Key: key, Verdict: &nft.Verdict{Code: nft.Goto, Chain: name}})
		draw := &nft.Set{Table: t, Name: "__map" + name, Flags: nft.SetMap | nft.SetAnonymous, KeyLen: 4}
		t.Sets = append(t.Sets, draw)
		for end := range 2 {
			endpoint := fmt.Sprintf("endpoint-%d-%d", i, end)
			number := binary.NativeEndian.AppendUint32(nil, uint32(end))
			draw.Elements = append(draw.Elements, nft.Element{Key: number, Verdict: &nft.Verdict{Code: nft.Goto, Chain: endpoint}})
			chain(endpoint, "", 0, rule(
				nft.Meta{Key: "l4proto", Reg: 1}, nft.Cmp{Op: "eq", Reg: 1, Data: []byte{6}},
				nft.Immediate{Into: 1, Data: []byte{10, 244, byte(i / 250), byte((i+end)%250 + 1)}}, nft.Immediate{Into: 2, Data: []byte{0x1f, 0x90}},
				nft.NAT{Family: nft.IPv4, AddrMin: 1, AddrMax: 1, ProtoMin: 2, ProtoMax: 2},
			))
		}
		chain(name, "", 0, rule(nft.Numgen{Into: 1, Modulus: 2, Random: true}, nft.Lookup{Set: draw.Name, Key: 1, Map: true}))
	}
	return &nft.Ruleset{Tables: []*nft.Table{t}}
}

func kubeServiceAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 96, byte(i / 250), byte(i%250 + 1)})
}

// BenchmarkKubeProxyNative sends packets through kube-proxy's native table of 10,000 services, in the mode with maps.
func BenchmarkKubeProxyNative(b *testing.B) {
	const services = 10_000
	host := gateway()
	host.Native = CompileNative(kubeNative(services))
	e := NewEvaluator(host)
	var packets []Packet
	for i := range 64 {
		packets = append(packets, parsePacket(b, fmt.Sprintf("tcp 192.168.0.7:1000 %s:80 in=lan0", kubeServiceAddr(i*services/64))))
	}
	for _, kind := range []struct {
		name    string
		packets []Packet
	}{{"served", packets}, {"passing", []Packet{parsePacket(b, "tcp 192.168.0.7:1000 198.51.100.9:443 in=lan0")}}} {
		b.Run(kind.name, func(b *testing.B) {
			var buf []Outcome
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				buf, _ = e.Outcomes(buf[:0], &kind.packets[i%len(kind.packets)])
			}
			if len(buf) == 0 {
				b.Fatal("no outcome")
			}
		})
	}
}

// TestKubeProxyNative finds both endpoints of a service, and nothing for others.
func TestKubeProxyNative(t *testing.T) {
	host := gateway()
	host.Native = CompileNative(kubeNative(10))
	e := NewEvaluator(host)
	p := parsePacket(t, "tcp 192.168.0.7:1000 10.96.0.4:80 in=lan0")
	outcomes, certain := e.Outcomes(nil, &p)
	if certain || len(outcomes) != 2 || outcomes[0].Dst.String() != "10.244.0.4:8080" || outcomes[0].DNATBy.Chain == outcomes[1].DNATBy.Chain {
		t.Errorf("certain %v: %+v", certain, outcomes)
	}
	p = parsePacket(t, "tcp 192.168.0.7:1000 10.96.0.4:81 in=lan0")
	if outcomes, certain = e.Outcomes(nil, &p); !certain || len(outcomes) != 1 || outcomes[0].DNAT {
		t.Errorf("certain %v: %+v", certain, outcomes)
	}
}
