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

// The way of a forward, from the packet that arrives to the answer that leaves,
// as questions in the order in which the kernel answers them. Each is proven
// from rules, counters, flows, routes and neighbours.
var steps = []struct {
	name string // of the finding where nothing is wrong
	look func(*doctor, *Forward) Finding
}{
	{"arrives", (*doctor).stepArrives},
	{"translated", (*doctor).stepTranslated},
	{"forwarding", (*doctor).stepForwarding},
	{"source-believed", (*doctor).stepBelieved},
	{"route", (*doctor).stepRoute},
	{"neighbour", (*doctor).stepNeighbour},
	{"let-through", (*doctor).stepLetThrough},
	{"served", (*doctor).stepServed},
	{"answer-returns", (*doctor).stepReturns},
	{"answer-leaves", (*doctor).stepLeaves},
}

// ExamineForward follows one forward from the packet that arrives to the answer
// that leaves. The findings are in that order, those that are right included,
// and end with the first failure. Notes at the end are about clients elsewhere.
func ExamineForward(g *Gateway, f Forward) []Finding {
	d := newDoctor(g, Now(g))
	for i := range d.all {
		if d.all[i].Rule == f.Rule {
			f = d.all[i]
		}
	}
	var list []Finding
	for _, s := range steps {
		found := s.look(d, &f)
		if found.Check == "" {
			found.Check = s.name
		}
		found.Subject = f.subject(found.Subject)
		list = append(list, found)
		if found.IsProblem() {
			return list
		}
	}
	for _, also := range []Finding{d.fromInside(&f), d.fromHere(&f)} {
		if also.Check != "" {
			list = append(list, also)
		}
	}
	return list
}

func (f *Forward) subject(given string) string {
	if given != "" {
		return given
	}
	return ruleName(f.Rule)
}

// everybodys are the faults that other programs' forwards suffer from as well: what
// these programs do not see to themselves.
var everybodys = []string{"forwarding-off", "forward-dropped", "answers-dropped", "rp-filter", "native-drop"}

// Of gateways with thousands of rules not every forward's cure is tried, nor is
// the same note told of each.
const (
	curesTried   = 24
	hairpinNotes = 8
	// visitsTold is how many meetings of packets and rules are told, about half a
	// second's worth; forwards that come later are not looked at.
	visitsTold = 2_000_000
)

// forwards examines every forward and tells of the first failure of each.
func (d *doctor) forwards() {
	tries, visits, hairpins := curesTried, 0, 0
	d.tries, d.visits = &tries, &visits
	defer func() { d.tries, d.visits = nil, nil }()
	for i := range d.all {
		f := &d.all[i]
		if visits > visitsTold {
			d.add(Finding{
				Check: "not-examined", Severity: SeverityNote, Subject: "forwards", Evidence: []string{fmt.Sprintf("%d of %s", len(d.all)-i, rules.Plural(len(d.all), "forward"))},
				Sentence: "Not all forwards were looked at, because there are so many rules: ask for one by its name.",
			})
			return
		}
		if d.isDead(f.Rule) {
			continue // no packet comes to it, and that has been said
		}
		sound := true
		for _, s := range steps {
			found := s.look(d, f)
			found.Subject = f.subject(found.Subject)
			if found.Severity == SeverityOK {
				continue
			}
			if f.Owner != "" && !slices.Contains(everybodys, found.Check) {
				continue // other programs know what they do
			}
			d.add(found)
			if found.IsProblem() {
				sound = false
				break
			}
		}
		if f.Owner == "" && sound && hairpins < hairpinNotes {
			if found := d.fromInside(f); found.Check != "" {
				d.add(found)
				hairpins++
			}
		}
	}
}

// isDead tells that no packet was found to ever meet a rule.
func (d *doctor) isDead(r evaluate.RuleRef) bool {
	name := ruleName(r)
	return d.has("shadowed-rule", name) || d.has("duplicate-rule", name) || d.has("rule-after-all", name)
}

