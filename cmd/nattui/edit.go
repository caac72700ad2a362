package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/model/doctor"
	"nattui/rules"
	"nattui/ui/text"
)

// editOptions are the flags and arguments of "nattui edit".
type editOptions struct {
	deleteOptions
	typed rules.Draft
	words string // the whole native rule
}

// newEditCommand makes "nattui edit".
func newEditCommand() *cobra.Command {
	var o editOptions
	c := &cobra.Command{
		Use:   "edit CHAIN NUMBER",
		Short: "Change what a rule matches, or where it sends packets",
		Long: "edit changes one rule of table nat in its place, with its counters: the flags replace what they name, everything else stays, what nattui does not understand included. " +
			"An empty value removes a condition. If the rule is no longer there, that is a conflict and nothing is changed. " +
			"A native rule is changed by the same flags where they say all of it, else to what --rule says, in nft's words.",
		Example: "nattui edit PREROUTING 2 --to 192.168.0.4:8080\nnattui edit POSTROUTING 1 --out '' --dry-run\n" +
			"nattui edit --table 'ip gw' prerouting 1 --rule 'tcp dport 22 counter dnat to 192.168.0.9'",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("which rule? give its CHAIN and NUMBER; nattui rules lists them")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.edit(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.typed.To, "to", "", "the new address and port, or ports")
	registerFields(f, &o.typed)
	f.Lookup("proto").Usage = "protocol: tcp, udp, a name or a number (default: as it is)"
	f.StringVar(&o.words, "rule", "", "all of a native rule, in nft's words")
	f.StringVar(&o.table, "table", "nat", "a native one, with its family, such as 'inet nattui'")
	o.registerNative(f, "default: ipv4", "default: native where only native rules translate, else that of the iptables command")
	o.offerVariants(c)
	_ = c.RegisterFlagCompletionFunc("table", completeTables([]string{"nat"}))
	offer(c, "proto", "tcp", "udp", "sctp", "icmp")
	c.ValidArgsFunction = o.completeRule
	_ = c.RegisterFlagCompletionFunc("to", func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) < 2 {
			return completeTo(c, rules.DNAT)
		}
		_, change, err := o.find(c, args)
		if err != nil {
			return completeTo(c, rules.DNAT)
		}
		return completeTo(c, change.Rule.Target.Kind)
	})
	for _, flag := range []string{"in", "out"} {
		_ = c.RegisterFlagCompletionFunc(flag, completeInterfaces)
	}
	o.approval.register(f)
	o.approval.confirm.register(f)
	return c
}

// edit changes the rule that the arguments name.
func (o *editOptions) edit(c *cobra.Command, args []string) error {
	host, native, err := o.isNative(c)
	if err != nil {
		return err
	}
	if native {
		return o.editNative(c, host, args)
	}
	if o.words != "" || o.table != "nat" {
		return usagef("--rule and --table are for native rules: name a native table, such as 'inet nattui'")
	}
	host, change, err := o.find(c, args)
	if err != nil {
		return err
	}
	draft, err := rules.DraftOf(change.Family, change.Rule)
	if err != nil {
		return err
	}
	if !o.fill(c.Flags(), &draft) {
		return usagef("what is to change? give it by flags, such as --to or --dport")
	}
	rule, problems := draft.Rule()
	for _, p := range problems {
		sayProblem(c, p)
		sayAddress(c, p, &draft)
	}
	if rules.HasErrors(problems) {
		return statusError(exitUsage)
	}
	if rule.Same(change.Rule) {
		say(c.ErrOrStderr(), fmt.Sprintf("rule %d of %s is so already", change.At, text.Safe(change.Chain)))
		return nil
	}
	set, err := host.Read(c.Context(), rules.Variant{Family: change.Family, Backend: change.Backend})
	if err != nil {
		return err
	}
	f, err := readFacts(c.Context())
	if err != nil {
		return err
	}
	for _, doubt := range doctor.Doubts(&f, set, rule, &change.Rule) {
		say(c.ErrOrStderr(), "warning: "+text.Safe(doubt))
	}
	change.Op, change.Old, change.Rule = rules.Replace, change.Rule, rule
	return o.carryOut(c, host, rules.Single(change))
}

// fill puts into a draft what was given by flags; it is false where nothing was.
func (o *editOptions) fill(flags *pflag.FlagSet, d *rules.Draft) (any bool) {
	words := map[string]struct{ from, to *string }{
		"proto": {&o.typed.Protocol, &d.Protocol}, "in": {&o.typed.In, &d.In}, "out": {&o.typed.Out, &d.Out},
		"source": {&o.typed.Source, &d.Source}, "sport": {&o.typed.SPorts, &d.SPorts}, "dest": {&o.typed.Dest, &d.Dest},
		"dport": {&o.typed.Ports, &d.Ports}, "comment": {&o.typed.Comment, &d.Comment}, "to": {&o.typed.To, &d.To},
	}
	switches := map[string]struct{ from, to *bool }{
		"random": {&o.typed.Random, &d.Random}, "random-fully": {&o.typed.RandomFully, &d.RandomFully}, "persistent": {&o.typed.Persistent, &d.Persistent},
	}
	flags.Visit(func(f *pflag.Flag) {
		if w, ok := words[f.Name]; ok {
			*w.to, any = *w.from, true
		}
		if s, ok := switches[f.Name]; ok {
			*s.to, any = *s.from, true
		}
	})
	return any
}
