package nftables

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// ErrChanged is returned where the rules are no longer those whose counters were asked.
var ErrChanged = errors.New("the nft tables have changed")

// Counters returns the ruleset with its rules' counters as they are now, or the same one where none has moved. Only chains
// with counters are asked, of those that wanted chooses; nil: of all. Chains without any cost nothing.
func Counters(set *nft.Ruleset, wanted func(*nft.Chain) bool) (*nft.Ruleset, error) {
	kernel, err := nfnetlink.Dial()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	moved := map[nft.RuleKey]nft.Counter{}
	for _, t := range set.Tables {
		for _, c := range t.Chains {
			if wanted != nil && !wanted(c) || !slices.ContainsFunc(c.Rules, counts) {
				continue
			}
			if err := count(kernel, set, c, moved); err != nil {
				return nil, err
			}
		}
	}
	if len(moved) == 0 {
		return set, nil
	}
	return set.WithCounters(moved), nil
}

func counts(r *nft.Rule) bool { _, ok := r.Counter(); return ok }

// count reads the counters of a chain, and notes those that have moved.
func count(kernel *nfnetlink.Socket, set *nft.Ruleset, c *nft.Chain, moved map[nft.RuleKey]nft.Counter) error {
	ask := nfnetlink.AppendChain(nil, c.Table.Name, c.Name)
	at, other := 0, false
	err := kernel.Dump(unix.NFT_MSG_GETRULE, byte(c.Table.Family), ask, func(m nfnetlink.Message) {
		if m.Family != byte(c.Table.Family) || !m.Attrs.Get(unix.NFTA_RULE_CHAIN).Is(c.Name) {
			return // old kernels answer with all chains, whichever is asked for
		}
		if m.Generation != uint16(set.Generation) || at >= len(c.Rules) {
			other = true
			return
		}
		r := c.Rules[at]
		at++
		before, ok := r.Counter()
		if !ok {
			return
		}
		for _, e := range m.Attrs.Get(unix.NFTA_RULE_EXPRESSIONS).Each {
			if e.Get(unix.NFTA_EXPR_NAME).Is("counter") {
				if now, _ := counter(e.Get(unix.NFTA_EXPR_DATA)).(nft.Counter); now != before {
					moved[c.Key(r)] = now
				}
				return
			}
		}
	})
	if other || errors.Is(err, nfnetlink.ErrInterrupted) || errors.Is(err, unix.ENOENT) {
		return ErrChanged
	}
	return err
}
