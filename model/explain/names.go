package explain

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nattui/model/flow"
	"nattui/rules"
	"nattui/rules/evaluate"
	"nattui/rules/paste"
)

// nameOf is a rule by its chain and position, a native one with its table. One of IPv6 says so: IPv4 has a rule of the
// same place, as a rule.
func nameOf(r evaluate.RuleRef) string {
	if r.Backend == rules.Native {
		return r.String()
	}
	return FamilyPrefix(r) + r.Chain + " " + strconv.Itoa(r.Position)
}

// FamilyPrefix is what stands before the name of a rule of iptables for IPv6; "" for all others.
func FamilyPrefix(r evaluate.RuleRef) string {
	if r.Backend == rules.Native || r.Family != rules.IPv6 {
		return ""
	}
	return r.Family.String() + " "
}

// PlaceOf is the word that Finder takes for a rule and no other: its family, backend and table, its chain and position,
// as in ipv4/nft/nat/PREROUTING/3. A native table has its family in its name: native/inet/fw4/dstnat/1.
func PlaceOf(r evaluate.RuleRef) string {
	words := placeWords(r)
	if r.Backend == rules.Native {
		words = words[1:]
	}
	return strings.Join(append(words, r.Chain, strconv.Itoa(r.Position)), "/")
}

func placeWords(r evaluate.RuleRef) []string {
	return append([]string{r.Family.String(), r.Backend.String()}, strings.Fields(r.Table)...)
}

// Finder reads a filter's rule condition: a position, CHAIN/POSITION, the same after words of its place
// (ipv4/legacy/nat/PREROUTING/3, ip gw prerouting 1), stale, older, ambiguous, unknown, none, or a chain. CHAIN/POSITION alone is a
// rule of IPv4 or a native one, as nameOf names them: what is forgotten by a rule's name is not that of another. What it
// returns does not block: the table of flows asks it under its own lock, for which Work waits with the rules locked.
func (x *Explainer) Finder(ref string) (func(*flow.Flow) (is, known bool), error) {
	place := strings.Split(strings.Join(strings.Fields(ref), "/"), "/")
	chain, at := place[0], 0
	if n, err := strconv.Atoi(ref); err == nil {
		chain, at, place = "", n, nil
	} else if n := len(place); n > 1 {
		if at, err = strconv.Atoi(place[n-1]); err != nil || at < 1 {
			return nil, fmt.Errorf("%q is not a rule: use 3, PREROUTING/3, PREROUTING, %s", ref, listOf(ruleWords))
		}
		chain, place = place[n-2], place[:n-2]
	} else {
		place = nil
	}
	if err := x.missing(chain, at); err != nil {
		return nil, err
	}
	bare := chain != "" && at != 0 && len(place) == 0
	meant := func(r evaluate.RuleRef) bool {
		if bare && FamilyPrefix(r) != "" {
			return false
		}
		if r.IsZero() || chain != "" && !strings.EqualFold(chain, r.Chain) || at != 0 && at != r.Position {
			return false
		}
		has := placeWords(r)
		return !slices.ContainsFunc(place, func(word string) bool {
			return !slices.ContainsFunc(has, func(w string) bool { return strings.EqualFold(w, word) })
		})
	}
	word := strings.ToLower(ref)
	return func(f *flow.Flow) (is, known bool) {
		e, known := x.Told(f)
		if !known {
			return false, false
		}
		switch word {
		case "stale":
			return e.Confidence == Stale, true
		case "ambiguous":
			return e.Confidence == Ambiguous, true
		case "unknown":
			return e.Confidence == Unknown, true
		case "older":
			return e.Older, true
		case "none":
			return e.Rule().IsZero() && e.Confidence != Stale && e.Confidence != Unknown, true
		}
		return meant(e.DNAT) || meant(e.SNAT), true
	}, nil
}

// ruleWords are the words of a rule condition that name no rule.
var ruleWords = []string{"stale", "older", "ambiguous", "unknown", "none"}

func listOf(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// missing says why no rule is at a place: its chain is not there, or has fewer rules. Until the rules are known all may be.
func (x *Explainer) missing(chain string, at int) error {
	x.mu.RLock()
	chains := x.chains
	x.mu.RUnlock()
	switch most := slices.Max(append(slices.Collect(maps.Values(chains)), 0)); {
	case chain == "" && at < 1:
		return errors.New("is not a rule: rules count from 1")
	case chain == "" && chains != nil && at > most:
		return fmt.Errorf("no chain has a rule %d: the longest has %d", at, most)
	case chain == "":
		return nil
	}
	if chains == nil || at == 0 && slices.ContainsFunc(ruleWords, func(w string) bool { return strings.EqualFold(w, chain) }) {
		return nil
	}
	names := slices.Sorted(maps.Keys(chains))
	for _, name := range names {
		if !strings.EqualFold(name, chain) {
			continue
		}
		if n := chains[name]; at > n {
			return fmt.Errorf("%s has no rule %d: it has %s", name, at, rules.Plural(n, "rule"))
		}
		return nil
	}
	if at == 0 {
		names = append(names, ruleWords...)
	}
	if meant := paste.Nearest(chain, names); meant != "" {
		return fmt.Errorf("there is no chain %s: did you mean %s?", chain, meant)
	}
	return fmt.Errorf("there is no chain %s: use PREROUTING/1, a chain, %s", chain, listOf(ruleWords))
}

// chainsOf are the names of all chains in which rules translate, with the most rules that one of the name has; nil where
// some are not known.
func chainsOf(sets map[rules.Variant]*rules.Ruleset, host *evaluate.Host) map[string]int {
	native := host.Native.Ruleset()
	if native == nil && (len(host.Natives) > 0 || len(sets) == 0) {
		return nil
	}
	chains := map[string]int{}
	for _, name := range rules.BuiltInChains["nat"] {
		chains[name] = 0
	}
	for _, set := range sets {
		if nat, ok := set.Table("nat"); ok {
			for i := range nat.Chains {
				c := &nat.Chains[i]
				chains[c.Name] = max(chains[c.Name], len(c.Rules))
			}
		}
	}
	if native == nil {
		return chains
	}
	for _, t := range native.Tables {
		for _, c := range t.Chains {
			chains[c.Name] = max(chains[c.Name], len(c.Rules))
		}
	}
	return chains
}
