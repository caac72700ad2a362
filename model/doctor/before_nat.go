package doctor

import (
	"fmt"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkBeforeNAT tells of filter rules that are to close a forward and are written for the packet as it arrives:
// FORWARD sees it after the translation, and INPUT not at all, so they match nothing, and the port is open.
func checkBeforeNAT(x *Examination) (list []Finding) {
	if len(x.forwards) == 0 {
		return nil
	}
	w := walker{sets: x.sets}
	for _, hook := range []string{"FORWARD", "INPUT"} {
		x.hooked(&w, "filter", hook, func(at evaluate.RuleRef, r *rules.Rule, s sketch) {
			if !closes(r) || s.dport == (rules.Ports{}) && (s.dst.Any() || hook == "INPUT") || len(list) >= alike {
				return
			}
			for i := range x.forwards {
				f := &x.forwards[i]
				if f.Rule.Family != s.family || !meantFor(x, r, s, f) || hook == "INPUT" && !s.singles(f.Asked.Port()) || !meansBefore(x, s, f, hook) {
					continue
				}
				found := openInSpite(x, at, r, s, f, hook)
				if !slices.ContainsFunc(list, func(told Finding) bool { return told.Subject == found.Subject }) {
					list = append(list, found)
				}
				return
			}
		})
	}
	return list
}

// singles tells that a rule names a port for itself, not as one of a range.
func (s *sketch) singles(port uint16) bool {
	return s.dport.Single() && s.dport.Lo == port || slices.Contains(s.dports, rules.Port(port))
}

// names tells that a rule is for a port, among others.
func (s *sketch) names(port uint16) bool {
	return s.dport == (rules.Ports{}) || s.dport.Contains(port) || slices.ContainsFunc(s.dports, func(p rules.Ports) bool { return p.Contains(port) })
}

// closes tells a rule that drops or rejects.
func closes(r *rules.Rule) bool { return r.Target.Kind == rules.Drop || r.Target.Name == "REJECT" }

// meantFor tells that a rule may be meant for a forward: it names the address that is asked for or the way that clients
// come by, or it has matched nothing else; and it does not name another way out.
func meantFor(x *Examination, r *rules.Rule, s sketch, f *Forward) bool {
	route, _ := x.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	if !s.out.Any() && !s.out.Matches(route.Out) {
		return false
	}
	asked, ok := s.dst.Host()
	return ok && asked == f.Asked.Addr() || !s.in.Any() || r.Counters.Known && r.Counters.Packets == 0
}

// meansBefore tells that a rule would match a forward's packet as it arrives and does not match it after the
// translation, although the packet gets through.
func meansBefore(x *Examination, s sketch, f *Forward, hook string) bool {
	if f.local || s.proto != 0 && s.proto != f.Proto || !s.src.Any() && !s.src.Contains(f.packet.Src) ||
		!s.in.Any() && !s.in.Matches(f.Link) || slices.ContainsFunc(s.notIn, func(i rules.Iface) bool { return i.Matches(f.Link) }) || !x.outward(f.Link) || s.open() || s.marked {
		return false
	}
	before := s.names(f.Asked.Port()) && (s.dst.Any() || s.dst.Contains(f.Asked.Addr()))
	after := hook != "INPUT" && s.names(f.Server.Port()) && (s.dst.Any() || s.dst.Contains(f.Server.Addr()))
	if !before && s.dst.Contains(f.Server.Addr()) && !s.dst.Any() {
		before = s.names(f.Asked.Port()) // the server's address with the published port
	}
	if !before || after {
		return false
	}
	way := x.fate(f.packet)
	return way.allowed() && way.by(f.Rule)
}

// openInSpite is the finding that a forward is open although a rule is to close it.
func openInSpite(x *Examination, at evaluate.RuleRef, r *rules.Rule, s sketch, f *Forward, hook string) Finding {
	found := Finding{
		Check: "filter-before-nat", Severity: SeverityWarning, Subject: ruleName(at), Evidence: []string{r.String(), counted(r), ruleName(f.Rule) + ": " + f.String()},
		Sentence: fmt.Sprintf("The rule is written for %s, but it meets packets after the translation, as they go to %s: it does not close that forward, which is open to what comes by %s.", f.askedText(), f.Server, f.Link),
	}
	if hook == "INPUT" {
		found.Sentence = fmt.Sprintf("The rule is written for %s, but INPUT sees only what stays on this host, and what is for that port goes on to %s: it does not close that forward, which is open to what comes by %s.", f.askedText(), f.Server, f.Link)
	}
	if at.Backend == rules.Native {
		found.Evidence = []string{x.dropperText(at), found.Evidence[2]}
		found.Sentence += fmt.Sprintf(" A chain of the hook forward needs ct original proto-dst %d in place of the port.", f.Asked.Port())
		return found
	}
	found.narrows = f.Rule
	if hook == "INPUT" {
		found.Sentence += fmt.Sprintf(" It takes a rule in FORWARD%s with -m conntrack --ctorigdstport %d --ctdir ORIGINAL in place of the port.", map[bool]string{true: ", or Docker's chain DOCKER-USER,"}[x.hasDocker(at.Variant)], f.Asked.Port())
		return found
	}
	if !plainly(x, at, r) {
		found.Sentence += fmt.Sprintf(" It needs -m conntrack --ctorigdstport %d --ctdir ORIGINAL in place of the port, with all its other conditions, and so do the exceptions before it.", f.Asked.Port())
		return found
	}
	name := rules.ProtoName(f.Proto)
	line := "-A %s"
	if !s.src.Any() {
		line += " -s " + s.src.String()
	}
	if !s.in.Any() {
		line += " -i " + s.in.Name
	}
	line += fmt.Sprintf(" -p %s -m conntrack --ctorigdstport %d --ctdir ORIGINAL -j DROP", name, f.Asked.Port())
	if step, ok := x.insert(at, line, "the connection's original port is what clients ask for"); ok {
		plan := rules.Plan{Title: fmt.Sprintf("Close %s with what clients ask for", f.Asked), Steps: []rules.Step{step}}
		if t, ok := x.after(plan); ok {
			if way := t.fate(f.packet); !way.arrives() {
				found.Cure = plan
			}
		}
	}
	return found
}

// plainly tells that a rule asks for nothing beside addresses, interface and port, drops, and stands before any rule that
// lets something through: then it is known what it is to close.
func plainly(x *Examination, at evaluate.RuleRef, r *rules.Rule) bool {
	if r.Source.Not || r.Dest.Not || r.In.Not || !r.Out.Any() || r.Protocol.Not || r.Target.Kind != rules.Drop {
		return false
	}
	for _, m := range r.Matches {
		switch m := m.(type) {
		case rules.Comment:
		case rules.Transport:
			if m.Source != nil || m.Flags != nil || m.Option != nil || m.Dest != nil && m.Dest.Not {
				return false
			}
		default:
			return false
		}
	}
	c, ok := x.sets[at.Variant].Chain(at.Table, at.Chain)
	if !ok {
		return false
	}
	for i := range c.Rules[:min(at.Position-1, len(c.Rules))] {
		if c.Rules[i].Target.Kind != rules.Drop {
			return false
		}
	}
	return true
}

// checkLoopbackPublished tells of ports that are published for this host alone, at an address of 127.0.0.0/8, and that
// neighbours reach all the same: the translation comes before the kernel looks at that address.
func checkLoopbackPublished(x *Examination) (list []Finding) {
	for i := range x.forwards {
		f := &x.forwards[i]
		if !f.Asked.Addr().IsLoopback() || f.local {
			continue
		}
		for _, l := range x.Links {
			if !l.Up || l.Kind == "loopback" || !x.outward(l.Name) {
				continue
			}
			p, ok := x.askingBy(l.Name, f.Proto, f.Asked)
			if !ok {
				continue
			}
			if way := x.fate(p); !way.allowed() || !way.by(f.Rule) {
				continue
			}
			found := Finding{
				Check: "loopback-published", Severity: SeverityNote, Subject: fmt.Sprintf("%s %s", f.Proto, f.Asked), Evidence: []string{ruleName(f.Rule) + ": " + f.String()},
				Sentence: fmt.Sprintf("The port is published for this host alone, and neighbours on %s that send packets for %s reach %s all the same.", l.Name, f.Asked.Addr(), f.Server),
			}
			found.narrows = f.Rule
			line := "-A %s -d 127.0.0.0/8 ! -i lo -j DROP"
			if step, ok := x.insert(evaluate.RuleRef{Variant: f.Rule.Variant, Table: "raw", Chain: "PREROUTING", Position: 1}, line, "nothing of the kind comes from outside rightly"); ok {
				found.Cure = rules.Plan{Title: "Drop what comes from outside for the loopback network", Steps: []rules.Step{step}}
			}
			return append(list, found)
		}
	}
	return list
}
