package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/frontend"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// restoring are the flags of "nattui restore".
type restoring struct {
	applyOptions
	boot, watch bool
	agreedTo    bool // to what is restored from now on
}

// newRestoreCommand makes "nattui restore".
func newRestoreCommand() *cobra.Command {
	var r restoring
	c := &cobra.Command{
		Use:   "restore [SNAPSHOT]",
		Short: "Go back to a snapshot, or add the saved rules that are missing",
		Long: "With the name of a snapshot (nattui snapshots) restore makes your own rules and switches what they were then, as a change that is shown, rolled back and undone as any; rules of programs stay.\n" +
			"\nWithout a name it adds the rules that were saved for reboot and are missing, each exactly once, where they stood among the rules of other programs, " +
			"and sets the policies DROP that were saved. What is there stays. " +
			"Where a saved rule is refused, as one whose ipset is not there, what would drop or divert packets behind it is held back, and named: it may be what lets you in. It waits until firewalld has made its own rules, and settles changes that were interrupted. " +
			"By hand that is a change like others, too: it shows what it adds, asks, is rolled back unless you confirm where it may cut you off, and can be undone. " +
			"The unit nattui.service runs it with --boot, which asks nobody; with --watch it stays and restores again whenever firewalld or ufw has made its rules anew, or the tables of nft were flushed, as by a restart of nftables.service.",
		Example: "nattui restore before-upgrade --check --diff\nnattui restore before-upgrade --yes\nnattui restore --dry-run\nnattui restore",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				if r.watch || r.boot {
					return usagef("--watch and --boot are for the rules that are saved for reboot: drop the name, or them")
				}
				return restoreSnapshot(c, &r.applyOptions, args[0])
			}
			return r.saved(c)
		},
		ValidArgsFunction: completeSnapshots,
	}
	r.registerAll(c)
	c.Flags().BoolVar(&r.boot, "boot", false, "as the host starts: add what is missing at once, as far as it can be, and ask nobody")
	c.Flags().BoolVar(&r.watch, "watch", false, "stay, and restore again after each reload of firewalld or ufw, and each flush of the tables of nft")
	return c
}

// saved restores what is saved for reboot.
func (r *restoring) saved(c *cobra.Command) error {
	for _, name := range []string{"check", "diff", "json", "accept-doubts", "family", "backend"} {
		if c.Flags().Changed(name) {
			return usagef("--%s is for snapshots: without the name of one restore adds what is saved for reboot; see  nattui snapshots", name)
		}
	}
	if err := r.checkTime(); err != nil {
		return err
	}
	if r.watch {
		return r.again(c)
	}
	return r.once(c)
}

// byHand tells an operator from the start of the host, where nobody could confirm anything. Units and services that an older
// nattui has saved do not say --boot. A unit or script of the boot that somebody who is logged in runs at his terminal is
// run by hand.
func (r *restoring) byHand(ctx context.Context) bool {
	if r.agreedTo {
		return false
	}
	terminal := term.IsTerminal(os.Stdin.Fd())
	boot := r.boot || os.Getenv("RC_SVCNAME") != "" || os.Getenv("INVOCATION_ID") != "" && !terminal
	return !boot || terminal && len(operator(ctx).Operators) > 0
}

// once restores what is missing now.
func (r *restoring) once(c *cobra.Command) error {
	ctx := c.Context()
	if err := frontend.AwaitFirewalld(ctx, nil); err != nil {
		say(c.ErrOrStderr(), text.Safe(err.Error())) // what is missing is needed all the same
	}
	tables, err := iptables.Open(ctx)
	if err == nil && !nftables.Installed() {
		err = tables.Lacking()
	}
	if err != nil {
		return err
	}
	committer, err := openCommitter(tables, nil)
	if err != nil {
		return err
	}
	o := commit.SaveOptions{Standby: tables.Default(), Managers: managersHere()}
	if r.byHand(ctx) || r.dryRun {
		return r.agreed(c, tables, committer, o)
	}
	restored, err := committer.Restore(context.WithoutCancel(ctx), o, tables.Variants())
	tellRestored(c, restored)
	say(c.ErrOrStderr(), restored.Sentence())
	return err
}

// agreed restores what is missing as a change like others.
func (r *restoring) agreed(c *cobra.Command, tables *iptables.Host, committer *commit.Committer, o commit.SaveOptions) error {
	plan, restored, err := committer.RestorePlan(c.Context(), o, tables.Variants())
	tellRestored(c, restored)
	if restored.Native != "" {
		steps, failed := savedNatives(c.Context(), restored.Native)
		plan.Steps, err = append(plan.Steps, steps...), errors.Join(err, failed)
	}
	if err != nil && len(plan.Steps) == 0 {
		return err
	}
	if err != nil {
		say(c.ErrOrStderr(), text.Safe(err.Error()))
	}
	if len(plan.Steps) == 0 {
		say(c.ErrOrStderr(), restored.Sentence())
		return nil
	}
	say(c.ErrOrStderr(), text.Safe(plan.Title))
	return r.carry(c, tables, plan, func(ctx context.Context, committer *commit.Committer, o commit.Options) (commit.Entry, error) {
		o.Kind = commit.KindRestore
		return committer.Run(ctx, plan, o)
	})
}

// savedNatives are the steps that make nattui's own native table as it is saved.
func savedNatives(ctx context.Context, saved string) ([]rules.Step, error) {
	now, err := natives.reader.Read(ctx)
	if err != nil {
		return nil, err
	}
	steps, _, err := nativeSteps(ctx, now, saved)
	if err != nil {
		return nil, fmt.Errorf("the saved native table: %w", err)
	}
	return steps, nil
}

func tellRestored(c *cobra.Command, r commit.Restored) {
	for _, note := range r.Notes {
		say(c.ErrOrStderr(), text.Safe(note))
	}
}

// errDeaf is the error of no longer hearing of firewalld, ufw and nft.
var errDeaf = errors.New("firewalld, ufw or nft cannot be heard any more: it is not known when rules are flushed")

// unitInstalled reports that the unit which watches is still there.
func unitInstalled() bool {
	_, err := os.Stat(filepath.Join(filesRoot(), commit.WatchUnit))
	return err == nil
}

// again restores whenever another program may have removed rules, until it is told to end. By hand the first time is a
// change like others, and to go on is to agree to the rest.
func (r *restoring) again(c *cobra.Command) error {
	ctx := c.Context()
	flushes, err := frontend.Flushes(ctx)
	if err != nil {
		return err
	}
	for {
		switch err := r.once(c); {
		case errors.Is(err, errDeclined), err != nil && exitStatus(err) == exitUsage:
			return err
		case err != nil:
			say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("not everything was restored: %v", err)))
		}
		r.agreedTo = true
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-flushes:
			switch {
			case ctx.Err() != nil:
				return nil
			case !ok:
				return errDeaf
			case os.Getenv("INVOCATION_ID") != "" && !unitInstalled():
				return nil // it was removed since it started this
			}
		}
	}
}
