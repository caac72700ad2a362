package doctor

import (
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/nft"
)

// stepTranslated asks whether the packet meets the rule, or another one first.
func stepTranslated(x *Examination, f *Forward) Finding {
	way := x.fate(f.packet)
	named := fmt.Sprintf("a packet from %s for %s", f.packet.Src, f.askedText())
	if !way.known || way.translators != "" {
		return unknown(fmt.Sprintf("Whether the rule translates %s is not known: %s.", named, way.doubt()), f.ruleCount())
	}
	if others, ok := x.sharers(f, &way); ok {
		return Finding{Sentence: fmt.Sprintf("The rule translates some packets for %s to %s, and %s the others.", f.askedText(), f.serverText(), others), Evidence: []string{f.ruleCount()}}
	}
	if way.by(f.Rule) && way.translates() && !way.onlyBy(f.Rule) {
		return unknown(fmt.Sprintf("Whether this rule translates %s, or another, is not known: %s.", named, way.doubt()), f.ruleCount())
	}
	if way.by(f.Rule) && way.translates() && way.unread != "" {
		return unknown(fmt.Sprintf("Whether the rule translates %s is not known: %s.", named, way.doubt()), f.ruleCount())
	}
	if way.by(f.Rule) && way.translates() {
		return Finding{Sentence: fmt.Sprintf("The rule translates %s to %s.", f.askedText(), f.serverText()), Evidence: []string{f.ruleCount()}}
	}
	way = x.told(f.packet)
	if v, ok := way.untracked(); ok {
		return untrackedBy(x, f, &way, v)
	}
	by, what := way.taker(f.Rule.Variant)
	if by.IsZero() && way.known && !way.Incomplete && len(way.Outcomes) == 1 && !way.Outcomes[0].DNATBy.IsZero() && way.Outcomes[0].DNATBy != f.Rule {
		by = way.Outcomes[0].DNATBy // of another backend, or of native nft
		what = x.dropperText(by)
	}
	if by, what, ended := way.endedBefore(f.Rule); ended {
		return takenBefore(f, named, by, what)
	}
	if v, met := way.visit(f.Rule); way.by(f.Rule) || met && v.Verdict != evaluate.Yes || way.Incomplete || f.via.open() || f.via.marked || by.IsZero() || by == f.Rule {
		return unknown(fmt.Sprintf("Whether the rule translates %s is not known: %s.", named, way.doubt()), f.ruleCount())
	}
	if by.Backend == rules.Native {
		return takenNatively(x, f, &way, by, what)
	}
	if !x.takesAll(by, f) {
		return takenBefore(f, named, by, what)
	}
	found := Finding{
		Check: "shadowed-rule", Severity: SeverityWarning, Subject: ruleName(f.Rule), Evidence: []string{ruleName(by) + ": " + what, f.ruleCount()},
		Sentence: fmt.Sprintf("Packets for %s never reach this rule: %s matches first.", f.askedText(), ruleName(by)),
	}
	if f.Owner != "" {
		found.Severity = SeverityNote
	}
	if first, ok := ruleOf(x.sets, by); ok && f.rule.In.Any() && !first.In.Any() {
		found.Sentence = fmt.Sprintf("Packets for %s that come by %s never reach this rule: %s matches first.", f.askedText(), f.Link, ruleName(by))
	}
	if by.Chain == f.Rule.Chain && by.Variant == f.Rule.Variant {
		found.takesOver = true
		found.Cure = x.moveBefore(f.Rule, *f.rule, by.Position, func(t *trial) bool { return true })
	}
	return found
}

// takenBefore tells that another rule takes the packet that was tried, and perhaps not all of them.
func takenBefore(f *Forward, named string, by evaluate.RuleRef, what string) Finding {
	return unknown(fmt.Sprintf("Whether the rule ever translates is not known: %s is taken by %s before, and no packet was found that is not.", named, ruleName(by)), ruleName(by)+": "+what, f.ruleCount())
}

