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

// nextHops are the links that a family's default route leaves by where it has several next hops, of which the kernel
// chooses one for each connection; none where it has one.
func (n network) nextHops(family rules.Family) (links []string) {
	r, ok := n.DefaultRoute(family)
	if !ok || len(r.Hops) < 2 {
		return nil
	}
	for _, h := range r.Hops {
		if h.Out != "" && !slices.Contains(links, h.Out) {
			links = append(links, h.Out)
		}
	}
	if len(links) < 2 {
		return nil
	}
	return links
}

// checkMultipath tells of connections from inside that are translated by one next hop of the default route and not by
// another: which of them a connection takes is the kernel's choice, and some get no answer.
func checkMultipath(x *Examination) (list []Finding) {
	for _, family := range rules.Families {
		outs := x.nextHops(family)
		if len(outs) == 0 {
			continue
		}
		world, known := x.worldAddr(family, "")
		for _, link := range x.innerLinks(family, outs[0]) {
			client, ok := x.insider(link, family, func(a netip.Addr) bool { return family.Holds(a) && !x.IsLocal(a) && isInner(a) })
			if ok && known && !slices.Contains(outs, link) {
				list = append(list, x.partlyShared(family, link, outs, evaluate.Packet{Protocol: rules.TCP, Src: client, Dst: world, SrcPort: 51515, DstPort: 443, In: link})...)
			}
		}
	}
	return list
}

// byHop follows a packet as it is where the kernel has chosen a next hop of the default route.
func (x *Examination) byHop(p evaluate.Packet, out string) fate {
	return x.hops(out).fate(p)
}

// hops is the gateway with one next hop of its default routes alone.
func (x *Examination) hops(out string) *trial {
	known := *x.Facts
	known.Routes = slices.Clone(known.Routes)
	for i := range known.Routes {
		r := &known.Routes[i]
		if r.Dst.Bits() != 0 || len(r.Hops) < 2 {
			continue
		}
		if at := slices.IndexFunc(r.Hops, func(h facts.Hop) bool { return h.Out == out }); at >= 0 {
			r.Hops = []facts.Hop{r.Hops[at]}
		}
	}
	t := newTrial(&known, x.sets, x.programs)
	t.named = x.named
	return &t
}

// partlyShared tells by which of several ways out what a network sends is not translated, where it is by another.
func (x *Examination) partlyShared(family rules.Family, link string, outs []string, p evaluate.Packet) []Finding {
	var with, without []string
	var by evaluate.RuleRef
	for _, out := range outs {
		way := x.byHop(p, out)
		if !way.passes() || len(way.Outcomes) != 1 || way.Outcomes[0].Delivered != evaluate.Forwarded || way.translators != "" {
			return nil
		}
		if o := &way.Outcomes[0]; o.SNAT {
			with, by = append(with, out), o.SNATBy
		} else {
			without = append(without, out)
		}
	}
	if len(with) == 0 || len(without) == 0 {
		return nil
	}
	found := Finding{
		Check: "not-translated", Severity: SeverityError, Subject: fmt.Sprintf("%s out by %s", link, strings.Join(without, ", ")), Evidence: []string{"default route by " + strings.Join(outs, " or ") + ", which the kernel chooses for each connection", x.dropperText(by)},
		Sentence: fmt.Sprintf("What machines at %s send to the Internet is translated where it leaves by %s, and not where it leaves by %s: those connections get no answer.", link, strings.Join(with, ", "), strings.Join(without, ", ")),
	}
	net, ok := x.netOf(link, p.Src)
	plan := rules.Plan{Title: "Give what leaves by " + strings.Join(without, ", ") + " this host's address too"}
	for _, out := range without {
		line := fmt.Sprintf("-A %%s -s %s -o %s -j MASQUERADE", net.Masked(), out)
		step, fits := x.insert(evaluate.RuleRef{Variant: by.Variant, Table: "nat", Chain: "POSTROUTING"}, line, "whichever way a connection takes, its answers find back")
		if ok = ok && fits; ok {
			plan.Steps = append(plan.Steps, step)
		}
	}
	if ok && by.Backend != rules.Native {
		found.Cure = plan
	}
	return []Finding{found}
}
