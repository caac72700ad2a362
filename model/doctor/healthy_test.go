package doctor_test

import (
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// healthy are gateways with which nothing is wrong. make makes one of the bare
// network, with commands of a line each; ask are questions that it answers, as
// proof and for flows to look at.
var healthy = []struct {
	name     string
	commands string
	ask      []question
}{
	{"a router and nothing else", `
		sysctl -qw net.ipv4.ip_forward=1
		`, nil},
	{"shared and published, with a filter", `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -P INPUT DROP
		iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A INPUT -i lo -j ACCEPT
		iptables -A INPUT -p tcp --dport 22 -j ACCEPT
		iptables -P FORWARD DROP
		iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT
		iptables -A FORWARD -i lan0 -o wan0 -j ACCEPT
		`, []question{{client, "203.0.113.1:80"}, {server3, "198.51.100.7:80"}}},
	{"the same on legacy", `
		sysctl -qw net.ipv4.ip_forward=1
		iptables-legacy -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		iptables-legacy -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables-legacy -P FORWARD DROP
		iptables-legacy -A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
		iptables-legacy -A FORWARD -i wan0 -d 192.168.0.2 -p tcp --dport 8080 -j ACCEPT
		iptables-legacy -A FORWARD -s 192.168.0.0/24 -j ACCEPT
		`, []question{{client, "203.0.113.1:80"}, {server3, "198.51.100.7:80"}}},
	{"a Docker host", `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add docker0 type bridge
		ip addr add 172.17.0.1/16 dev docker0
		ip link set docker0 up
		iptables -t nat -N DOCKER
		iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
		iptables -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
		iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
		iptables -t nat -A DOCKER -i docker0 -j RETURN
		iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
		iptables -P FORWARD DROP
		iptables -N DOCKER
		iptables -N DOCKER-USER
		iptables -N DOCKER-ISOLATION-STAGE-1
		iptables -A FORWARD -j DOCKER-USER
		iptables -A FORWARD -j DOCKER-ISOLATION-STAGE-1
		iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A FORWARD -o docker0 -j DOCKER
		iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
		iptables -A FORWARD -i docker0 -o docker0 -j ACCEPT
		iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 443 -j ACCEPT
		iptables -A DOCKER-ISOLATION-STAGE-1 -j RETURN
		iptables -A DOCKER-USER -j RETURN
		`, nil},
	{"a Kubernetes node", `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -N KUBE-SERVICES
		iptables -t nat -N KUBE-NODEPORTS
		iptables -t nat -N KUBE-SVC-WEB
		iptables -t nat -N KUBE-SEP-ONE
		iptables -t nat -N KUBE-SEP-TWO
		iptables -t nat -N KUBE-MARK-MASQ
		iptables -t nat -N KUBE-POSTROUTING
		iptables -t nat -A PREROUTING -m comment --comment "kubernetes-service-portals" -j KUBE-SERVICES
		iptables -t nat -A OUTPUT -m comment --comment "kubernetes-service-portals" -j KUBE-SERVICES
		iptables -t nat -A POSTROUTING -m comment --comment "kubernetes-postrouting-rules" -j KUBE-POSTROUTING
		iptables -t nat -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp --dport 80 -j KUBE-SVC-WEB
		iptables -t nat -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
		iptables -t nat -A KUBE-NODEPORTS -p tcp --dport 30080 -j KUBE-MARK-MASQ
		iptables -t nat -A KUBE-NODEPORTS -p tcp --dport 30080 -j KUBE-SVC-WEB
		iptables -t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
		iptables -t nat -A KUBE-SVC-WEB -m statistic --mode random --probability 0.5 -j KUBE-SEP-ONE
		iptables -t nat -A KUBE-SVC-WEB -j KUBE-SEP-TWO
		iptables -t nat -A KUBE-SEP-ONE -p tcp -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A KUBE-SEP-TWO -p tcp -j DNAT --to-destination 192.168.0.3:8080
		iptables -t nat -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
		iptables -t nat -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
		iptables -t nat -A KUBE-POSTROUTING -j MASQUERADE
		`, []question{{client, "203.0.113.1:30080"}}},
	{"a VPN gateway that clamps", `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add wg0 type veth peer name far
		ip link set wg0 mtu 1420
		ip addr add 10.8.0.1/24 dev wg0
		ip link set wg0 up
		ip link set far up
		iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o wan0 -j MASQUERADE
		iptables -A FORWARD -i wg0 -j ACCEPT
		iptables -A FORWARD -o wg0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -t mangle -A FORWARD -o wg0 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
		`, nil},
	{"IPv6 alone", `
		sysctl -qw net.ipv6.conf.all.forwarding=1
		sysctl -qw net.ipv4.ip_forward=0
		ip6tables -t nat -A PREROUTING -d 2001:db8:1::1 -p tcp --dport 80 -j DNAT --to-destination [2001:db8:2::2]:8080
		ip6tables -P FORWARD DROP
		ip6tables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		ip6tables -A FORWARD -i lan0 -j ACCEPT
		ip6tables -A FORWARD -d 2001:db8:2::2 -p tcp --dport 8080 -j ACCEPT
		ip6tables -A FORWARD -p icmpv6 -j ACCEPT
		`, []question{{client, "[2001:db8:1::1]:80"}}},
	{"ufw with a forward in before.rules", `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -P INPUT DROP
		iptables -P FORWARD DROP
		iptables -N ufw-before-forward
		iptables -N ufw-user-forward
		iptables -N ufw-before-input
		iptables -A INPUT -j ufw-before-input
		iptables -A FORWARD -j ufw-before-forward
		iptables -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A ufw-before-forward -p icmp --icmp-type echo-request -j ACCEPT
		iptables -A ufw-before-forward -j ufw-user-forward
		iptables -A ufw-user-forward -d 192.168.0.2/32 -p tcp --dport 8080 -j ACCEPT
		iptables -A ufw-user-forward -i lan0 -o wan0 -j ACCEPT
		iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		`, []question{{client, "203.0.113.1:80"}, {server3, "198.51.100.7:80"}}},
	{"firewalld, which lets pass what was translated", `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		nft add table inet firewalld
		nft add chain inet firewalld filter_FORWARD { type filter hook forward priority 10 ; policy accept ; }
		nft add rule inet firewalld filter_FORWARD ct state { established, related } accept
		nft add rule inet firewalld filter_FORWARD ct status dnat accept
		nft add rule inet firewalld filter_FORWARD iifname lan0 accept
		nft add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited
		nft add chain inet firewalld filter_INPUT { type filter hook input priority 10 ; policy accept ; }
		nft add rule inet firewalld filter_INPUT ct state { established, related } accept
		nft add rule inet firewalld filter_INPUT ip protocol icmp accept
		nft add rule inet firewalld filter_INPUT reject with icmpx admin-prohibited
		`, []question{{client, "203.0.113.1:80"}, {server3, "198.51.100.7:80"}}},
	{"two providers, one behind CGNAT, with policy routing", `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add wan1 type veth peer name far
		ip link set far up
		ip addr add 100.64.9.2/24 dev wan1
		ip link set wan1 up
		ip route add default via 100.64.9.1 dev wan1 metric 500
		ip route add default via 203.0.113.254 dev wan0 table 101
		ip route add 192.168.0.0/24 dev lan0 table 101
		ip rule add from 203.0.113.1 lookup 101
		ip rule add fwmark 0x1 lookup 101
		iptables -t mangle -A PREROUTING -i wan0 -m conntrack --ctstate NEW -j CONNMARK --set-mark 0x1
		iptables -t mangle -A PREROUTING -i lan0 -j CONNMARK --restore-mark
		iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan1 -j MASQUERADE
		`, []question{{client, "203.0.113.1:80"}, {server3, "198.51.100.7:80"}}},
	{"strict reverse path filter where the ways are symmetric", `
		sysctl -qw net.ipv4.ip_forward=1
		sysctl -qw net.ipv4.conf.all.rp_filter=1
		iptables -t nat -A POSTROUTING -o wan0 -j SNAT --to-source 203.0.113.1
		iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A PREROUTING -i wan0 -p udp --dport 9999 -j DNAT --to-destination 192.168.0.2
		`, []question{{client, "203.0.113.1:80"}, {server3, "198.51.100.7:80"}}},
	{"a proxy for the LAN", `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -A PREROUTING -i lan0 -p tcp --dport 80 -j REDIRECT --to-ports 8888
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A INPUT -i lan0 -p tcp --dport 8888 -j ACCEPT
		iptables -A INPUT -i wan0 -j DROP
		`, []question{{server3, "198.51.100.7:80"}}},
	{"hairpin as it should be, and one-to-one", `
		sysctl -qw net.ipv4.ip_forward=1
		ip addr add 203.0.113.9/32 dev wan0
		iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A OUTPUT -d 203.0.113.1 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A PREROUTING -d 203.0.113.9 -j DNAT --to-destination 192.168.0.3
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -d 192.168.0.2 -p tcp --dport 8080 -j MASQUERADE
		iptables -t nat -A POSTROUTING -s 192.168.0.3 -o wan0 -j SNAT --to-source 203.0.113.9
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		`, []question{{client, "203.0.113.1:80"}, {server3, "203.0.113.1:80"}, {server3, "198.51.100.7:80"}}},
}

type question struct {
	from func(*ward) *lab.Node
	to   string
}

func TestDoctorIsSilentOnManyHealthyGateways(t *testing.T) {
	for _, h := range healthy {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			for line := range strings.Lines(h.commands) {
				if words := strings.Fields(strings.ReplaceAll(line, `"`, "")); len(words) > 0 {
					w.exec(words...)
				}
			}
			for _, at := range []string{"192.168.0.2:8080", "[2001:db8:2::2]:8080"} {
				w.serve(w.Server2, "tcp", at)
			}
			w.serve(w.Server3, "tcp", "192.168.0.3:8080")
			w.serve(w.Client, "tcp", "198.51.100.7:80")
			w.serve(w.Gateway, "tcp", "192.168.0.1:8888")
			for range 3 {
				for _, q := range h.ask {
					if _, err := w.ask(q.from(w), "tcp", q.to); err != nil {
						t.Fatalf("it is not healthy: %s: %v", q.to, err)
					}
				}
			}
			g := w.look()
			found := doctor.Examine(g)
			for _, f := range found {
				if f.IsProblem() {
					t.Errorf("a healthy gateway has no %s", text([]doctor.Finding{f}))
				}
			}
			for _, f := range doctor.Forwards(g) {
				for _, step := range doctor.ExamineForward(g, f) {
					if step.IsProblem() && f.Owner == "" {
						t.Errorf("a healthy forward has no %s", text([]doctor.Finding{step}))
					}
				}
			}
		})
	}
}
