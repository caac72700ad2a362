package doctor_test

import (
	"context"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"nattui/model/doctor"
	"nattui/model/lab"
)

// halfway are gateways where some get through and others do not, or what is done for one is undone by another.
var halfway = []said{
	{
		name: "FORWARD lets the LAN alone through to what the Internet asks for", from: client, to: web, check: "forward-dropped", severity: doctor.SeverityError, says: "policy of FORWARD",
		spoil: func(w *ward) {
			w.iptables("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "192.168.0.0/24", "-d", "192.168.0.2", "-j", "MASQUERADE")
			w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
			w.iptables("iptables", "-A", "FORWARD", "-i", "lan0", "-j", "ACCEPT")
			w.iptables("iptables", "-P", "FORWARD", "DROP")
			w.run(w.Server3, "ip", "address", "add", "192.168.0.4/24", "dev", "eth0")
			for _, neighbour := range []string{"192.168.0.3:0", "192.168.0.4:0"} {
				conn, err := w.Server3.Dial(w.t.Context(), "tcp", netip.MustParseAddrPort(neighbour), netip.MustParseAddrPort(web))
				if err != nil {
					w.t.Fatal(err)
				}
				w.t.Cleanup(func() { conn.Close() })
			}
		},
	},
	{
		name: "INPUT limits how many connections may begin", from: client, to: web, check: "forwarding-off", severity: doctor.SeverityError, says: "ip_forward", cured: true,
		spoil: func(w *ward) {
			w.nft(`table inet fw { chain flood { limit rate 25/second burst 50 packets return; drop; }
				chain input { type filter hook input priority 0; policy drop; ct state established,related accept; meta l4proto { icmp, ipv6-icmp } accept; tcp flags & (fin | syn | rst | ack) == syn jump flood; iifname "lan0" accept; }; }`)
			w.sysctl("net/ipv4/ip_forward", "0")
		},
	},
	{
		name: "so do rules of iptables", from: client, to: web, check: "forwarding-off", severity: doctor.SeverityError, says: "ip_forward", cured: true,
		spoil: func(w *ward) {
			w.iptables("iptables", "-A", "INPUT", "-p", "tcp", "-m", "limit", "--limit", "25/s", "--limit-burst", "50", "-j", "ACCEPT")
			w.iptables("iptables", "-P", "INPUT", "DROP")
			w.sysctl("net/ipv4/ip_forward", "0")
		},
	},
	{
		name: "who takes what is redirected is bound to another interface", from: client, to: web, check: "nobody-listens", severity: doctor.SeverityError, says: "bound to lan0",
		spoil: func(w *ward) { redirectsToBound(w, "lan0") },
	},
	{
		name: "who takes what is redirected is bound to the interface", never: "nobody-listens",
		spoil: func(w *ward) { redirectsToBound(w, "wan0") },
	},
	{
		name: "OUTPUT lets out what belongs to connections", from: client, to: web, answered: true, never: "too-big-dropped",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "link", "set", "wan0", "mtu", "1400")
			w.iptables("iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
			w.iptables("iptables", "-P", "OUTPUT", "DROP")
		},
	},
	{
		name: "a native rule has TCP choose smaller segments", from: client, to: web, answered: true, check: "too-big-dropped", severity: doctor.SeverityNote, says: "smaller segments", never: "mss-clamp",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "link", "set", "wan0", "mtu", "1400")
			w.nft(`table inet narrow { chain thru { type filter hook forward priority mangle; tcp flags syn tcp option maxseg size set rt mtu; }; chain own { type filter hook output priority filter; icmp type destination-unreachable drop; }; }`)
		},
	},
	{
		name: "FORWARD names the interface that is not there, too", from: client, to: web, check: "interface-missing", severity: doctor.SeverityWarning, says: "FORWARD 2 names it too", cured: true,
		spoil: func(w *ward) { renames(w, "lan0") },
	},
	{
		name: "FORWARD names another interface that is not there", from: client, to: web, check: "interface-missing", severity: doctor.SeverityWarning, says: "do not mend it",
		spoil: func(w *ward) { renames(w, "eth1") },
	},
	{
		name: "a broadcast address is nobody's server", check: "no-route", severity: doctor.SeverityError, says: "bc_forwarding",
		spoil: func(w *ward) { wakes(w) },
	},
	{
		name: "broadcasts are handed on", never: "no-route",
		spoil: func(w *ward) {
			wakes(w)
			w.sysctl("net/ipv4/conf/all/bc_forwarding", "1")
			w.sysctl("net/ipv4/conf/wan0/bc_forwarding", "1")
		},
	},
	{
		name: "the way back is looked up with the mark", never: "rp-filter",
		spoil: func(w *ward) {
			marksUplinks(w, "1")
			if _, err := w.Client.AskFrom(w.t.Context(), "tcp", netip.AddrPortFrom(lab.WorldIPv4, 0), netip.MustParseAddrPort(web)); err != nil {
				w.t.Fatal(err)
			}
		},
	},
	{
		name: "the way back is looked up without the mark", check: "rp-filter", severity: doctor.SeverityError, says: "by wan1, not wan0",
		spoil: func(w *ward) {
			marksUplinks(w, "0")
			ctx, cancel := context.WithTimeout(w.t.Context(), absence)
			defer cancel()
			if answer, err := w.Client.AskFrom(ctx, "tcp", netip.AddrPortFrom(lab.WorldIPv4, 0), netip.MustParseAddrPort(web)); err == nil {
				w.t.Fatalf("%+v", answer)
			}
		},
	},
}

