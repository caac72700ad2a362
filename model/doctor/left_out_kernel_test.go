package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// leftOuts are gateways whose rules hold for a part of what they are meant for: one family, some protocols, some marks.
var leftOuts = []said{
	{
		name: "a native redirection for IPv4 alone", from: client, to: "[2001:db8:1::1]:80", check: "one-family", severity: doctor.SeverityWarning, says: "IPv4 alone",
		spoil: func(w *ward) { redirectsNatively(w, "meta nfproto ipv4 ") },
	},
	{
		name: "a native redirection for IPv6 alone", from: client, to: "203.0.113.1:80", check: "one-family", severity: doctor.SeverityWarning, says: "IPv6 alone",
		spoil: func(w *ward) { redirectsNatively(w, "meta nfproto ipv6 ") },
	},
	{
		name: "a native redirection for both families", from: client, to: "[2001:db8:1::1]:80", answered: true, never: "one-family",
		spoil: func(w *ward) { redirectsNatively(w, "") },
	},
	{
		name: "a redirection of iptables for IPv4 alone", from: client, to: "[2001:db8:1::1]:80", check: "one-family", severity: doctor.SeverityNote, says: "IPv4 alone",
		spoil: func(w *ward) {
			w.serve(w.Gateway, "tcp", "[::]:8888")
			w.serve(w.Gateway, "tcp", "0.0.0.0:8888")
			w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8888")
		},
	},
	{
		name: "a service that another program gives over IPv6", never: "one-family",
		spoil: func(w *ward) {
			redirectsNatively(w, "meta nfproto ipv4 ")
			w.serve(w.Gateway, "tcp", "[2001:db8:1::1]:80")
		},
	},
	{
		name: "native rules translate TCP and UDP alone", check: "protocol-not-translated", severity: doctor.SeverityError, says: "not for icmp",
		spoil: func(w *ward) { sharesNatively(w, "tcp", "udp"); w.pings(false) },
	},
	{
		name: "nobody has sent what is not translated yet", check: "protocol-not-translated", severity: doctor.SeverityWarning, says: "not for icmp",
		spoil: func(w *ward) { sharesNatively(w, "tcp", "udp") },
	},
	{
		name: "native rules translate ICMP as well", never: "protocol-not-translated",
		spoil: func(w *ward) { sharesNatively(w, "tcp", "udp", "icmp"); w.pings(true) },
	},
	{
		name: "rules translate TCP alone", check: "protocol-not-translated", severity: doctor.SeverityError, says: "udp, icmp", cured: true,
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
			w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-o", "wan0", "-p", "tcp", "-j", "MASQUERADE")
			w.pings(false)
		},
	},
	{
		name: "protocols first, then the rest", never: "protocol-not-translated",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-I", "POSTROUTING", "1", "-s", "192.168.0.0/24", "-o", "wan0", "-p", "tcp", "-j", "MASQUERADE", "--to-ports", "2000-60000")
			w.pings(true)
		},
	},
	{
		name: "FORWARD lets TCP alone out, which alone is translated", never: "protocol-not-translated",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
			w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-o", "wan0", "-p", "tcp", "-j", "MASQUERADE")
			w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-o", "wan0", "!", "-p", "tcp", "-j", "DROP")
		},
	},
	{
		name: "a table made to share drops what it is to share", from: server3, to: "198.51.100.7:80", check: "native-drop", severity: doctor.SeverityWarning, says: "translates nothing",
		spoil: func(w *ward) {
			flushes(w)
			w.nft(`table ip overlay { chain let { ct state established,related accept; }
				chain thru { type filter hook forward priority 0; policy accept; jump let; iifname "lan0" ct state established,related accept; iifname "lan0" drop; }
				chain post { type nat hook postrouting priority 99; policy accept; }; }`)
		},
	},
	{
		name: "an interface that was made again, by its number", check: "interface-missing", severity: doctor.SeverityWarning, says: "iifname and oifname ask for the name",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
			w.nft(`table inet numbers { chain thru { type filter hook input priority 0; policy accept; iif "gone0" tcp dport 22 accept; }; }`)
			w.run(w.Gateway, "ip", "link", "del", "gone0")
		},
	},
	{
		name: "a set of interfaces of which one is gone", check: "interface-missing", severity: doctor.SeverityNote, says: "some of which none has any more",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
			w.nft(`table inet numbers { set inner { type iface_index; elements = { "gone0", "lan0" }; }
				chain thru { type filter hook input priority 0; policy accept; iif @inner tcp dport 22 accept; }; }`)
			w.run(w.Gateway, "ip", "link", "del", "gone0")
		},
	},
	{
		name: "interfaces that are there, by their number", never: "interface-missing",
		spoil: func(w *ward) {
			w.nft(`table inet numbers { set inner { type iface_index; elements = { "wan0", "lan0" }; }
				chain thru { type filter hook input priority 0; policy accept; iif @inner tcp dport 22 accept; iif lo accept; oif != "wan0" accept; }; }`)
		},
	},
	{
		name: "an inner network that is kept inside", from: server3, to: "198.51.100.7:80", check: "native-drop", severity: doctor.SeverityNote, says: "on purpose",
		spoil: func(w *ward) {
			flushes(w)
			w.nft(`table ip keep { chain thru { type filter hook forward priority 0; policy accept; iifname "lan0" ct state new drop; }; }`)
		},
	},
	{
		name: "the reverse path is asked without the mark", check: "no-answer", severity: doctor.SeverityWarning, says: "drops the answers",
		spoil: func(w *ward) {
			tunnels(w, "raw", "fib saddr . iif oif missing drop")
			w.asksMarked(false)
		},
	},
	{
		name: "the reverse path is asked with the mark", never: "no-answer",
		spoil: func(w *ward) {
			tunnels(w, "-140", "fib saddr . mark . iif oif missing drop")
			w.asksMarked(true)
		},
	},
	{
		name: "a verdict map drops the gateway's own questions before the translation", from: gateway, to: "10.87.1.2:80", check: "dropped-before-translation", severity: doctor.SeverityWarning, says: "192.168.0.2:8080",
		spoil: func(w *ward) { balances(w, "-110") },
	},
	{
		name: "a verdict map is asked after the translation", from: gateway, to: "10.87.1.2:80", answered: true, never: "dropped-before-translation",
		spoil: func(w *ward) { balances(w, "10") },
	},
	{
		name: "a rule for whoever leaves hides the LAN from another network inside", from: server3, to: "10.60.0.9:389", check: "no-answer", severity: doctor.SeverityWarning, says: "names no network",
		spoil: func(w *ward) { hides(w, "") },
	},
	{
		name: "the rule names its way out", never: "no-answer",
		spoil: func(w *ward) { hides(w, `oifname "wan0" `) },
	},
	{
		name: "fw4's redirect is the administrator's: its reflection has no source", from: server3, to: web, check: "hairpin", severity: doctor.SeverityError, says: "no hairpin NAT",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
			w.nft(`table inet fw4 { chain dstnat { type nat hook prerouting priority -100; ip daddr 203.0.113.1 tcp dport 80 dnat ip to 192.168.0.2:8080; }; }`)
		},
	},
	{
		name: "an overlay's chain that is to translate is empty", check: "idle-translator", severity: doctor.SeverityUnknown, says: "100.64.0.0/10",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-N", "ts-postrouting")
			w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "ts-postrouting")
			overlay(w)
		},
	},
	{
		name: "an overlay's chain translates", never: "idle-translator",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-N", "ts-postrouting")
			w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "ts-postrouting")
			w.iptables("iptables", "-t", "nat", "-A", "ts-postrouting", "-s", "100.64.0.0/10", "-j", "MASQUERADE")
			overlay(w)
		},
	},
	{
		name: "a DNS server gets its own questions", check: "server-loop", severity: doctor.SeverityError, says: "from 192.168.0.3 to itself", cured: true,
		spoil: func(w *ward) {
			resolves(w, "")
			w.answeredBy("192.168.0.3")
		},
	},
	{
		name: "a DNS server that has asked nobody", check: "server-loop", severity: doctor.SeverityNote, says: "! -s 192.168.0.3", cured: true,
		spoil: func(w *ward) { resolves(w, "") },
	},
	{
		name: "a DNS server for a part of the LAN", check: "server-loop", severity: doctor.SeverityNote, says: "its own questions", cured: true,
		spoil: func(w *ward) { resolves(w, "192.168.0.0/25") },
	},
	{
		name: "a DNS server that is left out", never: "server-loop",
		spoil: func(w *ward) {
			resolves(w, "!192.168.0.3")
			w.answeredBy("198.51.100.7")
		},
	},
	{
		name: "a DNS server of the gateway, whose own questions OUTPUT redirects", check: "proxy-loop", severity: doctor.SeverityWarning, says: "its connections come back to it",
		spoil: func(w *ward) {
			w.serve(w.Gateway, "udp", "0.0.0.0:53")
			w.iptables("iptables", "-t", "nat", "-A", "OUTPUT", "-p", "udp", "--dport", "53", "-j", "REDIRECT", "--to-ports", "53")
		},
	},
	{
		name: "a bridge sends nothing back by the port that it came in", from: server3, to: web, check: "bridge-hairpin", severity: doctor.SeverityWarning, says: "hairpin mode of lan0 is off",
		spoil: func(w *ward) { bridges(w, "1") },
	},
	{
		name: "what a bridge does not translate is routed back by the port that it came in", from: server3, to: web, answered: true, never: "bridge-hairpin",
		spoil: func(w *ward) { bridges(w, "0") },
	},
	{
		name: "no default route", from: server3, to: "198.51.100.7:80", check: "no-default-route", severity: doctor.SeverityError, says: "nothing of them gets",
		spoil: func(w *ward) { w.run(w.Gateway, "ip", "route", "del", "default") },
	},
	{
		name: "no IPv6 default route beside a public address", from: server3, to: "[2001:db8:1::77]:80", check: "no-default-route", severity: doctor.SeverityWarning, says: "no IPv6 default route",
		spoil: func(w *ward) {
			w.iptables("ip6tables", "-t", "nat", "-A", "POSTROUTING", "-s", "2001:db8:2::/64", "-o", "wan0", "-j", "MASQUERADE")
			w.run(w.Gateway, "ip", "-6", "route", "del", "default")
		},
	},
	{
		name: "an nft table drops ARP", from: client, to: web, check: "arp-dropped", severity: doctor.SeverityError, says: "by ARP",
		spoil: func(w *ward) {
			w.nft("table arp quiet { chain in { type filter hook input priority 0; policy drop; } }")
			w.run(w.Gateway, "ip", "neigh", "flush", "all")
			w.run(w.Client, "ip", "neigh", "flush", "all")
		},
	},
	{
		name: "an nft table drops some ARP", from: client, to: web, answered: true, check: "arp-dropped", severity: doctor.SeverityUnknown, says: "not known",
		spoil: func(w *ward) {
			w.nft("table arp quiet { chain in { type filter hook input priority 0; policy accept; iifname lan7 drop; } }")
		},
	},
	{
		name: "no default route where only the network next door is asked", from: server3, to: "203.0.113.10:80", answered: true, check: "no-default-route", severity: doctor.SeverityNote, says: "203.0.113.10",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "route", "del", "default")
			w.serve(w.Client, "tcp", "203.0.113.10:80")
		},
	},
}

