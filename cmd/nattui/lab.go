package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/lab"
)

// newLabCommand makes "nattui lab"; o says how its screens look.
func newLabCommand(o *tuiOptions) *cobra.Command {
	var scenario string
	var list strings.Builder
	for _, s := range lab.Scenarios() {
		fmt.Fprintf(&list, "  %-8s %s\n", s.Name, s.Summary)
	}
	c := &cobra.Command{
		Use:   "lab [--scenario NAME] [-- COMMAND ...]",
		Short: "A private test gateway to try things on, without root",
		Long: "lab runs nattui, or a command, on the gateway of a test network: a client, a gateway and two servers in network namespaces of their own, with real rules and real traffic. " +
			"It touches nothing of this host and is gone when it ends. On its screens L shows who is where, sends packets, and chooses another scenario or a mission (nattui learn).\n\nScenarios:\n" + strings.TrimRight(list.String(), "\n"),
		Example: "nattui lab\nnattui lab --scenario share\nnattui lab -- nattui flows --follow",
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLab(cmd, o, lab.Options{Scenario: scenario, Argv: args})
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
	o.register(c)
	c.AddCommand(newEnterCommand())
	return c
}

// runLab runs a lab with this process's terminal and files, and screens that look as asked for.
func runLab(c *cobra.Command, screens *tuiOptions, o lab.Options) (err error) {
	if o.Argv, err = screens.inLab(o.Argv); err != nil {
		return err
	}
	o.Stdin, o.Stdout, o.Stderr = os.Stdin, os.Stdout, os.Stderr
	status, err := lab.Run(c.Context(), o)
	switch {
	case errors.Is(err, lab.ErrNamespaces):
		return fmt.Errorf("%w: it works as root: sudo %s", err, c.CommandPath())
	case err != nil:
		return err
	case status != 0:
		return statusError(status)
	}
	return nil
}

// newEnterCommand makes "nattui lab enter".
func newEnterCommand() *cobra.Command {
	var pid int
	c := &cobra.Command{
		Use:   "enter HOST [-- COMMAND ...]",
		Short: "A shell or a command on a host of the lab that is running",
		Long: "enter opens a shell on a host of a running lab, from another terminal, or runs a command there and ends with its exit status. " +
			"The hosts are " + strings.Join(lab.Machines(), ", ") + "; all share this host's files and programs, and have the lab's network.",
		Example: "nattui lab enter server2\nnattui lab enter client -- curl -s http://203.0.113.1/\nnattui lab enter gateway -- nattui flows",
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return fmt.Errorf("the host is missing: one of %s", strings.Join(lab.Machines(), ", "))
			case len(args) > 1 && c.ArgsLenAtDash() != 1:
				return fmt.Errorf("write -- before the command: nattui lab enter %s -- %s", args[0], strings.Join(args[1:], " "))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return lab.Machines(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			status, err := lab.Enter(c.Context(), pid, args[0], args[1:])
			switch {
			case err != nil:
				return err
			case status != 0:
				return statusError(status)
			}
			return nil
		},
	}
	c.Flags().IntVar(&pid, "pid", 0, "the lab's process, where several labs are running")
	_ = c.RegisterFlagCompletionFunc("pid", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		labs, err := lab.FindRunning()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var list []string
		for _, r := range labs {
			list = append(list, fmt.Sprintf("%d\t%s", r.PID, r.Name))
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}
