package evaluate

import (
	"strings"
	"testing"

	"nattui/rules"
)

// TestMatches asks one rule of a filter chain about packets: y it meets it, n it
// does not, ? that cannot be known.
func TestMatches(t *testing.T) {
	const tcp = "tcp 203.0.113.10:1000 192.168.0.2:80 in=wan0"
	tests := []struct{ rule, packet, want string }{
		{"-s 203.0.113.2/255.255.255.7", tcp, "y"},
		{"-s 203.0.113.8/29", tcp, "y"},
		{"! -s 203.0.113.8/29", tcp, "n"},
		{"-i wan+", tcp, "y"},
		{"! -i wan+", tcp, "n"},
		{"-o lan0", tcp, "y"},
		{"-p tcp -m tcp --dport 80:90", tcp, "y"},
		{"-p tcp -m tcp --dport 90:80", tcp, "n"},
		{"-p tcp -m tcp ! --dport 90:80", tcp, "y"},
		{"-p tcp -m tcp --dport 80", "tcp 203.0.113.10 192.168.0.2 in=wan0", "?"},
		{"-p tcp -m tcp --dport 0:65535", "tcp 203.0.113.10 192.168.0.2 in=wan0", "y"},
		{"! -p udp", tcp, "y"},
		{"-p 6", tcp, "y"},
		{"-p nonsense", tcp, "?"},
		{"-f", tcp, "n"},
		{"! -f", tcp, "y"},
		{"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", tcp, "y"},
		{"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", tcp + " flags=16", "n"},
		{"-p tcp -m tcp --tcp-option 2", tcp, "?"},
		{"-p tcp -m multiport --dports 22,80:90", tcp, "y"},
		{"-p tcp -m multiport ! --dports 22,80:90", tcp, "n"},
		{"-p tcp -m multiport --ports 1000", tcp, "y"},
		{"-m iprange --src-range 203.0.113.1-203.0.113.20", tcp, "y"},
		{"-m iprange ! --dst-range 192.168.0.2-192.168.0.2", tcp, "n"},
		{"-m addrtype --dst-type LOCAL", tcp, "n"},
		{"-m addrtype ! --dst-type LOCAL", tcp, "y"},
		{"-m addrtype --dst-type UNICAST", tcp, "y"},
		{"-m conntrack --ctstate NEW,RELATED", tcp, "y"},
		{"-m conntrack --ctstate NEW,RELATED", tcp + " state=ESTABLISHED", "n"},
		{"-m conntrack --ctstate DNAT", tcp + " state=ESTABLISHED", "?"},
		{"-m conntrack --ctstate INVALID", tcp + " flags=1", "y"},
		{"-m state --state ESTABLISHED,RELATED", tcp, "n"},
		{"-m conntrack --ctorigdst 192.168.0.0/16 --ctdir ORIGINAL", tcp, "y"},
		{"-m conntrack --ctorigdst 192.168.9.9/16", tcp, "y"}, // printed with host bits
		{"-m conntrack --ctproto 17", tcp, "n"},
		{"-m conntrack ! --ctstatus CONFIRMED", tcp, "y"},
		{"-m conntrack --ctexpire 10", tcp, "?"},
		{"-m mark --mark 0x10/0xf0", tcp + " mark=22", "y"},
		{"-m mark ! --mark 0x10/0xf0", tcp + " mark=22", "n"},
		{"-m connmark --mark 0x0", tcp, "y"},
		{"-m ttl --ttl-eq 63", tcp + " ttl=64", "y"}, // counted down before FORWARD
		{"-m ttl --ttl-lt 9", tcp, "?"},
		{"-m length --length 40:60", tcp + " length=60", "y"},
		{"-m length --length 40:60", tcp, "?"},
		{"-m tos --tos 0x08/0x0c", tcp + " tos=24", "y"},
		{"-m dscp --dscp 0x06", tcp + " tos=24", "y"},
		{"-m dscp ! --dscp 0x06", tcp, "?"},
		{"-m pkttype --pkt-type unicast", tcp, "y"},
		{"-m pkttype --pkt-type broadcast", tcp, "n"},
		{"-m mac --mac-source 02:00:00:00:00:0A", tcp + " mac=02:00:00:00:00:0a", "y"},
		{"-m mac --mac-source 02:00:00:00:00:0A", tcp, "?"},
		{"-m owner --uid-owner 0", tcp, "n"},
		{"-m owner ! --uid-owner 0", tcp, "y"},
		{"-p icmp -m icmp --icmp-type 8", "icmp 203.0.113.10 192.168.0.2 in=wan0", "y"},
		{"-p icmp -m icmp ! --icmp-type any", "icmp 203.0.113.10 192.168.0.2 in=wan0", "n"},
		{"-p icmp -m icmp --icmp-type 8/1", "icmp 203.0.113.10 192.168.0.2 in=wan0", "n"},
		{"-m time --timestart 22:00:00 --timestop 06:00:00", tcp + " time=2024-05-01T23:30:00Z", "y"},
		{"-m time --timestart 22:00:00 --timestop 06:00:00", tcp + " time=2024-05-01T12:00:00Z", "n"},
		{"-m time --timestart 22:00:00 --timestop 06:00:00 --weekdays Tue", tcp + " time=2024-05-01T05:00:00Z", "n"},
		{"-m time --timestart 22:00:00 --timestop 06:00:00 --weekdays Tue --contiguous", tcp + " time=2024-05-01T05:00:00Z", "y"},
		{"-m time --monthdays 1,2 --datestop 2024-05-01T12:00:00", tcp + " time=2024-05-01T12:00:00Z", "y"},
		{"-m time --datestart 2024-05-02T00:00:00", tcp + " time=2024-05-01T12:00:00Z", "n"},
		{"-m time --weekdays Wed", tcp, "?"},
		{"-m statistic --mode random --probability 0.50000000000", tcp, "?"},
		{"-m statistic --mode random --probability 1.00000000000", tcp, "y"},
		{"-m statistic --mode nth --every 2", tcp, "?"},
		{"-m recent --rcheck --name x --mask 255.255.255.255 --rsource", tcp, "?"},
		{"-s 1.2.3.4 -m recent --rcheck --name x --mask 255.255.255.255 --rsource", tcp, "n"},
		{`-m comment --comment "anything"`, tcp, "y"},
	}
	for _, tt := range tests {
		text := "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate UNTRACKED\n-A FORWARD " + tt.rule + " -j DROP\nCOMMIT\n"
		path, err := NewEvaluator(gateway(), Compile(setOf(t, rules.IPv4, rules.NFT, text))).Evaluate(parsePacket(t, tt.packet))
		if err != nil {
			t.Errorf("%s: %v", tt.packet, err)
			continue
		}
		got := "n"
		switch {
		case !path.Certain:
			got = "?"
		case path.Outcomes[0].Delivered == Dropped:
			got = "y"
		}
		if got != tt.want {
			t.Errorf("%s\n%s\n got %s, want %s", tt.rule, tt.packet, got, tt.want)
		}
		if got == "?" && (len(path.Doubts) == 0 || path.Doubts[0].Position != 2) {
			t.Errorf("%s: the doubt %v does not name the rule", tt.rule, path.Doubts)
		}
	}
}

