package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// FindForward finds the forward that a person means: by rule (PREROUTING 1) or
// by what is asked for or who serves, with the protocol or without
// (tcp 203.0.113.1:80, 192.168.0.2:8080, :80).
func FindForward(list []Forward, text string) (Forward, error) {
	words := strings.Fields(strings.ReplaceAll(text, "/", " "))
	var found []Forward
	for _, f := range list {
		if f.meant(words) {
			found = append(found, f)
		}
	}
	own := slices.DeleteFunc(slices.Clone(found), func(f Forward) bool { return f.Owner != "" })
	switch {
	case len(own) > 0:
		return own[0], nil
	case len(found) > 0:
		return found[0], nil
	case len(words) > 0 && rules.WrongPort(words[len(words)-1]) != "":
		return Forward{}, fmt.Errorf("no rule forwards %q: %s", text, rules.WrongPort(words[len(words)-1]))
	case len(list) == 0:
		return Forward{}, fmt.Errorf("no rule gives what arrives another destination: there is nothing to forward %q", text)
	}
	var known []string
	for i := range list[:min(len(list), 6)] {
		known = append(known, fmt.Sprintf("%s (%s %s)", ruleName(list[i].Rule), list[i].Proto, list[i].askedText()))
	}
	if len(list) > 6 {
		known = append(known, fmt.Sprintf("%d more", len(list)-6))
	}
	if near := nearestPorts(list, text); near != "" {
		return Forward{}, fmt.Errorf("no rule forwards %q as a whole: of these ports there is %s, ask for that", text, near)
	}
	return Forward{}, fmt.Errorf("no rule forwards %q: name a rule such as PREROUTING 1, or what is asked for such as tcp 203.0.113.1:80; there are %s", text, strings.Join(known, ", "))
}

func (f *Forward) meant(words []string) bool {
	switch len(words) {
	case 2:
		if n, err := strconv.Atoi(words[1]); err == nil && strings.EqualFold(words[0], f.Rule.Chain) {
			return n == f.Rule.Position
		}
		p, ok := rules.ParseProtocol(words[0])
		if _, isRange := portRange(words[0]); isRange || isNumber(words[0]) { // 8080/tcp
			p, ok = rules.ParseProtocol(words[1])
			words = []string{words[1], words[0]}
		}
		return ok && p == f.Proto && f.meant(words[1:])
	case 1:
		if port, err := strconv.ParseUint(strings.TrimPrefix(words[0], ":"), 10, 16); err == nil {
			return f.Asked.Port() == uint16(port)
		}
		if at, ports, ok := cutRange(words[0]); ok {
			a, err := netip.ParseAddr(strings.Trim(at, "[]"))
			return f.takesPorts(ports) && (at == "" || err == nil && (a == f.Asked.Addr() || a == f.Server.Addr()))
		}
		if a, err := netip.ParseAddr(words[0]); err == nil {
			return a == f.Asked.Addr() || a == f.Server.Addr()
		}
		a, err := netip.ParseAddrPort(words[0])
		return err == nil && (a == f.Asked || a == f.Server)
	}
	return named(words, f.Rule)
}

func isNumber(word string) bool {
	_, err := strconv.Atoi(word)
	return err == nil
}

