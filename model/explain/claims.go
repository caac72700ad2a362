package explain

import (
	"nattui/model/flow"
	"nattui/rules/evaluate"
)

// Claims are how many flows each rule that translates would have made for certain, by what it says. The kernel has such a rule
// counted once a connection, at its first packet: where it has met fewer packets, another rule made some of them, or this one
// before it was added again or its counters were cleared, and nobody can tell which.
type Claims struct {
	explainer *Explainer
	of        map[namedRule]uint64
	since     int64 // flows that began later are not counted; 0 counts all
}

// Claims begins to count; it is nil where each rule has met at least so many packets as there are flows, or does not count.
func (x *Explainer) Claims(flows int) *Claims {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, packets := range x.unmet.met {
		if packets < uint64(max(0, flows)) {
			return &Claims{explainer: x, of: map[namedRule]uint64{}}
		}
	}
	return nil
}

// Take counts a flow.
func (c *Claims) Take(f *flow.Flow) {
	c.explainer.mu.Lock()
	defer c.explainer.mu.Unlock()
	if c.explainer.evaluator != nil {
		c.take(&c.explainer.known[c.explainer.explain(f)-1])
	}
}

// take counts an explanation.
func (c *Claims) take(e *Explanation) {
	if e.Confidence != Exact {
		return
	}
	for _, r := range [...]evaluate.RuleRef{e.DNAT, e.SNAT} {
		if !r.IsZero() {
			c.of[c.explainer.unmet.name(r)]++
		}
	}
}

// Doubt takes the rules that claim more flows than they have met packets for not to have made those that began before until,
// and tells whether there are such. The flows that were counted have to be of before the rules were read. It comes before any
// is explained by the rules, or before these are told again.
func (x *Explainer) Doubt(c *Claims, until int64) (any bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.unmet.doubt(c.of, until)
}

func (u *unmet) doubt(claimed map[namedRule]uint64, until int64) (any bool) {
	for name, flows := range claimed {
		if packets, counts := u.met[name]; counts && packets < flows {
			u.last[name], any = until, true
		}
	}
	return any
}

// Count counts the claims of the rules to the flows of the table that were there at a time, while Work explains them.
func (x *Explainer) Count(at int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.claims = &Claims{explainer: x, of: map[namedRule]uint64{}, since: at}
}

// Settle ends the count and doubts the rules as Doubt does; where it tells that there are such, the rules are to be told again.
func (x *Explainer) Settle(until int64) (any bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.claims == nil {
		return false
	}
	any, x.claims = x.unmet.doubt(x.claims.of, until), nil
	return any
}
