package commit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
)

// gone says what of a change that was made is not in the kernel any more, because others have changed the rules or settings
// since; doubts are what is not known to be. The error says why the kernel could not be looked at.
func (c *Committer) gone(ctx context.Context, e *Entry) (gone, doubts []string, err error) {
	now, err := c.read(ctx, e.Plan)
	if err != nil {
		return nil, nil, err
	}
	wayBackOf(e.Plan, e.marks, c.told(ctx, e.Plan, now), func(change rules.Change, note string) {
		switch {
		case note == "":
			gone = append(gone, undoneAlready(change))
		case change.Op != rules.Delete && change.Op != rules.NewChain: // those stand, and cannot be undone
			doubts = append(doubts, note)
		}
	})
	slices.Reverse(gone)
	natives, err := c.readNative(ctx, e.Plan)
	if err != nil {
		return gone, doubts, err
	}
	if natives != nil {
		gone = append(gone, missingNatives(e.Plan.Natives(), natives)...)
	}
	for _, s := range e.Plan.Steps {
		if s.Sysctl == nil || sameValue(s.Sysctl.Value, s.Sysctl.Old) {
			continue
		}
		if value, err := c.kernel.Settings.Sysctl(s.Sysctl.Name); err == nil && !sameValue(value, s.Sysctl.Value) {
			doubts = append(doubts, fmt.Sprintf("%s is %s now", s.Sysctl.Name, value))
		}
	}
	return gone, doubts, nil
}

// goneInWords is what is said of it as the change is confirmed.
func (c *Committer) goneInWords(ctx context.Context, e *Entry) string {
	gone, doubts, err := c.gone(ctx, e)
	all := append(inShort(gone), inShort(doubts)...)
	if err != nil {
		all = append(all, fmt.Sprintf("it is not known whether it is still in the kernel: %v", err))
	}
	return strings.Join(all, "; ")
}

// missingNatives says which of the changes do not stand.
func missingNatives(changes []rules.NativeChange, now *nft.Ruleset) (missing []string) {
	for _, c := range nft.Missing(changes, now) {
		if c.Gone {
			missing = append(missing, fmt.Sprintf("what it deleted is there again: %s %s", c.Place(), c.Text))
		} else {
			missing = append(missing, fmt.Sprintf("what it added is no longer there: %s %s", c.Place(), c.Text))
		}
	}
	return missing
}
