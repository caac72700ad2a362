package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nattui/model/explain"
	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
	"nattui/ui/text"
)

// newForgetCommand makes "nattui forget".
func newForgetCommand() *cobra.Command {
	var a approval
	c := &cobra.Command{
		Use:   "forget",
		Short: "Forget the connections that today's rules would translate differently",
		Long: "forget removes from connection tracking the connections that began before a change and keep a translation that today's rules would not give them. " +
			"Today's rules decide about the next packet of each; a connection that now leads to another server breaks. Your own SSH connection is left alone. It prints the connections, one per line.",
		Example: "nattui forget --dry-run\nnattui forget --yes",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.check(); err != nil {
				return err
			}
			return forgetStale(c, &a)
		},
	}
	a.register(c.Flags())
	return c
}

// sayNatives tells what is left alone because native nft tables translate as well.
func sayNatives(w io.Writer, f *facts.Facts) {
	if unknown := f.Unevaluated(); len(unknown) > 0 {
		say(w, text.Safe(fmt.Sprintf("%s also translates here and is not evaluated: connections that it may have made are left alone", unknown[0])))
	}
}

func forgetStale(c *cobra.Command, a *approval) error {
	ctx := c.Context()
	tables, err := openTables(ctx, c.ErrOrStderr())
	if err != nil {
		return err
	}
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return err
	}
	facts, err := readFacts(ctx)
	if err != nil {
		return err
	}
	kernel, flows, err := dumpFlows(ctx)
	if err != nil {
		return err
	}
	defer kernel.Close()
	stale, n := explain.StaleFlows(ctx, &facts, sets, flows, flows.Len())
	if err := ctx.Err(); err != nil {
		return err
	}
	sayNatives(c.ErrOrStderr(), &facts)
	if n == 0 {
		say(c.ErrOrStderr(), fmt.Sprintf("no connection (of %s) would be translated differently by today's rules", text.Exact(uint64(flows.Len()))))
		return nil
	}
	if !a.dryRun && !a.yes {
		w := c.ErrOrStderr()
		fmt.Fprintf(w, "Today's rules would translate %[2]s of %[1]s connections differently: %[3]s.\n", text.Exact(uint64(flows.Len())), text.Exact(uint64(n)), named(stale, n))
		if err := a.agree(ctx, w, "Forget them?"); err != nil {
			return err
		}
	}
	for i := range stale {
		if _, err := fmt.Fprintln(pipe{c.OutOrStdout()}, stale[i].Line()); err != nil {
			return err
		}
	}
	if a.dryRun {
		return nil
	}
	done, err := kernel.Forget(stale, func(*flow.Batch) {})
	if err != nil {
		return fmt.Errorf("forget connections: %w", err)
	}
	say(c.ErrOrStderr(), rules.Plural(done, "connection")+" forgotten")
	return context.Cause(ctx)
}
