package doctor

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// A cure is offered only after it has been tried on a copy of the gateway: what it was made for is gone then, no
// rule is newly wrong, what is for the gateway itself stays there, and what worked goes on working. Else the finding
// says in words why there is none.

// On gateways with thousands of rules not all is tried.
const (
	curesProven    = 24  // how many cures are tried
	forwardsProven = 100 // how many forwards are followed before and after
	flowsProven    = 64  // how many connections
)

// prover tries cures on copies of a gateway.
type prover struct {
	*Examination
	problems map[string]int // findings before, by check
	rules    map[string]int // those about rules for themselves
	works    []working
	tried    int
}

// working is a packet that arrives.
type working struct {
	packet evaluate.Packet
	end    evaluate.Outcome
	now    fate // all that may become of it: of what a rate limit decides, more than that
	own    bool // for the gateway itself
	hidden bool // it has to leave with another source
}

// proveAll tries the cures of findings.
func proveAll(x *Examination, found []Finding) {
	var p *prover
	for i := range found {
		if changesNative(found[i].Cure) {
			found[i].Cure = rules.Plan{} // iptables cannot change what nft made
		}
		if why := x.besideNative(found[i].Cure); why != "" {
			found[i].Commands, found[i].Cure = found[i].CureCommands(), rules.Plan{}
			found[i].Sentence += why
		}
		if !changes(found[i].Cure) {
			continue
		}
		if p == nil {
			p = &prover{Examination: x.withoutPast(x.trial)}
			p.problems, p.rules = countFindings(p.Examination), ruleProblems(p.Examination)
			p.works = workingNow(p.Examination, x.Flows)
		}
		p.prove(&found[i])
	}
	for i := range found {
		found[i].undivided()
	}
}

// undivided makes advice of a cure that commands belong to which nattui does not run: half of a cure is none.
func (f *Finding) undivided() {
	if len(f.Cure.Steps) == 0 || len(f.Commands) == 0 {
		return
	}
	f.Commands, f.Cure = f.CureCommands(), rules.Plan{}
	f.Sentence += " It takes all of these commands, and nattui cannot roll back the last of them: run them, and have them run at boot."
}

// changes tells that a plan changes rules or settings, and does not only forget connections.
func changes(p rules.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s rules.Step) bool { return s.Change != nil || s.Sysctl != nil })
}

// besideNative says why a plan that would add rules which translate by iptables where native tables do is only advice: which
// of them comes first is not certain then, and who looks after the tables would not find the rule there. What deletes,
// moves or changes a rule of iptables adds none to them.
func (x *Examination) besideNative(p rules.Plan) string {
	if !slices.ContainsFunc(p.Steps, func(s rules.Step) bool {
		return s.Change != nil && s.Change.Table == "nat" && s.Change.Op == rules.Insert
	}) || x.Native.Ruleset() == nil {
		return ""
	}
	if !slices.ContainsFunc(x.Native.Ruleset().Tables, func(t *nft.Table) bool {
		return !t.Dormant && x.evaluatesNatively(t) && slices.ContainsFunc(t.Chains, func(c *nft.Chain) bool { return c.Type == "nat" && len(c.Rules) > 0 })
	}) {
		return ""
	}
	if x.translatesByIptables() {
		return " Native nft tables also translate on this gateway: what the commands say may belong into them, in nft's words."
	}
	return " This gateway translates by native nft: what the commands say belongs into its tables, in nft's words."
}

// translatesByIptables tells that a nat table of iptables holds rules.
func (x *Examination) translatesByIptables() bool {
	for _, p := range x.variants() {
		if t, ok := x.sets[p].Table("nat"); ok && slices.ContainsFunc(t.Chains, func(c rules.Chain) bool { return len(c.Rules) > 0 }) {
			return true
		}
	}
	return false
}

// changesNative tells that a plan would change a rule of a native table.
func changesNative(p rules.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s rules.Step) bool { return s.Change != nil && s.Change.Backend == rules.Native })
}

