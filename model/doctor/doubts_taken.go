package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
)

// takes tells of a program of this host whose connections the rule would send elsewhere.
func (d *doubts) takes() {
	k := d.rule.Target.Kind
	if d.rule.Chain != "PREROUTING" || k != rules.DNAT && k != rules.Redirect {
		return
	}
	s, ok := sketch{}.with(&d.rule)
	if !ok || s.open() || s.marked {
		return
	}
	var taken []*facts.Listener
	for i := range d.facts.Listeners {
		l := &d.facts.Listeners[i]
		same := func(o *facts.Listener) bool {
			return o.Process == l.Process && o.Proto == l.Proto && o.Address.Port() == l.Address.Port()
		}
		if d.takesFrom(&s, l) && !slices.ContainsFunc(taken, same) { // one that listens at each address by itself is one
			taken = append(taken, l)
		}
	}
	if len(taken) == 0 {
		return
	}
	first := taken[0]
	if i := slices.IndexFunc(taken, func(l *facts.Listener) bool { return l.Process == "sshd" }); i >= 0 {
		first = taken[i]
	}
	program, by, more := first.Process, "", ""
	if program == "" {
		program = "a program"
	}
	if !s.in.Any() {
		by = " by " + s.in.Name
	}
	if n := len(taken) - 1; n > 0 {
		more = fmt.Sprintf(" and to %d more", n)
	}
	d.say("%s of this host listens on %s port %d: new connections to it%s%s go elsewhere then", program, rules.ProtoName(first.Proto), first.Address.Port(), more, by)
}

// takesFrom reports whether the rule takes packets to what a program listens on, and does not send them just there.
func (d *doubts) takesFrom(s *sketch, l *facts.Listener) bool {
	at, to := l.Address.Addr(), d.rule.Target.To
	switch {
	case at.IsLoopback(), s.proto != 0 && s.proto != l.Proto, !s.names(l.Address.Port()):
		return false
	case at.IsUnspecified():
		if at.Is6() != (d.family() == rules.IPv6) && !l.BothFamilies {
			return false
		}
	case !d.family().Holds(at):
		return false
	}
	if to.HasPorts && to.Ports.Single() && to.Ports.Lo == l.Address.Port() || !to.HasPorts {
		if d.rule.Target.Kind == rules.Redirect || to.Addrs.Single() && d.facts.IsLocal(to.Addrs.Lo) {
			return false // to the same program
		}
	}
	return s.dst.Any() || slices.ContainsFunc(d.ownAddresses(at), s.dst.Contains)
}

// ownAddresses are this host's addresses that a program is reached at.
func (d *doubts) ownAddresses(at netip.Addr) (list []netip.Addr) {
	if !at.IsUnspecified() {
		return []netip.Addr{at}
	}
	for _, a := range d.facts.Addresses {
		list = append(list, a.Prefix.Addr())
	}
	return list
}
