package traced

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nattui/model/filter"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

func TestParseTraceFilter(t *testing.T) {
	for line, want := range map[string]string{
		"tcp dport 80":        "tcp dport 80",
		"dport 80":            "tcp dport 80",
		"udp port 53 in lan0": "udp dport 53 in lan0",
		"proto tcp src 203.0.113.10 dst 203.0.113.1 dport 80": "tcp src 203.0.113.10 dst 203.0.113.1 dport 80",
		"203.0.113.10 > 203.0.113.1:80":                       "tcp src 203.0.113.10 dst 203.0.113.1 dport 80",
		"203.0.113.10->203.0.113.1:80":                        "tcp src 203.0.113.10 dst 203.0.113.1 dport 80",
		"203.0.113.10:4000 → 203.0.113.1:80":                  "tcp src 203.0.113.10 sport 4000 dst 203.0.113.1 dport 80",
		"udp any to [2001:db8::1]:53":                         "udp dst 2001:db8::1 dport 53",
		"any > :443 new":                                      "tcp dport 443 new",
		"src 192.168.0.7/24":                                  "src 192.168.0.0/24",
		"icmp":                                                "icmp",
		"icmp dst 2001:db8::1":                                "icmpv6 dst 2001:db8::1",
		"family ipv6 in wan0":                                 "family ipv6 in wan0",
		"dport 8000-8080":                                     "tcp dport 8000-8080",
		"proto 99":                                            "proto 99",
		"gre dst 203.0.113.1":                                 "gre dst 203.0.113.1",
		"new":                                                 "tcp new",
	} {
		f, err := ParseTraceFilter(line)
		if err != nil || f.String() != want {
			t.Errorf("%q is %q, %v; want %q", line, f, err, want)
		}
		if again, err := ParseTraceFilter(f.String()); err != nil || again != f {
			t.Errorf("%q is not read back: %+v, want %+v, %v", f, again, f, err)
		}
	}
	for line, want := range map[string]string{
		"":                                "which packets should be traced",
		"web":                             "cannot be used in a trace",
		"dport":                           "needs a port",
		"dport 99999":                     "is not a port",
		"dport 80-70":                     "goes backwards; use 70-80",
		"src 1.2.3":                       "is not an address",
		"src 1.2.3.4:x":                   "is not a port",
		"icmp dport 80":                   "icmp has no ports",
		"src 192.0.2.1 dst 2001:db8::1":   "is not in the address family",
		"udp new":                         "works for tcp only",
		"icmpv6 src 192.0.2.1":            "does not work with",
		"in a-name-that-is-far-too-long0": "too long",
		"dprt 80":                         "did you mean dport?",
		"state established":               "cannot be used in a trace",
		"192.0.2.1 >":                     "needs a destination address",
		`tcp in "wan0`:                    `"wan0: the quotation mark is not closed`,
	} {
		_, err := ParseTraceFilter(line)
		var where *filter.Error
		if !errors.As(err, &where) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
		if where != nil && where.Word != "" && line[where.Pos:where.End] != where.Word {
			t.Errorf("%q: it points at %q, says %q", line, line[where.Pos:where.End], where.Word)
		}
	}
}

func FuzzParseTraceFilter(f *testing.F) {
	for _, s := range []string{"tcp dport 80 new", "203.0.113.10 > [2001:db8::1]:80", `in "wan0" src = 10.0.0.0/8`, `""`, "a->", "proto 0", `in"00000000'`, `in "to"`, `in "a->b" new`, `in 'x"y→z'`, `in "="`, `in "("`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		filter, err := ParseTraceFilter(line)
		if err != nil {
			return
		}
		if again, err := ParseTraceFilter(filter.String()); err != nil || again != filter {
			t.Errorf("%q became %q, which is %+v, want %+v, %v", line, filter, again, filter, err)
		}
	})
}

// traced makes a packet from words: tcp 203.0.113.10:4000 203.0.113.1:80.
func traced(proto rules.Protocol, src, dst string) *TracedPacket {
	return &TracedPacket{Proto: proto, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), TCPFlags: 2}
}

func hop(table, chain string, position int, verdict string) TraceHop {
	h := TraceHop{Family: "ip", Table: table, Chain: chain, Position: position, Handle: uint64(position), Verdict: verdict}
	if position == 0 {
		h.Kind = HopPolicy
	}
	return h
}

