package doctor

import (
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// trial is the gateway as it is, or as it would be after a plan: cures are tried
// on it before anybody is told of them.
type trial struct {
	facts     *facts.Facts
	sets      map[rules.Place]*rules.Ruleset
	programs  map[*rules.Ruleset]*evaluate.Program
	evaluator *evaluate.Evaluator
	// tries is how many more cures may be tried, which takes a moment each where
	// the tables are large; nil is no limit.
	tries *int
	// visits counts the rules that packets were told to have met; nil does not.
	visits *int
}

// newTrial compiles the rule sets; those that known has already are not
// compiled again.
func newTrial(f *facts.Facts, sets map[rules.Place]*rules.Ruleset, known map[*rules.Ruleset]*evaluate.Program) trial {
	t := trial{facts: f, sets: sets, programs: map[*rules.Ruleset]*evaluate.Program{}}
	var programs []*evaluate.Program
	for _, s := range sets {
		p := known[s]
		if p == nil {
			p = evaluate.Compile(s)
		}
		t.programs[s] = p
		programs = append(programs, p)
	}
	t.evaluator = evaluate.NewEvaluator(f.Host(nil), programs...)
	return t
}

// after is the gateway once a plan has been carried out; false if the plan does
// not fit.
func (t *trial) after(p rules.Plan) (trial, bool) {
	sets, err := p.Apply(t.sets)
	if err != nil {
		return trial{}, false
	}
	f := t.facts
	for _, s := range p.Steps {
		if s.Sysctl != nil {
			f = f.WithSetting(s.Sysctl.Name, s.Sysctl.Value)
		}
	}
	return newTrial(f, sets, t.programs), true
}

// fate is what becomes of a packet, as far as can be told.
type fate struct {
	evaluate.Path
	known bool
}

// fate follows a packet. The rules that it met are told only where it does not
// arrive, or where that is not certain: to tell them all takes much longer.
func (t *trial) fate(p evaluate.Packet) fate {
	outcomes, certain := t.evaluator.Outcomes(nil, &p)
	if certain && (outcomes[0].Delivered == evaluate.Forwarded || outcomes[0].Delivered == evaluate.Delivered) {
		return fate{evaluate.Path{Packet: p, Outcomes: outcomes, Certain: true}, true}
	}
	return t.told(p)
}

// told follows a packet and tells every rule that it met.
func (t *trial) told(p evaluate.Packet) fate {
	path, err := t.evaluator.Evaluate(p)
	if t.visits != nil {
		*t.visits += len(path.Visits)
	}
	return fate{path, err == nil && len(path.Outcomes) > 0}
}

// blocked is how the packet ends, if it certainly does not arrive.
func (x *fate) blocked() (evaluate.Outcome, bool) {
	if !x.known || x.Incomplete {
		return evaluate.Outcome{}, false
	}
	for i := range x.Outcomes {
		if o := &x.Outcomes[i]; o.Delivered != evaluate.Dropped && o.Delivered != evaluate.NoRoute {
			return evaluate.Outcome{}, false
		}
	}
	return x.Outcomes[0], true
}

// arrives tells that the packet may arrive.
func (x *fate) arrives() bool {
	return x.known && slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool {
		return o.Delivered == evaluate.Forwarded || o.Delivered == evaluate.Delivered
	})
}

// by tells that a rule may translate the packet's destination.
func (x *fate) by(r evaluate.RuleRef) bool {
	return slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool { return o.DNATBy == r || o.SNATBy == r })
}

// visit finds how the packet met a rule; false if it did not come to it.
func (x *fate) visit(r evaluate.RuleRef) (evaluate.Visit, bool) {
	i := slices.IndexFunc(x.Visits, func(v evaluate.Visit) bool { return v.RuleRef == r })
	if i < 0 {
		return evaluate.Visit{}, false
	}
	return x.Visits[i], true
}

// hook is the chain that the kernel called when a packet met a rule, and the
// rule of that chain which led there.
func (x *fate) hook(r evaluate.RuleRef) evaluate.RuleRef {
	last := r
	for _, v := range x.Visits {
		if v.Place == r.Place && v.Table == r.Table && rules.IsBuiltIn(v.Table, v.Chain) {
			last = v.RuleRef
		}
		if v.RuleRef == r {
			break
		}
	}
	return last
}

// passage is a packet that ought to get through, with the rule that would let
// it: an iptables line with %s for the chain.
type passage struct {
	packet evaluate.Packet
	accept string
	why    string
}

