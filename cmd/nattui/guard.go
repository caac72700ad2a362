package main

import (
	"errors"

	"github.com/spf13/cobra"

	"nattui/rules/commit"
	"nattui/rules/iptables"
)

// newChangeCommands makes the commands about changes that were made.
func newChangeCommands() []*cobra.Command {
	return []*cobra.Command{
		newParkCommand(), newUnparkCommand(), newForgetCommand(),
		newHistoryCommand(), newUndoCommand(), newConfirmCommand(), newRollbackCommand(), newSaveCommand(), newRestoreCommand(),
		newApplyCommand(), newSnapshotCommand(), newSnapshotsCommand(),
		newGuardCommand(), newRecoverCommand(),
	}
}

// newGuardCommand makes "nattui guard", which runs by itself.
func newGuardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "guard ID",
		Short:  "Roll a change back unless it is confirmed in time; started by nattui itself",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			tables, err := iptables.Open(c.Context())
			if err != nil {
				return err
			}
			committer, err := openCommitter(tables, nil)
			if err != nil {
				return err
			}
			// systemd starts it again unless it ends well, which it does where there is
			// nothing to watch over.
			var absent *commit.Absent
			if err = committer.Guard(c.Context(), args[0]); errors.As(err, &absent) {
				say(c.ErrOrStderr(), err.Error())
				return nil
			}
			return err
		},
	}
}

// newRecoverCommand makes "nattui recover", for the start of a host.
func newRecoverCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "recover",
		Short:  "Settle changes that were interrupted, as every command of nattui does first",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := settleInterrupted(c.Context(), c.ErrOrStderr())
			return err
		},
	}
}