// stepArrives asks whether the packet comes to the NAT rules at all.
func (d *doctor) stepArrives(f *Forward) Finding {
	if f.Link == "" {
		return Finding{Sentence: "By which interface clients come is not known here."}
	}
	link, ok := d.f.LinkNamed(f.Link)
	switch {
	case !ok && d.f.Links != nil:
		return d.missingLink(f.Rule, f.rule, f.Link)
	case ok && !link.Up:
		return Finding{
			Check: "link-down", Severity: SeverityError, Subject: f.Link, Evidence: []string{"ip link: " + f.Link + " is down"},
			Sentence: fmt.Sprintf("The interface %s is down: nobody arrives by it.", f.Link), Commands: [][]string{{"ip", "link", "set", f.Link, "up"}},
		}
	}
	if found := d.askedElsewhere(f); found.Check != "" {
		return found
	}
	x := d.fate(f.packet)
	if o, blocked := x.blocked(); blocked && !o.DroppedBy.IsZero() && !d.cameToNAT(&x, f) {
		return d.dropped("dropped-early", f, &x, o, "before the NAT rules are asked")
	}
	evidence := []string{d.ruleCount(f)}
	sentence := fmt.Sprintf("A packet for %s can come by %s.", f.Asked, f.Link)
	if wan := f.Asked.Addr(); d.outward(f.Link) && isInner(wan) && d.f.IsLocal(wan) {
		evidence = append(evidence, fmt.Sprintf("%s has the private address %s", f.Link, wan))
		return Finding{
			Check: "cgnat", Severity: SeverityNote, Subject: f.Link, Evidence: evidence,
			Sentence: fmt.Sprintf("%s is not a public address: from the world only what a router before this one forwards comes here.", wan),
		}
	}
	if f.rule.Counters.Known && f.rule.Counters.Packets == 0 {
		sentence = fmt.Sprintf("A packet for %s could come by %s, but none has yet: if somebody has tried, it is lost before it gets here.", f.Asked, f.Link)
	}
	return Finding{Sentence: sentence, Evidence: evidence}
}

// cameToNAT tells that a packet met the first rules of the nat table.
func (d *doctor) cameToNAT(x *fate, f *Forward) bool {
	for _, v := range x.Visits {
		if v.Table == "nat" && v.Place == f.Rule.Place {
			return true
		}
	}
	return false
}

func (d *doctor) ruleCount(f *Forward) string {
	if !f.rule.Counters.Known {
		return "the rule's counter is not known"
	}
	return fmt.Sprintf("the rule has met %d packets", f.rule.Counters.Packets)
}

// askedElsewhere tells that clients ask for an address that this host no longer has.
func (d *doctor) askedElsewhere(f *Forward) Finding {
	to, ok := f.rule.Dest.Host()
	if !ok || f.rule.Dest.Not || d.f.Addresses == nil || d.f.IsLocal(to) || !d.outward(f.Link) || !d.onNet(f.Link, to) || d.standby() {
		return Finding{}
	}
	if replied := d.census.of(f.Rule).replied; replied > 0 {
		return Finding{}
	}
	found := Finding{
		Check: "old-address", Severity: SeverityError, Subject: ruleName(f.Rule),
		Evidence: []string{fmt.Sprintf("%s has %s", f.Link, d.addressesText(f.Link)), d.ruleCount(f)},
		Sentence: fmt.Sprintf("The rule waits for packets to %s, which is no address of this host: nobody brings them here.", to),
	}
	for _, a := range d.f.AddressesOn(f.Link) {
		if a.Prefix.Addr().Is4() == to.Is4() && a.Scope == facts.ScopeGlobal && !a.Secondary {
			changed := *f.rule
			changed.Dest = rules.NetOfAddr(a.Prefix.Addr())
			found.Cure = rules.Plan{
				Title: fmt.Sprintf("Let rule %d of %s wait for the address that %s has now", f.Rule.Position, f.Rule.Chain, f.Link),
				Steps: []rules.Step{d.replace(f.Rule, *f.rule, changed, "so that it waits where clients arrive")},
			}
			break
		}
	}
	return found
}

// standby tells that another host may have this one's addresses at times.
func (d *doctor) standby() bool {
	_, ok := d.f.Present("keepalived")
	return ok
}

func (d *doctor) addressesText(link string) string {
	var list []string
	for _, a := range d.f.AddressesOn(link) {
		if a.Scope == facts.ScopeGlobal {
			list = append(list, a.Prefix.String())
		}
	}
	if len(list) == 0 {
		return "no address"
	}
	return strings.Join(list, ", ")
}

