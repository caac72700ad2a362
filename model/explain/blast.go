package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Blast is what a plan would touch apart from what it is meant for.
type Blast struct {
	// Session is the operator's SSH connection; nil where there is none or it is not
	// known which of the logins is his.
	Session *facts.Session
	// Ways are the ways in that were looked at, NotLooked what could not be.
	Ways      []facts.Way
	NotLooked []string
	// Untold is set where a plan bears on forwarded packets, and the kernel does not know whose they are. Whoever is logged
	// in may have come by them; where nobody is, it is said.
	Untold bool
	// Own tells whether one of them may be cut off, OwnWhy how, and Affected which. It
	// is false only where that is certain, or where there is none.
	Own      bool
	OwnWhy   string
	Affected facts.Way
	// cut are all of those that may be cut off.
	cut []facts.Way
	// Changed counts live flows that would be translated differently if they began
	// now; Examples are the first of them. They keep their translation until they end
	// or are forgotten.
	Changed  int
	Examples []flow.Flow
	// Broken is how many of them break: the plan takes away the last rule that needs connections of their family tracked.
	Broken int
	// Looked is how many flows were evaluated, Flows how many there are.
	Looked, Flows int
}

// OwnSentence says whether anybody may be cut off, and what that was looked at for.
func (b *Blast) OwnSentence() string {
	looked := lookedAt(b.Ways)
	switch {
	case b.Own && b.Session != nil && (b.Affected.Client == b.Session.Client || b.Affected.Client.Port() == 0 && b.Affected.Kind == facts.WaySSH):
		return fmt.Sprintf("Your SSH connection from %v may be affected: %s.", b.Session.Client.Addr(), b.OwnWhy)
	case b.Own && b.Affected.Server.IsValid():
		return fmt.Sprintf("The %s may be affected: %s.", b.Affected, b.OwnWhy)
	case b.Own:
		return "Your own connection may be affected: " + b.OwnWhy + "."
	case len(b.Ways) == 0 && b.Session == nil && b.Untold:
		return "No SSH session found here. Who else comes through this gateway is not known: nothing tracks connections yet."
	case len(b.Ways) == 0 && b.Session == nil:
		return "No SSH session found that this could cut off."
	case b.Session == nil:
		return "Certainly not affected: " + looked + "."
	}
	return fmt.Sprintf("Your SSH connection from %v is certainly not affected, nor would a new one be; looked at: %s.", b.Session.Client.Addr(), looked)
}

// diverted finds a way in whose port the program that owns the firewall is told to forward.
func (b *Blast) diverted(plan rules.Plan) {
	for _, o := range plan.Orders() {
		for _, w := range b.Ways {
			if !o.Idle && o.Diverts != (rules.Ports{}) && o.Diverts.Contains(w.Server.Port()) {
				b.affected(w, fmt.Sprintf("%s forwards port %d", o.By, w.Server.Port()))
			}
		}
	}
}

// FlowsSentence says how many live flows would be translated differently, and of how
// many that is; "" where no flows were looked at. forget is the key or the command by which they are forgotten where that
// is said.
func (b *Blast) FlowsSentence(forget string) string {
	of := rules.Plural(b.Flows, "live connection")
	if b.Looked < b.Flows {
		of = fmt.Sprintf("the first %s of %s live connections", rules.Grouped(b.Looked), rules.Grouped(b.Flows))
	}
	switch {
	case b.Flows == 1 && b.Looked == 1:
		return b.onlyFlow(forget)
	case b.Looked == 0 && b.Flows > 0, b.Looked == 0 && b.Changed == 0 && b.Flows == 0:
		return ""
	case b.Changed == 0:
		return "None of " + of + " would be translated differently."
	case b.Broken > 0:
		return rules.Grouped(b.Broken) + " of " + of + " would break at the next packet: with this goes the last rule that needs connections tracked."
	case b.Changed == 1:
		return "1 of " + of + " is affected; it keeps its translation until it ends or you forget it afterwards (" + forget + ")."
	}
	return rules.Grouped(b.Changed) + " of " + of + " are affected; they keep their translation until they end or you forget them afterwards (" + forget + ")."
}

// onlyFlow is FlowsSentence where there is but one connection.
func (b *Blast) onlyFlow(forget string) string {
	switch {
	case b.Changed == 0:
		return "The one live connection would not be translated differently."
	case b.Broken > 0:
		return "The one live connection would break at the next packet: with this goes the last rule that needs connections tracked."
	}
	return "The one live connection is affected; it keeps its translation until it ends or you forget it afterwards (" + forget + ")."
}

// blastExamples is how many flows are named.
const blastExamples = 5

