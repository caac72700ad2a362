package nftables

import (
	"context"
	"errors"
	"sync"

	"nattui/rules"
	"nattui/rules/nfnetlink"
	"nattui/rules/nft"
)

// Changer makes changes of native tables, with the program nft. The zero Changer is ready; it is safe for concurrent use.
type Changer struct {
	mu     sync.Mutex
	reader Reader
}

// ReadNative is the native tables as they are.
func (c *Changer) ReadNative(ctx context.Context) (*nft.Ruleset, error) { return c.reader.Read(ctx) }

// MakeNative makes changes that nft.Resolve has looked at in the given generation, all of them in one transaction or none,
// and returns them with the handles of the rules that were added.
//
// nft checks them first without making them (nft -c). The tables must not have moved on: else nothing is made, and the
// error wraps rules.ErrMoved. What became of the transaction the kernel has announced, whatever nft says: it may have been
// killed after its commit, or have done nothing. Where announcements were lost, the tables tell. Other errors are *Refused,
// where nothing stands, and *NotKnown, where a part does: then others have changed the same tables. Changes returned with an
// error were made, and others have changed the tables beside them.
//
// Between the last look at the generation and the commit are some milliseconds, and newer kernels leave a rule that is replaced
// its handle. Where others have replaced in them what a change deletes, the error wraps *rules.NativeConflict, and the changes
// that are returned have in its place what was deleted in truth: they are to be rolled back at once.
func (c *Changer) MakeNative(ctx context.Context, generation uint32, changes []rules.NativeChange) ([]rules.NativeChange, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(changes) == 0 {
		return nil, nil
	}
	program := find("nft")
	if program == "" {
		return nil, &Untried{Why: "the program nft is not installed, without which native tables cannot be changed"}
	}
	script := rules.NativeScript(changes)
	if _, words, err := run(ctx, program, script, "-c", "-f", "-"); err != nil {
		if still(generation) != nil {
			return nil, rules.ErrMoved
		}
		return nil, &Refused{Words: words}
	}
	m := making{changer: c, program: program, generation: generation, changes: changes, announced: listen()}
	defer m.announced.close()
	if err := m.commit(ctx, script); errors.Is(err, rules.ErrMoved) {
		return nil, err
	}
	return m.lookUp(context.WithoutCancel(ctx))
}

// OwnText is nattui's own table as nft reads it, without what it has counted; "" where it is not there.
func (c *Changer) OwnText(ctx context.Context) (string, error) {
	now, err := c.reader.Read(ctx)
	if errors.Is(err, nfnetlink.ErrAbsent) {
		return "", nil
	}
	if err != nil || now.Table("inet", nft.OwnTable) == nil {
		return "", err
	}
	program := find("nft")
	if program == "" {
		return "", &Untried{Why: "the program nft is not installed, without which the table inet nattui cannot be saved"}
	}
	out, words, err := run(ctx, program, "", "-s", "list", "table", "inet", nft.OwnTable)
	if err != nil {
		return "", &Refused{Words: words}
	}
	return out, nil
}

// Load has nft read a file, in one transaction.
func (c *Changer) Load(ctx context.Context, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	program := find("nft")
	if program == "" {
		return &Untried{Why: "the program nft is not installed, without which native tables cannot be restored"}
	}
	if words, err := feed(ctx, program, text); err != nil {
		return &Refused{Words: words}
	}
	return nil
}

// still is ErrMoved where the tables are of another generation.
func still(generation uint32) error {
	now, err := nfnetlink.Generation()
	if err == nil && now != generation {
		return rules.ErrMoved
	}
	return err
}
