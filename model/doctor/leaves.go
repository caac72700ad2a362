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

// stepLeaves asks whether the answer leaves by the interface that the client's
// packet came by.
func stepLeaves(x *Examination, f *Forward) Finding {
	if !f.Asked.Addr().IsValid() || f.Link == "" {
		return Finding{Sentence: "The answer goes back to the client."}
	}
	p, way, ok := x.answerWay(f)
	if !ok {
		return unknown("By which way the answer leaves is not known.")
	}
	o, blocked := way.blocked()
	switch {
	case !way.known || way.Incomplete:
		return unknown(fmt.Sprintf("By which way the answer to %s leaves is not known: %s.", p.Dst, way.doubt()))
	case blocked && o.DroppedBy.IsZero():
		return Finding{
			Check: "answer-no-route", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{o.Why, f.ruleCount()},
			Sentence: fmt.Sprintf("The answer from %s to clients that come by %s ends here: %s.", p.Src, f.Link, strings.TrimSuffix(o.Why, ".")),
		}
	case blocked:
		return unknown(fmt.Sprintf("By which way the answer to %s leaves is not known: %s drops it.", p.Dst, dropperName(o.DroppedBy, way.hook(o.DroppedBy))), x.dropperText(o.DroppedBy))
	case slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.Out == "" }):
		if outs := x.nextHops(f.Rule.Family); len(outs) > 0 {
			return unknown(fmt.Sprintf("By which way the answer to %s leaves is not known: the default route leads by %s, and the kernel chooses for each connection.", p.Dst, strings.Join(outs, " or ")))
		}
		return unknown(fmt.Sprintf("By which way the answer to %s leaves is not known: %s.", p.Dst, way.doubt()))
	case slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.Out != way.Outcomes[0].Out }):
		return unknown(fmt.Sprintf("By which way the answer to %s leaves is not known: %s.", p.Dst, way.doubt()))
	case !x.outward(f.Link):
		if found := unheard(x, f, &way); found.Check != "" {
			return found
		}
		return Finding{Sentence: "The answer goes back to the client."}
	}
	back := way.Outcomes[0]
	if back.Out == f.Link && !x.anyDefault(f.Rule.Family) {
		return Finding{
			Check: "answer-no-route", Severity: SeverityNote, Evidence: []string{"no route to " + f.Rule.Family.Whole().String() + " in any table"},
			Sentence: fmt.Sprintf("There is no default route: clients on networks that a route leads to are answered, such as %s by %s, and others are not.", p.Dst, f.Link),
		}
	}
	if back.Out == f.Link {
		if found := unheard(x, f, &way); found.Check != "" {
			return found
		}
		return Finding{Sentence: fmt.Sprintf("The answer leaves by %s, where the packet came from.", f.Link)}
	}
	found := Finding{
		Check: "answer-leaves-elsewhere", Severity: SeverityError, Subject: ruleName(f.Rule),
		Evidence: []string{fmt.Sprintf("route back to %s: by %s", f.packet.Src, back.Out), fmt.Sprintf("%s arrives by %s", f.Asked, f.Link)},
		Sentence: fmt.Sprintf("Answers to clients that come by %s leave by %s, with an address that is not from there: the provider drops them.", f.Link, back.Out),
	}
	if f.further {
		// A host with several ways out serves the Internet by one of them, unless somebody has seen to the others.
		found.Severity = SeverityNote
		if x.seenTo(f.Link, f.Asked.Addr()) {
			found.Severity = SeverityWarning
		}
	}
	found.Cure, found.Commands = x.markedRoute(f)
	return found
}

