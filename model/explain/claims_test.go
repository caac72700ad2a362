package explain

import (
	"fmt"
	"testing"
	"time"

	"nattui/model/flow"
)

// claimed are flows of rule 1 of PREROUTING, which were found.
func claimed(n int) *flow.Flows {
	table := flow.NewFlows()
	b := &flow.Batch{At: 10}
	for i := range n {
		client := fmt.Sprintf("198.51.100.7:%d", 4000+i)
		change := b.Next()
		change.Kind, change.Flow = flow.Listed, explainedFlow(uint32(i+1), client, "203.0.113.1:80", "192.168.0.2:8080", client)
	}
	table.Apply(b)
	return table
}

// TestClaimsMoreThanItMet: a rule that has met fewer packets than there are flows that it would have made has not made all, and
// nobody knows which.
func TestClaimsMoreThanItMet(t *testing.T) {
	host, sets := explainGateway(t, "")
	for packets, want := range map[uint64]Confidence{2: Inferred, 3: Exact, 100: Exact} {
		counted(sets, packets)
		table, x := claimed(3), NewExplainer(nil)
		x.SetRulesAt(sets, host.Host(nil), Read{Rules: int64(time.Hour)})
		claims := x.Claims(table.Len())
		if (claims != nil) != (want == Inferred) {
			t.Fatalf("of %d packets claims are counted: %v", packets, claims != nil)
		}
		if claims != nil {
			table.Each(func(_ flow.Ref, f *flow.Flow) bool { claims.Take(f); return true })
			x.SetRulesAt(sets, host.Host(nil), Read{Rules: int64(time.Hour)})
			if !x.Doubt(claims, int64(time.Hour)) {
				t.Errorf("of %d packets nothing is doubted", packets)
			}
		}
		table.Each(func(_ flow.Ref, f *flow.Flow) bool {
			if e := x.Of(f); e.Confidence != want || e.Older != (want == Inferred) {
				t.Errorf("of %d packets flow %d is %s, older %v", packets, f.ID, e.Confidence, e.Older)
			}
			return true
		})
	}
}

// TestClaimsWhileWorking: the claims to what was there at first are settled once; what begins later is exact.
func TestClaimsWhileWorking(t *testing.T) {
	host, sets := explainGateway(t, "")
	counted(sets, 2)
	table := claimed(3)
	x := NewExplainer(table)
	x.Count(10)
	x.SetRulesAt(sets, host.Host(nil), Read{Rules: int64(time.Hour)})
	for x.Work(1) {
	}
	if !x.Settle(int64(time.Hour)) || x.Settle(int64(time.Hour)) {
		t.Error("the claims are not doubted, or twice")
	}
	b := &flow.Batch{At: 2 * int64(time.Hour)}
	change := b.Next()
	change.Kind, change.Flow = flow.EventNew, explainedFlow(9, "198.51.100.7:5000", "203.0.113.1:80", "192.168.0.2:8080", "198.51.100.7:5000")
	table.Apply(b)
	x.SetRulesAt(sets, host.Host(nil), Read{Rules: int64(time.Hour)})
	for x.Work(1) {
	}
	table.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if e := x.Of(f); e.Older != (f.ID != 9) {
			t.Errorf("flow %d is %s, older %v", f.ID, e.Confidence, e.Older)
		}
		return true
	})
}

// TestGetsNoFurther: where a flow's packets would end today before their source is changed, which rule did that is not known.
func TestGetsNoFurther(t *testing.T) {
	host, sets := rulesAt(t, "")
	shared := explainedFlow(1, "192.168.0.9:4000", "198.51.100.7:80", "198.51.100.7:80", "203.0.113.1:4000")
	x := NewExplainer(nil)
	told := func() Explanation {
		x.SetRules(sets, host.Host(nil))
		return x.Of(&shared)
	}
	if e := told(); e.Confidence != Exact || e.SNAT.Position != 1 {
		t.Fatalf("with a route it is %s by %v", e.Confidence, e.SNAT)
	}
	all := host.Routes
	host.Routes = all[1:] // without the way to the Internet
	if e := told(); e.Confidence != Unknown || !e.Halted || !e.Rule().IsZero() || e.Doubt() == "" {
		t.Errorf("without a route it is %s by %v: %s", e.Confidence, e.Rule(), e.Doubt())
	}
	host.Routes = append(all[:0:0], all...)
	host.Links = append(host.Links[:0:0], host.Links...)
	for i := range host.Links {
		if host.Links[i].Name == "wan0" {
			host.Links[i].Up, host.Links[i].Running = false, false
		}
	}
	host.Routes = host.Routes[1:]
	if e := told(); e.Confidence != Unknown || e.Down != "wan0" {
		t.Errorf("while its link is down it is %s, down %q", e.Confidence, e.Down)
	}
}

// TestExpectedIsInferred: what belongs to another connection may have been translated by that one's helper, where a rule fits too.
func TestExpectedIsInferred(t *testing.T) {
	host, sets := rulesAt(t, "")
	data := explainedFlow(1, "192.168.0.9:4000", "198.51.100.7:5000", "198.51.100.7:5000", "203.0.113.1:4000")
	data.Status |= flow.StatusExpected
	x := NewExplainer(nil)
	x.SetRules(sets, host.Host(nil))
	if e := x.Of(&data); e.Confidence != Inferred {
		t.Errorf("it is %s", e.Confidence)
	}
}

// TestBeganInTheMiddle: a rule for SYN alone may not have made a flow whose first packet may have been another.
func TestBeganInTheMiddle(t *testing.T) {
	const rule = "-A PREROUTING -p tcp -m tcp --dport 81 %s-j DNAT --to-destination 192.168.0.3\n"
	picked := explainedFlow(1, "198.51.100.7:4000", "203.0.113.1:81", "192.168.0.3:81", "198.51.100.7:4000")
	for extra, want := range map[string]Confidence{
		fmt.Sprintf(rule, ""): Exact, fmt.Sprintf(rule, "--tcp-flags FIN,SYN,RST,ACK SYN "): Inferred,
		fmt.Sprintf(rule+rule, "--tcp-flags FIN,SYN,RST,ACK SYN ", ""): Ambiguous,
	} {
		host, sets := rulesAt(t, extra)
		x := NewExplainer(nil)
		x.SetRules(sets, host.Host(nil))
		if e := x.Of(&picked); e.Confidence != want {
			t.Errorf("%s: it is %s", extra, e.Confidence)
		}
	}
}
