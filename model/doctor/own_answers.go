package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// checkOwnAnswers tells of addresses on ways to the Internet whose clients get no answer from this host's own programs:
// the answer leaves by another way, or the reverse path filter does not let the question in.
func checkOwnAnswers(x *Examination) (list []Finding) {
	told := map[string]bool{}
	for _, a := range x.inUse("") {
		if to := a.Prefix.Addr(); a.Scope != facts.ScopeGlobal || a.Temporary || a.Deprecated || told[a.Link+rules.FamilyOf(to).String()] || !x.outward(a.Link) {
			continue
		}
		for _, proto := range []rules.Protocol{rules.TCP, rules.UDP} {
			l, ok := x.listenerAt(a.Prefix.Addr(), proto)
			if !ok {
				continue
			}
			if found := ownAnswer(x, &a, l); found.Check != "" {
				told[a.Link+rules.FamilyOf(a.Prefix.Addr()).String()] = true
				list = append(list, found)
				break
			}
		}
	}
	return list
}

// ownAnswer follows the question of a client on the Internet to a program that listens at an address, and its answer.
func ownAnswer(x *Examination, a *facts.Address, l facts.Listener) Finding {
	to := a.Prefix.Addr()
	p, ok := x.askingBy(a.Link, l.Proto, netip.AddrPortFrom(to, l.Address.Port()))
	if !ok {
		return Finding{}
	}
	found := Finding{
		Check: "answer-leaves-elsewhere", Severity: SeverityNote, Subject: fmt.Sprintf("%s on %s", to, a.Link),
		Evidence: []string{fmt.Sprintf("%s listens at %s", listenerName(l), l.Address)},
	}
	if x.seenTo(a.Link, to) {
		found.Severity = SeverityWarning // it is meant to be used
	}
	if back := x.wayBack(p, to); back.Certain && !back.Passes {
		found.Check = "rp-filter"
		found.Evidence = append(found.Evidence, back.Why)
		found.Sentence = fmt.Sprintf("The reverse path filter of %s is %s and drops what clients on the Internet send to %s: %s.", a.Link, back.Mode, to, back.Why)
		return found
	}
	way := x.fate(p)
	if !way.passes() || len(way.Outcomes) != 1 || way.Outcomes[0].Delivered != evaluate.Delivered || way.Outcomes[0].DNAT {
		return Finding{}
	}
	answer := answerTo(netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(to, l.Address.Port()), l.Proto, "")
	answer.Local = true
	answer = answering(answer, p, &way.Outcomes[0])
	answer.ConnMark, answer.ConnMarkOpen = x.connMark(p)
	back := x.fate(answer)
	if !back.passes() || len(back.Outcomes) != 1 || back.Outcomes[0].Delivered != evaluate.Forwarded || back.Outcomes[0].Out == a.Link || back.Outcomes[0].Out == "" {
		return Finding{}
	}
	out := back.Outcomes[0].Out
	found.Evidence = append(found.Evidence, fmt.Sprintf("route back to %s from %s: by %s", p.Src, to, out))
	found.Sentence = fmt.Sprintf("Answers of this host's own programs to clients on the Internet that come by %s leave by %s with %s as source: unless the provider there lets that through, %s is of no use to them. Its own routing table would send them back: a policy rule for what is from %s.", a.Link, out, to, to, to)
	if l.Proto == rules.UDP && l.Address.Addr().IsUnspecified() {
		found.Sentence += fmt.Sprintf(" A program that takes datagrams at all addresses may answer with another one than was asked: have %s listen at %s itself.", listenerName(l), to)
	}
	found.Commands = x.routeFrom(a)
	return found
}

// serverPorts are those of UDP at which somebody waits to be asked from the Internet; at others programs wait for answers.
var serverPorts = []uint16{53, 123, 443, 500, 853, 1194, 1701, 3478, 4500, 5060, 51820}

// listenerAt is a program that takes what is sent to an address by a protocol.
func (n network) listenerAt(to netip.Addr, proto rules.Protocol) (best facts.Listener, ok bool) {
	for _, l := range n.Listeners {
		if l.Proto != proto || l.Address.Port() == 0 || proto == rules.UDP && !slices.Contains(serverPorts, l.Address.Port()) {
			continue
		}
		if at, known := n.ListensOn(l.Proto, netip.AddrPortFrom(to, l.Address.Port()), ""); known && (!ok || at.Address.Addr() == to) {
			best, ok = at, true
		}
	}
	return best, ok
}

// routeFrom are the commands that send what is from an address by its own link; none where the router there is not known.
func (n network) routeFrom(a *facts.Address) [][]string {
	ip := []string{"ip"}
	if a.Prefix.Addr().Is6() {
		ip = append(ip, "-6")
	}
	router, ok := n.routerOn(a.Link, a.Prefix.Addr())
	if !ok {
		return nil
	}
	_, table := n.unused()
	return [][]string{
		append(ip[:len(ip):len(ip)], "route", "add", "default", "via", router.String(), "dev", a.Link, "table", table),
		append(ip[:len(ip):len(ip)], "rule", "add", "from", a.Prefix.Addr().String(), "lookup", table),
	}
}

// routerOn is a router that some route leads to by a link.
func (n network) routerOn(link string, like netip.Addr) (router netip.Addr, ok bool) {
	for _, r := range n.Routes {
		for _, h := range r.Hops {
			if h.Out == link && h.Gateway.IsValid() && h.Gateway.Is4() == like.Is4() {
				router, ok = h.Gateway, true
			}
		}
	}
	return router, ok
}
