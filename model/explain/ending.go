package explain

import (
	"nattui/model/facts"
	"nattui/rules"
)

// This file looks at what holds later: rules and elements that end by themselves must not be what a change relies on.

// onceEnded compares what becomes of every way in when what is temporary has ended.
func (b *Blast) onceEnded(ways []conversation, f *facts.Facts, before, after Rules, plan rules.Plan, doors []uint16) {
	var natives []rules.NativeChange
	was, is, whole := before.Sets, after.Sets, true
	for _, p := range before.Ending {
		natives = append(natives, p.Natives()...)
		for _, c := range p.Changes() {
			var there, stays bool
			was, there = withoutTemporary(was, c)
			is, stays = withoutTemporary(is, c)
			whole = whole && there && stays
		}
	}
	native := after.Native
	if native == nil {
		native = f.Native
	}
	old, fresh := Rules{Sets: was, Native: f.Native.Lasting(natives)}, Rules{Sets: is, Native: native.Lasting(natives)}
	if len(before.Ending) == 0 && old.Native == f.Native && fresh.Native == native {
		return
	}
	if !whole {
		b.Own, b.OwnWhy = true, "what holds once temporary changes have ended could not be worked out"
		return
	}
	if b.cutOff(ways, f, evaluatorOf(f, old), evaluatorOf(f, fresh), plan, doors); b.Own {
		b.OwnWhy = "once what is temporary has ended, " + b.OwnWhy
	}
}

// withoutTemporary are the rules without one that a temporary change has made; false where it did something else.
func withoutTemporary(sets map[rules.Variant]*rules.Ruleset, c rules.Change) (map[rules.Variant]*rules.Ruleset, bool) {
	set := sets[rules.Variant{Family: c.Family, Backend: c.Backend}]
	if c.Op != rules.Insert || set == nil {
		return sets, false
	}
	chain, ok := set.Chain(c.Table, c.Chain)
	if !ok {
		return sets, true // it is gone with its chain
	}
	line := c.Rule.InChain(c.Chain).String()
	for i, r := range chain.Rules {
		if r.InChain(c.Chain).String() != line {
			continue
		}
		gone := c
		gone.Op, gone.At, gone.Rule = rules.Delete, i+1, r
		left, err := rules.Plan{Steps: []rules.Step{{Change: &gone}}}.Apply(sets)
		return left, err == nil
	}
	return sets, true // it has ended, or the plan takes it away
}
