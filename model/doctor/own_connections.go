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

// checkOwnConnections tells of connections of this host itself that rules let begin and that do not last: those that others
// open to its programs, and those that it opens.
func checkOwnConnections(x *Examination) []Finding {
	return slices.Concat(servicesStop(x), ownUnanswered(x, rules.IPv4), ownUnanswered(x, rules.IPv6))
}

// servicesStop tells of programs of this host that others may open connections to, and whose answers, or what is sent after
// them, rules drop.
func servicesStop(x *Examination) (list []Finding) {
	told := map[string]bool{}
	for _, p := range x.network.ownServices() {
		l, listens := x.ListensOn(p.Protocol, netip.AddrPortFrom(p.Dst, p.DstPort), p.In)
		subject := fmt.Sprintf("%s to %s port %d", listenerName(l), p.Protocol, p.DstPort)
		if p.In == "" || !listens || told[subject] || p.Protocol == rules.UDP && !slices.Contains(serverPorts, p.DstPort) {
			continue
		}
		first := x.fate(p)
		if !first.passes() || len(first.Outcomes) != 1 || first.Outcomes[0].Delivered != evaluate.Delivered || first.Outcomes[0].DNAT {
			continue
		}
		found := x.serviceStops(p, l, &first)
		if found.Check == "" {
			continue
		}
		found.Subject, told[subject] = subject, true
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s listens at %s", listenerName(l), l.Address))
		list = append(list, found)
	}
	return list[:min(len(list), alike)]
}

// serviceStops follows the answer of a program of this host to a first packet, and what the client sends then.
func (x *Examination) serviceStops(p evaluate.Packet, l facts.Listener, first *fate) Finding {
	who := fmt.Sprintf("%s at %s port %d", listenerName(l), p.Dst, p.DstPort)
	answer := answerTo(netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort), p.Protocol, "")
	answer.Local = true
	answer = answering(answer, p, &first.Outcomes[0])
	answer.ConnMark, answer.ConnMarkOpen = first.connMark()
	back := x.fate(answer)
	if o, blocked := back.blocked(); blocked && !o.DroppedBy.IsZero() {
		return uncertain(Finding{
			Check: "answers-dropped", Severity: SeverityWarning, Evidence: []string{x.dropperText(o.DroppedBy)},
			Sentence: fmt.Sprintf("%s drops the answers of %s to who comes by %s, whom INPUT lets in.", dropperName(o.DroppedBy, back.hook(o.DroppedBy)), who, p.In),
		}, &back)
	}
	found := x.goesOnVain(first, &back, "the packets to "+who, "")
	if found.Check != "established-dropped" {
		return Finding{}
	}
	next := x.goesOn(first, &back)[0].way.Packet
	found.Cure, _ = x.titled("Let connections to "+listenerName(l)+" go on", nil, []passage{{next, lastingly, "what clients send after the first answer belongs to connections that are there"}}, func(t *trial) bool {
		y := t.fate(next)
		return y.arrives()
	})
	return found
}

// asks is what programs of any host ask of others, so that it works: names, updates, the time.
var asks = []struct {
	proto rules.Protocol
	port  uint16
	name  string
}{{rules.UDP, 53, "DNS"}, {rules.TCP, 443, "HTTPS"}, {rules.TCP, 80, "HTTP"}, {rules.UDP, 123, "NTP"}}

// ownUnanswered tells that rules let this host's own questions leave and drop the answers, or what it sends after them.
func ownUnanswered(x *Examination, family rules.Family) []Finding {
	to, ok := x.worldAddr(family, "")
	src := netip.Addr{}
	if ok {
		src = x.ownSource(to)
	}
	if back, certain := x.Lookup(evaluate.RouteQuery{Dst: src}); !src.IsValid() || src.IsLoopback() || !certain || back.Kind != facts.RouteLocal {
		return nil
	}
	var all []Finding
	var names []string
	left := 0
	for _, a := range asks {
		p := evaluate.Packet{Protocol: a.proto, Src: src, Dst: to, SrcPort: 51515, DstPort: a.port, Local: true}
		first := x.fate(p)
		if !first.passes() || len(first.Outcomes) != 1 || first.Outcomes[0].Delivered != evaluate.Forwarded {
			continue // it is not meant to leave, or a rule sends it elsewhere
		}
		left++
		if found := x.ownStops(p, &first); found.Check != "" {
			all, names = append(all, found), append(names, a.name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	found := all[0]
	found.Subject = "this host's own connections, " + family.Title()
	found.Severity = SeverityWarning
	if len(all) == left {
		names = append(names, "whatever its programs ask of others")
		if n := x.stats.ownHalf[family]; n > 0 {
			found.Severity = SeverityError
			found.Evidence = append(found.Evidence, rules.Plural(n, "connection")+" of this host itself, accepted and not heard of here")
		}
	}
	found.Sentence += fmt.Sprintf(" It has none of: %s.", strings.Join(names, ", "))
	return []Finding{found}
}

// ownStops follows the answer to a first packet of this host itself, and what it sends then.
func (x *Examination) ownStops(p evaluate.Packet, first *fate) Finding {
	end := &first.Outcomes[0]
	answer := answerTo(netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort), p.Protocol, end.Out)
	answer = answering(answer, p, end)
	answer.ConnMark, answer.ConnMarkOpen = first.connMark()
	back := x.fate(answer)
	wanted := []passage{{answer, lastingly, "answers to what this host asks belong to connections that are there"}}
	o, blocked := back.blocked()
	if !blocked {
		found := x.goesOnVain(first, &back, "the packets of this host's own programs to others", "")
		if found.Check != "established-dropped" {
			return Finding{}
		}
		wanted[0].packet = x.goesOn(first, &back)[0].way.Packet
		found.Cure = x.lasting(wanted)
		return found
	}
	if o.DroppedBy.IsZero() {
		return Finding{}
	}
	found := Finding{
		Check: "answers-dropped", Severity: SeverityWarning, Evidence: []string{x.dropperText(o.DroppedBy)},
		Sentence: fmt.Sprintf("%s drops the answers to what this host's own programs ask of others by %s: no rule lets in what belongs to connections that are there (state ESTABLISHED).", dropperName(o.DroppedBy, back.hook(o.DroppedBy)), end.Out),
		Cure:     x.lasting(wanted),
	}
	return uncertain(found, &back)
}

// lasting is the plan that lets packets of this host's own connections through.
func (x *Examination) lasting(wanted []passage) rules.Plan {
	plan, _ := x.titled("Let this host's own connections go on", nil, wanted, func(t *trial) bool {
		y := t.fate(wanted[0].packet)
		return y.arrives()
	})
	return plan
}
