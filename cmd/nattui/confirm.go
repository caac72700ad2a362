package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"nattui/rules/commit"
	"nattui/rules/iptables"
)

// newConfirmCommand makes "nattui confirm".
func newConfirmCommand() *cobra.Command {
	var anyway bool
	c := &cobra.Command{
		Use:   "confirm [ID]",
		Short: "Let a change stand that would be taken back otherwise",
		Long: "confirm ends the countdown of the change that waits for it. Say it from a new login: that one gets through is the proof that the change has not locked you out. " +
			"From the login that the change was made from it counts once a new SSH connection has got through, or with --anyway.",
		Example: "nattui confirm",
		Args:    oneID,
		RunE: func(c *cobra.Command, args []string) error {
			committer, err := committerHere(c.Context())
			if err != nil {
				return err
			}
			if !anyway {
				if err := sameLogin(c, committer); err != nil {
					return err
				}
			}
			e, err := committer.Confirm(context.WithoutCancel(c.Context()), firstOf(args))
			if err != nil {
				return err
			}
			sayStands(c.ErrOrStderr(), e)
			return nil
		},
	}
	c.Flags().BoolVar(&anyway, "anyway", false, "also from the login that the change was made from, though that proves nothing")
	offerChanges(c, func(e commit.Entry) bool { return e.Unconfirmed() })
	return c
}

// sameLogin refuses to take the SSH login that a change was made from for a proof:
// its connection may live on where no new one gets through.
func sameLogin(c *cobra.Command, committer *commit.Committer) error {
	e, err := committer.Store().Waiting()
	if err != nil || e == nil {
		return err
	}
	if l, after, ok := proofOf(e); ok {
		say(c.ErrOrStderr(), fmt.Sprintf("a new SSH connection from %v got through %s", l.Client.Addr(), age(after)))
		return nil
	}
	if e.From == "" || !e.FromHere() {
		return nil
	}
	return fmt.Errorf("this is the login that change %s was made from: that it still works proves nothing; log in anew and say  nattui confirm  there, or here once that login has got through, or add --anyway", e.ID)
}

// committerHere opens everything that settling a change takes.
func committerHere(ctx context.Context) (*commit.Committer, error) {
	tables, err := iptables.Open(ctx)
	if err != nil {
		return nil, err
	}
	return openCommitter(tables, nil)
}
