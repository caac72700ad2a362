package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nattui/rules"
	"nattui/rules/evaluate"
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
// (ipv4/legacy/nat/PREROUTING/3, ip gw prerouting 1), stale, ambiguous, unknown, or a chain. CHAIN/POSITION alone is a
// rule of IPv4 or a native one, as nameOf names them: what is forgotten by a rule's name is not that of another.
func (x *Explainer) Finder(ref string) (func(uint32) bool, error) {
	place := strings.Split(strings.Join(strings.Fields(ref), "/"), "/")
	chain, at := place[0], 0
	if n, err := strconv.Atoi(ref); err == nil {
		chain, at, place = "", n, nil
	} else if n := len(place); n > 1 {
		if at, err = strconv.Atoi(place[n-1]); err != nil || at < 1 {
			return nil, fmt.Errorf("%q is not a rule: use 3, PREROUTING/3, PREROUTING, stale, ambiguous, unknown or none", ref)
		}
		chain, place = place[n-2], place[:n-2]
	} else {
		place = nil
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
	return func(number uint32) bool {
		x.mu.RLock()
		defer x.mu.RUnlock()
		if number == 0 || int(number) > len(x.known) {
			return false
		}
		switch e := x.known[number-1]; strings.ToLower(ref) {
		case "stale":
			return e.Confidence == Stale
		case "ambiguous":
			return e.Confidence == Ambiguous
		case "unknown":
			return e.Confidence == Unknown
		case "none":
			return e.Rule().IsZero() && e.Confidence != Stale && e.Confidence != Unknown
		default:
			return meant(e.DNAT) || meant(e.SNAT)
		}
	}, nil
}
