package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/guide"
	"nattui/rules/nft"
	"nattui/rules/nftables"
)

// nativePlans makes plans of native rules for the screens.
type nativePlans struct{}

// Advice is natively.
func (nativePlans) Advice(ctx context.Context, h guide.Host, a guide.Advice) (guide.Advice, error) {
	return natively(ctx, h, a)
}

// Import is the plan of a script of nft.
func (nativePlans) Import(ctx context.Context, script string) (rules.Plan, error) {
	now, err := natives.reader.Read(ctx)
	if err != nil {
		return rules.Plan{}, err
	}
	steps, _, err := nativeSteps(ctx, now, script)
	if err != nil || len(steps) == 0 {
		return rules.Plan{}, namedPlaces(err, "", 0)
	}
	return rules.Plan{Title: nativeTitle(steps), Steps: steps}, nil
}

// Fields is taken, for a rule that the screens show.
func (nativePlans) Fields(ctx context.Context, now *nft.Ruleset, c *nft.Chain, r *nft.Rule) (nft.Fields, int, error) {
	at := slices.Index(c.Rules, r)
	if at < 0 {
		return nft.Fields{}, 0, errors.New("the rule is no longer there")
	}
	return taken(ctx, &nativeRule{now: now, chain: c, at: at})
}

// natively makes an advice's plan one of native rules, unless it changes rules where they are, and has what it is for pass the native filters that nobody else owns.
// What blocks it all the same is a warning among its objections.
func natively(ctx context.Context, h guide.Host, a guide.Advice) (guide.Advice, error) {
	if a.InPlace {
		return a, nil
	}
	now, err := nftables.Read(ctx)
	if err != nil {
		return a, err
	}
	plan, lacks := nft.Natively(a.Plan, now)
	if len(lacks) > 0 {
		return a, usagef("nft cannot say this: %s", strings.Join(lacks, ", "))
	}
	var warned []string
	if a.Plan, warned, err = letThrough(ctx, h, now, plan, a.Blocked); err != nil {
		return a, err
	}
	for _, w := range warned {
		a.Objections = append(a.Objections, guide.Objection{Text: w, Warning: true})
	}
	a.Proof.Translating, a.Proof.Passing = nil, nil // counters of iptables
	return a, nil
}

// letThrough is a plan, tried, with what lets packets pass that native filters would drop. Warned are those that it does not.
func letThrough(ctx context.Context, h guide.Host, now *nft.Ruleset, plan rules.Plan, all []guide.Blocked) (_ rules.Plan, warned []string, err error) {
	blocked, said := all, map[string]bool{}
	for range 4 { // the filters of one packet
		for _, b := range blocked {
			step, err := opening(now, b)
			if err != nil {
				if !said[b.By.String()] {
					warned = append(warned, fmt.Sprintf("%s will block %s: %v", b.By, packetsLike(&b.Packet), err))
				}
				said[b.By.String()] = true
				continue
			}
			if !slices.ContainsFunc(plan.Steps, func(s rules.Step) bool { return s.Native != nil && s.Native.Line() == step.Native.Line() }) {
				plan.Steps = append(plan.Steps, step)
			}
		}
		proven, err := provenPlan(ctx, plan, now)
		if err != nil {
			return plan, warned, err
		}
		if blocked, err = stillBlocked(ctx, h, proven, all); err != nil || len(blocked) == 0 {
			return proven, warned, err
		}
		blocked = slices.DeleteFunc(blocked, func(b guide.Blocked) bool { return said[b.By.String()] })
		if len(blocked) == 0 {
			return proven, warned, nil
		}
	}
	for _, b := range blocked {
		warned = append(warned, fmt.Sprintf("%s will block %s all the same", b.By, packetsLike(&b.Packet)))
	}
	plan, err = provenPlan(ctx, plan, now)
	return plan, warned, err
}

// packetsLike says of a packet what it stands for: what goes on one of the ways that a recipe is to open.
func packetsLike(p *evaluate.Packet) string {
	what, to := "packets", p.Dst.String()
	if p.State == evaluate.StateEstablished {
		what = "answers"
	} else if p.DstPort != 0 {
		to = netip.AddrPortFrom(p.Dst, p.DstPort).String()
	}
	if p.In != "" {
		what += " that come by " + p.In
	}
	return what + " from " + p.Src.String() + " to " + to
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

// proven is a plan of which the native changes, if it has any, were tried.
func proven(ctx context.Context, plan rules.Plan) (rules.Plan, error) {
	if !slices.ContainsFunc(plan.Natives(), func(c rules.NativeChange) bool { return c.What == rules.NativeRule && c.Print == "" }) {
		return plan, nil
	}
	now, err := nftables.Read(ctx)
	if err != nil {
		return plan, err
	}
	return provenPlan(ctx, plan, now)
}
