package doctor_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/doctor"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// trouble is a gateway with one fault.
type trouble struct {
	name  string
	spoil func(w *ward)
	// try is the question that the fault spoils.
	from    func(w *ward) *lab.Node
	network string
	to      string
	// check is what the doctor has to say, cured whether its cure has to make
	// the question be answered; peer, where it is given, is whom the server
	// then has to see.
	check string
	peer  string
	// answered is set if the fault does not keep the answer from coming.
	answered bool
	// note is set for what leaves no trace of having failed.
	note bool
	// beyond is set if the client asks with an address beyond the default route.
	beyond bool
	// also carries out what the cure leaves to the operator.
	also bool
	// probed is set where the server is asked from the gateway, and answers.
	probed bool
	// stays is set where it takes somebody who knows what is meant.
	stays bool
}

func client(w *ward) *lab.Node  { return w.Client }
func server3(w *ward) *lab.Node { return w.Server3 }

const web = "203.0.113.1:80"

var troubles = []trouble{
	{name: "forwarding off", check: "forwarding-off", spoil: func(w *ward) { w.sysctl("net/ipv4/ip_forward", "0") }, from: client, to: web},
	{name: "forwarding off on one link", check: "forwarding-off", spoil: func(w *ward) { w.sysctl("net/ipv4/conf/wan0/forwarding", "0") }, from: client, to: web},
	{name: "forwarding off in the LAN", check: "forwarding-off", spoil: func(w *ward) { w.sysctl("net/ipv4/conf/lan0/forwarding", "0") }, from: server3, to: "198.51.100.7:80"},
	{name: "IPv6 forwarding off", check: "forwarding-off", spoil: func(w *ward) {
		w.iptables("ip6tables", "-t", "nat", "-A", "PREROUTING", "-d", "2001:db8:1::1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "[2001:db8:2::2]:8080")
		w.serve(w.Server2, "tcp", "[2001:db8:2::2]:8080")
		w.sysctl("net/ipv6/conf/all/forwarding", "0")
	}, from: client, to: "[2001:db8:1::1]:80"},
	{name: "FORWARD policy drops", check: "forward-dropped", spoil: func(w *ward) { w.iptables("iptables", "-P", "FORWARD", "DROP") }, from: client, to: web},
	{name: "FORWARD policy drops beside a connection that is still answered", check: "forward-dropped", spoil: func(w *ward) {
		conn, err := w.Client.Dial(w.t.Context(), "tcp", netip.AddrPort{}, netip.MustParseAddrPort(web))
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { conn.Close() })
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
	}, from: client, to: web},
	{name: "FORWARD accepts the address before the translation", check: "forward-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-j", "REJECT")
	}, from: client, to: web},
	{name: "Docker sets FORWARD to DROP", check: "forward-dropped", spoil: func(w *ward) {
		for _, chain := range []string{"DOCKER-USER", "DOCKER-FORWARD"} {
			w.iptables("iptables", "-N", chain)
			w.iptables("iptables", "-A", "FORWARD", "-j", chain)
		}
		w.iptables("iptables", "-A", "DOCKER-USER", "-j", "RETURN")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
	}, from: client, to: web},
	{name: "answers of the LAN are dropped", check: "answers-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-o", "wan0", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
	}, from: server3, to: "198.51.100.7:80"},
	{name: "answers of the server are dropped", check: "answers-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-d", "192.168.0.2", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-o", "wan0", "-j", "DROP")
	}, from: client, to: web},
	{name: "hairpin", check: "hairpin", spoil: func(*ward) {}, from: server3, to: web, peer: "192.168.0.1"},
	{name: "hairpin with a rule for the WAN alone", check: "hairpin", note: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
	}, from: server3, to: web, peer: "192.168.0.1"},
	{name: "the server has another default gateway", probed: true, check: "return-path", spoil: func(w *ward) {
		w.run(w.Server2, "ip", "route", "replace", "default", "via", "192.168.0.3")
	}, from: client, to: web, peer: "192.168.0.1"},
	{name: "the server has no default gateway", probed: true, check: "return-path", spoil: func(w *ward) {
		w.run(w.Server2, "ip", "route", "del", "default")
	}, from: client, to: web, peer: "192.168.0.1"},
	{name: "strict reverse path filter", check: "rp-filter", spoil: func(w *ward) {
		w.sysctl("net/ipv4/conf/wan0/rp_filter", "1")
		// The world is reached another way, as with a second provider.
		w.run(w.Gateway, "ip", "link", "add", "wan1", "type", "veth", "peer", "name", "far")
		w.run(w.Gateway, "ip", "link", "set", "far", "up")
		w.run(w.Gateway, "ip", "addr", "add", "100.64.9.2/24", "dev", "wan1")
		w.run(w.Gateway, "ip", "link", "set", "wan1", "up")
		w.run(w.Gateway, "ip", "route", "replace", "default", "via", "203.0.113.254", "metric", "500")
		w.run(w.Gateway, "ip", "route", "add", "default", "via", "100.64.9.1", "metric", "100")
		w.run(w.Gateway, "ip", "route", "del", "default", "via", "203.0.113.254", "metric", "0")
	}, from: world, to: web, also: true},
	{name: "a neighbour's packets by another interface", check: "rp-filter", spoil: func(w *ward) {
		w.sysctl("net/ipv4/conf/all/rp_filter", "1")
		if _, err := w.Client.Ping(w.t.Context(), w.Gateway.IPv4); err != nil {
			w.t.Fatal(err)
		}
		w.run(w.Gateway, "ip", "route", "add", "203.0.113.10/32", "dev", "lan0")
	}, from: nil, to: web},
	{name: "DNAT to the loopback address", check: "route-localnet", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "127.0.0.1:8888")
		w.serve(w.Gateway, "tcp", "127.0.0.1:8888")
	}, from: client, to: web},
	{name: "REDIRECT to a loopback listener", check: "listener-on-loopback", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "lan0", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8888")
		w.serve(w.Gateway, "tcp", "127.0.0.1:8888")
	}, from: server3, to: "198.51.100.7:80"},
	{name: "REDIRECT to nobody", check: "nobody-listens", spoil: func(w *ward) {
		w.serve(w.Gateway, "tcp", "127.0.0.1:7777") // so that there is a listener at all
		w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "lan0", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8888")
	}, from: nil},
	{name: "INPUT drops what is redirected", check: "input-dropped", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-i", "lan0", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8888")
		w.iptables("iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "INPUT", "DROP")
		w.serve(w.Gateway, "tcp", "192.168.0.1:8888")
	}, from: server3, to: "198.51.100.7:80"},
	{name: "shadowed rule", check: "shadowed-rule", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-I", "PREROUTING", "1", "-d", "203.0.113.1", "-p", "tcp", "-j", "DNAT", "--to-destination", "192.168.0.3")
	}, from: client, to: web},
	{name: "MASQUERADE for everybody", check: "masquerade-too-wide", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-j", "MASQUERADE")
		// That the server sends what is for others to this host has to be seen.
		if _, err := w.ask(w.Server2, "tcp", "198.51.100.7:80"); err != nil {
			w.t.Fatal(err)
		}
	}, from: client, to: web, answered: true, peer: "203.0.113.10"},
	{name: "MASQUERADE for everybody, and what it did for the server's own network", check: "masquerade-too-wide", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-j", "MASQUERADE")
		if _, err := w.ask(w.Server2, "tcp", "198.51.100.7:80"); err != nil {
			w.t.Fatal(err)
		}
	}, from: server3, to: web, answered: true, peer: "192.168.0.1"},
	{name: "SNAT to an address of nobody", check: "snat-foreign-address", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "wan0", "-j", "SNAT", "--to-source", "203.0.113.99")
	}, from: server3, to: "198.51.100.7:80", peer: "203.0.113.1"},
	{name: "no MASQUERADE", check: "not-translated", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
	}, from: server3, to: "198.51.100.7:80", peer: "203.0.113.1"},
	{name: "the WAN has another address", check: "old-address", spoil: func(w *ward) {
		w.run(w.Gateway, "ip", "addr", "add", "203.0.113.5/24", "dev", "wan0")
		w.run(w.Gateway, "ip", "addr", "del", "203.0.113.1/24", "dev", "wan0")
		w.run(w.Gateway, "ip", "addr", "replace", "203.0.113.5/24", "dev", "wan0")
		w.run(w.Gateway, "ip", "route", "replace", "default", "via", "203.0.113.254")
	}, from: client, to: "203.0.113.5:80"},
	{name: "a rule names an interface that is not there", check: "interface-missing", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "eth0", "-j", "MASQUERADE")
	}, from: server3, to: "198.51.100.7:80", peer: "203.0.113.1"},
	{name: "DNAT catches everybody's port 80", check: "dnat-too-wide", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
	}, from: server3, to: "198.51.100.7:80", peer: "203.0.113.1"},
	{name: "few source ports", check: "snat-ports", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "wan0", "-p", "tcp", "-j", "MASQUERADE", "--to-ports", "40000-40003")
		for range 4 {
			conn, err := w.Server3.Dial(w.t.Context(), "tcp", netip.AddrPort{}, netip.MustParseAddrPort("198.51.100.7:80"))
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() { conn.Close() })
		}
	}, from: nil},
	{name: "filter in the raw table", check: "dropped-early", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "raw", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "-j", "DROP")
	}, from: nil},
	{name: "a TTL that does not last", check: "ttl-expires", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", "wan0", "-j", "TTL", "--ttl-set", "1")
	}, from: client, to: web, stays: true},
	{name: "a TTL of answers that does not last", check: "ttl-expires", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", "lan0", "-j", "TTL", "--ttl-set", "1")
	}, from: client, to: web, stays: true},
	{name: "a TTL that ends at the next router", check: "ttl-expires", also: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.iptables("iptables", "-t", "mangle", "-A", "POSTROUTING", "-o", "wan0", "-j", "TTL", "--ttl-set", "1")
	}, from: nil},
	{name: "FORWARD drops what a native table gives this host's address", check: "forward-dropped", also: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
		w.nft("table inet lxd { chain out { type nat hook postrouting priority srcnat; ip saddr 192.168.0.0/24 ip daddr != 192.168.0.0/24 masquerade; } }")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
	}, from: server3, to: "198.51.100.7:80"},
	{name: "a native nft chain drops what is forwarded", check: "native-drop", also: true, spoil: func(w *ward) {
		w.nft("table inet filter { chain forward { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname \"lan0\" accept; } }")
	}, from: client, to: web},
	{name: "a native nft rule drops what is forwarded", check: "native-drop", also: true, spoil: func(w *ward) {
		w.nft("table ip guard { set bad { type inet_service; elements = { 25, 8080 } }; chain spam { tcp dport @bad counter drop; }; chain watch { type filter hook forward priority 10; iifname vmap { \"wan0\" : jump spam }; } }")
	}, from: client, to: web},
	{name: "a native nft chain drops answers", check: "native-drop", also: true, spoil: func(w *ward) {
		w.nft("table ip filter { chain forward { type filter hook forward priority filter; iifname \"lan0\" oifname \"wan0\" ct state != new drop; } }")
	}, from: client, to: web},
	{name: "a native nft chain drops what the LAN sends", check: "native-drop", also: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.nft("table inet fw { chain forward { type filter hook forward priority filter; policy drop; } }")
	}, from: server3, to: "198.51.100.7:80"},
	{name: "a native nft chain drops IPv6", check: "native-drop", also: true, spoil: func(w *ward) {
		w.iptables("ip6tables", "-t", "nat", "-A", "PREROUTING", "-d", "2001:db8:1::1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "[2001:db8:2::2]:8080")
		w.serve(w.Server2, "tcp", "[2001:db8:2::2]:8080")
		w.nft("table inet filter { chain forward { type filter hook forward priority filter; policy drop; meta nfproto ipv4 accept; } }")
	}, from: client, to: "[2001:db8:1::1]:80"},
	{name: "firewalld rejects what is forwarded", check: "native-drop", spoil: func(w *ward) {
		w.nft(firewalld)
	}, from: nil},
	{name: "answers leave by another provider", check: "answer-leaves-elsewhere", also: true, spoil: func(w *ward) {
		w.secondProvider()
	}, from: world, to: web, beyond: true},
	{name: "the gateway's own answers leave by another provider", check: "answer-leaves-elsewhere", also: true, note: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.serve(w.Gateway, "tcp", "0.0.0.0:2222")
		w.secondProvider()
	}, from: world, to: "203.0.113.1:2222", beyond: true},
	{name: "the gateway's own answers by UDP leave by another provider", network: "udp", check: "answer-leaves-elsewhere", also: true, note: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.serve(w.Gateway, "udp", "203.0.113.1:53")
		w.secondProvider()
	}, from: world, to: "203.0.113.1:53", beyond: true},
	{name: "the reverse path filter keeps clients from the gateway's own services", check: "rp-filter", note: true, stays: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
		w.serve(w.Gateway, "tcp", "0.0.0.0:2222")
		w.secondProvider()
		w.sysctl("net/ipv4/conf/wan0/rp_filter", "1")
	}, from: world, to: "203.0.113.1:2222", beyond: true},
	{name: "clients whose way back leads elsewhere are not believed", check: "rp-filter", note: true, stays: true, spoil: func(w *ward) {
		w.run(w.Gateway, "ip", "route", "add", "198.51.100.0/24", "via", "192.168.0.3")
		w.sysctl("net/ipv4/conf/wan0/rp_filter", "1")
	}, from: world, to: web, beyond: true},
	{name: "answers of IPv6 leave by another provider", check: "answer-leaves-elsewhere", also: true, spoil: func(w *ward) {
		w.sysctl("net/ipv6/conf/all/forwarding", "1")
		w.iptables("ip6tables", "-t", "nat", "-A", "PREROUTING", "-d", "2001:db8:1::1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "[2001:db8:2::2]:8080")
		w.serve(w.Server2, "tcp", "[2001:db8:2::2]:8080")
		w.run(w.Gateway, "ip", "link", "add", "wan1", "type", "veth", "peer", "name", "far")
		w.run(w.Gateway, "ip", "link", "set", "far", "up")
		w.run(w.Gateway, "ip", "addr", "add", "2001:db8:99::2/64", "dev", "wan1", "nodad")
		w.run(w.Gateway, "ip", "link", "set", "wan1", "up")
		w.run(w.Gateway, "ip", "-6", "route", "add", "default", "via", "2001:db8:99::1", "dev", "wan1", "metric", "10")
	}, from: world, to: "[2001:db8:1::1]:80", beyond: true},
	{name: "no route to the server", check: "no-route", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "10.9.9.9:80")
	}, from: nil},
	{name: "nobody has the server's address", check: "server-silent", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-d", "203.0.113.1", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.77:80")
		_, _ = w.ask(w.Client, "tcp", web)
	}, from: nil},
	{name: "FTP without a helper", check: "helper-missing", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.1", "-p", "tcp", "--dport", "21", "-j", "DNAT", "--to-destination", "192.168.0.2:21")
	}, from: nil},
	{name: "a narrow way out", check: "mss-clamp", spoil: func(w *ward) {
		w.run(w.Gateway, "ip", "link", "add", "ppp0", "type", "veth", "peer", "name", "far")
		w.run(w.Gateway, "ip", "link", "set", "ppp0", "mtu", "1492", "up")
		w.run(w.Gateway, "ip", "link", "set", "far", "up")
		w.run(w.Gateway, "ip", "addr", "add", "100.64.1.2/32", "dev", "ppp0")
		w.run(w.Gateway, "ip", "route", "replace", "default", "dev", "ppp0")
	}, from: nil},
	{name: "raw takes it from connection tracking", check: "untracked", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "raw", "-A", "PREROUTING", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "CT", "--notrack")
	}, from: client, to: web},
	{name: "this host's own connections go to nobody", check: "nobody-listens", also: true, spoil: func(w *ward) {
		w.serve(w.Gateway, "tcp", "127.0.0.1:7777")
		w.iptables("iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "127.0.0.1:8081")
	}, from: gateway, to: "198.51.100.7:80"},
	{name: "a proxy gets what it asks for itself", check: "proxy-loop", spoil: func(w *ward) {
		w.serve(w.Gateway, "tcp", "0.0.0.0:8888")
		w.iptables("iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8888")
	}, from: nil},
	{name: "an address of the WAN's network that nobody has", check: "old-address", also: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.40", "-j", "DNAT", "--to-destination", "192.168.0.2")
		w.iptables("iptables", "-t", "nat", "-I", "POSTROUTING", "1", "-s", "192.168.0.2", "-o", "wan0", "-j", "SNAT", "--to-source", "203.0.113.40")
	}, from: client, to: "203.0.113.40:8080"},
	{name: "a pattern that fits no interface", check: "interface-missing", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "enp+", "-j", "MASQUERADE")
	}, from: server3, to: "198.51.100.7:80", peer: "203.0.113.1"},
	{name: "what stays inside gets the public address", check: "masquerade-too-wide", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-R", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-j", "SNAT", "--to-source", "203.0.113.1")
		w.run(w.Server2, "ip", "route", "del", "default")
	}, from: gateway, to: "192.168.0.2:8080", peer: "192.168.0.1"},
	{name: "what IPsec protects gets another source", check: "ipsec-translated", spoil: func(w *ward) {
		w.run(w.Gateway, "ip", "xfrm", "policy", "add", "src", "192.168.0.0/24", "dst", "10.77.0.0/16", "dir", "out", "tmpl", "src", "203.0.113.1", "dst", "203.0.113.10", "proto", "esp", "mode", "tunnel")
	}, from: nil},
	{name: "a filter rule for the port that is asked for", check: "filter-before-nat", spoil: func(w *ward) {
		w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "DROP")
	}, from: nil},
	{name: "the server's answers have no way", check: "answer-no-route", spoil: func(w *ward) {
		w.run(w.Gateway, "ip", "rule", "add", "from", "192.168.0.2", "blackhole")
	}, from: nil},
	{name: "a native table takes it from connection tracking", check: "untracked", spoil: func(w *ward) {
		w.nft("table ip early { chain pre { type filter hook prerouting priority -300; tcp dport 80 notrack; } }")
	}, from: nil},
	{name: "the server sees an address of another network", check: "return-path", spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-d", "192.168.0.2", "-p", "tcp", "--dport", "8080", "-j", "SNAT", "--to-source", "203.0.113.1")
		w.run(w.Server2, "ip", "route", "del", "default")
	}, from: client, to: web, peer: "192.168.0.1"},
	{name: "hairpin that FORWARD drops", check: "forward-dropped", note: true, spoil: func(w *ward) {
		w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-d", "192.168.0.2", "-p", "tcp", "--dport", "8080", "-j", "MASQUERADE")
		w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-i", "wan0", "-o", "lan0", "-j", "ACCEPT")
		w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-o", "wan0", "-j", "ACCEPT")
		w.iptables("iptables", "-P", "FORWARD", "DROP")
	}, from: server3, to: web, peer: "192.168.0.1"},
}

