package commit

import (
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/paste"
)

// This file tells whether a rule of a chain may be one that a change has made and that is printed otherwise than it was written: as
// nattui was killed before it saw how, or as another iptables prints it.

// likeness is what two rules of a chain have in common of which one may be the other.
func (at chainAt) likeness(r rules.Rule) string {
	if oddlyWritten(r) {
		r = at.settled(r)
	}
	return r.Likeness()
}

// oddlyWritten reports words of a rule that no iptables prints, and that are understood once they are put as it does.
func oddlyWritten(r rules.Rule) bool {
	_, translates := rules.NATKind(r.Target.Name)
	return r.Target.Kind == rules.Other && (translates || r.Target.Name == "MARK" || r.Target.Name == "CONNMARK") ||
		slices.ContainsFunc(r.Matches, func(m rules.Match) bool {
			_, opaque := m.(rules.Opaque)
			return opaque && rules.Understands(m.Module())
		})
}

// settled is the rule as iptables prints it, as far as that is known; else the rule itself.
func (at chainAt) settled(r rules.Rule) rules.Rule {
	spec, err := r.Spec()
	if err != nil {
		return r
	}
	line := rules.ShellLine(append([]string{at.variant.Family.Command(), "-t", at.table, "-A", at.chain}, spec...))
	read := paste.Read(line, paste.Ground{Backend: at.variant.Backend, AnyChain: true, AcceptDoubts: true}).Plan.Changes()
	if len(read) != 1 || read[0].Op != rules.Insert {
		return r
	}
	return read[0].Rule.InChain(r.Chain)
}

// kinship is how sure it is that two rules of one likeness are the same.
type kinship uint8

const (
	another kinship = iota // they are not
	perhaps                // they differ in words that nattui does not understand
	same                   // they are
)

// kin compares two rules of one likeness.
func (at chainAt) kin(a, b rules.Rule) kinship {
	if !a.IsVague() && !b.IsVague() {
		return same
	}
	a, b = at.settled(a), at.settled(b)
	switch {
	case slices.Equal(wordsOf(a), wordsOf(b)):
		return same
	case onlyLimits(a) && onlyLimits(b):
		return another
	}
	return perhaps
}

// wordsOf are the vague parts of a rule, in words.
func wordsOf(r rules.Rule) (all []string) {
	for _, m := range r.Matches {
		all = append(all, rules.MatchWords(m)...)
	}
	return append(all, r.Target.Options...)
}

// onlyLimits reports that all that is vague about a rule is a rate of -m limit, of which it is known how it is printed.
func onlyLimits(r rules.Rule) bool {
	r.Matches = slices.DeleteFunc(slices.Clone(r.Matches), func(m rules.Match) bool { return m.Module() == "limit" })
	return !r.IsVague()
}

// findAlike looks for the rule of an Insert or a Replace among those that are printed otherwise. What may be it and may be
// another's is left: doubt says that.
func (m mark) findAlike(c rules.Change, list *lineup, score func(int) int) (at int, ok bool, doubt string) {
	made := c.Rule.InChain(c.Chain)
	like := list.alike(made)
	if len(like) <= m.Like {
		return 0, false, ""
	}
	var certain, possible []int
	for _, p := range like {
		switch list.chain.kin(made, list.at(p).Rule) {
		case same:
			certain = append(certain, p)
		case perhaps:
			possible = append(possible, p)
		}
	}
	if len(certain) > 0 {
		return best(certain, c.At, score), true, ""
	}
	// Nobody saw how the rule is printed, and this one is new and stands where it belongs.
	if len(possible) == 1 && m.Like == 0 && !m.Done && m.surrounds(list, possible[0]) {
		return possible[0], true, ""
	}
	if len(possible) > 0 {
		return 0, false, fmt.Sprintf("it is not known whether the rule of this change is still there, printed otherwise, so this one was left in %s: %s", c.Chain, list.line(possible[0]))
	}
	return 0, false, ""
}

// surrounds reports whether the rule at a place has the neighbours of the mark, which may be printed otherwise themselves.
func (m mark) surrounds(list *lineup, p int) bool {
	alike := func(want text, at int) bool {
		now := list.line(at)
		if want == "" || now == "" || want == now {
			return want == now
		}
		r, err := rules.Parse(string(want))
		return err == nil && list.chain.likeness(r) == list.chain.likeness(list.at(at).Rule)
	}
	return alike(m.Prev, p-1) && alike(m.Next, p+1)
}
