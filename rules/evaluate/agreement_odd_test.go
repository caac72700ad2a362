package evaluate_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"nattui/model/host"
	"nattui/model/lab"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// odd are packets that the kernel treats in ways of their own before or beside the
// rules: sources that cannot be, frames for everybody, local networks. Each is sent
// and held against what is said of it with the facts that are read from this host.
var odd = []struct {
	name     string
	rules    string // of nat, of the packet's family
	settings [][2]string
	protocol rules.Protocol
	in       string // "": sent by this host
	from, to string
	ext      string // the extension headers
}{
	{name: "loopback leaves not", rules: "-A OUTPUT -p udp -j DNAT --to-destination 192.168.0.2:80", protocol: rules.UDP, from: "127.0.0.1:4000", to: "127.0.0.1:80"},
	{
		name: "loopback leaves where that is allowed", rules: "-A OUTPUT -p udp -j DNAT --to-destination 192.168.0.2:80\n-A POSTROUTING -o lan0 -j MASQUERADE",
		settings: [][2]string{{"net.ipv4.conf.lan0.route_localnet", "1"}}, protocol: rules.UDP, from: "127.0.0.1:4001", to: "127.0.0.1:80",
	},
	{
		name: "loopback leaves by another than is allowed", rules: "-A OUTPUT -p udp -j DNAT --to-destination 192.168.0.2:80",
		settings: [][2]string{{"net.ipv4.conf.wan0.route_localnet", "1"}}, protocol: rules.UDP, from: "127.0.0.1:4002", to: "127.0.0.1:80",
	},
	{name: "own address leaves", rules: "-A OUTPUT -p udp -j DNAT --to-destination 192.168.0.2:80", protocol: rules.UDP, from: "203.0.113.1:4000", to: "127.0.0.1:80"},
	{name: "directed broadcast", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4000", to: "203.0.113.255:9"},
	{name: "broadcast of another cable", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4003", to: "192.168.0.255:9"},
	{name: "limited broadcast", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4001", to: "255.255.255.255:9"},
	{name: "limited broadcast to this host", rules: "-A PREROUTING -i wan0 -p udp -j REDIRECT --to-ports 90", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4004", to: "255.255.255.255:9"},
	{name: "multicast", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4002", to: "239.255.255.250:9"},
	{name: "multicast of IPv6", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:4000", to: "[ff02::fb]:9"},
	{name: "multicast of IPv6 to this host, of the link", rules: "-A PREROUTING -i wan0 -p udp -j REDIRECT --to-ports 9", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:4000", to: "[ff02::fb]:9"},
	{name: "multicast of IPv6 to this host, of the site", rules: "-A PREROUTING -i wan0 -p udp -j REDIRECT --to-ports 9", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:4000", to: "[ff05::2]:9"},
	{name: "multicast of IPv6 to this host, of the world", rules: "-A PREROUTING -i wan0 -p udp -j REDIRECT --to-ports 9", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:4000", to: "[ff0e::101]:9"},
	{name: "from nowhere to here", protocol: rules.UDP, in: "wan0", from: "0.0.0.0:4000", to: "203.0.113.1:80"},
	{name: "from nowhere on", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2", protocol: rules.UDP, in: "wan0", from: "0.0.0.0:4001", to: "203.0.113.1:80"},
	{name: "from nowhere to everybody", protocol: rules.UDP, in: "wan0", from: "0.0.0.0:68", to: "255.255.255.255:67"},
	{name: "to nowhere", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4005", to: "0.0.0.0:80"},
	{name: "from net 0", protocol: rules.UDP, in: "wan0", from: "0.1.2.3:4000", to: "203.0.113.1:80"},
	{name: "from net 0 by its type", rules: "-A PREROUTING -i wan0 -p udp -m addrtype --src-type UNICAST -j DNAT --to-destination 192.168.0.2", protocol: rules.UDP, in: "wan0", from: "0.1.2.3:4001", to: "203.0.113.1:80"},
	{name: "from net 240", protocol: rules.UDP, in: "wan0", from: "240.0.0.1:4000", to: "203.0.113.1:80"},
	{name: "loopback arrives", protocol: rules.UDP, in: "wan0", from: "127.0.0.1:4003", to: "203.0.113.1:80"},
	{name: "own address arrives", protocol: rules.UDP, in: "wan0", from: "192.168.0.1:4000", to: "203.0.113.1:80"},
	{
		name: "own address arrives where it may", settings: [][2]string{{"net.ipv4.conf.wan0.accept_local", "1"}},
		protocol: rules.UDP, in: "wan0", from: "192.168.0.1:4001", to: "203.0.113.1:80",
	},
	{
		name: "own address goes on where it may", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2", settings: [][2]string{{"net.ipv4.conf.wan0.accept_local", "1"}},
		protocol: rules.UDP, in: "wan0", from: "192.168.0.1:4002", to: "203.0.113.1:80",
	},
	{
		name: "own address to itself where it may", settings: [][2]string{{"net.ipv4.conf.wan0.accept_local", "1"}},
		protocol: rules.UDP, in: "wan0", from: "203.0.113.1:4005", to: "203.0.113.1:80",
	},
	{
		name: "loopback arrives where it may", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2", settings: [][2]string{{"net.ipv4.conf.wan0.route_localnet", "1"}},
		protocol: rules.UDP, in: "wan0", from: "127.0.0.1:4004", to: "203.0.113.1:80",
	},
	{name: "loopback of IPv6 arrives", protocol: rules.UDP, in: "wan0", from: "[::1]:4000", to: "[2001:db8:1::1]:80"},
	{name: "loopback of IPv6 arrives for another", protocol: rules.UDP, in: "wan0", from: "[::1]:4001", to: "[2001:db8:2::2]:80"},
	{name: "to the loopback of IPv6", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:4001", to: "[::1]:80"},
	{name: "redirected to the loopback of IPv6", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination ::1", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:4002", to: "[2001:db8:1::1]:80"},
	{name: "a link-local address of another cable", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:4003", to: "[fe80::77]:80"},
	{name: "a link-local address of this cable", protocol: rules.UDP, in: "lan0", from: "[2001:db8:2::10]:4003", to: "[fe80::77]:80"},
	{name: "from no address of IPv6", protocol: rules.UDP, in: "wan0", from: "[::]:4000", to: "[2001:db8:1::1]:80"},
	{name: "from no address of IPv6 on", protocol: rules.UDP, in: "wan0", from: "[::]:4001", to: "[2001:db8:2::2]:80"},
	{name: "link-local on", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[fe80::10]:4000", to: "[2001:db8:1::1]:80"},
	{name: "link-local back by the way it came", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 2001:db8:1::77", protocol: rules.UDP, in: "wan0", from: "[fe80::10]:4001", to: "[2001:db8:1::1]:80"},
	{name: "own address of IPv6 arrives", protocol: rules.UDP, in: "wan0", from: "[2001:db8:2::1]:4000", to: "[2001:db8:1::1]:80"},
	{name: "a local network by its type", rules: "-A PREROUTING -p udp -m addrtype --dst-type LOCAL -j DNAT --to-destination 192.168.0.2:81", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4006", to: "198.18.0.7:80"},
	{name: "a local network without a rule", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4007", to: "198.18.0.8:80"},
	{name: "not of a local network by its type", rules: "-A PREROUTING -p udp -m addrtype --dst-type LOCAL -j DNAT --to-destination 192.168.0.2:81", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4008", to: "198.19.0.7:80"},
	{name: "a local network on an interface", rules: "-A PREROUTING -p udp -m addrtype --dst-type LOCAL --limit-iface-in -j DNAT --to-destination 192.168.0.2:81", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4009", to: "198.18.0.9:80"},
	{name: "ports of a range", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2:6000-6010", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4010", to: "203.0.113.1:80"},
	{name: "ports of a range again", rules: "-A PREROUTING -i wan0 -p udp -j DNAT --to-destination 192.168.0.2:6000-6010", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4011", to: "203.0.113.1:80"},
	{name: "DCCP", rules: "-A PREROUTING -i wan0 -p dccp --dport 80 -j DNAT --to-destination 192.168.0.2", protocol: rules.DCCP, in: "wan0", from: "203.0.113.10:4012", to: "203.0.113.1:80"},
	{name: "DCCP of another port", rules: "-A PREROUTING -i wan0 -p dccp --dport 80 -j DNAT --to-destination 192.168.0.2", protocol: rules.DCCP, in: "wan0", from: "203.0.113.10:4013", to: "203.0.113.1:81"},
	{name: "DCCP to a port", rules: "-A PREROUTING -i wan0 -p dccp -j DNAT --to-destination 192.168.0.2:8080", protocol: rules.DCCP, in: "wan0", from: "203.0.113.10:4014", to: "203.0.113.1:80"},
	{name: "DCCP from ports", rules: "-A POSTROUTING -o wan0 -p dccp -j SNAT --to-source 203.0.113.2:5000-5001", protocol: rules.DCCP, in: "lan0", from: "192.168.0.2:4014", to: "203.0.113.10:80"},
	{name: "a zone", rules: "-A PREROUTING -i wan0 -p udp --dport 80 -j DNAT --to-destination 192.168.0.2\nCOMMIT\n*raw\n-A PREROUTING -i wan0 -j CT --zone 3", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4020", to: "203.0.113.1:80"},
	{name: "a unicast frame for a broadcast of another network", protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4021", to: "192.168.0.255:9"},
	{
		name: "broadcasts are forwarded", settings: [][2]string{{"net.ipv4.conf.all.bc_forwarding", "1"}, {"net.ipv4.conf.wan0.bc_forwarding", "1"}},
		protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4022", to: "192.168.0.255:9",
	},
	{name: "forwarding is off", settings: [][2]string{{"net.ipv4.conf.wan0.forwarding", "0"}}, protocol: rules.UDP, in: "wan0", from: "203.0.113.10:4023", to: "192.168.0.2:9"},
	{name: "IPv6 is off", settings: [][2]string{{"net.ipv6.conf.dmz0.disable_ipv6", "1"}}, protocol: rules.UDP, in: "dmz0", from: "[2001:db8:3::9]:4000", to: "[2001:db8:2::2]:80"},
	{name: "to nobody from here", protocol: rules.UDP, from: "192.168.0.1:4024", to: "0.0.0.0:80"},
	{name: "GRE", rules: "-A PREROUTING -i wan0 -p gre -j DNAT --to-destination 192.168.0.2", protocol: rules.GRE, in: "wan0", from: "203.0.113.10:0", to: "203.0.113.1:0"},
	{name: "ESP", rules: "-A PREROUTING -i wan0 -p esp -j DNAT --to-destination 192.168.0.2", protocol: 50, in: "wan0", from: "203.0.113.10:0", to: "203.0.113.1:0"},
	{name: "-m ipv6header --header hop, hop", rules: "-A PREROUTING -i wan0 -m ipv6header --header hop -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5000", to: "[2001:db8:1::1]:80", ext: "hop"},
	{name: "-m ipv6header --header hop, hop,dst", rules: "-A PREROUTING -i wan0 -m ipv6header --header hop -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5001", to: "[2001:db8:1::1]:80", ext: "hop,dst"},
	{name: "-m ipv6header --header hop --soft, hop,dst", rules: "-A PREROUTING -i wan0 -m ipv6header --header hop --soft -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5002", to: "[2001:db8:1::1]:80", ext: "hop,dst"},
	{name: "-m ipv6header ! --header hop --soft, hop,dst", rules: "-A PREROUTING -i wan0 -m ipv6header ! --header hop --soft -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5003", to: "[2001:db8:1::1]:80", ext: "hop,dst"},
	{name: "-m ipv6header ! --header dst,prot, dst", rules: "-A PREROUTING -i wan0 -m ipv6header ! --header dst,prot -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5004", to: "[2001:db8:1::1]:80", ext: "dst"},
	{name: "-m ipv6header --header dst,prot, dst", rules: "-A PREROUTING -i wan0 -m ipv6header --header dst,prot -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5005", to: "[2001:db8:1::1]:80", ext: "dst"},
	{name: "-m hbh, hop", rules: "-A PREROUTING -i wan0 -m hbh -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5006", to: "[2001:db8:1::1]:80", ext: "hop"},
	{name: "-m hbh, none", rules: "-A PREROUTING -i wan0 -m hbh -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5007", to: "[2001:db8:1::1]:80", ext: "none"},
	{name: "-m dst, hop,dst", rules: "-A PREROUTING -i wan0 -m dst -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5008", to: "[2001:db8:1::1]:80", ext: "hop,dst"},
	{name: "-m ipv6header --header prot, none", rules: "-A PREROUTING -i wan0 -m ipv6header --header prot -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5009", to: "[2001:db8:1::1]:80", ext: "none"},
	{name: "-m ipv6header ! --header prot, none", rules: "-A PREROUTING -i wan0 -m ipv6header ! --header prot -j DNAT --to-destination 2001:db8:2::2", protocol: rules.UDP, in: "wan0", from: "[2001:db8:1::10]:5010", to: "[2001:db8:1::1]:80", ext: "none"},
}

func TestOddPacketsAgree(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	g := openGround(t)
	lo, err := vnl.LinkByName("lo")
	check(t, "lo", err)
	check(t, "lo", vnl.LinkSetUp(lo))
	_, own, err := net.ParseCIDR("198.18.0.0/24")
	check(t, "network", err)
	check(t, "a local network", vnl.RouteAdd(&vnl.Route{Table: unix.RT_TABLE_LOCAL, LinkIndex: lo.Attrs().Index, Dst: own, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST}))
	lan, err := vnl.LinkByName("lan0")
	check(t, "lan0", err)
	near, err := vnl.ParseAddr("fe80::77/64")
	check(t, "address", err)
	near.Flags = unix.IFA_F_NODAD
	near.Flags = unix.IFA_F_NODAD
	check(t, "a link-local address", vnl.AddrAdd(lan, near))
	for _, o := range odd {
		t.Run(o.name, func(t *testing.T) {
			from, to := netip.MustParseAddrPort(o.from), netip.MustParseAddrPort(o.to)
			family := rules.FamilyOf(from.Addr())
			for _, s := range o.settings {
				old, err := host.WriteSysctl(s[0], s[1])
				check(t, s[0], err)
				defer setting(t, s[0], old)
			}
			restore(t, family, rules.NFT, "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"+o.rules+"\nCOMMIT\n*filter\n-F\n-A FORWARD -m conntrack --ctstate DNAT\nCOMMIT\n")
			defer clearTables(t, family, []rules.Backend{rules.NFT})
			known, err := host.Read(context.Background())
			check(t, "read the host", err)
			g.forgetFlows(t)
			packet := evaluate.Packet{
				Protocol: o.protocol, Src: from.Addr(), Dst: to.Addr(), SrcPort: from.Port(), DstPort: to.Port(),
				In: o.in, Local: o.in == "", TTL: 64, MAC: "02:00:00:00:00:01", Has: evaluate.HasTOS,
			}
			if packet.Local {
				packet.MAC = ""
			}
			if o.ext != "" {
				packet.Ext, err = evaluate.ParseExtHeaders(o.ext)
				packet.Has |= evaluate.HasExt
				check(t, "headers", err)
			}
			here := known.Host(g.flows)
			g.host.NoDCCPTracking = here.NoDCCPTracking
			e := evaluate.NewEvaluator(here, evaluate.Compile(save(t, family, rules.NFT)))
			g.alone = e
			path, err := e.Evaluate(packet)
			check(t, "evaluate", err)
			var sum tally
			if what, ok := compare(t, g, e, packet, false, &sum); !ok {
				t.Error(what)
			} else if !path.Certain {
				t.Errorf("right, and not certain: %v", path.Doubts)
			}
		})
	}
}
