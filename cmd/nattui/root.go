package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/rules/frontend"
	"nattui/rules/iptables"
	"nattui/rules/paste"
	"nattui/ui/text"
)

// run carries out a command line and returns its exit status.
func run(ctx context.Context, args []string) int {
	// Writing to a pipe that nobody reads any more is then an error like any
	// other, and not a signal that kills. Unlike ignoring it, this is not
	// inherited by the programs started from here.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	complain(stderr, err, args)
	return exitStatus(err)
}

// The groups in which help lists the commands.
const (
	groupLook   = "look"
	groupChange = "change"
	groupOther  = "other"
)

// newRoot makes the command tree.
func newRoot() *cobra.Command {
	var o tuiOptions
	root := &cobra.Command{
		Use:   "nattui",
		Short: "The NAT cockpit of a Linux gateway",
		Long: "nattui shows the NAT rules of this host in the order the kernel evaluates them, changes them safely, " +
			"and shows every translation as the kernel makes it. Without a command it opens the terminal screens.",
		Example:           "sudo nattui\nnattui lab\nsudo nattui flows --filter 'nat dnat'",
		Args:              noSuchCommand,
		SilenceErrors:     true,
		SilenceUsage:      true,
		TraverseChildren:  true, // flags of the screens may stand before a command that opens some
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return beforehand(c) },
	}
	root.Flags().BoolVar(&o.readOnly, "read-only", false, "read-only: nothing can be changed")
	o.register(root)
	// Not cobra's own, whose template would keep every method of every type in the binary: 2 MB.
	showVersion := root.Flags().BoolP("version", "v", false, "print the version")
	root.RunE = func(c *cobra.Command, _ []string) error { return openScreens(c, o, *showVersion) }
	root.AddGroup(
		&cobra.Group{ID: groupLook, Title: "Look"},
		&cobra.Group{ID: groupChange, Title: "Change"},
		&cobra.Group{ID: groupOther, Title: "Other"},
	)
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupLook,
		newRulesCommand(), newFlowsCommand(), newTopCommand(), newChainsCommand(), newHealthCommand(), newWhatifCommand(), newExplainCommand(), newTraceCommand(), newDoctorCommand(), newSwitchesCommand(),
		newRecordCommand(), newOpenCommand(&o),
		newMetricsCommand(), newLogCommand(),
		newLabCommand(&o), newLearnCommand(&o),
	)
	add(groupChange, newAddCommand(), newDeleteCommand(), newMoveCommand(), newEditCommand(), newSwitchCommand())
	add(groupChange, newGuideCommands()...)
	add(groupChange, newChangeCommands()...)
	add(groupOther, newForwardCommand(), newVersionCommand(), newReadRulesetCommand())
	root.InitDefaultCompletionCmd()
	settle(root)
	return root
}

// openScreens opens the screens, or prints the version instead.
func openScreens(c *cobra.Command, o tuiOptions, showVersion bool) error {
	if showVersion {
		fmt.Fprintln(c.OutOrStdout(), "nattui", builtFrom())
		return nil
	}
	return runTUI(c.Context(), o)
}

// beforehand does what comes before every command. What an interrupted nattui left undone is settled by the next one that
// changes something; one that only looks says so. Where that is not permitted, somebody else will.
func beforehand(c *cobra.Command) error {
	if err := refuseScreenFlags(c); err != nil {
		return err
	}
	recorded := c.Flags().Lookup("gateway")
	if c.GroupID == groupOther || c.Hidden || !c.HasParent() || recorded != nil && recorded.Changed || slices.Contains([]string{"lab", "enter", "learn", "open"}, c.Name()) {
		return nil // of the lab's commands nothing concerns this host, nor does a recorded gateway
	}
	if why := iptables.LegacyUnseen(c.Context()); why != "" {
		say(c.ErrOrStderr(), why)
	}
	if !looksOnly(c) {
		debug.SetGCPercent(-1) // it ends before that pays
		debug.SetMemoryLimit(collected)
		awaitFirewalld(c)
		return settleFirst(c)
	}
	for _, line := range unfinished() {
		say(c.ErrOrStderr(), text.Safe(line))
	}
	if c.Name() != "history" {
		if why := frontend.FirewalldUnready(c.Context()); why != "" {
			say(c.ErrOrStderr(), why+": which rules there will be is not known yet")
		}
	}
	return nil
}

