package evaluate

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"nattui/rules"
)

// setOf reads a rule set from lines of iptables-save.
func setOf(t testing.TB, f rules.Family, b rules.Backend, text string) *rules.Ruleset {
	t.Helper()
	tables, err := rules.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &rules.Ruleset{Family: f, Backend: b, Tables: tables}
}

// gateway is a host with a WAN and a LAN.
func gateway() Host {
	addr := func(s string) InterfaceAddr { return InterfaceAddr{Prefix: netip.MustParsePrefix(s)} }
	h := Host{Interfaces: []Interface{
		{Name: "lo", Addrs: []InterfaceAddr{{Prefix: netip.MustParsePrefix("127.0.0.1/8"), Scope: ScopeHost}, addr("::1/128")}},
		{Name: "wan0", Addrs: []InterfaceAddr{addr("203.0.113.1/24"), addr("2001:db8:1::1/64")}},
		{Name: "lan0", Addrs: []InterfaceAddr{addr("192.168.0.1/24"), addr("2001:db8:2::1/64")}},
	}}
	local := indexAddrs(h.Interfaces, nil)
	lan4, lan6 := netip.MustParsePrefix("192.168.0.0/24"), netip.MustParsePrefix("2001:db8:2::/64")
	h.Route = func(q RouteQuery) Decision {
		switch {
		case local.isLocal(q.Dst):
			return Decision{Kind: RoutedLocal, Out: "lo"}
		case q.Mark == 0xbad:
			return Decision{Kind: RoutedNone, Why: "no route for the mark"}
		case lan4.Contains(q.Dst) || lan6.Contains(q.Dst):
			return Decision{Kind: RoutedForward, Out: "lan0"}
		}
		return Decision{Kind: RoutedForward, Out: "wan0", NextHop: netip.MustParseAddr("203.0.113.254")}
	}
	return h
}

// parsePacket reads "tcp 10.0.0.1:1000 10.0.0.2:80 in=wan0 mark=1 …".
func parsePacket(t testing.TB, text string) Packet {
	t.Helper()
	words := strings.Fields(text)
	proto, ok := rules.ProtoNumber(words[0])
	if !ok {
		t.Fatalf("%s: no protocol", words[0])
	}
	end := func(s string) netip.AddrPort {
		if a, err := netip.ParseAddrPort(s); err == nil {
			return a
		}
		return netip.AddrPortFrom(netip.MustParseAddr(s), 0)
	}
	p, err := NewPacket(proto, end(words[1]), end(words[2]))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words[3:] {
		name, value, _ := strings.Cut(w, "=")
		n := func() (n uint32) { fmt.Sscan(value, &n); return n }
		switch name {
		case "in":
			p.In = value
		case "out":
			p.Out = value
		case "local":
			p.Local = true
		case "mark":
			p.Mark = n()
		case "ttl":
			p.TTL = uint8(n())
		case "length":
			p.Length = uint16(n())
		case "tos":
			p.TOS, p.Has = uint8(n()), p.Has|HasTOS
		case "uid":
			p.UID, p.Has = n(), p.Has|HasUID
		case "flags":
			p.TCPFlags, p.Has = uint8(n()), p.Has|HasTCPFlags
		case "type":
			p.ICMPType, p.Has = uint8(n()), p.Has|HasICMP
		case "id":
			p.ICMPID = uint16(n())
		case "mac":
			p.MAC = value
		case "state":
			for s, word := range connStates {
				if word == value {
					p.State = ConnState(s)
				}
			}
		case "time":
			p.Time, _ = time.Parse(time.RFC3339, value)
		default:
			t.Fatalf("%s: no field of a packet", w)
		}
	}
	return p
}

// told prints a path as one line: what becomes of the packet, in all its ways.
func told(p Path) string {
	var ways []string
	for _, o := range p.Outcomes {
		s := fmt.Sprintf("%s %s>%s %s", o.Delivered, o.Src, o.Dst, o.NAT())
		if o.Out != "" {
			s += " out " + o.Out
		}
		for _, r := range []RuleRef{o.DNATBy, o.SNATBy, o.DroppedBy} {
			if !r.IsZero() {
				s += " by " + r.String()
			}
		}
		ways = append(ways, s)
	}
	text := strings.Join(ways, " | ")
	if !p.Certain {
		text = "? " + text
	}
	return text
}

