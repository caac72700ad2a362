package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/model/facts"
	"nattui/rules"
	"nattui/ui/text"
)

// completer offers what a flag or an argument may be.
type completer = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// Commands whose arguments are files or commands of others, and flags that are files: the shell completes these. It
// offers files for nothing else.
var (
	takeFiles = []string{"apply", "import", "log", "open", "lab"}
	fileFlags = []string{"gateway", "file", "ca", "textfile", "web-config"}
)

// wordCompleters are those of flags that mean the same at every command.
var wordCompleters = map[string]completer{
	"net": completeNetworks, "reach": completeNetworks, "except": completeNetworks, "source": completeNetworks,
	"as": completeAddresses, "dest": completeAddresses, "in": completeInterfaces, "from": completeHosts,
	"confirm": cobra.FixedCompletions([]string{"auto", "off", "2m"}, cobra.ShellCompDirectiveNoFileComp),
	"for":     cobra.FixedCompletions([]string{"10m", "1h", "8h", "24h"}, cobra.ShellCompDirectiveNoFileComp),
}

// completeRest gives every flag and argument that has no completion of its own one that offers no files, unless it is a
// file.
func completeRest(c *cobra.Command) {
	if c.ValidArgsFunction == nil && !slices.Contains(takeFiles, c.Name()) {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	rest := func(f *pflag.Flag) {
		if _, has := c.GetFlagCompletionFunc(f.Name); has || f.Value.Type() == "bool" || slices.Contains(fileFlags, f.Name) {
			return
		}
		complete, known := wordCompleters[f.Name]
		if !known {
			complete = cobra.NoFileCompletions
		}
		_ = c.RegisterFlagCompletionFunc(f.Name, complete)
	}
	c.Flags().VisitAll(rest)
	c.PersistentFlags().VisitAll(rest) // those of the commands beneath
}

// completeFacts offers what is known of this host.
func completeFacts(c *cobra.Command, of func(f *facts.Facts, family rules.Family) []facts.Suggestion) ([]string, cobra.ShellCompDirective) {
	f, err := readFacts(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	for _, family := range rules.Families {
		for _, s := range of(&f, family) {
			words = append(words, s.Value+"\t"+text.Safe(s.Note))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func completeNetworks(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeFacts(c, (*facts.Facts).SuggestNetworks)
}

func completeAddresses(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeFacts(c, (*facts.Facts).SuggestAddresses)
}

// completeTo completes where a rule of a kind translates to: another machine, or an address of this host.
func completeTo(c *cobra.Command, kind rules.Kind) ([]string, cobra.ShellCompDirective) {
	switch kind {
	case rules.DNAT:
		return completeHosts(c, nil, "")
	case rules.SNAT:
		return completeAddresses(c, nil, "")
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeChains completes the chain that a rule of the kind is added to: the kernel's that may hold it, and those made here.
func completeChains(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var chains []string
	for _, kind := range []rules.Kind{rules.DNAT, rules.SNAT, rules.Masquerade, rules.Redirect} {
		if c.Name() == strings.ToLower(kind.Name()) {
			chains = slices.Clone(rules.ChainsFor(kind))
		}
	}
	sets, err := readForCompletion(c.Context())
	if err != nil {
		return chains, cobra.ShellCompDirectiveNoFileComp
	}
	for _, set := range sets {
		nat, ok := set.Table("nat")
		for i := 0; ok && i < len(nat.Chains); i++ {
			if name := nat.Chains[i].Name; !slices.Contains(chains, name) && !rules.IsBuiltIn("nat", name) {
				chains = append(chains, name)
			}
		}
	}
	return chains, cobra.ShellCompDirectiveNoFileComp
}

// completePacket completes PROTO SRC[:PORT] DST[:PORT]: the machines that are known, and this host's own addresses.
func completePacket(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return []string{"tcp", "udp", "icmp"}, cobra.ShellCompDirectiveNoFileComp
	case 1, 2:
		hosts, directive := completeHosts(c, nil, "")
		own, _ := completeAddresses(c, nil, "")
		return append(hosts, own...), directive
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeTraced completes a filter of packets, word by word.
func completeTraced(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	switch last {
	case "in":
		return completeInterfaces(c, nil, "")
	case "src", "dst":
		return completePacket(c, []string{"tcp"}, "")
	case "proto":
		return []string{"tcp", "udp", "icmp"}, cobra.ShellCompDirectiveNoFileComp
	case "family":
		return []string{"ipv4", "ipv6"}, cobra.ShellCompDirectiveNoFileComp
	case "sport", "dport":
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	words := []string{"tcp", "udp", "icmp", "proto", "src", "dst", "sport", "dport", "in", "family", "new"}
	return slices.DeleteFunc(words, func(w string) bool { return slices.Contains(args, w) }), cobra.ShellCompDirectiveNoFileComp
}

// completeExplained completes the flags of explain, which reads them itself, and their values.
func completeExplained(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	switch {
	case last == "--flow":
		return completeFlow(c, args, typed)
	case last == "--as":
		return []string{"nft", "iptables"}, cobra.ShellCompDirectiveNoFileComp
	case last == "--gateway":
		return nil, cobra.ShellCompDirectiveDefault
	}
	words := []string{"--flow\ta connection, and the rule that made it", "--as\ta rule in the words of nft or iptables", "--gateway\ta recorded gateway", "--json\tas an object"}
	return slices.DeleteFunc(words, func(w string) bool {
		name, _, _ := strings.Cut(w, "\t")
		return slices.Contains(args, name)
	}), cobra.ShellCompDirectiveNoFileComp
}

// completeMove completes a rule to move, and the positions that it may go to with the rules that are there.
func (o *deleteOptions) completeMove(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 2 {
		return o.completeRule(c, args, typed)
	}
	places, directive := o.completeRule(c, args[:1], typed)
	return slices.DeleteFunc(places, func(p string) bool { return strings.HasPrefix(p, args[1]+"\t") }), directive
}