// marksUplinks gives the gateway a second way to the Internet, and has what came by the first answered by that.
func marksUplinks(w *ward, validMark string) {
	w.secondProvider()
	if err := w.Client.SetSysctl("net/ipv4/conf/all/arp_announce", "2"); err != nil { // a question for a neighbour is filtered, too
		w.t.Fatal(err)
	}
	w.run(w.Gateway, "ip", "rule", "add", "fwmark", "7", "lookup", "100")
	w.run(w.Gateway, "ip", "route", "add", "default", "via", "203.0.113.10", "table", "100")
	w.run(w.Gateway, "ip", "route", "add", "192.168.0.0/24", "dev", "lan0", "table", "100")
	w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", "wan0", "-j", "MARK", "--set-mark", "7")
	w.iptables("iptables", "-t", "mangle", "-A", "PREROUTING", "-i", "lan0", "-s", "192.168.0.2", "-j", "MARK", "--set-mark", "7")
	w.sysctl("net/ipv4/conf/wan0/rp_filter", "1")
	w.sysctl("net/ipv4/conf/wan0/src_valid_mark", validMark)
}

// wakes sends what wakes machines to all of the LAN.
func wakes(w *ward) {
	w.iptables("iptables", "-t", "nat", "-A", "PREROUTING", "-d", "203.0.113.1", "-p", "udp", "--dport", "9", "-j", "DNAT", "--to-destination", "192.168.0.255")
}

// renames has the rules of a gateway name interfaces as they were called before.
func renames(w *ward, inner string) {
	w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "eth0", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
	w.iptables("iptables", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
	w.iptables("iptables", "-A", "FORWARD", "-i", "eth0", "-o", inner, "-p", "tcp", "--dport", "8080", "-j", "ACCEPT")
	w.iptables("iptables", "-P", "FORWARD", "DROP")
}

// redirectsToBound sends web to a program of the gateway that is bound to an interface.
func redirectsToBound(w *ward, device string) {
	w.t.Helper()
	listener, err := w.Gateway.Listen(w.t.Context(), netip.MustParseAddrPort("0.0.0.0:8888"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { listener.Close() })
	raw, err := listener.SyscallConn()
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) }), err)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-i", "wan0", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8888")
}
