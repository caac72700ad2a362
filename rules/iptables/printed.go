package iptables

import (
	"slices"

	"nattui/rules"
)

// printedAs finds how iptables prints the rules that the changes made: at the
// places where the rule wanted is one of them and another line stands. Where
// somebody else changed the chain as well, that line may be theirs: there it has to
// be alike, and ours to be missing; see also printedAmong.
func printedAs(want, got *rules.Ruleset, changes []rules.Change) map[string]rules.Rule {
	made, looked := map[string]bool{}, map[string]bool{}
	for _, c := range changes {
		if c.Op == rules.Insert || c.Op == rules.Replace {
			made[c.Rule.InChain(c.Chain).String()] = true
		}
	}
	printed := map[string]rules.Rule{}
	for _, change := range changes {
		c, meant := want.Chain(change.Table, change.Chain)
		other, there := got.Chain(change.Table, change.Chain)
		at := change.Table + " " + change.Chain
		if !meant || !there || looked[at] {
			continue
		}
		looked[at] = true
		if len(other.Rules) != len(c.Rules) {
			printedAmong(c.Rules, other.Rules, made, printed)
		} else {
			printedInPlace(c.Rules, other.Rules, made, printed)
		}
	}
	return printed
}

// printedInPlace finds them in a chain of the length that was meant.
func printedInPlace(want, got []rules.Rule, made map[string]bool, printed map[string]rules.Rule) {
	quiet := true
	for i, r := range want {
		quiet = quiet && (made[r.String()] || got[i].Same(r))
	}
	for i, r := range want {
		as, line := got[i], r.String()
		if !made[line] || as.Same(r) || !quiet && (as.Likeness() != r.Likeness() || slices.ContainsFunc(got, r.Same)) {
			continue
		}
		printed[line] = as
	}
}

// printedAmong finds them in a chain that others have lengthened or shortened: a rule
// that was made and is not there is the only new line that is alike.
func printedAmong(want, got []rules.Rule, made map[string]bool, printed map[string]rules.Rule) {
	meant, there := map[string]bool{}, map[string]bool{}
	for _, r := range want {
		meant[r.String()] = true
	}
	for _, r := range got {
		there[r.String()] = true
	}
	for _, r := range want {
		line := r.String()
		if !made[line] || there[line] {
			continue
		}
		var as []rules.Rule
		for _, other := range got {
			if !meant[other.String()] && other.Likeness() == r.Likeness() {
				as = append(as, other)
			}
		}
		if len(as) == 1 {
			printed[line] = as[0]
		}
	}
}

// reprint puts printed lines in place of the ones that were asked for.
func reprint(c rules.Change, printed map[string]rules.Rule) rules.Change {
	for _, r := range []*rules.Rule{&c.Rule, &c.Old} {
		if as, ok := printed[r.InChain(c.Chain).String()]; ok && !r.IsZero() {
			as.Counters = r.Counters
			*r = as
		}
	}
	if as, ok := printed[c.Next]; ok {
		c.Next = as.String()
	}
	return c
}
