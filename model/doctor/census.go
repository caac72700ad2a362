package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// census is what one pass over the flow table tells.
type census struct {
	byRule map[evaluate.RuleRef]*tally
	// stale flows have a translation that today's rules would not give; gone are
	// those of them whose address this host no longer has.
	stale, gone crowd
	// bare are flows that left for the world with an inner source address and got
	// no answer.
	bare     crowd
	bareFrom map[string]bool // the links they came by
	// ports counts the flows that share a source address towards one service.
	ports map[portUse]*portCount
	asked int // flows that were evaluated
}

// crowd is how many flows there are of a kind, with the first of them.
type crowd struct {
	flows int
	first []flow.Flow
}

// crowdKept is how many flows of a kind are kept, for evidence and to be forgotten.
const crowdKept = 500

func (c *crowd) add(f *flow.Flow) {
	if c.flows++; len(c.first) < crowdKept {
		c.first = append(c.first, *f)
	}
}

// tally is what became of the flows of one forward.
type tally struct {
	flows, replied int
	half           int // the server has answered, and the client has not heard it
	unanswered     int // for a second or longer
	hairpin        int // unanswered, between two machines of one network
	inside         int // asked for from inside, not translated, in vain
	examples       []flow.Flow
}

func (t *tally) example(f *flow.Flow) {
	if len(t.examples) < 50 {
		t.examples = append(t.examples, *f)
	}
}

func (c *census) of(r evaluate.RuleRef) tally {
	if t := c.byRule[r]; t != nil {
		return *t
	}
	return tally{}
}

func (c *census) at(r evaluate.RuleRef) *tally {
	t := c.byRule[r]
	if t == nil {
		t = &tally{}
		c.byRule[r] = t
	}
	return t
}

// portUse is what flows share that need different source ports: the address they
// are given and the service they go to.
type portUse struct {
	proto    rules.Protocol
	from     netip.Addr
	to       netip.AddrPort
	lowPorts bool // ports below 1024 are given from a pool of their own
}

type portCount struct {
	flows int
	rule  evaluate.RuleRef
}

// censusLimit is how many flows are evaluated; a table that holds more is judged
// by so many of it.
const censusLimit = 100_000

// takeCensus passes over the flows once.
func takeCensus(d *doctor) *census {
	c := &census{byRule: map[evaluate.RuleRef]*tally{}, bareFrom: map[string]bool{}, ports: map[portUse]*portCount{}}
	if d.Flows == nil {
		return c
	}
	asked := map[netip.AddrPort][]*Forward{}
	for i := range d.all {
		asked[d.all[i].Asked] = append(asked[d.all[i].Asked], &d.all[i])
	}
	var buf []evaluate.Outcome
	d.Flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		if f.Status&flow.StatusTemplate != 0 {
			return true
		}
		var e explain.Explanation
		e, buf = explain.With(d.evaluator, f, buf[:0])
		c.asked++
		c.count(d, f, e, asked[f.AskedFor()])
		return c.asked < censusLimit
	})
	return c
}

// closing are the states of connections that end by themselves.
var closing = []string{"TIME_WAIT", "CLOSE", "LAST_ACK", "FIN_WAIT", "CLOSE_WAIT"}

func (c *census) count(d *doctor, f *flow.Flow, e explain.Explanation, asked []*Forward) {
	nat := f.NAT()
	if nat&flow.NATSrc != 0 {
		c.usePort(f, e)
	}
	if e.Confidence == explain.Stale {
		c.outdated(d, f)
	}
	waiting := d.unanswered(f)
	switch {
	case !e.DNAT.IsZero() && nat&flow.NATDst != 0:
		t := c.at(e.DNAT)
		t.flows++
		switch {
		case f.Proto() == rules.TCP && f.StateName() == "SYN_RECV":
			t.half++
		case f.Status&flow.StatusSeenReply != 0:
			t.replied++
		case waiting && nat&flow.NATSrc == 0 && d.neighbours(f.Client().Addr(), f.ServedBy().Addr()):
			t.hairpin++
			t.example(f)
		case waiting:
			t.unanswered++
			t.example(f)
		}
	case nat&flow.NATDst == 0 && waiting:
		for _, w := range asked {
			link, ok := d.f.LinkOf(f.Client().Addr())
			if ok && w.Proto == f.Proto() && w.Owner == "" && link != w.Link && !d.f.IsLocal(f.Client().Addr()) {
				c.at(w.Rule).inside++
			}
		}
	}
	if waiting && nat&flow.NATSrc == 0 && f.Family() == rules.IPv4 && isInner(f.Client().Addr()) && !isInner(f.ServedBy().Addr()) {
		c.leftBare(d, f)
	}
}

