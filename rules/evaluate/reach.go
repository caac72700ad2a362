package evaluate

import (
	"fmt"
	"slices"

	"nattui/rules"
)

// DeadRule is a rule that no packet ever meets, or a chain that none ever enters.
type DeadRule struct {
	Kind DeadKind
	RuleRef
	// Rule never matches; nil for a chain nobody jumps to, whose Position is 0.
	Rule *rules.Rule
	// By is the earlier rule that takes every packet, for Unfit the one that leads to its chain; zero
	// for Orphaned.
	By     RuleRef
	ByRule *rules.Rule
}

// DeadKind is why a rule is never met.
type DeadKind uint8

// The kinds of DeadRule, by cause.
const (
	Shadowed  DeadKind = iota // an earlier rule takes all that it would
	Duplicate                 // an earlier rule is the same
	AfterAll                  // an earlier rule takes everything
	Orphaned                  // nothing leads from the kernel to its chain
	Unfit                     // what leads to its chain brings no packet that it asks for
)

var deadNames = [...]string{"shadowed", "duplicate", "after-all", "orphaned", "unfit"}

// String is shadowed, duplicate, after-all, orphaned or unfit.
func (k DeadKind) String() string { return deadNames[k] }

// Sentence says it in words.
func (f DeadRule) Sentence() string {
	rule := fmt.Sprintf("Rule %d of %s", f.Position, f.Chain)
	by := fmt.Sprintf("rule %d", f.By.Position)
	if f.By.Chain != f.Chain {
		by += " of " + f.By.Chain
	}
	switch f.Kind {
	case Orphaned:
		return fmt.Sprintf("No packet reaches chain %s: no built-in chain leads to it.", f.Chain)
	case Duplicate:
		return rule + " never matches: " + by + " is the same."
	case AfterAll:
		return rule + " never matches: " + by + " matches every packet first."
	case Unfit:
		return rule + " never matches: " + by + ", which leads to its chain, brings no packet that it asks for."
	}
	return rule + " never matches: " + by + " matches all its packets first."
}

// Reach finds the rules of a table that can never match because earlier ones
// take everything, and the chains that hold rules and are never entered. It
// says nothing where it is not certain: a rule with a match that nattui does not
// understand, or that depends on chance, takes nothing for sure, and rules that
// only together take everything are not put together.
//
// The work is about one comparison for each rule, more where many rules of a
// chain have neither an address nor a port of their own.
func Reach(s *rules.Ruleset, table string) []DeadRule {
	return Compile(s).Reach(table)
}

// Reach is the package's Reach for a rule set that is compiled already.
func (p *Program) Reach(table string) []DeadRule {
	r := p.reacher(table)
	var found []DeadRule
	for _, c := range r.chains {
		if !r.entered[c] {
			if len(c.rules) > 0 && !r.blind {
				found = append(found, DeadRule{Kind: Orphaned, RuleRef: ruleRef{c, -1}.ref()})
			}
			continue
		}
		for at := range c.rules {
			if f, ok := r.dead(c, int32(at)); ok {
				found = append(found, f)
			}
		}
	}
	return found
}

// DeadAt is Reach for one rule, by its position from 1: false where it may be met, or there is none.
func (p *Program) DeadAt(table, chain string, position int) (DeadRule, bool) {
	r := p.reacher(table)
	for _, c := range r.chains {
		if c.chain.Name == chain && r.entered[c] && position >= 1 && position <= len(c.rules) {
			return r.dead(c, int32(position-1))
		}
	}
	return DeadRule{}, false
}

func (p *Program) reacher(table string) *reacher {
	r := &reacher{program: p, swallows: map[*program]*program{}}
	for _, c := range p.chains {
		if c.table == table {
			r.chains = append(r.chains, c)
		}
	}
	r.survey()
	return r
}

// reacher is a table under examination.
type reacher struct {
	program  *Program
	chains   []*program
	callers  map[*program][]ruleRef
	entered  map[*program]bool
	swallows map[*program]*program // a chain that nothing comes back from, to itself; nil: not so
	indexes  map[*program]*chainIndex
	alters   bool // some rule changes what later ones see
	blind    bool // there may be jumps that are not seen
}

func (r *reacher) survey() {
	r.callers, r.entered, r.indexes = map[*program][]ruleRef{}, map[*program]bool{}, map[*program]*chainIndex{}
	var enter func(c *program)
	enter = func(c *program) {
		if r.entered[c] {
			return
		}
		r.entered[c] = true
		for i := range c.rules {
			if t := r.target(c, int32(i)); t != nil {
				r.callers[t] = append(r.callers[t], ruleRef{c, int32(i)})
				enter(t)
			}
		}
	}
	for _, c := range r.chains {
		r.alters = r.alters || c.alters
		for i := range c.rules {
			r.blind = r.blind || c.rules[i].what&onUnknown != 0
		}
		r.indexes[c] = indexFully(c.rules)
	}
	for _, c := range r.chains {
		if rules.IsBuiltIn(c.table, c.chain.Name) {
			enter(c)
		}
	}
	if len(r.chains) > 0 {
		_, hidden := r.program.set.Foreign[r.chains[0].table]
		r.blind = r.blind || hidden
	}
}

// target is the chain that a rule jumps to.
func (r *reacher) target(c *program, at int32) *program {
	if a := c.rules[at].act; a == actJump || a == actGoto {
		return r.program.chains[c.rules[at].to]
	}
	return nil
}