// takenNatively tells that a native rule translates what clients of a forward ask for, certainly and before this rule.
func takenNatively(x *Examination, f *Forward, way *fate, by evaluate.RuleRef, what string) Finding {
	o := &way.Outcomes[0]
	found := Finding{
		Check: "taken-first", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{ruleName(by) + ": " + what, f.ruleCount()},
		Sentence: fmt.Sprintf("A packet from %s for %s is taken by %s, of native nft, before this rule: it goes to %s, not to %s.", f.packet.Src, f.askedText(), ruleName(by), o.Dst.AddrPort(), f.Server),
	}
	switch {
	case o.Dst.AddrPort() == f.Server:
		found.Severity = SeverityNote
		found.Sentence = fmt.Sprintf("A packet from %s for %s is taken by %s, of native nft, before this rule, and goes to %s all the same: one of the two is one too many.", f.packet.Src, f.askedText(), ruleName(by), f.Server)
	case f.Owner != "":
		found.Severity = SeverityNote
	case way.unread != "" || way.unseen != "" || !way.Certain:
		return unknown(fmt.Sprintf("Whether the rule translates packets for %s is not known: %s may take them first.", f.askedText(), ruleName(by)), found.Evidence...)
	default:
		found.Sentence += " Where that is not meant, take one of the two rules out, or name in the native one what it is for."
	}
	return found
}

// sharers name the other rules that a forward's packet may be translated by, where nothing but chance decides between
// them (xt_statistic) and each is a forward of its own.
func (x *Examination) sharers(f *Forward, way *fate) (names string, ok bool) {
	if !way.by(f.Rule) || !way.translates() || way.onlyBy(f.Rule) || way.unread != "" || way.unseen != "" || !way.byChance(f.Rule.Variant) {
		return "", false
	}
	var list []string
	for i := range way.Outcomes {
		by := way.Outcomes[i].DNATBy
		if by == f.Rule || slices.Contains(list, ruleName(by)) {
			continue
		}
		if !slices.ContainsFunc(x.forwards, func(o Forward) bool { return o.Rule == by }) {
			return "", false
		}
		list = append(list, ruleName(by))
	}
	return strings.Join(list, ", "), true
}

// byChance tells that nothing but chance (xt_statistic) decides which of a variant's rules translates a packet. Of one that is
// dropped later whichever it was no doubt is told: then the rules that it met tell. Which of two backends comes first is no
// chance, and not known.
func (x *fate) byChance(in rules.Variant) bool {
	if slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool { return !o.DNATBy.IsZero() && o.DNATBy.Variant != in }) {
		return false
	}
	doubts := x.decisive()
	drawn := len(doubts) > 0
	for i := range x.Visits {
		if v := &x.Visits[i]; v.Table == "nat" && v.Verdict == evaluate.Unknown {
			if v.Unknown != "statistic" {
				return false
			}
			drawn = true
		}
	}
	return drawn && !slices.ContainsFunc(doubts, func(d evaluate.Doubt) bool { return d.What != "statistic" })
}

// takesAll proves that a rule takes every packet that would meet a forward's rule: the two are all of a chain, and
// no packet that comes by the forward's link comes to the second.
func (t *trial) takesAll(by evaluate.RuleRef, f *Forward) bool {
	first, ok := ruleOf(t.sets, by)
	if !ok || !rules.IsBuiltIn(by.Table, by.Chain) {
		return false // what leads to it has conditions of its own
	}
	two := rules.Chain{Name: "PREROUTING", Rules: []rules.Rule{*first, *f.rule}}
	if f.rule.In.Any() && f.Link != "" {
		two.Rules[1].In = rules.Iface{Name: f.Link} // of those that come where clients are
	}
	for i := range two.Rules {
		two.Rules[i].Chain = two.Name
	}
	set := &rules.Ruleset{Family: f.Rule.Family, Backend: f.Rule.Backend, Tables: []rules.Table{{Name: "nat", Chains: []rules.Chain{two}}}}
	return len(evaluate.Reach(set, "nat")) > 0
}

