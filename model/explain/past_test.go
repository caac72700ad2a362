package explain

import (
	"fmt"
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

// begun is a table of flows that began at a time.
func begun(at int64, flows ...flow.Flow) *flow.Flows {
	table := flow.NewFlows()
	beginIn(table, at, flows...)
	return table
}

func beginIn(table *flow.Flows, at int64, flows ...flow.Flow) {
	b := &flow.Batch{At: at}
	for _, f := range flows {
		change := b.Next()
		change.Kind, change.Flow = flow.EventNew, f
	}
	table.Apply(b)
}

// kept is a flow as a table has it now.
func kept(table *flow.Flows, f *flow.Flow) *flow.Flow {
	now, _, _ := table.Lookup(f.Key())
	return &now
}

// The rules that two tests have a flow explained by in turn: the second takes what the first does.
const (
	ruleOfOne  = "-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3\n"
	ruleOfMany = "-A PREROUTING -p tcp -m tcp --dport 81:90 -j DNAT --to-destination 192.168.0.3\n"
)

// published is a flow that both fit.
func published(id uint32) flow.Flow {
	client := fmt.Sprintf("198.51.100.7:%d", 4000+id)
	return explainedFlow(id, client, "203.0.113.1:81", "192.168.0.3:81", client)
}

// TestRememberedThroughWhatIsNotKnown: a flow that no rule explains for a while, or only an unknown one, is not forgotten to have
// been made by another than the one that explains it then; by the first one it still is.
func TestRememberedThroughWhatIsNotKnown(t *testing.T) {
	host, first := rulesAt(t, ruleOfOne+"-A PREROUTING -p tcp -m tcp --dport 99 -j DNAT --to-destination 192.168.0.9\n")
	_, second := rulesAt(t, ruleOfMany+ruleOfOne)
	_, neither := rulesAt(t, "")
	f := published(1)
	table := begun(10, f)
	x := NewExplainer(table)
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
				if e := x.Of(kept(table, &f)); e.Confidence != step.want || e.Older != step.older {
					t.Fatalf("%s: %s, older %v", step.when, e.Confidence, e.Older)
				}
				x.Work(10)
			}
		}
	}
}

// TestComesBackToItsRule: a rule that explains a flow only for a while, as it stands before its own, has not made the own another.
func TestComesBackToItsRule(t *testing.T) {
	host, own := rulesAt(t, ruleOfOne)
	_, both := rulesAt(t, ruleOfMany+ruleOfOne)
	f := published(1)
	table := begun(10, f)
	x := NewExplainer(table)
	for i, c := range []struct {
		sets  map[rules.Variant]*rules.Ruleset
		older bool
	}{{own, false}, {both, true}, {own, false}} {
		x.SetRulesAt(c.sets, host.Host(nil), Read{Rules: int64(time.Hour) + int64(i)})
		x.Work(10)
		if e := x.Of(kept(table, &f)); e.Older != c.older {
			t.Errorf("step %d: %s, older %v", i+1, e.Confidence, e.Older)
		}
	}
}

// TestNotAskedForLong: where it is no longer remembered what explained a flow, it is not said to be exact.
func TestNotAskedForLong(t *testing.T) {
	host, sets := rulesAt(t, ruleOfOne)
	last := published(5)
	table := begun(10, published(1), published(2), published(3), published(4), last)
	x := NewExplainer(table)
	x.SetRulesAt(sets, host.Host(nil), Read{Rules: 1})
	x.Work(10)
	for i := range 2 * generationsKept { // each asks one flow only
		x.SetRulesAt(sets, host.Host(nil), Read{Rules: int64(2 + i)})
		x.Work(1)
	}
	if e := x.Of(kept(table, &last)); e.Confidence != Inferred || !e.Older {
		t.Errorf("%s, older %v", e.Confidence, e.Older)
	}
}

// TestNativeRuleOfTheSameHandle: handles come back when a table is made anew, and stay when a rule is replaced: what a rule says
// tells it apart.
func TestNativeRuleOfTheSameHandle(t *testing.T) {
	host, _ := rulesAt(t, "")
	f := explainedFlow(1, "192.168.0.9:4000", "198.51.100.7:80", "198.51.100.7:80", "203.0.113.1:4000")
	table := begun(10, f)
	x := NewExplainer(table)
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
			if e := x.Of(kept(table, &f)); e.SNAT.Handle != 2 || e.Older != c.older {
				t.Errorf("step %d: by handle %d, %s, older %v", i+1, e.SNAT.Handle, e.Confidence, e.Older)
			}
			x.Work(10)
		}
	}
}

