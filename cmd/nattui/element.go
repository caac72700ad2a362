package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nft"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// newElementCommand makes "nattui add element".
func (o *addOptions) newElementCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "element SET ELEMENT",
		Short: "Add an element to a set or map of a native table: in a map of forwards, a forward",
		Long: "element adds to a set or map of native nft, which is named with its table, such as 'inet gw forwards'. The element is in nft's words: " +
			"a key, and in a map what the key leads to behind a colon. The table must belong to no other program. nattui delete element deletes it again.",
		Example: "nattui add element 'inet gw forwards' '8443 : 192.168.0.3'\nnattui add element 'ip gw blocked' 198.51.100.0/24 --yes",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.onlyApproval(c.Flags()); err != nil {
				return err
			}
			return o.changeElement(c, args[0], func(s *nft.Set) (script, title string) {
				return s.With(args[1]), "Add " + args[1] + " to " + s.Path() + "."
			})
		},
	}
}

// onlyApproval refuses the flags that say what a rule is like.
func (o *addOptions) onlyApproval(flags *pflag.FlagSet) (err error) {
	ofRules := pflag.NewFlagSet("", pflag.ContinueOnError)
	registerFields(ofRules, new(rules.Draft))
	flags.Visit(func(f *pflag.Flag) {
		if ofRules.Lookup(f.Name) != nil || f.Name == "chain" || f.Name == "at" {
			err = usagef("--%s says something of a rule: an element has only its key, and its value behind a colon", f.Name)
		}
	})
	return err
}

// isElement tells whether the arguments of delete name an element: element SET KEY.
func isElement(args []string) bool { return len(args) == 3 && args[0] == "element" }

// deleteElement deletes an element of a set or map.
func (o *deleteOptions) deleteElement(c *cobra.Command, set, key string) error {
	return o.changeElement(c, set, func(s *nft.Set) (script, title string) {
		return s.Without(key), "Delete " + key + " from " + s.Path() + "."
	})
}

// changeElement does to a set or map, named with its table, what a script says.
func (a *approval) changeElement(c *cobra.Command, name string, say func(*nft.Set) (script, title string)) error {
	if err := a.checkTime(); err != nil {
		return err
	}
	words := strings.Fields(name)
	if len(words) != 3 {
		return usagef("%q: name the set with its table, such as 'inet gw forwards'", text.Safe(name))
	}
	host, err := iptables.Open(c.Context())
	if err != nil {
		return err
	}
	now, err := nftables.Read(c.Context())
	if err != nil {
		return err
	}
	t := now.Table(words[0], words[1])
	if t == nil {
		return missingf("there is no native table %s %s", text.Safe(words[0]), text.Safe(words[1]))
	}
	set := t.Set(words[2])
	if set == nil || set.Flags&nft.SetAnonymous != 0 {
		return missingf("%s has no set or map %s", text.Safe(t.String()), text.Safe(words[2]))
	}
	script, title := say(set)
	if strings.ContainsAny(strings.TrimSpace(script), "\n;") {
		return usagef("give one element")
	}
	steps, _, err := nativeSteps(c.Context(), now, script)
	if err != nil {
		return namedPlaces(err, "", 0)
	}
	if len(steps) == 0 {
		return missingf("nothing would change in %s: it is so already", text.Safe(set.Path()))
	}
	return a.carryOut(c, host, rules.Plan{Title: title, Steps: steps})
}
