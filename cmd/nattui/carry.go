package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/ui/text"
)

// approval are the flags of every command that changes something.
type approval struct {
	dryRun, yes bool
	does        string // what the command does; "" where it changes the rules
	confirm     confirmation
	lasts       time.Duration
	forget      bool
}

func (a *approval) register(flags *pflag.FlagSet) {
	flags.BoolVar(&a.dryRun, "dry-run", false, "print the commands that would run, and change nothing")
	flags.BoolVar(&a.yes, "yes", false, "do not ask; required if standard input is not a terminal")
}

// registerTime adds the flags about how long a change stands.
func (a *approval) registerTime(flags *pflag.FlagSet) {
	a.confirm.register(flags)
	flags.DurationVar(&a.lasts, "for", 0, "undo the change after this time, such as 2h; 0 keeps it")
	flags.BoolVar(&a.forget, "forget", false, "then forget the connections that still use the old rules, except your own")
}

// checkTime refuses times that cannot be.
func (a *approval) checkTime() error {
	if err := a.confirm.check(); err != nil {
		return err
	}
	if a.lasts < 0 {
		return usagef("--for %s: use a positive time such as 2h", a.lasts)
	}
	return nil
}

// check refuses to begin what could not be agreed to in the end. It comes after what
// else the command line says was looked at: wrong input is named first.
func (a *approval) check() error {
	if err := a.checkTime(); err != nil {
		return err
	}
	if !a.dryRun && !a.yes && !term.IsTerminal(os.Stdin.Fd()) {
		return usagef("this %s, and standard input is not a terminal to ask on: use --yes, or --dry-run to see what would run", cmp.Or(a.does, "changes the rules"))
	}
	return nil
}

// carryOut shows what a plan does, asks, and makes it so. On standard output are
// the commands that ran, or would run.
func (a *approval) carryOut(c *cobra.Command, tables *iptables.Host, plan rules.Plan) error {
	return a.carry(c, tables, plan, func(ctx context.Context, committer *commit.Committer, o commit.Options) (commit.Entry, error) {
		return committer.Run(ctx, plan, o)
	})
}

// carry is carryOut for a plan that is run in a way of its own.
func (a *approval) carry(c *cobra.Command, tables *iptables.Host, plan rules.Plan, run func(context.Context, *commit.Committer, commit.Options) (commit.Entry, error)) error {
	ctx := c.Context()
	if err := a.check(); err != nil {
		return err
	}
	if a.dryRun {
		if err := tables.Check(ctx, plan.Changes()); err != nil {
			return err
		}
	}
	if tables.Lacking() == nil {
		for _, table := range nft.SharedNames(plan.Natives()) {
			say(c.ErrOrStderr(), fmt.Sprintf("warning: %s has the name of a table of iptables, which is installed and cannot show what nft has made in it: change it with nft alone", text.Safe(table)))
		}
	}
	p, err := unlessInterrupted(ctx, func() (*prospect, error) { return a.weigh(ctx, tables, plan) })
	if err != nil {
		return err
	}
	if a.dryRun {
		p.tell(c.ErrOrStderr())
		return printCommands(c.OutOrStdout(), plan)
	}
	if a.yes {
		p.forewarn(c.ErrOrStderr())
	} else if err := a.ask(ctx, c.ErrOrStderr(), plan, p.tell); err != nil {
		return err
	}
	committer, err := openCommitter(tables, nil)
	if err != nil {
		return err
	}
	shown := newProgress(c.ErrOrStderr(), len(plan.Steps))
	shown.say("applying " + rules.Plural(len(plan.Steps), "change") + " …")
	// Until it is written down an interrupt ends it; what has begun is finished.
	e, err := run(ctx, committer, p.options)
	shown.end()
	if err != nil {
		return asConflict(err)
	}
	sayStands(c.ErrOrStderr(), e)
	if err := printCommands(c.OutOrStdout(), plan); err != nil {
		return err
	}
	return p.tellKept(c, a.forget)
}

func printDiff(w io.Writer, lines []rules.DiffLine) {
	for _, l := range lines {
		fmt.Fprintln(w, text.Safe(l.String()))
	}
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

// ask shows the plan, and whatever more tells about it, and waits for a word.
// Nothing but y or yes is agreement.
func (a *approval) ask(ctx context.Context, w io.Writer, plan rules.Plan, more func(io.Writer)) error {
	for _, step := range plan.Steps {
		fmt.Fprintln(w, text.Safe(step.Sentence()))
		for _, argv := range step.Commands() {
			fmt.Fprintln(w, "  "+text.Safe(rules.ShellLine(argv)))
		}
	}
	if more != nil {
		more(w)
	}
	return a.agree(ctx, w, "Make this change?")
}

// agree asks for a yes.
func (a *approval) agree(ctx context.Context, w io.Writer, question string) error {
	fmt.Fprint(w, question+" [y/N] ")
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

// unlessInterrupted does work that changes nothing, and does not wait for its end where the program is told to end.
func unlessInterrupted[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := work()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
