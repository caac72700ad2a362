package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/desired"
	"nattui/rules/iptables"
	"nattui/rules/nfnetlink"
	"nattui/ui/text"
)

// applyOptions are the flags of "nattui apply".
type applyOptions struct {
	approval
	variantFlags
	check, diff, json, acceptDoubts bool
}

// newApplyCommand makes "nattui apply".
func newApplyCommand() *cobra.Command {
	var o applyOptions
	c := &cobra.Command{
		Use:   "apply FILE | -",
		Short: "Make your own rules what a file says, and change nothing if they are",
		Long: "apply reads what your own rules are to be, in the form of iptables-save or in nft's words, and makes the changes that lead there. In the tables that the file names, rules, chains and policies that it lacks are removed; other tables stay. " +
			"Rules and chains of Docker, Kubernetes, ufw, firewalld, fail2ban and other programs stay where they are, and those in the file are passed over. However a rule is written, it is compared as the kernel has it.\n" +
			"\nA file may have several texts of iptables-save one after the other, for both families; each says by its first comment, or by \"# nattui rules ipv6 nft\", what it is for, else --family and --backend do. \"# nattui switch NAME VALUE\" sets a switch (nattui switches), also at boot.\n" +
			"\nChanges are made, rolled back and undone as any. Called again it changes nothing, and exits with 0 as well; --json says which. With --check nothing is changed, and it exits with 11 if something would be.\n" +
			"\nText of nft, or what stands behind the line \"# nattui rules native\", says what native tables are to be: each table that it has, as a whole. What is as it says stays, with its counters; other tables stay, and those of programs are passed over.",
		Example: "nattui apply gateway.rules --check --diff\nnattui apply gateway.rules --yes --json | jq .changed\nnattui apply /etc/nftables.conf --check --diff\niptables-save -t nat | ssh gw nattui apply - --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			pasted, name, err := readPasted(c.Context(), c.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			if name == "" {
				return usagef("apply takes a file, or - for standard input; for commands there is  nattui import")
			}
			file, err := desired.Parse(pasted)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return o.run(c, name, &file)
		},
	}
	o.registerAll(c)
	return c
}

func (o *applyOptions) registerAll(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&o.check, "check", false, "change nothing, and exit with 11 if something would be changed")
	f.BoolVar(&o.diff, "diff", false, "print what changes, rule by rule, instead of commands")
	f.BoolVar(&o.json, "json", false, "one JSON object: changed, id, deadline, commands")
	f.BoolVar(&o.acceptDoubts, "accept-doubts", false, "also where a rule names an interface that is not here")
	o.variantFlags.register(f, "of texts that do not say it; default: ipv4", "of texts that do not say it; default: that of iptables")
	o.approval.register(f)
	o.approval.confirm.register(f)
	o.offerVariants(c)
}

// run brings this host to what a file says.
func (o *applyOptions) run(c *cobra.Command, name string, file *desired.File) error {
	if err := o.variantFlags.check(); err != nil {
		return err
	}
	if err := o.checkTime(); err != nil {
		return err
	}
	if name == "-" && !o.yes && !o.dryRun && !o.check {
		return usagef("standard input is the file, so nattui cannot ask: use --yes, or --check to see what would change")
	}
	ctx := c.Context()
	tables, err := hostFor(ctx, file)
	if err != nil {
		return err
	}
	sets, err := tables.ReadAll(ctx)
	if err != nil {
		return err
	}
	plan, passed, err := o.whole(ctx, tables, sets, name, file)
	for _, line := range passed {
		say(c.ErrOrStderr(), text.Safe(line))
	}
	if err != nil {
		return err
	}
	if err := o.doubts(c, plan); err != nil {
		return err
	}
	if len(plan.Steps) == 0 {
		if !o.json {
			say(c.ErrOrStderr(), "there is nothing to change")
			return nil
		}
		return printApplied(c.OutOrStdout(), commit.Entry{}, plan, false)
	}
	if o.check || o.dryRun {
		return o.tell(c, tables, sets, plan)
	}
	return o.change(c, tables, sets, plan)
}

// titleOf says in the history what a plan was for.
func titleOf(name string, file *desired.File, steps int) string {
	switch {
	case file.Name != "":
		return fmt.Sprintf("Go back to %s: %s.", name, rules.Plural(steps, "step"))
	case name == "-":
		name = "standard input"
	}
	return fmt.Sprintf("Apply %s: %s.", name, rules.Plural(steps, "step"))
}

