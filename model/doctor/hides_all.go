package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// tooWide tells of a rule that hides more than what leaves for the Internet.
func tooWide(x *Examination, s *share) []Finding {
	if s.rule.Target.Kind == rules.Netmap || !s.via.out.Any() || !s.via.dst.Any() || s.via.marked || s.via.open() || s.via.proto != 0 || s.via.toHost || len(s.via.notSrc) > 0 {
		return nil
	}
	out, ok := x.uplink(s.at.Family)
	if !ok {
		return nil
	}
	found := Finding{
		Check: "masquerade-too-wide", Severity: SeverityWarning, Subject: ruleName(s.at), Evidence: []string{s.rule.String()},
		Sentence: "The rule names no interface to leave by, so it also hides who asks from this host's own networks: servers inside see this host for every client.",
	}
	if !s.via.src.Any() {
		found.Severity = SeverityNote
		found.Sentence = "The rule names no interface to leave by, so it also hides machines inside from each other where they are on different networks."
	}
	hidden := x.hiddenFrom(s.at)
	for _, f := range hidden[:min(len(hidden), 3)] {
		found.Severity = SeverityWarning
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s: clients' addresses are hidden from %s", ruleName(f.Rule), f.Server.Addr()))
	}
	found = x.hurts(found, s.at, out)
	if unsure := x.elsewhere(hidden); len(unsure) > 0 {
		found.Sentence += fmt.Sprintf(" No cure is offered: it is not known whether %s, which would see the clients' own addresses then, sends its answers to this host. Where this host is its default gateway, -o %s is the cure%s.",
			strings.Join(unsure, ", "), out, map[bool]string{true: ", with a rule like it for the server's own network"}[len(x.hairpinsBy(s.at)) > 0])
		return []Finding{found}
	}
	found.Cure = x.narrowed(s, out)
	return []Finding{found}
}

// narrowed is the plan that has a sharing rule hide only what leaves by a link. Clients on a server's own network that
// ask for the public address are answered because the rule hides them too: they keep a rule of their own.
func (x *Examination) narrowed(s *share, out string) rules.Plan {
	changed := *s.rule
	changed.Out = rules.Iface{Name: out}
	plan := rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s hide only what leaves by %s", s.at.Position, s.at.Chain, out),
		Steps: []rules.Step{x.replace(s.at, *s.rule, changed, "what stays inside keeps its source address, so servers see who asks")},
	}
	for _, p := range x.hairpinsBy(s.at) {
		t, ok := x.after(plan)
		if !ok {
			return rules.Plan{}
		}
		if way := t.fate(p); way.hairpin() {
			continue
		}
		way := x.fate(p)
		end := &way.Outcomes[0]
		net, ok := x.netOf(end.Out, end.Dst.Addr)
		if !ok {
			return rules.Plan{}
		}
		line := fmt.Sprintf("-A %%s -s %s -d %s -o %s -m conntrack --ctstate DNAT -j MASQUERADE", net.Masked(), net.Masked(), end.Out)
		keep, ok := t.translateSource("", s.at.Variant, line, p, "clients on a server's own network that ask for the public address are still answered by this host")
		if !ok {
			return rules.Plan{}
		}
		plan.Steps = append(plan.Steps, keep.Steps...)
	}
	return plan
}

// hiddenFrom are the forwards whose clients a rule hides from their servers.
func (x *Examination) hiddenFrom(at evaluate.RuleRef) (list []*Forward) {
	for i := range x.forwards {
		way := x.fate(x.forwards[i].packet)
		if slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.SNATBy == at }) {
			list = append(list, &x.forwards[i])
		}
	}
	return list
}

// hairpinsBy are packets of clients on servers' own networks that are answered because a rule hides who they are, one
// for each network.
func (x *Examination) hairpinsBy(at evaluate.RuleRef) (list []evaluate.Packet) {
	told := map[string]bool{}
	for i := range x.forwards {
		f := &x.forwards[i]
		link, client, ok := x.insideOf(f)
		if !ok || told[link] {
			continue
		}
		p := inside(f, link, client)
		if way := x.fate(p); way.hairpin() && way.Outcomes[0].SNATBy == at {
			told[link] = true
			list = append(list, p)
		}
	}
	return list
}

// hairpin tells that the packet is sent on to a server which sees this host as the client, whichever branch it takes.
func (x *fate) hairpin() bool {
	return x.known && !x.Incomplete && !slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool {
		return !o.DNAT || !o.SNAT || o.Delivered != evaluate.Forwarded
	})
}

// elsewhere names servers of forwards of which it is not known that they send to this host what is for machines on other
// networks: such as have neither been seen to ask others through here, nor to answer any whose address they saw.
func (x *Examination) elsewhere(forwards []*Forward) (list []string) {
	here := map[netip.Addr]bool{}
	for _, f := range forwards {
		here[f.Server.Addr()] = f.local
	}
	n := 0
	each := func(_ flow.Ref, f *flow.Flow) bool {
		client, asked, served := f.Client().Addr(), f.AskedFor().Addr(), f.ServedBy().Addr()
		if known, ours := here[client]; ours && !known && !x.IsLocal(asked) && !x.neighbours(client, asked) {
			here[client] = true
		}
		if known, ours := here[served]; ours && !known && f.Status&flow.StatusSeenReply != 0 && f.NAT()&flow.NATSrc == 0 && !x.IsLocal(client) && !x.neighbours(client, served) {
			here[served] = true
		}
		n++
		return n < statsLimit
	}
	if len(here) > 0 && x.Flows != nil {
		x.Flows.Each(each)
	}
	for _, f := range forwards {
		if a := f.Server.Addr(); !here[a] && !slices.Contains(list, a.String()) && len(list) < 3 {
			list = append(list, a.String())
		}
	}
	return list
}

// hurts makes an error of a finding where connections that stay inside have been given another source by the rule and
// got no answer.
func (x *Examination) hurts(found Finding, at evaluate.RuleRef, out string) Finding {
	silent := x.stats.unheard[at]
	if silent == nil {
		return found
	}
	var hurt []flow.Flow
	for i := range silent.first {
		f := &silent.first[i]
		if link, ok := x.LinkOf(f.ServedBy().Addr()); ok && link != out && !x.outward(link) {
			hurt = append(hurt, *f)
		}
	}
	if len(hurt) == 0 {
		return found
	}
	f := &hurt[0]
	found.Severity = SeverityError
	found.Evidence = append(found.Evidence, fmt.Sprintf("%s, none answered: %s to %s, seen as %s", rules.Plural(len(hurt), "connection"), f.Client(), f.ServedBy(), f.SeenAs()))
	found.Sentence += fmt.Sprintf(" %s is asked with an address that it does not answer to this host.", f.ServedBy().Addr())
	return found
}
