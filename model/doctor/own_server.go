package doctor

import (
	"net/netip"
	"slices"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// One rule may lead to many servers: by a range, by the elements of a native map, by the port that it keeps. What one of them
// has answered says nothing of another.

// served is a server of a rule that may have several.
type served struct {
	rule   evaluate.RuleRef
	server netip.Addr
}

// servedPort is a port of such a server.
type servedPort struct {
	rule   evaluate.RuleRef
	proto  rules.Protocol
	server netip.AddrPort
}

// tallyOf is what became of the flows of a forward: of those to its own server, and where it was asked for by its port, of
// those to that port. Where nobody has come to that port it tells of the server's others.
func (c *flowStats) tallyOf(f *Forward) tally {
	if _, several := f.servers(); several || f.rule.Target.Kind == rules.Netmap {
		return c.ofPort(f, c.ofServer(f))
	}
	return c.ofPort(f, c.ofWay(f, c.ofServer(f)))
}

// ofServer is what became of the flows to the machine of a forward, whichever of its ports they were for.
func (c *flowStats) ofServer(f *Forward) tally {
	_, several := f.servers()
	whole := c.of(f.Rule)
	if f.local || !several && f.rule.Target.Kind != rules.Netmap && f.Rule.Backend != rules.Native {
		return whole // to one server, all of them
	}
	t := c.byServer[served{f.Rule, f.Server.Addr()}]
	if t == nil {
		t = &tally{}
	}
	own := *t
	if !several && f.rule.Target.Kind != rules.Netmap {
		own.inside, own.older = whole.inside, whole.older // of what is not translated no server is known
	}
	return own
}

// ofPort is what became of the flows to the very port that was asked for; machine is what became of those to its server. An
// answer of the same port by another protocol is none of its own.
func (c *flowStats) ofPort(f *Forward, machine tally) tally {
	if !f.exact || f.local || f.drawn || !f.Proto.HasPorts() {
		return machine
	}
	if t := c.byPort[servedPort{f.Rule, f.Proto, f.Server}]; t != nil {
		own := *t
		own.inside, own.older = machine.inside, machine.older
		return own
	}
	foreign := func(e flow.Flow) bool { return e.Proto() != f.Proto }
	machine.answered = slices.DeleteFunc(slices.Clone(machine.answered), foreign)
	machine.examples = slices.DeleteFunc(slices.Clone(machine.examples), foreign)
	if len(machine.answered) == 0 {
		machine.replied, machine.half, machine.heard = 0, 0, 0
	}
	if len(machine.examples) == 0 {
		machine.unanswered, machine.hairpin, machine.waiting = 0, 0, nil
	}
	return machine
}

// tallies are those that a flow counts for: its rule's, its server's and that of the server's port.
func (c *flowStats) tallies(r evaluate.RuleRef, f *flow.Flow) []*tally {
	list := []*tally{c.at(r)}
	k := served{r, f.ServedBy().Addr()}
	if c.byServer[k] == nil && len(c.byServer) < serversTold {
		c.byServer[k] = &tally{}
	}
	port := servedPort{r, f.Proto(), f.ServedBy()}
	if c.byPort[port] == nil && len(c.byPort) < serversTold {
		c.byPort[port] = &tally{}
	}
	for _, t := range []*tally{c.byServer[k], c.byPort[port]} {
		if t != nil {
			list = append(list, t)
		}
	}
	return list
}

// serversTold is how many servers are told apart, and how many of their ports.
const serversTold = 10_000

// maySend tells that a forward's rule may give a packet this destination, as far as its target says.
func (f *Forward) maySend(to netip.AddrPort) bool {
	target := f.rule.Target.To
	all, several := f.servers()
	switch {
	case f.local || f.rule.Target.Kind != rules.DNAT:
		return true
	case several && !all.Contains(to.Addr()), !several && to.Addr() != f.Server.Addr():
		return false
	}
	return !target.HasPorts || min(target.Ports.Lo, target.Ports.Hi) <= to.Port() && to.Port() <= max(target.Ports.Lo, target.Ports.Hi)
}