func TestTraceJoin(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	var j TraceJoin
	asked := traced(rules.TCP, "203.0.113.10:4000", "203.0.113.1:80")
	served := traced(rules.TCP, "203.0.113.10:4000", "192.168.0.2:8080")
	answer := traced(rules.TCP, "192.168.0.2:8080", "203.0.113.10:4000")
	stranger := traced(rules.TCP, "192.168.0.3:8080", "203.0.113.10:4000")
	feed := func(m TraceMessage) *Traced { return j.Take(&m, start) }

	// Two packets at once, and one that somebody else traces.
	feed(TraceMessage{ID: 1, Mark: TraceRequestBegins, Packet: asked})
	feed(TraceMessage{ID: 2, Mark: TraceRequestBegins, Packet: traced(rules.UDP, "203.0.113.10:4000", "203.0.113.1:53")})
	feed(TraceMessage{ID: 3, Hop: hop("nat", "PREROUTING", 9, "accept"), Packet: stranger})
	feed(TraceMessage{ID: 1, Hop: hop("nat", "PREROUTING", 2, "accept"), Packet: asked})
	dropped := feed(TraceMessage{ID: 2, Hop: hop("raw", "PREROUTING", 0, "drop")})
	feed(TraceMessage{ID: 1, Mark: TraceHere, Packet: served})
	request := feed(TraceMessage{ID: 1, Mark: TraceLeaves, Packet: served})
	if dropped == nil || dropped.End != TraceDropped || dropped.Number != 2 || dropped.Outcome() != "dropped by raw PREROUTING policy" {
		t.Fatalf("the dropped packet is %+v", dropped)
	}
	if request == nil || request.End != TraceForwarded || len(request.Hops) != 1 || !request.Translated() || request.Hops[0].Packet != *asked {
		t.Fatalf("the request is %+v", request)
	}
	// The second report of the end is no packet, nor is an answer to nothing.
	if p := feed(TraceMessage{ID: 1, Mark: TraceLeaves}); p != nil {
		t.Errorf("it ended twice: %+v", p)
	}
	feed(TraceMessage{ID: 4, Mark: TraceReplyBegins, Packet: stranger})
	if p := feed(TraceMessage{ID: 4, Mark: TraceLeaves}); p != nil {
		t.Errorf("an answer to nothing: %+v", p)
	}
	feed(TraceMessage{ID: 5, Mark: TraceReplyBegins, Packet: answer})
	reply := feed(TraceMessage{ID: 5, Mark: TraceLeaves, Packet: answer})
	if reply == nil || !reply.Reply || reply.ReplyTo != 1 {
		t.Fatalf("the reply is %+v", reply)
	}
	// An answer that looks different is known by its flow.
	feed(TraceMessage{ID: 6, Mark: TraceRequestBegins, Packet: asked, ConnID: 77})
	feed(TraceMessage{ID: 6, Mark: TraceArrives})
	feed(TraceMessage{ID: 7, Mark: TraceReplyBegins, Packet: stranger, ConnID: 77})
	if p := feed(TraceMessage{ID: 7, Mark: TraceLeaves}); p == nil || p.ReplyTo != 4 {
		t.Errorf("the answer of the same flow is %+v", p)
	}
	// What is not seen any more is lost, and so is one whose number comes again.
	feed(TraceMessage{ID: 8, Mark: TraceRequestBegins, Packet: asked})
	if again := feed(TraceMessage{ID: 8, Mark: TraceRequestBegins, Packet: asked}); again == nil || again.End != TraceLost {
		t.Errorf("a number that comes again: %+v", again)
	}
	if lost := j.Lost(start.Add(TracePatience - 1)); lost != nil {
		t.Errorf("lost too soon: %+v", lost)
	}
	if lost := j.Lost(start.Add(TracePatience)); len(lost) != 1 || lost[0].End != TraceLost || j.Underway() != 0 {
		t.Errorf("lost: %+v, %d underway", lost, j.Underway())
	}
}

func TestTraceJoinFirstReplies(t *testing.T) {
	j := TraceJoin{FirstReplies: true}
	feed := func(m TraceMessage) *Traced { return j.Take(&m, time.Unix(1, 0)) }
	feed(TraceMessage{ID: 1, Mark: TraceRequestBegins, Packet: traced(rules.TCP, "203.0.113.10:4000", "203.0.113.1:80")})
	feed(TraceMessage{ID: 1, Mark: TraceArrives})
	var seen []bool
	for id := range uint32(2) {
		feed(TraceMessage{ID: 2 + id, Mark: TraceReplyBegins, Packet: traced(rules.TCP, "203.0.113.1:80", "203.0.113.10:4000")})
		seen = append(seen, feed(TraceMessage{ID: 2 + id, Mark: TraceLeaves}) != nil)
	}
	if !slices.Equal(seen, []bool{true, false}) {
		t.Errorf("replies seen: %v", seen)
	}
}

