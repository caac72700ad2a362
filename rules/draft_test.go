package rules

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDraftMakesRules(t *testing.T) {
	for _, c := range []struct {
		draft Draft
		want  string
	}{
		{
			Draft{Kind: DNAT, Protocol: "TCP", In: "wan0", Dest: "203.0.113.1", Ports: "http", To: "192.168.0.2:8080", Comment: "the web"},
			`-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 80 -m comment --comment "the web" -j DNAT --to-destination 192.168.0.2:8080`,
		},
		{
			Draft{Kind: DNAT, Protocol: "udp", Dest: "203.0.113.1", Ports: "5000-5010,6000", To: "192.168.0.2"},
			`-A PREROUTING -d 203.0.113.1/32 -p udp -m multiport --dports 5000:5010,6000 -j DNAT --to-destination 192.168.0.2`,
		},
		{
			Draft{Kind: SNAT, Source: "192.168.0.0/24", Out: "wan0", To: "203.0.113.1-203.0.113.4", Persistent: true},
			`-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j SNAT --to-source 203.0.113.1-203.0.113.4 --persistent`,
		},
		{Draft{Kind: Masquerade, Source: "!10.0.0.0/8", Out: "ppp+"}, `-A POSTROUTING ! -s 10.0.0.0/8 -o ppp+ -j MASQUERADE`},
		{Draft{Kind: Redirect, Protocol: "6", In: "lan0", Ports: "80", To: "8888"}, `-A PREROUTING -i lan0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888`},
		{
			Draft{Kind: DNAT, Family: IPv6, Protocol: "tcp", Dest: "2001:db8::1", Ports: "443", To: "[fd00::2]:8443"},
			`-A PREROUTING -d 2001:db8::1/128 -p tcp -m tcp --dport 443 -j DNAT --to-destination [fd00::2]:8443`,
		},
	} {
		r, problems := c.draft.Rule()
		if HasErrors(problems) || r.String() != c.want {
			t.Errorf("%+v\nmakes %s\nnot   %s\n%v", c.draft, r, c.want, problems)
		}
	}
}