// stepTranslated asks whether the packet meets the rule, or another one first.
func (d *doctor) stepTranslated(f *Forward) Finding {
	x := d.fate(f.packet)
	if !x.known || x.by(f.Rule) {
		return Finding{Sentence: fmt.Sprintf("The rule translates %s to %s.", f.Asked, f.Server), Evidence: []string{d.ruleCount(f)}}
	}
	x = d.told(f.packet)
	if v, met := x.visit(f.Rule); met && v.Verdict != evaluate.Yes || x.Incomplete || f.via.unsure || f.via.marked {
		return Finding{Sentence: "Whether a packet meets the rule hangs on what is not known here."}
	}
	by, what := d.taker(&x, f)
	if by.IsZero() {
		return Finding{Sentence: "Whether a packet meets the rule is not known here."}
	}
	found := Finding{
		Check: "shadowed-rule", Severity: SeverityWarning, Subject: ruleName(f.Rule), Evidence: []string{ruleName(by) + ": " + what, d.ruleCount(f)},
		Sentence: fmt.Sprintf("A packet for %s never comes to the rule: %s takes it before.", f.Asked, ruleName(by)),
	}
	if f.Owner != "" {
		found.Severity = SeverityNote
	}
	if by.Chain == f.Rule.Chain && by.Place == f.Rule.Place {
		found.Cure = d.moveBefore(f.Rule, *f.rule, by.Position, func(t *trial) bool { return true })
	}
	return found
}

// taker is the rule of the nat table that takes a packet.
func (d *doctor) taker(x *fate, f *Forward) (evaluate.RuleRef, string) {
	for _, v := range x.Visits {
		if v.Table != "nat" || v.Verdict != evaluate.Yes || v.Rule == nil || v.Place != f.Rule.Place {
			continue
		}
		switch k := v.Rule.Target.Kind; {
		case k.Translates(), k == rules.Accept, k == rules.Return, k == rules.Drop:
			return v.RuleRef, v.Rule.String()
		}
	}
	return evaluate.RuleRef{}, ""
}

// moveBefore is the plan that moves a rule up in its chain, if that helps.
func (d *doctor) moveBefore(r evaluate.RuleRef, rule rules.Rule, to int, helps func(*trial) bool) rules.Plan {
	c := d.change(rules.Move, r)
	c.Rule, c.To = rule, to
	plan := rules.Plan{
		Title: fmt.Sprintf("Move rule %d of %s before rule %d", r.Position, r.Chain, to),
		Steps: []rules.Step{{Change: &c, Why: "the first rule that matches decides, so the special one goes before the general one"}},
	}
	if t, ok := d.after(plan); !ok || !helps(&t) {
		return rules.Plan{}
	}
	return plan
}

// stepForwarding asks whether the switches let packets pass through the host.
func (d *doctor) stepForwarding(f *Forward) Finding {
	if f.local {
		return d.localnet(f)
	}
	if found := d.forwardingOff(f.Rule.Family, f.Link, fmt.Sprintf("%s: %s", ruleName(f.Rule), f)); found.Check != "" {
		return found
	}
	return Finding{Sentence: fmt.Sprintf("Forwarding is on for what arrives by %s.", f.Link)}
}

// forwardingOff finds the switch that keeps packets from passing. Zero: none does.
func (d *doctor) forwardingOff(family rules.Family, link, who string) Finding {
	s := &d.f.Settings
	found := Finding{Check: "forwarding-off", Severity: SeverityError}
	switch {
	case family == rules.IPv6 && s.ForwardsFrom(link, rules.IPv6) == facts.SettingOff:
		found.Subject = "net.ipv6.conf.all.forwarding"
		found.Sentence = "IPv6 forwarding is off: nothing that arrives passes through this host, whatever the NAT rules say."
		found.Cure.Title = "Let IPv6 packets pass through this host"
		if step, ok := d.hearRouters(); ok {
			found.Cure.Steps = append(found.Cure.Steps, step)
		}
	case family == rules.IPv4 && s.Forwarding4 == facts.SettingOff:
		found.Subject = "net.ipv4.ip_forward"
		found.Sentence = "IPv4 forwarding is off: nothing that arrives passes through this host, whatever the NAT rules say."
		found.Cure.Title = "Let IPv4 packets pass through this host"
	case family == rules.IPv4 && link != "" && s.On(link).Forwarding4 == facts.SettingOff:
		found.Subject = facts.LinkSetting(link, "forwarding")
		found.Sentence = fmt.Sprintf("Forwarding is off for %s alone: what arrives there does not pass through this host.", link)
		found.Cure.Title = "Let packets from " + link + " pass"
	default:
		return Finding{}
	}
	found.Evidence = []string{found.Subject + " = 0", who}
	found.Cure.Steps = append(found.Cure.Steps, d.set(found.Subject, "0", "1", "without it the kernel drops every packet that is not for this host itself"))
	return found
}

