package doctor

import (
	"fmt"
	"slices"

	"nattui/rules"
)

// current is a forward as the rules are now: of the same rule, wherever that stands, or else of what takes the same packets today.
// It is false where nothing does any more.
func (x *Examination) current(f Forward) (Forward, bool) {
	_, several := f.servers()
	text := func(o *Forward) string { return o.rule.InChain("").String() }
	asksTheSame := func(o *Forward) bool { return o.Asked == f.Asked && o.Proto == f.Proto }
	for _, is := range []func(o *Forward) bool{
		func(o *Forward) bool {
			return o.further && o.Rule == f.Rule && asksTheSame(o) && o.Link == f.Link // what the whole gateway is told is told here too
		},
		func(o *Forward) bool {
			return o.Rule == f.Rule && text(o) == text(&f) && asksTheSame(o) && (several || o.Server == f.Server)
		},
		func(o *Forward) bool {
			return text(o) == text(&f) && asksTheSame(o) && (several || o.Server == f.Server)
		},
	} {
		if i := slices.IndexFunc(x.forwards, func(o Forward) bool { return is(&o) }); i >= 0 {
			now := x.forwards[i]
			now.exact = f.exact
			return now, true
		}
		if i := slices.IndexFunc(x.others, func(o Forward) bool { return is(&o) }); i >= 0 {
			return x.others[i], true
		}
	}
	if r, ok := ruleOf(x.sets, f.Rule); ok && r.InChain("").String() == text(&f) || x.stillThere(&f) {
		return f, true // asked for by a port or an address of its own
	}
	for _, is := range []func(o *Forward) bool{
		func(o *Forward) bool { return o.Rule == f.Rule && asksTheSame(o) },
		func(o *Forward) bool { return asksTheSame(o) && o.Link == f.Link },
	} {
		if i := slices.IndexFunc(x.forwards, func(o Forward) bool { return is(&o) }); i >= 0 {
			return x.forwards[i], true
		}
	}
	return f, false
}

// stillThere tells that a native rule is the one that a forward is of.
func (x *Examination) stillThere(f *Forward) bool {
	return f.Rule.Backend == rules.Native && slices.ContainsFunc(x.forwards, func(o Forward) bool {
		return o.Rule == f.Rule && o.rule.InChain("").String() == f.rule.InChain("").String()
	})
}

// gone tells that a forward's rule is no more, and that no other takes what it took.
func gone(f *Forward) Finding {
	found := unknown(fmt.Sprintf("%s is gone, or is another rule now, and none sends %s %s elsewhere.", ruleName(f.Rule), f.Proto, f.askedText()))
	found.Check, found.Subject = "arrives", ruleName(f.Rule)
	return found
}