// balances has native rules send what is for a service's address to a server, and a map, asked in OUTPUT, drop what is for
// it.
func balances(w *ward, priority string) {
	w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
	w.nft(`table ip balance { map empty { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.87.1.2 . tcp . 80 : drop } }
		chain checks { ip daddr . meta l4proto . th dport vmap @empty; }
		chain out { type filter hook output priority ` + priority + `; ct state new jump checks; }
		chain pre { type nat hook prerouting priority -100; ip daddr 10.87.1.2 tcp dport 80 dnat to 192.168.0.2:8080; }
		chain own { type nat hook output priority -100; ip daddr 10.87.1.2 tcp dport 80 dnat to 192.168.0.2:8080; }; }`)
}

// hides gives the gateway another network inside, where somebody answers the LAN alone, and a rule that gives what leaves
// the gateway's address.
func hides(w *ward, out string) {
	flushes(w)
	w.run(w.Gateway, "ip", "link", "add", "dmz0", "type", "veth", "peer", "name", "far")
	w.run(w.Gateway, "ip", "link", "set", "far", "up")
	w.run(w.Gateway, "ip", "addr", "add", "10.60.0.1/24", "dev", "dmz0")
	w.run(w.Gateway, "ip", "link", "set", "dmz0", "up")
	w.nft(`table ip lb { chain post { type nat hook postrouting priority 99; ` + out + `snat to 203.0.113.1; }; }`)
}

