package lab

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"strings"
)

// kubeServices makes kubeRules write about 5,000 rules.
const kubeServices = 450

// kubeNodePorts is how many of the services are reachable from outside, by
// ports of the gateway from 30000 on. Their endpoints are the lab's servers.
const kubeNodePorts = 5

// kubeRules writes NAT rules in the form in which kube-proxy does, for a
// cluster with that many services of three endpoints each.
// https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-iptables
func kubeRules(services int) string {
	var chains, rules strings.Builder
	chain := func(name string) { fmt.Fprintf(&chains, ":%s - [0:0]\n", name) }
	rule := func(format string, args ...any) { fmt.Fprintf(&rules, "-A "+format+"\n", args...) }

	for _, name := range []string{"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-MARK-MASQ", "KUBE-POSTROUTING"} {
		chain(name)
	}
	rule(`PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`)
	rule(`OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`)
	rule(`POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING`)
	rule("KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000")
	rule("KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN")
	rule("KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0")
	rule(`KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully`)

	for i := range services {
		s := kubeService(i)
		chain(s.chain())
		rule(`KUBE-SERVICES -d %s/32 -p tcp -m comment --comment "%s cluster IP" -m tcp --dport 80 -j %s`, s.clusterIP, s.name, s.chain())
		rule(`%s ! -s 10.244.0.0/16 -d %s/32 -p tcp -m comment --comment "%s cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`, s.chain(), s.clusterIP, s.name)
		if s.nodePort != 0 {
			external := kubeChain("KUBE-EXT-", s.name)
			chain(external)
			rule(`KUBE-NODEPORTS -p tcp -m comment --comment "%s" -m tcp --dport %d -j %s`, s.name, s.nodePort, external)
			rule(`%s -m comment --comment "masquerade traffic for %s external destinations" -j KUBE-MARK-MASQ`, external, s.name)
			rule("%s -j %s", external, s.chain())
		}
		for k, endpoint := range s.endpoints {
			separate := kubeChain("KUBE-SEP-", s.name+endpoint.String())
			chain(separate)
			odds := ""
			if left := len(s.endpoints) - k; left > 1 {
				odds = fmt.Sprintf(" -m statistic --mode random --probability %.11f", 1/float64(left))
			}
			rule(`%s -m comment --comment "%s -> %s"%s -j %s`, s.chain(), s.name, endpoint, odds, separate)
			rule(`%s -s %s/32 -m comment --comment "%s" -j KUBE-MARK-MASQ`, separate, endpoint.Addr(), s.name)
			rule(`%s -p tcp -m comment --comment "%s" -m tcp -j DNAT --to-destination %s`, separate, s.name, endpoint)
		}
	}
	rule(`KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`)
	return "*nat\n" + chains.String() + rules.String() + "COMMIT\n"
}

type kubeServicePort struct {
	name      string // namespace/service:port
	clusterIP netip.Addr
	nodePort  int // 0 for none
	endpoints []netip.AddrPort
}

func (s kubeServicePort) chain() string { return kubeChain("KUBE-SVC-", s.name) }

// kubeService is the i-th service of the cluster, always the same.
func kubeService(i int) kubeServicePort {
	s := kubeServicePort{
		name:      fmt.Sprintf("team-%d/service-%d:http", i%20, i),
		clusterIP: netip.AddrFrom4([4]byte{10, 96, byte((i + 1) >> 8), byte(i + 1)}),
	}
	if i < kubeNodePorts {
		s.nodePort = 30000 + i
		s.endpoints = []netip.AddrPort{
			netip.AddrPortFrom(server2IPv4.Addr(), 8080),
			netip.AddrPortFrom(server3IPv4.Addr(), 8080),
		}
		return s
	}
	for k := range 3 {
		pod := netip.AddrFrom4([4]byte{10, 244, byte(i >> 6), byte(i<<2 + k)})
		s.endpoints = append(s.endpoints, netip.AddrPortFrom(pod, 8080))
	}
	return s
}

// kubeChain is a chain name that fits the kernel's 28 characters whatever the
// service is called: the start of a hash of its name.
func kubeChain(prefix, name string) string {
	hash := sha256.Sum256([]byte(name + "tcp"))
	return prefix + base32.StdEncoding.EncodeToString(hash[:])[:16]
}
