package evaluate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/rules"

	"pgregory.net/rapid"
)

func TestReach(t *testing.T) {
	table := func(name, chains, rest string) string {
		return "*" + name + "\n" + chains + rest + "COMMIT\n"
	}
	const nat = ":PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
	tests := []struct{ name, text, want string }{
		{
			"a wider one before", table("nat", nat, "-A PREROUTING -d 10.0.0.0/8 -p tcp -j DNAT --to-destination 1.1.1.1\n-A PREROUTING -d 10.1.0.0/16 -i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 2.2.2.2\n"),
			"shadowed PREROUTING 2 by PREROUTING 1",
		},
		{
			"the same twice", table("nat", nat, "-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 1\n-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 1\n"),
			"duplicate PREROUTING 2 by PREROUTING 1",
		},
		{
			"after all", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -j LOG\n-A FORWARD -j REJECT\n-A FORWARD -p tcp -j ACCEPT\n"),
			"after-all FORWARD 3 by FORWARD 2",
		},
		{
			"nobody jumps there", table("nat", nat+":A - [0:0]\n:B - [0:0]\n:E - [0:0]\n", "-A A -j B\n-A B -j DNAT --to-destination 1.1.1.1\n"),
			"orphaned A, orphaned B",
		},
		{
			"a chain that keeps everything", table("filter", ":FORWARD ACCEPT [0:0]\n:A - [0:0]\n", "-A FORWARD -p tcp -j A\n-A FORWARD -p tcp -m tcp --dport 1 -j ACCEPT\n-A A -p udp\n-A A -s 1.1.1.1/32 -j ACCEPT\n-A A -j DROP\n"),
			"shadowed FORWARD 2 by FORWARD 1, unfit A 1 by FORWARD 1",
		},
		{
			"a chain that some come back from", table("filter", ":FORWARD ACCEPT [0:0]\n:A - [0:0]\n", "-A FORWARD -p tcp -j A\n-A FORWARD -p tcp -m tcp --dport 1 -j ACCEPT\n-A A -s 1.1.1.1/32 -j RETURN\n-A A -j DROP\n"),
			"",
		},
		{
			"in the chain it is called from", table("filter", ":FORWARD ACCEPT [0:0]\n:A - [0:0]\n", "-A FORWARD -d 1.1.1.1/32 -j DROP\n-A FORWARD -i eth0 -j A\n-A A -d 1.1.1.1/32 -j ACCEPT\n"),
			"shadowed A 1 by FORWARD 1",
		},
		{"chance", table("nat", nat, "-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 1.1.1.1\n-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 1.1.1.1\n"), ""},
		{"what is not understood", table("nat", nat, "-A PREROUTING -m set --match-set x src -j ACCEPT\n-A PREROUTING -m set --match-set x src -j ACCEPT\n"), ""},
		{"marks that change in between", table("mangle", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -m mark --mark 0x1 -j ACCEPT\n-A FORWARD -j MARK --set-xmark 0x1/0xff\n-A FORWARD -m mark --mark 0x1 -j ACCEPT\n"), ""},
		{"only counting", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -p tcp\n-A FORWARD -p tcp -j ACCEPT\n"), ""},
		{"negated", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD ! -i eth0 -j DROP\n-A FORWARD -i eth1 -j ACCEPT\n-A FORWARD ! -i eth+ -j ACCEPT\n-A FORWARD -i eth0 -j ACCEPT\n"), "shadowed FORWARD 2 by FORWARD 1, shadowed FORWARD 3 by FORWARD 1"},
		{"states", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -p tcp -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"), "shadowed FORWARD 2 by FORWARD 1"},
		{"ports", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -p tcp -m multiport --dports 80:90,443 -j ACCEPT\n-A FORWARD -p tcp -m tcp --dport 443 -j DROP\n-A FORWARD -p tcp -m multiport --dports 81,443 -j DROP\n-A FORWARD -p tcp -m tcp --dport 91 -j DROP\n"), "shadowed FORWARD 2 by FORWARD 1, shadowed FORWARD 3 by FORWARD 1"},
		{"two ports of one side", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -p tcp -m tcp --dport 1:9 -m tcp ! --dport 5 -j ACCEPT\n-A FORWARD -p tcp -m tcp --dport 5 -j DROP\n"), ""},
		{"a range in a network", table("nat", nat, "-A PREROUTING -s 10.0.0.0/24 -p tcp -j DNAT --to-destination 1.1.1.1\n-A PREROUTING -p tcp -m iprange --src-range 10.0.0.10-10.0.0.20 -j DNAT --to-destination 2.2.2.2\n-A PREROUTING -p tcp -m iprange --src-range 10.0.0.10-10.0.1.20 -j DNAT --to-destination 2.2.2.2\n"), "shadowed PREROUTING 2 by PREROUTING 1"},
		{"a range in a range", table("nat", nat, "-A PREROUTING -m iprange --dst-range 10.0.0.10-10.0.0.20 -j DNAT --to-destination 2.2.2.2\n-A PREROUTING -m iprange --dst-range 10.0.0.12-10.0.0.20 -j ACCEPT\n-A PREROUTING -m iprange --dst-range 10.0.0.12-10.0.0.21 -j ACCEPT\n"), "shadowed PREROUTING 2 by PREROUTING 1"},
		{"a range outside of a network", table("nat", nat, "-A PREROUTING ! -s 10.0.0.0/24 -j ACCEPT\n-A PREROUTING -m iprange --src-range 10.0.1.10-10.0.1.20 -j ACCEPT\n-A PREROUTING -m iprange --src-range 10.0.0.10-10.0.1.20 -j ACCEPT\n"), "shadowed PREROUTING 2 by PREROUTING 1"},
		{"a network in a range", table("nat", nat, "-A PREROUTING -m iprange --src-range 10.0.0.0-10.0.9.255 -j ACCEPT\n-A PREROUTING -s 10.0.3.0/24 -j ACCEPT\n-A PREROUTING -s 10.0.0.0/20 -j ACCEPT\n"), "shadowed PREROUTING 2 by PREROUTING 1"},
		{"states by either module", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n-A FORWARD -m length --length 0:100 -j DROP\n-A FORWARD -m length --length 50:60 -j ACCEPT\n"), "shadowed FORWARD 2 by FORWARD 1, shadowed FORWARD 4 by FORWARD 3"},
		{"nothing fit comes there", table("nat", nat+":A - [0:0]\n", "-A PREROUTING -p udp -j A\n-A PREROUTING -d 1.1.1.1/32 -j A\n-A A -d 1.1.1.2/32 -p tcp -j ACCEPT\n-A A -p tcp -j ACCEPT\n-A A -d 1.1.1.2/32 -j ACCEPT\n"), "unfit A 1 by PREROUTING 1"},
		{"some of several", table("filter", ":FORWARD ACCEPT [0:0]\n", "-A FORWARD -s 1.1.1.1/32 -j ACCEPT\n-A FORWARD -s 1.1.1.0/24 -j ACCEPT\n"), ""},
	}
	for _, tt := range tests {
		set := setOf(t, rules.IPv4, rules.NFT, tt.text)
		var got []string
		for _, f := range Reach(set, set.Tables[0].Name) {
			s := fmt.Sprintf("%s %s", f.Kind, f.Chain)
			if f.Kind != Orphaned {
				s += fmt.Sprintf(" %d by %s %d", f.Position, f.By.Chain, f.By.Position)
			}
			if f.Sentence() == "" {
				t.Errorf("%s says nothing", s)
			}
			got = append(got, s)
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.name, text, tt.want)
		}
	}
}

// drawTable makes a small table whose rules are about few things, so that they
// often have to do with one another.
func drawTable(t *rapid.T, table string, hook string) string {
	chains := []string{hook, "A", "B", "C"}
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n:%s ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n:C - [0:0]\n", table, hook)
	some := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	for i, c := range chains {
		for range rapid.IntRange(0, 6).Draw(t, "rules") {
			parts := []string{
				some("src", "", "", "", "-s 10.0.0.0/30", "-s 10.0.0.1/32", "! -s 10.0.0.2/31", "-s 10.0.0.0/255.255.255.253"),
				some("dst", "", "", "-d 10.0.0.0/30", "-d 10.0.0.1/32", "! -d 10.0.0.3/32", "! -d 10.0.0.0/31"),
				some("in", "", "", "-i eth0", "! -i eth0", "-i eth+", "! -i eth1"),
				some("proto", "", "-p udp", "! -p udp", "-p tcp", "-p tcp -m tcp --dport 1:3", "-p tcp -m tcp --dport 2", "-p tcp -m tcp ! --dport 2",
					"-p tcp -m multiport --dports 1,2", "-p tcp -m tcp ! --dport 1:2", "-p tcp -m multiport --ports 2:3", "-p tcp -m tcp --sport 1 --dport 2"),
				some("match", "", "", "", "-m mark --mark 0x1", "-m mark ! --mark 0x1", "-m conntrack --ctstate NEW", "-m conntrack --ctstate NEW,RELATED",
					"-m conntrack --ctorigdst 10.0.0.1", "-m iprange --src-range 10.0.0.1-10.0.0.2", "-m iprange --src-range 10.0.0.0-10.0.0.3", "-m iprange ! --src-range 10.0.0.1-10.0.0.2", "-m iprange --dst-range 10.0.0.1-10.0.0.1", "-m u32 --u32 0=0", "-m length --length 50", "-m statistic --mode nth --every 2"),
				some("target", append([]string{"-j ACCEPT", "-j RETURN", "-j DROP", "", "-j MARK --set-xmark 0x1/0x1", "-j LOG"}, jumps(chains[i+1:])...)...),
			}
			b.WriteString("-A " + c)
			for _, p := range parts {
				if p != "" {
					b.WriteString(" " + p)
				}
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

func jumps(chains []string) []string {
	var to []string
	for _, c := range chains {
		to = append(to, "-j "+c, "-g "+c)
	}
	return to
}

func drawPacket(t *rapid.T) Packet {
	addr := func(label string) netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, label) % 4})
	}
	p := Packet{
		Protocol: rapid.SampledFrom([]rules.Protocol{rules.TCP, rules.UDP, rules.ICMP}).Draw(t, "protocol"), Src: addr("src"), Dst: addr("dst"),
		In: rapid.SampledFrom([]string{"eth0", "eth1", "wan0"}).Draw(t, "in"), Out: "lan0",
		Mark: rapid.Uint32Range(0, 1).Draw(t, "mark"), Length: rapid.SampledFrom([]uint16{0, 50, 60}).Draw(t, "length"),
	}
	if p.Protocol.HasPorts() {
		p.SrcPort, p.DstPort = rapid.Uint16Range(1, 4).Draw(t, "sport"), rapid.Uint16Range(0, 4).Draw(t, "dport")
	}
	return p
}

// TestReachRaisesNoFalseAlarm draws tables and sends packets through them: a
// rule of which Reach says that it never matches must match none.
func TestReachRaisesNoFalseAlarm(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		table := rapid.SampledFrom([]string{"filter", "mangle"}).Draw(t, "table")
		text := drawTable(t, table, "FORWARD")
		tables, err := rules.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		set := &rules.Ruleset{Tables: tables}
		dead := Reach(set, table)
		found += len(dead)
		e := NewEvaluator(Host{}, Compile(set))
		for range 20 {
			// Of a packet that is known in full: with less the evaluator follows ways that
			// contradict one another.
			p := drawPacket(t)
			p.Length = max(p.Length, 50)
			if p.Protocol.HasPorts() {
				p.DstPort = max(p.DstPort, 1)
			}
			path, err := e.Evaluate(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range path.Visits {
				i := slices.IndexFunc(dead, func(f DeadRule) bool {
					return f.Chain == v.Chain && (f.Kind == Orphaned || f.Position == v.Position)
				})
				if i >= 0 && v.Verdict == Yes && v.Rule != nil {
					t.Fatalf("%s\n%s\nand yet %+v met it", text, dead[i].Sentence(), p)
				}
			}
		}
	})
	if found == 0 {
		t.Error("no table drawn had anything to find")
	}
}
