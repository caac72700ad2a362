package doctor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/nft"
)

func TestProvingKnowsItsFlow(t *testing.T) {
	one := func(src, dst, replySrc, replyDst string) flow.Flow {
		tuple := func(a, b string) rules.Tuple {
			return rules.MakeTuple(rules.TCP, netip.MustParseAddrPort(a), netip.MustParseAddrPort(b))
		}
		return flow.Flow{Orig: tuple(src, dst), Reply: tuple(replySrc, replyDst)}
	}
	published := guide.Proof{Protocol: rules.TCP, Asked: netip.MustParseAddrPort("203.0.113.1:80")}
	shared := guide.Proof{From: netip.MustParsePrefix("192.168.0.0/24")}
	in := one("198.51.100.1:4000", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.1:4000")
	out := one("192.168.0.7:4000", "198.51.100.1:443", "198.51.100.1:443", "203.0.113.1:4000")
	if !proves(&published, &in) || proves(&published, &out) || proves(&shared, &in) || !proves(&shared, &out) {
		t.Error("the wrong flows are taken for proof")
	}
	answered := in
	answered.Status = flow.StatusSeenReply
	for _, test := range []struct {
		what                          string
		flow                          flow.Flow
		began                         int64
		arrived, translated, answered bool
	}{
		{"one that waits", in, 5, true, true, false},
		{"one that is answered", answered, 5, true, true, true},
		{"one that is older", answered, 50, false, false, false},
		{"one that is not translated", one("198.51.100.1:4000", "203.0.113.1:80", "203.0.113.1:80", "198.51.100.1:4000"), 5, true, false, false},
		{"another", out, 5, false, false, false},
	} {
		p := NewProving(published, nil, nil, test.began)
		flows := flow.NewFlows()
		flows.Apply(&flow.Batch{At: 10, Messages: []flow.Message{{Kind: flow.Listed, Flow: test.flow}}})
		p.Take(p.Search(flows, nil))
		if p.Arrived != test.arrived || p.Translated != test.translated || p.Answered != test.answered {
			t.Errorf("%s: %+v", test.what, p)
		}
		if late := p.Verdict(test.began+int64(time.Minute), true); (late == "") != test.answered {
			t.Errorf("%s: after a minute: %q", test.what, late)
		}
		if p.Verdict(test.began+1, true) != "" {
			t.Errorf("%s: a verdict at once", test.what)
		}
	}
}

// A rule that lets a packet pass may count others: only a connection tells that this one was let through.
func TestPassingIsToldByTheConnection(t *testing.T) {
	counted := func(packets uint64) map[rules.Variant]*rules.Ruleset {
		r, err := rules.Parse("-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT")
		if err != nil {
			t.Fatal(err)
		}
		r.Counters = rules.Counters{Packets: packets}
		chain := rules.Chain{Name: "FORWARD", Policy: "DROP", Rules: []rules.Rule{r}}
		tables := []rules.Table{{Name: "filter", Chains: []rules.Chain{chain}}}
		return map[rules.Variant]*rules.Ruleset{{Family: rules.IPv4, Backend: rules.NFT}: {Tables: tables}}
	}
	wanted := guide.Proof{
		Protocol: rules.TCP, Asked: netip.MustParseAddrPort("203.0.113.1:81"),
		Passing: []guide.Watched{{Variant: rules.Variant{Family: rules.IPv4, Backend: rules.NFT}, Table: "filter", Chain: "FORWARD", Line: "-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT"}},
	}
	p := NewProving(wanted, counted(2), nil, 5)
	if p.Look(counted(9), nil); p.Arrived || p.Passed {
		t.Errorf("another forward's packets were taken for this one's: %+v", p)
	}
	p.Translated, p.Arrived = true, true
	if why := p.Verdict(int64(time.Hour), true); !strings.Contains(why, "or the server refuses it") {
		t.Errorf("the verdict on what made no connection: %s", why)
	}
	flows := flow.NewFlows()
	flows.Apply(&flow.Batch{At: 10, Messages: []flow.Message{{Kind: flow.Listed, Flow: flow.Flow{
		Orig:  rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("198.51.100.1:4000"), netip.MustParseAddrPort("203.0.113.1:81")),
		Reply: rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("192.168.0.2:8080"), netip.MustParseAddrPort("198.51.100.1:4000")),
	}}}})
	if p.Take(p.Search(flows, nil)); !p.Passed || p.Answered {
		t.Errorf("a connection was entered: %+v", p)
	}
}

