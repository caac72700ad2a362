package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/ui/text"
)

// newMoveCommand makes "nattui move".
func newMoveCommand() *cobra.Command {
	var o deleteOptions
	c := &cobra.Command{
		Use:     "move CHAIN NUMBER POSITION",
		Short:   "Move a rule to another position of its chain",
		Long:    "move moves one rule of a chain to another position, both as \"nattui rules\" counts them, with its counters. If the rule is no longer there, that is a conflict and nothing is moved.",
		Example: "nattui move PREROUTING 3 1\nnattui move POSTROUTING 1 2 --dry-run",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 3 {
				return fmt.Errorf("which rule, and where to? give its CHAIN and NUMBER, and the POSITION; nattui rules lists them")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.move(c, args) },
	}
	o.registerPlaces(c)
	c.ValidArgsFunction = o.completeMove
	o.approval.register(c.Flags())
	o.approval.confirm.register(c.Flags())
	return c
}

// move moves the rule that the arguments name.
func (o *deleteOptions) move(c *cobra.Command, args []string) error {
	to, err := strconv.Atoi(args[2])
	if err != nil || to < 1 {
		return usagef("%q is not a position: rules count from 1", args[2])
	}
	host, native, err := o.isNative(c)
	if err != nil {
		return err
	}
	if native {
		return o.moveNative(c, host, args[:2], to)
	}
	host, change, err := o.find(c, args[:2])
	if err != nil {
		return err
	}
	set, err := host.Read(c.Context(), rules.Variant{Family: change.Family, Backend: change.Backend})
	if err != nil {
		return err
	}
	chain, _ := set.Chain(o.table, change.Chain) // which has the rule, so it is there
	switch {
	case to > len(chain.Rules):
		return missingf("%s has no position %d: it has %s", text.Safe(change.Chain), to, rules.Plural(len(chain.Rules), "rule"))
	case to == change.At:
		say(c.ErrOrStderr(), fmt.Sprintf("rule %d of %s is there already", to, text.Safe(change.Chain)))
		return nil
	}
	change.Op, change.To = rules.Move, to
	return o.carryOut(c, host, rules.Single(change))
}