// world is the client, speaking with its address beyond the default route.
func world(w *ward) *lab.Node { return w.Client }

func TestDoctorCuresBrokenGateways(t *testing.T) {
	for i, trouble := range troubles {
		if testing.Short() && i%4 != 0 {
			continue // each takes namespaces, programs and a second that nobody answers
		}
		t.Run(trouble.name, func(t *testing.T) {
			fit := slices.DeleteFunc(slices.Clone(variants), func(v variant) bool { return slices.Contains(v.unfit, trouble.name) })
			for j, v := range fit {
				if everyVariant || j == i%len(fit) {
					t.Run(v.name, func(t *testing.T) { cure(t, trouble, v) })
				}
			}
		})
	}
}

// cure breaks a gateway, has the doctor look at it, and tries what it advises.
func cure(t *testing.T, trouble trouble, v variant) {
	t.Parallel()
	if lab.Isolate(t) {
		return
	}
	w := newWard(t)
	if v.ready != nil {
		v.ready(w)
	}
	w.variant = v
	w.base()
	if v.dress != nil {
		v.dress(w)
	}
	w.settle()
	trouble.spoil(w)
	if trouble.from != nil {
		w.spoiled(trouble)
	}
	g := w.look()
	if trouble.probed {
		if _, err := w.ask(w.Gateway, "tcp", "192.168.0.2:8080"); err != nil {
			t.Fatal(err)
		}
		g.Probes = map[netip.AddrPort]doctor.Probe{netip.MustParseAddrPort("192.168.0.2:8080"): {Connected: true}}
	}
	found := doctor.Examine(g)
	if trouble.from != nil && !trouble.answered && !trouble.note {
		w.notOK(trouble)
	}
	i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Check == trouble.check && (f.IsProblem() || trouble.note) })
	if i < 0 {
		t.Fatalf("the doctor does not say %s:\n%s", trouble.check, text(found))
	}
	t.Log(text(found[i : i+1]))
	if trouble.from == nil || trouble.stays {
		return
	}
	if len(found[i].Cure.Steps) == 0 && !trouble.also {
		t.Fatal("there is no cure")
	}
	w.apply(found[i].Cure)
	if trouble.also {
		for _, c := range found[i].Commands {
			w.exec(c...)
		}
	}
	w.cured(trouble, found[i])
}

