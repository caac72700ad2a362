package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Blast is what a plan would touch besides what it is meant for.
type Blast struct {
	// Session is the operator's SSH connection; nil where there is none.
	Session *facts.Session
	// Own tells whether the operator's own connection may be affected, OwnWhy how.
	// It is false only where that is certain, or where nobody is connected by SSH.
	Own    bool
	OwnWhy string
	// Changed counts live flows that would be translated otherwise if they began
	// now; Examples are the first of them. They keep their translation until they end
	// or are forgotten.
	Changed  int
	Examples []flow.Flow
	// Looked is how many flows were evaluated, Flows how many there are.
	Looked, Flows int
}

// OwnSentence says whether the operator's own connection may be affected.
func (b *Blast) OwnSentence() string {
	switch {
	case b.Own && b.Session != nil:
		return fmt.Sprintf("Your SSH connection from %v may be affected: %s.", b.Session.Client.Addr(), b.OwnWhy)
	case b.Own:
		return "Your own connection may be affected: " + b.OwnWhy + "."
	case b.Session == nil:
		return "You are not connected by SSH: there is no connection of yours to lose."
	}
	return fmt.Sprintf("Your SSH connection from %v is certainly not affected, nor would a new one be.", b.Session.Client.Addr())
}

// FlowsSentence says how many live flows would be translated otherwise, and of how
// many that is; "" where no flows were looked at.
func (b *Blast) FlowsSentence() string {
	of := rules.Grouped(b.Flows) + " live flows"
	if b.Looked < b.Flows {
		of = fmt.Sprintf("the first %s of %s live flows", rules.Grouped(b.Looked), rules.Grouped(b.Flows))
	}
	switch {
	case b.Looked == 0 && b.Flows > 0, b.Looked == 0 && b.Changed == 0 && b.Flows == 0:
		return ""
	case b.Changed == 0:
		return "None of " + of + " would be translated otherwise."
	case b.Changed == 1:
		return "1 of " + of + " would be translated otherwise; it stays as it is until it ends or is forgotten."
	}
	return rules.Grouped(b.Changed) + " of " + of + " would be translated otherwise; they stay as they are until they end or are forgotten."
}

// blastExamples is how many flows are named.
const blastExamples = 5

// BlastOf evaluates the operator's connection and up to limit flows under the rules as they
// are and as they would be. A million flows take about two seconds; flows may be nil.
func BlastOf(f *facts.Facts, before, after map[rules.Place]*rules.Ruleset, plan rules.Plan, flows *flow.Flows, limit int) Blast {
	var b Blast
	if f == nil {
		b.Own, b.OwnWhy = true, "it is not known yet who is connected to this host"
		return b
	}
	b.Session = f.Session
	old, fresh := evaluatorOf(f, before), evaluatorOf(f, after)
	b.ownConnection(f, old, fresh, plan)
	if flows == nil || limit == 0 {
		return b
	}
	b.Flows = flows.Len()
	t := comparison{old: old, fresh: fresh}
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if b.Looked >= limit {
			return false
		}
		b.Looked++
		if t.changes(f) {
			b.Changed++
			if len(b.Examples) < blastExamples {
				b.Examples = append(b.Examples, *f)
			}
		}
		return true
	})
	b.Flows = max(b.Flows, b.Looked)
	return b
}

// KeptFlows are the live flows that keep a translation which the rules gave them
// before, and would not give them after: exactly those that a change has left
// behind. At most so many are returned; changed counts them all. The operator's own
// connection is never among them. It looks at the whole table, a million flows in
// about two seconds, and ends early with ctx.
func KeptFlows(ctx context.Context, f *facts.Facts, before, after map[rules.Place]*rules.Ruleset, flows *flow.Flows, most int) (kept []flow.Flow, changed int) {
	if f == nil || flows == nil {
		return nil, 0
	}
	return comparison{old: evaluatorOf(f, before), fresh: evaluatorOf(f, after)}.gather(ctx, f, flows, most)
}

// StaleFlows are the live flows that the rules of today would translate otherwise,
// however long ago they changed; for the rest see KeptFlows.
func StaleFlows(ctx context.Context, f *facts.Facts, sets map[rules.Place]*rules.Ruleset, flows *flow.Flows, most int) (stale []flow.Flow, count int) {
	return comparison{fresh: evaluatorOf(f, sets)}.gather(ctx, f, flows, most)
}

// gather finds the flows that fit, but for the operator's own connection.
func (t comparison) gather(ctx context.Context, f *facts.Facts, flows *flow.Flows, most int) (found []flow.Flow, count int) {
	flows.Each(func(_ flow.Ref, g *flow.Flow) bool {
		if ctx.Err() != nil {
			return false
		}
		if t.changes(g) && !belongsTo(g, f.Session) {
			count++
			if len(found) < most {
				found = append(found, *g)
			}
		}
		return true
	})
	return found, count
}

// belongsTo tells whether a flow is the SSH connection of the session.
func belongsTo(f *flow.Flow, s *facts.Session) bool {
	if s == nil || f.Proto() != rules.TCP {
		return false
	}
	ends := [...]netip.AddrPort{f.Client(), f.AskedFor(), f.ServedBy(), f.SeenAs()}
	return slices.Contains(ends[:], s.Client)
}

// comparison finds flows that two rule sets would translate otherwise.
type comparison struct {
	old, fresh *evaluate.Evaluator // old may be nil: whatever the rules were
	was, is    []evaluate.Outcome
}

// changes reports a flow that is translated as the old rules say, and would not be
// by the new ones.
func (t *comparison) changes(f *flow.Flow) bool {
	var was, is Explanation
	if is, t.is = With(t.fresh, f, t.is[:0]); is.Confidence != Stale {
		return false
	}
	if t.old == nil {
		return true
	}
	was, t.was = With(t.old, f, t.was[:0])
	return was.Confidence != Stale
}

func evaluatorOf(f *facts.Facts, sets map[rules.Place]*rules.Ruleset) *evaluate.Evaluator {
	var programs []*evaluate.Program
	for _, s := range sets {
		programs = append(programs, evaluate.Compile(s))
	}
	return evaluate.NewEvaluator(f.Host(nil), programs...)
}

// harmless are settings that bear on no packet of a connection to this host.
var harmless = []string{
	"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
	"net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_timestamp", "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets",
}

// ownConnection compares what becomes of the operator's packets, those of the
// connection that is there and the first of a new one.
func (b *Blast) ownConnection(f *facts.Facts, old, fresh *evaluate.Evaluator, plan rules.Plan) {
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
	arriving, err := evaluate.NewPacket(rules.TCP, client, server)
	if err != nil {
		affect("your connection is not understood: %v", err)
		return
	}
	leaving, _ := evaluate.NewPacket(rules.TCP, server, client)
	leaving.Local, leaving.In = true, ""
	established := arriving
	established.State, leaving.State = evaluate.StateEstablished, evaluate.StateEstablished
	established.Has |= evaluate.HasTCPFlags
	leaving.Has |= evaluate.HasTCPFlags
	established.TCPFlags, leaving.TCPFlags = 0x10, 0x10 // ACK
	for _, p := range []struct {
		packet evaluate.Packet
		what   string
	}{{established, "packets of your connection"}, {leaving, "answers to your connection"}, {arriving, "a new connection of yours"}} {
		if same, why := sameFate(old, fresh, &p.packet); !same {
			affect("%s would be treated otherwise: %s", p.what, why)
		}
	}
}

// sameFate tells whether a packet certainly ends as it did before.
func sameFate(old, fresh *evaluate.Evaluator, p *evaluate.Packet) (same bool, why string) {
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
