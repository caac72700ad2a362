package iptables

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"nattui/rules"
	"nattui/rules/nfnetlink"
)

// Read takes one snapshot of all tables of a variant, with counters. On nft it
// belongs to one generation; on legacy each table is consistent in itself, and
// all of them unless somebody changed one during every attempt. Tables that do not
// exist are not there and are not made.
//
// Where no rule has changed since it was last asked, a moment ago, it returns the
// same snapshot: its counters may then be as old as a few readings take, a second at
// least.
//
// It needs CAP_NET_ADMIN and blocks while iptables-save runs; see the package
// comment for how long.
func (h *Host) Read(ctx context.Context, variant rules.Variant) (*rules.Ruleset, error) {
	p, err := h.programs(variant)
	if err != nil {
		return nil, err
	}
	h.recent.Lock()
	last := h.latest[variant]
	h.recent.Unlock()
	if time.Since(last.begun) < max(time.Second, 4*last.took) && last.stillTrue(variant) {
		return last.set, nil
	}
	return h.readAnew(ctx, p)
}

// readAnew is Read with counters as they are now.
func (h *Host) readAnew(ctx context.Context, p *programs) (*rules.Ruleset, error) {
	h.recent.Lock()
	before := h.latest[p.variant]
	h.recent.Unlock()
	last := latest{begun: time.Now()}
	var err error
	if p.variant.Backend == rules.NFT {
		last.set, err = p.readNFT(ctx, before.set)
	} else {
		last.set, last.print, err = p.readLegacy(ctx, before)
	}
	if err != nil {
		return nil, err
	}
	last.took = time.Since(last.begun)
	h.recent.Lock()
	h.latest[p.variant] = last
	h.recent.Unlock()
	return last.set, nil
}

// doubtPolicies notes that it is not known how many packets the policy of a chain has decided on where that is printed as 0:
// a base chain that iptables-nft makes has no counter, and is printed as one that has counted none.
func doubtPolicies(s *rules.Ruleset) {
	for t := range s.Tables {
		for c := range s.Tables[t].Chains {
			if n := &s.Tables[t].Chains[c].Counters; n.Packets == 0 && n.Bytes == 0 {
				n.Known = false
			}
		}
	}
}

// latest is the last snapshot of a variant, when its reading began and how long it took.
type latest struct {
	set   *rules.Ruleset
	print uint64 // of the legacy rules; 0 where they changed while they were read
	begun time.Time
	took  time.Duration
}

// stillTrue reports whether no rule has changed since.
func (l latest) stillTrue(variant rules.Variant) bool {
	if l.set == nil {
		return false
	}
	if variant.Backend == rules.Legacy {
		now, err := fingerprint(variant.Family)
		return err == nil && l.print != 0 && now == l.print
	}
	now, err := nfnetlink.Generation()
	return err == nil && l.set.Generation != 0 && now == l.set.Generation
}

// ReadAll reads every variant of the host at once. The error joins those of the
// variants that could not be read; the others are in the map all the same.
func (h *Host) ReadAll(ctx context.Context) (map[rules.Variant]*rules.Ruleset, error) {
	return h.readVariants(ctx, h.Variants())
}

func (h *Host) readVariants(ctx context.Context, variants []rules.Variant) (map[rules.Variant]*rules.Ruleset, error) {
	sets := make([]*rules.Ruleset, len(variants))
	errs := make([]error, len(variants))
	var wait sync.WaitGroup
	for i, variant := range variants {
		wait.Go(func() { sets[i], errs[i] = h.Read(ctx, variant) })
	}
	wait.Wait()
	all := map[rules.Variant]*rules.Ruleset{}
	for i, s := range sets {
		if s != nil {
			all[variants[i]] = s
		}
	}
	return all, errors.Join(errs...)
}

// readAttempts is how often a read is repeated that another program disturbed.
const readAttempts = 5