// Seek finds the forward that a person means, as FindForward does, or by a packet: the rule that translates what
// clients ask for, even where it names no address. Where no rule forwards it the findings say what becomes of the
// packet instead, from each way in; where one does from some of the ways, what was found about it comes after what becomes of
// it from those before. The error is that the text names neither.
func Seek(g *Gateway, text string) (Forward, []Finding, error) {
	x := examine(g)
	f, err := FindForward(x.forwards, text)
	passing := err == nil && f.passing && !f.isNamed(text) // the address that it matches is only an example
	if err == nil && !passing {
		return x.fromFirst(f, text), nil, nil
	}
	if f, ok := x.seekLeft(text); ok {
		return f, nil, nil
	}
	if found := x.aboutRule(text); found != nil {
		return Forward{}, found, nil
	}
	proto, all, ok := x.parseAsked(text)
	if err := portless(text); !ok && err != nil {
		return Forward{}, nil, err
	}
	if !ok || passing && asksElsewhere(x, all) {
		return f, nil, err
	}
	var found []Finding
	for _, asked := range all {
		for _, link := range x.waysIn(asked.Addr()) {
			p, ok := x.askingBy(link, proto, asked)
			if !ok {
				continue
			}
			way := x.fate(p)
			if f, ok := x.translator(&way); ok {
				f.Link, f.packet, f.Proto, f.exact = link, p, proto, true
				f.aim(asked.Addr(), asked.Port())
				x.serve(&f, f.rule, asked.Port())
				x.settle(&f)
				if len(found) > 0 {
					return Forward{}, append(found, ExamineForward(g, f)...), nil
				}
				return f, nil, nil
			}
			found = append(found, unforwarded(x, &way, proto, asked))
		}
	}
	switch {
	case len(found) == 0:
		return f, nil, err
	case passing:
		found = append(found, ExamineForward(g, f)...)
	}
	return Forward{}, found, nil
}

// portless refuses what is asked for by a protocol without ports: a rule may well translate it, and is not followed with it.
func portless(text string) error {
	words := strings.Fields(text)
	if len(words) != 2 {
		return nil
	}
	p, ok := rules.ParseProtocol(words[0])
	to, err := netip.ParseAddr(words[1])
	if !ok || p.HasPorts() || err != nil {
		return nil
	}
	return fmt.Errorf("%s has no ports, and the doctor follows what is asked for at one; what becomes of a packet of it says  nattui whatif %s CLIENT %s", words[0], words[0], to)
}

// asksElsewhere tells that no address is this host's.
func asksElsewhere(x *Examination, all []netip.AddrPort) bool {
	return !slices.ContainsFunc(all, func(a netip.AddrPort) bool { return x.IsLocal(a.Addr()) })
}

// isNamed tells that a text is the name of its rule.
func (f *Forward) isNamed(text string) bool { return names(strings.Fields(text), f.Rule) }

// names tells that words are the name of a rule, with its table or without.
func names(words []string, r evaluate.RuleRef) bool {
	return named(words, r) || len(words) == 2 && strings.EqualFold(words[0], r.Chain) && words[1] == strconv.Itoa(r.Position)
}

// translator is the forward that translates a packet: of a rule that has several, the one that sends it where it goes.
func (x *Examination) translator(way *fate) (f Forward, ok bool) {
	if !way.known {
		return Forward{}, false
	}
	for i := range x.forwards {
		switch one := &x.forwards[i]; {
		case way.by(one.Rule) && slices.ContainsFunc(way.Outcomes, func(o evaluate.Outcome) bool { return o.DNATBy == one.Rule && one.maySend(o.Dst.AddrPort()) }):
			return *one, true
		case way.by(one.Rule) && !ok:
			f, ok = *one, true
		}
	}
	if ok {
		return f, true
	}
	for i := range way.Outcomes {
		if f, ok := x.leftForward(way.Outcomes[i].DNATBy); ok {
			return f, true
		}
	}
	return Forward{}, false
}

// named tells whether words are the name that the doctor gives a rule, with its table: inet gw prerouting 1.
func named(words []string, r evaluate.RuleRef) bool {
	return len(words) > 2 && strings.EqualFold(strings.Join(words, " "), r.String())
}

// seekLeft is the forward that a person names by its rule, among those that are not listed.
func (x *Examination) seekLeft(text string) (Forward, bool) {
	words := strings.Fields(text)
	i := slices.IndexFunc(x.left, func(at evaluate.RuleRef) bool { return names(words, at) })
	if i < 0 {
		return Forward{}, false
	}
	return x.leftForward(x.left[i])
}

