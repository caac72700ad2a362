package explain

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// counted sets the packets of all rules.
func counted(sets map[rules.Variant]*rules.Ruleset, packets uint64) {
	for _, set := range sets {
		for _, table := range set.Tables {
			for _, chain := range table.Chains {
				for i := range chain.Rules {
					chain.Rules[i].Counters = rules.Counters{Known: true, Packets: packets}
				}
			}
		}
	}
}

// TestOlderThanItsRule: a rule that no packet had met did not make a flow that was there before, also when packets have met it
// since; of one that began later it is exact.
func TestOlderThanItsRule(t *testing.T) {
	facts, sets := explainGateway(t, "")
	table := flow.NewFlows()
	x := NewExplainer(table)
	older := explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:4000")
	later := explainedFlow(2, "198.51.100.7:4001", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:4001")
	found := explainedFlow(3, "198.51.100.7:4002", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:4002")
	const read = int64(time.Hour)
	for i, f := range []*flow.Flow{&older, &later, &found} {
		b := &flow.Batch{At: read + (int64(i)-1+int64(i%2))*int64(time.Second)}
		change := b.Next()
		change.Flow = *f
		if change.Kind = flow.EventNew; i == 2 { // it was there, since when is not known
			change.Kind = flow.Listed
		}
		table.Apply(b)
	}
	told := func(f *flow.Flow) Explanation {
		now, _, _ := table.Lookup(f.Key())
		return x.Of(&now)
	}
	check := func(when string, old, young Confidence) {
		t.Helper()
		for range 2 { // before they are asked, and after
			for f, want := range map[*flow.Flow]Confidence{&older: old, &later: young, &found: old} {
				if e := told(f); e.Confidence != want || e.Older != (want == Inferred) {
					t.Errorf("%s: flow %d is %s, older %v", when, f.ID, e.Confidence, e.Older)
				}
			}
			x.Work(10)
		}
	}
	counted(sets, 0)
	x.SetRulesAt(map[rules.Variant]*rules.Ruleset{{Family: rules.IPv6}: {Family: rules.IPv6}}, facts.Host(nil), Read{Rules: read})
	counted(sets, 1)
	x.SetRulesAt(sets, facts.Host(nil), Read{Rules: read + 1})
	check("the rules of one variant are read after those of another", Exact, Exact)
	counted(sets, 0)
	x.SetRules(sets, facts.Host(nil))
	check("it is not known when the rules were read", Exact, Exact)
	x.SetRulesAt(sets, facts.Host(nil), Read{Rules: read})
	check("no packet has met them", Inferred, Exact)
	counted(sets, 3)
	x.SetRulesAt(sets, facts.Host(nil), Read{Rules: read + 100})
	check("packets have met them since", Inferred, Exact)
	groups, total, err := table.Groups(context.Background(), nil, flow.GroupByRule, flow.GroupsByFlows, -1, 0)
	if err != nil || total != 2 || groups[0].Flows != 2 || groups[1].Flows != 1 || x.Name(groups[0].Key.Rule) != x.Name(groups[1].Key.Rule)+OlderLabel {
		t.Errorf("%d groups of the connections of one rule: %+v, %v", total, groups, err)
	}
	if counts, _ := x.RuleCounts(); counts[evaluate.RuleRef{Table: "nat", Chain: "PREROUTING", Position: 1}] != 1 {
		t.Errorf("the rule has made %v", counts)
	}
	for _, set := range sets { // other rules stand there
		for _, table := range set.Tables {
			for _, chain := range table.Chains {
				for i, r := range chain.Rules {
					other, err := rules.Parse(strings.Replace(r.String(), " -j ", " -m comment --comment other -j ", 1))
					if err != nil {
						t.Fatal(err)
					}
					other.Counters = r.Counters
					chain.Rules[i] = other
				}
			}
		}
	}
	x.SetRulesAt(sets, facts.Host(nil), Read{Rules: read + 200})
	check("they were not there when the others were read", Inferred, Inferred)
}

// TestMadeByAnotherRule: where another rule fits a flow since than the one that explained it, it did not make it, whatever has
// changed: here which addresses are this host's.
func TestMadeByAnotherRule(t *testing.T) {
	const rule = "-A PREROUTING -p tcp -m tcp --dport 81 %s-j DNAT --to-destination 192.168.0.3\n"
	facts, sets := explainGateway(t, fmt.Sprintf(rule+rule, "-m addrtype --dst-type LOCAL ", ""))
	counted(sets, 1)
	table := flow.NewFlows()
	x := NewExplainer(table)
	begin := func(id uint32, client string, at int64) *flow.Flow {
		f := explainedFlow(id, client, "203.0.113.1:81", "192.168.0.3:81", client)
		b := &flow.Batch{At: at}
		change := b.Next()
		change.Kind, change.Flow = flow.EventNew, f
		table.Apply(b)
		return &f
	}
	check := func(when string, f *flow.Flow, position int, older bool) {
		t.Helper()
		for range 2 { // before it is asked, and after
			now, _, _ := table.Lookup(f.Key())
			if e := x.Of(&now); e.DNAT.Position != position || e.Older != older || (e.Confidence == Exact) == older {
				t.Errorf("%s: by %d, %s, older %v", when, e.DNAT.Position, e.Confidence, e.Older)
			}
			x.Work(10)
		}
	}
	before := begin(1, "198.51.100.7:4000", 10)
	x.SetRulesAt(sets, facts.Host(nil), Read{Rules: 1})
	check("at first", before, 2, false)
	facts.Addresses, facts.Routes = facts.Addresses[1:], facts.Routes[:len(facts.Routes)-2]
	x.SetRulesAt(sets, facts.Host(nil), Read{Rules: 1})
	after := begin(2, "198.51.100.7:4001", 20)
	check("another rule fits since", before, 3, true)
	check("it began since", after, 3, false)
	counted(sets, 5)
	x.SetRulesAt(sets, facts.Host(nil), Read{Rules: 30})
	check("the counters are others", before, 3, true)
	check("the counters are others", after, 3, false)
}