// question puts the question of a trouble, and waits so long for its answer.
func (w *ward) question(x trouble, limit time.Duration) (lab.Answer, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	network, to := x.network, netip.MustParseAddrPort(x.to)
	if network == "" {
		network = "tcp"
	}
	if x.check == "rp-filter" || x.beyond {
		as := lab.WorldIPv4
		if to.Addr().Is6() {
			as = lab.WorldIPv6
		}
		return x.from(w).AskFrom(ctx, network, netip.AddrPortFrom(as, 0), to)
	}
	return x.from(w).Ask(ctx, network, to)
}

// spoiled makes sure that the fault is one.
func (w *ward) spoiled(x trouble) {
	w.t.Helper()
	limit := absence
	if x.answered {
		limit = patience
	}
	answer, err := w.question(x, limit)
	switch {
	case err != nil && x.answered:
		w.t.Fatal(err)
	case err == nil && !x.answered && x.check != "dnat-too-wide" && x.check != "shadowed-rule":
		w.t.Fatalf("the gateway is not broken: %+v", answer)
	}
}

// notOK holds the doctor's word on a forward against the packet that has just failed: it is not ok from end to end.
func (w *ward) notOK(x trouble) {
	w.t.Helper()
	g := w.look()
	f, found, err := doctor.Seek(g, "tcp "+w.say(x.to))
	if err != nil {
		w.t.Fatal(err)
	}
	if found != nil {
		return // no rule forwards it: what it meets is another's
	}
	found = doctor.ExamineForward(g, f)
	if doctor.Worst(found) < doctor.SeverityWarning && doctor.Unknown(found) == 0 {
		w.t.Errorf("%s got no answer, and the doctor says ok:\n%s", x.to, text(found))
	}
}