// resolves sends what the LAN asks of DNS servers to one of its machines, with the gateway's address, which is answered.
func resolves(w *ward, source string) {
	w.serve(w.Server3, "udp", "192.168.0.3:53")
	w.serve(w.Client, "udp", "198.51.100.7:53")
	args := []string{"-t", "nat", "-A", "PREROUTING", "-i", "lan0"}
	switch except, not := strings.CutPrefix(source, "!"); {
	case not:
		args = append(args, "!", "-s", except)
	case source != "":
		args = append(args, "-s", source)
	}
	w.iptables("iptables", append(args, "-p", "udp", "--dport", "53", "-j", "DNAT", "--to-destination", "192.168.0.3")...)
	w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "lan0", "-d", "192.168.0.3", "-p", "udp", "--dport", "53", "-j", "MASQUERADE")
}

// answeredBy holds who answers what the DNS server asks of somebody on the Internet.
func (w *ward) answeredBy(want string) {
	w.t.Helper()
	answer, err := w.ask(w.Server3, "udp", "198.51.100.7:53")
	if err != nil || answer.At.Addr().String() != want {
		w.t.Fatalf("the server's question is answered at %s, want %s: %v", answer.At, want, err)
	}
}

// bridges makes the LAN's interface the only port of a bridge, which sends packets through iptables or does not, and lets
// the LAN use the published address.
func bridges(w *ward, calls string) {
	for _, c := range [][]string{
		{"ip", "link", "add", "br0", "type", "bridge"},
		{"ip", "link", "set", "br0", "up"},
		{"ip", "addr", "flush", "dev", "lan0"},
		{"ip", "link", "set", "lan0", "master", "br0"},
		{"ip", "addr", "add", "192.168.0.1/24", "dev", "br0"},
	} {
		w.run(w.Gateway, c...)
	}
	if err := w.Gateway.SetSysctl("net/bridge/bridge-nf-call-iptables", calls); err != nil {
		lab.Lacks(w.t, fmt.Sprintf("br_netfilter is not loaded: %v", err))
	}
	w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-d", "192.168.0.2", "-j", "MASQUERADE")
	for _, n := range []*lab.Node{w.Server2, w.Server3} { // so that the gateway, and the bridge, know them
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		defer cancel()
		if _, err := n.Ping(ctx, netip.MustParseAddr("192.168.0.1")); err != nil {
			w.t.Fatal(err)
		}
	}
}