func TestDraftSaysWhatIsWrong(t *testing.T) {
	good := Draft{Kind: DNAT, Protocol: "tcp", In: "wan0", Dest: "203.0.113.1", Ports: "80", To: "192.168.0.2:8080"}
	for _, c := range []struct {
		change func(*Draft)
		field  Field
		text   string
	}{
		{func(d *Draft) { d.Protocol = "" }, FieldProtocol, "choose tcp or udp"},
		{func(d *Draft) { d.Kind, d.Chain, d.To = SNAT, "POSTROUTING", "" }, FieldTo, "one of this gateway's: 203.0.113.1 or"},
		{func(d *Draft) { d.Protocol = "icmp" }, FieldPorts, "icmp has no ports"},
		{func(d *Draft) { d.Protocol = "tpc" }, FieldProtocol, "not a protocol"},
		{func(d *Draft) { d.Ports = "80-70" }, FieldPorts, "use 70-80"},
		{func(d *Draft) { d.Ports = "192.168.0.2:22" }, FieldPorts, `"192.168.0.2:22" is not a port: use a number`},
		{func(d *Draft) { d.Ports = "70000" }, FieldPorts, `"70000" is not a port: ports go from 1 to 65535`},
		{func(d *Draft) { d.Ports = "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16" }, FieldPorts, "at most 15"},
		{func(d *Draft) { d.To = "" }, FieldTo, "needs a new address"},
		{func(d *Draft) { d.To = "a.b.c.d" }, FieldTo, "use 192.168.0.2"},
		{func(d *Draft) { d.To = "2001:db8::1" }, FieldTo, "IPv6 address"},
		{func(d *Draft) { d.To = "192.168.0.9-192.168.0.2" }, FieldTo, "use 192.168.0.2-192.168.0.9"},
		{func(d *Draft) { d.To = "192.168.0.0/24" }, FieldTo, "is a network"},
		{func(d *Draft) { d.To = "192.168.0.2:0" }, FieldTo, "0 is not a port"},
		{func(d *Draft) { d.To = "192.168.0.2:99999" }, FieldTo, `"99999" is not a port: ports go from 1 to 65535`},
		{func(d *Draft) { d.To = "192.168.0.2-192.168.0.9:8x" }, FieldTo, `"8x" is not a port: ports go from 1 to 65535`},
		{func(d *Draft) { d.Family, d.Dest, d.To = IPv6, "", "[2001:db8::2]:99999" }, FieldTo, `"99999" is not a port: ports go from 1 to 65535`},
		{func(d *Draft) { d.Kind, d.Chain, d.In, d.To = SNAT, "POSTROUTING", "", "203.0.113.1:1024-99999" }, FieldTo, `"99999" is not a port: ports go from 1 to 65535`},
		{func(d *Draft) { d.Dest = "203.0.113.1:80" }, FieldDest, "port's field"},
		{func(d *Draft) { d.Dest = "203.0.113" }, FieldDest, "use 192.168.0.2"},
		{func(d *Draft) { d.Dest = "10.0.0.1,10.0.0.2" }, FieldDest, "a rule for each"},
		{func(d *Draft) { d.In = "an interface" }, FieldIn, "no blanks"},
		{func(d *Draft) { d.In = "averyveryverylongname" }, FieldIn, "at most 15"},
		{func(d *Draft) { d.Out = "lan0" }, FieldOut, "not yet known"},
		{func(d *Draft) { d.Chain = "POSTROUTING" }, FieldChain, "belongs in PREROUTING or OUTPUT"},
		{func(d *Draft) { d.Chain = "FORWARD" }, FieldChain, "table filter"},
		{func(d *Draft) { d.Kind, d.To = Redirect, "192.168.0.2" }, FieldTo, "use DNAT"},
		{func(d *Draft) { d.Kind, d.To = Redirect, "192.168.0.2:8080" }, FieldTo, "8080"},
		{func(d *Draft) { d.Kind, d.Out = Masquerade, "wan0"; d.To = "" }, FieldIn, "no longer known"},
		{func(d *Draft) { d.Comment = "a\x1b[31m" }, FieldComment, "control characters"},
		{func(d *Draft) { d.Comment = strings.Repeat("x", 256) }, FieldComment, "at most 255"},
	} {
		d := good
		c.change(&d)
		_, problems := d.Rule()
		found := false
		for _, p := range problems {
			found = found || p.Field == c.field && strings.Contains(p.Text, c.text) && !p.Warning
		}
		if !found {
			t.Errorf("%+v: no problem with %s that says %q: %v", d, c.field, c.text, problems)
		}
	}
	if r, problems := good.Rule(); len(problems) > 0 {
		t.Errorf("%s is doubted: %v", r, problems)
	}
}

func TestDraftDoubtsPortInAddress(t *testing.T) {
	for to, doubted := range map[string]bool{"fd00::2:8080": true, "[fd00::2]:8080": false, "fd00::2": false, "fd00::10": false, "fd00:0:0:0:0:0:2:8080": false, "fd00::2:443": true, "fd00::8080": false} {
		d := Draft{Family: IPv6, Kind: DNAT, Protocol: "tcp", Ports: "80", In: "wan0", To: to}
		_, problems := d.Rule()
		said := slices.ContainsFunc(problems, func(p Problem) bool { return p.Field == FieldTo && p.Warning && strings.Contains(p.Text, "]:") })
		if said != doubted || HasErrors(problems) {
			t.Errorf("%s: %v", to, problems)
		}
	}
}

func TestDraftDoubts(t *testing.T) {
	for _, d := range []Draft{
		{Kind: DNAT, Protocol: "tcp", Ports: "80", To: "192.168.0.2:8080"},
		{Kind: Masquerade, Source: "192.168.0.0/24"},
		{Kind: DNAT, Protocol: "tcp", In: "wan0", Ports: "80", To: "127.0.0.1:80"},
		{Kind: Masquerade, Source: "192.168.0.1/24", Out: "wan0"},
	} {
		if _, problems := d.Rule(); len(problems) != 1 || !problems[0].Warning {
			t.Errorf("%+v: %v", d, problems)
		}
	}
}

