package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

// newConfirmCommand makes "nattui confirm".
func newConfirmCommand() *cobra.Command {
	var anyway bool
	c := &cobra.Command{
		Use:   "confirm [ID]",
		Short: "Keep a change that would otherwise be rolled back",
		Long: "confirm keeps the unconfirmed change and ends its countdown. It needs proof that the change has not locked you out: " +
			"a successful login after the change, from where the change was made. So run it from a new login, or here once you have logged in anew. " +
			"A login from before the change proves nothing, nor does a connection without a login. With --anyway it is confirmed without proof.",
		Example: "nattui confirm",
		Args:    oneID,
		RunE: func(c *cobra.Command, args []string) error {
			committer, err := committerHere(c.Context())
			if err != nil {
				return err
			}
			e, err := confirm(c, committer, firstOf(args), anyway)
			if err != nil {
				return err
			}
			sayStands(c.ErrOrStderr(), e)
			return nil
		},
	}
	c.Flags().BoolVar(&anyway, "anyway", false, "confirm without proof that you can still log in, and say what is not proven")
	offerChanges(c, func(e commit.Entry) bool { return e.Unconfirmed() })
	return c
}

// confirm confirms a change with the proof that there is, or without one where that
// is wanted.
func confirm(c *cobra.Command, committer *commit.Committer, id string, anyway bool) (commit.Entry, error) {
	ctx := context.WithoutCancel(c.Context())
	e, err := committer.Store().Waiting()
	if err != nil {
		return commit.Entry{}, err
	}
	if e == nil || id != "" && e.ID != id {
		return committer.Confirm(ctx, id)
	}
	a, after, lacking := thoroughProof(ctx, e)
	switch {
	case a.User != "":
		say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("%s has logged in from %v %s", a.User, a.From, age(after))))
	case lacking != "" && !anyway:
		return *e, unproven(e, lacking)
	case lacking != "":
		say(c.ErrOrStderr(), text.Safe("not proven that you can still log in: "+lacking))
		return committer.ConfirmUnproven(ctx, e.ID, lacking)
	}
	return committer.Confirm(ctx, e.ID)
}

// unproven is the error of confirming what nothing proves to be harmless.
func unproven(e *commit.Entry, lacking string) error {
	from := ""
	for i, a := range e.Operators() {
		if i > 0 {
			from += " or "
		}
		from += a.String()
	}
	return fmt.Errorf("%s. Log in again from %s, then run  nattui confirm  there or here, or add --anyway", lacking, from)
}

// committerHere opens everything that settling a change takes.
func committerHere(ctx context.Context) (*commit.Committer, error) {
	tables, err := iptables.Open(ctx)
	if err != nil {
		return nil, err
	}
	return openCommitter(tables, nil)
}
