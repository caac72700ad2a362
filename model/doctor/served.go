package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
)

// stepServed asks whether somebody serves, wherever clients may be sent.
func stepServed(x *Examination, f *Forward) Finding {
	return x.ofEach(f, ofServing, servedBy)
}

// servedBy asks it of one: a listener here, or a server whose answers have been seen.
func servedBy(x *Examination, f *Forward) Finding {
	if found := answersElsewhere(x, f); found.Check != "" {
		return found
	}
	if f.local {
		return listened(x, f)
	}
	seen := x.stats.tallyOf(f)
	if found := heard(x, f, &seen); found.Check != "" || found.Sentence != "" {
		return found
	}
	if others := seen.answeredElsewhere(f.Server); others.IsValid() {
		return unknown(fmt.Sprintf("Whether %s answers is not known: the rule's other port %d has been answered.", f.Server, others.Port()), seen.String())
	}
	if found := stoppedAnswering(x, f, &seen); found.Check != "" {
		return found
	}
	if seen.replied+seen.half > 0 {
		if seen.unanswered > 0 && seen.unansweredSince() == 0 {
			found := unknown(fmt.Sprintf("Whether %s still answers is not known: it has answered, and %s for an answer.", f.Server, waits(seen.unanswered)), seen.String())
			if seen.unanswered >= 2 {
				found.Check = "served" // told of the whole gateway too
			}
			return found
		}
		return Finding{Sentence: fmt.Sprintf("%s has answered.", f.Server), Evidence: []string{seen.String()}}
	}
	found := unknown(fmt.Sprintf("Whether %s answers is not known: no connection to it is there now.", f.Server), rules.Plural(seen.flows, "connection")+", none answered")
	if seen.flows > 0 {
		found.Check = "served" // told of the whole gateway too: somebody has asked
		found.Sentence = fmt.Sprintf("Whether %s answers is not known: no connection that is there now has been answered.", f.Server)
	}
	if f.Proto == rules.TCP && seen.flows == 0 && f.rule.Counters.Packets > 0 {
		// The kernel forgets a connection that is reset at once.
		found.Sentence = fmt.Sprintf("Whether %s answers is not known: packets came, and no connection is left of them. Where the server refuses it is so; a test of the server tells (p in Doctor, nattui doctor --probe).", f.Server)
	}
	if before := x.heardBefore(f); before != "" {
		found.Evidence = append(found.Evidence, before)
		found.Sentence = strings.TrimSuffix(found.Sentence, ".") + "; " + before + "."
	}
	return found
}

// stoppedAnswering tells of a server that has answered connections, and none of those that began after them.
func stoppedAnswering(x *Examination, f *Forward, seen *tally) Finding {
	n, server := seen.unansweredSince(), f.Server
	if other := seen.unansweredElsewhere(server); other.IsValid() {
		if server = other; f.exact {
			return Finding{} // another port's
		}
	}
	if n == 0 || f.Proto != rules.TCP && n < 3 { // a datagram may be lost, or need no answer
		return Finding{}
	}
	return Finding{
		Check: "server-stopped", Severity: SeverityWarning, Evidence: []string{seen.dated("to "+server.String(), x.now)},
		Sentence: fmt.Sprintf("%s has answered before, and does not any more: it is off or hangs, nothing listens there now, its own firewall drops what comes, or its answers take another way.", server),
	}
}

// listened asks whether a program of this host takes what is redirected to it.
func listened(x *Examination, f *Forward) Finding {
	to := f.Server
	if x.Listeners == nil || to.Port() == 0 || f.ranged || f.Proto != rules.TCP && f.Proto != rules.UDP || !to.Addr().IsValid() {
		return unknown("Whether a program of this host takes it is not known.")
	}
	if l, ok := x.ListensOn(f.Proto, to, f.Link); ok {
		if l.DeviceUnknown && x.stats.tallyOf(f).replied == 0 {
			return unknown(fmt.Sprintf("%s listens at %s; whether it is bound to an interface (SO_BINDTODEVICE), and to which, the kernel does not tell without sock_diag.", listenerName(l), l.Address))
		}
		return Finding{Sentence: fmt.Sprintf("%s takes it.", listenerName(l)), Evidence: []string{fmt.Sprintf("%s listens at %s", listenerName(l), l.Address)}}
	}
	if l, ok := x.ListensOn(f.Proto, to, ""); ok {
		return boundElsewhere(f, l)
	}
	for _, l := range x.Listeners {
		if l.Proto == f.Proto && l.Address.Port() == to.Port() && l.Address.Addr().IsLoopback() && l.Address.Addr().Is4() == to.Addr().Is4() {
			return loopbackListener(x, f, l)
		}
	}
	if f.Rule.Family == rules.IPv6 && slices.ContainsFunc(x.Listeners, func(l facts.Listener) bool {
		return l.Address.Port() == to.Port() && l.Proto == f.Proto && l.Address.Addr().Is4()
	}) {
		return Finding{
			Check: "nobody-listens", Severity: SeverityWarning, Evidence: []string{fmt.Sprintf("port %d is listened on over IPv4 alone", to.Port()), f.ruleCount()},
			Sentence: fmt.Sprintf("No program takes %s over IPv6 at %s: whoever is sent there is refused.", f.Proto, to),
		}
	}
	if l, ok := x.listensElsewhere(f.Proto, to); ok {
		return listenerElsewhere(x, f, l)
	}
	return Finding{
		Check: "nobody-listens", Severity: SeverityError, Evidence: []string{fmt.Sprintf("no %s socket at port %d", f.Proto, to.Port()), f.ruleCount()},
		Sentence: fmt.Sprintf("No program listens on %s port %d of this host: whoever is sent there is refused.", f.Proto, to.Port()),
	}
}