// unanswered tells a flow that waits for an answer for about a second or longer.
func (d *doctor) unanswered(f *flow.Flow) bool {
	if f.Status&flow.StatusSeenReply != 0 || !f.Proto().HasPorts() {
		return false
	}
	if f.Counts() && f.OrigPackets >= 2 || f.Start != 0 && f.Age(d.now) >= time.Second {
		return true
	}
	whole := uint32(30) // nf_conntrack_udp_timeout
	if f.Proto() == rules.TCP {
		whole = 120 // nf_conntrack_tcp_timeout_syn_sent
	}
	return f.Remaining(d.now)+2 <= whole
}

// neighbours tells that two machines are on one network of this host's, and
// answer each other directly.
func (d *doctor) neighbours(a, b netip.Addr) bool {
	for _, x := range d.f.Addresses {
		if x.Scope != facts.ScopeLink && !x.Prefix.IsSingleIP() && x.Prefix.Contains(a) && x.Prefix.Contains(b) {
			return !d.f.IsLocal(a) && !d.f.IsLocal(b)
		}
	}
	return false
}

// outdated notes a flow that today's rules would treat otherwise.
func (c *census) outdated(d *doctor, f *flow.Flow) {
	if d.isSession(f) || f.Status&flow.StatusExpected != 0 || slices.Contains(closing, f.StateName()) {
		return
	}
	if f.NAT()&flow.NATSrc != 0 && d.f.Addresses != nil && !d.f.IsLocal(f.SeenAs().Addr()) {
		c.gone.add(f)
		return
	}
	c.stale.add(f)
}

// isSession tells the operator's own connection.
func (d *doctor) isSession(f *flow.Flow) bool {
	s := d.f.Session
	return s != nil && f.Proto() == rules.TCP && (f.Client() == s.Client || f.ServedBy() == s.Client || f.AskedFor() == s.Client)
}

func (c *census) usePort(f *flow.Flow, e explain.Explanation) {
	if !f.Proto().HasPorts() {
		return
	}
	k := portUse{f.Proto(), f.SeenAs().Addr(), f.ServedBy(), f.Client().Port() < 1024}
	u := c.ports[k]
	if u == nil {
		u = &portCount{rule: e.SNAT}
		c.ports[k] = u
	}
	u.flows++
}

// leftBare notes a flow that left for the world with an address that the world
// has no way back to.
func (c *census) leftBare(d *doctor, f *flow.Flow) {
	client := f.Client().Addr()
	from, ok := d.f.LinkOf(client)
	route, certain := d.f.Lookup(evaluate.RouteQuery{Dst: f.ServedBy().Addr(), Src: client, In: from})
	if !ok || !certain || d.f.IsLocal(client) || route.Kind != facts.RouteUnicast || route.Out == from || !d.outward(route.Out) {
		return
	}
	c.bare.add(f)
	c.bareFrom[from] = true
}

// forget are the steps that drop flows, so that today's rules decide about them.
func (d *doctor) forget(flows []flow.Flow) []rules.Step {
	var steps []rules.Step
	for i := range flows {
		f := &flows[i]
		if d.isSession(f) {
			continue
		}
		forget := &rules.Forget{Proto: f.Proto(), Src: f.Client(), Dst: f.AskedFor(), Zone: f.Zone, ID: f.ID}
		if id, kind, code, ok := f.Orig.ICMP(); ok {
			forget.Ident, forget.Type, forget.Code = id, kind, code
		}
		steps = append(steps, rules.Step{Forget: forget, Why: "a connection keeps the translation that it began with until it is forgotten"})
	}
	return steps
}

// flows tells of flows that are not as the rules want them.
func (d *doctor) flows() {
	d.outdatedFlows("stale-flows", &d.census.stale, "today's rules would translate them otherwise, or not at all: they began before the rules were what they are")
	d.outdatedFlows("gone-address", &d.census.gone, "the address that they were given is none of this host's any more, so no answer reaches them")
	d.bareFlows()
	d.portsUsedUp()
}

func (d *doctor) outdatedFlows(check string, c *crowd, why string) {
	if c.flows == 0 {
		return
	}
	found := Finding{
		Check: check, Severity: SeverityWarning, Subject: rules.Plural(c.flows, "flow"),
		Sentence: fmt.Sprintf("%s translated by rules that are no more: %s.", map[bool]string{true: "A flow is", false: rules.Plural(c.flows, "flow") + " are"}[c.flows == 1], why),
		Cure: rules.Plan{
			Title: "Forget " + rules.Plural(min(c.flows, len(c.first)), "flow") + ", so that today's rules decide about their next packets",
			Steps: d.forget(c.first),
		},
	}
	for i := range c.first[:min(3, len(c.first))] {
		f := &c.first[i]
		found.Evidence = append(found.Evidence, fmt.Sprintf("%s %s to %s is served by %s, seen as %s", f.Proto(), f.Client(), f.AskedFor(), f.ServedBy(), f.SeenAs()))
	}
	d.add(found)
}