// withoutPast is the gateway with other rules or settings, and without its connections: they tell of rules as they
// were. Connections that left untranslated are kept as far as that would happen again.
func (x *Examination) withoutPast(t trial) *Examination {
	next := &Examination{Gateway: x.Gateway, trial: t, now: x.now, unreached: unreachedRules(&t)}
	next.Facts, next.Sets = t.Facts, t.sets
	next.spent = &spent{limits: limits{visits: math.MaxInt}} // it is found out what is wrong, not how to cure it
	next.forwards, _ = forwardsOf(&next.trial, forwardsProven, forwardsProven)
	next.stats = newFlowStats()
	for i := range x.stats.bare.first {
		if f := &x.stats.bare.first[i]; next.leavesBare(f) {
			next.stats.bare.add(f)
		}
	}
	return next
}

// countFindings is how often each check finds something.
func countFindings(x *Examination) map[string]int {
	var all report
	for i := range x.forwards {
		f := &x.forwards[i]
		if isDead(f, x.unreached) {
			continue
		}
		found, sound := firstFailure(x, f)
		all.take(found)
		if f.Owner == "" && sound {
			all.take([]Finding{fromInside(x, f)})
		}
	}
	for _, check := range []func(*Examination) []Finding{checkReach, checkShares, checkMultipath, checkOutput, checkTables, checkHelpers, checkUntranslated, checkDiscovery, checkTooBig} {
		all.take(check(x))
	}
	counts := map[string]int{}
	for i := range all {
		counts[all[i].Check]++
	}
	return counts
}

// ruleProblems counts what is wrong with rules for themselves, whatever else is wrong with the gateway.
func ruleProblems(x *Examination) map[string]int {
	counts := map[string]int{}
	for _, f := range slices.Concat(checkReach(x), checkTables(x)) {
		if f.IsProblem() {
			counts[f.Check]++
		}
	}
	return counts
}

// workingNow are packets that arrive: for the gateway's own services, for what it forwards, and those that
// connections began with.
func workingNow(x *Examination, flows *flow.Flows) []working {
	var list []working
	add := func(p evaluate.Packet, own, hidden bool) {
		way := x.fate(p)
		if !way.known || !way.arrives() || own && !slices.ContainsFunc(way.Outcomes, staysHere) {
			return
		}
		end := way.Outcomes[slices.IndexFunc(way.Outcomes, isDelivered)]
		list = append(list, working{p, end, way, own, hidden && end.SNAT})
	}
	for _, p := range x.ownServices() {
		add(p, true, false)
	}
	for i := range x.forwards {
		if _, sound := firstFailure(x, &x.forwards[i]); sound {
			add(x.forwards[i].packet, false, false)
		}
		if link, client, ok := x.insideOf(&x.forwards[i]); ok {
			p := inside(&x.forwards[i], link, client)
			if way := x.fate(p); way.hairpin() {
				add(p, false, true)
			}
		}
	}
	for _, p := range sharedPackets(x) {
		add(p, false, true)
	}
	if flows == nil {
		return list
	}
	n := 0
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if f.Status&flow.StatusSeenReply != 0 && f.Status&flow.StatusExpected == 0 {
			n++
			add(explain.FirstPacket(f), false, f.NAT()&flow.NATDst == 0 || x.neighbours(f.Client().Addr(), f.ServedBy().Addr()))
		}
		return n < flowsProven
	})
	return list
}

// ownServices are first packets for this host's own addresses: for ssh, the operator's session, and what listens.
func (n network) ownServices() []evaluate.Packet {
	type service struct {
		proto rules.Protocol
		port  uint16
	}
	services := []service{{rules.TCP, 22}}
	for _, l := range n.Listeners {
		if s := (service{l.Proto, l.Address.Port()}); !l.Address.Addr().IsLoopback() && !slices.Contains(services, s) && len(services) < 16 {
			services = append(services, s)
		}
	}
	var list []evaluate.Packet
	addrs := 0
	for _, a := range n.inUse("") {
		to := a.Prefix.Addr()
		if a.Scope != facts.ScopeGlobal || to.IsLoopback() {
			continue
		}
		if addrs++; addrs > 16 {
			break
		}
		for _, link := range n.waysIn(to) {
			for _, s := range services {
				if p, ok := n.askingBy(link, s.proto, netip.AddrPortFrom(to, s.port)); ok {
					list = append(list, p)
				}
			}
		}
	}
	if s := n.Session; s != nil {
		list = append(list, evaluate.Packet{Protocol: rules.TCP, Src: s.Client.Addr(), SrcPort: s.Client.Port(), Dst: s.Server.Addr(), DstPort: s.Server.Port()})
	}
	return list
}

