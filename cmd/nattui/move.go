package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/iptables"
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
		return missingf("%s has no position %d: there are %s", text.Safe(change.Chain), to, rules.Plural(len(chain.Rules), "rule"))
	case to == change.At:
		say(c.ErrOrStderr(), fmt.Sprintf("rule %d of %s is there already", to, text.Safe(change.Chain)))
		return nil
	}
	change.Op, change.To = rules.Move, to
	return o.carryOut(c, host, rules.Single(change))
}

// completeRule completes the chain and the number of a rule, each number with the rule's sentence.
func (o *deleteOptions) completeRule(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const done = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 1 {
		return nil, done
	}
	sets, err := readForCompletion(c.Context())
	if err != nil {
		return nil, done
	}
	var offered []string
	for _, set := range sets {
		if !o.wants(rules.Variant{Family: set.Family, Backend: set.Backend}) {
			continue
		}
		table, ok := set.Table(o.table)
		if !ok {
			continue
		}
		for i := range table.Chains {
			chain := &table.Chains[i]
			switch {
			case len(args) == 0 && len(chain.Rules) > 0:
				offered = append(offered, chain.Name+"\t"+rules.Plural(len(chain.Rules), "rule"))
			case len(args) == 1 && chain.Name == args[0]:
				for n, r := range chain.Rules {
					offered = append(offered, strconv.Itoa(n+1)+"\t"+text.Safe(r.Sentence()))
				}
			}
		}
	}
	return offered, done
}

// readForCompletion reads all rule sets, in the order of variants.
func readForCompletion(ctx context.Context) ([]*rules.Ruleset, error) {
	host, err := iptables.Open(ctx)
	if err != nil {
		return nil, err
	}
	sets, err := readVariants(ctx, host, host.Variants())
	var list []*rules.Ruleset
	for _, v := range host.Variants() {
		if set := sets[v]; set != nil {
			list = append(list, set)
		}
	}
	return list, err
}

// completeHosts completes the address of a server from the neighbours of this host.
func completeHosts(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	f, err := readFacts(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var hosts []string
	for _, family := range rules.Families {
		for _, s := range f.SuggestHosts(family) {
			hosts = append(hosts, s.Value+"\t"+text.Safe(s.Note))
		}
	}
	return hosts, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