// hearRouters keeps a host that learns its default route from a router from
// losing it as it begins to forward (Documentation/networking/ip-sysctl.rst, accept_ra).
func (d *doctor) hearRouters() (rules.Step, bool) {
	name, ok := d.f.DeafToRouters()
	if !ok {
		return rules.Step{}, false
	}
	return d.set(name, "1", "2", "a host that forwards hears its own router only with 2, and would lose its default route"), true
}

// localnet asks whether what arrives may go to the loopback network.
func (d *doctor) localnet(f *Forward) Finding {
	to := f.Server.Addr()
	if !to.IsLoopback() || !to.Is4() || f.Link == "" || f.Link == "lo" {
		return Finding{Sentence: "It is for this host itself: nothing needs to be forwarded."}
	}
	if d.f.Settings.RouteLocalnetOn(f.Link) != facts.SettingOff {
		return Finding{Sentence: fmt.Sprintf("What arrives by %s may go to the loopback network.", f.Link)}
	}
	name := facts.LinkSetting(f.Link, "route_localnet")
	found := Finding{
		Check: "route-localnet", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{name + " = 0", d.ruleCount(f)},
		Sentence: fmt.Sprintf("The kernel lets nothing that arrives by %s go to %s, unless route_localnet is on.", f.Link, to),
	}
	found.Cure = rules.Plan{Title: "Let what arrives by " + f.Link + " go to services on the loopback address", Steps: d.openLoopback(f.Rule.Place, f.Link)}
	return found
}

// openLoopback lets rules send packets to the loopback network, and nobody else.
func (d *doctor) openLoopback(p rules.Place, link string) []rules.Step {
	steps := []rules.Step{d.set(facts.LinkSetting(link, "route_localnet"), "0", "1", "without it the kernel drops what is bound for 127.0.0.0/8 and came from outside")}
	guard := fmt.Sprintf("-A %%s -d 127.0.0.0/8 -i %s -j DROP", link)
	at := evaluate.RuleRef{Place: p, Table: "raw", Chain: "PREROUTING", Position: 1}
	if c, ok := d.sets[p].Chain("raw", "PREROUTING"); ok {
		for i := range c.Rules {
			if c.Rules[i].String() == strings.Replace(guard, "%s", "PREROUTING", 1) {
				return steps
			}
		}
	}
	if step, ok := d.insert(at, guard, "so that neighbours on "+link+" cannot reach other services of the loopback address themselves"); ok {
		steps = append(steps, step)
	}
	return steps
}

// stepBelieved asks whether the kernel believes where the packet comes from.
func (d *doctor) stepBelieved(f *Forward) Finding {
	if f.Link == "" || f.Rule.Family == rules.IPv6 {
		return Finding{Sentence: "No reverse path filter stands in the way."}
	}
	to := f.Server.Addr()
	if f.local {
		to = f.Asked.Addr()
	}
	for _, src := range d.clientsBy(f) {
		back := d.f.ReversePath(evaluate.RouteQuery{Dst: to, Src: src, In: f.Link})
		if back.Passes || !back.Certain || back.Mode != facts.RPFilterStrict && back.Mode != facts.RPFilterLoose {
			continue
		}
		return d.disbelieved(f, src, to, back)
	}
	mode := d.f.Settings.RPFilterOn(f.Link)
	if mode == facts.RPFilterUnknown {
		return Finding{Sentence: fmt.Sprintf("What the reverse path filter of %s does is not known.", f.Link)}
	}
	return Finding{Sentence: fmt.Sprintf("The reverse path filter of %s is %s and lets clients' packets pass.", f.Link, mode)}
}

// clientsBy are addresses that clients of a forward may have.
func (d *doctor) clientsBy(f *Forward) []netip.Addr {
	list := []netip.Addr{f.packet.Src}
	for _, n := range d.f.Neighbours {
		if n.Link == f.Link && n.Reachable && n.Addr.Is4() && len(list) < 9 && f.via.src.Any() {
			list = append(list, n.Addr)
		}
	}
	return list
}

func (d *doctor) disbelieved(f *Forward, src, to netip.Addr, back facts.ReversePath) Finding {
	name := facts.LinkSetting(f.Link, "rp_filter")
	found := Finding{
		Check: "rp-filter", Severity: SeverityError, Subject: f.Link, Evidence: []string{back.Why, d.ruleCount(f)},
		Sentence: fmt.Sprintf("The reverse path filter of %s is %s and drops packets from %s without a word: %s.", f.Link, back.Mode, src, back.Why),
	}
	if n := d.ReversePathDrops; n > 0 {
		found.Evidence = append(found.Evidence, fmt.Sprintf("TcpExtIPReversePathFilter: %d packets dropped so far", n))
	}
	own := map[facts.RPFilter]string{facts.RPFilterOff: "0", facts.RPFilterStrict: "1", facts.RPFilterLoose: "2"}[d.f.Settings.On(f.Link).RPFilter]
	plan := rules.Plan{
		Title: "Let " + f.Link + " take packets whose answers would leave by another interface",
		Steps: []rules.Step{d.set(name, own, "2", "loose (2) still drops sources that nobody has a way to")},
	}
	if t, ok := d.after(plan); ok && t.facts.ReversePath(evaluate.RouteQuery{Dst: to, Src: src, In: f.Link}).Passes {
		found.Cure = plan
	}
	return found
}