// overlay gives the gateway the interface of an overlay network.
func overlay(w *ward) {
	w.run(w.Gateway, "ip", "link", "add", "over0", "type", "veth", "peer", "name", "far")
	w.run(w.Gateway, "ip", "link", "set", "far", "up")
	w.run(w.Gateway, "ip", "addr", "add", "100.100.1.1/32", "dev", "over0")
	w.run(w.Gateway, "ip", "link", "set", "over0", "up")
	w.run(w.Gateway, "ip", "route", "add", "100.64.0.0/10", "dev", "over0")
}

// redirectsNatively has a native rule send what is for port 80 of the gateway to a program that takes both families.
func redirectsNatively(w *ward, family string) {
	w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
	w.serve(w.Gateway, "tcp", "[::]:8888")
	w.serve(w.Gateway, "tcp", "0.0.0.0:8888")
	w.nft(`table inet here { chain pre { type nat hook prerouting priority -100; iifname "wan0" ` + family + `tcp dport 80 redirect to :8888; }; }`)
}

// sharesNatively has native rules give what the LAN sends the gateway's address, for some protocols.
func sharesNatively(w *ward, protocols ...string) {
	w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
	text := "table inet here { chain post { type nat hook postrouting priority 100;"
	for _, p := range protocols {
		text += ` meta nfproto ipv4 meta l4proto ` + p + ` oifname "wan0" snat ip to 203.0.113.1:16384-24575;`
	}
	w.nft(text + " }; }")
}