// whole is all that has to be changed, and the tables of other programs that are passed over, in words.
func (o *applyOptions) whole(ctx context.Context, tables *iptables.Host, sets map[rules.Variant]*rules.Ruleset, name string, file *desired.File) (plan rules.Plan, passed []string, err error) {
	if plan, err = o.plan(ctx, tables, sets, name, file); err != nil {
		return plan, nil, err
	}
	native, passed, err := o.nativeSteps(ctx, name, file)
	plan.Steps = append(native, plan.Steps...)
	plan.Title = titleOf(name, file, len(plan.Steps))
	return plan, passed, err
}

// plan is what has to be changed of iptables' tables and of the switches.
func (o *applyOptions) plan(ctx context.Context, tables *iptables.Host, sets map[rules.Variant]*rules.Ruleset, name string, file *desired.File) (plan rules.Plan, err error) {
	committer, err := openCommitter(tables, nil)
	if err != nil {
		return plan, err
	}
	asked := map[rules.Variant][]rules.Table{}
	for _, s := range file.Sections {
		if s.Native {
			continue
		}
		variant, err := o.variantOf(&s, tables)
		if err != nil {
			return plan, fmt.Errorf("%s: %w", name, err)
		}
		if _, twice := asked[variant]; twice {
			return plan, fmt.Errorf("%s: line %d: the rules of %s are there twice", name, s.Line, variant)
		}
		read, err := tables.Canonical(ctx, variant, s.Text)
		if err != nil {
			return plan, o.unreadable(name, s.Line, err)
		}
		if asked[variant], err = withEmpty(read, s.Tables()); err != nil {
			return plan, fmt.Errorf("%s: section from line %d on: %w", name, s.Line, err)
		}
	}
	for _, variant := range tables.Variants() {
		now, is := sets[variant]
		want, named := asked[variant]
		if !is || !named && file.Name == "" {
			continue
		}
		now.Name = tables.Program(variant)
		after := desired.Toward(now, want, committer.Made(variant, tables.Default()), file.Name != "")
		plan.Steps = append(plan.Steps, rules.Difference(now, after).Steps...)
	}
	return o.withSwitches(ctx, tables, plan, file)
}

// withEmpty adds the tables that are named and have nothing in them, of which the programs of iptables-nft print nothing.
func withEmpty(read []rules.Table, named []string) ([]rules.Table, error) {
	for i, name := range named {
		if slices.Contains(named[:i], name) {
			return nil, fmt.Errorf("table %s is there twice", name)
		}
		if !slices.ContainsFunc(read, func(t rules.Table) bool { return t.Name == name }) {
			read = append(read, rules.Table{Name: name})
		}
	}
	return read, nil
}

// variantOf is what a section is for.
func (o *applyOptions) variantOf(s *desired.Section, tables *iptables.Host) (rules.Variant, error) {
	flags := o.variantFlags
	family := rules.IPv4
	if s.Family != nil {
		flags.family, family = s.Family.String(), *s.Family
	}
	if s.Backend != nil {
		flags.backend = s.Backend.String()
	}
	variant, err := flags.one(tables, family)
	if err != nil {
		return variant, fmt.Errorf("line %d: %w", s.Line, err)
	}
	return variant, nil
}

// unreadable says which text a program does not take, and why.
func (o *applyOptions) unreadable(name string, line int, err error) error {
	rejected := (*iptables.Rejected)(nil)
	switch {
	case errors.As(err, &rejected):
		return fmt.Errorf("%s: from line %d on, lines counted from there: %s says: %s; nothing was changed  (nattui import %s --dry-run  says more of each mistake)",
			name, line, rejected.Program, strings.Join(strings.Fields(rejected.Words), " "), rules.ShellWord(name))
	case errors.Is(err, nfnetlink.ErrNoAside):
		return fmt.Errorf("the rules cannot be read as the kernel has them: %w; run as root; nothing was changed", err)
	}
	return err
}

// withSwitches adds the switches that have another value.
func (o *applyOptions) withSwitches(ctx context.Context, tables *iptables.Host, plan rules.Plan, file *desired.File) (rules.Plan, error) {
	if len(file.Switches) == 0 {
		return plan, nil
	}
	all, err := readSwitches(ctx, tables)
	if err != nil {
		return plan, err
	}
	for _, want := range file.Switches {
		s, err := all.Find(want.Name)
		if err != nil {
			if file.Name != "" {
				continue // of an interface that was there when the snapshot was taken
			}
			return plan, err
		}
		if s.Now == want.Value && (file.Name != "" || s.Boot == want.Value) {
			continue
		}
		steps, err := all.Plan(s, want.Value, file.Name == "")
		if err != nil {
			return plan, refused(err)
		}
		plan.Steps = append(plan.Steps, steps.Steps...)
	}
	return plan, nil
}