// A native rule is watched by its handle: where a server refuses, the kernel forgets the connection, and only its counter
// tells that something came.
func TestProvingCountsNativeRules(t *testing.T) {
	counted := func(packets uint64) *nft.Ruleset {
		table := &nft.Table{Family: nft.INet, Name: "nattui"}
		for handle := uint64(4); handle < 6; handle++ {
			n := packets
			if handle == 4 {
				n = 7
			}
			c := table.Chain("prerouting")
			if c == nil {
				c = &nft.Chain{Table: table, Name: "prerouting", Type: "nat", Hook: "prerouting"}
				table.Chains = append(table.Chains, c)
			}
			c.Rules = append(c.Rules, &nft.Rule{Handle: handle, Exprs: []nft.Expr{nft.Counter{Packets: n}}})
		}
		return &nft.Ruleset{Tables: []*nft.Table{table}}
	}
	wanted := guide.Proof{Translating: []guide.Watched{{Variant: rules.Variant{Backend: rules.Native}, Table: "inet nattui", Chain: "prerouting", Handle: 5}}}
	p := NewProving(wanted, nil, counted(2), 0)
	for _, now := range []*nft.Ruleset{nil, counted(2), {}} {
		if p.Look(nil, now); p.Arrived || p.Translated {
			t.Fatalf("nothing came: %+v", p)
		}
	}
	if p.Look(nil, counted(3)); !p.Arrived || !p.Translated {
		t.Errorf("a packet came: %+v", p)
	}
}

// A server that refuses makes the kernel forget the connection at once: the events tell of it, whatever their filter.
func TestProvingOfWhatHasGone(t *testing.T) {
	wanted := guide.Proof{Protocol: rules.TCP, Asked: netip.MustParseAddrPort("203.0.113.1:81")}
	gone := flow.Flow{
		ID:    3,
		Orig:  rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("198.51.100.1:4000"), netip.MustParseAddrPort("203.0.113.1:81")),
		Reply: rules.MakeTuple(rules.TCP, netip.MustParseAddrPort("192.168.0.2:9999"), netip.MustParseAddrPort("198.51.100.1:4000")),
	}
	answered := gone
	answered.Status = flow.StatusSeenReply
	for name, test := range map[string]struct {
		began           int64
		last            flow.Flow
		arrived, ended  bool
		title, whenSent string
	}{
		"refused":   {5, gone, true, true, "is gone without an answer", "was let through to 192.168.0.2:9999, and refused"},
		"answered":  {5, answered, true, false, "", ""},
		"long over": {50, gone, false, false, "", ""},
	} {
		log := flow.NewEventLog(8)
		log.Append(&flow.Batch{At: 10, Messages: []flow.Message{{Kind: flow.EventNew, Flow: gone}, {Kind: flow.EventDestroy, Flow: test.last}}})
		p := NewProving(wanted, nil, nil, test.began)
		p.Take(p.Search(flow.NewFlows(), log))
		if p.Arrived != test.arrived || p.Passed != test.arrived || p.Ended != test.ended || (p.Seen != nil) != test.arrived {
			t.Errorf("%s: %+v", name, p)
		}
		if why := p.Verdict(test.began+1, true); !strings.Contains(why, test.title) || (why == "") != (test.title == "") {
			t.Errorf("%s: %q", name, why)
		}
		p.Refused = test.ended
		if why := p.Verdict(test.began+1, true); !strings.Contains(why, test.whenSent) {
			t.Errorf("%s, and refused: %q", name, why)
		}
	}
}
