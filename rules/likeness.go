package rules

import (
	"slices"
	"strconv"
	"strings"
)

// Likeness is what is compared of two rules to tell whether one may be how the kernel, or another iptables, prints the other: all
// that is understood of them, in a form that does not depend on how it was spelled. Rules of different likeness do
// different things. Of what IsVague tells, only the names are in it.
func (r Rule) Likeness() string {
	if r.unparseable != nil {
		return r.InChain("").String()
	}
	parts := []string{
		netLikeness(r.Source), netLikeness(r.Dest), signed(r.In.Not, r.In.Name), signed(r.Out.Not, r.Out.Name),
		protoLikeness(r.Protocol), strconv.Itoa(int(r.Fragment)),
	}
	var matches []string
	for _, m := range r.Matches {
		if text := matchLikeness(m); text != "" {
			matches = append(matches, text)
		}
	}
	slices.Sort(matches) // nf_tables may keep its own expressions apart from those of xtables
	target := r.Target.words(nil)
	if r.Target.Kind == Other {
		target = target[:2]
	}
	return strings.Join(slices.Concat(parts, matches, target), "\x00")
}

// IsVague reports parts of a rule whose spelling says nothing about whether two of them are the same, as they are not understood
// or are printed as the kernel has rounded them.
func (r Rule) IsVague() bool {
	return r.Target.Kind == Other || slices.ContainsFunc(r.Matches, vague)
}

func vague(m Match) bool {
	switch x := m.(type) {
	case Opaque, Time:
		return true
	case Statistic:
		return !x.Nth
	}
	return false
}

func signed(not bool, text string) string {
	if not {
		return "! " + text
	}
	return text
}

// netLikeness is "" for every address, as iptables prints none then.
func netLikeness(n Net) string {
	if p, ok := n.Prefix(); ok && p.Bits() == 0 && !n.Not {
		return ""
	}
	return signed(n.Not, n.String())
}

func protoLikeness(p ProtoMatch) string {
	switch number, ok := p.Number(); {
	case p.Any() && !p.Not:
		return ""
	case ok:
		return signed(p.Not, strconv.Itoa(int(number)))
	}
	return signed(p.Not, p.Name)
}

// matchLikeness is "" for a match that holds always: iptables prints -m tcp without options or leaves it out.
func matchLikeness(m Match) string {
	switch x := m.(type) {
	case Transport:
		if len(x.options()) == 0 {
			return ""
		}
	case MAC:
		return signed(x.Not, "mac "+strings.ToLower(x.Address))
	case CTState: // the older name of the same
		m = Conntrack{State: &WordsMatch{x.Not, x.States}}
	case Conntrack:
		if x.Proto != nil {
			x.Proto = &ProtoMatch{x.Proto.Not, protoLikeness(ProtoMatch{Name: x.Proto.Name})}
			m = x
		}
	}
	words := []string{m.Module()}
	if vague(m) {
		return words[0]
	}
	for _, o := range m.options() {
		words = append(words, signed(o.Not, o.Name))
		for _, arg := range o.Args {
			words = append(words, listLikeness(m, arg))
		}
	}
	return strings.Join(words, " ")
}

// listLikeness puts a list of key words in order.
func listLikeness(m Match, arg string) string {
	switch m.(type) {
	case Conntrack, AddrType:
		list := strings.Split(arg, ",")
		slices.Sort(list)
		return strings.Join(list, ",")
	}
	return arg
}
