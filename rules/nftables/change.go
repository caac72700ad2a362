package nftables

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

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
// error wraps rules.ErrMoved. Afterwards the kernel is asked what stands, whatever nft says: it may have been killed after
// its commit, or have done nothing. Other errors are *Refused, where nothing stands, and *NotKnown, where a part
// does: then others have changed the same tables. Changes returned with an error were made, and others have
// changed the tables beside them.
//
// Between the last look at the generation and the commit are some milliseconds. What others change then is not
// overwritten, as rules are named by handles; where it is beside ours, that is seen afterwards.
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
	words, err := commit(ctx, program, script, generation)
	if errors.Is(err, rules.ErrMoved) {
		return nil, err
	}
	return c.lookUp(context.WithoutCancel(ctx), generation, changes, words, err)
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

// commit has nft read the script. Its input ends, and with that it begins, only if the tables are still of the generation.
func commit(ctx context.Context, program, script string, generation uint32) (words string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	input, feed := io.Pipe()
	cmd := command(ctx, program, "-f", "-")
	var said strings.Builder
	cmd.Stdin, cmd.Stderr = input, &said
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ours.note(cmd.Process.Pid, generation)
	_, err = io.WriteString(feed, script)
	if err == nil {
		err = still(generation)
	}
	if err != nil {
		_ = cmd.Process.Kill() // before it has its whole input, so that it has changed nothing
		feed.Close()
		_ = cmd.Wait()
		return "", err
	}
	feed.Close()
	err = cmd.Wait()
	return refusal(said.String(), err), err
}

// lookUp finds out what became of a transaction after nft has ended, in the way that ended says.
func (c *Changer) lookUp(ctx context.Context, generation uint32, changes []rules.NativeChange, words string, ended error) ([]rules.NativeChange, error) {
	now, err := c.reader.Read(ctx)
	if err != nil {
		return nil, &NotKnown{Words: words, Ended: errors.Join(ended, err)}
	}
	if now.Generation == generation {
		if ended == nil {
			ended = errIdle
		}
		return nil, &Refused{Words: refusal(words, ended)}
	}
	made, stand := nft.Standing(changes, now)
	switch {
	case stand == len(changes):
		if off := nft.Misplaced(made, now); len(off) > 0 {
			return made, fmt.Errorf("another program changed the same chain at the same time, so that a rule is not where it was to be: %s", strings.Join(off, "; "))
		}
		return made, nil
	case stand == 0 && ended != nil:
		return nil, &Refused{Words: refusal(words, ended)}
	}
	return nil, &NotKnown{Words: words, Ended: ended}
}
