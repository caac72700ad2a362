package doctor

import (
	"fmt"
	"slices"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
)

// closing are the states of connections that end by themselves.
var closing = []string{"TIME_WAIT", "CLOSE", "LAST_ACK", "FIN_WAIT", "CLOSE_WAIT"}

// outdated notes a flow that today's rules would treat otherwise.
func (c *flowStats) outdated(x *Examination, f *flow.Flow) {
	opening := f.Proto() == rules.TCP && f.Status&flow.StatusSeenReply == 0 // it ends by itself, within two minutes
	if opening || x.isSession(f) || f.Status&flow.StatusExpected != 0 || slices.Contains(closing, f.StateName()) {
		return
	}
	if x.Explained != nil {
		if e := x.Explained(f); e.Fresh || e.Confidence == explain.NotAsked {
			return // the rules may have changed since they were read
		}
	}
	if f.NAT()&flow.NATSrc != 0 && x.Addresses != nil && !x.IsLocal(f.SeenAs().Addr()) {
		c.gone.add(f)
		return
	}
	c.stale.add(f)
}

// forget are the steps that drop flows, so that today's rules decide about them.
func (n network) forget(flows []flow.Flow) []rules.Step {
	var steps []rules.Step
	for i := range flows {
		f := &flows[i]
		if n.isSession(f) {
			continue
		}
		forget := &rules.Forget{Proto: f.Proto(), Src: f.Client(), Dst: f.AskedFor(), Zone: f.Zone, ID: f.ID}
		if id, kind, code, ok := f.Orig.ICMP(); ok {
			forget.Ident, forget.Type, forget.Code = id, kind, code
		}
		steps = append(steps, rules.Step{Forget: forget, Why: "a connection keeps the translation that it began with until it is forgotten"})
	}
	return steps
}

// checkStale tells of flows that today's rules would translate otherwise.
func checkStale(x *Examination) []Finding {
	return outdatedFlows(x, "stale-flows", &x.stats.stale, staleWhy)
}

const staleWhy = "today's rules would translate them differently, or not at all; these have changed since"

// staleOf tells of those that ask for what a forward is for.
func staleOf(x *Examination, f *Forward) []Finding {
	var c crowd
	for i := range x.stats.stale.first {
		if old := &x.stats.stale.first[i]; old.Proto() == f.Proto && old.AskedFor() == f.Asked {
			c.add(old)
		}
	}
	return outdatedFlows(x, "stale-flows", &c, staleWhy)
}

// checkGoneAddresses tells of flows that were given an address which this host no longer has.
func checkGoneAddresses(x *Examination) []Finding {
	return outdatedFlows(x, "gone-address", &x.stats.gone, "the address that they were given is none of this host's any more, so no answer reaches them")
}

func outdatedFlows(x *Examination, check string, c *crowd, why string) []Finding {
	if c.flows == 0 {
		return nil
	}
	found := Finding{
		Check: check, Severity: SeverityWarning, Subject: rules.Plural(c.flows, "connection"),
		Sentence: fmt.Sprintf("%s translated by rules that are no more: %s.", map[bool]string{true: "A connection is", false: rules.Plural(c.flows, "connection") + " are"}[c.flows == 1], why),
		Cure: rules.Plan{
			Title: "Forget " + rules.Plural(min(c.flows, len(c.first)), "connection") + ", so that today's rules decide about their next packets",
			Steps: x.forget(c.first),
		},
	}
	for i := range c.first[:min(3, len(c.first))] {
		f := &c.first[i]
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s %s to %s is served by %s, seen as %s", f.Proto(), f.Client(), f.AskedFor(), f.ServedBy(), f.SeenAs()))
	}
	return []Finding{found}
}
