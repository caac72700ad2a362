package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// newForgetCommand makes "nattui forget".
func newForgetCommand() *cobra.Command {
	a := approval{does: "forgets connections"}
	var matching flowsOptions
	c := &cobra.Command{
		Use:   "forget",
		Short: "Forget the connections that today's rules would translate differently, or that match a filter",
		Long: "forget removes from connection tracking the connections that began before a change and keep a translation that today's rules would not give them. " +
			"Today's rules decide about the next packet of each; a connection that now leads to another server breaks. Logins to this host, your own among them, are left alone. It prints the connections, one per line.\n" +
			"With --filter it forgets those that match instead, with the filters of  nattui flows. A connection of which the rule is not known is kept: it would break if its rule were still there.",
		Example: "nattui forget --dry-run\nnattui forget --yes\nnattui forget --filter 'rule PREROUTING/1 client 192.168.0.7'",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.check(); err != nil {
				return err
			}
			if c.Flags().Changed("filter") {
				return forgetMatching(c, &a, &matching)
			}
			return forgetStale(c, &a)
		},
	}
	c.Flags().StringVar(&matching.filter, "filter", "", "the connections that match, as in nattui flows")
	_ = c.RegisterFlagCompletionFunc("filter", completeForgotten)
	a.register(c.Flags())
	c.Flags().Lookup("dry-run").Usage = "print the connections that would be forgotten, and forget none"
	return c
}

// sayUnread tells what is left alone because tables translate as well that are not read.
func sayUnread(w io.Writer, f *facts.Facts, sets map[rules.Variant]*rules.Ruleset) (any bool) {
	for _, l := range f.UnreadLegacy(sets) {
		say(w, text.Safe(l.String()+" may translate here and are not read: connections that they may have made are left alone"))
		any = true
	}
	if unknown := f.Unevaluated(); len(unknown) > 0 {
		say(w, text.Safe(fmt.Sprintf("%s may also translate here and is not evaluated: connections that it may have made are left alone", unknown[0])))
		any = true
	}
	return any
}

func forgetStale(c *cobra.Command, a *approval) error {
	ctx := c.Context()
	tables, err := openTables(ctx, c.ErrOrStderr())
	if err != nil {
		return err
	}
	kernel, flows, err := dumpFlows(ctx)
	if err != nil {
		return err
	}
	defer kernel.Close()
	// The rules are read after the connections: what began meanwhile by a new rule is none that older ones made.
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return err
	}
	facts, err := readFacts(ctx)
	if err != nil {
		return err
	}
	stale, n := explain.StaleFlows(ctx, &facts, sets, flows, flows.Len())
	if err := ctx.Err(); err != nil {
		return err
	}
	unread := sayUnread(c.ErrOrStderr(), &facts, sets)
	if n == 0 {
		would := "would be"
		if unread {
			would = "is known to be"
		}
		say(c.ErrOrStderr(), fmt.Sprintf("no connection (of %s) %s translated differently by today's rules", text.Exact(uint64(flows.Len())), would))
		return nil
	}
	question := fmt.Sprintf("Today's rules would translate %[2]s of %[1]s connections differently: %[3]s.", text.Exact(uint64(flows.Len())), text.Exact(uint64(n)), named(stale, n))
	return forgetThese(c, a, kernel, stale, question)
}

// forgetThese asks, prints the connections and forgets them.
func forgetThese(c *cobra.Command, a *approval, kernel *conntrack.Table, flows []flow.Flow, question string) error {
	if !a.dryRun && !a.yes {
		fmt.Fprintln(c.ErrOrStderr(), question)
		if err := a.agree(c.Context(), c.ErrOrStderr(), "Forget them?"); err != nil {
			return err
		}
	}
	for i := range flows {
		if _, err := fmt.Fprintln(pipe{c.OutOrStdout()}, flows[i].Line()); err != nil {
			return err
		}
	}
	if a.dryRun {
		return nil
	}
	done, err := kernel.Forget(flows, func(*flow.Batch) {})
	if err != nil {
		return fmt.Errorf("forget connections: %w", err)
	}
	say(c.ErrOrStderr(), rules.Plural(done, "connection")+" forgotten")
	return context.Cause(c.Context())
}

// forgetMatching forgets the connections that match a filter, but for logins and those of which the rule is not known.
func forgetMatching(c *cobra.Command, a *approval, o *flowsOptions) error {
	o.rules.ctx = c.Context()
	if err := o.check(); err != nil {
		return err
	}
	if o.query.IsZero() {
		return usagef("--filter: say which connections; all of them would cut everybody off")
	}
	if o.query.NeedsRates() {
		return usagef("--filter: a rate is measured over a time and is no reason to forget a connection; use bytes or packets")
	}
	facts, err := readFacts(c.Context())
	if err != nil {
		return err
	}
	x, err := o.rules.open()
	if err != nil {
		return fmt.Errorf("nothing is forgotten: the rules cannot be read: %w", err)
	}
	kernel, flows, err := dumpFlows(c.Context())
	if err != nil {
		return err
	}
	defer kernel.Close()
	if err := o.rules.settleFlows(flows); err != nil {
		return err
	}
	var found []flow.Flow
	logins, unknown := 0, 0
	mark, now := x.Marker(), time.Now().UnixNano()
	flows.Each(func(_ flow.Ref, kept *flow.Flow) bool {
		f := *kept
		made := mark(&f)
		switch {
		case !o.query.Match(&f, now):
		case explain.OfLogin(&f, &facts):
			logins++
		case made.Confidence == explain.Unknown, made.Older && o.query.NeedsRules():
			unknown++
		default:
			found = append(found, f)
		}
		return c.Context().Err() == nil
	})
	if err := c.Context().Err(); err != nil {
		return err
	}
	if logins > 0 {
		say(c.ErrOrStderr(), rules.Plural(logins, "login")+" to this host also "+alsoKept(logins))
	}
	if unknown > 0 {
		say(c.ErrOrStderr(), rules.Plural(unknown, "connection")+" also "+alsoKept(unknown)+": which rule made "+map[bool]string{true: "it", false: "them"}[unknown == 1]+" is not known")
	}
	if len(found) == 0 {
		say(c.ErrOrStderr(), fmt.Sprintf("no connection (of %s) to forget matches", text.Exact(uint64(flows.Len()))))
		return nil
	}
	return forgetThese(c, a, kernel, found, fmt.Sprintf("%s of %s match: %s.", text.Exact(uint64(len(found))), rules.Plural(flows.Len(), "connection"), named(found, len(found))))
}

// alsoKept is what becomes of so many.
func alsoKept(n int) string {
	if n == 1 {
		return "matches and is kept"
	}
	return "match and are kept"
}

// completeForgotten completes a filter without what is measured over a time.
func completeForgotten(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	lines, directive := completeFilter(c, args, typed)
	return slices.DeleteFunc(lines, func(line string) bool {
		line, _, _ = strings.Cut(line, "\t")
		return strings.HasSuffix(line, "rate") || strings.HasSuffix(line, "pps")
	}), directive
}
