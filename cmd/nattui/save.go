package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nattui/model/host"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/rules/nftables"
	"nattui/ui/text"
)

// newSaveCommand makes "nattui save".
func newSaveCommand() *cobra.Command {
	a := approval{does: "changes what the host restores at boot"}
	var also commit.SaveOptions
	c := &cobra.Command{
		Use:   "save",
		Short: "Save your own rules, to be restored at boot",
		Long: "save saves your own rules, and settings that nattui changed, where this host restores them from at boot: netfilter-persistent, iptables-services, " +
			"an OpenRC service, where that is enabled, or a small unit of nattui's own. It does not save rules of Docker, Kubernetes and other programs; they make their own. " +
			"With --dry-run it shows how the running rules differ from the saved ones.",
		Example: "nattui save --dry-run\nnattui save --yes",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.check(); err != nil {
				return err
			}
			also.Unwatch = c.Flags().Changed("watch") && !also.Watch
			return save(c, &a, also)
		},
	}
	a.register(c.Flags())
	c.Flags().BoolVar(&also.Replace, "replace", false, "also where saved rules would be lost that nattui has not removed")
	c.Flags().BoolVar(&also.Watch, "watch", false, "also install a unit that restores the rules whenever firewalld or ufw has reloaded, or the tables of nft were flushed; --watch=false removes it")
	return c
}

func save(c *cobra.Command, a *approval, also commit.SaveOptions) error {
	ctx := c.Context()
	tables, err := iptables.Open(ctx)
	if err == nil && !nftables.Installed() {
		err = tables.Lacking()
	}
	if err != nil {
		return err
	}
	committer, err := openCommitter(tables, nil)
	if err != nil {
		return err
	}
	o, err := saveOptions(ctx, tables)
	if err != nil {
		return err
	}
	o.Replace, o.Watch, o.Unwatch = also.Replace, also.Watch, also.Unwatch
	drift, err := committer.Drift(o)
	if err != nil {
		return err
	}
	saving, err := committer.PlanSave(o)
	if err == nil {
		err = committer.Prove(ctx, &saving)
	}
	if err != nil {
		return err
	}
	tellSaving(c.ErrOrStderr(), saving, drift)
	if a.dryRun {
		return printDrift(c.OutOrStdout(), drift, saving.Unreadable)
	}
	if !saving.Changes() {
		what := "the running rules are already saved"
		if saving.Unwatching {
			what = "there is no unit that restores rules after a reload; nothing was changed"
		}
		say(c.ErrOrStderr(), what)
		return nil
	}
	if !a.yes {
		if err := a.ask(ctx, c.ErrOrStderr(), rules.Plan{}, nil); err != nil {
			return err
		}
		o.Replace = !saving.Unwatching // the question has named what would be lost
	}
	who := operator(ctx)
	o.By, o.From = who.By, who.From
	e, _, err := committer.Save(context.WithoutCancel(ctx), o)
	if err != nil {
		return err
	}
	sayStands(c.ErrOrStderr(), e)
	if err := followUnits(context.WithoutCancel(ctx), e, o.Watch); err != nil {
		say(c.ErrOrStderr(), text.Safe(err.Error()))
	}
	return printPaths(c.OutOrStdout(), e)
}

// printPaths names the files that were written.
func printPaths(w io.Writer, e commit.Entry) error {
	for _, f := range e.Files {
		if _, err := fmt.Fprintln(pipe{w}, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// familyOf is the family of a variant's tables: that of nattui's own native one is inet.
func familyOf(v rules.Variant) string {
	if v.Backend == rules.Native {
		return "inet"
	}
	return v.Family.String()
}

// saveOptions reads what runs, and who else makes rules on this host.
func saveOptions(ctx context.Context, tables *iptables.Host) (o commit.SaveOptions, err error) {
	o = commit.SaveOptions{Standby: tables.Default(), Programs: restorePrograms(tables), Nattui: ownPath(), Managers: managersHere()}
	o.Sets, err = tables.ReadAll(ctx)
	return o, err
}

// managersHere names the programs on this host that make rules by themselves.
func managersHere() (names []string) {
	for _, p := range host.Programs() {
		names = append(names, p.Name)
	}
	return names
}

// ownPath is the path of this program, for units that run it; "" where it is not known.
func ownPath() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// tellSaving says what is kept, where, and what is not.
func tellSaving(w io.Writer, s commit.Saving, d commit.Drift) {
	by := "restored by "
	if !commit.Restores(s.Method) {
		by = "kept in "
	}
	say(w, fmt.Sprintf("your own rules, %s%s: %d", by, s.Method, s.Kept))
	for _, owner := range slices.Sorted(maps.Keys(s.Left)) {
		say(w, fmt.Sprintf("rules of %s, not saved (it makes its own): %d", owner, s.Left[owner]))
	}
	for _, u := range s.Unreadable {
		say(w, text.Safe(u.String()))
	}
	for _, fewer := range s.Fewer {
		say(w, "saved rules would be lost: "+fewer)
	}
	if s.Unwatching {
		say(w, "the rules that are saved stay as they are; only the unit that restores them after a reload is removed")
	}
	for _, note := range s.Notes {
		say(w, text.Safe(note))
	}
	for _, idle := range d.Idle {
		say(w, "not restored at boot as it is: "+text.Safe(idle))
	}
	for _, f := range s.Files {
		switch {
		case !f.Existed:
			say(w, "to be written: "+f.Path)
		case !bytes.Equal(f.Old, f.New):
			say(w, "to be replaced: "+f.Path)
		}
	}
	for _, other := range d.Others {
		say(w, text.Safe(other))
	}
	if d.Nothing {
		say(w, map[bool]string{true: "nothing is saved for reboot so far", false: "nattui has saved nothing for reboot so far"}[len(d.Others) == 0])
	}
}

// printDrift prints what would be gone after a start with a +, or with a ! where it cannot be saved, and what is kept and
// does not run with a -.
func printDrift(w io.Writer, d commit.Drift, unreadable []commit.Unreadable) error {
	show := func(sign string, list []commit.Drifted) error {
		for _, l := range list {
			line, sign := l.Line, sign
			if slices.ContainsFunc(unreadable, func(u commit.Unreadable) bool { return u.Variant == l.Variant && u.Rule.String() == line }) {
				sign = "!"
			}
			if line == "" {
				line = "the rules of " + l.Chain + " are in another order"
			}
			if _, err := fmt.Fprintf(pipe{w}, "%s %s %s %s %s\n", sign, familyOf(l.Variant), l.Variant.Backend, strings.TrimPrefix(l.Table, "inet "), text.Safe(line)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := show("+", d.Running); err != nil {
		return err
	}
	if err := show("-", d.Saved); err != nil {
		return err
	}
	return show("~", d.Order)
}
