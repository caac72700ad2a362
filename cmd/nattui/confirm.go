package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/host"
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
			"The connection itself must have begun after the change: a new session in an older connection (ControlMaster) proves nothing, nor does a password typed into one, " +
			"a connection without a login, or a login from this host itself. A login that has ended counts only where sshd has logged when its connection came (LogLevel VERBOSE). " +
			"Where several logins may be cut off, each of them has to log in again. With --anyway it is confirmed without proof.",
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
	p := thoroughProof(ctx, e)
	switch {
	case p.Lacking != "" && !anyway:
		return *e, unproven(p)
	case len(p.Unproven) > 0:
		say(c.ErrOrStderr(), text.Safe("not proven: "+p.Lacking))
		return committer.ConfirmUnproven(ctx, e.ID, p.Lacking)
	case p.Lacking != "":
		say(c.ErrOrStderr(), text.Safe("not proven that you can still log in: "+p.Lacking))
		return committer.ConfirmUnproven(ctx, e.ID, p.Lacking)
	case p.Login.User != "":
		say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("%s has logged in from %v %s", p.Login.User, p.Login.From, age(p.After))))
	}
	return committer.Confirm(ctx, e.ID)
}

// unproven is the error of confirming what nothing proves to be harmless.
func unproven(p commit.Proof) error {
	if len(p.Unproven) > 0 {
		return fmt.Errorf("%s. Have it made anew, see that it works, then run  nattui confirm --anyway", p.Lacking)
	}
	var from []string
	for _, a := range p.Missing {
		if host.HasAddress(a) {
			return fmt.Errorf("%s. Who logged in from %v came through this host, and no new login can prove that this still works; add --anyway to keep the change all the same", p.Lacking, a)
		}
		from = append(from, a.String())
	}
	return fmt.Errorf("%s. Log in again from %s, stay logged in, then run  nattui confirm  there or here, or add --anyway", p.Lacking, strings.Join(from, " and from "))
}

// committerHere opens everything that settling a change takes.
func committerHere(ctx context.Context) (*commit.Committer, error) {
	tables, err := iptables.Open(ctx)
	if err != nil {
		return nil, err
	}
	return openCommitter(tables, nil)
}
