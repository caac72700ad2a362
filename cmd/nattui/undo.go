package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

// newUndoCommand makes "nattui undo".
func newUndoCommand() *cobra.Command {
	return undoing(&cobra.Command{
		Use:   "undo [ID]",
		Short: "Undo a change; undoing an undo makes the change again",
		Long: "undo undoes the latest applied change, or the given one, as a change of its own. It finds the rules by their neighbours, " +
			"so that later changes are kept. If a change no longer fits, nothing is done, and undo says why.",
		Example: "nattui undo\nnattui undo 12 --dry-run",
	}, func(e commit.Entry) bool { return e.Stands() && !e.Unconfirmed() && e.UndoneBy == "" }, func(id string) (string, error) { return id, nil })
}

// undoing completes a command that undoes a change: offered are those that can be, and chosen is the one
// that an argument means, "" where there is none.
func undoing(c *cobra.Command, offered func(commit.Entry) bool, chosen func(id string) (string, error)) *cobra.Command {
	var a approval
	var confirm confirmation
	c.Args = oneID
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := confirm.check(); err != nil {
			return err
		}
		id, err := chosen(firstOf(args))
		if err != nil {
			return err
		}
		return undo(c, &a, &confirm, id)
	}
	a.register(c.Flags())
	confirm.register(c.Flags())
	offerChanges(c, offered)
	return c
}

func undo(c *cobra.Command, a *approval, confirm *confirmation, id string) error {
	ctx := c.Context()
	tables, err := iptables.Open(ctx)
	if err != nil {
		return err
	}
	committer, err := openCommitter(tables, nil)
	if err != nil {
		return err
	}
	entry, plan, err := committer.UndoPlan(ctx, id)
	if err != nil {
		return asConflict(err)
	}
	if err := a.check(); err != nil {
		return err
	}
	weighed := approval{dryRun: a.dryRun, yes: a.yes, confirm: *confirm}
	p, err := weighed.weigh(ctx, tables, plan)
	if err != nil {
		return err
	}
	for _, why := range plan.Whys() { // what stays of it, or comes to another place
		say(c.ErrOrStderr(), text.Safe(why))
	}
	if a.dryRun {
		p.tell(c.ErrOrStderr())
		if err := printFiles(c.OutOrStdout(), entry); err != nil {
			return err
		}
		return printCommands(c.OutOrStdout(), plan)
	}
	if !a.yes {
		fmt.Fprintln(c.ErrOrStderr(), text.Safe(fmt.Sprintf("Change %s: %s", entry.ID, plan.Title)))
		for _, f := range entry.Files {
			fmt.Fprintln(c.ErrOrStderr(), "  "+text.Safe("restore "+f.Path))
		}
		if err := a.ask(ctx, c.ErrOrStderr(), plan, p.tell); err != nil {
			return err
		}
	} else {
		p.forewarn(c.ErrOrStderr())
	}
	undone, err := committer.Undo(context.WithoutCancel(ctx), entry.ID, p.options)
	if err != nil {
		return asConflict(err)
	}
	sayStands(c.ErrOrStderr(), undone)
	if err := followUnits(context.WithoutCancel(ctx), undone, false); err != nil {
		say(c.ErrOrStderr(), text.Safe(err.Error()))
	}
	if err := printCommands(c.OutOrStdout(), undone.Plan); err != nil {
		return err
	}
	return p.tellKept(c, false)
}

// printFiles prints what becomes of the files that a change has written when it is
// undone: each is as it was before, or goes.
func printFiles(w io.Writer, e commit.Entry) error {
	for _, f := range e.Files {
		line := "rm " + rules.ShellLine([]string{f.Path})
		if f.Existed {
			line = "# " + f.Path + " is restored to before change " + e.ID
		}
		if _, err := fmt.Fprintln(pipe{w}, text.Safe(line)); err != nil {
			return err
		}
	}
	return nil
}
