package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

// approval are the flags of every command that changes something.
type approval struct {
	dryRun, yes bool
}

func (a *approval) register(flags *pflag.FlagSet) {
	flags.BoolVar(&a.dryRun, "dry-run", false, "print the commands that would run, and do nothing")
	flags.BoolVar(&a.yes, "yes", false, "do not ask; needed where standard input is no terminal")
}

// check refuses to begin what could not be agreed to in the end.
func (a *approval) check() error {
	if !a.dryRun && !a.yes && !term.IsTerminal(os.Stdin.Fd()) {
		return usagef("this changes the rules, and standard input is no terminal to ask on: say --yes, or --dry-run to see what would run")
	}
	return nil
}

// carryOut shows what a plan does, asks, and makes it so. On standard output are
// the commands that ran, or would run.
func (a *approval) carryOut(c *cobra.Command, host *iptables.Host, plan rules.Plan) error {
	ctx := c.Context()
	if a.dryRun {
		if err := host.Check(ctx, plan.Changes()); err != nil {
			return err
		}
		return printCommands(c.OutOrStdout(), plan)
	}
	if !a.yes {
		if err := a.ask(ctx, c.ErrOrStderr(), plan); err != nil {
			return err
		}
	}
	// From here on an interrupt comes too late: what has begun is finished.
	if _, err := (changes{tables: host}).Apply(context.WithoutCancel(ctx), plan); err != nil {
		return err
	}
	return printCommands(c.OutOrStdout(), plan)
}

func printCommands(w io.Writer, plan rules.Plan) error {
	var b strings.Builder
	for _, argv := range plan.Commands() {
		b.WriteString(rules.ShellLine(argv) + "\n")
	}
	_, err := io.WriteString(pipe{w}, b.String())
	return err
}

var errDeclined = errors.New("nothing was changed")

// ask shows the plan and waits for a word. Nothing but y or yes is agreement.
func (a *approval) ask(ctx context.Context, w io.Writer, plan rules.Plan) error {
	for _, step := range plan.Steps {
		fmt.Fprintln(w, text.Safe(step.Sentence()))
		for _, argv := range step.Commands() {
			fmt.Fprintln(w, "  "+text.Safe(rules.ShellLine(argv)))
		}
	}
	fmt.Fprint(w, "Make this change? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an end without an answer is a no
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(w)
		return errDeclined
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return errDeclined
	}
}
