package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

// completeRule completes the chain and the number of a rule, each number with the rule's sentence.
func (o *deleteOptions) completeRule(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const done = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 1 {
		return nil, done
	}
	if lines, native := o.completeNativeRule(c, args); native {
		return lines, done
	}
	sets, err := readForCompletion(c.Context())
	if err != nil {
		return nil, done
	}
	var offered choices
	for _, set := range sets {
		at := rules.Variant{Family: set.Family, Backend: set.Backend}
		table, ok := set.Table(o.table)
		if !ok || !o.wants(at) {
			continue
		}
		for i := range table.Chains {
			chain := &table.Chains[i]
			switch {
			case len(args) == 0 && len(chain.Rules) > 0:
				offered.add(chain.Name, at, rules.Plural(len(chain.Rules), "rule"))
			case len(args) == 1 && chain.Name == args[0]:
				for n, r := range chain.Rules {
					offered.add(strconv.Itoa(n+1), at, text.Safe(r.Sentence()))
				}
			}
		}
	}
	return offered.lines(), done
}

// choices are words to complete, each once, with what it means in each variant.
type choices struct {
	words []string
	hints map[string][]choiceHint
}

type choiceHint struct {
	at   rules.Variant
	text string
}

func (c *choices) add(word string, at rules.Variant, hint string) {
	if c.hints == nil {
		c.hints = map[string][]choiceHint{}
	}
	if c.hints[word] == nil {
		c.words = append(c.words, word)
	}
	c.hints[word] = append(c.hints[word], choiceHint{at, hint})
}

// lines are the words with their hints, which say what they are of where there are several.
func (c *choices) lines() (lines []string) {
	for _, word := range c.words {
		var hints []string
		for _, h := range c.hints[word] {
			if len(c.hints[word]) > 1 {
				h.text = h.at.String() + ": " + h.text
			}
			hints = append(hints, h.text)
		}
		lines = append(lines, word+"\t"+strings.Join(hints, "; "))
	}
	return lines
}

// rulesToComplete are the rules that translate here, for the values of a filter; they are read when they are asked for.
func rulesToComplete(ctx context.Context) func(key string) []string {
	return func(key string) (names []string) {
		if key != "rule" {
			return nil
		}
		names = append(names, "stale")
		sets, err := readForCompletion(ctx)
		if err != nil {
			return names
		}
		for _, set := range sets {
			nat, _ := set.Table("nat")
			prefix := ""
			if set.Family == rules.IPv6 {
				prefix = set.Family.String() + "/"
			}
			for i := 0; nat != nil && i < len(nat.Chains); i++ {
				for n := range nat.Chains[i].Rules {
					if name := prefix + fmt.Sprintf("%s/%d", nat.Chains[i].Name, n+1); nat.Chains[i].Rules[n].Target.Kind.Translates() && !slices.Contains(names, name) {
						names = append(names, name)
					}
				}
			}
		}
		return names
	}
}

// completeFlow completes a connection as  explain --flow  takes it, from those of this gateway.
func completeFlow(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const most = 50
	if len(args) == 0 || args[len(args)-1] != "--flow" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	flows, err := readFlows(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var lines []string
	flows.Each(func(_ flow.Ref, f *flow.Flow) bool {
		hint := "untranslated"
		if f.NAT() != flow.NATNone {
			hint = fmt.Sprintf("served by %s, seen as %s", f.ServedBy(), f.SeenAs())
		}
		lines = append(lines, fmt.Sprintf("%s %s %s\t%s", f.Proto(), f.Client(), f.AskedFor(), hint))
		return len(lines) < most
	})
	return lines, cobra.ShellCompDirectiveNoFileComp
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

// byVariant are rule sets by what they are of.
func byVariant(sets []*rules.Ruleset) map[rules.Variant]*rules.Ruleset {
	all := map[rules.Variant]*rules.Ruleset{}
	for _, set := range sets {
		all[rules.Variant{Family: set.Family, Backend: set.Backend}] = set
	}
	return all
}

// completeServers completes a server that rules forward to, each with the rules that do; those of other programs are not moved.
func completeServers(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	sets, err := readForCompletion(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offered choices
	for _, set := range sets {
		nat, _ := set.Table("nat")
		for i := 0; nat != nil && i < len(nat.Chains); i++ {
			for n, r := range nat.Chains[i].Rules {
				if _, single := r.Target.To.AddrPort(); single && r.Target.Kind == rules.DNAT && rules.OwnerOf(r) == "" {
					hint := fmt.Sprintf("%s %d: %s", nat.Chains[i].Name, n+1, r.Sentence())
					offered.add(r.Target.To.String(), rules.Variant{Family: set.Family, Backend: set.Backend}, text.Safe(hint))
				}
			}
		}
	}
	nativeServers(c.Context(), &offered)
	return offered.lines(), cobra.ShellCompDirectiveNoFileComp
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
