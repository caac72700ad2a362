package evaluate

import (
	"fmt"
	"net/netip"
	"testing"

	"nattui/rules"
)

// TestConnectionsThatExist: what is asked of a connection that is there is known where the connection is said.
func TestConnectionsThatExist(t *testing.T) {
	at := netip.MustParseAddrPort
	client, asked, served, seen := at("198.51.100.7:4000"), at("203.0.113.1:80"), at("192.168.0.2:8080"), at("192.168.0.1:5000")
	conn := Connection{Orig: rules.MakeTuple(rules.TCP, client, asked), Reply: rules.MakeTuple(rules.TCP, served, seen)}
	packet := func(from, to netip.AddrPort, in string, answers bool) Packet {
		of := conn
		of.Answers = answers
		return Packet{Protocol: rules.TCP, Src: from.Addr(), SrcPort: from.Port(), Dst: to.Addr(), DstPort: to.Port(), In: in, State: StateEstablished, TCPFlags: 0x10, Has: HasTCPFlags, Of: &of}
	}
	next, answer := packet(client, asked, "wan0", false), packet(served, seen, "lan0", true)
	const yes, no, open = "yes", "no", "open"
	for _, c := range []struct{ match, next, answer string }{
		{"-m conntrack --ctstate ESTABLISHED", yes, yes},
		{"-m conntrack --ctstate NEW", no, no},
		{"-m conntrack --ctstate DNAT", yes, yes},
		{"-m conntrack --ctstate SNAT", yes, yes},
		{"-m conntrack --ctdir ORIGINAL", yes, no},
		{"-m conntrack --ctdir REPLY", no, yes},
		{"-m conntrack --ctstatus SEEN_REPLY", yes, yes},
		{"-m conntrack ! --ctstatus CONFIRMED", no, no},
		{"-m conntrack --ctstatus ASSURED", open, open},
		{"-m conntrack --ctstatus EXPECTED", open, open},
		{"-m conntrack --ctorigdst 203.0.113.1 --ctorigdstport 80", yes, yes},
		{"-m conntrack --ctreplsrc 192.168.0.2 --ctrepldst 192.168.0.1", yes, yes},
		{"-m conntrack --ctorigsrc 192.168.0.0/16", no, no},
		{"-d 192.168.0.2 -p tcp -m tcp --dport 8080", yes, no},
		{"-d 198.51.100.7 -p tcp -m tcp --dport 4000", no, yes},
	} {
		text := fmt.Sprintf("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD %s -j DROP\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 10.9.9.9\nCOMMIT", c.match)
		e := NewEvaluator(gateway(), Compile(setOf(t, rules.IPv4, rules.NFT, text)))
		for _, p := range []struct {
			name   string
			packet Packet
			want   string
			out    [2]netip.AddrPort
		}{{"the client's packet", next, c.next, [2]netip.AddrPort{seen, served}}, {"the answer", answer, c.answer, [2]netip.AddrPort{asked, client}}} {
			path, err := e.Evaluate(p.packet)
			if err != nil {
				t.Fatal(err)
			}
			got := open
			if len(path.Outcomes) == 1 {
				got = no
				if path.Outcomes[0].Delivered == Dropped {
					got = yes
				}
			}
			if got != p.want {
				t.Errorf("%s matches %q: %s, want %s", p.name, c.match, got, p.want)
			}
			if o := path.Outcomes[0]; got == no && (o.Src.AddrPort() != p.out[0] || o.Dst.AddrPort() != p.out[1]) {
				t.Errorf("%s leaves from %s to %s, want %s", p.name, o.Src, o.Dst, p.out)
			}
		}
	}
}