func (w *ward) cured(x trouble, f doctor.Finding) {
	w.t.Helper()
	if x.check == "rp-filter" {
		if on := w.look().Facts.ReversePath(evaluate.RouteQuery{Dst: w.Server2.IPv4, Src: lab.WorldIPv4, In: w.say("wan0")}); !on.Passes {
			w.t.Errorf("after %q packets are still not believed: %s", f.Cure.Title, on.Why)
		}
		return
	}
	answer, err := w.question(x, patience)
	if err != nil {
		w.t.Fatalf("after %q: %v\n%s", f.Cure.Title, err, text(doctor.Examine(w.look())))
	}
	if x.peer != "" && answer.Peer.Addr().String() != x.peer {
		w.t.Errorf("after %q %s saw %s, want %s", f.Cure.Title, answer.Server, answer.Peer, x.peer)
	}
	for _, g := range doctor.Examine(w.look()) {
		if g.Check == x.check && g.Subject == f.Subject && g.IsProblem() {
			w.t.Errorf("after its cure the doctor still says: %s", text([]doctor.Finding{g}))
		}
	}
}

func text(found []doctor.Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s: %s: %s\n", f.Severity, f.Check, f.Subject, f.Sentence)
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "    %s\n", e)
		}
		for _, c := range f.CureCommands() {
			fmt.Fprintf(&b, "    $ %s\n", rules.ShellLine(c))
		}
	}
	return b.String()
}

