package doctor_test

import (
	"strings"

	"nattui/model/doctor"
)

// unclaimeds are gateways that use addresses for which they do not answer in the network where these lie, and such that do.
var unclaimeds = []said{
	{
		name: "arp_ignore keeps another link's address from being found", from: client, to: "203.0.113.5:80", check: "address-unclaimed", severity: doctor.SeverityError, says: "arp_ignore is 1",
		spoil: func(w *ward) { asksForLoopback(w); w.sysctl("net/ipv4/conf/all/arp_ignore", "1") },
	},
	{
		name: "another link's address is found", from: client, to: "203.0.113.5:80", answered: true, never: "address-unclaimed",
		spoil: func(w *ward) { asksForLoopback(w) },
	},
	{
		name: "an IPv6 address of another link", from: client, to: "[2001:db8:1::5]:80", check: "address-unclaimed", severity: doctor.SeverityWarning, says: "answers no neighbour discovery",
		spoil: func(w *ward) { asksForLoopback6(w) },
	},
	{
		name: "an IPv6 address of another link is told of", from: client, to: "[2001:db8:1::5]:80", answered: true, never: "address-unclaimed",
		spoil: func(w *ward) {
			asksForLoopback6(w)
			w.sysctl("net/ipv6/conf/wan0/proxy_ndp", "1")
			w.run(w.Gateway, "ip", "-6", "neigh", "add", "proxy", "2001:db8:1::5", "dev", "wan0")
		},
	},
	{
		name: "a network is mapped to one that nobody answers for", from: server3, to: "198.51.100.7:80", check: "snat-foreign-address", severity: doctor.SeverityError, says: "For 253 of them",
		spoil: func(w *ward) { leavesAs(w, "NETMAP --to 203.0.113.0/24") },
	},
	{
		name: "a range of addresses that nobody answers for", from: server3, to: "198.51.100.7:80", check: "snat-foreign-address", severity: doctor.SeverityError, says: "answers for none of them",
		spoil: func(w *ward) { leavesAs(w, "SNAT --to-source 203.0.113.40-203.0.113.44") },
	},
	{
		name: "a range of addresses of this host", from: server3, to: "198.51.100.7:80", answered: true, never: "snat-foreign-address",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "route", "add", "local", "203.0.113.40/30", "dev", "lo")
			leavesAs(w, "SNAT --to-source 203.0.113.40-203.0.113.43")
		},
	},
	{
		name: "another link's IPv6 address as source", from: server3, to: "[2001:db8:1::10]:80", check: "snat-foreign-address", severity: doctor.SeverityWarning, says: "answers no neighbour discovery",
		spoil: func(w *ward) {
			w.run(w.Gateway, "ip", "-6", "address", "add", "2001:db8:1::5/128", "dev", "lo")
			w.serve(w.Client, "tcp", "[2001:db8:1::10]:80")
			w.iptables("ip6tables", "-t", "nat", "-A", "POSTROUTING", "-s", "2001:db8:2::/64", "-o", "wan0", "-j", "SNAT", "--to-source", "2001:db8:1::5")
		},
	},
}

// asksForLoopback publishes the web server at an address of lo that lies in the network of wan0.
func asksForLoopback(w *ward) {
	w.run(w.Gateway, "ip", "address", "add", "203.0.113.5/32", "dev", "lo")
	w.iptables("iptables", "-t", "nat", "-R", "PREROUTING", "1", "-d", "203.0.113.5", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.168.0.2:8080")
}

func asksForLoopback6(w *ward) {
	w.run(w.Gateway, "ip", "-6", "address", "add", "2001:db8:1::5/128", "dev", "lo")
	w.iptables("ip6tables", "-t", "nat", "-A", "PREROUTING", "-d", "2001:db8:1::5", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "[2001:db8:2::2]:8080")
	w.serve(w.Server2, "tcp", "[2001:db8:2::2]:8080")
}

// leavesAs has what leaves the LAN translated by a target.
func leavesAs(w *ward, target string) {
	w.iptables("iptables", "-t", "nat", "-F", "POSTROUTING")
	w.iptables("iptables", append(strings.Fields("-t nat -A POSTROUTING -s 192.168.0.0/24 -o wan0 -j"), strings.Fields(target)...)...)
}
