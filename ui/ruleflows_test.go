package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nattui/model/explain"
	"nattui/rules"
)

// From a rule one comes to its details with its connections, and from there to Flows, filtered to the rule.
func TestRuleToItsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := flowStage(t, 80, 24, someFlows()...)
		s.press("1", "enter")
		s.sees("1 connection")
		s.sees("tcp 203.0.113.10:55474 to 203.0.113.1:80, served by")
		s.sees("enter its connections")
		s.press("enter")
		if s.app.active != 1 || len(s.app.dialogs) != 0 {
			t.Errorf("screen %d is shown, %d boxes", s.app.active+1, len(s.app.dialogs))
		}
		s.sees("rule ipv4/nft/nat/PREROUTING/1  1 of 5 connections")
		s.sees("203.0.113.10:55474")
		s.lacks("192.168.0.9:50100")
	})
	synctest.Test(t, func(t *testing.T) { // beside the list, where there is room
		s, _ := flowStage(t, 170, 40, someFlows()...)
		s.press("1", "down")
		s.sees("Rule 2 of PREROUTING")
		s.sees("tcp 198.51.100.9:40001 to 203.0.113.1:8443, served by")
	})
}

// What only fits a rule is told apart from what it has made, in its details as in the list.
func TestRuleAndOlderConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 170, 40, someFlows()...)
		now := s.kernel.sets
		without := sets(t, map[rules.Variant]string{v4: strings.Replace(gatewayRules, "--dport 8443", "--dport 8444", 1)})
		for i, set := range []map[rules.Variant]*rules.Ruleset{without, now} {
			f.explainer.SetRulesAt(set, gatewayFacts().Host(nil), explain.Read{Rules: clock.Add(time.Duration(i) * time.Hour).UnixNano()})
			for f.explainer.Work(100) {
			}
		}
		s.press("1", "down")
		s.sees("Rule 2 of PREROUTING")
		s.sees("0 connections")
		s.sees("1 more that the rule fits: another rule may have made it")
	})
}

// Before connections have been counted by rules none is said to have none.
func TestRuleUsersAreNotKnownAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := flowStage(t, 170, 40, someFlows()...)
		f.uncounted = true
		s.press("1", "down")
		s.sees("Rule 2 of PREROUTING")
		s.lacks("0 connections")
		s.lacks("1 connection")
		f.uncounted = false
		f.changed <- struct{}{} // and the next news is waited for
		close(f.changed)
		s.send(flowsMsg{})
		s.sees("tcp 198.51.100.9:40001 to 203.0.113.1:8443, served by")
	})
}

// The graph of a rule's rate appears once there is something to see, and holds the last minutes.
func TestRuleRatesAsGraph(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 120, 24, gatewayRules)
		s.lacks("4 minutes")
		at := clock
		for i := range 40 {
			at = at.Add(5 * time.Second)
			counted := strings.Replace(gatewayRules, "[8123:", fmt.Sprintf("[%d:", 8123+i*i*100), 1)
			s.send(tablesMsg{Sets: sets(t, map[rules.Variant]string{v4: counted}), At: at})
		}
		s.sees("4 minutes")
		if line := lineOf(s.screen(), "203.0.113.1:80 "); !strings.Contains(line, "█") {
			t.Errorf("the rule's line is %q", line)
		}
		if line := lineOf(s.screen(), "203.0.113.1:8443"); strings.ContainsAny(line, "▁█") {
			t.Errorf("the line of a rule without packets is %q", line)
		}
	})
}

// Counters that begin to move after a quiet time have the rate of the time since they were last seen to stand still, and no
// graph spreads it over the quiet.
func TestRateAfterAQuietTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 160, 30, gatewayRules)
		tables := func(packets int, at, still time.Duration) {
			msg := tablesMsg{At: clock.Add(at)}
			msg.Sets = sets(t, map[rules.Variant]string{v4: strings.Replace(gatewayRules, "[8123:", fmt.Sprintf("[%d:", packets), 1)})
			if still > 0 {
				msg.Still = clock.Add(still)
			}
			s.send(msg)
		}
		tables(8123, 10*time.Second, 0)
		tables(8123+60, 210*time.Second, 208*time.Second)
		screen := s.app.screens[0].(*rulesScreen)
		rule := screen.panes[0].items[0]
		if rate, ok := screen.rateOf(rule); !ok || rate != 30 {
			t.Errorf("60 packets in two seconds after a quiet time are %v a second, %v", rate, ok)
		}
		tables(8123+60, 220*time.Second, 0)
		rates := screen.rates.of[rule.key].rates
		if n := len(rates); n < 20 || rates[n-1] != 0 || rates[n-2] < 5 || slices.Max(rates[:n-2]) != 0 {
			t.Errorf("the graph is %v", rates)
		}
	})
}

// A steady rate is drawn as one, also where the counters were read late or not quite in step.
func TestSteadyRateHasNoPeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 200, 40, gatewayRules)
		at, from := clock, clock
		for _, wait := range []time.Duration{10, 10, 11, 10, 9, 30, 10, 10, 50, 12, 10} {
			at = at.Add(wait*time.Second + 30*time.Millisecond)
			counted := strings.Replace(gatewayRules, "[8123:", fmt.Sprintf("[%d:", 8123+int(4*at.Sub(from).Seconds())), 1)
			s.send(tablesMsg{Sets: sets(t, map[rules.Variant]string{v4: counted}), At: at})
		}
		line := lineOf(s.screen(), "last minutes")
		if full := strings.Count(line, "█"); full < 15 || strings.ContainsAny(line, "▁▂▃▄▅▆▇") {
			t.Errorf("it is drawn as %q", line)
		}
	})
}

// a fills the form with the connection under the cursor, in the way that it is translated.
func TestRuleOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for filter, want := range map[string]string{
			"client 203.0.113.10":          "-d 203.0.113.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2:8080",
			"client 192.168.0.7 dport 443": "-A POSTROUTING -s 192.168.0.7/32 -o wan0 -j MASQUERADE",
			"client 192.168.0.9":           "-d 198.51.100.20/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8888",
			"client 192.168.0.7 dport 22":  "-d 192.168.0.1/32 -p tcp -m tcp --dport 22 -j DNAT",
		} {
			s, _ := flowStage(t, 120, 40, someFlows()...)
			s.press("/")
			s.write(filter)
			s.press("enter", "a")
			f, ok := s.app.top().(*form)
			if !ok {
				t.Fatalf("%s: %T is open", filter, s.app.top())
			}
			if r, _ := f.draft.Rule(); !strings.Contains(r.String(), want) {
				t.Errorf("%s: the form makes %s", filter, r.String())
			}
			s.press("esc")
			s.press("1", "a")
			if f := s.app.top().(*form); f.draft.Dest != "" {
				t.Error("the form for an empty rule is filled")
			}
		}
	})
}

// The rate of the connection under the cursor is drawn once it was looked at for some seconds, of that one only.
func TestRateOfTheRowAsGraph(t *testing.T) {
	var trail rowTrail
	flows := someFlows()
	for i := range 5 {
		flows[0].SetRates(float32(1000*i), 1)
		trail.note(&flows[0])
	}
	if got := trail.graph(&flows[0]); got != "▁▃▅▆█" {
		t.Errorf("the graph is %q", got)
	}
	if got := trail.graph(&flows[1]); got != "" {
		t.Errorf("the graph of another flow is %q", got)
	}
	trail.note(&flows[1])
	if got := trail.graph(&flows[0]); got != "" {
		t.Errorf("after another was looked at, the graph is %q", got)
	}
}
