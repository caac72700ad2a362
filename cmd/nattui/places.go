package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/rules"
	"nattui/rules/iptables"
)

// placeFlags are the flags that choose rule sets. Empty ones do not choose.
type placeFlags struct {
	family, backend string
}

func (f *placeFlags) register(flags *pflag.FlagSet, family, backend string) {
	flags.StringVar(&f.family, "family", "", "ipv4 or ipv6; "+family)
	flags.StringVar(&f.backend, "backend", "", "nft or legacy; "+backend)
}

// offerPlaces completes the flags.
func (f *placeFlags) offerPlaces(c *cobra.Command) {
	offer(c, "family", "ipv4", "ipv6")
	offer(c, "backend", "nft", "legacy")
}

// offer completes a flag from a fixed list.
func offer(c *cobra.Command, flag string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// wants tells whether a place is chosen, once check has passed.
func (f *placeFlags) wants(p rules.Place) bool {
	return (f.family == "" || f.family == p.Family.String()) && (f.backend == "" || f.backend == p.Backend.String())
}

// check reads what was given in any spelling and keeps it in one.
func (f *placeFlags) check() error {
	if f.family != "" {
		family, err := rules.ParseFamily(f.family)
		if err != nil {
			return usagef("--family %s: use ipv4 or ipv6", f.family)
		}
		f.family = family.String()
	}
	if f.backend != "" {
		backend, err := rules.ParseBackend(f.backend)
		if err != nil {
			return usagef("--backend %s: use nft or legacy", f.backend)
		}
		f.backend = backend.String()
	}
	return nil
}

// chosen lists the places of the host that are chosen. An error says why a place
// that was asked for by name is not there.
func (f *placeFlags) chosen(host *iptables.Host) ([]rules.Place, error) {
	var places []rules.Place
	for _, p := range host.Places() {
		if f.wants(p) {
			places = append(places, p)
		}
	}
	if len(places) == 0 {
		return nil, fmt.Errorf("nothing to read there: %s", absences(host, f.wants))
	}
	return places, nil
}

// one is the single place that a change is made in: of the given family, where
// none is chosen, and on the backend that the plain programs use.
func (f *placeFlags) one(host *iptables.Host, family rules.Family) (rules.Place, error) {
	place := rules.Place{Family: family, Backend: host.Default()}
	if f.family != "" {
		place.Family, _ = rules.ParseFamily(f.family)
	}
	if f.backend != "" {
		place.Backend, _ = rules.ParseBackend(f.backend)
	}
	if !slices.Contains(host.Places(), place) {
		return place, fmt.Errorf("nothing can be changed there: %s", absences(host, func(p rules.Place) bool { return p == place }))
	}
	return place, nil
}

// absences says why places are not there.
func absences(host *iptables.Host, which func(rules.Place) bool) string {
	var why []string
	for _, a := range host.Absent() {
		if which(a.Place) {
			why = append(why, a.String())
		}
	}
	return strings.Join(why, "; ")
}

// readPlaces reads the rule sets of some places at once. With an error, the map
// has those that could be read all the same.
func readPlaces(ctx context.Context, host *iptables.Host, places []rules.Place) (map[rules.Place]*rules.Ruleset, error) {
	if len(places) == len(host.Places()) {
		return host.ReadAll(ctx)
	}
	sets := map[rules.Place]*rules.Ruleset{}
	for _, p := range places {
		set, err := host.Read(ctx, p)
		if err != nil {
			return sets, err
		}
		sets[p] = set
	}
	return sets, nil
}

// placeNotes are what somebody who reads the rules should know as well: parts of
// the host that could not be read, and others that translate too.
func placeNotes(ctx context.Context, host *iptables.Host, sets map[rules.Place]*rules.Ruleset) []string {
	var notes []string
	for _, a := range host.Absent() {
		if a.Reason == iptables.TooOld || a.Reason == iptables.Broken || a.Place.Backend == host.Default() {
			notes = append(notes, a.String())
		}
	}
	for _, family := range rules.Families {
		nft, legacy := sets[rules.Place{Family: family, Backend: rules.NFT}], sets[rules.Place{Family: family, Backend: rules.Legacy}]
		if natRules(nft) > 0 && natRules(legacy) > 0 {
			notes = append(notes, fmt.Sprintf("%s has NAT rules on both backends, nft and legacy: packets pass both", family.Title()))
		}
		for _, set := range []*rules.Ruleset{nft, legacy} {
			if set == nil {
				continue
			}
			for _, table := range set.Tables {
				if what := set.Foreign[table.Name]; what != "" {
					notes = append(notes, fmt.Sprintf("table %s of %s contains what iptables cannot show (%s), so it is read-only here; see  nft list ruleset", table.Name, family.Title(), what))
				}
			}
		}
	}
	natives, err := iptables.Natives(ctx)
	if err != nil {
		notes = append(notes, "it is not known whether other nft tables translate: "+err.Error())
	}
	for _, n := range natives {
		notes = append(notes, fmt.Sprintf("%s also translates (%s), and iptables does not show it; see  nft list %s", n, strings.Join(n.Chains, ", "), n))
	}
	return notes
}

func natRules(set *rules.Ruleset) int {
	if set == nil {
		return 0
	}
	table, ok := set.Table("nat")
	if !ok {
		return 0
	}
	return table.Rules()
}