// aboutRule is what there is to say of a rule that a person names and that is no forward, such as OUTPUT 1; nil if
// the text names none.
func (x *Examination) aboutRule(text string) (list []Finding) {
	words := strings.Fields(text)
	if len(words) != 2 {
		return nil
	}
	position, err := strconv.Atoi(words[1])
	if err != nil {
		return nil
	}
	var all report
	for _, p := range x.variants() {
		for _, table := range []string{"nat", "filter", "mangle", "raw"} {
			at := evaluate.RuleRef{Variant: p, Table: table, Chain: x.chainNamed(p, table, words[0]), Position: position}
			r, ok := ruleOf(x.sets, at)
			if !ok {
				continue
			}
			if all == nil {
				for _, check := range checks {
					all.take(check(x))
				}
				proveAll(x, all)
			}
			before := len(list)
			for _, f := range all {
				if f.Subject == ruleName(at) {
					list = append(list, f)
				}
			}
			if len(list) == before {
				list = append(list, Finding{
					Check: "rule", Severity: SeverityNote, Subject: ruleName(at), Evidence: []string{r.String(), counted(r)},
					Sentence: strings.TrimSuffix(r.Sentence(), ".") + ". No finding is about this rule, which is no forward.",
				})
			}
		}
	}
	return list
}

// chainNamed is the chain that a person means, whatever the case of its letters.
func (t *trial) chainNamed(p rules.Variant, table, name string) string {
	if found, ok := t.sets[p].Table(table); ok {
		for i := range found.Chains {
			if strings.EqualFold(found.Chains[i].Name, name) {
				return found.Chains[i].Name
			}
		}
	}
	return name
}

// parseAsked reads what clients ask for: [tcp|udp] ADDRESS:PORT, or a port alone, also as 8080/tcp, which stands for
// this host's own addresses on the ways to the Internet.
func (n network) parseAsked(text string) (proto rules.Protocol, asked []netip.AddrPort, ok bool) {
	proto = rules.TCP
	words := strings.Fields(strings.ReplaceAll(text, "/", " "))
	if len(words) == 2 {
		p, ok := rules.ParseProtocol(words[0])
		if _, err := strconv.Atoi(words[0]); !ok || err == nil { // 8080/tcp
			words[0], words[1] = words[1], words[0]
			p, ok = rules.ParseProtocol(words[0])
		}
		if !ok || !p.HasPorts() {
			return 0, nil, false
		}
		proto, words = p, words[1:]
	}
	if len(words) != 1 {
		return 0, nil, false
	}
	if a, err := netip.ParseAddrPort(words[0]); err == nil {
		return proto, []netip.AddrPort{a}, a.Port() != 0
	}
	port, err := strconv.ParseUint(strings.TrimPrefix(words[0], ":"), 10, 16)
	if err != nil || port == 0 {
		return 0, nil, false
	}
	for _, a := range n.inUse("") {
		if a.Scope == facts.ScopeGlobal && !a.Secondary && !a.Temporary && n.outward(a.Link) && len(asked) < 4 {
			asked = append(asked, netip.AddrPortFrom(a.Prefix.Addr(), uint16(port)))
		}
	}
	return proto, asked, len(asked) > 0
}

// waysIn are the links by which clients may ask for an address: the one that has it or leads to the Internet, and
// those with networks inside.
func (n network) waysIn(a netip.Addr) []string {
	family := rules.FamilyOf(a)
	var list []string
	first, ok := n.LinkOf(a)
	if !ok || first == "lo" || !n.IsLocal(a) {
		first, ok = n.uplink(family)
	}
	if ok {
		list = append(list, first)
	}
	for _, link := range n.innerLinks(family, first) {
		if link != first && !n.onNet(link, a) {
			list = append(list, link)
		}
	}
	return list
}

// askingBy is the first packet of a client that comes by a link.
func (n network) askingBy(link string, proto rules.Protocol, asked netip.AddrPort) (evaluate.Packet, bool) {
	client, ok := n.clientOn(link, sketch{family: rules.FamilyOf(asked.Addr()), proto: proto}, asked.Addr())
	return evaluate.Packet{Protocol: proto, Src: client, SrcPort: 51515, Dst: asked.Addr(), DstPort: asked.Port(), In: link}, ok
}