// bareFlows tells of a network that is not translated on its way to the world.
func (d *doctor) bareFlows() {
	c := &d.census.bare
	if c.flows == 0 {
		return
	}
	f := &c.first[0]
	from, _ := d.f.LinkOf(f.Client().Addr())
	route, _ := d.f.Lookup(evaluate.RouteQuery{Dst: f.ServedBy().Addr(), Src: f.Client().Addr(), In: from})
	found := Finding{
		Check: "not-translated", Severity: SeverityError, Subject: from,
		Evidence: []string{fmt.Sprintf("%s like %s %s to %s, none answered", rules.Plural(c.flows, "flow"), f.Proto(), f.Client(), f.AskedFor())},
		Sentence: fmt.Sprintf("Packets from %s leave by %s with their private address as source, to which nobody in the world can answer: a rule that gives them this host's address is missing.", from, route.Out),
	}
	net, ok := d.netOf(from, f.Client().Addr())
	if place, found2 := d.usual(rules.IPv4); ok && found2 {
		p := explain.FirstPacket(f)
		p.In = from
		found.Cure, _ = d.translateSource("Share the address of "+route.Out+" with "+net.Masked().String(), place,
			fmt.Sprintf("-A %%s -s %s -o %s -j MASQUERADE", net.Masked(), route.Out), p, "answers then come to this host, which hands them on")
		if len(found.Cure.Steps) > 0 {
			found.Cure.Steps = append(found.Cure.Steps, d.forget(c.first[:min(len(c.first), 50)])...)
		}
	}
	d.add(found)
}

// usual is the place of a family where NAT rules are, or might be.
func (d *doctor) usual(f rules.Family) (rules.Place, bool) {
	var first rules.Place
	found := false
	for _, p := range d.places() {
		if p.Family != f {
			continue
		}
		if t, ok := d.sets[p].Table("nat"); ok && t.Rules() > 0 {
			return p, true
		}
		if !found {
			first, found = p, true
		}
	}
	return first, found
}

// portsUsedUp tells of services towards which no source port is left.
func (d *doctor) portsUsedUp() {
	for use, count := range d.census.ports {
		room, limited := d.room(use, count.rule)
		if count.flows*5 < room*4 || count.flows < 3 {
			continue
		}
		found := Finding{
			Check: "snat-ports", Severity: SeverityWarning, Subject: fmt.Sprintf("%s to %s %s", use.from, use.proto, use.to),
			Evidence: []string{fmt.Sprintf("%d of %d ports of %s are in use towards %s %s", count.flows, room, use.from, use.proto, use.to)},
			Sentence: fmt.Sprintf("Source ports for %s %s run out: connections there fail at random, which looks like a fault at the far end.", use.proto, use.to),
		}
		if count.flows >= room {
			found.Severity = SeverityError
		}
		if h := d.Health; h.HasStats && h.Stats.InsertFailed > 0 {
			found.Evidence = append(found.Evidence, fmt.Sprintf("insert_failed = %d", h.Stats.InsertFailed))
		}
		if limited {
			found.Cure = d.allPorts(count.rule)
		}
		d.add(found)
	}
}

// room is how many source ports may be given towards one service.
func (d *doctor) room(use portUse, by evaluate.RuleRef) (ports int, limited bool) {
	if r, ok := ruleOf(d.sets, by); ok && r.Target.To.HasPorts {
		return int(r.Target.To.Ports.Hi) - int(r.Target.To.Ports.Lo) + 1, true
	}
	if use.lowPorts {
		return 511, false // 1 to 511, or 600 to 1023 (nf_nat_l4proto_unique_tuple)
	}
	return 65535 - 1023, false
}

// allPorts takes the limit on ports from a rule.
func (d *doctor) allPorts(by evaluate.RuleRef) rules.Plan {
	r, ok := ruleOf(d.sets, by)
	if !ok {
		return rules.Plan{}
	}
	changed := *r
	changed.Target.To.HasPorts, changed.Target.To.Ports = false, rules.Ports{}
	return rules.Plan{
		Title: fmt.Sprintf("Let rule %d of %s use all ports", by.Position, by.Chain),
		Steps: []rules.Step{d.replace(by, *r, changed, "every connection to the same service needs a source port of its own")},
	}
}