// open makes a plan that lets packets through which filter rules drop, and tries
// it. It begins with what was planned before. false: no such plan was found.
func (t *trial) open(begin []rules.Step, wanted []passage, works func(*trial) bool) (rules.Plan, bool) {
	if t.tries != nil {
		if *t.tries--; *t.tries < 0 {
			return rules.Plan{}, false
		}
	}
	plan := rules.Plan{Steps: begin}
	now, ok := t.after(plan)
	for range len(wanted) + 2 {
		if !ok {
			return rules.Plan{}, false
		}
		i := slices.IndexFunc(wanted, func(w passage) bool { x := now.fate(w.packet); _, blocked := x.blocked(); return blocked })
		if i < 0 {
			return plan, len(plan.Steps) > 0 && works(&now)
		}
		step, next, found := now.openOne(wanted[i])
		if !found {
			return rules.Plan{}, false
		}
		plan.Steps, now = append(slices.Clone(plan.Steps), step), next
	}
	return rules.Plan{}, false
}

// openOne finds the place for a rule that lets one packet through.
func (t *trial) openOne(w passage) (rules.Step, trial, bool) {
	x := t.fate(w.packet)
	end, _ := x.blocked()
	if end.DroppedBy.IsZero() {
		return rules.Step{}, trial{}, false
	}
	for _, at := range t.spots(&x, end.DroppedBy) {
		step, ok := t.insert(at, w.accept, w.why)
		if !ok {
			continue
		}
		next, ok := t.after(rules.Plan{Steps: []rules.Step{step}})
		if !ok {
			continue
		}
		if y := next.fate(w.packet); y.arrives() {
			return step, next, true
		}
	}
	return rules.Step{}, trial{}, false
}

// spots are the places to try for a rule that goes before the one that drops:
// where the owner of the tables wants such rules, before the rule itself, and in
// front of everything. Position 0 is the end.
func (t *trial) spots(x *fate, dropper evaluate.RuleRef) []evaluate.RuleRef {
	var spots []evaluate.RuleRef
	hook := x.hook(dropper)
	set := t.sets[dropper.Place]
	if _, ok := set.Chain(dropper.Table, "DOCKER-USER"); ok && hook.Chain == "FORWARD" && dropper.Table == "filter" {
		spots = append(spots, evaluate.RuleRef{Place: dropper.Place, Table: "filter", Chain: "DOCKER-USER", Position: 1})
	}
	if rules.ChainOwner(dropper.Chain) == "" {
		spots = append(spots, dropper)
	}
	first := hook
	first.Position = 1
	return append(spots, hook, first)
}

// insert is the step that puts a rule in a place. Where the policy drops that
// is the end of the chain.
func (t *trial) insert(at evaluate.RuleRef, line, why string) (rules.Step, bool) {
	r, err := rules.Parse(strings.Replace(line, "%s", at.Chain, 1))
	if err != nil || r.Unparseable() != nil {
		return rules.Step{}, false
	}
	set := t.sets[at.Place]
	if set == nil {
		return rules.Step{}, false
	}
	return rules.Step{Why: why, Change: &rules.Change{
		Op: rules.Insert, Family: at.Family, Backend: at.Backend, Table: at.Table, Chain: at.Chain, At: at.Position, Rule: r, Program: set.Program(),
	}}, true
}

// change begins a change of the rule that a reference names.
func (t *trial) change(op rules.Op, r evaluate.RuleRef) rules.Change {
	return rules.Change{
		Op: op, Family: r.Family, Backend: r.Backend, Table: r.Table, Chain: r.Chain, At: r.Position, Program: t.sets[r.Place].Program(),
	}
}

// replace is the step that changes a rule.
func (t *trial) replace(r evaluate.RuleRef, old, changed rules.Rule, why string) rules.Step {
	c := t.change(rules.Replace, r)
	c.Old, c.Rule = old, changed.Edited()
	return rules.Step{Change: &c, Why: why}
}

// set is the step that writes a setting, now and at boot.
func (t *trial) set(name, old, value, why string) rules.Step {
	return rules.Step{Sysctl: &rules.Sysctl{Name: name, Value: value, Old: old, Boot: true}, Why: why}
}

// answerTo is the first packet that comes back from a server.
func answerTo(client, server netip.AddrPort, protocol rules.Protocol, in string) evaluate.Packet {
	p := evaluate.Packet{Protocol: protocol, Src: server.Addr(), Dst: client.Addr(), In: in, State: evaluate.StateEstablished}
	if protocol.HasPorts() {
		p.SrcPort, p.DstPort = server.Port(), client.Port()
	}
	return p
}

// whole is the address as a network of its own, as rules print it.
func whole(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }
