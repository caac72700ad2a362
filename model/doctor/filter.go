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

// stepLetThrough asks whether the filter rules let the translated packet, and
// its answer, pass.
func (d *doctor) stepLetThrough(f *Forward) Finding {
	hook := "FORWARD"
	if f.local {
		hook = "INPUT"
	}
	x := d.fate(f.packet)
	if o, blocked := x.blocked(); blocked && !o.DroppedBy.IsZero() && !d.othersPass(f) {
		name := "forward-dropped"
		if f.local {
			name = "input-dropped"
		}
		return d.dropped(name, f, &x, o, "after the translation")
	}
	if o, blocked := x.blocked(); blocked && o.DroppedBy.IsZero() {
		return Finding{
			Check: "packet-ends", Severity: SeverityWarning, Evidence: []string{o.Why, d.ruleCount(f)},
			Sentence: fmt.Sprintf("A packet for %s ends here: %s.", f.Asked, o.Why),
		}
	}
	if answer, ok := d.answer(f); ok {
		y := d.fate(answer)
		if o, blocked := y.blocked(); blocked && !o.DroppedBy.IsZero() && d.census.of(f.Rule).replied == 0 {
			return d.dropped("answers-dropped", f, &y, o, "on the way back")
		}
	}
	if found := d.nativeForward(f); found.Check != "" {
		return found
	}
	return Finding{Sentence: fmt.Sprintf("%s lets the packet to %s and its answer through.", hook, f.Server)}
}

// nativeForward asks the filters that were made with nft.
func (d *doctor) nativeForward(f *Forward) Finding {
	hook, out := "input", ""
	if !f.local {
		hook = "forward"
		if route, certain := d.f.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()}); certain {
			out = route.Out
		}
	}
	seen := d.census.of(f.Rule)
	if f.Link == "" || !f.Server.Addr().IsValid() || seen.replied > 0 {
		return Finding{}
	}
	return d.nativeStops(hook, f.packet, f.Server, f.Link, out, ruleName(f.Rule), seen.unanswered > 0)
}

// answer is what a server sends back; false where it does not pass through here.
func (d *doctor) answer(f *Forward) (evaluate.Packet, bool) {
	if f.local || !f.Server.Addr().IsValid() {
		return evaluate.Packet{}, false
	}
	route, certain := d.f.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	if route.Kind != facts.RouteUnicast || !certain {
		return evaluate.Packet{}, false
	}
	return answerTo(netip.AddrPortFrom(f.packet.Src, f.packet.SrcPort), f.Server, f.Proto, route.Out), true
}

// othersPass tells that the forward is for some clients alone: there are flows
// that were answered, or a client that the filter rules name gets through.
func (d *doctor) othersPass(f *Forward) bool {
	if d.census.of(f.Rule).replied > 0 {
		return true
	}
	for _, n := range d.allowedSources(f.Rule.Family) {
		s := f.via
		s.src = n
		client, ok := d.clientOn(f.Link, s, f.Server.Addr())
		if !ok {
			continue
		}
		p := f.packet
		p.Src = client
		if x := d.fate(p); x.arrives() {
			return true
		}
	}
	return false
}

// allowedSources are the networks that filter rules let something through from.
func (d *doctor) allowedSources(family rules.Family) []rules.Net {
	var nets []rules.Net
	for _, p := range d.places() {
		t, ok := d.sets[p].Table("filter")
		if !ok || p.Family != family {
			continue
		}
		for i := range t.Chains {
			for j := range t.Chains[i].Rules {
				r := &t.Chains[i].Rules[j]
				lets := r.Target.Kind == rules.Accept || r.Target.Kind == rules.Jump || r.Target.Kind == rules.Return || r.Target.Kind == rules.Goto
				if lets && !r.Source.Any() && !r.Source.Not && len(nets) < 32 {
					nets = append(nets, r.Source)
				}
			}
		}
	}
	return nets
}

// dropped tells which rule drops a packet of a forward, with the rules that
// would let it through.
func (d *doctor) dropped(check string, f *Forward, x *fate, o evaluate.Outcome, when string) Finding {
	hook := x.hook(o.DroppedBy)
	found := Finding{
		Check: check, Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{d.dropperText(o.DroppedBy), d.ruleCount(f)},
	}
	what := fmt.Sprintf("the packet to %s", f.Server)
	switch check {
	case "answers-dropped":
		what = fmt.Sprintf("the answer from %s", f.Server)
	case "dropped-early":
		what = fmt.Sprintf("a packet for %s", f.Asked)
	}
	found.Sentence = fmt.Sprintf("%s drops %s %s%s.", dropperName(o.DroppedBy, hook), what, when, d.setBy(o.DroppedBy))
	if check != "dropped-early" {
		found.Cure, _ = d.letThrough(f)
	}
	return found
}

// dropperName names the rule or policy that drops, with the chain that the
// kernel calls.
func dropperName(by, hook evaluate.RuleRef) string {
	if by.Position == 0 {
		return "The policy of " + by.Chain + placeNote(by.Place)
	}
	name := "Rule " + ruleName(by)
	if hook.Chain != by.Chain {
		name += " (called from " + ruleName(hook) + ")"
	}
	return name
}

func (d *doctor) dropperText(by evaluate.RuleRef) string {
	c, ok := d.sets[by.Place].Chain(by.Table, by.Chain)
	switch {
	case !ok:
		return ruleName(by)
	case by.Position == 0:
		text := fmt.Sprintf("-P %s %s", by.Chain, c.Policy)
		if c.Counters.Known {
			text += fmt.Sprintf(" (%d packets)", c.Counters.Packets)
		}
		return text
	case by.Position > len(c.Rules):
		return ruleName(by)
	}
	r := &c.Rules[by.Position-1]
	text := r.String()
	if r.Counters.Known {
		text += fmt.Sprintf(" (%d packets)", r.Counters.Packets)
	}
	return text
}

// setBy names the program that is known to set such a policy.
func (d *doctor) setBy(by evaluate.RuleRef) string {
	if owner := rules.ChainOwner(by.Chain); owner != "" {
		return "; " + owner + " made it"
	}
	if by.Position != 0 || by.Chain != "FORWARD" {
		return ""
	}
	if d.hasDocker(by.Place) {
		return "; Docker sets it to DROP when it starts"
	}
	for _, owner := range []string{"ufw", "firewalld"} {
		if _, ok := d.f.Present(owner); ok {
			return "; " + owner + " sets it"
		}
	}
	return ""
}

func (d *doctor) hasDocker(p rules.Place) bool {
	t, ok := d.sets[p].Table("filter")
	if !ok {
		return false
	}
	return slices.ContainsFunc(t.Chains, func(c rules.Chain) bool { return strings.HasPrefix(c.Name, "DOCKER") })
}

// letThrough is the plan that lets a forward's packets and answers through the
// filter rules.
func (d *doctor) letThrough(f *Forward) (rules.Plan, bool) {
	return d.titled("Let what is for "+f.Server.String()+" through the filter rules", nil, d.passages(f), func(t *trial) bool {
		x := t.fate(f.packet)
		return x.arrives()
	})
}

// titled is open with a title.
func (d *doctor) titled(title string, begin []rules.Step, wanted []passage, works func(*trial) bool) (rules.Plan, bool) {
	plan, ok := d.open(begin, wanted, works)
	if !ok {
		return rules.Plan{}, false
	}
	plan.Title = title
	return plan, true
}

// passages are the packets of a forward that have to get through, each with the
// rule that lets just such through.
func (d *doctor) passages(f *Forward) []passage {
	list := []passage{{f.packet, d.acceptLine(f), "the filter rules see the packet with its new destination, so that is what has to be let through"}}
	if answer, ok := d.answer(f); ok {
		list = append(list, passage{answer, "-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "answers come back the other way and have to get through as well"})
	}
	return list
}

func (d *doctor) acceptLine(f *Forward) string {
	line := "-A %s"
	if !f.local {
		line += " -d " + whole(f.Server.Addr())
	}
	if f.Link != "" && f.local {
		line += " -i " + f.Link
	}
	if name := rules.ProtoName(f.Proto); f.Proto.HasPorts() && f.Server.Port() != 0 && !(f.via.dport == rules.Ports{} && !f.rule.Target.To.HasPorts) {
		line += fmt.Sprintf(" -p %s -m %s --dport %s", name, name, d.serverPorts(f))
	} else if f.via.proto != 0 {
		line += " -p " + name
	}
	return line + " -j ACCEPT"
}

// serverPorts are the ports that packets of a forward may have at the server.
func (d *doctor) serverPorts(f *Forward) string {
	if f.rule.Target.To.HasPorts {
		return f.rule.Target.To.Ports.String()
	}
	if f.via.dport != (rules.Ports{}) {
		return f.via.dport.String()
	}
	return fmt.Sprint(f.Server.Port())
}

// stepServed asks whether somebody serves: a listener here, or a server whose
// answers have been seen.
func (d *doctor) stepServed(f *Forward) Finding {
	if f.local {
		return d.listened(f)
	}
	if p, ok := d.Probes[f.Server]; ok {
		if p.Refused {
			return Finding{
				Check: "server-refuses", Severity: SeverityError, Evidence: []string{fmt.Sprintf("asked from here, %s says: %s", f.Server, p.Why)},
				Sentence: fmt.Sprintf("Nothing listens at %s: its machine refuses connections there.", f.Server),
			}
		}
		if !p.Connected {
			return Finding{
				Check: "server-silent", Severity: SeverityError, Evidence: []string{fmt.Sprintf("asked from here, %s says: %s", f.Server, p.Why)},
				Sentence: fmt.Sprintf("%s does not answer even this host: it is off, or its own firewall drops what comes.", f.Server),
			}
		}
	}
	seen := d.census.of(f.Rule)
	if seen.replied+seen.half > 0 {
		return Finding{Sentence: fmt.Sprintf("%s answers.", f.Server), Evidence: []string{fmt.Sprintf("%s, %d of them answered", rules.Plural(seen.flows, "flow"), seen.replied+seen.half)}}
	}
	if p := d.Probes[f.Server]; p.Connected {
		return Finding{Sentence: fmt.Sprintf("%s answers this host.", f.Server), Evidence: []string{"a connection from here was accepted"}}
	}
	found := Finding{Sentence: fmt.Sprintf("Whether %s answers is not known: nobody has been answered yet.", f.Server), Evidence: []string{rules.Plural(seen.flows, "flow") + ", none answered"}}
	if f.Proto == rules.TCP && seen.flows == 0 && f.rule.Counters.Packets > 0 {
		// The kernel forgets a connection that is reset at once.
		found.Sentence = fmt.Sprintf("Whether %s answers is not known: packets came, and no connection is left of them. Where the server refuses it is so; asking it tells (nattui doctor --probe).", f.Server)
	}
	return found
}

// listened asks whether a program of this host takes what is redirected to it.
func (d *doctor) listened(f *Forward) Finding {
	to := f.Server
	if len(d.f.Listeners) == 0 || to.Port() == 0 || f.ranged || f.Proto != rules.TCP && f.Proto != rules.UDP || !to.Addr().IsValid() {
		return Finding{Sentence: "Whether a program of this host takes it is not known."}
	}
	if l, ok := d.f.ListensOn(f.Proto, to); ok {
		return Finding{Sentence: fmt.Sprintf("%s takes it.", listenerName(l)), Evidence: []string{fmt.Sprintf("%s listens at %s", listenerName(l), l.Address)}}
	}
	for _, l := range d.f.Listeners {
		if l.Proto == f.Proto && l.Address.Port() == to.Port() && l.Address.Addr().IsLoopback() && l.Address.Addr().Is4() == to.Addr().Is4() {
			return d.loopbackListener(f, l)
		}
	}
	if f.Rule.Family == rules.IPv6 && slices.ContainsFunc(d.f.Listeners, func(l facts.Listener) bool {
		return l.Address.Port() == to.Port() && l.Proto == f.Proto && l.Address.Addr().Is4()
	}) {
		return Finding{
			Check: "nobody-listens", Severity: SeverityWarning, Evidence: []string{fmt.Sprintf("port %d is listened on over IPv4 alone", to.Port()), d.ruleCount(f)},
			Sentence: fmt.Sprintf("No program takes %s over IPv6 at %s: whoever is sent there is refused.", f.Proto, to),
		}
	}
	return Finding{
		Check: "nobody-listens", Severity: SeverityError, Evidence: []string{fmt.Sprintf("no %s socket at port %d", f.Proto, to.Port()), d.ruleCount(f)},
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
func (d *doctor) loopbackListener(f *Forward, l facts.Listener) Finding {
	found := Finding{
		Check: "listener-on-loopback", Severity: SeverityError, Evidence: []string{fmt.Sprintf("%s listens at %s alone", listenerName(l), l.Address), d.ruleCount(f)},
		Sentence: fmt.Sprintf("The rule sends packets to %s, but %s listens at %s alone, where they do not get: let it listen on all addresses, or send them to the loopback address.", f.Server, listenerName(l), l.Address),
	}
	if f.Rule.Family == rules.IPv6 || f.Link == "" || f.Owner != "" {
		return found // the kernel has no route_localnet for IPv6
	}
	changed := *f.rule
	changed.Target = rules.Target{Kind: rules.DNAT, Name: "DNAT", To: rules.Translation{Addrs: rules.Addrs{Lo: l.Address.Addr(), Hi: l.Address.Addr()}, Ports: rules.Port(l.Address.Port()), HasPorts: true}}
	steps := []rules.Step{d.replace(f.Rule, *f.rule, changed, "REDIRECT goes to the address of the interface; DNAT can go to the loopback address")}
	if d.f.Settings.RouteLocalnetOn(f.Link) != facts.SettingOn {
		steps = append(steps, d.openLoopback(f.Rule.Place, f.Link)...)
	}
	plan := rules.Plan{Title: fmt.Sprintf("Send it to %s", l.Address), Steps: steps}
	if t, ok := d.after(plan); ok {
		if x := t.fate(f.packet); x.arrives() {
			found.Cure = plan
		}
	}
	return found
}

// stepReturns asks whether the server's answers come back through here.
func (d *doctor) stepReturns(f *Forward) Finding {
	if f.local {
		return Finding{Sentence: "The answer is this host's own."}
	}
	x := d.fate(f.packet)
	masked := slices.ContainsFunc(x.Outcomes, func(o evaluate.Outcome) bool { return o.SNAT })
	seen := d.census.of(f.Rule)
	if seen.hairpin > 0 {
		return d.hairpinMissing(f, seen)
	}
	if seen.replied > 0 || seen.unanswered == 0 || f.Owner != "" && !d.Probes[f.Server].Connected {
		sentence := fmt.Sprintf("%s has to send its answers to this host, which is so if it is that machine's default gateway.", f.Server.Addr())
		if masked {
			sentence = fmt.Sprintf("%s sees this host as the client, so it answers to it.", f.Server.Addr())
		} else if seen.replied > 0 {
			sentence = fmt.Sprintf("The answers of %s come back through this host.", f.Server.Addr())
		}
		return Finding{Sentence: sentence}
	}
	return d.noAnswer(f, seen, masked)
}

// noAnswer tells of flows that have reached the server's network and got no answer.
func (d *doctor) noAnswer(f *Forward, seen tally, masked bool) Finding {
	found := Finding{
		Check: "return-path", Severity: SeverityError,
		Evidence: []string{fmt.Sprintf("%s to %s, none answered", rules.Plural(seen.unanswered, "flow"), f.Server)},
		Sentence: fmt.Sprintf("%s gets packets and its answers do not come back here: it answers by another way, because its default gateway is another machine or none, or its own firewall drops them.", f.Server.Addr()),
	}
	if n, hop, ok := d.neighbour(f.Server.Addr()); ok && n.Reachable {
		found.Evidence = append(found.Evidence, fmt.Sprintf("ip neigh: %s is there (%s)", hop, n.MAC))
	}
	if f.Proto != rules.TCP {
		found.Severity = SeverityNote // one-way protocols are no trouble
	}
	if d.Probes[f.Server].Connected {
		found.Evidence = append(found.Evidence, "a connection from here was accepted")
		found.Sentence = fmt.Sprintf("%s answers this host but not the clients: its default gateway is another machine or none, so its answers go another way.", f.Server.Addr())
	}
	if masked {
		found.Check = "server-silent"
		found.Sentence = fmt.Sprintf("%s sees this host as the client and does not answer it: it is off, nothing listens, or its own firewall drops what comes.", f.Server)
		return found
	}
	found.Cure = d.hide(f, "Let "+f.Server.Addr().String()+" see this host as the client")
	if len(found.Cure.Steps) > 0 {
		found.Sentence += " If it has to stay so, let it see this host as the client; it then no longer sees the clients' addresses."
	}
	return found
}

// hide is the plan that gives what goes to a server this host's own address as
// source, so that the answers come back.
func (d *doctor) hide(f *Forward, title string) rules.Plan {
	route, _ := d.f.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	from, ok := d.ownAddr(route.Out, f.Server.Addr())
	if !ok || f.ranged {
		return rules.Plan{}
	}
	line := "-A %s -d " + whole(f.Server.Addr())
	if name := rules.ProtoName(f.Proto); f.Proto.HasPorts() {
		line += fmt.Sprintf(" -p %s -m %s --dport %s", name, name, d.serverPorts(f))
	}
	line += " -j SNAT --to-source " + from.String()
	plan, _ := d.translateSource(title, f.Rule.Place, line, f.packet, "so that the server's answers come back to this host, which turns them back")
	plan.Steps = append(plan.Steps, d.forget(d.census.of(f.Rule).examples)...)
	return plan
}

// translateSource is the plan that inserts a rule into POSTROUTING where it
// takes effect for a packet: at the end, or else in front.
func (d *doctor) translateSource(title string, p rules.Place, line string, packet evaluate.Packet, why string) (rules.Plan, bool) {
	for _, at := range []int{0, 1} {
		step, ok := d.insert(evaluate.RuleRef{Place: p, Table: "nat", Chain: "POSTROUTING", Position: at}, line, why)
		if !ok {
			return rules.Plan{}, false
		}
		plan := rules.Plan{Title: title, Steps: []rules.Step{step}}
		t, ok := d.after(plan)
		if !ok {
			continue
		}
		x := t.fate(packet)
		for _, o := range x.Outcomes {
			if o.SNAT && o.SNATBy.Chain == "POSTROUTING" && o.Delivered == evaluate.Forwarded {
				if r, ok := ruleOf(t.sets, o.SNATBy); ok && r.Same(step.Change.Rule) {
					return plan, true
				}
			}
		}
	}
	return rules.Plan{}, false
}

func ruleOf(sets map[rules.Place]*rules.Ruleset, at evaluate.RuleRef) (*rules.Rule, bool) {
	c, ok := sets[at.Place].Chain(at.Table, at.Chain)
	if !ok || at.Position < 1 || at.Position > len(c.Rules) {
		return nil, false
	}
	return &c.Rules[at.Position-1], true
}

// ownAddr is this host's address that a machine behind a link knows it by.
func (d *doctor) ownAddr(link string, to netip.Addr) (netip.Addr, bool) {
	var any netip.Addr
	for _, a := range d.f.AddressesOn(link) {
		if a.Prefix.Addr().Is4() != to.Is4() || a.Scope != facts.ScopeGlobal {
			continue
		}
		if a.Prefix.Contains(to) {
			return a.Prefix.Addr(), true
		}
		if !any.IsValid() {
			any = a.Prefix.Addr()
		}
	}
	return any, any.IsValid()
}

// stepLeaves asks whether the answer leaves by the interface that the client's
// packet came by.
func (d *doctor) stepLeaves(f *Forward) Finding {
	if f.Link == "" || !d.outward(f.Link) || !f.Asked.Addr().IsValid() {
		return Finding{Sentence: "The answer goes back to the client."}
	}
	q := evaluate.RouteQuery{Dst: f.packet.Src, Src: f.Asked.Addr()}
	if !f.local {
		if answer, ok := d.answer(f); ok {
			q.Src, q.In = f.Server.Addr(), answer.In
		}
	}
	back, certain := d.f.Lookup(q)
	if !certain || back.Kind != facts.RouteUnicast || back.Out == f.Link || d.restoresMark(f.Rule.Place) {
		return Finding{Sentence: fmt.Sprintf("The answer leaves by %s, where the packet came from.", f.Link)}
	}
	found := Finding{
		Check: "answer-leaves-elsewhere", Severity: SeverityError, Subject: ruleName(f.Rule),
		Evidence: []string{fmt.Sprintf("route back to %s: by %s", f.packet.Src, back.Out), fmt.Sprintf("%s arrives by %s", f.Asked, f.Link)},
		Sentence: fmt.Sprintf("Answers to clients that come by %s leave by %s, with an address that is not from there: the provider drops them.", f.Link, back.Out),
	}
	found.Cure, found.Commands = d.markedRoute(f)
	return found
}

// restoresMark tells that answers are routed by the mark of their connection.
func (d *doctor) restoresMark(p rules.Place) bool {
	for _, chain := range []string{"PREROUTING", "OUTPUT"} {
		c, ok := d.sets[p].Chain("mangle", chain)
		if ok && slices.ContainsFunc(c.Rules, func(r rules.Rule) bool { return r.Target.Kind == rules.SetConnMark && r.Target.Mark.Restore }) {
			return slices.ContainsFunc(d.f.PolicyRules, func(r facts.PolicyRule) bool { return r.Mask != 0 })
		}
	}
	return false
}

// markedRoute sends answers back by the interface that the connection came by:
// connections are marked there, and marked answers use a routing table of their own.
func (d *doctor) markedRoute(f *Forward) (rules.Plan, [][]string) {
	const mark, table = "0x6e", "110"
	var router netip.Addr
	for _, r := range d.f.Routes {
		for _, h := range r.Hops {
			if h.Out == f.Link && h.Gateway.IsValid() && h.Gateway.Is4() == f.Asked.Addr().Is4() {
				router = h.Gateway
			}
		}
	}
	if !router.IsValid() {
		return rules.Plan{}, nil
	}
	route, _ := d.f.Lookup(evaluate.RouteQuery{Dst: f.Server.Addr()})
	plan := rules.Plan{Title: "Mark connections that come by " + f.Link + ", so that their answers can be routed back there"}
	for _, l := range []struct{ line, why string }{
		{fmt.Sprintf("-A %%s -i %s -m conntrack --ctstate NEW -j CONNMARK --set-xmark %s/0xffffffff", f.Link, mark), "connections that begin at " + f.Link + " get a mark"},
		{fmt.Sprintf("-A %%s -i %s -m connmark --mark %s -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff", route.Out, mark), "their answers get it too, before they are routed"},
	} {
		step, ok := d.insert(evaluate.RuleRef{Place: f.Rule.Place, Table: "mangle", Chain: "PREROUTING"}, l.line, l.why)
		if !ok {
			return rules.Plan{}, nil
		}
		plan.Steps = append(plan.Steps, step)
	}
	ip := []string{"ip"}
	if f.Rule.Family == rules.IPv6 {
		ip = append(ip, "-6")
	}
	return plan, [][]string{
		slices.Concat(ip, []string{"route", "add", "default", "via", router.String(), "dev", f.Link, "table", table}),
		slices.Concat(ip, []string{"rule", "add", "fwmark", mark, "lookup", table}),
	}
}
