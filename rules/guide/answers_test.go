package guide

import (
	"slices"
	"strings"
	"testing"
)

// What cannot work is said at the field where it was answered, with the nearest
// that would where there is one.
func TestWrongAnswersSayWhatWouldWork(t *testing.T) {
	const published = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080\nCOMMIT\n"
	for _, c := range []struct {
		recipe Recipe
		want   []string
	}{
		{Share{Net: ""}, []string{`x net: a network is missing (try 192.168.0.0/24)`}},
		{Share{Net: "192.168.0"}, []string{`x net: "192.168.0" is not a network: use the form 192.168.0.0/24 (try 192.168.0.0/24)`}},
		{Share{Net: "192.168.0.0/33"}, []string{`x net: "192.168.0.0/33" is not a network: use the form 192.168.0.0/24 (try 192.168.0.0/24)`}},
		{Share{Net: "192.168.0.300/24"}, []string{`x net: "192.168.0.300/24" is not a network: use the form 192.168.0.0/24 (try 192.168.0.0/24)`}},
		{Share{Net: "192.168.0.5/24"}, []string{`! net: 192.168.0.5/24 is taken as the network 192.168.0.0/24 (try 192.168.0.0/24)`}},
		{Share{Net: "0.0.0.0/0"}, []string{`x net: 0.0.0.0/0 is everyone: enter the network inside (try 192.168.0.0/24)`}},
		{Share{Net: "203.0.113.0/24"}, []string{`x net: 203.0.113.0/24 is on the side of wan0, the uplink (try 192.168.0.0/24)`}},
		{Share{Net: "172.16.0.0/24"}, []string{`x net: there is no route to 172.16.0.0/24: replies would not find their way back (try 192.168.0.0/24)`}},
		{Share{Net: "lan0"}, []string{`x net: "lan0" is not a network: use the form 192.168.0.0/24 (try 192.168.0.0/24)`}},
		{Share{Net: "192.168.0.0/24", Out: "eth9"}, []string{`x out: this host has no interface eth9: it has lo, wan0, lan0, tun0 (try wan0)`}},
		{Share{Net: "192.168.0.0/24", Out: "lan0"}, []string{`x out: 192.168.0.0/24 itself is on lan0: the uplink is another interface (try wan0)`, `! out: packets to the Internet leave by wan0, not by lan0, so this rule would not match them (try wan0)`}},
		{Share{Net: "192.168.0.0/24", Out: "lo"}, []string{`x out: lo is this host itself, not an uplink (try wan0)`}},
		{Share{Net: "192.168.0.0/24", As: "fe80::1"}, []string{`x as: 192.168.0.0/24 is IPv4 and fe80::1 is not: NAT cannot translate between families (try 203.0.113.1)`}},
		{Share{Net: "192.168.0.0/24", As: "1.2.3"}, []string{`x as: "1.2.3" is not an IPv4 address (try 203.0.113.1)`}},
		{Share{Net: "fd00::/64"}, []string{`x out: an interface is missing: this host has no default route for IPv6, so its uplink is not known`}},
		{Share{VPN: true, Net: "10.8.0.0/24", In: "wan0"}, []string{`x in: wan0 is the uplink: the VPN's machines arrive on another interface, their tunnel (try tun0)`}},
		{Share{VPN: true, Net: "192.168.0.0/24", In: "lan0"}, []string{`! in: lan0 does not look like a VPN tunnel: for a network of your own, share a connection (try tun0)`}},
		{Share{VPN: true, Net: "10.8.0.0/24", In: "eth5"}, []string{`x in: this host has no interface eth5: it has lo, wan0, lan0, tun0 (try tun0)`}},
		{Share{VPN: true, Net: "192.168.0.0/24", In: "tun0"}, []string{`x net: 192.168.0.0/24 overlaps 192.168.0.0/24, the network of lan0: the gateway cannot tell which machine is meant (try 10.8.0.0/24)`}},
		{Share{VPN: true, Net: "192.168.0.128/25", In: "tun0"}, []string{`x net: 192.168.0.128/25 overlaps 192.168.0.0/24, the network of lan0: the gateway cannot tell which machine is meant (try 10.8.0.0/24)`}},
		{Share{VPN: true, Net: "10.9.0.0/24", In: "tun0"}, []string{`x net: replies to 10.9.0.0/24 would go by wan0, not by tun0 (try 10.8.0.0/24)`}},
		{Share{VPN: true, Net: "10.8.0.0/24", In: "tun0", Reach: "10.8.0.0/24"}, []string{`x reach: 10.8.0.0/24 is the VPN's own network (try 192.168.0.0/24)`}},
		{Share{VPN: true, Net: "10.8.0.0/24", In: "tun0", Reach: "foo"}, []string{`x reach: "foo" is not a network: use the form 192.168.0.0/24 (try 192.168.0.0/24)`}},
		{Share{VPN: true, Net: "10.8.0.0/24", In: "tun0", Reach: "172.16.0.0/24"}, []string{`x reach: there is no route to 172.16.0.0/24 (try 192.168.0.0/24)`}},
		{Share{VPN: true, Net: "10.8.0.0/24", In: "tun0", Reach: "fd00::/64"}, []string{`x reach: 10.8.0.0/24 is IPv4 and fd00::/64 is not (try 192.168.0.0/24)`}},
		{Share{VPN: true, Net: "10.8.0.0/24", In: "tun0", Reach: "203.0.113.0/24"}, []string{`! reach: 203.0.113.0/24 is reached by wan0, the uplink, so it is not inside (try 192.168.0.0/24)`}},
		{Publish{At: "203.0.113.1", Port: "", To: "192.168.0.2"}, []string{`x port: a port is missing: a number from 1 to 65535, or a range such as 8000-8010`}},
		{Publish{At: "203.0.113.1", Port: "0", To: "192.168.0.2"}, []string{`x port: "0" is not a port: use a number from 1 to 65535, or a range such as 8000-8010`}},
		{Publish{At: "203.0.113.1", Port: "70000", To: "192.168.0.2"}, []string{`x port: "70000" is not a port: use a number from 1 to 65535, or a range such as 8000-8010`}},
		{Publish{At: "203.0.113.1", Port: "90-80", To: "192.168.0.2"}, []string{`x port: the range 90-80 is reversed (try 80-90)`}},
		{Publish{At: "203.0.113.1", Port: "http", To: "192.168.0.2"}, []string{`x port: "http" is not a port: use a number from 1 to 65535, or a range such as 8000-8010 (try 80)`}},
		{Publish{At: "203.0.113.1", Port: "web", To: "192.168.0.2"}, []string{`x port: "web" is not a port: use a number from 1 to 65535, or a range such as 8000-8010 (try 80)`}},
		{Publish{At: "203.0.113.1", Port: "80,443", To: "192.168.0.2"}, []string{`x port: "80,443" is several ports: use one port or a range such as 8000-8010 (try 80)`}},
		{Publish{At: "203.0.113.1", Port: "8000-", To: "192.168.0.2"}, []string{`x port: "8000-" is not a port: use a number from 1 to 65535, or a range such as 8000-8010 (try 8000)`}},
		{Publish{At: "203.0.113.1", Port: "80", To: "192.168.0.2"}, []string{`x port: port 80 of 203.0.113.1 is taken: rule 1 of PREROUTING sends it to 192.168.0.2:8080; choose another port, or move that service (try 8080)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: ""}, []string{`x to: a server is missing: enter its address, such as 192.168.0.2 or 192.168.0.2:8080`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "server"}, []string{`x to: "server" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.300"}, []string{`x to: "192.168.0.300" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080 (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.2:0"}, []string{`x to: "0" is not a port: use a number from 1 to 65535, or a range such as 8000-8010 (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.2:70000"}, []string{`x to: "70000" is not a port: use a number from 1 to 65535, or a range such as 8000-8010 (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.2:http"}, []string{`x to: "http" is not a port: use a number from 1 to 65535, or a range such as 8000-8010 (try 192.168.0.2:80)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.2/24"}, []string{`x to: "192.168.0.2/24" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080 (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.0"}, []string{`x to: 192.168.0.0 is not a machine: it means all of 192.168.0.0/24 (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.255"}, []string{`x to: 192.168.0.255 is not a machine: it means all of 192.168.0.0/24 (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "fd00::2"}, []string{`x to: there is no route to fd00::2`, `x at: the server's address is IPv6 and 203.0.113.1 is not: NAT cannot translate between families`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "fd00::2:8080"}, []string{`x to: there is no route to fd00::2:8080`, `x at: the server's address is IPv6 and 203.0.113.1 is not: NAT cannot translate between families`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "0.0.0.0"}, []string{`x to: 0.0.0.0 is not the address of a single machine (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.1"}, []string{`x to: 192.168.0.1 is this host's own address on lan0: a service on this host needs no forwarding; to use another port, use the proxy recipe (REDIRECT) (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0"}, []string{`x to: "192.168.0" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080 (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "tun0"}, []string{`x to: "tun0" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "10.99.0.1"}, []string{`! to: 10.99.0.1 is not in a network inside: its packets would leave by wan0, the uplink (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "http://192.168.0.2"}, []string{`x to: "http://192.168.0.2" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080 (try 192.168.0.2:80)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.2 8080"}, []string{`x to: "192.168.0.2 8080" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080 (try 192.168.0.2:8080)`}},
		{Publish{At: "203.0.113.1", Port: "81-90", To: "192.168.0.2:81-85"}, []string{`x to: a port range maps to the same ports: otherwise the kernel would choose any of 81-85 for each connection (try 192.168.0.2)`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.2:81-85"}, []string{`x to: a port range maps to the same ports: otherwise the kernel would choose any of 81-85 for each connection (try 192.168.0.2:81)`}},
		{Publish{Port: "81", To: "192.168.0.2", At: "wan0"}, []string{`x at: "wan0" is not an IPv4 address (try 203.0.113.1)`}},
		{Publish{Port: "81", To: "192.168.0.2", At: "1.2.3.4"}, []string{`! at: 1.2.3.4 is not an address of this host: this works only if the router sends its packets here (try 203.0.113.1)`}},
		{Publish{Port: "81", To: "192.168.0.2", At: "2001:db8::1"}, []string{`x at: the server's address is IPv4 and 2001:db8::1 is not: NAT cannot translate between families (try 203.0.113.1)`}},
		{Publish{Port: "81", To: "192.168.0.2", At: "127.0.0.1"}, []string{`x at: nobody outside can reach 127.0.0.1 (try 203.0.113.1)`}},
		{Publish{Port: "81", To: "192.168.0.2", Protocol: "icmp"}, []string{`x proto: "icmp" has no ports: choose tcp, udp or both (try tcp)`}},
		{Proxy{Port: "80", ToPort: "8888"}, []string{`x in: an interface is missing (try lan0)`}},
		{Proxy{In: "wlan0", Port: "80", ToPort: "8888"}, []string{`x in: this host has no interface wlan0: it has lo, wan0, lan0, tun0 (try lan0)`}},
		{Proxy{In: "wan", Port: "80", ToPort: "8888"}, []string{`x in: this host has no interface wan: it has lo, wan0, lan0, tun0 (try lan0)`}},
		{Proxy{In: "tun", Port: "80", ToPort: "8888"}, []string{`x in: this host has no interface tun: it has lo, wan0, lan0, tun0 (try tun0)`}},
		{Proxy{In: "lan0", Port: "80", ToPort: "888888"}, []string{`x to: "888888" is not a port: use a number from 1 to 65535, or a range such as 8000-8010`}},
		{Proxy{In: "lan0", Port: "80", ToPort: "80"}, []string{`! to: nothing listens on port 80 now: until something does, connections are refused`}},
		{Proxy{In: "lan0", Port: "80", ToPort: "8888-8890"}, []string{`x to: a service listens on one port (try 8888)`}},
		{Proxy{In: "lan0", Port: "", ToPort: "8888"}, []string{`x port: a port is missing: a number from 1 to 65535, or a range such as 8000-8010`}},
		{Proxy{In: "lan0", Port: "80", ToPort: "squid"}, []string{`x to: "squid" is not a port: use a number from 1 to 65535, or a range such as 8000-8010 (try 3128)`}},
		{Proxy{In: "lan0", Port: "80", ToPort: "0"}, []string{`x to: "0" is not a port: use a number from 1 to 65535, or a range such as 8000-8010`}},
		{Proxy{In: "lan0", Port: "80", ToPort: "8888", Except: "x"}, []string{`x except: "x" is not a network: use the form 192.168.0.0/24 (try 192.168.0.0/24)`}},
		{Proxy{In: "lan0", Port: "80", ToPort: "8888", Except: "fd00::/8"}, []string{`x except: this is for IPv4, and fd00::/8 is not`}},
		{Proxy{In: "lo", Port: "80", ToPort: "8888"}, []string{`x in: nothing from outside arrives on lo: it is this host itself (try lan0)`}},
		{OneToOne{Outside: "", Inside: "192.168.0.2"}, []string{`x outside: a public address that is routed to this host is missing, or a network: such as 203.0.113.9`}},
		{OneToOne{Outside: "203.0.113.9", Inside: ""}, []string{`x inside: the address of a machine inside is missing, or a network: such as 192.168.0.9 (try 192.168.0.2)`}},
		{OneToOne{Outside: "203.0.113.8/29", Inside: "web"}, []string{`x inside: "web" is neither an address nor a network: use the form 192.168.0.9 or 192.168.0.8/29 (try 192.168.0.0/29)`}},
		{Publish{At: "203.0.113.1", Port: "65536", To: "192.168.0.2"}, []string{`x port: "65536" is not a port: use a number from 1 to 65535, or a range such as 8000-8010`}},
		{Publish{At: "203.0.113.1", Port: "81", To: "192.168.0.0/24"}, []string{`x to: "192.168.0.0/24" is not a server: use its address, such as 192.168.0.2 or 192.168.0.2:8080 (try 192.168.0.2)`}},
		{OneToOne{Outside: "x", Inside: "192.168.0.2"}, []string{`x outside: "x" is neither an address nor a network: use the form 203.0.113.9 or 203.0.113.8/29`}},
		{OneToOne{Outside: "203.0.113.9", Inside: "fd00::1"}, []string{`x inside: 203.0.113.9 and fd00::1 are of different families; NAT cannot translate between them (try 192.168.0.2)`}},
		{OneToOne{Outside: "203.0.113.9", Inside: "203.0.113.9"}, []string{`x inside: 203.0.113.9/32 is the public address itself: enter the machine's inside address (try 192.168.0.2)`}},
		{OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.1"}, []string{`x inside: 192.168.0.1 is this host's own address on lan0: a service on this host needs no forwarding; to use another port, use the proxy recipe (REDIRECT) (try 192.168.0.2)`}},
		{OneToOne{Outside: "203.0.113.9", Inside: "172.16.0.1"}, []string{`x inside: there is no route to 172.16.0.1 (try 192.168.0.2)`}},
		{OneToOne{Outside: "192.168.0.9", Inside: "192.168.0.2"}, []string{`! outside: 192.168.0.9 is in 192.168.0.0/24, the network of lan0, not on the uplink`}},
		{OneToOne{Outside: "203.0.113.1", Inside: "192.168.0.2"}, []string{`! outside: 203.0.113.1 is this host's own address: everything sent to it goes to 192.168.0.2, including what is for this host`, `! outside: you are connected to 203.0.113.1: new sessions like yours would go to 192.168.0.2`}},
		{OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.2", Out: "lan0"}, []string{`! outside: 203.0.113.9 is in 203.0.113.0/24, the network of wan0, not on the uplink`, `x inside: 192.168.0.2/32 is not behind this gateway`}},
		{OneToOne{Outside: "203.0.113.9", Inside: "192.168.0.0/24"}, []string{`x inside: 203.0.113.9/32 has 32 bits and 192.168.0.0/24 has 24: one to one needs as many addresses on both sides (try 192.168.0.2)`}},
		{OneToOne{Outside: "0.0.0.0", Inside: "192.168.0.2"}, []string{`x outside: 0.0.0.0 is not the address of a single machine`}},
		{Move{From: "", To: "192.168.0.3"}, []string{`x from: the current server is missing: ADDRESS or ADDRESS:PORT (try 192.168.0.2:8080)`}},
		{Move{From: "192.168.0.2:99999", To: "192.168.0.3"}, []string{`x from: "99999" is not a port: ports go from 1 to 65535 (try 192.168.0.2:8080)`}},
		{Move{From: "192.168.0.2:8080", To: "192.168.0.3:0"}, []string{`x to: "0" is not a port: ports go from 1 to 65535 (try 192.168.0.3)`}},
		{Move{From: "192.168.0.2", To: ""}, []string{`x to: the new server is missing: ADDRESS or ADDRESS:PORT`}},
		{Move{From: "192.168.0.9", To: "192.168.0.3"}, []string{`x from: no rule forwards to 192.168.0.9 (try 192.168.0.2:8080)`}},
		{Move{From: "192.168.0.2:8080", To: "192.168.0.2:8080"}, []string{`x to: it is already there: enter the address of the new server`}},
		{Move{From: "192.168.0.2:8080", To: "192.168.0.1:80"}, []string{`x to: 192.168.0.1 is this host's own address on lan0: a service on this host needs no forwarding; to use another port, use the proxy recipe (REDIRECT) (try 192.168.0.2)`}},
		{Move{From: "192.168.0.2:8080", To: "fd00::1"}, []string{`x to: 192.168.0.2 and fd00::1 are of different families; NAT cannot translate between them`}},
		{Move{From: "192.168.0.2:8080", To: "172.16.0.1"}, []string{`x to: there is no route to 172.16.0.1 (try 192.168.0.2)`}},
		{Move{From: "192.168.0.2:8080", To: "192.168.0.3:99999"}, []string{`x to: "99999" is not a port: ports go from 1 to 65535 (try 192.168.0.3)`}},
		{Move{From: "192.168.0.2:8080", To: "web"}, []string{`x to: "web" is not a server: use ADDRESS or ADDRESS:PORT`}},
		{Move{From: "192.168.0.2:80", To: "192.168.0.3"}, []string{`x from: no rule forwards to 192.168.0.2:80 (try 192.168.0.2:8080)`}},
		{Move{From: "192.168.0.2:8080", To: "127.0.0.1:80"}, []string{`x to: 127.0.0.1 is this host itself; for a service on this host use the proxy recipe (REDIRECT)`}},
		{Move{From: "192.168.0.2:8080", To: "192.168.0.255"}, []string{`x to: 192.168.0.255 is not a machine: it means all of 192.168.0.0/24 (try 192.168.0.2)`}},
	} {
		a := c.recipe.Advise(gateway(t, published))
		var got []string
		for _, p := range a.Objections {
			mark := "x "
			if p.Warning {
				mark = "! "
			}
			got = append(got, mark+p.Field+": "+p.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%T%+v\nis told\n%q\nnot\n%q", c.recipe, c.recipe, got, c.want)
		}
		if a.Wrong() && len(a.Plan.Steps) > 0 {
			t.Errorf("%T%+v: a plan although it cannot work", c.recipe, c.recipe)
		}
	}
}

// A proxy at another port than the one that what passes goes to now would never be asked, or the one that is.
func TestProxyBesideAnother(t *testing.T) {
	const redirected = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888\nCOMMIT\n"
	told := func(p Proxy) bool {
		return slices.ContainsFunc(p.Advise(gateway(t, redirected)).Objections, func(o Objection) bool {
			return o.Warning && strings.Contains(o.String(), "rule 1 of PREROUTING now sends to 192.168.0.1:8888 what arrives on lan0") && o.Field == "port"
		})
	}
	if !told(Proxy{In: "lan0", Port: "80", ToPort: "9999"}) || told(Proxy{In: "lan0", Port: "80", ToPort: "8888"}) || told(Proxy{In: "lan0", Port: "81", ToPort: "9999"}) {
		t.Error("another proxy at the port is not told of, or where there is none")
	}
}
