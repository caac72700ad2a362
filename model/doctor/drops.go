package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkDrops tells what the kernel itself has lost, and what filter rules have dropped on its way through this host:
// connections that never came to be leave no other trace.
func checkDrops(x *Examination) (list []Finding) {
	now, before := &x.Drops, &x.DropsBefore
	for _, c := range []struct {
		check, what, why string
		now, before      uint64
	}{
		{"no-route-found", "found no route as they came", "no route, or one that refuses, leads to where they were to go", now.InNoRoute, before.InNoRoute},
		{"no-route-out", "found no route as they were to leave", "this host, or a translation, sends to where no route leads", now.OutNoRoute, before.OutNoRoute},
		{"reverse-path-drops", "were dropped by the reverse path filter", "they came by another interface than answers would leave by", now.ReversePath, before.ReversePath},
	} {
		if c.now == 0 || !now.Known {
			continue
		}
		found := Finding{
			Check: c.check, Severity: SeverityNote, Subject: "kernel", Evidence: refusals(x),
			Sentence: fmt.Sprintf("%s %s so far: %s.", rules.Plural(c.now, "packet"), c.what, c.why),
		}
		if before.Known && c.now > c.before {
			found.Severity = SeverityWarning
			found.Sentence = fmt.Sprintf("%s %s just now, %d so far: %s.", rules.Plural(c.now-c.before, "packet"), c.what, c.now, c.why)
		}
		list = append(list, found)
	}
	return slices.Concat(list, invalid(x), filterDrops(x))
}

// invalid tells of packets that belong to no connection, as they come now: they pass untranslated, with addresses that
// the other end does not know, unless a rule drops them.
func invalid(x *Examination) []Finding {
	now, before := &x.Health, &x.Earlier
	if !now.HasStats || !before.HasStats || now.Stats.Invalid <= before.Stats.Invalid || x.dropsInvalid() || !x.passes() {
		return nil
	}
	return []Finding{{
		Check: "invalid-packets", Severity: SeverityNote, Subject: "conntrack", Evidence: []string{fmt.Sprintf("invalid = %d, %d of them just now", now.Stats.Invalid, now.Stats.Invalid-before.Stats.Invalid)},
		Sentence: "Packets that belong to no connection pass through this host, untranslated: whoever gets them with an address that it does not know resets the connection. Drop them in FORWARD, -m conntrack --ctstate INVALID -j DROP, and check whether replies bypass this host.",
	}}
}

// dropsInvalid tells that a rule behind FORWARD drops packets that belong to no connection.
func (t *trial) dropsInvalid() (drops bool) {
	w := walker{sets: t.sets}
	for _, p := range t.variants() {
		w.walk(evaluate.RuleRef{Variant: p, Table: "filter", Chain: "FORWARD"}, sketch{family: p.Family}, func(_ evaluate.RuleRef, r *rules.Rule, _ sketch) {
			drops = drops || closes(r) && slices.ContainsFunc(r.Matches, func(m rules.Match) bool {
				switch m := m.(type) {
				case rules.CTState:
					return !m.Not && slices.Contains(m.States, "INVALID")
				case rules.Conntrack:
					return m.State != nil && !m.State.Not && slices.Contains(m.State.Words, "INVALID")
				}
				return false
			})
		})
	}
	return drops
}

// refusals are the routes and policy rules that refuse what they match.
func refusals(x *Examination) (list []string) {
	for _, r := range x.PolicyRules {
		if r.Action == facts.RuleBlackhole || r.Action == facts.RuleUnreachable || r.Action == facts.RuleProhibit {
			list = append(list, fmt.Sprintf("ip rule %d: %s", r.Priority, r.Action))
		}
	}
	for i := range x.Routes {
		if k := x.Routes[i].Kind; (k == facts.RouteBlackhole || k == facts.RouteUnreachable || k == facts.RouteProhibit) && x.Routes[i].Dst.Addr().Is4() {
			list = append(list, fmt.Sprintf("route to %s: %s", x.Routes[i].Dst, k))
		}
	}
	return list[:min(len(list), 4)]
}

// tells says that problems name all the rules and policies that a note on drops has as its evidence.
func (r report) tells(evidence []string) bool {
	return !slices.ContainsFunc(evidence, func(e string) bool {
		_, rule, _ := strings.Cut(e, ": ")
		return !slices.ContainsFunc(r, func(f Finding) bool { return f.IsProblem() && slices.Contains(f.Evidence, rule) })
	})
}

// dropCount is a policy or rule that has dropped packets.
type dropCount struct {
	at      evaluate.RuleRef
	text    string
	packets uint64
}

// filterDrops tells, in one note a variant, which policies and rules have dropped what was to pass through.
func filterDrops(x *Examination) (list []Finding) {
	for _, p := range x.variants() {
		drops := x.dropsOf(p)
		if len(drops) == 0 {
			continue
		}
		slices.SortStableFunc(drops, func(a, b dropCount) int { return cmp.Compare(b.packets, a.packets) })
		total := uint64(0)
		for _, d := range drops {
			total += d.packets
		}
		found := Finding{
			Check: "filter-drops", Severity: SeverityNote, Subject: "FORWARD" + variantNote(p),
			Sentence: fmt.Sprintf("Filter rules dropped %s that were to pass through this host, since their counters began.", rules.Plural(total, "packet")),
		}
		if grown := grownSince(x, drops); grown > 0 {
			found.Sentence = fmt.Sprintf("Filter rules dropped %s that were to pass through this host since the last look, %d since their counters began.", rules.Plural(grown, "packet"), total)
		}
		for _, d := range drops[:min(len(drops), 4)] {
			found.Evidence = append(found.Evidence, fmt.Sprintf("%s: %s", ruleName(d.at), d.text))
		}
		list = append(list, found)
	}
	return list
}

// grownSince is how many packets were dropped since the look before, by rules that were there then.
func grownSince(x *Examination, drops []dropCount) (grown uint64) {
	for _, d := range drops {
		c, ok := x.SetsBefore[d.at.Variant].Chain(d.at.Table, d.at.Chain)
		if !ok {
			continue
		}
		before := c.Counters
		if d.at.Position > 0 {
			then, ok := ruleOf(x.SetsBefore, d.at)
			now, there := ruleOf(x.sets, d.at)
			if !ok || !there || !then.Same(*now) {
				continue
			}
			before = then.Counters
		}
		if before.Known && d.packets > before.Packets {
			grown += d.packets - before.Packets
		}
	}
	return grown
}

// dropsOf are the policy and the rules behind FORWARD that have dropped packets.
func (t *trial) dropsOf(p rules.Variant) (list []dropCount) {
	for _, table := range []string{"filter", "mangle"} {
		at := evaluate.RuleRef{Variant: p, Table: table, Chain: "FORWARD"}
		if c, ok := t.sets[p].Chain(table, "FORWARD"); ok && c.Policy == "DROP" && c.Counters.Known && c.Counters.Packets > 0 {
			list = append(list, dropCount{at, t.dropperText(at), c.Counters.Packets})
		}
		w := walker{sets: t.sets}
		seen := map[evaluate.RuleRef]bool{}
		w.walk(at, sketch{family: p.Family}, func(at evaluate.RuleRef, r *rules.Rule, _ sketch) {
			if closes(r) && r.Counters.Known && r.Counters.Packets > 0 && !seen[at] {
				seen[at] = true
				list = append(list, dropCount{at, t.dropperText(at), r.Counters.Packets})
			}
		})
	}
	return list
}