// doubts refuses rules that come with an interface that is not here.
func (o *applyOptions) doubts(c *cobra.Command, plan rules.Plan) error {
	if o.acceptDoubts {
		return nil
	}
	lines := doubtful(c.Context(), plan)
	for _, line := range lines {
		say(c.ErrOrStderr(), text.Safe(line))
	}
	if len(lines) > 0 {
		say(c.ErrOrStderr(), "nothing was changed; --accept-doubts applies the rules all the same")
		return statusError(exitFailed)
	}
	return nil
}

// doubtful are the rules of a plan that come with an interface that is not here, in words.
func doubtful(ctx context.Context, plan rules.Plan) (lines []string) {
	facts, err := readFacts(ctx)
	if err != nil {
		return nil // then nobody knows
	}
	var here []string
	for _, l := range facts.Links {
		here = append(here, l.Name)
	}
	for _, change := range plan.Changes() {
		if change.Op != rules.Insert && change.Op != rules.Replace {
			continue
		}
		for _, i := range []rules.Iface{change.Rule.In, change.Rule.Out} {
			if i.Any() || slices.ContainsFunc(here, i.Matches) || i.Not {
				continue
			}
			lines = append(lines, fmt.Sprintf("%s: this host has no interface %s; it has %s", change.Rule.String(), i.Name, strings.Join(here, ", ")))
		}
	}
	return append(lines, absentLinks(plan, here)...)
}

// tell prints what would change.
func (o *applyOptions) tell(c *cobra.Command, tables *iptables.Host, sets map[rules.Variant]*rules.Ruleset, plan rules.Plan) error {
	if err := tables.Check(c.Context(), plan.Changes()); err != nil {
		return err
	}
	if err := o.show(c.OutOrStdout(), sets, plan); err != nil {
		return err
	}
	if o.check {
		return statusError(exitWouldChange)
	}
	weighed, err := o.weigh(c.Context(), tables, plan)
	if err == nil {
		say(c.ErrOrStderr(), text.Safe(weighed.blast.OwnSentence()))
		if s := weighed.wayBack(); s != "" {
			say(c.ErrOrStderr(), s)
		}
	}
	return err
}

// show prints a plan as it was asked for.
func (o *applyOptions) show(w io.Writer, sets map[rules.Variant]*rules.Ruleset, plan rules.Plan) error {
	switch {
	case o.json:
		return printApplied(w, commit.Entry{}, plan, true)
	case !o.diff:
		return printCommands(w, plan)
	}
	lines, err := plan.Diff(sets)
	if err != nil {
		return err
	}
	printDiff(pipe{w}, lines)
	return nil
}

// change makes the changes.
func (o *applyOptions) change(c *cobra.Command, tables *iptables.Host, sets map[rules.Variant]*rules.Ruleset, plan rules.Plan) error {
	var made commit.Entry
	out := c.OutOrStdout()
	if o.json || o.diff {
		c.SetOut(io.Discard) // of the commands
	}
	err := o.carry(c, tables, plan, func(ctx context.Context, committer *commit.Committer, options commit.Options) (commit.Entry, error) {
		var err error
		made, err = committer.Run(ctx, plan, options)
		return made, err
	})
	c.SetOut(out)
	if err != nil {
		return err
	}
	if o.json {
		return printApplied(out, made, plan, true)
	}
	if o.diff {
		return o.show(out, sets, plan)
	}
	return nil
}

// appliedJSON is what "nattui apply --json" prints. The names are for good.
type appliedJSON struct {
	Changed  bool       `json:"changed"`
	ID       string     `json:"id,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"`
	Commands []string   `json:"commands,omitempty"`
}

func printApplied(w io.Writer, e commit.Entry, plan rules.Plan, changed bool) error {
	told := appliedJSON{Changed: changed, ID: e.ID}
	if !e.Deadline.IsZero() {
		told.Deadline = &e.Deadline
	}
	for _, argv := range plan.Commands() {
		told.Commands = append(told.Commands, rules.ShellLine(argv))
	}
	encoder := json.NewEncoder(pipe{w})
	encoder.SetEscapeHTML(false)
	return encoder.Encode(told)
}
