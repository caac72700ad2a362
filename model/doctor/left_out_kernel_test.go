package doctor_test

import (
	"context"
	"errors"
	"net"
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
		{"ip", "link", "add", "tun0", "type", "veth", "peer", "name", "far"}, {"ip", "link", "set", "far", "up"},
		{"ip", "addr", "add", "10.77.0.2/24", "dev", "tun0"}, {"ip", "link", "set", "tun0", "up"},
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
