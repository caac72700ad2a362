package doctor

import (
	"fmt"
	"net/netip"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkOwnQuestions tells of servers that get what they ask of others themselves: a rule that sends everybody's questions
// to a server, as for DNS, and takes the server's own as well.
func checkOwnQuestions(x *Examination) (list []Finding) {
	for i := range x.forwards {
		f := &x.forwards[i]
		if f.local || f.ranged || !byHand(f.Owner) || !f.Proto.HasPorts() || !f.via.dst.Any() || f.via.toHost || f.via.in.Any() || len(list) >= alike {
			continue // one without an interface takes everybody's, and is told of as too wide
		}
		if found := ownQuestion(x, f); found.Check != "" {
			list = append(list, found)
		}
	}
	return list
}

// ownQuestion follows what a server asks of the Internet on the port that is sent to it.
func ownQuestion(x *Examination, f *Forward) Finding {
	server := f.Server.Addr()
	route, certain := x.Lookup(evaluate.RouteQuery{Dst: server})
	world, ok := x.worldAddr(f.Rule.Family, "")
	if !certain || !ok || route.Kind != facts.RouteUnicast || x.byDefault(route.Out, server) {
		return Finding{} // what is somewhere behind the default route asks others without this host
	}
	p := f.packet
	p.Src, p.In, p.Dst, p.DstPort = server, route.Out, world, f.Asked.Port()
	if !returnsTo(x.fate(p), f.Rule, server) {
		return Finding{}
	}
	found := Finding{
		Check: "server-loop", Severity: SeverityNote, Subject: ruleName(f.Rule), Evidence: []string{x.textOf(f.Rule, f.rule)},
		Sentence: fmt.Sprintf("The rule also takes what %s itself asks of others on %s port %d, and sends it back to %s: where it asks anybody there, it gets its own questions.", server, f.Proto, p.DstPort, server),
	}
	if own := x.ownFlows(f); own.flows > 0 {
		found.Severity = SeverityError
		first := &own.first[0]
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s from %s to itself, such as one to %s", rules.Plural(own.flows, "connection"), server, first.AskedFor()))
	}
	found.Sentence += fmt.Sprintf(" Leave it out of the rule: ! -s %s.", server)
	found.narrows = f.Rule // that its own questions come back is no service to be kept
	found.Cure = x.leaveOut(f, p)
	return found
}

// returnsTo tells that a rule sends a packet to a server, whichever branch it takes.
func returnsTo(way fate, by evaluate.RuleRef, server netip.Addr) bool {
	return way.by(by) && way.translates() && len(way.Outcomes) == 1 && way.Outcomes[0].Dst.Addr == server && way.unread == "" && way.unseen == ""
}

// ownFlows are the connections of a forward that come from the server that they go to.
func (x *Examination) ownFlows(f *Forward) (own crowd) {
	seen := x.stats.tallyOf(f)
	for _, kept := range [][]flow.Flow{seen.answered, seen.examples} {
		for i := range kept {
			if one := &kept[i]; one.Client().Addr() == one.ServedBy().Addr() && one.Client().Addr() == f.Server.Addr() {
				own.add(one)
			}
		}
	}
	return own
}

// leaveOut is the plan that keeps what a server asks from a forward's rule; p is such a question.
func (x *Examination) leaveOut(f *Forward, p evaluate.Packet) rules.Plan {
	if f.Owner != "" || f.Rule.Backend == rules.Native {
		return rules.Plan{}
	}
	const why = "what the server asks for itself goes where it is meant to"
	var step rules.Step
	if changed := *f.rule; changed.Source.Any() {
		changed.Source = rules.NetOfAddr(p.Src)
		changed.Source.Not = true
		step = x.replace(f.Rule, *f.rule, changed, why)
	} else {
		name := rules.ProtoName(f.Proto)
		var ok bool
		if step, ok = x.insert(f.Rule, fmt.Sprintf("-A %%s -s %s -p %s -m %s --dport %d -j ACCEPT", whole(p.Src), name, name, p.DstPort), why); !ok {
			return rules.Plan{}
		}
	}
	plan := rules.Plan{Title: fmt.Sprintf("Leave out what %s asks for itself", p.Src), Steps: []rules.Step{step}}
	t, ok := x.after(plan)
	if !ok || returnsTo(t.fate(p), f.Rule, p.Src) {
		return rules.Plan{}
	}
	own := x.ownFlows(f)
	plan.Steps = append(plan.Steps, x.forget(own.first)...)
	return plan
}
