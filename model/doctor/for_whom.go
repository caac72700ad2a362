package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// filter is the chain of the filter table that a forward's packets come to.
func (f *Forward) filter() string {
	if f.local {
		return "INPUT"
	}
	return "FORWARD"
}

// letAllThrough is the answer to whether the filter rules let packets pass, found for one client, for all of them: for each server
// that they may be sent to, and for those whom a rule keeps out.
func (x *Examination) letAllThrough(f *Forward, found Finding) Finding {
	all, several := f.servers()
	switch {
	case several:
		found = eachLetThrough(x, f, found, x.otherServers([]Forward{*f}), all.String(), atMost(all, serversExamined+1))
	case len(f.among) > 0:
		var others []Forward
		for _, to := range f.among[1:] {
			other := *f
			other.Server, other.local = to, x.IsLocal(to.Addr())
			others = append(others, other)
		}
		found = eachLetThrough(x, f, found, others, f.amongText(), len(f.among))
	}
	if found.Severity != SeverityOK || found.partly {
		return found
	}
	found = x.fromAnyPort(f, found, func(way *fate) bool { return !way.by(f.Rule) || way.passes() })
	if found.Severity != SeverityOK {
		return found
	}
	if client, by, ok := keptOut(x, f); ok {
		found.Sentence = fmt.Sprintf("%s, and not those from %s.", strings.TrimSuffix(found.Sentence, "."), client)
		found.Evidence = append(found.Evidence, by)
	}
	return found
}

// eachLetThrough asks it of the other servers of a rule that has several, with clients whom the kernel sends there; found is the
// answer for one. all names them, and n is how many there are.
func eachLetThrough(x *Examination, f *Forward, found Finding, others []Forward, all string, n int) Finding {
	each := []Finding{found}
	for i := range others {
		each = append(each, stepLetThrough(x, &others[i]))
	}
	for _, one := range each {
		if one.IsProblem() {
			one.Sentence += fmt.Sprintf(" It is one of several that clients for %s are sent to.", f.askedText())
		}
		if one.Severity != SeverityOK || one.partly { // it names the server, and who is kept from it
			return one
		}
	}
	switch {
	case n > max(serversExamined, len(each)):
		return unknown(fmt.Sprintf("Whether %s lets packets to each of %s through is not known: only the first %d servers that clients get were looked at.", f.filter(), all, len(each)), found.Evidence...)
	case n > len(each):
		return unknown(fmt.Sprintf("Whether %s lets packets to each of %s through is not known: clients were found only for %d of them.", f.filter(), all, len(each)), found.Evidence...)
	}
	found.Sentence = fmt.Sprintf("%s lets packets to each of %s and their answers through.", f.filter(), all)
	return found
}

// atMost is how many addresses a range has, or some number if it has more.
func atMost(all rules.Addrs, most int) int {
	n := 1
	for a := all.Lo; n < most && a != all.Hi && a.IsValid(); a = a.Next() {
		n++
	}
	return n
}

// keptOut finds a client whom the filter rules keep from a forward that others get through: one of a network that a rule names
// which drops, or a list of native nft. by is what drops its packet.
func keptOut(x *Examination, f *Forward) (client netip.Addr, by string, ok bool) {
	p := f.packet
	for _, n := range append(x.droppedSources(f.Rule.Family), x.natSources(f.Rule.Family)...) {
		c, ok := x.clientOf(f, n)
		if !ok {
			continue
		}
		p.Src = c
		way := x.brief(p)
		if o, blocked := way.blocked(); blocked && !o.DroppedBy.IsZero() {
			told := x.told(p)
			return c, dropperName(o.DroppedBy, told.hook(o.DroppedBy)) + ": " + x.dropperText(o.DroppedBy), true
		}
	}
	return client, "", false
}

// clientOf is a client of a forward with an address in a network, who may come by the forward's interface.
func (x *Examination) clientOf(f *Forward, in rules.Net) (netip.Addr, bool) {
	s := f.via
	s.src = in
	client, ok := x.clientOn(f.Link, s, f.Server.Addr())
	return client, ok && (f.via.src.Any() || f.via.src.Contains(client)) && x.comesBy(client, f.Link)
}

