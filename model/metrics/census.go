package metrics

import (
	"iter"

	"nattui/model/explain"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
)

// Census counts the connections of a table in one pass. It keeps none of them: what it needs grows with how many
// clients, destinations and translated addresses there are. It is for one goroutine.
type Census struct {
	mark func(*flow.Flow) explain.Explanation
	// kinds are connections by family, protocol, state and translation: see kindOf.
	kinds []int
	// byRule and known are connections, and what explains them, by Flow.Rule.
	byRule []int
	known  []explain.Explanation
	// translated are translated connections by how sure it is which rule made them.
	translated [explain.Unknown + 1]int
	addresses  addresses
	clients    tally // by family and number of the address
	ports      portCensus
}

// mostDistinct bounds how many clients, and how many destinations, are told apart: 2 million take some 100 MB.
const mostDistinct = 1 << 21

// NewCensus begins to count. mark tells which rule made a connection and writes that into it, as Explainer.Marker does;
// nil where the rules are not known.
func NewCensus(mark func(*flow.Flow) explain.Explanation) *Census {
	return &Census{mark: mark, kinds: make([]int, kindCount)}
}

// Take counts the connections of a batch of a dump (conntrack.Table.Dump). Which rule made each is written into them.
func (c *Census) Take(b *flow.Batch) {
	if b.Begin {
		c.clients.expect(b.Count)
	}
	// Kind by kind, and not connection by connection: what waits for memory (clients) does not hold up the rest then.
	for f := range listedIn(b) {
		nat := f.NAT()
		c.kinds[kindOf(f, nat)]++
		if c.mark != nil {
			c.countRule(f, nat)
		}
	}
	for f := range listedIn(b) {
		c.clients.add(uint64(f.Family())<<32 | uint64(c.addresses.number(f.Family(), &f.Orig.Src)))
	}
	for f := range listedIn(b) {
		if f.Proto().HasPorts() && f.NAT()&flow.NATSrc != 0 {
			c.ports.take(f, &c.addresses)
		}
	}
}

// listedIn are the connections that a batch lists.
func listedIn(b *flow.Batch) iter.Seq[*flow.Flow] {
	return func(yield func(*flow.Flow) bool) {
		for i := range b.Messages {
			if b.Messages[i].Kind == flow.Listed && !yield(&b.Messages[i].Flow) {
				return
			}
		}
	}
}

// countRule counts a connection for the rules that made it.
func (c *Census) countRule(f *flow.Flow, nat flow.NAT) {
	e := c.mark(f)
	if int(f.Rule) >= len(c.byRule) {
		more := int(f.Rule) + 1 - len(c.byRule)
		c.byRule, c.known = append(c.byRule, make([]int, more)...), append(c.known, make([]explain.Explanation, more)...)
	}
	if c.byRule[f.Rule]++; c.byRule[f.Rule] == 1 {
		c.known[f.Rule] = e
	}
	if nat != flow.NATNone {
		c.translated[e.Confidence]++
	}
}

// byRef are the connections of each rule. What is stale belongs to no rule of today, nor does what is older than its rule.
func (c *Census) byRef() map[evaluate.RuleRef]int {
	counts := map[evaluate.RuleRef]int{}
	for number, flows := range c.byRule {
		e := c.known[number]
		if flows == 0 || e.Confidence == explain.Stale || e.Older {
			continue
		}
		for _, r := range [...]evaluate.RuleRef{e.DNAT, e.SNAT} {
			if !r.IsZero() {
				counts[placeOf(r)] += flows
			}
		}
	}
	return counts
}

// The states of connections whose protocol has none: what the kernel has seen of them. They come after those that a
// protocol may have.
const (
	stateOther = iota + 12
	stateUnreplied
	stateReplied
	stateAssured
	stateCount
)

const kindCount = 2 * 256 * stateCount * 4

// kindOf is the place of a connection's family, protocol, state and translation among the kinds.
func kindOf(f *flow.Flow, nat flow.NAT) int {
	state := min(int(f.State), stateOther)
	if flow.States(f.Proto()) == nil {
		switch {
		case f.Status&flow.StatusAssured != 0:
			state = stateAssured
		case f.Status&flow.StatusSeenReply != 0:
			state = stateReplied
		default:
			state = stateUnreplied
		}
	}
	return ((int(f.Family())*256+int(f.Proto()))*stateCount+state)*4 + int(nat)
}

// kind is what a place among the kinds stands for.
type kind struct {
	family rules.Family
	proto  rules.Protocol
	state  string
	nat    flow.NAT
}

func kindAt(place int) kind {
	state := place / 4 % stateCount
	k := kind{nat: flow.NAT(place % 4), proto: rules.Protocol(place / 4 / stateCount % 256), family: rules.Family(place / 4 / stateCount / 256)}
	switch state {
	case stateUnreplied:
		k.state = "unreplied"
	case stateReplied:
		k.state = "replied"
	case stateAssured:
		k.state = "assured"
	default:
		if k.state = flow.StateName(k.proto, flow.State(state)); k.state == "?" {
			k.state = "OTHER"
		}
	}
	return k
}
