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
	"nattui/ui/text"
)

// newRestoreCommand makes "nattui restore".
func newRestoreCommand() *cobra.Command {
	watch := false
	c := &cobra.Command{
		Use:   "restore",
		Short: "Add the saved rules that are missing",
		Long: "restore adds the rules that were saved for reboot and are missing, each exactly once, where they stood among the rules of other programs. " +
			"What is there stays. It waits until firewalld has made its own rules, and settles changes that a reboot interrupted. " +
			"The unit nattui.service runs it at boot; with --watch it stays and restores again whenever firewalld or ufw has made its rules anew.",
		Example: "nattui restore",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return restoreAgain(c)
			}
			return restore(c)
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "stay, and restore again after each reload of firewalld or ufw")
	return c
}

func restore(c *cobra.Command) error {
	ctx := c.Context()
	if err := frontend.AwaitFirewalld(ctx, nil); err != nil {
		say(c.ErrOrStderr(), text.Safe(err.Error())) // what is missing is needed all the same
	}
	tables, err := installedTables(ctx)
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
