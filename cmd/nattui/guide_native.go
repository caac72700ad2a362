package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/guide"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// natively makes an advice's plan one of native rules, and has what it is for pass the native filters that nobody else owns.
func natively(c *cobra.Command, h guide.Host, a guide.Advice) (rules.Plan, error) {
	now, err := nftables.Read(c.Context())
	if err != nil {
		return a.Plan, err
	}
	plan, lacks := nft.Natively(a.Plan, now)
	if len(lacks) > 0 {
		return plan, usagef("nft cannot say this: %s", text.Safe(strings.Join(lacks, ", ")))
	}
	blocked, said := a.Blocked, map[string]bool{}
	for range 4 { // the filters of one packet
		for _, b := range blocked {
			step, err := opening(now, b)
			if err != nil {
				if !said[b.By.String()] {
					say(c.ErrOrStderr(), "warning: "+text.Safe(fmt.Sprintf("%s will block it: %v", b.By, err)))
				}
				said[b.By.String()] = true
				continue
			}
			if !slices.ContainsFunc(plan.Steps, func(s rules.Step) bool { return s.Native != nil && s.Native.Line() == step.Native.Line() }) {
				plan.Steps = append(plan.Steps, step)
			}
		}
		proven, err := provenPlan(c.Context(), plan, now)
		if err != nil {
			return plan, err
		}
		if blocked, err = stillBlocked(c.Context(), h, proven, a.Blocked); err != nil || len(blocked) == 0 {
			return proven, err
		}
		blocked = slices.DeleteFunc(blocked, func(b guide.Blocked) bool { return said[b.By.String()] })
		if len(blocked) == 0 {
			return proven, nil
		}
	}
	for _, b := range blocked {
		say(c.ErrOrStderr(), "warning: "+text.Safe(b.By.String())+" will block it all the same")
	}
	return provenPlan(c.Context(), plan, now)
}

// opening is the step that lets a packet pass where it is dropped.
func opening(now *nft.Ruleset, b guide.Blocked) (rules.Step, error) {
	family, name, _ := strings.Cut(b.By.Table, " ")
	base := now.Table(family, name).Base(strings.ToLower(b.Accept.Chain), b.By.Chain)
	if base == nil {
		return rules.Step{}, fmt.Errorf("no chain of %s that could let it pass is called there", b.By.Table)
	}
	version := rules.IPv4
	if b.Packet.Dst.Is6() {
		version = rules.IPv6
	}
	return nft.OpensFor(base, version, b.Accept, b.Why+" Write it to where that table is loaded from, too.")
}

// stillBlocked are the packets that native filters would drop once the plan is made.
func stillBlocked(ctx context.Context, h guide.Host, plan rules.Plan, blocked []guide.Blocked) (still []guide.Blocked, err error) {
	after, err := nativeAfter(ctx, plan)
	if err != nil || after == nil {
		return nil, err
	}
	sets, err := plan.Apply(h.Sets)
	if err != nil {
		return nil, err
	}
	var programs []*evaluate.Program
	for _, s := range sets {
		programs = append(programs, evaluate.Compile(s))
	}
	kernel := h.Kernel
	kernel.Native, kernel.Natives = after, nil
	e := evaluate.NewEvaluator(kernel, programs...)
	for _, b := range blocked {
		path, err := e.Evaluate(b.Packet)
		if err != nil {
			continue
		}
		for _, o := range path.Outcomes {
			if o.Delivered == evaluate.Dropped && o.DroppedBy.Backend == rules.Native {
				b.By = o.DroppedBy
				still = append(still, b)
				break
			}
		}
	}
	return still, nil
}

// provenPlan is a plan whose native changes were tried, together, on a copy of their tables.
func provenPlan(ctx context.Context, plan rules.Plan, now *nft.Ruleset) (rules.Plan, error) {
	wanted := plan.Natives()
	if len(wanted) == 0 {
		return plan, nil
	}
	steps, _, err := nativeSteps(ctx, now, rules.NativeScript(wanted))
	if err != nil {
		return plan, err
	}
	whys := map[string][]string{}
	for _, s := range plan.Steps {
		if s.Native != nil {
			key := string(s.Native.What) + s.Native.Place()
			whys[key] = append(whys[key], s.Why)
		}
	}
	proven := rules.Plan{Title: plan.Title}
	for i := range steps { // those of one place stay in their order
		key := string(steps[i].Native.What) + steps[i].Native.Place()
		if why := whys[key]; len(why) > 0 && !steps[i].Native.Gone {
			steps[i].Why, whys[key] = why[0], why[1:]
		}
	}
	for _, s := range plan.Steps {
		switch {
		case s.Native == nil:
			proven.Steps = append(proven.Steps, s)
		case steps != nil:
			proven.Steps = append(proven.Steps, steps...)
			steps = nil
		}
	}
	return proven, nil
}