// BlastOf evaluates every way in and up to limit flows under the rules as they are
// and as they would be. A million flows take about two seconds. Connections through this gateway
// to SSH servers are found among all of the flows, also with a limit of 0; flows may be nil.
func BlastOf(f *facts.Facts, before, after Rules, plan rules.Plan, flows *flow.Flows, limit int) Blast {
	var b Blast
	if f == nil {
		b.Own, b.OwnWhy = true, "it is not known yet who is connected to this host"
		return b
	}
	if b.Session = f.Session; f.Seat == facts.SeatShared || f.Seat == facts.SeatConsole {
		b.Session = nil // whoever sits in a terminal that outlives logins may have come by any
	}
	if b.Session != nil && b.Session.Live == facts.SettingOff {
		b.Session = nil // it has ended, and counts among the ways
	}
	ways := conversationsOf(f, flows)
	for i := range ways {
		b.Ways = append(b.Ways, ways[i].Way)
	}
	if b.NotLooked = f.WaysUnknown; flows == nil && f.Settings.ConntrackCount > 0 {
		b.NotLooked = append(slices.Clone(b.NotLooked), "the connections that the kernel tracks")
	}
	old, fresh := evaluatorOf(f, before), evaluatorOf(f, after)
	t := comparison{old: old, fresh: fresh}
	if b.Untold = untold(f, old, plan); b.Untold && len(b.Ways) > 0 {
		b.NotLooked = append(slices.Clone(b.NotLooked), "the connections through this gateway, which nothing tracks,")
	}
	if len(plan.Natives()) > 0 && after.Native == nil {
		b.Own, b.OwnWhy = true, "what the change of native rules would do could not be worked out"
	}
	if len(b.Ways) > 0 && takesARP(plan) {
		b.Own, b.OwnWhy = true, "it may be about ARP, by which the neighbours of this host find it, and which is not evaluated"
	}
	var doors []uint16
	if slices.ContainsFunc(b.Ways, func(w facts.Way) bool { return w.Kind == facts.WayLogin }) {
		doors = doorsOf(b.Ways, f, before.Sets, old)
	}
	b.cutOff(ways, f, old, fresh, plan, doors)
	if !b.Own {
		b.onceEnded(ways, f, before, after, plan, doors)
	}
	b.diverted(plan)
	if !b.Own && len(b.NotLooked) > 0 && len(plan.Steps) > 0 {
		b.Own, b.OwnWhy = true, "it is not known who is connected ("+strings.Join(b.NotLooked, ", ")+" cannot be read here)"
	}
	if flows != nil && limit > 0 {
		b.compareFlows(t, flows, limit)
	}
	return b
}

// compareFlows counts the live flows, up to a limit, that would be translated otherwise.
func (b *Blast) compareFlows(t comparison, flows *flow.Flows, limit int) {
	b.Flows = flows.Len()
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if b.Looked >= limit {
			return false
		}
		b.Looked++
		if t.changes(f) {
			b.Changed++
			if t.unhooks(f.Family()) {
				b.Broken++
			}
			if len(b.Examples) < blastExamples {
				b.Examples = append(b.Examples, *f)
			}
		}
		return true
	})
	b.Flows = max(b.Flows, b.Looked)
}

// KeptFlows are the live flows that keep a translation which the rules gave them
// before, and would not give them after: exactly those that a change has left
// behind. At most so many are returned; changed counts them all. Where the change has ended connection tracking,
// broken tells that they are not translated any more instead. The operator's own
// connection is never among them. It looks at the whole table, a million flows in
// about two seconds, and ends early with ctx.
func KeptFlows(ctx context.Context, f *facts.Facts, before, after Rules, flows *flow.Flows, most int) (kept []flow.Flow, changed int, broken bool) {
	if f == nil || flows == nil {
		return nil, 0, false
	}
	t := comparison{old: evaluatorOf(f, before), fresh: evaluatorOf(f, after)}
	broke := func(f *flow.Flow) bool { return t.unhooks(f.Family()) }
	if slices.ContainsFunc(rules.Families[:], t.unhooks) {
		if kept, changed = t.gather(ctx, f, flows, most, broke); changed > 0 {
			return kept, changed, true
		}
	}
	kept, changed = t.gather(ctx, f, flows, most, func(f *flow.Flow) bool { return !broke(f) })
	return kept, changed, false
}

// StaleFlows are the live flows that the rules of today would translate otherwise,
// however long ago they changed; for the rest see KeptFlows.
func StaleFlows(ctx context.Context, f *facts.Facts, sets map[rules.Variant]*rules.Ruleset, flows *flow.Flows, most int) (stale []flow.Flow, count int) {
	return comparison{fresh: evaluatorOf(f, Rules{Sets: sets})}.gather(ctx, f, flows, most, func(*flow.Flow) bool { return true })
}

