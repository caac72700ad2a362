package nftables

import (
	"context"
	"sync"

	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// Reader reads the native tables again only if they have changed. It is safe for concurrent use; the zero Reader is
// ready.
type Reader struct {
	// Listed has rules come with their text in nft's own words; see List. Set it before the first use.
	Listed bool

	mu   sync.Mutex
	last *nft.Ruleset
}

// Read is the package's Read, or what that returned the last time where nothing has changed since: then it takes some
// microseconds. What packets themselves put into sets is no change to the kernel, and not seen.
func (r *Reader) Read(ctx context.Context) (*nft.Ruleset, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil {
		now, err := nfnetlink.Generation()
		if err != nil {
			return nil, err
		}
		if now == r.last.Generation {
			return r.last, nil
		}
	}
	set, err := Read(ctx)
	if err != nil {
		return nil, err
	}
	if r.Listed {
		List(ctx, set)
	}
	r.last = set
	return set, nil
}

// at is what was read last, if that is of the generation; nil otherwise.
func (r *Reader) at(generation uint32) *nft.Ruleset {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil || r.last.Generation != generation {
		return nil
	}
	return r.last
}