// untracked finds the rule that takes a packet from connection tracking, for certain or perhaps.
func (x *fate) untracked() (evaluate.Visit, bool) {
	var hooked *nft.Chain
	for _, v := range x.Visits {
		if v.In != nil && v.In.IsBase() {
			hooked = v.In
		}
		switch {
		case v.Verdict == evaluate.No:
		case v.Rule != nil && isNotrack(&v.Rule.Target):
			return v, true
		case v.Native != nil && hooked != nil && hooked.Priority <= connectionsKnown && slices.Contains(v.Native.Exprs, nft.Expr(nft.NoTrack{})):
			if hooked.Priority == connectionsKnown {
				v.Verdict = evaluate.Unknown // which comes first, the chain or the kernel's own look, depends on which was made last
			}
			return v, true
		}
	}
	return evaluate.Visit{}, false
}

// isNotrack tells the target that takes packets from connection tracking, by either of its names.
func isNotrack(t *rules.Target) bool {
	return t.Name == "NOTRACK" || t.Name == "CT" && slices.Contains(t.Options, "--notrack")
}

// untrackedBy tells of a rule of the raw table above a translation.
func untrackedBy(x *Examination, f *Forward, way *fate, v evaluate.Visit) Finding {
	name := ruleName(v.RuleRef)
	if v.Verdict != evaluate.Yes {
		return unknown(fmt.Sprintf("Whether the rule translates packets for %s is not known: rule %s may take them from connection tracking.", f.askedText(), name), v.Text(), f.ruleCount())
	}
	found := Finding{
		Check: "untracked", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{name + ": " + v.Text(), f.ruleCount()},
		Sentence: fmt.Sprintf("Rule %s takes packets for %s from connection tracking: what is not tracked is not translated.", name, f.askedText()),
	}
	if v.Native != nil {
		found.Evidence[0] = fmt.Sprintf("nft %s, chain %s, handle %d: %s", v.In.Table, v.In.Name, v.Native.Handle, v.Text())
		found.Sentence = fmt.Sprintf("A native nft table, %s, takes packets for %s from connection tracking (notrack): they are not translated.", v.In.Table, f.askedText())
		return found
	}
	line := fmt.Sprintf("-A %%s -d %s", whole(f.Asked.Addr()))
	if in := f.via.in; f.passing { // the address is an example
		if in.Any() || in.Not {
			return found
		}
		line = "-A %s -i " + rules.Quote(in.Name)
	}
	if proto := rules.ProtoName(f.Proto); f.Proto.HasPorts() && f.Asked.Port() != 0 {
		line += fmt.Sprintf(" -p %s -m %s --dport %d", proto, proto, f.Asked.Port())
	}
	if step, ok := x.insert(way.hook(v.RuleRef), line+" -j ACCEPT", "what is translated has to be tracked"); ok {
		plan := rules.Plan{Title: "Have what is for " + f.askedText() + " tracked", Steps: []rules.Step{step}}
		if t, ok := x.after(plan); ok {
			if after := t.fate(f.packet); after.translates() && after.by(f.Rule) {
				found.Cure = plan
			}
		}
	}
	return found
}

// answerUntracked tells that an answer is taken from connection tracking, so that it is not translated back.
func answerUntracked(x *Examination, f *Forward, p evaluate.Packet, way *fate) Finding {
	found := Finding{
		Check: "untracked", Severity: SeverityError, Subject: ruleName(f.Rule),
		Sentence: fmt.Sprintf("The answer from %s is taken from connection tracking: it is not translated back, and the client does not know it.", p.Src),
	}
	if !way.known || way.Incomplete || !slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return !o.Tracked }) {
		return Finding{}
	}
	told := x.told(p)
	v, ok := told.untracked()
	if !ok {
		return Finding{}
	}
	found.Evidence = []string{ruleName(v.RuleRef) + ": " + v.Text(), f.ruleCount()}
	if v.Verdict != evaluate.Yes {
		return unknown(fmt.Sprintf("Whether the answer from %s is translated back is not known: rule %s may take it from connection tracking.", p.Src, ruleName(v.RuleRef)), found.Evidence...)
	}
	return found
}
