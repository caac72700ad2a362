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
	return r.settleThese(table.Health().Count, func(take func(*flow.Flow)) error {
		return table.Dump(r.ctx, func(b *flow.Batch) {
			for i := range b.Messages {
				if m := &b.Messages[i]; m.Kind == flow.Listed {
					take(&m.Flow)
				}
			}
		})
	})
}

// settleFlows is settle with connections that have been read, so many.
func (r *ruleBook) settleFlows(flows *flow.Flows) error {
	// By rules that were read before the connections one that a new rule has made would be stale.
	if err := r.readAgain(nil); err != nil {
		return err
	}
	return r.settleThese(flows.Len(), func(take func(*flow.Flow)) error {
		flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
			take(f)
			return r.ctx.Err() == nil
		})
		return r.ctx.Err()
	})
}

func (r *ruleBook) settleThese(flows int, each func(take func(*flow.Flow)) error) error {
	claims := r.explainer.Claims(flows)
	if claims == nil {
		return nil
	}
	if err := each(claims.Take); err != nil {
		return err
	}
	return r.readAgain(claims)
}

// readAgain reads the rules once more, and doubts those that claim too much; claims may be nil.
func (r *ruleBook) readAgain(claims *explain.Claims) error {
	r.made = r.kernel.now()
	sets, f, err := readRulesAgain(r.ctx)
	if err != nil {
		return err
	}
	doubt(r.explainer, claims, sets, f)
	return nil
}

// doubt tells the explainer the rules once more, and doubts those that claim too much.
func doubt(x *explain.Explainer, claims *explain.Claims, sets map[rules.Variant]*rules.Ruleset, f *facts.Facts) {
	read := readNow()
	x.SetRulesAt(sets, f.Host(nil), read)
	if claims != nil {
		x.Doubt(claims, read.Rules)
	}
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
