package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
)

// run carries out a command line and returns its exit status.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	complain(os.Stderr, err)
	return exitStatus(err)
}

// newRoot makes the command tree.
func newRoot() *cobra.Command {
	var o tuiOptions
	root := &cobra.Command{
		Use:   "nattui",
		Short: "The NAT cockpit of a Linux gateway",
		Long: "nattui shows the NAT rules of this host in the order the kernel evaluates them,\n" +
			"changes them without risk, and shows every translation as the kernel makes it.\n" +
			"Without a command it opens the terminal screens.",
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return runTUI(cmd.Context(), o) },
	}
	root.Flags().BoolVar(&o.readOnly, "read-only", false, "look only: nothing can be changed")
	root.SetVersionTemplate("nattui {{.Version}}\n")
	root.AddCommand(newLabCommand())
	return root
}