// TestMarkedAgain: a copy of a flow that was explained in this generation is told the same, whatever explained it before; and
// generations that nobody worked through make nothing forgotten.
func TestMarkedAgain(t *testing.T) {
	host, first := rulesAt(t, ruleOfMany+ruleOfOne)
	_, then := rulesAt(t, ruleOfOne)
	f := published(1)
	table := begun(10, f)
	x := NewExplainer(table)
	at := int64(time.Hour)
	x.SetRulesAt(first, host.Host(nil), Read{Rules: at})
	x.Work(10)
	x.SetRulesAt(then, host.Host(nil), Read{Rules: at + 1})
	x.SetRulesAt(then, host.Host(nil), Read{Rules: at + 2}) // before anybody worked
	mark := x.Marker()
	for _, when := range []string{"before it is asked", "after that"} {
		if e := mark(kept(table, &f)); e.Confidence != Inferred || !e.Older {
			t.Errorf("%s: %s, older %v", when, e.Confidence, e.Older)
		}
		x.Work(10)
	}
}

// TestBeganWhileRulesChanged: what began just before other rules were told may have been made by either: it is not said to have
// been made by the ones before when these come back.
func TestBeganWhileRulesChanged(t *testing.T) {
	host, one := rulesAt(t, ruleOfOne)
	_, other := rulesAt(t, ruleOfMany+ruleOfOne)
	for before, older := range map[time.Duration]bool{time.Second / 10: true, time.Minute: false} {
		f, settled, at := published(1), published(2), int64(time.Hour)
		table := begun(at-int64(time.Hour)/4, settled)
		beginIn(table, at-int64(before), f)
		x := NewExplainer(table)
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
		if e := x.Of(kept(table, &f)); e.Older != older {
			t.Errorf("%v before: %s, older %v", before, e.Confidence, e.Older)
		}
		if x.Of(kept(table, &settled)).Older {
			t.Errorf("%v before: what was there long before is older", before)
		}
	}
}

// TestFresh: what may have begun after the rules were read is not stale before they are read again, and nothing is said of an
// older rule then. What was there before they were read is.
func TestFresh(t *testing.T) {
	host, none := rulesAt(t, "")
	_, one := rulesAt(t, ruleOfOne)
	const at = int64(time.Hour)
	before, fresh, found := published(1), published(2), published(3)
	table := begun(at-int64(time.Minute), before)
	beginIn(table, at+int64(time.Second/20), fresh)
	b := &flow.Batch{At: at + int64(time.Second)}
	m := b.Next()
	m.Kind, m.Flow = flow.Listed, found
	table.Apply(b)
	x := NewExplainer(table)
	x.SetRulesAt(none, host.Host(nil), Read{Rules: at, Asked: at, Told: at})
	check := func(when string, want map[uint32]Confidence) {
		t.Helper()
		for range 2 { // before they are asked, and after
			for _, f := range []flow.Flow{before, fresh, found} {
				if e := x.Of(kept(table, &f)); e.Confidence != want[f.ID] || e.Fresh != (want[f.ID] == Unknown) {
					t.Errorf("%s: flow %d is %s, fresh %v", when, f.ID, e.Confidence, e.Fresh)
				}
			}
			x.Work(10)
		}
	}
	check("before all are listed", map[uint32]Confidence{1: Stale, 2: Unknown, 3: Stale})
	x.Listed(at + 1)
	x.SetRulesAt(none, host.Host(nil), Read{Rules: at, Asked: at, Told: at})
	check("where one is found later", map[uint32]Confidence{1: Stale, 2: Unknown, 3: Unknown})
	later := at + int64(time.Minute)
	x.SetRulesAt(none, host.Host(nil), Read{Rules: later, Asked: later, Told: later})
	check("read again", map[uint32]Confidence{1: Stale, 2: Stale, 3: Stale})
	x.SetRulesAt(one, host.Host(nil), Read{Rules: later, Asked: later, Told: later})
	x.Work(10)
	if e := x.Of(kept(table, &fresh)); e.Confidence == Stale || e.Confidence == Unknown {
		t.Errorf("by the rule that has made it, it is %s", e.Confidence)
	}
}