// unforwarded says what becomes of a packet that no forward takes.
func unforwarded(x *Examination, way *fate, proto rules.Protocol, asked netip.AddrPort) Finding {
	p := &way.Packet
	found := Finding{Check: "not-forwarded", Severity: SeverityWarning, Subject: fmt.Sprintf("%s %s", proto, asked)}
	who := fmt.Sprintf("a packet from %s by %s for %s", p.Src, p.In, found.Subject)
	o, blocked := way.blocked()
	switch {
	case blocked && !o.DroppedBy.IsZero():
		found.Evidence = []string{x.dropperText(o.DroppedBy)}
		found.Sentence = fmt.Sprintf("%s drops %s; no rule forwards it.", dropperName(o.DroppedBy, way.hook(o.DroppedBy)), who)
	case blocked:
		found.Evidence = []string{o.Why}
		found.Sentence = fmt.Sprintf("No rule forwards %s, and it ends here: %s.", who, o.Why)
	case !way.passes():
		found.Severity = SeverityUnknown
		found.Sentence = fmt.Sprintf("What becomes of %s is not known: %s.", who, way.doubt())
	case way.Outcomes[0].Delivered == evaluate.Forwarded:
		found.Severity = SeverityNote
		found.Sentence = fmt.Sprintf("No rule gives %s another destination: it goes on to %s by %s.", who, asked.Addr(), way.Outcomes[0].Out)
	default:
		return x.ownService(found, who, p.In, proto, asked)
	}
	return uncertain(found, way)
}

// ownService says who takes what no rule gives another destination and is for this host.
func (n network) ownService(found Finding, who, in string, proto rules.Protocol, asked netip.AddrPort) Finding {
	if l, ok := n.ListensOn(proto, asked, in); ok {
		found.Severity = SeverityNote
		found.Evidence = []string{fmt.Sprintf("%s listens at %s", listenerName(l), l.Address)}
		found.Sentence = fmt.Sprintf("No rule gives %s another destination: it is for this host, where %s takes it.", who, listenerName(l))
		return found
	}
	if n.Listeners == nil {
		found.Severity = SeverityUnknown
		found.Sentence = fmt.Sprintf("No rule gives %s another destination: it is for this host, and whether a program takes it is not known.", who)
		return found
	}
	if l, ok := n.ListensOn(proto, asked, ""); ok {
		found.Evidence = []string{fmt.Sprintf("%s listens at %s, bound to %s", listenerName(l), l.Address, l.Device)}
		found.Sentence = fmt.Sprintf("No rule gives %s another destination: it is for this host, where %s listens for what comes by %s alone.", who, listenerName(l), l.Device)
		return found
	}
	for _, l := range n.Listeners {
		if l.Proto == proto && l.Address.Port() == asked.Port() && l.Address.Addr().IsLoopback() {
			found.Evidence = []string{fmt.Sprintf("%s listens at %s alone", listenerName(l), l.Address)}
			found.Sentence = fmt.Sprintf("No rule gives %s another destination: it is for this host, where %s listens at the loopback address alone.", who, listenerName(l))
			return found
		}
	}
	if l, ok := n.listensElsewhere(proto, asked); ok {
		found.Evidence = []string{fmt.Sprintf("%s listens at %s", listenerName(l), l.Address)}
		found.Sentence = fmt.Sprintf("No rule gives %s another destination: it is for this host, where no program listens at that address; %s listens at %s.", who, listenerName(l), l.Address)
		return found
	}
	found.Evidence = []string{fmt.Sprintf("no %s socket at port %d", proto, asked.Port())}
	found.Sentence = fmt.Sprintf("No rule gives %s another destination: it is for this host, where no program listens at that port.", who)
	return found
}
