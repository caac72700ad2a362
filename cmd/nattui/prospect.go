package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/doctor"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/evaluate"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

// prospect is what is known of a plan before it is made: what it would do, and to
// whom as well.
type prospect struct {
	before, after map[rules.Variant]*rules.Ruleset
	native        *evaluate.NativeProgram // as it would be; nil where it stays as it is
	facts         facts.Facts
	diff          []rules.DiffLine
	blast         explain.Blast
	bars          []string // what would drop what the plan forwards, what of it stays after a rollback, and whose rules it touches
	options       commit.Options
	final         string // what could not be undone
}

const (
	// flowsBefore bounds the flows that are evaluated before a change: a fifth of a
	// second of one core.
	flowsBefore = 100_000
	// flowsUnasked is the size up to which the table is looked through after a change
	// that nobody was asked about: what a script may be made to wait.
	flowsUnasked = 50_000
	// flowsNamed is how many flows are named in a sentence.
	flowsNamed = 3
)

// weigh works out what a plan would do beyond itself, and on what terms it is to
// be made.
func (a *approval) weigh(ctx context.Context, tables *iptables.Host, plan rules.Plan) (*prospect, error) {
	var p prospect
	var err error
	if p.before, err = tables.ReadAll(ctx); err != nil {
		return nil, err
	}
	if p.facts, err = readFacts(ctx); err != nil {
		return nil, err
	}
	p.options = operatorOf(&p.facts)
	p.options.For = a.lasts
	if p.after, err = plan.Apply(p.before); err != nil {
		return nil, asConflict(err)
	}
	if p.native, err = nativeAfter(ctx, plan); err != nil {
		return nil, asConflict(err)
	}
	if p.diff, err = plan.Diff(p.before); err != nil {
		return nil, asConflict(err)
	}
	var flows *flow.Flows
	if a.dryRun || !a.yes {
		if flows, err = readFlows(ctx); err != nil {
			flows = nil // who may read the rules may read these; else there is no connection tracking
		}
	}
	limit := flowsBefore
	if flows == nil {
		limit = 0
		flows = waysAmongFlows(ctx, &p.facts)
	}
	now := p.rulesBefore()
	if now.Ending, err = ending(); err != nil {
		return nil, err
	}
	p.blast = explain.BlastOf(&p.facts, now, p.rulesAfter(), plan, flows, limit)
	p.bars = append(doctor.Barred(&p.facts, p.after, p.native, plan), doctor.Fills(plan)...)
	p.bars = append(p.bars, rules.Trespasses(plan)...)
	p.options.Operators, p.options.Others = p.blast.Provers(&p.facts), p.blast.Unproven()
	if final := commit.FinalOf(plan); final != nil {
		if a.confirm.text != "off" {
			return nil, final
		}
		p.final, p.options.Final = final.Sentence(), true
	}
	if p.options.Confirm, err = a.confirm.time(p.blast.Own); a.lasts > 0 {
		p.options.Confirm = min(p.options.Confirm, a.lasts)
	}
	return &p, err
}

// ending are the changes in force that end by themselves.
func ending() ([]rules.Plan, error) {
	store, err := commit.Look(commit.Directory())
	if err != nil {
		return nil, err
	}
	return store.Ending()
}

// rulesBefore are those of the gateway as it is.
func (p *prospect) rulesBefore() explain.Rules {
	return explain.Rules{Sets: p.before, Native: p.facts.Native}
}

// rulesAfter are those that the plan leaves.
func (p *prospect) rulesAfter() explain.Rules { return explain.Rules{Sets: p.after, Native: p.native} }

// waysAmongFlows are those of the live flows by which somebody may administer
// something, here or behind this gateway. The others are not kept. It is nil where there is no connection tracking.
func waysAmongFlows(ctx context.Context, f *facts.Facts) *flow.Flows {
	kernel, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return nil
	}
	defer kernel.Close()
	wanted := explain.Passages(f)
	flows := flow.NewFlows()
	var some flow.Batch
	err = kernel.Dump(ctx, func(b *flow.Batch) {
		kept := some.Messages[:0]
		for i := range b.Messages {
			if wanted(&b.Messages[i].Flow) {
				kept = append(kept, b.Messages[i])
			}
		}
		some = *b
		some.Messages = kept
		flows.Apply(&some)
	})
	if err != nil {
		return nil
	}
	return flows
}

// forewarn says what would drop what a plan forwards, and what of it could not be undone.
func (p *prospect) forewarn(w io.Writer) {
	for _, why := range p.bars {
		say(w, "warning: "+text.Safe(why))
	}
	if p.final != "" {
		fmt.Fprintln(w, text.Safe(p.final))
	}
}