func TestDoctorIsSilentOnHealthyGateways(t *testing.T) {
	for _, scenario := range []string{"publish", "share", "proxy", "kube", "empty"} {
		t.Run(scenario, func(t *testing.T) {
			if lab.Isolate(t) {
				return
			}
			w := newWard(t)
			if err := w.Play(t.Context(), scenario); err != nil {
				t.Fatal(err)
			}
			w.talk(scenario)
			g := w.look()
			found := doctor.Examine(g)
			for _, f := range found {
				if f.IsProblem() {
					t.Errorf("a healthy gateway has no %s", text([]doctor.Finding{f}))
				}
			}
			for _, f := range doctor.Forwards(g) {
				if f.Owner != "" {
					continue
				}
				for _, step := range doctor.ExamineForward(g, f) {
					if step.IsProblem() {
						t.Errorf("a healthy forward has no %s", text([]doctor.Finding{step}))
					}
				}
			}
		})
	}
}

// talk makes sure that there are flows to look at.
func (w *ward) talk(scenario string) {
	w.t.Helper()
	questions := map[string]struct {
		from *lab.Node
		to   string
	}{
		"publish": {w.Client, web}, "share": {w.Server2, "198.51.100.7:80"}, "proxy": {w.Server2, "198.51.100.7:80"}, "kube": {w.Client, "203.0.113.1:30000"},
	}
	q, ok := questions[scenario]
	if !ok {
		return
	}
	for range 5 {
		if _, err := w.ask(q.from, "tcp", q.to); err != nil {
			w.t.Fatal(err)
		}
	}
}