const published = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:WEB - [0:0]
-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j WEB
-A PREROUTING -i wan0 -p tcp -m tcp --dport 3128 -j REDIRECT --to-ports 8888
-A PREROUTING -p udp -m udp --dport 5000:5009 -j DNAT --to-destination 192.168.0.9:6000-6009/5000
-A PREROUTING -p udp -m udp --dport 7000 -j DNAT --to-destination 192.168.0.9:6000-6009 --random
-A PREROUTING -d 198.51.100.0/24 -j NETMAP --to 192.168.0.0/24
-A OUTPUT -d 203.0.113.77/32 -p tcp -j DNAT --to-destination 192.168.0.2
-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE
-A POSTROUTING -m conntrack --ctstate DNAT --ctorigdst 203.0.113.1 -j SNAT --to-source 192.168.0.1
-A WEB -s 203.0.113.66/32 -j RETURN
-A WEB -j DNAT --to-destination 192.168.0.2:8080
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
-A PREROUTING -s 203.0.113.5/32 -j MARK --set-xmark 0x5/0xff
-A PREROUTING -s 203.0.113.6/32 -j MARK --set-xmark 0xbad/0xffffffff
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m mark --mark 0x5/0xf -j DROP
-A FORWARD -p tcp -m tcp --dport 22 -m owner --uid-owner 0 -j DROP
-A FORWARD -p tcp -m tcp --dport 23 -m string --string "x" --algo bm --to 65535 -j DROP
-A FORWARD -p tcp -m tcp --dport 80 -j DROP
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -s 203.0.113.8/32 -j CT --notrack
COMMIT
`

func TestEvaluateTheWholeWay(t *testing.T) {
	e := NewEvaluator(gateway(), Compile(setOf(t, rules.IPv4, rules.NFT, published)))
	tests := []struct{ packet, want string }{
		{"tcp 203.0.113.10:999 203.0.113.1:80 in=wan0", "forward 192.168.0.1:999>192.168.0.2:8080 both out lan0 by nat WEB 2 by nat POSTROUTING 2"},
		{"tcp 203.0.113.66:999 203.0.113.1:80 in=wan0", "local 203.0.113.66:999>203.0.113.1:80 none"},
		{"tcp 203.0.113.5:999 203.0.113.1:80 in=wan0", "dropped 203.0.113.5:999>192.168.0.2:8080 dnat by nat WEB 2 by filter FORWARD 1"},
		{"tcp 203.0.113.6:999 203.0.113.1:80 in=wan0", "no-route 203.0.113.6:999>192.168.0.2:8080 dnat by nat WEB 2"},
		{"tcp 203.0.113.8:999 203.0.113.1:80 in=wan0", "local 203.0.113.8:999>203.0.113.1:80 none"},
		{"tcp 203.0.113.10:999 1.2.3.4:3128 in=wan0", "local 203.0.113.10:999>203.0.113.1:8888 dnat by nat PREROUTING 2"},
		{"tcp 192.168.0.2:999 1.2.3.4:443 in=lan0", "forward 203.0.113.1:999>1.2.3.4:443 snat out wan0 by nat POSTROUTING 1"},
		{"tcp 192.168.0.2:999 1.2.3.4:80 in=lan0", "dropped 192.168.0.2:999>1.2.3.4:80 none by filter FORWARD 4"},
		{"udp 203.0.113.10:999 203.0.113.1:5003 in=wan0", "forward 192.168.0.1:999>192.168.0.9:6003 both out lan0 by nat PREROUTING 3 by nat POSTROUTING 2"},
		{"udp 203.0.113.10:999 203.0.113.2:7000 in=wan0", "? forward 203.0.113.10:999>192.168.0.9:6000-6009 dnat out lan0 by nat PREROUTING 4"},
		{"icmp 203.0.113.10 198.51.100.33 in=wan0 id=7", "forward 203.0.113.10:7>192.168.0.33:2048 dnat out lan0 by nat PREROUTING 5"},
		{"icmp 203.0.113.10 198.51.100.33 in=wan0 id=7 type=3", "forward 203.0.113.10:7>198.51.100.33:768 none out wan0"},
		{"tcp 203.0.113.1:999 203.0.113.77:22 local uid=0", "forward 203.0.113.1:999>192.168.0.2:22 dnat out lan0 by nat OUTPUT 1"},
		{"tcp 203.0.113.10:999 192.168.0.2:22 in=wan0", "forward 203.0.113.10:999>192.168.0.2:22 none out lan0"},
		{"tcp 203.0.113.10:999 192.168.0.2:23 in=wan0", "? dropped 203.0.113.10:999>192.168.0.2:23 none by filter FORWARD 3 | forward 203.0.113.10:999>192.168.0.2:23 none out lan0"},
		{"tcp 203.0.113.1:999 192.168.0.1:80", "local 203.0.113.1:999>192.168.0.1:80 none"},
		{"tcp 203.0.113.10:999 203.0.113.1:80 in=wan0 state=ESTABLISHED", "local 203.0.113.10:999>203.0.113.1:80 none"},
	}
	for _, tt := range tests {
		path, err := e.Evaluate(parsePacket(t, tt.packet))
		if err != nil {
			t.Errorf("%s: %v", tt.packet, err)
			continue
		}
		if got := told(path); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.packet, got, tt.want)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	at := netip.MustParseAddrPort
	_, err := NewPacket(rules.ESP, at("10.0.0.1:5"), at("10.0.0.2:6"))
	wantError(t, err, "esp has no ports")
	_, err = NewPacket(rules.TCP, at("10.0.0.1:5"), at("[2001:db8::1]:6"))
	wantError(t, err, "IPv4 address and 2001:db8::1 an IPv6 address")
	_, err = NewPacket(rules.ICMPv6, at("10.0.0.1:0"), at("10.0.0.2:0"))
	wantError(t, err, "does not work with IPv4")
	_, err = NewPacket(0, at("10.0.0.1:5"), at("10.0.0.2:6"))
	wantError(t, err, "needs a protocol")
	p := parsePacket(t, "tcp 10.0.0.1:5 10.0.0.2:6 in=eth9")
	_, err = NewEvaluator(gateway()).Evaluate(p)
	wantError(t, err, "no interface eth9")
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v does not say %q", err, part)
	}
}

// Evaluate follows one packet through the tables of one rule set, on a host of
// which nothing else is known. For more than that make an Evaluator.
func Evaluate(s *rules.Ruleset, p Packet) (Path, error) {
	return NewEvaluator(Host{}, Compile(s)).Evaluate(p)
}
