package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/desired"
	"nattui/rules/iptables"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
	"nattui/rules/nftables"
)

// nativeNow is the native tables; none where the kernel has no nf_tables.
func nativeNow(ctx context.Context) (*nft.Ruleset, error) {
	now, err := nftables.Read(ctx)
	if errors.Is(err, nfnetlink.ErrAbsent) {
		return &nft.Ruleset{}, nil
	}
	if err == nil {
		nftables.List(ctx, now)
	}
	return now, err
}

// ownTables are the native tables that no other program makes: nattui's and the administrator's.
func ownTables(now *nft.Ruleset) (own []*nft.Table) {
	for _, t := range now.Tables {
		if whose(t) == "" && !t.Owned {
			own = append(own, t)
		}
	}
	return own
}

// whose is the other program that makes a native table; "" where none does.
func whose(t *nft.Table) string {
	if t.OfIPTables() {
		return "iptables"
	}
	err := nft.Allowed([]rules.NativeChange{{What: rules.NativeTableKind, Family: t.Family.String(), Table: t.Name}}, &nft.Ruleset{Tables: []*nft.Table{t}})
	if foreign := (*nft.Foreign)(nil); errors.As(err, &foreign) {
		return foreign.Owner
	}
	return ""
}

// nativeSteps are the steps that make native tables what a file says, and what of it is passed over.
func (o *applyOptions) nativeSteps(ctx context.Context, name string, file *desired.File) (steps []rules.Step, passed []string, err error) {
	var wanted []desired.Section
	for _, s := range file.Sections {
		if s.Native {
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		return nil, nil, nil
	}
	if len(wanted) > 1 {
		return nil, nil, fmt.Errorf("%s: line %d: native tables are there twice", name, wanted[1].Line)
	}
	now, err := nativeNow(ctx)
	if err != nil {
		return nil, nil, err
	}
	want, err := nftables.Want(ctx, now, wanted[0].Text)
	if err != nil {
		return nil, nil, namedPlaces(err, name, 1-wanted[0].Line)
	}
	passed = passOver(want.Ruleset, now)
	changes := want.Toward(now)
	if own := now.Table("inet", nft.OwnTable); file.Name != "" && own != nil && want.Ruleset.Table("inet", nft.OwnTable) == nil {
		changes = append(changes, rules.NativeChange{What: rules.NativeTableKind, Gone: true, Family: "inet", Table: nft.OwnTable})
	}
	if len(changes) == 0 {
		return nil, passed, nil
	}
	steps, _, err = nativeSteps(ctx, now, rules.NativeScript(changes))
	return steps, passed, err
}

// passOver leaves out of what is wanted the tables of other programs, which stay, and says which.
func passOver(want, now *nft.Ruleset) (passed []string) {
	want.Tables = slices.DeleteFunc(want.Tables, func(t *nft.Table) bool {
		owner := whose(t)
		if there := now.Table(t.Family.String(), t.Name); owner == "" && there != nil {
			owner = whose(there)
		}
		if owner != "" {
			passed = append(passed, fmt.Sprintf("%s is passed over: it belongs to %s", t, owner))
		}
		return owner != ""
	})
	return passed
}

// hostFor opens iptables, which has to be there only where a file says something of its tables.
func hostFor(ctx context.Context, file *desired.File) (*iptables.Host, error) {
	if file == nil || slices.ContainsFunc(file.Sections, func(s desired.Section) bool { return !s.Native }) {
		return installedTables(ctx)
	}
	return iptables.Open(ctx)
}

// ifaceNames are the interfaces that a rule of nft asks for by their whole names.
var ifaceNames = regexp.MustCompile(`\b[io]ifname (?:== )?"([^"*]+)"`)

// absentLinks are the interfaces that rules to be added natively name and that are not among those here, by the rule.
func absentLinks(plan rules.Plan, here []string) (lines []string) {
	for _, n := range plan.Natives() {
		if n.What != rules.NativeRule || n.Gone {
			continue
		}
		for _, m := range ifaceNames.FindAllStringSubmatch(n.Text, -1) {
			if !slices.Contains(here, m[1]) {
				lines = append(lines, fmt.Sprintf("%s %s: this host has no interface %s; it has %s", n.Place(), n.Text, m[1], strings.Join(here, ", ")))
			}
		}
	}
	return lines
}

// nativeSnapshot is the native tables that a snapshot keeps, as nft reads them.
func nativeSnapshot(ctx context.Context) (string, error) {
	now, err := nativeNow(ctx)
	if err != nil {
		return "", err
	}
	return nftables.Text(ctx, ownTables(now))
}