// A rule put through the form and back without a change is the same rule,
// whatever it has that the form does not show.
func TestEditingKeepsTheRule(t *testing.T) {
	for _, line := range []string{
		`-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 80 -m comment --comment "a b" -m limit --limit 5/sec -j DNAT --to-destination 192.168.0.2:8080`,
		`-A PREROUTING -p tcp -m comment --comment x -m tcp --sport 1:2 --dport 80 --tcp-flags SYN,ACK SYN -j REDIRECT --to-ports 3128`,
		`-A POSTROUTING ! -s 10.0.0.0/8 -o wan0 -p tcp -m mark --mark 0x1/0xff -j MASQUERADE --to-ports 1024-2048 --random`,
		`-A PREROUTING -p udp -m multiport --sports 1,2 -m multiport --dports 53,1000:2000 -j DNAT --to-destination 192.168.0.2:2000-2100/1000`,
		`-A POSTROUTING -s 10.0.0.0/255.0.255.0 -p sctp -j SNAT --to-source 192.0.2.1:5000`,
		`-A OUTPUT -d 192.0.2.7/32 ! -o lo -p udp -m multiport --dports 53 -j DNAT --to-destination 192.168.0.2`,
	} {
		r := mustParse(t, line)
		if r.Unparseable() != nil {
			continue
		}
		d, err := DraftOf(IPv4, r)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if again, problems := d.Rule(); HasErrors(problems) || again.String() != line {
			t.Errorf("%s\ncame out of the form as\n%s\n%v", line, again, problems)
		}
	}
}

func TestEditingRealRules(t *testing.T) {
	edited := 0
	for _, line := range printedLines(t) {
		r := mustParse(t, line)
		f := IPv4
		for _, n := range []Net{r.Source, r.Dest, {Addr: r.Target.To.Addrs.Lo}} {
			if n.Addr.Is6() {
				f = IPv6
			}
		}
		d, err := DraftOf(f, r)
		if err != nil {
			continue
		}
		again, problems := d.Rule()
		if HasErrors(problems) {
			continue // a rule that iptables takes and nobody should enter
		}
		edited++
		a, _ := r.Spec()
		b, _ := again.Spec()
		if !sameWords(a, b) {
			t.Errorf("%s\ncame out of the form as\n%s", line, again)
		}
	}
	if edited < 500 {
		t.Errorf("only %d rules went through the form", edited)
	}
}

// sameWords compares argv word by word, a match's place among the others aside.
func sameWords(a, b []string) bool {
	count := map[string]int{}
	for _, w := range a {
		count[w]++
	}
	for _, w := range b {
		count[w]--
	}
	for w, n := range count {
		if n != 0 && w != "-m" && w != "tcp" && w != "udp" && w != "sctp" && w != "dccp" && w != "udplite" {
			return false
		}
	}
	return true
}

func TestDraftNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "!", "80", "1-2", "10.0.0.1", "::1", "tcp", "[::1]:80", "10.0.0.0/8", "eth0", "+"}))
		d := Draft{
			Family: Family(rapid.IntRange(0, 1).Draw(t, "family")), Kind: rapid.SampledFrom(DraftKinds[:]).Draw(t, "kind"),
			Protocol: text.Draw(t, "protocol"), In: text.Draw(t, "in"), Out: text.Draw(t, "out"), Source: text.Draw(t, "source"),
			SPorts: text.Draw(t, "sports"), Dest: text.Draw(t, "dest"), Ports: text.Draw(t, "ports"), To: text.Draw(t, "to"), Comment: text.Draw(t, "comment"),
		}
		r, problems := d.Rule()
		if HasErrors(problems) {
			return
		}
		again := mustParse(t, r.String())
		if again.Unparseable() != nil || again.canonical() != r.String() {
			t.Fatalf("%+v made %s, which reads as %s (%v)", d, r, again.canonical(), again.Unparseable())
		}
	})
}