// gather finds the flows that fit, of those that matter, but for SSH connections to this host.
func (t comparison) gather(ctx context.Context, f *facts.Facts, flows *flow.Flows, most int, matters func(*flow.Flow) bool) (found []flow.Flow, count int) {
	flows.Each(func(_ flow.Ref, g *flow.Flow) bool {
		if ctx.Err() != nil {
			return false
		}
		if matters(g) && t.changes(g) && !belongsTo(g, f) {
			count++
			if len(found) < most {
				found = append(found, *g)
			}
		}
		return true
	})
	return found, count
}

// OfLogin tells whether a flow carries a login to this host: the operator's, or another one.
func OfLogin(f *flow.Flow, host *facts.Facts) bool { return belongsTo(f, host) }

// belongsTo tells whether a flow is the SSH connection of the operator, or of
// another login.
func belongsTo(f *flow.Flow, host *facts.Facts) bool {
	if f.Proto() != rules.TCP {
		return false
	}
	ends := [...]netip.AddrPort{f.Client(), f.AskedFor(), f.ServedBy(), f.SeenAs()}
	if host.Session != nil && slices.Contains(ends[:], host.Session.Client) {
		return true
	}
	return slices.ContainsFunc(host.Ways, func(w facts.Way) bool { return w.Kind == facts.WaySSH && slices.Contains(ends[:], w.Client) })
}

// comparison finds flows that two rule sets would translate otherwise.
type comparison struct {
	old, fresh *evaluate.Evaluator // old may be nil: whatever the rules were
	was, is    []evaluate.Outcome
}

// changes reports a flow that is translated as the old rules say, and would not be
// by the new ones; or by whichever, where tracking ends.
func (t *comparison) changes(f *flow.Flow) bool {
	if t.unhooks(f.Family()) {
		return f.NAT() != flow.NATNone
	}
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

// Rules are the rules of a gateway, as they are or as a plan would leave them.
type Rules struct {
	Sets map[rules.Variant]*rules.Ruleset
	// Native are the native tables; nil where they are those of the facts.
	Native *evaluate.NativeProgram
	// Ending are the changes in force that end by themselves.
	Ending []rules.Plan
}

func evaluatorOf(f *facts.Facts, r Rules) *evaluate.Evaluator {
	var programs []*evaluate.Program
	for _, s := range r.Sets {
		programs = append(programs, evaluate.Compile(s))
	}
	host := f.Host(nil)
	if r.Native != nil {
		host.Native, host.Natives = r.Native, nil
	}
	return evaluate.NewEvaluator(host, programs...)
}

// harmless are settings that bear on no packet of a connection to this host.
var harmless = []string{
	"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
	"net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_timestamp", "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets",
}

// sameOutcome tells whether a packet certainly ends as it did before.
func sameOutcome(old, fresh *evaluate.Evaluator, p *evaluate.Packet) (same bool, why string) {
	was, before, hung := old.Ends(p)
	is, after, hangs := fresh.Ends(p)
	if len(was) != len(is) {
		return false, "its path depends on more, or fewer, conditions than before"
	}
	for i := range is {
		a, b := &was[i], &is[i]
		if a.Delivered != b.Delivered || a.Src != b.Src || a.Dst != b.Dst || a.Out != b.Out || a.SNAT != b.SNAT || a.DNAT != b.DNAT {
			return false, b.Sentence(p)
		}
	}
	if hung != hangs {
		return false, "its path depends on other conditions than before, which cannot be known"
	}
	if before != after {
		return false, "it goes the same way, but with another TTL, mark, class or option than before"
	}
	return true, ""
}

// Unproven are the ways in that a plan may cut off and of which no login proves anything, in words, a few of them.
func (b *Blast) Unproven() []string {
	const most = 3
	var all []string
	for _, w := range b.cut {
		words := w.String()
		if w.Login() || w.Kind == facts.WaySSH || slices.Contains(all, words) {
			continue
		}
		if len(all) == most {
			return append(all, "others like these")
		}
		all = append(all, words)
	}
	return all
}

// Provers are the addresses from each of which a new login is to prove that a plan has locked nobody out: those from
// which whoever makes it may have come, and everybody whom it may cut off. Where he may have come by several ways, only
// those are asked for that may be cut off. There are none at the console.
func (b *Blast) Provers(f *facts.Facts) []netip.Addr {
	if f == nil || f.Seat == facts.SeatConsole {
		return nil
	}
	makers := f.Operators()
	var all []netip.Addr
	for _, w := range b.cut {
		if a := w.Client.Addr(); w.Login() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	if len(all) > 0 && len(makers) > 1 {
		return all
	}
	for _, a := range makers {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}
