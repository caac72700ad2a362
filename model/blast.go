package model

import (
	"fmt"
	"slices"

	"nattui/rules"
)

// Blast is what a plan would touch besides what it is meant for.
type Blast struct {
	// Own tells whether the operator's own connection may be affected, OwnWhy how.
	// It is false only where that is certain, or where nobody is connected by SSH.
	Own    bool
	OwnWhy string
	// Changed counts live flows that would be translated otherwise if they began
	// now; Examples are the first of them. They keep their translation until they end
	// or are forgotten.
	Changed  int
	Examples []Flow
	// Looked is how many flows were evaluated.
	Looked int
}

// blastExamples is how many flows are named.
const blastExamples = 5

// BlastOf evaluates the operator's connection and up to limit flows under the rules as they
// are and as they would be. A million flows take about two seconds; flows may be nil.
func BlastOf(f *Facts, before, after map[rules.Place]*rules.Ruleset, plan rules.Plan, flows *Flows, limit int) Blast {
	var b Blast
	if f == nil {
		b.Own, b.OwnWhy = true, "it is not known yet who is connected to this host"
		return b
	}
	old, fresh := evaluatorOf(f, before), evaluatorOf(f, after)
	b.ownConnection(f, old, fresh, plan)
	if flows != nil {
		b.flows(old, fresh, flows, limit)
	}
	return b
}

func evaluatorOf(f *Facts, sets map[rules.Place]*rules.Ruleset) *rules.Evaluator {
	var programs []*rules.Program
	for _, s := range sets {
		programs = append(programs, rules.Compile(s))
	}
	return rules.NewEvaluator(f.Host(nil), programs...)
}

// harmless are settings that bear on no packet of a connection to this host.
var harmless = []string{
	"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
	"net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_timestamp", "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets",
}

// ownConnection compares what becomes of the operator's packets, those of the
// connection that is there and the first of a new one.
func (b *Blast) ownConnection(f *Facts, old, fresh *rules.Evaluator, plan rules.Plan) {
	if f.Session == nil {
		return
	}
	affect := func(format string, args ...any) {
		if !b.Own {
			b.Own, b.OwnWhy = true, fmt.Sprintf(format, args...)
		}
	}
	client, server := f.Session.Client, f.Session.Server
	for _, s := range plan.Steps {
		switch {
		case s.Sysctl != nil && (!slices.Contains(harmless, s.Sysctl.Name) || s.Sysctl.Name == "net.ipv6.conf.all.forwarding" && client.Addr().Is6()):
			affect("%s may bear on your connection", s.Sysctl.Name)
		case s.Forget != nil && (s.Forget.Src == client || s.Forget.Dst == client):
			affect("your own flow would be forgotten")
		}
	}
	arriving, err := rules.NewPacket(rules.TCP, client, server)
	if err != nil {
		affect("your connection is not understood: %v", err)
		return
	}
	leaving, _ := rules.NewPacket(rules.TCP, server, client)
	leaving.Local, leaving.In = true, ""
	established := arriving
	established.State, leaving.State = rules.StateEstablished, rules.StateEstablished
	established.Has |= rules.HasTCPFlags
	leaving.Has |= rules.HasTCPFlags
	established.TCPFlags, leaving.TCPFlags = 0x10, 0x10 // ACK
	for _, p := range []struct {
		packet rules.Packet
		what   string
	}{{established, "packets of your connection"}, {leaving, "answers to your connection"}, {arriving, "a new connection of yours"}} {
		if same, why := sameFate(old, fresh, &p.packet); !same {
			affect("%s would be treated otherwise: %s", p.what, why)
		}
	}
}

// sameFate tells whether a packet certainly ends as it did before.
func sameFate(old, fresh *rules.Evaluator, p *rules.Packet) (same bool, why string) {
	was, _ := old.Outcomes(nil, p)
	is, _ := fresh.Outcomes(nil, p)
	if len(was) != len(is) {
		return false, "its way hangs on more, or less, than before"
	}
	for i := range is {
		a, b := &was[i], &is[i]
		if a.Delivered != b.Delivered || a.Src != b.Src || a.Dst != b.Dst || a.Out != b.Out || a.SNAT != b.SNAT || a.DNAT != b.DNAT {
			return false, b.Sentence(p)
		}
	}
	return true, ""
}

// flows counts those that would begin otherwise.
func (b *Blast) flows(old, fresh *rules.Evaluator, flows *Flows, limit int) {
	var x, y []rules.Outcome
	flows.Each(func(_ Ref, f *Flow) bool {
		if b.Looked >= limit {
			return false
		}
		b.Looked++
		var was, is Explanation
		was, x = explain(old, f, x[:0])
		is, y = explain(fresh, f, y[:0])
		if was.Confidence != Stale && is.Confidence == Stale {
			b.Changed++
			if len(b.Examples) < blastExamples {
				b.Examples = append(b.Examples, *f)
			}
		}
		return true
	})
}
