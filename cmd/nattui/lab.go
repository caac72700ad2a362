package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/lab"
)

// newLabCommand makes "nattui lab".
func newLabCommand() *cobra.Command {
	var scenario string
	var list strings.Builder
	for _, s := range lab.Scenarios() {
		fmt.Fprintf(&list, "  %-8s %s\n", s.Name, s.Summary)
	}
	c := &cobra.Command{
		Use:   "lab [--scenario NAME] [-- COMMAND ...]",
		Short: "A private test gateway to try things on, without root",
		Long: "lab runs nattui, or a command, on the gateway of a test network: a client, a gateway and two servers in network namespaces of their own, with real rules and real traffic. " +
			"It touches nothing of this host and is gone when it ends.\n\nScenarios:\n" + strings.TrimRight(list.String(), "\n"),
		Example: "nattui lab\nnattui lab --scenario share\nnattui lab -- nattui flows --follow",
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := lab.Run(cmd.Context(), lab.Options{Scenario: scenario, Argv: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
			switch {
			case errors.Is(err, lab.ErrNamespaces):
				return fmt.Errorf("%w: it works as root: sudo nattui lab", err)
			case err != nil:
				return err
			case status != 0:
				return statusError(status)
			}
			return nil
		},
	}
	c.Flags().StringVar(&scenario, "scenario", lab.DefaultScenario, "which rules and traffic to start with")
	_ = c.RegisterFlagCompletionFunc("scenario", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, s := range lab.Scenarios() {
			names = append(names, s.Name+"\t"+s.Summary)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}
