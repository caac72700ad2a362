package main

import (
	"context"
	"fmt"

	"nattui/model"
	"nattui/model/conntrack"
	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/iptables"
)

// changes carries out plans: rule changes first, all or none, then settings,
// then flows to forget.
type changes struct {
	tables *iptables.Host
	flows  *conntrack.Table // nil where there is no connection tracking
}

// Apply runs the plan and returns it as it was run. Where a setting cannot be
// written, the rule changes are taken back.
func (c changes) Apply(ctx context.Context, p rules.Plan) (rules.Plan, error) {
	made, err := c.tables.Apply(ctx, p.Changes())
	if err != nil {
		return p, err
	}
	done := rules.Plan{Title: p.Title}
	i := 0
	for _, s := range p.Steps {
		switch {
		case s.Change != nil:
			s.Change = &made[i]
			i++
		case s.Sysctl != nil:
			w := *s.Sysctl
			old, err := host.WriteSysctl(w.Name, w.Value)
			if err != nil {
				if _, undoErr := c.Apply(ctx, done.Inverse()); undoErr != nil {
					return done, fmt.Errorf("%w; and what had been changed could not be taken back: %w", err, undoErr)
				}
				return p, err
			}
			w.Old = old
			s.Sysctl = &w
		case s.Forget != nil:
			if err := c.forget(*s.Forget); err != nil {
				return done, err
			}
		}
		done.Steps = append(done.Steps, s)
	}
	return done, nil
}

func (c changes) forget(f rules.Forget) error {
	if c.flows == nil {
		return nil
	}
	tuple := model.MakeTuple(model.Proto(f.Proto), f.Src, f.Dst)
	if proto := model.Proto(f.Proto); proto.IsICMP() {
		tuple = model.MakeICMP(proto, f.Src.Addr(), f.Dst.Addr(), f.Ident, f.Type, f.Code)
	}
	_, err := c.flows.Forget([]model.Flow{{Orig: tuple, Zone: f.Zone, ID: f.ID}}, func(*model.Batch) {})
	return err
}