// prove takes the cure from a finding where it does harm or does not help, and says why in the finding's sentence.
func (p *prover) prove(f *Finding) {
	reason := "there are too many findings to try them all; it is tried where this one is asked for by its name"
	if p.tried < curesProven {
		p.tried++
		reason = p.against(f)
	}
	f.Cure.Steps = p.whereItCounts(f.Cure.Steps)
	if reason != "" {
		f.Sentence += fmt.Sprintf(" No cure is offered: after %q %s.", f.Cure.Title, reason)
		f.Cure, f.Commands = rules.Plan{}, nil
	}
}

// whereItCounts has settings written to the file that decides about them at boot.
func (p *prover) whereItCounts(steps []rules.Step) []rules.Step {
	steps = slices.Clone(steps)
	for i := range steps {
		if s := steps[i].Sysctl; s != nil && s.Boot && s.File == "" {
			write := *s
			write.File = bootFile(p.BootSettings, s.Name)
			steps[i].Sysctl = &write
		}
	}
	return steps
}

// against says what speaks against a finding's cure; "" if it helps and harms nobody.
func (p *prover) against(f *Finding) string {
	t, ok := p.after(f.Cure)
	if !ok {
		return "the rules would not be as expected"
	}
	next := p.withoutPast(t)
	for i := range p.works {
		if lost := p.works[i].lost(next, f); lost != "" {
			return lost
		}
	}
	for check, n := range ruleProblems(next) {
		if n > p.rules[check] {
			return fmt.Sprintf("there would be a new finding of %s", check)
		}
	}
	if before := p.problems[f.Check]; before > 0 && len(f.Commands) == 0 && countFindings(next)[f.Check] >= before {
		return "it would still be found"
	}
	return ""
}

// answerable tells that answers come back to the source a packet leaves with, where they did to the one before.
func (x *Examination) answerable(now, before *evaluate.Outcome) bool {
	if !now.SNAT || now.Src.Addr == before.Src.Addr || !now.Src.Addr.IsValid() || !before.Src.Addr.IsValid() {
		return true
	}
	return x.AnswersFor(now.Out, now.Src.Addr) || !x.AnswersFor(before.Out, before.Src.Addr)
}

// staysHere tells that a packet comes to this host itself.
func staysHere(o evaluate.Outcome) bool { return o.Delivered == evaluate.Delivered && !o.DNAT }

// isNew tells that something else becomes of a packet than what might become of it before.
func (w *working) isNew(o evaluate.Outcome) bool {
	return !slices.ContainsFunc(w.now.Outcomes, func(was evaluate.Outcome) bool { return was.Delivered == o.Delivered && was.DNAT == o.DNAT })
}

// lost says that a packet no longer arrives where it did; "" if it does.
func (w *working) lost(next *Examination, f *Finding) string {
	way := next.fate(w.packet)
	p := &w.packet
	what := fmt.Sprintf("%s packets from %s to %s", p.Protocol, p.Src, netip.AddrPortFrom(p.Dst, p.DstPort))
	if w.own {
		if way.known && (!way.Incomplete || w.now.Incomplete) && slices.ContainsFunc(way.Outcomes, staysHere) && !slices.ContainsFunc(way.Outcomes, w.isNew) {
			return ""
		}
		return what + " would no longer come to this host itself"
	}
	if !f.narrows.IsZero() && w.end.DNATBy == f.narrows && !(f.spares && next.IsLocal(p.Dst)) {
		return "" // that is what the cure is for
	}
	for i := range way.Outcomes {
		o := &way.Outcomes[i]
		if o.Delivered == w.end.Delivered && (o.Dst == w.end.Dst || f.takesOver) && (o.SNAT || !w.hidden) && next.answerable(o, &w.end) {
			return ""
		}
	}
	return fmt.Sprintf("%s would no longer get to %s as they do now", what, w.end.Dst)
}