// pings sends an echo request from the LAN to the Internet, which is answered or not.
func (w *ward) pings(answered bool) {
	w.t.Helper()
	limit := absence
	if answered {
		limit = patience
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	if _, err := w.Server3.Ping(ctx, lab.WorldIPv4); answered != (err == nil) {
		w.t.Fatalf("the echo request: %v", err)
	}
}

// tunnels sends what has no mark by another way than what has, as a tunnel's own packets have, and has a rule ask for
// the way back of what comes.
func tunnels(w *ward, priority, filter string) {
	w.iptables("iptables", "-t", "nat", "-F", "PREROUTING")
	for _, c := range [][]string{
		{"ip", "link", "add", "tun0", "type", "veth", "peer", "name", "far"},
		{"ip", "link", "set", "far", "up"},
		{"ip", "addr", "add", "10.77.0.2/24", "dev", "tun0"},
		{"ip", "link", "set", "tun0", "up"},
		{"ip", "route", "add", "default", "via", "10.77.0.1", "dev", "tun0", "table", "77"},
		{"ip", "rule", "add", "pref", "100", "lookup", "main", "suppress_prefixlength", "0"},
		{"ip", "rule", "add", "pref", "101", "not", "fwmark", "0x5", "lookup", "77"},
	} {
		w.run(w.Gateway, c...)
	}
	for _, s := range []string{"all", "wan0", "tun0"} {
		w.sysctl("net/ipv4/conf/"+s+"/rp_filter", "0")
	}
	w.nft(`table ip marks { chain pre { type filter hook prerouting priority mangle; meta mark set ct mark; }
		chain post { type filter hook postrouting priority mangle; meta mark 5 ct mark set meta mark; }; }`)
	w.nft("table ip strict { chain pre { type filter hook prerouting priority " + priority + "; " + filter + "; }; }")
}

// asksMarked asks somebody on the Internet with the mark that a tunnel's program sets.
func (w *ward) asksMarked(answered bool) {
	w.t.Helper()
	limit := absence
	if answered {
		limit = patience
	}
	marked := net.Dialer{Timeout: limit, Control: func(_, _ string, c syscall.RawConn) (err error) {
		refused := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, 5) })
		return errors.Join(err, refused)
	}}
	err := w.Gateway.Do(func() error {
		conn, err := marked.DialContext(w.t.Context(), "tcp", "198.51.100.7:80")
		if err == nil {
			w.t.Cleanup(func() { conn.Close() })
		}
		return err
	})
	if answered != (err == nil) {
		w.t.Fatalf("with the mark: %v", err)
	}
}

// flushes leaves no rule that translates.
func flushes(w *ward) {
	for _, chain := range []string{"PREROUTING", "POSTROUTING"} {
		w.iptables("iptables", "-t", "nat", "-F", chain)
	}
}
