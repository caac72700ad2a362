package main

import (
	"context"

	"nattui/model/conntrack"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/iptables"
)

// A command that looks once has not seen which rule made a connection: it compares how many connections a rule would have made
// with the packets that it has met.

// settle doubts rules that would have made more of the connections of a table than they have met packets. The table is read for
// it where that may be so, and the rules once more, so that their counters are no older than what was read.
func (r *ruleBook) settle(table *conntrack.Table) error {
	claims := r.explainer.Claims(table.Health().Count)
	if claims == nil {
		return nil
	}
	if err := table.Dump(r.ctx, func(b *flow.Batch) {
		for i := range b.Messages {
			if m := &b.Messages[i]; m.Kind == flow.Listed {
				claims.Take(&m.Flow)
			}
		}
	}); err != nil {
		return err
	}
	r.made = r.kernel.now()
	sets, f, err := readRulesAgain(r.ctx)
	if err != nil {
		return err
	}
	doubt(r.explainer, claims, sets, f)
	return nil
}

// settleFlows is settle with connections that have been read: the rules are read after them.
func (r *ruleBook) settleFlows(flows *flow.Flows) error {
	// By rules that were read before the connections one that a new rule has made would be stale.
	r.made = r.kernel.now()
	sets, f, err := readRulesAgain(r.ctx)
	if err != nil {
		return err
	}
	read := readNow()
	r.explainer.SetRulesAt(sets, f.Host(nil), read)
	claims := r.explainer.Claims(flows.Len())
	if claims == nil {
		return nil
	}
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		claims.Take(f)
		return r.ctx.Err() == nil
	})
	if r.explainer.Doubt(claims, read.Rules) { // what they are said to have made is explained anew
		r.explainer.SetRulesAt(sets, f.Host(nil), read)
	}
	return r.ctx.Err()
}

// doubt tells the explainer the rules once more, and doubts those that claim too much.
func doubt(x *explain.Explainer, claims *explain.Claims, sets map[rules.Variant]*rules.Ruleset, f *facts.Facts) {
	read := readNow()
	x.SetRulesAt(sets, f.Host(nil), read)
	x.Doubt(claims, read.Rules)
}

// readRulesAgain reads rules and host without saying once more what cannot be seen of them.
func readRulesAgain(ctx context.Context) (map[rules.Variant]*rules.Ruleset, *facts.Facts, error) {
	tables, err := iptables.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return nil, nil, err
	}
	f, err := readFacts(ctx)
	return sets, &f, err
}