// refuseScreenFlags refuses flags of the screens before a command that has none of them.
func refuseScreenFlags(c *cobra.Command) (err error) {
	if !c.HasParent() {
		return nil
	}
	c.Root().LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && c.Flags().Lookup(f.Name) == nil {
			err = usagef("--%s has no meaning for  %s", f.Name, c.CommandPath())
		}
	})
	return err
}

// collected is how many bytes a command that changes something and ends uses before it collects garbage.
const collected = 256 << 20

// awaitFirewalld waits until firewalld has made its rules, if it is starting: what is changed before is gone then, and what
// is saved is not what there will be. What settles a change, or is no rule, does not wait.
func awaitFirewalld(c *cobra.Command) {
	switch c.Name() {
	case "confirm", "rollback", "forget", "switch", "restore":
		return
	}
	err := frontend.AwaitFirewalld(c.Context(), func(why string) { say(c.ErrOrStderr(), why+"; waiting until it has made its rules") })
	if err != nil {
		say(c.ErrOrStderr(), text.Safe(err.Error()))
	}
}

// settleFirst settles what was interrupted, and has the command know whether there was something.
func settleFirst(c *cobra.Command) error {
	settled, err := settleInterrupted(c.Context(), c.ErrOrStderr())
	c.SetContext(context.WithValue(c.Context(), settledBefore{}, settled))
	switch {
	case err == nil, exitStatus(err) == exitNotPermitted:
		return nil
	case c.Name() == "restore": // rules that are missing lock out more than what cannot be settled
		say(c.ErrOrStderr(), text.Safe(err.Error()))
		return nil
	}
	return err
}

// looksOnly reports whether a command changes nothing as it is called: it opens
// nothing for writing and starts nothing that does.
func looksOnly(c *cobra.Command) bool {
	asked := func(flag string) bool {
		f := c.Flags().Lookup(flag)
		return f != nil && f.Value.String() == "true"
	}
	return c.GroupID == groupLook || c.Name() == "history" || c.Name() == "snapshots" || asked("dry-run") || asked("check")
}

// settle gives a command and those beneath it what they have in common: errors
// that count as wrong usage, help in one manner, and no files where none are meant.
func settle(c *cobra.Command) {
	c.SetHelpFunc(help)
	completeRest(c)
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var given *pflag.InvalidValueError
		if errors.As(err, &given) && errors.Is(err, strconv.ErrSyntax) && strings.Contains(given.GetFlag().Value.Type(), "int") {
			return usagef("--%s takes a number, not %q; see  %s --help", given.GetFlag().Name, given.GetValue(), c.CommandPath())
		}
		if given != nil && given.GetFlag().Value.Type() == "duration" {
			return usagef("--%s takes a time, such as %s, not %q; see  %s --help", given.GetFlag().Name, timeMeant(given.GetValue()), given.GetValue(), c.CommandPath())
		}
		if near := flagMeant(c, err); near != "" {
			return usagef("%w: did you mean  --%s?", err, near)
		}
		return usagef("%w; see  %s --help", err, c.CommandPath())
	})
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		settle(sub)
	}
}

// timeMeant is the time that was probably meant by one without a unit, or in days; else a few to choose from.
func timeMeant(given string) string {
	days, inDays := strings.CutSuffix(given, "d")
	n, err := strconv.ParseUint(days, 10, 16)
	switch {
	case err != nil:
		return "90s, 5m or 2h"
	case inDays:
		return fmt.Sprintf("%dh", 24*n)
	}
	return fmt.Sprintf("%ds or %dm", n, n)
}

// flagMeant is the flag that was probably meant by one that a command does not have; "" where none is like it.
func flagMeant(c *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	given := unknown.GetSpecifiedName()
	if len(given) < 2 {
		return "" // a letter is like any other
	}
	var names []string
	longest := ""
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if names = append(names, f.Name); len(f.Name) > 2 && strings.HasPrefix(given, f.Name) && len(f.Name) > len(longest) {
			longest = f.Name // --protocol for --proto
		}
	})
	if near := paste.Nearest(given, names); near != "" {
		return near
	}
	return longest
}

// noArgs refuses every argument.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q; see  %s --help", args[0], c.CommandPath())
	}
	return nil
}

// noSuchCommand refuses every argument of a command that has commands of its own,
// and says which one may have been meant.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	if meant := c.SuggestionsFor(args[0]); len(meant) > 0 {
		return usagef("there is no command %q: did you mean  %s %s?", args[0], c.CommandPath(), meant[0])
	}
	return usagef("there is no command %q; %s has %s", args[0], c.CommandPath(), strings.Join(commandNames(c), ", "))
}

func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}
