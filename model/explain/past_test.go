package explain

import (
	"testing"
	"time"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// rulesAt are rules of a gateway that have all met some packets.
func rulesAt(t *testing.T, extra string) (*facts.Facts, map[rules.Variant]*rules.Ruleset) {
	t.Helper()
	f, sets := explainGateway(t, extra)
	counted(sets, 9)
	return f, sets
}

// TestRememberedThroughWhatIsNotKnown: a flow that no rule explains for a while, or only an unknown one, is not forgotten to have
// been made by another than the one that explains it then; by the first one it still is.
func TestRememberedThroughWhatIsNotKnown(t *testing.T) {
	const one, two = "-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3\n", "-A PREROUTING -p tcp -m tcp --dport 81:90 -j DNAT --to-destination 192.168.0.3\n"
	host, first := rulesAt(t, one+"-A PREROUTING -p tcp -m tcp --dport 99 -j DNAT --to-destination 192.168.0.9\n")
	_, second := rulesAt(t, two+one)
	_, neither := rulesAt(t, "")
	table := flow.NewFlows()
	x := NewExplainer(table)
	f := explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:81", "192.168.0.3:81", "198.51.100.7:4000")
	b := &flow.Batch{At: 10}
	change := b.Next()
	change.Kind, change.Flow = flow.EventNew, f
	table.Apply(b)
	at := int64(time.Hour)
	for _, step := range []struct {
		when  string
		sets  map[rules.Variant]*rules.Ruleset
		times int
		want  Confidence
		older bool
	}{
		{"at first", first, 1, Exact, false},
		{"no rule explains it", neither, 1, Stale, false},
		{"for long", neither, 2 * generationsKept, Stale, false},
		{"another one does", second, 1, Inferred, true},
		{"for long", second, 2 * generationsKept, Inferred, true},
		{"no rule does again", neither, 1, Stale, false},
	} {
		for range step.times {
			at++
			x.SetRulesAt(step.sets, host.Host(nil), Read{Rules: at})
			for range 2 { // before it is asked, and after
				now, _, _ := table.Lookup(f.Key())
				if e := x.Of(&now); e.Confidence != step.want || e.Older != step.older {
					t.Fatalf("%s: %s, older %v", step.when, e.Confidence, e.Older)
				}
				x.Work(10)
			}
		}
	}
}

// TestComesBackToItsRule: a rule that explains a flow only for a while, as it stands before its own, has not made the own another.
func TestComesBackToItsRule(t *testing.T) {
	const rule, before = "-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3\n", "-A PREROUTING -p tcp -m tcp --dport 81:90 -j DNAT --to-destination 192.168.0.3\n"
	host, own := rulesAt(t, rule)
	_, both := rulesAt(t, before+rule)
	table := flow.NewFlows()
	x := NewExplainer(table)
	f := explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:81", "192.168.0.3:81", "198.51.100.7:4000")
	b := &flow.Batch{At: 10}
	change := b.Next()
	change.Kind, change.Flow = flow.EventNew, f
	table.Apply(b)
	for i, c := range []struct {
		sets  map[rules.Variant]*rules.Ruleset
		older bool
	}{{own, false}, {both, true}, {own, false}} {
		x.SetRulesAt(c.sets, host.Host(nil), Read{Rules: int64(time.Hour) + int64(i)})
		x.Work(10)
		now, _, _ := table.Lookup(f.Key())
		if e := x.Of(&now); e.Older != c.older {
			t.Errorf("step %d: %s, older %v", i+1, e.Confidence, e.Older)
		}
	}
}

// TestNotAskedForLong: where it is no longer remembered what explained a flow, it is not said to be exact.
func TestNotAskedForLong(t *testing.T) {
	host, sets := rulesAt(t, "")
	table := flow.NewFlows()
	x := NewExplainer(table)
	var last flow.Flow
	b := &flow.Batch{At: 10}
	for i := range uint32(5) {
		last = explainedFlow(i+1, "198.51.100.7:400"+string(rune('0'+i)), "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:400"+string(rune('0'+i)))
		change := b.Next()
		change.Kind, change.Flow = flow.EventNew, last
	}
	table.Apply(b)
	x.SetRulesAt(sets, host.Host(nil), Read{Rules: 1})
	x.Work(10)
	for i := range 2 * generationsKept { // each asks one flow only
		x.SetRulesAt(sets, host.Host(nil), Read{Rules: int64(2 + i)})
		x.Work(1)
	}
	now, _, _ := table.Lookup(last.Key())
	if e := x.Of(&now); e.Confidence != Inferred || !e.Older {
		t.Errorf("%s, older %v", e.Confidence, e.Older)
	}
}

// TestNativeRuleOfTheSameHandle: handles come back when a table is made anew, and stay when a rule is replaced: what a rule says
// tells it apart.
func TestNativeRuleOfTheSameHandle(t *testing.T) {
	host, _ := rulesAt(t, "")
	table := flow.NewFlows()
	x := NewExplainer(table)
	f := explainedFlow(1, "192.168.0.9:4000", "198.51.100.7:80", "198.51.100.7:80", "203.0.113.1:4000")
	b := &flow.Batch{At: 10}
	change := b.Next()
	change.Kind, change.Flow = flow.EventNew, f
	table.Apply(b)
	to := []byte{203, 0, 113, 1}
	for i, c := range []struct {
		exprs nft.Exprs
		older bool
	}{
		{nft.Exprs{nft.Immediate{Into: 1, Data: to}, nft.NAT{Source: true, Family: nft.IPv4, AddrMin: 1}}, false},
		{nft.Exprs{nft.Immediate{Into: 1, Data: to}, nft.NAT{Source: true, Family: nft.IPv4, AddrMin: 1}}, false},
		{nft.Exprs{nft.Masq{}}, true},
	} {
		gw := &nft.Table{Family: nft.IPv4, Name: "gw"}
		post := &nft.Chain{Table: gw, Name: "post", Hook: "postrouting", Type: "nat", Priority: 100, Policy: nft.Verdict{Code: nft.Accept}, Rules: []*nft.Rule{{Handle: 2, Exprs: c.exprs}}}
		gw.Chains = []*nft.Chain{post}
		now := *host
		now.Native = evaluate.CompileNative(&nft.Ruleset{Tables: []*nft.Table{gw}})
		at := int64(time.Hour) + int64(i)
		x.SetRulesAt(map[rules.Variant]*rules.Ruleset{}, now.Host(nil), Read{Rules: at, Native: at})
		for range 2 {
			kept, _, _ := table.Lookup(f.Key())
			if e := x.Of(&kept); e.SNAT.Handle != 2 || e.Older != c.older {
				t.Errorf("step %d: by handle %d, %s, older %v", i+1, e.SNAT.Handle, e.Confidence, e.Older)
			}
			x.Work(10)
		}
	}
}

// TestMarkedAgain: a copy of a flow that was explained in this generation is told the same, whatever explained it before; and
// generations that nobody worked through make nothing forgotten.
func TestMarkedAgain(t *testing.T) {
	const a, b = "-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3\n", "-A PREROUTING -p tcp -m tcp --dport 81:90 -j DNAT --to-destination 192.168.0.3\n"
	host, first := rulesAt(t, b+a)
	_, then := rulesAt(t, a)
	table := flow.NewFlows()
	x := NewExplainer(table)
	f := explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:81", "192.168.0.3:81", "198.51.100.7:4000")
	batch := &flow.Batch{At: 10}
	change := batch.Next()
	change.Kind, change.Flow = flow.EventNew, f
	table.Apply(batch)
	at := int64(time.Hour)
	x.SetRulesAt(first, host.Host(nil), Read{Rules: at})
	x.Work(10)
	x.SetRulesAt(then, host.Host(nil), Read{Rules: at + 1})
	x.SetRulesAt(then, host.Host(nil), Read{Rules: at + 2}) // before anybody worked
	mark := x.Marker()
	for _, when := range []string{"before it is asked", "after that"} {
		kept, _, _ := table.Lookup(f.Key())
		if e := mark(&kept); e.Confidence != Inferred || !e.Older {
			t.Errorf("%s: %s, older %v", when, e.Confidence, e.Older)
		}
		x.Work(10)
	}
}

// TestBeganWhileRulesChanged: what began just before other rules were told may have been made by either: it is not said to have
// been made by the ones before when these come back.
func TestBeganWhileRulesChanged(t *testing.T) {
	const a, b = "-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3\n", "-A PREROUTING -p tcp -m tcp --dport 81:90 -j DNAT --to-destination 192.168.0.3\n"
	host, one := rulesAt(t, a)
	_, other := rulesAt(t, b+a)
	for before, older := range map[time.Duration]bool{time.Second / 10: true, time.Minute: false} {
		table := flow.NewFlows()
		x := NewExplainer(table)
		at := int64(time.Hour)
		settled := explainedFlow(2, "198.51.100.7:3999", "203.0.113.1:81", "192.168.0.3:81", "198.51.100.7:3999")
		earlier := &flow.Batch{At: at - int64(time.Hour)/4}
		there := earlier.Next()
		there.Kind, there.Flow = flow.EventNew, settled
		table.Apply(earlier)
		f := explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:81", "192.168.0.3:81", "198.51.100.7:4000")
		batch := &flow.Batch{At: at - int64(before)}
		change := batch.Next()
		change.Kind, change.Flow = flow.EventNew, f
		table.Apply(batch)
		for i, sets := range []map[rules.Variant]*rules.Ruleset{one, other, one} {
			now := at + int64(i)*int64(time.Minute)
			if i == 0 {
				now = at - int64(time.Hour)/2
			} else {
				now -= int64(time.Minute)
			}
			x.SetRulesAt(sets, host.Host(nil), Read{Rules: now, Told: now})
			x.Work(10)
		}
		kept, _, _ := table.Lookup(f.Key())
		if e := x.Of(&kept); e.Older != older {
			t.Errorf("%v before: %s, older %v", before, e.Confidence, e.Older)
		}
		if kept, _, _ = table.Lookup(settled.Key()); x.Of(&kept).Older {
			t.Errorf("%v before: what was there long before is older", before)
		}
	}
}
