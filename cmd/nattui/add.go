package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/model/doctor"
	"nattui/model/facts"
	"nattui/rules"
	"nattui/rules/guide"
	"nattui/rules/iptables"
	"nattui/ui/text"
)

// addOptions are the flags of "nattui add KIND".
type addOptions struct {
	variantFlags
	approval
	draft rules.Draft
	at    int
}

// newAddCommand makes "nattui add" with a command for each kind of rule.
func newAddCommand() *cobra.Command {
	var o addOptions
	c := &cobra.Command{
		Use:   "add",
		Short: "Add a DNAT, SNAT, MASQUERADE or REDIRECT rule",
		Long: "add adds a rule to table nat. It checks the fields, one by one and together, shows the command, asks, and runs it. " +
			"It asks on a terminal; otherwise it needs --yes. It prints the command that ran. A \"!\" before an address, an interface or a port negates it.",
		Example: "nattui add dnat --proto tcp --in wan0 --dport 80 --to 192.168.0.2:8080\n" +
			"nattui add masquerade --source 192.168.0.0/24 --out wan0\n" +
			"nattui add redirect --proto tcp --in lan0 --dport 80 --to 8888 --dry-run",
		Args:                  noSuchCommand,
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return usagef("say what to add: %s", strings.Join(commandNames(c), ", "))
		},
	}
	o.register(c)
	c.AddCommand(
		o.kind(rules.DNAT, "send packets to another destination", "the new destination: ADDRESS, ADDRESS:PORT or :PORT, with ranges",
			"nattui add dnat --proto tcp --in wan0 --dport 80 --to 192.168.0.2:8080\nnattui add dnat --proto tcp --dest 2001:db8::1 --dport 443 --to '[fd00::2]:8443' --comment web"),
		o.kind(rules.SNAT, "give packets another, fixed source address", "the new source: ADDRESS, ADDRESS:PORT or :PORT, with ranges",
			"nattui add snat --source 192.168.0.0/24 --out wan0 --to 203.0.113.1"),
		o.kind(rules.Masquerade, "give packets the address of the outgoing interface", "the source ports to choose from: PORT or PORT-PORT",
			"nattui add masquerade --source 192.168.0.0/24 --out wan0"),
		o.kind(rules.Redirect, "send packets to this host itself", "the port on this host: PORT or PORT-PORT",
			"nattui add redirect --proto tcp --in lan0 --dport 80 --to 8888"),
		o.newElementCommand(),
	)
	return c
}

// register makes the flags that every kind of rule has.
func (o *addOptions) register(c *cobra.Command) {
	d, f := &o.draft, c.PersistentFlags()
	f.SortFlags = false
	registerFields(f, d)
	f.StringVar(&d.Chain, "chain", "", "chain to add it to (default: PREROUTING, or POSTROUTING for SNAT and MASQUERADE)")
	f.IntVar(&o.at, "at", 0, "position in the chain, from 1 (default: the end)")
	o.variantFlags.registerNative(f, "default: that of the addresses", "default: native where only native rules translate, else that of the iptables command")
	o.approval.register(f)
	o.approval.registerTime(f)
	f.Lookup("for").Usage = "remove the rule after this time, such as 2h; 0 keeps it"
	o.offerVariants(c)
	offer(c, "proto", "tcp", "udp", "both", "sctp", "icmp")
	_ = c.RegisterFlagCompletionFunc("chain", completeChains)
	for _, flag := range []string{"in", "out"} {
		_ = c.RegisterFlagCompletionFunc(flag, completeInterfaces)
	}
}

// registerFields makes the flags for what a rule matches, and how it chooses.
func registerFields(f *pflag.FlagSet, d *rules.Draft) {
	f.StringVarP(&d.Protocol, "proto", "p", "", "protocol: tcp, udp, a name or a number, or both for a rule of tcp and one of udp (default: any)")
	f.StringVarP(&d.In, "in", "i", "", "interface that the packets arrive on")
	f.StringVarP(&d.Out, "out", "o", "", "interface that they leave by")
	f.StringVarP(&d.Source, "source", "s", "", "address or network that they come from")
	f.StringVar(&d.SPorts, "sport", "", "source ports: 80, 80-90 or 80,443")
	f.StringVarP(&d.Dest, "dest", "d", "", "address or network that they are for")
	f.StringVar(&d.Ports, "dport", "", "destination ports: 80, 80-90 or 80,443")
	f.StringVar(&d.Comment, "comment", "", "a note that stays with the rule")
	f.BoolVar(&d.Random, "random", false, "choose the new port at random")
	f.BoolVar(&d.RandomFully, "random-fully", false, "choose the new port fully at random")
	f.BoolVar(&d.Persistent, "persistent", false, "give a client the same address each time")
}

