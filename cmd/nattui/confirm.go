package main

import (
	"context"

	"github.com/spf13/cobra"

	"nattui/rules/commit"
	"nattui/rules/iptables"
)

// newConfirmCommand makes "nattui confirm".
func newConfirmCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "confirm [ID]",
		Short: "Let a change stand that would be taken back otherwise",
		Long: "confirm ends the countdown of the change that waits for it. Say it from a new login: that one gets through is the proof that the change has not locked you out. " +
			"The change may stand from then on.",
		Example: "nattui confirm",
		Args:    oneID,
		RunE: func(c *cobra.Command, args []string) error {
			committer, err := committerHere(c.Context())
			if err != nil {
				return err
			}
			e, err := committer.Confirm(context.WithoutCancel(c.Context()), firstOf(args))
			if err != nil {
				return err
			}
			sayStands(c.ErrOrStderr(), e)
			return nil
		},
	}
	offerChanges(c, func(e commit.Entry) bool { return e.Unconfirmed() })
	return c
}

// committerHere opens everything that settling a change takes.
func committerHere(ctx context.Context) (*commit.Committer, error) {
	tables, err := iptables.Open(ctx)
	if err != nil {
		return nil, err
	}
	return openCommitter(tables, nil)
}
