package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// fate is what becomes of a packet, as far as can be told.
type fate struct {
	evaluate.Path
	known bool
	why   string // it is not known
	// unseen names the nft tables that the packet meets too and that are not evaluated: Path is what iptables'
	// rules make of it, and not certain. translators are those of them that may translate it.
	unseen, translators string
	// unread names native nft tables that filter and could not be read: they may drop what iptables' rules let through.
	unread string
}

// fate follows a packet. The rules that it met are told only where it does not
// arrive, or where that is not certain: to tell them all takes much longer.
func (t *trial) fate(p evaluate.Packet) fate {
	way := t.brief(p)
	if way.Certain && (way.Outcomes[0].Delivered == evaluate.Forwarded || way.Outcomes[0].Delivered == evaluate.Delivered) {
		return way
	}
	return t.told(p)
}

// brief follows a packet and tells no rule; where what becomes of it is not certain, there may be more to it than that. Of
// a packet that comes by an interface that this host does not have nothing is known, which told says.
func (t *trial) brief(p evaluate.Packet) fate {
	if _, ok := t.LinkNamed(p.In); !ok && p.In != "" {
		return t.told(p)
	}
	outcomes, certain := t.alone.Outcomes(nil, &p)
	return t.seen(evaluate.Path{Packet: p, Outcomes: outcomes, Certain: certain})
}

// told follows a packet and tells every rule that it met.
func (t *trial) told(p evaluate.Packet) fate {
	path, err := t.alone.Evaluate(p)
	t.spent.visited(len(path.Visits))
	way := t.seen(path)
	if err != nil {
		way.known, way.why = false, err.Error()
	}
	return way
}

// seen is a packet's path with what else decides about it and is not evaluated.
func (t *trial) seen(path evaluate.Path) fate {
	p := path.Packet
	return fate{Path: path, known: len(path.Outcomes) > 0, unseen: t.unseen(p), translators: t.translators(p), unread: t.unread(p)}
}

// unread names the native nft tables that filter what a packet's family sends and could not be read; "" where none do.
func (t *trial) unread(p evaluate.Packet) string {
	if t.Native != nil {
		return ""
	}
	var names []string
	for _, n := range t.NativeFilters {
		if n.Meets(rules.FamilyOf(p.Src)) || n.Family == "netdev" {
			names = append(names, n.String())
		}
	}
	return strings.Join(names, ", ")
}

// translators name the nft tables that may translate a packet and are not evaluated.
func (t *trial) translators(p evaluate.Packet) string {
	family := rules.FamilyOf(p.Src)
	var names []string
	if t.Native != nil {
		return ""
	}
	for _, n := range t.Natives {
		if n.Meets(family) {
			names = append(names, n.String())
		}
	}
	for _, p := range t.variants() {
		if p.Family == family && t.sets[p].Foreign["nat"] != "" {
			names = append(names, "table "+family.NFT()+" nat")
		}
	}
	return strings.Join(names, ", ")
}

// unseen names the nft tables that a packet meets and that are not evaluated.
func (t *trial) unseen(p evaluate.Packet) string {
	if t.alone == t.evaluator {
		return ""
	}
	return t.evaluator.Unseen(rules.FamilyOf(p.Src))
}

// blocked is how the packet ends, if it does not arrive, whichever branch it takes: where it may be dropped and finds no
// route otherwise, by the want of a route.
func (x *fate) blocked() (evaluate.Outcome, bool) {
	if !x.known || x.Incomplete {
		return evaluate.Outcome{}, false
	}
	for i := range x.Outcomes {
		if o := &x.Outcomes[i]; o.Delivered != evaluate.Dropped && o.Delivered != evaluate.NoRoute {
			return evaluate.Outcome{}, false
		}
	}
	if i := slices.IndexFunc(x.Outcomes, func(o evaluate.Outcome) bool { return o.Delivered == evaluate.NoRoute }); i > 0 {
		return x.Outcomes[i], true
	}
	return x.Outcomes[0], true
}

// passes tells that the packet certainly arrives.
func (x *fate) passes() bool { return x.unseen == "" && x.unread == "" && x.allowed() }

// allowed tells that the packet arrives as far as the rules go that are evaluated, whichever branch it takes.
func (x *fate) allowed() bool {
	return x.known && !x.Incomplete && !slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool {
		return o.Delivered != evaluate.Forwarded && o.Delivered != evaluate.Delivered
	})
}