// letsOthers is the answer for a client who gets through, where another's packet is dropped; by is what drops it.
func letsOthers(x *Examination, f *Forward, client evaluate.Packet, by string) Finding {
	kept := f.packet.Src
	f.packet = client             // those who are let in are followed
	found := stepLetThrough(x, f) // whose packet is not blocked, so that it goes no deeper
	if found.Severity == SeverityOK {
		found.partly = true
		found.Sentence = fmt.Sprintf("%s lets packets from %s to %s through, and not those from %s.", f.filter(), client.Src, f.Server, kept)
		found.Evidence = []string{by}
	}
	return found
}

// othersPass finds a client for whom a forward works although it does not for others: one that was answered and
// would get through today, or one of a network that the filter rules name. The packet is the forward's own, with
// another source: it comes by the same interface, and is the very one that gets through.
func othersPass(x *Examination, f *Forward) (evaluate.Packet, bool) {
	p := f.packet
	passes := func(client netip.Addr) bool {
		p.Src = client
		way := x.fate(p)
		return client != f.packet.Src && way.leadsTo(f)
	}
	seen := x.stats.tallyOf(f)
	for i := range seen.answered {
		if served := seen.answered[i].ServedBy(); served.Port() != f.Server.Port() {
			continue // another forward of the same rule
		}
		if x.cameBy(f.Link, &seen.answered[i]) && passes(seen.answered[i].Client().Addr()) {
			return p, true
		}
	}
	for _, n := range x.allowedSources(f.Rule.Family) {
		if client, ok := x.clientOf(f, n); ok && passes(client) {
			return p, true
		}
	}
	for _, client := range strangers {
		if f.via.src.Any() && f.Rule.Family.Holds(client) && !x.IsLocal(client) && x.comesBy(client, f.Link) && passes(client) {
			return p, true
		}
	}
	return f.packet, false
}

// allowedSources are the networks that filter rules let something through from.
func (x *Examination) allowedSources(family rules.Family) []rules.Net {
	return x.sources(family, x.listed.sources, []string{"filter"}, func(r *rules.Rule) bool {
		return r.Target.Kind == rules.Accept || r.Target.Kind == rules.Return || leadsOn(r)
	})
}

// droppedSources are the networks that rules which may drop name, and native filters.
func (x *Examination) droppedSources(family rules.Family) []rules.Net {
	return x.sources(family, x.listed.sources, []string{"raw", "mangle", "filter"}, func(r *rules.Rule) bool { return closes(r) || leadsOn(r) })
}

// natSources are the networks that rules of the nat tables name.
func (x *Examination) natSources(family rules.Family) []rules.Net {
	return x.sources(family, x.natListed(), []string{"nat"}, func(*rules.Rule) bool { return true })
}

// leadsOn tells a rule that leads to another chain.
func leadsOn(r *rules.Rule) bool { return r.Target.Kind == rules.Jump || r.Target.Kind == rules.Goto }

// mostSources is how many networks are looked at of which rules speak.
const mostSources = 64

// sources are networks that native tables list, and those that rules of some tables name.
func (x *Examination) sources(family rules.Family, listed []netip.Prefix, tables []string, means func(*rules.Rule) bool) (nets []rules.Net) {
	add := func(n rules.Net) {
		if !n.Any() && !n.Not && family.Holds(n.Addr) && len(nets) < mostSources && !slices.Contains(nets, n) {
			nets = append(nets, n)
		}
	}
	for _, n := range listed {
		add(rules.NetOf(n))
	}
	for _, table := range tables {
		for at, r := range x.rulesOf(table) {
			if at.Family != family || !means(r) {
				continue
			}
			add(r.Source)
			for _, m := range r.Matches {
				if between, ok := m.(rules.IPRange); ok && between.Source != nil && !between.Source.Not {
					add(rules.NetOf(netip.PrefixFrom(between.Source.Lo, between.Source.Lo.BitLen())))
				}
			}
		}
	}
	return nets
}