// unheard tells of answers that have left and that no client has heard.
func unheard(x *Examination, f *Forward, way *fate) Finding {
	seen := x.stats.tallyOf(f)
	if seen.unheard == 0 || seen.replied > 0 || len(way.Outcomes) == 0 || x.ipsecDecides(way).Sentence != "" {
		return Finding{}
	}
	if by, ok := x.neverPassed(way); ok {
		found := unknown(fmt.Sprintf("Whether clients hear the answers of %s is not known: %s for the client, who has not heard the answer, and no answer has passed since the rules are as they are. Have somebody try again.", f.Server, waits(seen.unheard)), ruleName(by)+": "+x.dropperText(by))
		found.Check = "answer-leaves"
		return found
	}
	found := Finding{
		Check: "answer-lost", Severity: SeverityWarning,
		Evidence: []string{fmt.Sprintf("%s of which %s has answered and the client has not heard it", rules.Plural(seen.unheard, "connection"), f.Server)},
		Sentence: fmt.Sprintf("%s answers, the answers leave by %s, and no client hears them: they are lost behind it, such as by a router there that is not the one, or that drops %s as source; unless rules that dropped them here were changed just now.", f.Server, way.Outcomes[0].Out, f.Asked.Addr()),
	}
	p, _, _ := x.answerWay(f)
	out := way.Outcomes[0].Out
	for _, l := range x.Links {
		if l.Name == p.In || l.Name == f.Link || !l.Up || l.Kind == "loopback" || p.Local || !x.carries(l.Name, f.Rule.Family) {
			continue
		}
		other := p
		other.In = l.Name
		back := x.fate(other)
		if o, blocked := back.blocked(); blocked {
			why := strings.TrimSuffix(o.Why, ".")
			if !o.DroppedBy.IsZero() {
				why = dropperName(o.DroppedBy, back.hook(o.DroppedBy)) + " drops them"
				found.Evidence = append(found.Evidence, x.dropperText(o.DroppedBy))
			}
			found.Sentence = fmt.Sprintf("%s answers, and no client hears it. Where its answers come back by %s, they end here: %s. Where they come by %s, they leave by %s and are lost behind it.", f.Server, l.Name, why, p.In, out)
		}
	}
	return found
}

// neverPassed is a rule that lets a packet through today and of which no match is known yet, so that none like it may have
// come since the rule is there; false where there is none.
func (x *Examination) neverPassed(way *fate) (by evaluate.RuleRef, ok bool) {
	told := x.told(way.Packet)
	i := slices.IndexFunc(told.Visits, func(v evaluate.Visit) bool {
		return v.Rule != nil && v.Verdict == evaluate.Yes && v.Rule.Target.Kind == rules.Accept && v.Rule.Counters.Packets == 0
	})
	if i < 0 {
		return by, false
	}
	return told.Visits[i].RuleRef, true
}

// seenTo tells that a policy rule routes what comes from an address of a link: the link is meant to be used from outside.
func (n network) seenTo(link string, a netip.Addr) bool {
	return slices.ContainsFunc(n.PolicyRules, func(r facts.PolicyRule) bool {
		return r.From.IsValid() && r.From.Bits() > 0 && r.From.Contains(a) && n.onNet(link, a)
	})
}

// unused are a mark and a routing table that nobody uses yet.
func (n network) unused() (mark, table string) {
	number := uint32(110)
	for slices.ContainsFunc(n.Routes, func(r facts.RouteEntry) bool { return r.Table == number }) ||
		slices.ContainsFunc(n.PolicyRules, func(r facts.PolicyRule) bool { return r.Table == number || r.Mark == number }) {
		number++
	}
	return fmt.Sprintf("%#x", number), fmt.Sprint(number)
}

// markedRoute sends answers back by the interface that the connection came by:
// connections are marked there, and marked answers use a routing table of their own.
func (t *trial) markedRoute(f *Forward) (rules.Plan, [][]string) {
	mark, table := t.unused()
	router, ok := t.routerOn(f.Link, f.Asked.Addr())
	if !ok {
		return rules.Plan{}, nil
	}
	route, _ := t.Facts.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	plan := rules.Plan{Title: "Mark connections that come by " + f.Link + ", so that their answers can be routed back there"}
	for _, l := range []struct{ line, why string }{
		{fmt.Sprintf("-A %%s -i %s -m conntrack --ctstate NEW -j CONNMARK --set-xmark %s/0xffffffff", f.Link, mark), "connections that begin at " + f.Link + " get a mark"},
		{fmt.Sprintf("-A %%s -i %s -m connmark --mark %s -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff", route.Out, mark), "their answers get it too, before they are routed"},
	} {
		step, ok := t.insert(evaluate.RuleRef{Variant: f.Rule.Variant, Table: "mangle", Chain: "PREROUTING"}, l.line, l.why)
		if !ok {
			return rules.Plan{}, nil
		}
		plan.Steps = append(plan.Steps, step)
	}
	ip := []string{"ip"}
	if f.Rule.Family == rules.IPv6 {
		ip = append(ip, "-6")
	}
	return plan, [][]string{
		slices.Concat(ip, []string{"route", "add", "default", "via", router.String(), "dev", f.Link, "table", table}),
		slices.Concat(ip, []string{"rule", "add", "fwmark", mark, "lookup", table}),
	}
}
