package doctor_test

import (
	"strings"
	"testing"

	"nattui/model/doctor"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/guide"
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

// shapes are more of them: as the guide, and other programs, make them.
var shapes = []struct {
	name     string
	commands string
	recipes  []guide.Recipe
	backend  rules.Backend
	ask      []question
}{
	{name: "shared by the guide", recipes: []guide.Recipe{guide.Share{Net: "192.168.0.0/24"}}, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "shared by the guide on legacy", backend: rules.Legacy, recipes: []guide.Recipe{guide.Share{Net: "192.168.0.0/24"}}, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "published by the guide", recipes: []guide.Recipe{guide.Share{Net: "192.168.0.0/24"}, guide.Publish{At: "203.0.113.1", Port: "80", To: "192.168.0.2:8080"}}, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{
		name: "published for inside and this host too", ask: []question{{client, web}, {server3, web}, {gateway, web}},
		recipes: []guide.Recipe{guide.Publish{At: "203.0.113.1", Port: "80", To: "192.168.0.2:8080", Inside: true, ThisHost: true}},
	},
	{name: "published for a server with another gateway", recipes: []guide.Recipe{guide.Publish{At: "203.0.113.1", Port: "80", To: "192.168.0.2:8080", WayBack: "elsewhere"}}, ask: []question{{client, web}}},
	{name: "published and filtered", commands: "iptables -P FORWARD DROP", recipes: []guide.Recipe{guide.Share{Net: "192.168.0.0/24"}, guide.Publish{At: "203.0.113.1", Port: "80", To: "192.168.0.2:8080"}}, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{name: "one-to-one by the guide", commands: "ip addr add 203.0.113.9/24 dev wan0", recipes: []guide.Recipe{guide.OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.2"}}, ask: []question{{client, "203.0.113.9:8080"}, {server2, "198.51.100.7:80"}}},
	{name: "a proxy by the guide", recipes: []guide.Recipe{guide.Share{Net: "192.168.0.0/24"}, guide.Proxy{In: "lan0", Port: "80", ToPort: "8888"}}, ask: []question{{server3, "198.51.100.7:80"}}},
	{
		name: "a VPN by the guide", recipes: []guide.Recipe{guide.Share{Net: "10.8.0.0/24", VPN: true, In: "wg0"}},
		commands: "ip link add wg0 type veth peer name far\nip link set wg0 mtu 1420\nip addr add 10.8.0.1/24 dev wg0\nip link set wg0 up\nip link set far up",
	},
	{name: "moved by the guide", recipes: []guide.Recipe{guide.Publish{At: "203.0.113.1", Port: "80", To: "192.168.0.2:8080"}, guide.Move{From: "192.168.0.2:8080", To: "192.168.0.3:8080"}}, ask: []question{{client, web}}},
	{name: "libvirt", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add virbr0 type bridge
		ip addr add 192.168.122.1/24 dev virbr0
		ip link set virbr0 up
		iptables -t nat -N LIBVIRT_PRT
		iptables -t nat -A POSTROUTING -j LIBVIRT_PRT
		iptables -t nat -A LIBVIRT_PRT -s 192.168.122.0/24 -d 224.0.0.0/24 -j RETURN
		iptables -t nat -A LIBVIRT_PRT -s 192.168.122.0/24 -d 255.255.255.255/32 -j RETURN
		iptables -t nat -A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p tcp -j MASQUERADE --to-ports 1024-65535
		iptables -t nat -A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p udp -j MASQUERADE --to-ports 1024-65535
		iptables -t nat -A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE
		iptables -N LIBVIRT_FWI
		iptables -N LIBVIRT_FWO
		iptables -N LIBVIRT_FWX
		iptables -A FORWARD -j LIBVIRT_FWX
		iptables -A FORWARD -j LIBVIRT_FWI
		iptables -A FORWARD -j LIBVIRT_FWO
		iptables -A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A LIBVIRT_FWI -o virbr0 -j REJECT
		iptables -A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT
		iptables -A LIBVIRT_FWO -i virbr0 -j REJECT
		iptables -A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT
		`},
	{name: "firewalld with iptables", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -N POST_public_allow
		iptables -t nat -N POSTROUTING_ZONES
		iptables -t nat -A POSTROUTING -j POSTROUTING_ZONES
		iptables -t nat -A POSTROUTING_ZONES -o wan0 -g POST_public_allow
		iptables -t nat -A POST_public_allow ! -o lo -j MASQUERADE
		iptables -t nat -N PREROUTING_ZONES
		iptables -t nat -N PRE_public_allow
		iptables -t nat -A PREROUTING -j PREROUTING_ZONES
		iptables -t nat -A PREROUTING_ZONES -i wan0 -g PRE_public_allow
		iptables -t nat -A PRE_public_allow -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -N FWD_internal_allow
		iptables -N FORWARD_ZONES
		iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
		iptables -A FORWARD -i lo -j ACCEPT
		iptables -A FORWARD -j FORWARD_ZONES
		iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
		iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited
		iptables -A FORWARD_ZONES -i lan0 -g FWD_internal_allow
		iptables -A FWD_internal_allow -j ACCEPT
		`, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{name: "tailscale", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add tailscale0 type veth peer name far
		ip addr add 100.90.1.1/32 dev tailscale0
		ip link set tailscale0 mtu 1280
		ip link set tailscale0 up
		ip link set far up
		iptables -N ts-forward
		iptables -A FORWARD -j ts-forward
		iptables -A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xff0000
		iptables -A ts-forward -m mark --mark 0x40000/0xff0000 -j ACCEPT
		iptables -A ts-forward -s 100.64.0.0/10 -o tailscale0 -j DROP
		iptables -A ts-forward -o tailscale0 -j ACCEPT
		iptables -t nat -N ts-postrouting
		iptables -t nat -A POSTROUTING -j ts-postrouting
		iptables -t nat -A ts-postrouting -m mark --mark 0x40000/0xff0000 -j MASQUERADE
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		iptables -t mangle -A FORWARD -o tailscale0 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
		`, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "two uplinks, one in reserve", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add wan1 type veth peer name far
		ip link set far up
		ip addr add 198.18.7.2/24 dev wan1
		ip link set wan1 up
		ip route add default via 198.18.7.1 dev wan1 metric 500
		iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE
		iptables -t nat -A POSTROUTING -o wan1 -j MASQUERADE
		`, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "two uplinks by source", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add wan1 type veth peer name far
		ip link set far up
		ip addr add 198.18.7.2/24 dev wan1
		ip link set wan1 up
		ip route add default via 198.18.7.1 dev wan1 table 77
		ip rule add from 192.168.0.128/25 lookup 77
		iptables -t nat -A POSTROUTING -o wan1 -j SNAT --to-source 198.18.7.2
		iptables -t nat -A POSTROUTING -o wan0 -j SNAT --to-source 203.0.113.1
		`, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "a tunnel's server as wg-quick makes it", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add wg0 type veth peer name far
		ip addr add 10.13.13.1/24 dev wg0
		ip link set wg0 mtu 1420
		ip link set wg0 up
		ip link set far up
		iptables -A FORWARD -i wg0 -j ACCEPT
		iptables -A FORWARD -o wg0 -j ACCEPT
		iptables -t nat -A POSTROUTING -o wan+ -j MASQUERADE
		iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
		`, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "a filter on legacy, NAT on nft", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		iptables-legacy -P FORWARD DROP
		iptables-legacy -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables-legacy -A FORWARD -i lan0 -j ACCEPT
		iptables-legacy -A FORWARD -d 192.168.0.2 -p tcp --dport 8080 -j ACCEPT
		iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		`, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{name: "an own nft filter in several chains", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		nft add table inet own
		nft add set inet own lans { type ifname ; elements = { lan0 } ; }
		nft add chain inet own early { type filter hook prerouting priority -150 ; policy accept ; }
		nft add rule inet own early ct state invalid drop
		nft add chain inet own onward { type filter hook forward priority 0 ; policy drop ; }
		nft add rule inet own onward ct state vmap { established : accept, related : accept, invalid : drop }
		nft add rule inet own onward ct status dnat accept
		nft add rule inet own onward iifname @lans accept
		nft add chain inet own late { type filter hook postrouting priority 200 ; policy accept ; }
		nft add rule inet own late counter
		`, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{name: "native nft alone, as fw4 writes it", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		nft add table inet fw4
		nft add chain inet fw4 input { type filter hook input priority 0 ; policy drop ; }
		nft add rule inet fw4 input iif lo accept
		nft add rule inet fw4 input ct state vmap { established : accept, related : accept }
		nft add rule inet fw4 input iifname lan0 accept
		nft add chain inet fw4 forward { type filter hook forward priority 0 ; policy drop ; }
		nft add rule inet fw4 forward ct state vmap { established : accept, related : accept }
		nft add rule inet fw4 forward iifname lan0 accept
		nft add rule inet fw4 forward ct status dnat accept
		nft add chain inet fw4 dstnat_wan
		nft add rule inet fw4 dstnat_wan meta nfproto ipv4 tcp dport 80 counter dnat ip to 192.168.0.2:8080
		nft add chain inet fw4 dstnat { type nat hook prerouting priority -100 ; policy accept ; }
		nft add rule inet fw4 dstnat iifname wan0 jump dstnat_wan
		nft add chain inet fw4 srcnat { type nat hook postrouting priority 100 ; policy accept ; }
		nft add rule inet fw4 srcnat oifname wan0 ip saddr 192.168.0.0/24 masquerade
		`, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{name: "native nft alone, published by maps", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		nft add table ip gw
		nft add map ip gw forwards { type inet_service : ipv4_addr . inet_service ; }
		nft add element ip gw forwards { 80 : 192.168.0.2 . 8080 }
		nft add chain ip gw pre { type nat hook prerouting priority -100 ; policy accept ; }
		nft add rule ip gw pre iifname wan0 ip daddr 203.0.113.1 dnat ip addr . port to tcp dport map @forwards
		nft add chain ip gw post { type nat hook postrouting priority 100 ; policy accept ; }
		nft add rule ip gw post oifname wan0 ip saddr 192.168.0.0/24 snat to 203.0.113.1
		`, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{name: "native nft in the tables of iptables' names", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		nft add table ip nat
		nft add chain ip nat prerouting { type nat hook prerouting priority -100 ; policy accept ; }
		nft add rule ip nat prerouting iifname wan0 tcp dport 80 dnat to 192.168.0.2:8080
		nft add chain ip nat postrouting { type nat hook postrouting priority 100 ; policy accept ; }
		nft add rule ip nat postrouting oifname wan0 ip saddr 192.168.0.0/24 masquerade
		`, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
	{name: "a proxy for this host itself", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -A OUTPUT -o wan0 -p tcp --dport 80 -m owner --uid-owner 0 -j ACCEPT
		iptables -t nat -A OUTPUT -o wan0 -p tcp --dport 80 -j REDIRECT --to-ports 8888
		`},
	{name: "a network mapped onto another", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip route add local 203.0.113.64/29 dev lo
		ip route add 192.168.0.64/29 dev lan0
		iptables -t nat -A PREROUTING -d 203.0.113.64/29 -j NETMAP --to 192.168.0.64/29
		iptables -t nat -A POSTROUTING -s 192.168.0.64/29 -o wan0 -j NETMAP --to 203.0.113.64/29
		`},
	{name: "what IPsec protects keeps its source", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip xfrm policy add src 192.168.0.0/24 dst 10.77.0.0/16 dir out tmpl src 203.0.113.1 dst 203.0.113.10 proto esp mode tunnel
		ip xfrm policy add src 10.77.0.0/16 dst 192.168.0.0/24 dir fwd tmpl src 203.0.113.10 dst 203.0.113.1 proto esp mode tunnel
		iptables -t nat -A POSTROUTING -o wan0 -m policy --dir out --pol ipsec -j ACCEPT
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		`, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "IPv6 translated as well", commands: `
		sysctl -qw net.ipv6.conf.all.forwarding=1
		ip6tables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination [2001:db8:2::2]:8080
		ip6tables -t nat -A POSTROUTING -s 2001:db8:2::/64 -o wan0 -j MASQUERADE
		`, ask: []question{{client, "[2001:db8:1::1]:80"}}},
	{name: "fail2ban and a limit", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -N f2b-sshd
		iptables -A f2b-sshd -s 192.0.2.66/32 -j REJECT --reject-with icmp-port-unreachable
		iptables -A f2b-sshd -j RETURN
		iptables -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
		iptables -A FORWARD -p icmp -m limit --limit 10/second -j ACCEPT
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		`, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "behind another router", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip addr add 10.1.2.3/24 dev wan0
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		`, ask: []question{{server3, "198.51.100.7:80"}}},
	{name: "a range of ports, and one sent elsewhere", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 8443 -j DNAT --to-destination 192.168.0.3:8080
		iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 8000:9000 -j DNAT --to-destination 192.168.0.2
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -p tcp -j SNAT --to-source 203.0.113.1:20000-60000
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source 203.0.113.1
		`, ask: []question{{client, "203.0.113.1:8443"}, {client, "203.0.113.1:8080"}}},
	{name: "a bridge for the machines inside", commands: `
		sysctl -qw net.ipv4.ip_forward=1
		ip link add br0 type bridge
		ip addr flush dev lan0
		ip link set lan0 master br0
		ip addr add 192.168.0.1/24 dev br0
		ip link set br0 up
		iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
		iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
		`, ask: []question{{client, web}, {server3, "198.51.100.7:80"}}},
}

func server2(w *ward) *lab.Node { return w.Server2 }
func gateway(w *ward) *lab.Node { return w.Gateway }

// recipe carries out what the guide advises.
func (w *ward) recipe(r guide.Recipe, backend rules.Backend) {
	w.t.Helper()
	g := w.look()
	advice := r.Advise(g.Facts.GuideHost(g.Sets, backend, g.Flows))
	for _, o := range advice.Objections {
		if !o.Warning {
			w.t.Fatalf("%T: %s", r, o)
		}
	}
	w.apply(advice.Plan)
}

// TestDoctorIsSilentOnUsualShapes holds that nothing is found wrong with what the guide and other programs make.
func TestDoctorIsSilentOnUsualShapes(t *testing.T) {
	for i, h := range shapes {
		if testing.Short() && i%6 != 0 {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			for line := range strings.Lines(h.commands) {
				if words := strings.Fields(line); len(words) > 0 {
					w.exec(words...)
				}
			}
			for _, r := range h.recipes {
				w.recipe(r, h.backend)
			}
			w.healthyServices()
			w.provenSilent(h.ask)
		})
	}
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
			w.healthyServices()
			w.provenSilent(h.ask)
		})
	}
}

// healthyServices are what the machines of a healthy gateway serve.
func (w *ward) healthyServices() {
	for _, at := range []string{"192.168.0.2:8080", "[2001:db8:2::2]:8080"} {
		w.serve(w.Server2, "tcp", at)
	}
	w.serve(w.Server3, "tcp", "192.168.0.3:8080")
	w.serve(w.Client, "tcp", "198.51.100.7:80")
	w.serve(w.Gateway, "tcp", "0.0.0.0:8888")
}

// provenSilent asks questions that are answered, and holds that the doctor finds nothing wrong.
func (w *ward) provenSilent(ask []question) {
	w.t.Helper()
	w.settle()
	for range 3 {
		for _, q := range ask {
			if _, err := w.ask(q.from(w), "tcp", q.to); err != nil {
				w.t.Fatalf("it is not healthy: %s: %v", q.to, err)
			}
		}
	}
	g := w.look()
	for _, f := range doctor.Examine(g) {
		if f.IsProblem() {
			w.t.Errorf("a healthy gateway has no %s", text([]doctor.Finding{f}))
		}
	}
	for _, f := range doctor.Forwards(g) {
		for _, step := range doctor.ExamineForward(g, f) {
			if step.IsProblem() && f.Owner == "" {
				w.t.Errorf("a healthy forward has no %s", text([]doctor.Finding{step}))
			}
		}
	}
}