// dropped tells which rule drops a packet of a forward, with the rules that
// would let it through.
func dropped(x *Examination, check string, f *Forward, way *fate, o evaluate.Outcome, when string) Finding {
	hook := way.hook(o.DroppedBy)
	if o.DroppedBy.Backend == rules.Native {
		check = "native-drop"
	}
	found := Finding{
		Check: check, Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{x.dropperText(o.DroppedBy), f.ruleCount()},
	}
	what := fmt.Sprintf("the packet to %s", f.Server)
	switch check {
	case "answers-dropped":
		what = fmt.Sprintf("the answer from %s", f.Server)
	case "dropped-early":
		what = fmt.Sprintf("a packet for %s", f.askedText())
	}
	found.Evidence = append(found.Evidence, x.answered(f)...)
	found.Sentence = fmt.Sprintf("%s drops %s %s%s.", dropperName(o.DroppedBy, hook), what, when, x.setBy(o.DroppedBy))
	if check != "dropped-early" {
		found.Cure, _ = x.letThrough(f)
	}
	return uncertain(found, way)
}

// uncertain makes a warning of an error that nft tables which are not evaluated may keep from happening.
func uncertain(f Finding, way *fate) Finding {
	if way.unseen != "" {
		f.Severity = min(f.Severity, SeverityWarning)
		f.Sentence += " This is not certain: " + way.doubt() + "."
	}
	return f
}

// withOthers is the answer that the rule translates, with a client for whom it does not, or who gets another server by it.
func (x *Examination) withOthers(f *Forward, found Finding) Finding {
	if found.Severity != SeverityOK {
		return found
	}
	if n := f.via.src; !n.Any() && !n.Not {
		clients := "clients of " + n.String()
		if one, ok := n.Host(); ok {
			clients = one.String() + " alone"
		}
		found.Sentence = fmt.Sprintf("%s, for %s.", strings.TrimSuffix(found.Sentence, "."), clients)
	}
	found = x.fromAnyPort(f, found, func(way *fate) bool {
		o := &way.Outcomes[0]
		return !o.DroppedBy.IsZero() && o.DNATBy.IsZero() || o.DNATBy == f.Rule
	})
	if _, several := f.servers(); several || len(f.among) > 0 || found.Severity != SeverityOK {
		return found
	}
	p := f.packet
	for _, n := range x.natSources(f.Rule.Family) {
		c, ok := x.clientOf(f, n)
		if !ok || c == f.packet.Src {
			continue
		}
		p.Src = c
		way := x.brief(p)
		if !way.known || len(way.Outcomes) != 1 {
			continue
		}
		o, words := &way.Outcomes[0], ""
		switch {
		case !o.DroppedBy.IsZero() && o.DNATBy.IsZero():
			continue // that it is let through is another question
		case o.DNATBy.IsZero():
			words = "is not translated"
		case o.DNATBy != f.Rule:
			words = fmt.Sprintf("is translated by %s, to %s", ruleName(o.DNATBy), o.Dst.AddrPort())
		case o.Dst.Certain() && o.Dst.AddrPort() != f.Server && !f.local:
			words = fmt.Sprintf("goes to %s", o.Dst.AddrPort())
		default:
			continue
		}
		found.Sentence = fmt.Sprintf("%s; but what %s asks for %s.", strings.TrimSuffix(found.Sentence, "."), c, words)
		return found
	}
	return found
}

// mostOthers is how many other forwards of the same are looked at where one is.
const mostOthers = 16

// elsewhereFails are the failures of what other clients get who ask for the same by the same way in: by another rule, or another
// element of a map.
func elsewhereFails(x *Examination, f *Forward) (list []Finding) {
	looked := 0
	for i := range x.forwards {
		o := &x.forwards[i]
		if o.Asked != f.Asked || o.Proto != f.Proto || o.Link != f.Link || o.Server == f.Server || o.packet.Src == f.packet.Src || looked >= mostOthers {
			continue
		}
		looked++
		if way := x.brief(o.packet); !way.leadsTo(o) && !way.by(o.Rule) {
			continue // it is not what decides
		}
		found, _ := firstFailure(x, o)
		for _, failure := range found {
			if failure.IsProblem() {
				failure.Sentence += fmt.Sprintf(" Clients such as %s are sent there.", o.packet.Src)
				list = append(list, failure)
			}
		}
	}
	return list
}
