package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nattui/rules"
	"nattui/rules/iptables"
	"nattui/rules/nft"
)

// variantFlags are the flags that choose rule sets. Empty ones do not choose.
type variantFlags struct {
	family, backend string
}

func (f *variantFlags) register(flags *pflag.FlagSet, family, backend string) {
	flags.StringVar(&f.family, "family", "", "ipv4 or ipv6; "+family)
	flags.StringVar(&f.backend, "backend", "", "nft or legacy; "+backend)
}

// registerNative is register for what can be done natively too.
func (f *variantFlags) registerNative(flags *pflag.FlagSet, family, backend string) {
	f.register(flags, family, backend)
	flags.Lookup("backend").Usage = "nft, legacy, or native for nft's own tables; " + backend
}

// offerVariants completes the flags.
func (f *variantFlags) offerVariants(c *cobra.Command) {
	offer(c, "family", "ipv4", "ipv6")
	offer(c, "backend", "nft", "legacy", "native")
}

// offer completes a flag from a fixed list.
func offer(c *cobra.Command, flag string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// wants tells whether a variant is chosen, once check has passed.
func (f *variantFlags) wants(p rules.Variant) bool {
	return (f.family == "" || f.family == p.Family.String()) && (f.backend == "" || f.backend == p.Backend.String())
}

// check reads what was given in any spelling and keeps it in one.
func (f *variantFlags) check() error {
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

// openTables finds the iptables of this host, and says on w what is not seen where there is none.
func openTables(ctx context.Context, w io.Writer) (*iptables.Host, error) {
	host, err := iptables.Open(ctx)
	if err == nil && host.Unseen() != "" && iptables.LegacyUnseen(ctx) == "" { // which every command has said already
		say(w, host.Unseen())
	}
	return host, err
}

// installedTables finds the iptables of this host for a command that cannot do without one.
func installedTables(ctx context.Context) (*iptables.Host, error) {
	host, err := iptables.Open(ctx)
	if err == nil {
		err = host.Lacking()
	}
	return host, err
}

// checkAll is check where native nft may be chosen too.
func (f *variantFlags) checkAll() error {
	native := f.backend == rules.Native.String()
	if _, err := rules.ParseBackend(f.backend); err != nil && f.backend != "" && !native {
		return usagef("--backend %s: use nft, legacy or native", f.backend)
	}
	if !native {
		return f.check()
	}
	family := variantFlags{family: f.family}
	err := family.check()
	f.family = family.family
	return err
}

// chosen lists the variants of the host that are chosen. An error says why a variant
// that was asked for by name is not there.
func (f *variantFlags) chosen(host *iptables.Host) ([]rules.Variant, error) {
	var variants []rules.Variant
	for _, p := range host.Variants() {
		if f.wants(p) {
			variants = append(variants, p)
		}
	}
	if len(variants) == 0 && f.backend == "" && host.Lacking() != nil {
		return nil, nil // what is native is there all the same
	}
	if len(variants) == 0 {
		return nil, fmt.Errorf("nothing to read there: %s", absences(host, f.wants))
	}
	return variants, nil
}

// one is the single variant that a change is made in: of the given family, where
// none is chosen, and on the backend that the plain programs use.
func (f *variantFlags) one(host *iptables.Host, family rules.Family) (rules.Variant, error) {
	variant := rules.Variant{Family: family, Backend: host.Default()}
	if err := host.Lacking(); err != nil {
		return variant, err
	}
	if f.family != "" {
		variant.Family, _ = rules.ParseFamily(f.family)
	}
	if f.backend != "" {
		variant.Backend, _ = rules.ParseBackend(f.backend)
	}
	if !slices.Contains(host.Variants(), variant) {
		return variant, fmt.Errorf("nothing can be changed there: %s", absences(host, func(p rules.Variant) bool { return p == variant }))
	}
	return variant, nil
}

// absences says why variants are not there.
func absences(host *iptables.Host, which func(rules.Variant) bool) string {
	var why []string
	for _, a := range host.Absent() {
		if which(a.Variant) {
			why = append(why, a.String())
		}
	}
	return strings.Join(why, "; ")
}

// readVariants reads the rule sets of some variants at once. With an error, the map
// has those that could be read all the same.
func readVariants(ctx context.Context, host *iptables.Host, variants []rules.Variant) (map[rules.Variant]*rules.Ruleset, error) {
	if len(variants) == len(host.Variants()) {
		return host.ReadAll(ctx)
	}
	sets := map[rules.Variant]*rules.Ruleset{}
	for _, p := range variants {
		set, err := host.Read(ctx, p)
		if err != nil {
			return sets, err
		}
		sets[p] = set
	}
	return sets, nil
}

// variantNotes are what somebody who reads the rules should know as well: parts of
// the host that could not be read, and others that translate too.
func variantNotes(host *iptables.Host, sets map[rules.Variant]*rules.Ruleset) []string {
	var notes []string
	for _, a := range host.Absent() {
		if a.Reason == iptables.TooOld || a.Reason == iptables.Broken || a.Variant.Backend == host.Default() && host.Lacking() == nil {
			notes = append(notes, a.String())
		}
	}
	for _, family := range rules.Families {
		nft, legacy := sets[rules.Variant{Family: family, Backend: rules.NFT}], sets[rules.Variant{Family: family, Backend: rules.Legacy}]
		if natRules(nft) > 0 && natRules(legacy) > 0 {
			notes = append(notes, fmt.Sprintf("%s has NAT rules on both backends, nft and legacy: packets pass both", family.Title()))
		}
		for _, set := range []*rules.Ruleset{nft, legacy} {
			if set == nil {
				continue
			}
			for _, table := range slices.Sorted(maps.Keys(set.Foreign)) {
				notes = append(notes, fmt.Sprintf("table %s of %s contains what iptables cannot show (%s), so it is read-only here", table, family.Title(), set.Foreign[table]))
			}
		}
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

// natBackend is where the rules of NAT are: the backend of the iptables command unless only another has any.
func natBackend(sets map[rules.Variant]*rules.Ruleset, standby rules.Backend) rules.Backend {
	found := standby
	for variant, set := range sets {
		switch {
		case natRules(set) == 0:
		case variant.Backend == standby:
			return standby
		default:
			found = variant.Backend
		}
	}
	return found
}

// readTables reads the rules of this host, or of a recorded gateway, with the native tables where they are asked for. No
// sets are a failure; else the error is of a part of them.
func (f *variantFlags) readTables(c *cobra.Command, gateway string) ([]rules.Variant, map[rules.Variant]*rules.Ruleset, *nft.Ruleset, error) {
	if gateway != "" {
		return f.readFile(c, gateway)
	}
	return f.readHere(c)
}

func (f *variantFlags) readHere(c *cobra.Command) ([]rules.Variant, map[rules.Variant]*rules.Ruleset, *nft.Ruleset, error) {
	ctx, native := c.Context(), &nft.Ruleset{}
	host, err := openTables(ctx, c.ErrOrStderr())
	if err != nil {
		return nil, nil, nil, err
	}
	variants := host.Variants() // which say what of nf_tables is not native
	if f.backend != rules.Native.String() {
		if variants, err = f.chosen(host); err != nil {
			return nil, nil, nil, err
		}
	}
	sets, readErr := readVariants(ctx, host, variants)
	if f.wantsNative() {
		native, err = readNative(ctx)
		readErr = errors.Join(readErr, err)
	}
	for _, note := range variantNotes(host, sets) {
		say(c.ErrOrStderr(), note)
	}
	return variants, sets, native, readErr
}

func (f *variantFlags) readFile(c *cobra.Command, gateway string) ([]rules.Variant, map[rules.Variant]*rules.Ruleset, *nft.Ruleset, error) {
	g, err := openGatewayFile(c.Context(), gateway)
	if err != nil {
		return nil, nil, nil, err
	}
	native := &nft.Ruleset{}
	if g.native != nil && f.wantsNative() {
		native = g.native
	}
	if told := g.variants(&variantFlags{family: f.family}); f.backend != "" && slices.ContainsFunc(told, func(v rules.Variant) bool { return v.Backend == rules.Untold }) {
		say(c.ErrOrStderr(), fmt.Sprintf("%s does not tell which backend its rules of iptables are of: --backend leaves them out", gateway))
	}
	return g.variants(f), g.sets, native, nil
}

// wantsNative tells whether native chains are asked for.
func (f *variantFlags) wantsNative() bool {
	return f.backend == "" || f.backend == rules.Native.String()
}
