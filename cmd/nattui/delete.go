package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/paste"
	"nattui/ui/text"
)

// deleteOptions are the flags and arguments of "nattui delete".
type deleteOptions struct {
	variantFlags
	approval
	table, spec string
}

// newDeleteCommand makes "nattui delete".
func newDeleteCommand() *cobra.Command {
	var o deleteOptions
	c := &cobra.Command{
		Use:   "delete {CHAIN NUMBER | --spec 'LINE' | element SET KEY}",
		Short: "Delete a rule by its position or by its line",
		Long: "delete deletes one rule. Name it by its chain and number, as \"nattui rules\" counts, or by its line, as iptables-save prints it. " +
			"If the rule is no longer there, that is a conflict and nothing is deleted. " +
			"With the word element it deletes an element of a set or map of native nft, which is named with its table.",
		Example: "nattui delete PREROUTING 2\n" +
			"nattui delete element 'inet gw forwards' 8443\n" +
			"nattui delete --spec '-A POSTROUTING -s 192.168.0.0/24 -o wan0 -j MASQUERADE' --yes",
		Args: o.checkArgs,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	c.Flags().StringVar(&o.spec, "spec", "", "the rule's line: -A CHAIN …")
	o.registerPlaces(c)
	o.approval.register(c.Flags())
	o.approval.registerTime(c.Flags())
	c.Flags().Lookup("for").Usage = "bring back what is deleted after this time, such as 2h; 0 leaves it deleted"
	return c
}

// registerPlaces adds the flags that say where the rule is.
func (o *deleteOptions) registerPlaces(c *cobra.Command) {
	c.Flags().StringVar(&o.table, "table", "nat", "another table: "+strings.Join(tableNames[1:], ", ")+"; a native one with its family, such as 'inet nattui'")
	o.registerNative(c.Flags(), "default: ipv4, or that of the line's addresses", "default: native where only native rules translate, else that of the iptables command")
	o.offerVariants(c)
	_ = c.RegisterFlagCompletionFunc("table", completeTables(tableNames))
	c.ValidArgsFunction = o.completeRule
}

func (o *deleteOptions) checkArgs(c *cobra.Command, args []string) error {
	switch {
	case c.Flags().Changed("spec") && len(args) > 0:
		return fmt.Errorf("give either CHAIN NUMBER or --spec, not both")
	case !c.Flags().Changed("spec") && len(args) != 2 && !isElement(args):
		return fmt.Errorf("which rule? give its CHAIN and NUMBER, or its line with --spec; nattui rules lists them")
	}
	return nil
}

func (o *deleteOptions) run(c *cobra.Command, args []string) error {
	if isElement(args) {
		return o.deleteElement(c, args[1], args[2])
	}
	host, native, err := o.isNative(c)
	if err != nil {
		return err
	}
	if native {
		return o.deleteNative(c, host, args)
	}
	tables, deletion, err := o.find(c, args)
	if err != nil {
		return err
	}
	return o.carryOut(c, tables, rules.Single(deletion))
}

// find is the deletion of the rule that the command line names.
func (o *deleteOptions) find(c *cobra.Command, args []string) (*iptables.Host, rules.Change, error) {
	var none rules.Change
	if err := o.variantFlags.check(); err != nil {
		return nil, none, err
	}
	if err := checkTable(o.table); err != nil {
		return nil, none, err
	}
	find, err := o.finder(c, args)
	if err != nil {
		return nil, none, err
	}
	if err := o.checkTime(); err != nil {
		return nil, none, err
	}
	host, err := iptables.Open(c.Context())
	if err != nil {
		return nil, none, err
	}
	variant, err := o.one(host, guessFamily(strings.Fields(o.spec)...))
	if err != nil {
		return nil, none, err
	}
	set, err := host.Read(c.Context(), variant)
	if err != nil {
		return nil, none, err
	}
	chain, position, err := find(set)
	if err != nil {
		return nil, none, err
	}
	rule := chain.Rules[position-1]
	if o.dryRun || o.yes { // else the question shows it
		say(c.ErrOrStderr(), fmt.Sprintf("%s %d: %s", text.Safe(chain.Name), position, text.Safe(rule.String())))
	}
	deletion := rules.Change{
		Op: rules.Delete, Family: set.Family, Backend: set.Backend, Table: o.table, Chain: chain.Name, At: position, Rule: rule, Program: set.Name,
	}
	return host, deletion.Named(set), nil
}

// finder makes of the command line what finds the rule in a set.
func (o *deleteOptions) finder(c *cobra.Command, args []string) (func(*rules.Ruleset) (*rules.Chain, int, error), error) {
	if !c.Flags().Changed("spec") {
		number, err := strconv.Atoi(args[1])
		if err != nil || number < 1 {
			return nil, usagef("%q is not a position: rules count from 1", args[1])
		}
		return func(set *rules.Ruleset) (*rules.Chain, int, error) { return o.byNumber(set, args[0], number) }, nil
	}
	line := strings.TrimSpace(o.spec)
	rule, err := rules.Parse(line)
	if err != nil {
		return nil, usagef("--spec: %w; give the line as nattui rules --json has it in spec: -A CHAIN …", err)
	}
	return func(set *rules.Ruleset) (*rules.Chain, int, error) { return o.bySpec(c, set, rule) }, nil
}

func (o *deleteOptions) chain(set *rules.Ruleset, name string) (*rules.Chain, error) {
	chain, ok := set.Chain(o.table, name)
	if !ok && rules.IsBuiltIn(o.table, name) {
		return &rules.Chain{Name: name}, nil
	}
	if !ok {
		return nil, missingf("there is no chain %s in table %s of %s%s", text.Safe(name), o.table, rules.Variant{Family: set.Family, Backend: set.Backend}, chainMeant(o.table, name, set))
	}
	return chain, nil
}

// chainMeant asks for the chain of a table that was probably meant, "" if none is like it.
func chainMeant(table, name string, sets ...*rules.Ruleset) string {
	names := slices.Clone(rules.BuiltInChains[table])
	for _, set := range sets {
		if t, ok := set.Table(table); ok {
			for i := range t.Chains {
				names = append(names, t.Chains[i].Name)
			}
		}
	}
	if near := paste.Nearest(name, names); near != "" {
		return ": did you mean " + text.Safe(near) + "?"
	}
	return ""
}

func (o *deleteOptions) byNumber(set *rules.Ruleset, name string, number int) (*rules.Chain, int, error) {
	chain, err := o.chain(set, name)
	if err != nil {
		return nil, 0, err
	}
	if number > len(chain.Rules) {
		return nil, 0, missingf("%s has no rule %d: it has %s", text.Safe(name), number, rules.Plural(len(chain.Rules), "rule"))
	}
	return chain, number, nil
}

// bySpec finds the first rule that is the same, however its line is written.
func (o *deleteOptions) bySpec(c *cobra.Command, set *rules.Ruleset, wanted rules.Rule) (*rules.Chain, int, error) {
	chain, err := o.chain(set, wanted.Chain)
	if err != nil {
		return nil, 0, err
	}
	canonical := wanted.Edited()
	first, equal := 0, 0
	for i, r := range chain.Rules {
		if !r.Same(wanted) && !r.Edited().Same(canonical) {
			continue
		}
		if equal++; first == 0 {
			first = i + 1
		}
	}
	switch {
	case first == 0:
		return nil, 0, missingf("no rule of table %s is  %s", o.table, text.Safe(wanted.String()))
	case equal > 1:
		say(c.ErrOrStderr(), fmt.Sprintf("%d rules of %s are equal: number %d, the first, is meant", equal, text.Safe(chain.Name), first))
	}
	return chain, first, nil
}