// stepRoute asks whether there is a way to the server.
func (d *doctor) stepRoute(f *Forward) Finding {
	to := f.Server.Addr()
	if f.local || !to.IsValid() || len(d.f.Routes) == 0 {
		return Finding{Sentence: "No route is needed."}
	}
	route, certain := d.f.Lookup(evaluate.RouteQuery{Dst: to, Src: f.packet.Src, In: f.Link})
	switch {
	case !certain:
		return Finding{Sentence: fmt.Sprintf("The route to %s hangs on what is not known here.", to)}
	case route.Kind != facts.RouteUnicast && route.Kind != facts.RouteLocal:
		return Finding{
			Check: "no-route", Severity: SeverityError, Subject: ruleName(f.Rule), Evidence: []string{fmt.Sprintf("route to %s: %s", to, route.Kind), d.ruleCount(f)},
			Sentence: fmt.Sprintf("There is no route to %s, where the rule sends packets: is the address right, and is its network up?", to),
		}
	case route.Out == f.Link && d.outward(route.Out) && isInner(to) && !d.onNet(route.Out, to):
		return Finding{
			Check: "no-route", Severity: SeverityWarning, Subject: ruleName(f.Rule),
			Evidence: []string{fmt.Sprintf("route to %s: by %s, where it came from", to, route.Out)},
			Sentence: fmt.Sprintf("%s is a private address and no network of this host has it: the packet goes back to the world by %s, where nobody knows it.", to, route.Out),
		}
	}
	if l, ok := d.f.LinkNamed(route.Out); ok && (!l.Up || !l.Running && l.Kind != "tun") && l.Kind != "loopback" {
		return Finding{
			Check: "link-down", Severity: SeverityWarning, Subject: route.Out, Evidence: []string{fmt.Sprintf("route to %s by %s, which is down", to, route.Out)},
			Sentence: fmt.Sprintf("The server is behind %s, which is down or has no carrier.", route.Out),
		}
	}
	evidence := fmt.Sprintf("route to %s: by %s", to, route.Out)
	if route.Gateway.IsValid() {
		evidence += " via " + route.Gateway.String()
	}
	return Finding{Sentence: fmt.Sprintf("There is a route to %s by %s.", to, route.Out), Evidence: []string{evidence}}
}

// stepNeighbour asks whether the server's machine, or the router before it, is there.
func (d *doctor) stepNeighbour(f *Forward) Finding {
	if f.local {
		return Finding{Sentence: "It is this host itself."}
	}
	n, hop, ok := d.neighbour(f.Server.Addr())
	switch {
	case !ok:
		return Finding{Sentence: fmt.Sprintf("Nobody has asked the network for %s lately.", hop)}
	case !n.Reachable && n.MAC == "":
		return Finding{
			Check: "server-silent", Severity: SeverityWarning, Subject: ruleName(f.Rule),
			Evidence: []string{fmt.Sprintf("ip neigh: %s on %s does not answer", hop, n.Link), d.ruleCount(f)},
			Sentence: fmt.Sprintf("No machine on %s answers for %s: it is off, has another address, or is not on that network.", n.Link, hop),
		}
	}
	return Finding{Sentence: fmt.Sprintf("%s is there.", hop), Evidence: []string{fmt.Sprintf("ip neigh: %s on %s is %s", hop, n.Link, n.MAC)}}
}

// neighbour is what is known of the next machine on the way to an address.
func (d *doctor) neighbour(to netip.Addr) (n facts.Neighbour, hop netip.Addr, ok bool) {
	route, _ := d.f.Lookup(evaluate.RouteQuery{Dst: to})
	hop = to
	if route.Gateway.IsValid() {
		hop = route.Gateway
	}
	for _, n := range d.f.Neighbours {
		if n.Addr == hop && n.Link == route.Out {
			return n, hop, true
		}
	}
	return facts.Neighbour{}, hop, false
}