// doubt says in a few words why it is not known what becomes of the packet.
func (x *fate) doubt() string {
	switch {
	case x.why != "":
		return x.why
	case x.translators != "":
		return x.translators + " also translates, and its rules are not evaluated"
	case x.unseen != "":
		return x.unseen + " holds nft rules that are not evaluated"
	case x.unread != "":
		return x.unread + " filters too, and could not be read"
	case len(x.Doubts) > 0:
		if left := x.decisive(); len(left) > 0 {
			return left[0].String()
		}
		return x.Doubts[0].String()
	case len(x.Outcomes) > 0 && x.Outcomes[0].Why != "":
		return x.Outcomes[0].Why
	}
	if by := x.Outcomes; len(by) > 1 && by[0].DNATBy.Variant != by[1].DNATBy.Variant && !by[0].DNATBy.IsZero() && !by[1].DNATBy.IsZero() {
		return fmt.Sprintf("%s and %s both translate it; which comes first depends on which was made first", ruleName(by[0].DNATBy), ruleName(by[1].DNATBy))
	}
	if len(x.Outcomes) == 1 && !x.Outcomes[0].DroppedBy.IsZero() {
		return ruleName(x.Outcomes[0].DroppedBy) + " drops it"
	}
	return "the rules leave it open"
}

// arrives tells that the packet may arrive.
func (x *fate) arrives() bool {
	return x.known && slices.ContainsFunc(x.Outcomes, isDelivered)
}

// isDelivered tells that a packet gets to this host or on its way to another.
func isDelivered(o evaluate.Outcome) bool {
	return o.Delivered == evaluate.Forwarded || o.Delivered == evaluate.Delivered
}

// by tells that a rule may translate the packet's destination.
func (x *fate) by(r evaluate.RuleRef) bool {
	return slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool { return o.DNATBy == r || o.SNATBy == r })
}

// leadsTo tells that the packet may get to the server of a forward, by its rule.
func (x *fate) leadsTo(f *Forward) bool {
	return x.known && slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool {
		return isDelivered(o) && o.DNATBy == f.Rule && (f.local || !o.Dst.Addr.IsValid() || o.Dst.Addr == f.Server.Addr())
	})
}

// onlyBy tells that no other rule may translate the packet's destination.
func (x *fate) onlyBy(r evaluate.RuleRef) bool {
	return !slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool { return o.DNATBy != r && o.SNATBy != r })
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
		if v.Variant == r.Variant && v.Table == r.Table && rules.IsBuiltIn(v.Table, v.Chain) {
			last = v.RuleRef
		}
		if v.RuleRef == r {
			break
		}
	}
	return last
}

// cameToNAT tells that a packet was asked by rules that translate, as a rule is one.
func (x *fate) cameToNAT(r evaluate.RuleRef) bool {
	return slices.ContainsFunc(x.Visits, func(v evaluate.Visit) bool {
		return v.Variant == r.Variant && (v.Table == "nat" || v.In != nil && v.In.Type == "nat")
	})
}

// taker is the rule of the nat table that takes a packet.
func (x *fate) taker(p rules.Variant) (evaluate.RuleRef, string) {
	for _, v := range x.Visits {
		if v.Table != "nat" || v.Verdict != evaluate.Yes || v.Rule == nil || v.Variant != p {
			continue
		}
		switch k := v.Rule.Target.Kind; {
		case k.Translates(), k == rules.Accept, k == rules.Return, k == rules.Drop:
			return v.RuleRef, v.Rule.String()
		}
	}
	return evaluate.RuleRef{}, ""
}

// translates tells that the packet's destination is translated, whichever branch it takes.
func (x *fate) translates() bool {
	return x.known && !x.Incomplete && !slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool { return !o.DNAT && !o.SNAT })
}

// routed tells that the packet came to rules behind the routing decision, which the reverse path filter is a part of.
func (x *fate) routed() bool {
	return slices.ContainsFunc(x.Visits, func(v evaluate.Visit) bool {
		hook := v.Chain
		if v.In != nil {
			hook = strings.ToUpper(v.In.Hook)
		}
		return slices.Contains([]string{"FORWARD", "INPUT", "POSTROUTING"}, hook)
	})
}
