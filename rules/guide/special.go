package guide

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// special is a rule that gives some machines of a network a source of their own, before the network is shared as a whole.
type special struct {
	by   evaluate.RuleRef
	host netip.Addr // one of them
	as   netip.Addr // invalid where it is not known
	// priority is that of the chain which leads to it, where that is a native one.
	priority int32
}

// hostsTried is how many machines of a network are looked at, and specialsTold how many rules are told.
const (
	hostsTried   = 512
	specialsTold = 4
)

// unfiltered is the builder with nothing that filters what is forwarded: which rule would translate what a filter drops as yet
// is seen only so.
func (b *builder) unfiltered() *builder {
	open := newBuilder(b.Host, b.family, "")
	for variant, set := range b.sets {
		if set == nil {
			continue
		}
		passing := *set
		passing.Tables = slices.DeleteFunc(slices.Clone(set.Tables), func(t rules.Table) bool { return t.Name == "filter" })
		open.sets[variant] = &passing
	}
	native := b.Kernel.Native.Ruleset()
	if native == nil {
		return open
	}
	passing := *native
	passing.Tables = nil
	for _, t := range native.Tables {
		copied := *t
		copied.Chains = slices.DeleteFunc(slices.Clone(t.Chains), func(c *nft.Chain) bool { return c.Type == "filter" && c.Hook == "forward" })
		passing.Tables = append(passing.Tables, &copied)
	}
	open.Kernel.Native = evaluate.CompileNative(&passing)
	return open
}

// outward is what a machine inside sends to the Internet.
func (b *builder) outward(src netip.Addr, out string) evaluate.Packet {
	p := evaluate.Packet{Protocol: rules.TCP, Src: src, Dst: world(b.family), SrcPort: 40000, DstPort: 443, Out: out}
	if r, ok := b.route(src); ok {
		p.In = r.Out
	}
	return p
}

// specials are the rules that translate some machines of a network as it is.
func (b *builder) specials(net netip.Prefix, out string) (list []special) {
	b = b.unfiltered()
	host := net.Masked().Addr()
	var buf []evaluate.Outcome
	for range hostsTried {
		if !net.Contains(host) || len(list) >= specialsTold {
			break
		}
		p := b.outward(host, out)
		buf, _ = b.evaluator().Outcomes(buf[:0], &p)
		if len(buf) > 0 && !buf[0].SNATBy.IsZero() && !slices.ContainsFunc(list, func(s special) bool { return s.by == buf[0].SNATBy }) {
			list = append(list, special{by: buf[0].SNATBy, host: host, as: buf[0].Src.Addr, priority: b.priorityOf(buf[0].SNATBy, p)})
		}
		host = host.Next()
	}
	return list
}

// priorityOf is the priority of the native chain of the kernel's that leads a packet to a rule.
func (b *builder) priorityOf(by evaluate.RuleRef, p evaluate.Packet) (priority int32) {
	path, err := b.evaluator().Evaluate(p)
	if err != nil || by.Backend != rules.Native {
		return 0
	}
	for i := range path.Visits {
		v := &path.Visits[i]
		if v.In != nil && v.In.IsBase() {
			priority = v.In.Priority
		}
		if v.RuleRef == by {
			break
		}
	}
	return priority
}

// warnSpecials says which of these rules the plan's own takes machines from.
func (b *builder) warnSpecials(all []special, net netip.Prefix, out string) {
	for _, s := range all {
		after := b.orderAfter(s, out)
		if after == "" {
			continue
		}
		as := "an address of their own"
		if s.as.IsValid() {
			as = "the address " + s.as.String()
		}
		b.warn("net", "", "rule %d of %s gives some machines of %s, such as %s, %s, and %s: %s", s.by.Position, placeOf(s.by), net, s.host, as, after, b.lineOf(s.by))
	}
}

// What becomes of a rule with the plan's own beside it.
const (
	newFirst  = "the new rule comes before it"
	eitherOne = "which comes first, it or the new rule, is not known"
)

// orderBesideOwn says what becomes of a rule with a new one of nattui's own table beside it, which comes before those of iptables;
// "" where the rule stays first. priority is that of the native chain that leads to it, chain the one of iptables that the new
// rule's stands for.
func orderBesideOwn(by evaluate.RuleRef, priority int32, chain string) string {
	switch own := nft.OwnPriority(chain); {
	case by.Backend == rules.Native && (by.Table == "inet "+nft.OwnTable || priority < own):
		return ""
	case by.Backend == rules.Native && priority == own:
		return eitherOne
	}
	return newFirst
}

// orderAfter says what becomes of a rule with the plan's own beside it; "" where it is still asked for its machine.
func (b *builder) orderAfter(s special, out string) string {
	if b.Native {
		return orderBesideOwn(s.by, s.priority, "POSTROUTING")
	}
	p := b.outward(s.host, out)
	outcomes, _ := b.unfiltered().evaluator().Outcomes(nil, &p)
	isOther := func(o evaluate.Outcome) bool { return o.SNATBy != s.by }
	switch {
	case !slices.ContainsFunc(outcomes, isOther):
		return ""
	case !slices.ContainsFunc(outcomes, func(o evaluate.Outcome) bool { return !isOther(o) }):
		return newFirst
	}
	return eitherOne
}

// placeOf is a rule's chain, with the table where that is a native one.
func placeOf(r evaluate.RuleRef) string {
	if r.Backend == rules.Native {
		return fmt.Sprintf("%s %s", r.Table, r.Chain)
	}
	return r.Chain
}