func listenerName(l facts.Listener) string {
	if l.Process == "" {
		return "a program"
	}
	return l.Process
}

// loopbackListener tells that a redirection ends beside a service that listens
// at the loopback address: REDIRECT goes to the address of the interface.
func loopbackListener(x *Examination, f *Forward, l facts.Listener) Finding {
	found := Finding{
		Check: "listener-on-loopback", Severity: SeverityError, Evidence: []string{fmt.Sprintf("%s listens at %s alone", listenerName(l), l.Address), f.ruleCount()},
		Sentence: fmt.Sprintf("The rule sends packets to %s, but %s listens at %s alone, where they do not get: let it listen on all addresses, or send them to the loopback address.", f.Server, listenerName(l), l.Address),
	}
	if f.Rule.Family == rules.IPv6 || f.Link == "" || f.Owner != "" {
		return found // the kernel has no route_localnet for IPv6
	}
	changed := *f.rule
	changed.Target = rules.Target{Kind: rules.DNAT, Name: "DNAT", To: rules.Translation{Addrs: rules.Addrs{Lo: l.Address.Addr(), Hi: l.Address.Addr()}, Ports: rules.Port(l.Address.Port()), HasPorts: true}}
	steps := []rules.Step{x.replace(f.Rule, *f.rule, changed, "REDIRECT goes to the address of the interface; DNAT can go to the loopback address")}
	if x.Settings.RouteLocalnetOn(f.Link) != facts.SettingOn {
		steps = append(steps, x.openLoopback(f.Rule.Variant, f.Link)...)
	}
	plan := rules.Plan{Title: fmt.Sprintf("Send it to %s", l.Address), Steps: steps}
	if t, ok := x.after(plan); ok {
		if way := t.fate(f.packet); way.arrives() {
			found.Cure = plan
		}
	}
	return found
}

// boundElsewhere tells that a program listens for what comes by another interface than a forward's clients do.
func boundElsewhere(f *Forward, l facts.Listener) Finding {
	evidence := fmt.Sprintf("ss: %s listens at %s%%%s:%d", listenerName(l), l.Address.Addr(), l.Device, l.Address.Port())
	return Finding{
		Check: "nobody-listens", Severity: SeverityError, Evidence: []string{evidence, f.ruleCount()},
		Sentence: fmt.Sprintf("What the rule sends to %s comes by %s, and %s is bound to %s (SO_BINDTODEVICE): the kernel does not give it to that program, and whoever is sent there is refused. Let it listen by %s too, or by any interface.", f.Server, f.Link, listenerName(l), l.Device, f.Link),
	}
}

// listensElsewhere is a program that listens at a port of another of this host's addresses of the same family.
func (n network) listensElsewhere(proto rules.Protocol, to netip.AddrPort) (facts.Listener, bool) {
	for _, l := range n.Listeners {
		if a := l.Address.Addr(); l.Proto == proto && l.Address.Port() == to.Port() && a.Is4() == to.Addr().Is4() && !a.IsUnspecified() && !a.IsLoopback() {
			return l, true
		}
	}
	return facts.Listener{}, false
}

// listenerElsewhere tells that what a forward sends to this host comes to another of its addresses than that at which a
// program listens.
func listenerElsewhere(x *Examination, f *Forward, l facts.Listener) Finding {
	found := Finding{
		Check: "nobody-listens", Severity: SeverityError, Evidence: []string{fmt.Sprintf("%s listens at %s alone", listenerName(l), l.Address), f.ruleCount()},
		Sentence: fmt.Sprintf("The rule sends packets to %s, but %s listens at %s alone: whoever is sent there is refused. Let it listen at that address too, or at all.", f.Server, listenerName(l), l.Address),
	}
	if f.rule.Target.Kind == rules.Redirect {
		found.Sentence = fmt.Sprintf("REDIRECT sends packets to the address of the interface that they come by, %s, but %s listens at %s alone: whoever is sent there is refused. Let it listen at that address too, or at all; or send packets to where it listens by DNAT.", f.Server, listenerName(l), l.Address)
	}
	if f.Owner != "" || !x.IsLocal(l.Address.Addr()) || l.Address.Addr().IsLinkLocalUnicast() || f.Rule.Backend == rules.Native {
		return found
	}
	changed := *f.rule
	changed.Target = rules.Target{Kind: rules.DNAT, Name: "DNAT", To: rules.Translation{Addrs: rules.Addrs{Lo: l.Address.Addr(), Hi: l.Address.Addr()}, Ports: rules.Port(l.Address.Port()), HasPorts: true}}
	plan := rules.Plan{Title: fmt.Sprintf("Send it to %s", l.Address), Steps: []rules.Step{x.replace(f.Rule, *f.rule, changed, "so that packets come to the address at which "+listenerName(l)+" listens")}}
	if t, ok := x.after(plan); ok {
		if way := t.fate(f.packet); way.arrives() {
			found.Cure = plan
		}
	}
	return found
}

// waits is how many connections wait, with its verb.
func waits(n int) string {
	if n == 1 {
		return "1 connection waits"
	}
	return rules.Plural(n, "connection") + " wait"
}
