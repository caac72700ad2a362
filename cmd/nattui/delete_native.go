package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// nativeRule is a native rule that a command line names.
type nativeRule struct {
	host  *iptables.Host
	now   *nft.Ruleset
	chain *nft.Chain
	at    int // from 0
}

func (r *nativeRule) rule() *nft.Rule { return r.chain.Rules[r.at] }

// isNative tells whether the command line means a native rule; the tables are named as nft does then.
func (o *deleteOptions) isNative(c *cobra.Command) (*iptables.Host, bool, error) {
	if err := o.checkAll(); err != nil {
		return nil, false, err
	}
	host, err := iptables.Open(c.Context())
	if err != nil {
		return nil, false, err
	}
	ofIPTables := c.Flags().Changed("table") && slices.Contains(tableNames, o.table) || strings.HasPrefix(strings.TrimSpace(o.spec), "-A")
	switch {
	case strings.Contains(o.table, " ") && o.backend == "": // as in inet nattui
		return host, true, nil
	case ofIPTables && o.backend != rules.Native.String():
		return host, false, nil
	}
	native, err := o.native(c.Context(), host)
	return host, native, err
}

// findNative finds the rule that the arguments name: by its chain and number, by its handle, or by its text.
func (o *deleteOptions) findNative(c *cobra.Command, host *iptables.Host, args []string) (*nativeRule, error) {
	if err := o.checkTime(); err != nil {
		return nil, err
	}
	now, t, err := o.readNativeTable(c)
	if err != nil {
		return nil, err
	}
	r := &nativeRule{host: host, now: now}
	if c.Flags().Changed("spec") {
		r.chain, r.at = nativeByText(t, now.Links, o.spec)
		if r.chain == nil {
			return nil, missingf("no rule of %s is  %s", text.Safe(t.String()), text.Safe(o.spec))
		}
		return r, nil
	}
	if r.chain = t.Chain(args[0]); r.chain == nil && nft.OwnChain(args[0]) != "" {
		r.chain = t.Chain(nft.OwnChain(args[0]))
	}
	if r.chain == nil {
		return nil, missingf("there is no chain %s in %s", text.Safe(args[0]), text.Safe(t.String()))
	}
	number, err := strconv.Atoi(args[1])
	if err != nil || number < 1 {
		return nil, usagef("%q is not a position: rules count from 1", args[1])
	}
	if number > len(r.chain.Rules) {
		return nil, missingf("%s has no rule %d: it has %s", text.Safe(r.chain.Name), number, rules.Plural(len(r.chain.Rules), "rule"))
	}
	r.at = number - 1
	return r, nil
}

// readNativeTable reads the native tables, with their rules' texts, and finds the one that is named.
func (o *deleteOptions) readNativeTable(c *cobra.Command) (*nft.Ruleset, *nft.Table, error) {
	now, err := nftables.Read(c.Context())
	if err != nil {
		return nil, nil, err
	}
	nftables.List(c.Context(), now)
	t, err := o.nativeTable(c, now)
	return now, t, err
}

// nativeTable is the table that is named: with its family, or by a name that only one has; nattui's own where none is.
func (o *deleteOptions) nativeTable(c *cobra.Command, now *nft.Ruleset) (*nft.Table, error) {
	family, name, ok := strings.Cut(o.table, " ")
	for _, version := range rules.Families {
		if family == version.String() { // as rules --json names it
			family = version.NFT()
		}
	}
	if !c.Flags().Changed("table") {
		family, name, ok = "inet", nft.OwnTable, true
	}
	if !ok {
		named := slices.DeleteFunc(slices.Clone(now.Tables), func(t *nft.Table) bool { return t.Name != o.table })
		if len(named) > 1 {
			return nil, usagef("--table %s: there are several; name it with its family, such as '%s %s'", text.Safe(o.table), named[0].Family, text.Safe(o.table))
		}
		if len(named) == 1 {
			return named[0], nil
		}
	}
	if t := now.Table(family, name); ok && t != nil {
		return t, nil
	}
	return nil, missingf("there is no native table %s", text.Safe(strings.TrimSpace(family+" "+name)))
}

// nativeByText finds the first rule of a table with a text, whatever it has counted.
func nativeByText(t *nft.Table, links nft.Links, wanted string) (*nft.Chain, int) {
	still := func(text string) string { return nft.Uncounted(strings.Join(strings.Fields(text), " ")) }
	for _, c := range t.Chains {
		if at := slices.IndexFunc(c.Rules, func(r *nft.Rule) bool { return still(r.Text(c, links)) == still(wanted) }); at >= 0 {
			return c, at
		}
	}
	return nil, 0
}

// deletion is what nft reads to delete the rule.
func (r *nativeRule) deletion() string { return r.chain.Without(r.rule()) }

// plan is what a script about the rule does.
func (r *nativeRule) plan(ctx context.Context, title, script string) (rules.Plan, error) {
	steps, _, err := nativeSteps(ctx, r.now, script)
	return rules.Plan{Title: title + r.rule().Read(r.chain, r.now.Links).Sentence(r.chain.Name), Steps: steps}, namedPlaces(err, "", 0)
}

// deleteNative deletes a native rule.
func (o *deleteOptions) deleteNative(c *cobra.Command, host *iptables.Host, args []string) error {
	r, err := o.findNative(c, host, args)
	if err != nil {
		return err
	}
	plan, err := r.plan(c.Context(), fmt.Sprintf("Delete rule %d of %s: ", r.at+1, r.chain.Path()), r.deletion())
	if err != nil {
		return err
	}
	return o.carryOut(c, host, plan)
}

// parkNative puts a native rule away.
func (o *deleteOptions) parkNative(c *cobra.Command, host *iptables.Host, args []string) error {
	r, err := o.findNative(c, host, args)
	if err != nil {
		return err
	}
	plan, err := r.plan(c.Context(), fmt.Sprintf("Park rule %d of %s: ", r.at+1, r.chain.Path()), r.deletion())
	if err != nil {
		return err
	}
	return o.carry(c, host, plan, func(ctx context.Context, committer *commit.Committer, p commit.Options) (commit.Entry, error) {
		p.Kind = commit.KindPark
		return committer.Run(ctx, plan, p)
	})
}

// moveNative moves a native rule to another position of its chain: it is deleted and added there, in one transaction.
func (o *deleteOptions) moveNative(c *cobra.Command, host *iptables.Host, args []string, to int) error {
	r, err := o.findNative(c, host, args)
	if err != nil {
		return err
	}
	switch {
	case to > len(r.chain.Rules):
		return missingf("%s has no position %d: it has %s", text.Safe(r.chain.Name), to, rules.Plural(len(r.chain.Rules), "rule"))
	case to == r.at+1:
		say(c.ErrOrStderr(), fmt.Sprintf("rule %d of %s is there already", to, text.Safe(r.chain.Name)))
		return nil
	}
	script := r.chain.Moved(r.rule(), to, r.now.Links)
	plan, err := r.plan(c.Context(), fmt.Sprintf("Move rule %d of %s to position %d: ", r.at+1, r.chain.Path(), to), script)
	if err != nil {
		return err
	}
	return o.carryOut(c, host, plan)
}