// TestWays are ways through chains that are easily got wrong.
func TestWays(t *testing.T) {
	const (
		packet  = "udp 203.0.113.10:1000 192.168.0.2:80 in=wan0 ttl=64"
		hairpin = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 203.0.113.9\nCOMMIT\n*mangle\n:OUTPUT ACCEPT [0:0]\n"
	)
	tests := []struct{ name, text, want string }{
		{"a jump comes back", "*filter\n:FORWARD DROP [0:0]\n:A - [0:0]\n-A FORWARD -j A\n-A FORWARD -j ACCEPT\n-A A -j RETURN\n-A A -j DROP\nCOMMIT", "forward"},
		{"a goto does not", "*filter\n:FORWARD DROP [0:0]\n:A - [0:0]\n-A FORWARD -g A\n-A FORWARD -j ACCEPT\n-A A -s 1.2.3.4/32 -j ACCEPT\nCOMMIT", "dropped"},
		{
			"a goto in a chain that was jumped to goes back to the first",
			"*filter\n:FORWARD DROP [0:0]\n:A - [0:0]\n:B - [0:0]\n-A FORWARD -j A\n-A FORWARD -j ACCEPT\n-A A -g B\n-A A -j DROP\n-A B\nCOMMIT", "forward",
		},
		{"RETURN in a chain of the kernel's is its policy", "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j RETURN\n-A FORWARD -j ACCEPT\nCOMMIT", "dropped"},
		{"ACCEPT ends a table, not the way", "*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j ACCEPT\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j REJECT\nCOMMIT", "dropped"},
		{"a policy of nat drops too", "*nat\n:PREROUTING DROP [0:0]\n-A PREROUTING -s 1.2.3.4/32 -j DNAT --to-destination 1.1.1.1\nCOMMIT", "dropped"},
		{"the mark arrives", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark 0x6/0x0\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m mark --mark 0x6 -j DROP\nCOMMIT", "dropped"},
		{
			"the flow's mark is kept",
			"*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark 0x3/0xff\n-A PREROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff\n" +
				"-A PREROUTING -j MARK --set-xmark 0x0/0xff\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff\nCOMMIT\n" +
				"*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m mark --mark 0x3 -j DROP\nCOMMIT", "dropped",
		},
		{"a match twice unknown, the same either way", "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m u32 --u32 0 -j LOG\n-A FORWARD -m u32 --u32 1 -j ACCEPT\nCOMMIT", "forward"},
		{"a target nobody knows", "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j TARPIT --reset\nCOMMIT", "?"},
		{"the program that decides", "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j NFQUEUE --queue-num 1\nCOMMIT", "?"},
		{"a loop, which no kernel loads", "*filter\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n-A FORWARD -j A\n-A A -j B\n-A B -g A\nCOMMIT", "?"},
		{"an unreadable line", "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s\nCOMMIT", "?"},
		{"a TTL that comes to nothing and is raised", "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j TTL --ttl-dec 64\n-A PREROUTING -j TTL --ttl-inc 1\nCOMMIT", "dropped"},
		{"a TTL that is raised enough", "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j TTL --ttl-dec 64\n-A PREROUTING -j TTL --ttl-inc 2\nCOMMIT", "forward"},
		{"an ICMP redirect has the connection marked", hairpin + "-A OUTPUT -j CONNMARK --set-xmark 0x1/0xffffffff\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m connmark --mark 0x0 -j DROP\nCOMMIT", "?"},
		{"no rule asks for the mark", hairpin + "-A OUTPUT -j CONNMARK --set-xmark 0x1/0xffffffff\nCOMMIT", "forward"},
		{"no rule of this host's own packets marks", hairpin + "COMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m connmark --mark 0x0 -j DROP\nCOMMIT", "dropped"},
	}
	for _, tt := range tests {
		e := NewEvaluator(gateway(), Compile(setOf(t, rules.IPv4, rules.Legacy, tt.text)))
		path, err := e.Evaluate(parsePacket(t, packet))
		if err != nil {
			t.Fatal(err)
		}
		got := "?"
		if path.Certain {
			got = path.Outcomes[0].Delivered.String()
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s (%v)", tt.name, got, tt.want, path.Doubts)
		}
	}
}

// TestManyUnknownsEnd lets a thousand matches divide the way that come together
// again: the work is to grow with the rules, not with the ways.
func TestManyUnknownsEnd(t *testing.T) {
	var b strings.Builder
	b.WriteString("*filter\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n")
	for range 1000 {
		b.WriteString("-A FORWARD -m u32 --u32 0 -j A\n")
	}
	b.WriteString("-A A -m u32 --u32 1 -j RETURN\nCOMMIT\n")
	path, err := NewEvaluator(gateway(), Compile(setOf(t, rules.IPv4, rules.NFT, b.String()))).Evaluate(parsePacket(t, "udp 203.0.113.10:1000 192.168.0.2:80 in=wan0"))
	if err != nil || !path.Certain || path.Outcomes[0].Delivered != Forwarded {
		t.Errorf("%v %s", err, told(path))
	}
}

func TestBackendsMayDisagreeAboutTheOrder(t *testing.T) {
	nat := func(to string) string {
		return "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 80 -j DNAT --to-destination " + to + "\nCOMMIT\n"
	}
	packet := parsePacket(t, "udp 203.0.113.10:1000 203.0.113.1:80 in=wan0")
	ask := func(a, b string) Path {
		t.Helper()
		path, err := NewEvaluator(gateway(), Compile(setOf(t, rules.IPv4, rules.NFT, nat(a))), Compile(setOf(t, rules.IPv4, rules.Legacy, nat(b)))).Evaluate(packet)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	if path := ask("192.168.0.2", "192.168.0.3"); path.Certain || len(path.Outcomes) != 2 {
		t.Errorf("two backends that differ: %s", told(path))
	}
	if path := ask("192.168.0.2", "192.168.0.2"); !path.Certain {
		t.Errorf("two backends that agree: %s", told(path))
	}
}

func TestWhatTheHostDoesNotTellIsUncertain(t *testing.T) {
	set := setOf(t, rules.IPv4, rules.NFT, published)
	path, err := Evaluate(set, parsePacket(t, "tcp 192.168.0.2:999 1.2.3.4:443 in=lan0 out=wan0"))
	if err != nil || path.Certain {
		t.Errorf("masqueraded by an address nobody knows: %v %s", err, told(path))
	}
	foreign := *set
	foreign.Foreign = map[string]string{"nat": "a chain"}
	path, err = NewEvaluator(gateway(), Compile(&foreign)).Evaluate(parsePacket(t, "tcp 192.168.0.2:999 1.2.3.4:443 in=lan0"))
	if err != nil || path.Certain || len(path.Doubts) == 0 {
		t.Errorf("rules that iptables does not show: %v %s", err, told(path))
	}
}
