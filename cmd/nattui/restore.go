package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nattui/rules/commit"
	"nattui/rules/frontend"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// newRestoreCommand makes "nattui restore".
func newRestoreCommand() *cobra.Command {
	watch := false
	var o applyOptions
	c := &cobra.Command{
		Use:   "restore [SNAPSHOT]",
		Short: "Go back to a snapshot, or add the saved rules that are missing",
		Long: "With the name of a snapshot (nattui snapshots) restore makes your own rules and switches what they were then, as a change that is shown, rolled back and undone as any; rules of programs stay.\n" +
			"\nWithout a name it is for boot: it adds the rules that were saved for reboot and are missing, each exactly once, where they stood among the rules of other programs. " +
			"What is there stays. It waits until firewalld has made its own rules, and settles changes that a reboot interrupted. " +
			"The unit nattui.service runs it at boot; with --watch it stays and restores again whenever firewalld or ufw has made its rules anew.",
		Example: "nattui restore before-upgrade --check --diff\nnattui restore before-upgrade --yes\nnattui restore",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch given := c.Flags().NFlag(); {
			case len(args) == 1 && watch:
				return usagef("--watch is for the rules that are saved for reboot: drop the name, or --watch")
			case len(args) == 1:
				return restoreSnapshot(c, &o, args[0])
			case watch && given == 1:
				return restoreAgain(c)
			case given > 0:
				return usagef("without the name of a snapshot restore adds what is saved for reboot, and takes --watch alone; see  nattui snapshots")
			}
			return restore(c)
		},
		ValidArgsFunction: completeSnapshots,
	}
	o.registerAll(c)
	c.Flags().BoolVar(&watch, "watch", false, "stay, and restore again after each reload of firewalld or ufw")
	return c
}

func restore(c *cobra.Command) error {
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
	o := commit.SaveOptions{Standby: tables.Default()}
	if o.Managers, err = managersHere(ctx); err != nil {
		return err
	}
	r, err := committer.Restore(context.WithoutCancel(ctx), o, tables.Variants())
	for _, note := range r.Notes {
		say(c.ErrOrStderr(), text.Safe(note))
	}
	say(c.ErrOrStderr(), r.Sentence())
	return err
}

// errDeaf is the error of no longer hearing of firewalld and ufw.
var errDeaf = errors.New("the system bus has gone: it is not known any more when firewalld reloads")

// unitInstalled reports that the unit which watches is still there.
func unitInstalled() bool {
	_, err := os.Stat(filepath.Join(filesRoot(), commit.WatchUnit))
	return err == nil
}

// restoreAgain restores whenever another program may have removed rules, until it is told to end.
func restoreAgain(c *cobra.Command) error {
	ctx := c.Context()
	flushes, err := frontend.Flushes(ctx)
	if err != nil {
		return err
	}
	for {
		if err := restore(c); err != nil {
			say(c.ErrOrStderr(), text.Safe(fmt.Sprintf("not everything was restored: %v", err)))
		}
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