// tell shows what a plan does, before and after, and what it would touch as well.
func (p *prospect) tell(w io.Writer) {
	printDiff(w, p.diff)
	p.forewarn(w)
	fmt.Fprintln(w, text.Safe(p.blast.OwnSentence()))
	if s := p.blast.FlowsSentence("nattui forget"); s != "" {
		fmt.Fprintln(w, s)
	}
	for i := range p.blast.Examples {
		fmt.Fprintln(w, "  "+p.blast.Examples[i].Line())
	}
	if more := p.blast.Changed - len(p.blast.Examples); more > 0 {
		fmt.Fprintf(w, "  and %s more\n", text.Exact(uint64(more)))
	}
	if s := p.wayBack(); s != "" {
		fmt.Fprintln(w, s)
	}
	if d := p.options.For; d > 0 {
		fmt.Fprintf(w, "It expires after %s.\n", text.Duration(d))
	}
}

// wayBack says when the change is rolled back, and how not; "" where it stands at once.
func (p *prospect) wayBack() string {
	if p.options.Confirm <= 0 || p.options.Confirm == p.options.For { // it goes by then in any case
		return ""
	}
	how := "nattui confirm"
	if len(p.options.Operators) > 0 {
		how += ", from a new login"
	}
	return fmt.Sprintf("It will be rolled back after %s unless you confirm it: %s.", text.Duration(p.options.Confirm), how)
}

// tellKept names the flows that keep their old translation after the change, and
// forgets them if that is wanted.
func (p *prospect) tellKept(c *cobra.Command, forget bool) error {
	if forget {
		sayUnread(c.ErrOrStderr(), &p.facts, p.rulesBefore().Sets)
	}
	count := p.facts.Settings.ConntrackCount
	switch {
	case count <= 0:
		return nil
	case !forget && count > flowsUnasked:
		say(c.ErrOrStderr(), fmt.Sprintf("%s live connections were not checked for old translations: see  nattui forget --dry-run", text.Exact(uint64(count))))
		return nil
	}
	ctx := context.WithoutCancel(c.Context())
	kernel, flows, err := dumpFlows(ctx)
	if err != nil {
		return nil // there is no connection tracking
	}
	defer kernel.Close()
	most := flowsNamed
	if forget {
		most = flows.Len()
	}
	kept, n, broken := explain.KeptFlows(ctx, &p.facts, p.rulesBefore(), p.rulesAfter(), flows, most)
	if n == 0 {
		return nil
	}
	if broken {
		say(c.ErrOrStderr(), fmt.Sprintf("%s translated before, and now nothing tracks connections: they break: %s", rules.Plural(n, "connection"), named(kept, n)))
		return nil
	}
	if !forget {
		say(c.ErrOrStderr(), fmt.Sprintf("%s: %s; to have the new rules decide:  nattui forget", keeping(n), named(kept, n)))
		return nil
	}
	done, err := kernel.Forget(kept, func(*flow.Batch) {})
	if err != nil {
		return fmt.Errorf("the change is applied, but old connections could not be forgotten: %w", err)
	}
	say(c.ErrOrStderr(), fmt.Sprintf("%s from before the change forgotten: %s", rules.Plural(done, "connection"), named(kept, n)))
	return nil
}

func keeping(n int) string {
	if n == 1 {
		return "1 connection keeps its old translation until it ends"
	}
	return text.Exact(uint64(n)) + " connections keep their old translation until they end"
}

// named names the first of n flows.
func named(flows []flow.Flow, n int) string {
	words := ""
	for i := range flows[:min(flowsNamed, len(flows))] {
		if i > 0 {
			words += "; "
		}
		words += flows[i].Line()
	}
	if more := n - min(flowsNamed, len(flows)); more > 0 {
		words += "; and " + text.Exact(uint64(more)) + " more"
	}
	return words
}

// dumpFlows reads the flow table once. The kernel's table is to be closed.
func dumpFlows(ctx context.Context) (*conntrack.Table, *flow.Flows, error) {
	kernel, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return nil, nil, err
	}
	flows := flow.NewFlows()
	if err := kernel.Dump(ctx, flows.Apply); err != nil {
		kernel.Close()
		return nil, nil, err
	}
	return kernel, flows, nil
}

// age is how long ago something was, in words.
func age(d time.Duration) string {
	if d < time.Second {
		return "at once"
	}
	return text.Duration(d.Round(time.Second)) + " after the change"
}
