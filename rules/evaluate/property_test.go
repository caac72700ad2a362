package evaluate

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nattui/rules"

	"pgregory.net/rapid"
)

// TestIndexChangesNothing draws tables long enough to be indexed and compares
// the way through the index with the way rule by rule.
func TestIndexChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("*filter\n:FORWARD DROP [0:0]\n")
		for range rapid.IntRange(indexedLength, 60).Draw(t, "rules") {
			line := "-A FORWARD"
			for _, part := range [][]string{
				{"", "-s 10.0.0.1/32", "-s 10.0.0.2/32", "-s 10.0.0.0/31"},
				{"-d 10.0.0.1/32", "-d 10.0.0.2/32", "-d 10.0.0.3/32", "! -d 10.0.0.1/32", ""},
				{"", "-p tcp -m tcp --dport 1", "-p tcp -m tcp --dport 2", "-p udp -m udp --dport 2", "-p tcp -m tcp ! --dport 2"},
				{"-j ACCEPT", "-j DROP", "-j MARK --set-xmark 0x1/0x0", "-m mark --mark 0x1 -j ACCEPT", "-m mark --mark 0x1/0x1 -j DROP"},
			} {
				if word := rapid.SampledFrom(part).Draw(t, "part"); word != "" {
					line += " " + word
				}
			}
			b.WriteString(line + "\n")
		}
		b.WriteString("COMMIT\n")
		tables, err := rules.Read(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		set := &rules.Ruleset{Tables: tables}
		indexed, plain := Compile(set), Compile(set)
		for _, c := range plain.chains {
			c.index = nil
		}
		p := drawPacket(t)
		with, certain1 := NewEvaluator(Host{}, indexed).Outcomes(nil, &p)
		without, certain2 := NewEvaluator(Host{}, plain).Outcomes(nil, &p)
		same := func(a, b []Outcome) bool {
			for i := range a {
				if !slices.ContainsFunc(b, func(o Outcome) bool { return o.sameOutcome(&a[i]) }) {
					return false
				}
			}
			return true
		}
		if certain1 != certain2 || !same(with, without) || !same(without, with) {
			t.Fatalf("%s\n%+v\nindexed %+v\nwithout %+v", b.String(), p, with, without)
		}
	})
}

// TestUnknownHoldsTheTruth takes something from what is known of a packet: the
// outcome must be among those that are then possible.
func TestUnknownHoldsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawTable(t, "filter", "FORWARD")
		tables, err := rules.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		e := NewEvaluator(Host{}, Compile(&rules.Ruleset{Tables: tables}))
		full := drawPacket(t)
		if full.Length == 0 {
			full.Length = 50
		}
		less := full
		switch rapid.IntRange(0, 3).Draw(t, "forgotten") {
		case 0:
			less.Length = 0
		case 1:
			less.In = ""
		case 2:
			less.DstPort = 0
		case 3:
			less.SrcPort, less.Length = 0, 0
		}
		truth, _ := e.Outcomes(nil, &full)
		may, _ := e.Outcomes(nil, &less)
		for i := range truth {
			if !slices.ContainsFunc(may, func(o Outcome) bool { return o.Delivered == truth[i].Delivered }) {
				t.Fatalf("%s\n%+v\n%+v is not among\n%+v", text, full, truth[i], may)
			}
		}
	})
}

// FuzzEvaluate feeds the evaluator and the reachability any text that reads as
// tables, and any packet: both must come to an end.
func FuzzEvaluate(f *testing.F) {
	f.Add(published, []byte{rules.TCP, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3, 4, 5}, false)
	f.Add("*nat\n:PREROUTING ACCEPT [0:0]\n:A - [0:0]\n-A PREROUTING -j A\n-A A -g A\nCOMMIT\n", []byte{rules.UDP, 1, 2, 3, 4}, true)
	f.Add("*nat\n:POSTROUTING DROP [0:0]\n-A POSTROUTING -j SNAT --to-source 1.1.1.9-1.1.1.1:9-1\nCOMMIT\n", []byte{rules.ICMP}, false)
	f.Fuzz(func(t *testing.T, text string, data []byte, six bool) {
		tables, err := rules.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		next := func() byte {
			if len(data) == 0 {
				return 1
			}
			b := data[0]
			data = data[1:]
			return b
		}
		family := rules.IPv4
		if six {
			family = rules.IPv6
		}
		set := &rules.Ruleset{Family: family, Tables: tables}
		p := Packet{Protocol: rules.Protocol(next())}
		addr := func() netip.Addr {
			a := [16]byte{0x20, 0x01, 12: next(), next(), next(), next()}
			if six {
				return netip.AddrFrom16(a)
			}
			return netip.AddrFrom4([4]byte(a[12:]))
		}
		p.Src, p.Dst = addr(), addr()
		if p.Protocol.HasPorts() {
			p.SrcPort, p.DstPort = uint16(next())<<8, uint16(next())
		}
		p.Local = next()&1 == 0
		p.TTL, p.Mark = next(), uint32(next())
		e := NewEvaluator(gateway(), Compile(set))
		path, err := e.Evaluate(p)
		outcomes, certain := e.Outcomes(nil, &p)
		if err == nil && (certain != path.Certain || len(outcomes) != len(path.Outcomes)) {
			t.Errorf("%s\n%+v: with its path %s, without it %d outcomes, certain %v", text, p, told(path), len(outcomes), certain)
		}
		for _, table := range set.Tables {
			Reach(set, table.Name)
		}
	})
}