// readNFT reads the nft backend. iptables-nft-save itself repeats its work until
// it has seen one generation; which one that was is known when none came while it
// ran. A namespace that never rests leaves the snapshot's generation unknown, 0.
// There iptables-nft-save 1.8.9 now and then prints rules twice, or not at all: what
// the two reads before agreed upon has to be there again.
func (p *programs) readNFT(ctx context.Context, known *rules.Ruleset) (*rules.Ruleset, error) {
	kernel, err := nfnetlink.Dial()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	var earlier []map[string]int
	for attempt := 1; ; attempt++ {
		before, err := kernel.Generation()
		if err != nil {
			return nil, err
		}
		text, err := p.saved(ctx)
		others, seenErr := foreign(kernel, p.variant.Family, text)
		if err != nil && seenErr == nil && len(others.unreadable) > 0 { // which ends iptables-nft-save with an error
			text, err = p.savedBut(ctx, kernel, others)
		}
		if err != nil {
			return nil, err
		}
		s, err := p.parse(text, known)
		if err != nil {
			return nil, err
		}
		s.Tables = slices.DeleteFunc(s.Tables, func(t rules.Table) bool { return others.unreadable[t.Name] })
		s.Foreign = others.why
		doubtPolicies(s)
		if err = seenErr; err != nil && !errors.Is(err, nfnetlink.ErrInterrupted) {
			return nil, err
		}
		after, genErr := kernel.Generation()
		if genErr != nil {
			return nil, genErr
		}
		if err == nil && before == after {
			s.Generation = before
			return s, nil
		}
		lines := lineCounts(s)
		likely := attempt >= readAttempts && plausible(lines, earlier)
		if err == nil && (likely || attempt >= 10*readAttempts) {
			return s, nil
		}
		if attempt >= 10*readAttempts {
			return nil, err
		}
		earlier = append(earlier[max(0, len(earlier)-1):], lines)
	}
}

// lineCounts tells how often each line stands in each table.
func lineCounts(s *rules.Ruleset) map[string]int {
	n := map[string]int{}
	for _, t := range s.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				n[t.Name+" "+r.String()]++
			}
		}
	}
	return n
}

// plausible tells whether a read has each line as often as the two before it have,
// where those agree.
func plausible(lines map[string]int, earlier []map[string]int) bool {
	if len(earlier) < 2 {
		return true
	}
	a, b := earlier[0], earlier[1]
	for line, n := range a {
		if b[line] == n && lines[line] != n {
			return false
		}
	}
	for line, n := range lines {
		if a[line] == b[line] && a[line] > 0 && n != a[line] {
			return false
		}
	}
	return true
}

// readLegacy reads the legacy backend, and runs nothing where no table is
// loaded: iptables-legacy would load one. Nor does it where the kernel has the rules that are known: then it takes their
// counters from it. It returns the fingerprint of what it read.
func (p *programs) readLegacy(ctx context.Context, known latest) (*rules.Ruleset, uint64, error) {
	for attempt := 1; ; attempt++ {
		names, err := loadedTables(p.variant.Family)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, 0, err
		}
		if len(names) == 0 {
			return &rules.Ruleset{Family: p.variant.Family, Backend: rules.Legacy, Name: p.shown}, 0, nil
		}
		counted, before, err := tallyLegacy(p.variant.Family)
		if err != nil {
			return nil, 0, err
		}
		if known.set != nil && known.print != 0 && known.print == before {
			if s, err := counted.onto(known.set); err == nil {
				return s, before, nil
			}
		}
		text, err := p.saved(ctx)
		if err != nil {
			return nil, 0, err
		}
		s, err := p.parse(text, known.set)
		if err != nil {
			return nil, 0, err
		}
		counted, after, err := tallyLegacy(p.variant.Family)
		if err != nil {
			return nil, 0, err
		}
		// Between two equal fingerprints another program can have made rules and deleted them again, and
		// iptables-save have seen them.
		_, other := counted.onto(s)
		switch {
		case before == after && other == nil:
			return s, after, nil
		case attempt >= readAttempts:
			return s, 0, nil
		}
	}
}

// parse takes the text apart, but for what is as it was in the set that is known.
func (p *programs) parse(text []byte, known *rules.Ruleset) (*rules.Ruleset, error) {
	var before []rules.Table
	if known != nil {
		before = known.Tables
	}
	tables, err := rules.Reread(string(text), before)
	if err != nil {
		return nil, fmt.Errorf("understanding what %s printed: %w", p.save, err)
	}
	return &rules.Ruleset{Family: p.variant.Family, Backend: p.variant.Backend, Tables: tables, Name: p.shown}, nil
}

// incompatible is what iptables-nft-save prints, on standard output and with
// success, about a table that it cannot show in full.
var incompatible = regexp.MustCompile("^# Table `([^']+)' (is incompatible|contains incompatible)")

// incompatibleTables finds such lines, outside of tables: inside one the same
// words could be the second line of somebody's comment.
func incompatibleTables(text []byte) []string {
	var names []string
	inside := false
	for _, line := range rules.SavedLines(string(text)) {
		switch {
		case strings.HasPrefix(line, "*"):
			inside = true
		case line == "COMMIT":
			inside = false
		case !inside:
			if m := incompatible.FindStringSubmatch(line); m != nil {
				names = append(names, m[1])
			}
		}
	}
	return names
}