// dead looks for a rule that takes all that the rule would: earlier in its
// chain, or in the one chain that leads there.
func (r *reacher) dead(c *program, at int32) (DeadRule, bool) {
	rule := &c.rules[at]
	if by, ok := r.unfit(c, rule); ok {
		return DeadRule{Kind: Unfit, RuleRef: ruleRef{c, at}.ref(), Rule: rule.rule, By: by.ref(), ByRule: by.chain.rules[by.rule].rule}, true
	}
	conditions := []*code{rule}
	chain, before := c, at
	for range len(r.chains) {
		if by, ok := r.taker(chain, before, conditions); ok {
			culprit := &chain.rules[by]
			f := DeadRule{
				Kind: Shadowed, RuleRef: ruleRef{c, at}.ref(), Rule: rule.rule,
				By: ruleRef{chain, by}.ref(), ByRule: culprit.rule,
			}
			switch {
			case culprit.what == 0 && len(culprit.tests) == 0:
				f.Kind = AfterAll
			case chain == c && culprit.rule.Same(*rule.rule):
				f.Kind = Duplicate
			}
			// A chain's rules go with the one jump to it, which is found itself.
			return f, chain == c || !r.taken(chain, before, conditions[1:])
		}
		callers := r.callers[chain]
		if len(callers) != 1 || r.blind || rules.IsBuiltIn(chain.table, chain.chain.Name) || chain.loops {
			return DeadRule{}, false
		}
		chain, before = callers[0].chain, callers[0].rule
		conditions = append(conditions, &chain.rules[before])
	}
	return DeadRule{}, false
}

// unfit tells whether every rule that leads to a chain asks for what a rule of the chain excludes. Only what
// does not change on a packet's way through the table counts.
func (r *reacher) unfit(c *program, rule *code) (by ruleRef, ok bool) {
	if r.blind || rules.IsBuiltIn(c.table, c.chain.Name) || len(r.callers[c]) == 0 {
		return ruleRef{}, false
	}
	for _, caller := range r.callers[c] {
		k := &caller.chain.rules[caller.rule]
		apart := false
		for what := onSrc; what <= onDport; what <<= 1 {
			apart = apart || k.excludes(rule, what)
		}
		if !apart {
			return ruleRef{}, false
		}
	}
	return r.callers[c][0], true
}

// excludes reports whether no packet meets one comparison of both rules.
func (c *code) excludes(rule *code, what uint16) bool {
	if c.what&what == 0 || rule.what&what == 0 {
		return false
	}
	opposite := *rule
	opposite.flip ^= what
	return c.implies(&opposite, what)
}

func (r *reacher) taken(c *program, before int32, conditions []*code) bool {
	_, ok := r.taker(c, before, conditions)
	return ok
}

// taker is the first rule before the given one that takes every packet meeting
// the conditions.
func (r *reacher) taker(c *program, before int32, conditions []*code) (int32, bool) {
	best := before
	look := func(list []int32) {
		for _, i := range list {
			if i >= best {
				return
			}
			if r.takes(c, i) && r.implied(&c.rules[i], conditions) {
				best = i
				return
			}
		}
	}
	x := r.indexes[c]
	look(x.rest)
	for _, k := range conditions {
		if a, ok := k.host(onDst, &k.dst); ok {
			look(x.byDst[a])
		}
		if a, ok := k.host(onSrc, &k.src); ok {
			look(x.bySrc[a])
		}
		if p, ok := k.singlePort(); ok {
			look(x.byPort[p])
		}
	}
	return best, best < before
}

// takes reports whether a packet that meets the rule never comes to the next.
func (r *reacher) takes(c *program, at int32) bool {
	switch c.rules[at].act {
	case actAccept, actDrop, actReturn, actGoto, actTranslate:
		return true
	case actJump:
		return r.swallowsAll(r.target(c, at))
	}
	return false
}

// swallowsAll reports whether nothing ever returns from a chain.
func (r *reacher) swallowsAll(c *program) bool {
	if known, ok := r.swallows[c]; ok {
		return known != nil
	}
	r.swallows[c] = nil // a loop never gets here; if it did, nothing would be certain
	for i := range c.rules {
		rule := &c.rules[i]
		always := rule.what == 0 && len(rule.tests) == 0
		gone := false
		switch rule.act {
		case actAccept, actDrop, actTranslate:
			gone = always
		case actReturn, actUnknown:
			return false
		case actGoto:
			if !r.swallowsAll(r.target(c, int32(i))) {
				return false
			}
			gone = always
		case actJump:
			gone = always && r.swallowsAll(r.target(c, int32(i)))
		}
		if gone {
			r.swallows[c] = c
			return true
		}
	}
	return false
}

// implied reports whether a packet that meets all the conditions certainly
// meets the rule.
func (r *reacher) implied(rule *code, conditions []*code) bool {
	if rule.what&(onUnknown|onNever) != 0 {
		return false
	}
	for what := onSrc; what <= onDport; what <<= 1 {
		if rule.what&what != 0 && !slices.ContainsFunc(conditions, func(k *code) bool { return k.implies(rule, what) }) {
			return false
		}
	}
	for _, m := range rule.rule.Matches {
		if !r.impliedMatch(rule, m, conditions) {
			return false
		}
	}
	return true
}
