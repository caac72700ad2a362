package doctor

import (
	"net/netip"
	"slices"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// A rule that several jumps lead to translates what is asked of several addresses: whether that of one is answered tells
// nothing of the others, which may be marked, masked or asked for by other machines.

// wayTo is one of the ways to a rule, what clients ask for who come to it by that, and through it: an element of a map sends
// them to a server of its own.
type wayTo struct {
	rule          evaluate.RuleRef
	asked, server netip.AddrPort
}

// severalWays are the forwards of the rules that have more than one.
func severalWays(forwards []Forward) map[evaluate.RuleRef][]*Forward {
	ways := map[evaluate.RuleRef][]*Forward{}
	for i := range forwards {
		ways[forwards[i].Rule] = append(ways[forwards[i].Rule], &forwards[i])
	}
	for rule, list := range ways {
		if len(list) < 2 {
			delete(ways, rule)
		}
	}
	return ways
}

// takes tells that what a flow asked for meets what leads to a rule, as far as a sketch says.
func (n network) takes(s *sketch, f *flow.Flow) bool {
	to := f.AskedFor()
	holds := func(p rules.Ports) bool { return p == rules.Ports{} || p.Lo <= to.Port() && to.Port() <= p.Hi }
	ports := s.dports
	if len(ports) == 0 || s.dport != ports[0] {
		ports = []rules.Ports{s.dport}
	}
	return (s.proto == 0 || s.proto == f.Proto()) && (s.dst.Any() || s.dst.Contains(to.Addr())) && (!s.toHost || n.IsLocal(to.Addr())) &&
		!slices.ContainsFunc(s.notDst, func(n rules.Net) bool { return n.Contains(to.Addr()) }) && slices.ContainsFunc(ports, holds)
}

// countWays counts a flow for each of the ways by which it may have come to its rule.
func (c *flowStats) countWays(x *Examination, rule evaluate.RuleRef, f *flow.Flow, waiting, wide bool) {
	var counted []*tally
	for _, w := range c.ways[rule] {
		if t := c.ofWayTo(w); x.takes(&w.via, f) && w.maySend(f.ServedBy()) && !slices.Contains(counted, t) {
			t.count(x, f, waiting, wide)
			counted = append(counted, t)
		}
	}
}

// ofWayTo is the tally of a forward's own way.
func (c *flowStats) ofWayTo(f *Forward) *tally {
	k := wayTo{f.Rule, f.Asked, f.Server}
	if c.byWay[k] == nil {
		c.byWay[k] = &tally{}
	}
	return c.byWay[k]
}

// ofWay is what became of the flows that came to a forward's rule by its own way. Where there are none, the answers to
// those who came to the same server by others tell that it answers, and nothing else.
func (c *flowStats) ofWay(f *Forward, whole tally) tally {
	if len(c.ways[f.Rule]) == 0 {
		return whole
	}
	if own := c.byWay[wayTo{f.Rule, f.Asked, f.Server}]; own != nil && own.flows+own.inside+len(own.taken) > 0 {
		return *own
	}
	return tally{flows: whole.replied, replied: whole.replied, answered: whole.answered, course: course{lastAnswered: whole.lastAnswered, undated: whole.undated, rough: whole.rough}}
}