const tracedRules = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 443 -j ACCEPT
-A PREROUTING -d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080
COMMIT
`

func TestTraceWords(t *testing.T) {
	tables, err := rules.Read(strings.NewReader(tracedRules))
	if err != nil {
		t.Fatal(err)
	}
	variant := rules.Variant{Family: rules.IPv4, Backend: rules.NFT}
	sets := map[rules.Variant]*rules.Ruleset{variant: {Family: rules.IPv4, Backend: rules.NFT, Tables: tables}}
	native := TraceHop{Family: "inet", Table: "corp", Chain: "in", Handle: 7, Verdict: "jump", To: "more"}
	for _, test := range []struct {
		hop            TraceHop
		where          string
		match, outcome string
	}{
		{hop("nat", "PREROUTING", 2, "accept"), "nat PREROUTING 2", "tcp to 203.0.113.1:80", "192.168.0.2:8080"},
		{hop("nat", "POSTROUTING", 0, "accept"), "nat POSTROUTING policy", "", "accept"},
		{hop("nat", "PREROUTING", 9, "accept"), "nat PREROUTING 9", "", "accept"},
		{native, "inet corp in handle 7", "", "jump more"},
		{TraceHop{Family: "ip", Table: "b", Chain: "pre", Position: 1, Handle: 7, Verdict: "jump", To: "more"}, "ip b pre 1", "", "jump more"},
	} {
		match, outcome := test.hop.What(sets)
		if where := test.hop.Where(); where != test.where || match != test.match || !strings.HasSuffix(outcome, test.outcome) {
			t.Errorf("%+v is %q: %q, %q", test.hop, where, match, outcome)
		}
	}

	// The forecast knows the same rules.
	evaluator := evaluate.NewEvaluator(evaluate.Host{}, evaluate.Compile(sets[variant]))
	p := Traced{First: *traced(rules.TCP, "203.0.113.10:4000", "203.0.113.1:80"), Last: *traced(rules.TCP, "203.0.113.10:4000", "192.168.0.2:8080"), End: TraceForwarded}
	p.First.In, p.Last.Out = "wan0", "lan0"
	if said, agrees := p.Forecast(evaluator); !agrees {
		t.Errorf("the forecast is %q", said)
	}
	p.Last.Dst = netip.MustParseAddrPort("192.168.0.3:8080")
	if said, agrees := p.Forecast(evaluator); agrees || !strings.Contains(said, "192.168.0.2:8080") {
		t.Errorf("the forecast of what did not happen is %q", said)
	}
	p.First.TCPFlags = 16
	if said, _ := p.Forecast(evaluator); said != "" {
		t.Errorf("a packet of a flow that was there has the forecast %q", said)
	}
}

// TestLostToALegacyRule: where rules of the legacy backend apply, of which nothing is reported, a packet that is not seen any more
// may have met one; the prediction that one drops it fits, and names the backend.
func TestLostToALegacyRule(t *testing.T) {
	at := rules.Variant{Backend: rules.Legacy}
	tables, err := rules.Read(strings.NewReader("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --dport 8080 -j DROP\nCOMMIT\n"))
	if err != nil {
		t.Fatal(err)
	}
	sets := map[rules.Variant]*rules.Ruleset{at: {Backend: rules.Legacy, Tables: tables}}
	p := Traced{First: *traced(rules.TCP, "203.0.113.10:4000", "192.168.0.2:8080"), End: TraceLost}
	p.First.In, p.Last = "wan0", p.First
	if said := p.Outcome(); strings.Contains(said, "legacy") {
		t.Errorf("without legacy rules: %q", said)
	}
	p.NoteLegacy(sets)
	if said := p.Outcome(); !strings.Contains(said, "a rule of the legacy backend") {
		t.Errorf("with legacy rules: %q", said)
	}
	evaluator := evaluate.NewEvaluator(evaluate.Host{}, evaluate.Compile(sets[at]))
	if said, agrees := p.Forecast(evaluator); !agrees || said != "as predicted: dropped by filter FORWARD 1 (legacy)" {
		t.Errorf("the forecast is %q, agrees %v", said, agrees)
	}
	p.End = TraceForwarded
	if said, agrees := p.Forecast(evaluator); agrees || !strings.HasPrefix(said, "predicted instead: dropped by filter FORWARD 1 (legacy)") {
		t.Errorf("the forecast of what did not happen is %q, agrees %v", said, agrees)
	}
}

func TestTraceOfRuleAndFlow(t *testing.T) {
	for chain, test := range map[string]struct{ line, want string }{
		"PREROUTING":  {"-A PREROUTING -d 203.0.113.1/32 -i wan0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080", "tcp dst 203.0.113.1 dport 80 in wan0"},
		"POSTROUTING": {"-A POSTROUTING -s 192.168.0.0/24 -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -o lan0 -j MASQUERADE", "tcp src 192.168.0.0/24"},
		"INPUT":       {"-A INPUT ! -s 192.0.2.1/32 ! -p udp -j ACCEPT", "family ipv4"},
	} {
		r, err := rules.Parse(test.line)
		if err != nil {
			t.Fatal(err)
		}
		if got := TraceOfRule(rules.IPv4, chain, &r).String(); got != test.want {
			t.Errorf("%s: %q, want %q", test.line, got, test.want)
		}
	}
	f := flow.Flow{Orig: rules.MakeTuple(rules.UDP, netip.MustParseAddrPort("[2001:db8::7]:5353"), netip.MustParseAddrPort("[2001:db8::1]:53"))}
	f.Reply = f.Orig.Mirror()
	if got := TraceOfFlow(&f).String(); got != "udp src 2001:db8::7 sport 5353 dst 2001:db8::1 dport 53" {
		t.Errorf("of a flow: %q", got)
	}
}