// kind makes the command that adds one kind of rule.
func (o *addOptions) kind(kind rules.Kind, short, to, example string) *cobra.Command {
	c := &cobra.Command{
		Use:     strings.ToLower(kind.Name()),
		Short:   strings.ToUpper(short[:1]) + short[1:],
		Long:    kind.Name() + ": " + short + ".",
		Example: example,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.draft.Kind = kind
			return o.run(c)
		},
	}
	c.Flags().StringVar(&o.draft.To, "to", "", to)
	_ = c.RegisterFlagCompletionFunc("to", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completeTo(c, kind)
	})
	return c
}

func completeInterfaces(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	facts, err := readFacts(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, s := range facts.SuggestInterfaces() {
		names = append(names, s.Value+"\t"+s.Note)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (o *addOptions) run(c *cobra.Command) error {
	if err := o.checkAll(); err != nil {
		return err
	}
	if o.at < 0 || o.at == 0 && c.Flags().Changed("at") {
		return usagef("--at %d: positions count from 1; without --at the rule goes to the end", o.at)
	}
	o.draft.Family = o.guessFamily()
	wanted, err := o.rules(c)
	if err != nil {
		return err
	}
	if err := o.checkTime(); err != nil {
		return err
	}
	host, err := iptables.Open(c.Context())
	if err != nil {
		return err
	}
	native, err := o.native(c.Context(), host)
	if err != nil {
		return err
	}
	if native {
		return o.addNative(c, host, wanted)
	}
	variant, err := o.one(host, o.draft.Family)
	if err != nil {
		return err
	}
	set, err := host.Read(c.Context(), variant)
	if err != nil {
		return err
	}
	plan, err := o.planAll(c, host, set, wanted)
	if err != nil {
		return err
	}
	return o.carryOut(c, host, plan)
}

// rules are the rules that the flags ask for: one, or with --proto both one of tcp and one of udp.
func (o *addOptions) rules(c *cobra.Command) ([]rules.Rule, error) {
	protocols := []string{o.draft.Protocol}
	if o.draft.Protocol == "both" {
		protocols = []string{"tcp", "udp"}
	}
	var wanted []rules.Rule
	said := map[rules.Problem]bool{}
	for _, protocol := range protocols {
		d := o.draft
		d.Protocol = protocol
		rule, problems := d.Rule()
		for _, p := range problems {
			if !said[p] {
				said[p] = true
				sayProblem(c, p)
				sayAddress(c, p, &d)
			}
		}
		if rules.HasErrors(problems) {
			return nil, statusError(exitUsage)
		}
		wanted = append(wanted, rule)
	}
	return wanted, nil
}

// planAll is to insert the rules one behind the other, with what else each of them needs.
func (o *addOptions) planAll(c *cobra.Command, host *iptables.Host, set *rules.Ruleset, wanted []rules.Rule) (rules.Plan, error) {
	var whole rules.Plan
	for i, rule := range wanted {
		part := *o
		if o.at > 0 {
			part.at += i
		}
		part.draft.Protocol = rule.Protocol.Name
		plan, err := part.plan(set, rule)
		if err != nil {
			return whole, err
		}
		f, err := sayDoubts(c, set, rule)
		if err != nil {
			return whole, err
		}
		if why := doctor.NeverMet(set, plan.Changes()[0]); why != "" {
			say(c.ErrOrStderr(), "warning: "+text.Safe(why))
		}
		if err := part.admit(c, host, &f, &plan); err != nil {
			return whole, err
		}
		if whole.Title == "" {
			whole.Title = plan.Title
		} else {
			whole.Title = strings.TrimSuffix(whole.Title, ".") + ", and so does " + strings.ToUpper(rule.Protocol.Name) + "."
		}
		whole.Steps = append(whole.Steps, plan.Steps...)
		if i == len(wanted)-1 {
			break // none is planned in what this one leaves
		}
		if set, err = plan.Changes()[0].Apply(set); err != nil {
			return whole, err
		}
	}
	return whole, nil
}

// guessFamily is the family that was asked for, or that of the addresses given.
func (o *addOptions) guessFamily() rules.Family {
	d := &o.draft
	if o.family != "" {
		family, _ := rules.ParseFamily(o.family)
		return family
	}
	return guessFamily(d.Source, d.Dest, d.To, d.Protocol)
}

// guessFamily tells from the words of a rule what family they are of: an IPv6
// address has at least two colons, an IPv4 address with a port one.
func guessFamily(words ...string) rules.Family {
	for _, w := range words {
		if strings.Contains(w, "ipv6-icmp") || strings.Contains(w, "icmpv6") || slices.ContainsFunc(strings.FieldsFunc(w, func(r rune) bool { return strings.ContainsRune("!,-[]'\"", r) }), isIPv6) {
			return rules.IPv6
		}
	}
	return rules.IPv4
}

// isIPv6 tells an IPv6 address or network from other words with colons in them, such as hardware
// addresses and times of day.
func isIPv6(word string) bool {
	word, _, _ = strings.Cut(word, "/")
	a, err := netip.ParseAddr(word)
	return err == nil && a.Is6()
}

// plan is to insert the rule where it was asked for.
func (o *addOptions) plan(set *rules.Ruleset, rule rules.Rule) (rules.Plan, error) {
	change := rules.Change{
		Op: rules.Insert, Family: set.Family, Backend: set.Backend, Table: "nat", Chain: rule.Chain, At: o.at, Rule: rule, Program: set.Name,
	}
	chain, ok := set.Chain("nat", rule.Chain)
	switch {
	case !ok && !rules.IsBuiltIn("nat", rule.Chain):
		return rules.Plan{}, usagef("--chain %s: there is no such chain in table nat of %s", text.Safe(rule.Chain), rules.Variant{Family: set.Family, Backend: set.Backend})
	case !ok:
		chain = &rules.Chain{Name: rule.Chain}
	}
	switch {
	case o.at > len(chain.Rules)+1:
		return rules.Plan{}, usagef("--at %d: %s has %s, so use 1 to %d, or leave it out for the end", o.at, text.Safe(rule.Chain), rules.Plural(len(chain.Rules), "rule"), len(chain.Rules)+1)
	case o.at > 0 && o.at <= len(chain.Rules):
		change.Next = chain.Rules[o.at-1].String()
	}
	return rules.Single(change), nil
}

// sayProblem says what is wrong with a field, or doubtful, by the name of its flag.
func sayProblem(c *cobra.Command, p rules.Problem) {
	flag := string(p.Field)
	if p.Field == rules.FieldProtocol {
		flag = "proto"
	}
	if p.Warning {
		flag = "warning: --" + flag
	} else {
		flag = "--" + flag
	}
	say(c.ErrOrStderr(), flag+": "+text.Safe(p.Text))
}

// sayDoubts says what on this host speaks against a rule.
func sayDoubts(c *cobra.Command, set *rules.Ruleset, rule rules.Rule) (facts.Facts, error) {
	f, err := readFacts(c.Context())
	if err != nil {
		return f, err
	}
	for _, doubt := range doctor.Doubts(&f, set, rule, nil) {
		say(c.ErrOrStderr(), "warning: "+text.Safe(doubt))
	}
	return f, nil
}

// admit adds to the plan of a DNAT what ufw has to be told to let it pass, and says where firewalld would remove the rule.
func (o *addOptions) admit(c *cobra.Command, host *iptables.Host, f *facts.Facts, plan *rules.Plan) error {
	d := &o.draft
	if d.Kind != rules.DNAT {
		return nil
	}
	if p, ok := f.Present("firewalld"); ok && p.Running {
		say(c.ErrOrStderr(), "firewalld removes this rule when it reloads; to have firewalld itself forward, now and at boot:  nattui guide publish")
	}
	if _, ok := f.Present("ufw"); !ok {
		return nil
	}
	sets, err := host.ReadAll(c.Context())
	if err != nil {
		return err
	}
	change := plan.Changes()[0]
	h := f.GuideHost(sets, change.Backend, nil)
	for _, step := range guide.Admit(h, guide.Publish{Protocol: d.Protocol, At: d.Dest, Port: d.Ports, To: d.To}, change.Rule) {
		say(c.ErrOrStderr(), text.Safe(step.Why))
		plan.Steps = append(plan.Steps, step)
	}
	return nil
}
