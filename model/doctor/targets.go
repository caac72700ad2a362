package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/rules"
	"nattui/rules/evaluate"
)

// Where the kernel chooses among several servers or ports, that one of them is there and answers tells nothing of who is sent
// to another.

// targetsAsked is how many of them are looked at, and asked by a test.
const targetsAsked = 8

// What is asked of each of them: of its port, and of its machine.
const (
	ofServing  = "answers"
	ofPresence = "is there"
)

// targets are the forwards to each of the servers and ports that clients of a forward may be sent to, its own first; more is
// set where there are others that are not looked at.
func (x *Examination) targets(f *Forward) (list []Forward, more bool) {
	add := func(o Forward, to netip.AddrPort) {
		if !to.IsValid() || slices.ContainsFunc(list, func(t Forward) bool { return t.Server == to }) {
			return
		}
		if more = more || len(list) >= targetsAsked; more {
			return
		}
		o.Server, o.local, o.exact, o.drawn = to, x.IsLocal(to.Addr()), true, false
		list = append(list, o)
	}
	add(*f, f.Server)
	all, several := f.servers()
	if !several {
		all = rules.AddrRange(f.Server.Addr())
	}
	ports := rules.Port(f.Server.Port())
	if to := f.rule.Target.To.Ports; f.drawn {
		ports = rules.Ports{Lo: min(to.Lo, to.Hi), Hi: max(to.Lo, to.Hi)}
	}
	for a := all.Lo; several || f.drawn; a = a.Next() {
		for port := uint32(ports.Lo); port <= uint32(ports.Hi) && !more; port++ {
			add(*f, netip.AddrPortFrom(a, uint16(port)))
		}
		if more || a == all.Hi || !a.IsValid() {
			break
		}
	}
	way := x.fate(f.packet)
	for _, o := range way.Outcomes {
		if i := slices.IndexFunc(x.forwards, func(w Forward) bool { return w.Rule == o.DNATBy }); i >= 0 && o.Dst.Certain() && way.by(f.Rule) {
			other := *f
			if o.DNATBy != f.Rule {
				other = x.forwards[i]
				other.Asked, other.packet, other.Link, other.Proto = f.Asked, f.packet, f.Link, f.Proto
			}
			add(other, o.Dst.AddrPort())
		}
	}
	return list, more
}

// ofEach asks a question of each of the servers and ports that clients may be sent to: it is right where it is of all. What is
// found wrong with another is told beside it, where a test of it tells, as that of some clients.
func (x *Examination) ofEach(f *Forward, what string, ask func(*Examination, *Forward) Finding) Finding {
	name := func(to netip.AddrPort) string {
		if what == ofServing {
			return to.String()
		}
		return to.Addr().String()
	}
	found := ask(x, f)
	if found.IsProblem() || found.Severity == SeverityUnknown && !f.drawn {
		return found
	}
	targets, more := x.targets(f)
	if len(targets) < 2 {
		return found
	}
	var last Finding
	for i := range targets {
		one := ask(x, &targets[i])
		seen := x.stats.tallyOf(&targets[i])
		switch asked, ok := x.probe(targets[i].Server, &seen); {
		case ok && what == ofServing && !asked.Connected && one.IsProblem():
			one.Severity = SeverityWarning
			one.Sentence += fmt.Sprintf(" It is one of several that clients for %s are sent to: the others may work.", f.askedText())
			return one
		case one.Severity == SeverityUnknown && i == 0:
			return one
		case one.Severity != SeverityOK:
			return unknown(fmt.Sprintf("Whether %s %s is not known, and some clients for %s are sent there; of %s it is known.", name(targets[i].Server), what, f.askedText(), name(f.Server)), slices.Concat(found.Evidence, one.Evidence)...)
		}
		last = one
	}
	if more {
		return unknown(fmt.Sprintf("Of more than %d servers and ports that clients for %s may be sent to, only the first were looked at: whether each %s is not known.", targetsAsked, f.askedText(), what), last.Evidence...)
	}
	if found.Severity == SeverityUnknown {
		found = Finding{Sentence: fmt.Sprintf("Each of the %d that clients for %s may be sent to answers.", len(targets), f.askedText()), Evidence: last.Evidence}
	}
	return found
}

// HasSeveral tells that its own rule lets the kernel choose among several servers or ports.
func (f *Forward) HasSeveral() bool {
	_, several := f.servers()
	return several || f.drawn
}

// Targets are the servers and ports that clients of a forward may be sent to, those of them that a test asks.
func Targets(g *Gateway, f Forward) (list []netip.AddrPort) {
	targets, _ := examine(g).targets(&f)
	for i := range targets {
		if to := targets[i].Server; to.IsValid() && to.Port() != 0 && !targets[i].local {
			list = append(list, to)
		}
	}
	return list
}

// byStatistic tells that chance has a part in which rule translates a packet.
func (x *fate) byStatistic() bool {
	return slices.ContainsFunc(x.Visits, func(v evaluate.Visit) bool {
		return v.Table == "nat" && v.Verdict == evaluate.Unknown && v.Unknown == "statistic"
	})
}
