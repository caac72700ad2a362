package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"nattui/rules/commit"
	"nattui/ui/text"
)

// newRollbackCommand makes "nattui rollback".
func newRollbackCommand() *cobra.Command {
	var a approval
	c := &cobra.Command{
		Use:   "rollback [ID]",
		Short: "Roll back the unconfirmed change now",
		Long: "rollback rolls back the unconfirmed change without waiting for its deadline. What other programs changed in the meantime is kept; " +
			"what no longer fits is left alone and reported. For a confirmed change, use nattui undo.",
		Example: "nattui rollback --yes",
		Args:    oneID,
		RunE: func(c *cobra.Command, args []string) error {
			return rollback(c, &a, firstOf(args))
		},
	}
	a.register(c.Flags())
	offerChanges(c, func(e commit.Entry) bool { return e.Unconfirmed() })
	return c
}

// settledBefore is the context's key for whether an unfinished change was settled as the command began.
type settledBefore struct{}

func rollback(c *cobra.Command, a *approval, id string) error {
	ctx := c.Context()
	committer, err := committerHere(ctx)
	if err != nil {
		return err
	}
	waiting, plan, err := committer.RollbackPlan(ctx, id)
	if absent := (*commit.Absent)(nil); errors.As(err, &absent) && ctx.Value(settledBefore{}) == true {
		return nil // what was to be rolled back was unfinished, and has been settled and told of
	}
	if err == nil {
		err = a.check()
	}
	if err != nil {
		return err
	}
	if a.dryRun {
		return printCommands(c.OutOrStdout(), plan)
	}
	if !a.yes {
		if err := a.ask(ctx, c.ErrOrStderr(), plan, nil); err != nil {
			return err
		}
	}
	e, err := committer.Rollback(context.WithoutCancel(ctx), waiting.ID)
	if err != nil {
		return err
	}
	say(c.ErrOrStderr(), text.Safe("change "+e.ID+" is rolled back: "+e.Result))
	return printCommands(c.OutOrStdout(), plan)
}
