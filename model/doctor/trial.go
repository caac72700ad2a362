package doctor

import (
	"fmt"
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
	network
	sets      map[rules.Variant]*rules.Ruleset
	programs  map[*rules.Ruleset]*evaluate.Program
	evaluator *evaluate.Evaluator
	// alone evaluates the rules that iptables shows, as if there were nothing else; it is evaluator where that is so.
	alone *evaluate.Evaluator
	spent *spent // on trials; nil where they are not bounded
	marks bool   // some rule sets the marks of connections
}

// limits bound the work of a check on gateways with thousands of rules.
type limits struct {
	// cures is how many cures may be tried, which takes a moment each where the tables are large.
	cures int
	// visits is how many meetings of packets and rules may be told; about 4 million take a second.
	visits int
}

// spent is what trials have used up of their limits.
type spent struct {
	limits
	cures, visits int
}

// mayTry counts another cure to be tried; false where there were enough of them.
func (s *spent) mayTry() bool {
	if s == nil {
		return true
	}
	s.cures++
	return s.cures <= s.limits.cures
}

// visited counts the rules that a packet was told to have met.
func (s *spent) visited(n int) {
	if s != nil {
		s.visits += n
	}
}

// exhausted tells that no more packets are to be followed.
func (s *spent) exhausted() bool { return s != nil && s.visits > s.limits.visits }

// newTrial compiles the rule sets; those that known has already are not
// compiled again.
func newTrial(f *facts.Facts, sets map[rules.Variant]*rules.Ruleset, known map[*rules.Ruleset]*evaluate.Program) trial {
	t := trial{network: network{Facts: f}, sets: sets, programs: map[*rules.Ruleset]*evaluate.Program{}}
	var programs []*evaluate.Program
	for _, s := range sets {
		p := known[s]
		if p == nil {
			p = evaluate.Compile(s)
		}
		t.programs[s] = p
		programs = append(programs, p)
	}
	host := f.Host(nil)
	t.evaluator = evaluate.NewEvaluator(host, programs...)
	t.marks = t.evaluator.MarksConnections()
	t.alone = t.evaluator
	foreign := false
	for s, p := range t.programs {
		if f.Native == nil && len(s.Foreign) > 0 {
			shown := *s
			shown.Foreign, foreign = nil, true
			programs[slices.Index(programs, p)] = evaluate.Compile(&shown)
		}
	}
	if foreign || len(host.Natives) > 0 {
		host.Natives = nil
		t.alone = evaluate.NewEvaluator(host, programs...)
	}
	return t
}

// after is the gateway once a plan has been carried out; false if the plan does
// not fit.
func (t *trial) after(p rules.Plan) (trial, bool) {
	sets, err := p.Apply(t.sets)
	if err != nil {
		return trial{}, false
	}
	f := t.Facts
	for _, s := range p.Steps {
		if s.Sysctl != nil {
			f = f.WithSetting(s.Sysctl.Name, s.Sysctl.Value)
		}
	}
	next := newTrial(f, sets, t.programs)
	next.named = t.named
	next.spent = t.spent
	return next, true
}

// usual is the variant of a family where NAT rules are, or might be.
func (t *trial) usual(f rules.Family) (rules.Variant, bool) {
	var first rules.Variant
	found := false
	for _, p := range t.variants() {
		if p.Family != f {
			continue
		}
		if table, ok := t.sets[p].Table("nat"); ok && table.Rules() > 0 {
			return p, true
		}
		if !found {
			first, found = p, true
		}
	}
	return first, found
}

// variants lists the rule sets in a fixed order.
func (t *trial) variants() []rules.Variant {
	var list []rules.Variant
	for _, b := range rules.Holders {
		for _, f := range rules.Families {
			if p := (rules.Variant{Family: f, Backend: b}); t.sets[p] != nil {
				list = append(list, p)
			}
		}
	}
	return list
}

// translateSource is the plan that inserts a rule into POSTROUTING where it
// takes effect for a packet: at the end, or else in front.
func (t *trial) translateSource(title string, p rules.Variant, line string, packet evaluate.Packet, why string) (rules.Plan, bool) {
	for _, at := range []int{0, 1} {
		step, ok := t.insert(evaluate.RuleRef{Variant: p, Table: "nat", Chain: "POSTROUTING", Position: at}, line, why)
		if !ok {
			return rules.Plan{}, false
		}
		plan := rules.Plan{Title: title, Steps: []rules.Step{step}}
		next, ok := t.after(plan)
		if !ok {
			continue
		}
		way := next.fate(packet)
		for _, o := range way.Outcomes {
			if o.SNAT && o.SNATBy.Chain == "POSTROUTING" && o.Delivered == evaluate.Forwarded {
				if r, ok := ruleOf(next.sets, o.SNATBy); ok && r.Same(step.Change.Rule) {
					return plan, true
				}
			}
		}
	}
	return rules.Plan{}, false
}

// ruleOf is the rule at a place; false if there is none.
func ruleOf(sets map[rules.Variant]*rules.Ruleset, at evaluate.RuleRef) (*rules.Rule, bool) {
	c, ok := sets[at.Variant].Chain(at.Table, at.Chain)
	if !ok || at.Position < 1 || at.Position > len(c.Rules) {
		return nil, false
	}
	return &c.Rules[at.Position-1], true
}

// moveBefore is the plan that moves a rule up in its chain, if that helps.
func (t *trial) moveBefore(r evaluate.RuleRef, rule rules.Rule, to int, helps func(*trial) bool) rules.Plan {
	c := t.change(rules.Move, r)
	c.Rule, c.To = rule, to
	plan := rules.Plan{
		Title: fmt.Sprintf("Move rule %d of %s before rule %d", r.Position, r.Chain, to),
		Steps: []rules.Step{{Change: &c, Why: "the first rule that matches decides, so the special one goes before the general one"}},
	}
	if next, ok := t.after(plan); !ok || !helps(&next) {
		return rules.Plan{}
	}
	return plan
}

// insert is the step that puts a rule in a place. Where the policy drops that
// is the end of the chain.
func (t *trial) insert(at evaluate.RuleRef, line, why string) (rules.Step, bool) {
	r, err := rules.Parse(strings.Replace(line, "%s", at.Chain, 1))
	if err != nil || r.Unparseable() != nil {
		return rules.Step{}, false
	}
	set := t.sets[at.Variant]
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
		Op: op, Family: r.Family, Backend: r.Backend, Table: r.Table, Chain: r.Chain, At: r.Position, Program: t.sets[r.Variant].Program(),
	}
}

// replace is the step that changes a rule.
func (t *trial) replace(r evaluate.RuleRef, old, changed rules.Rule, why string) rules.Step {
	c := t.change(rules.Replace, r)
	c.Old, c.Rule = old, changed.Edited()
	return rules.Step{Change: &c, Why: why}
}

// setting is the step that writes a setting, now and at boot.
func setting(name, old, value, why string) rules.Step {
	return rules.Step{Sysctl: &rules.Sysctl{Name: name, Value: value, Old: old, Boot: true}, Why: why}
}

// whole is the address as a network of its own, as rules print it.
func whole(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }
