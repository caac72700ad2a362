package nftables

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nattui/rules"
	"nattui/rules/nft"
)

// making is one transaction of ours.
type making struct {
	changer    *Changer
	program    string
	generation uint32 // in which the changes were checked
	changes    []rules.NativeChange
	announced  *announced
	pid        int
	words      string // what nft said
	ended      error  // how it ended
}

// commit has nft read the script. Its input ends, and with that it begins, only if the tables are still of the generation.
// The error wraps rules.ErrMoved where they are not; how nft ended is noted.
func (m *making) commit(ctx context.Context, script string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	input, feed := io.Pipe()
	cmd := command(ctx, m.program, "-f", "-")
	var said strings.Builder
	cmd.Stdin, cmd.Stderr = input, &said
	if m.ended = cmd.Start(); m.ended != nil {
		return nil
	}
	m.pid = cmd.Process.Pid
	ours.note(m.pid, m.generation)
	_, err := io.WriteString(feed, script)
	if err == nil {
		err = still(m.generation)
	}
	if err != nil {
		_ = cmd.Process.Kill() // before it has its whole input, so that it has changed nothing
		feed.Close()
		_ = cmd.Wait()
		m.ended = err
		return err
	}
	feed.Close()
	m.ended = cmd.Wait()
	m.words = refusal(said.String(), m.ended)
	return nil
}

// lookUp finds out what became of the transaction after nft has ended.
func (m *making) lookUp(ctx context.Context) ([]rules.NativeChange, error) {
	before := m.changer.reader.at(m.generation)
	now, err := m.changer.reader.Read(ctx)
	if err != nil {
		return nil, &NotKnown{Words: m.words, Ended: errors.Join(m.ended, err)}
	}
	m.announced.catchUp()
	own, no := m.announced.madeBy(m.pid), m.ended != nil && refusedByKernel(m.words)
	if own == nil && !no {
		own = m.announced.alike(m.changes, m.program)
	}
	switch {
	case own != nil:
		return m.made(ctx, own, before, now)
	case now.Generation == m.generation:
		if m.ended == nil {
			m.ended = errIdle
		}
		return nil, &Refused{Words: refusal(m.words, m.ended)}
	case no, m.announced.without(m.program, m.generation, now.Generation):
		return nil, rules.ErrMoved // others came first
	}
	made, stand := nft.Standing(m.changes, now)
	switch {
	case stand == len(m.changes):
		return made, misplaced(made, now)
	case stand == 0 && m.ended != nil:
		return nil, &Refused{Words: refusal(m.words, m.ended)}
	}
	return nil, &NotKnown{Words: m.words, Ended: m.ended}
}

// made is the changes, which were made by the transaction, with the handles that it gave.
func (m *making) made(ctx context.Context, own *transaction, before, now *nft.Ruleset) ([]rules.NativeChange, error) {
	made, stand := nft.Standing(m.changes, now)
	if handles := own.handles(); len(handles) == rulesAdded(made) {
		for i := range made {
			if made[i].What == rules.NativeRule && !made[i].Gone {
				made[i].Handle, handles = handles[0], handles[1:]
			}
		}
	}
	if o := overtake(before, m.announced.between(m.generation, own)); o != nil {
		if conflict := o.replaced(ctx, made, now); conflict != nil {
			return made, conflict
		}
		if lost := o.lost(made); len(lost) > 0 {
			return made, fmt.Errorf("another program added this in the same moment, and it was deleted with what it was added to: %s", strings.Join(lost, "; "))
		}
	}
	if stand < len(made) {
		return made, fmt.Errorf("another program changed the same tables just afterwards: %s", strings.Join(undone(made, now), "; "))
	}
	return made, misplaced(made, now)
}

// rulesAdded is how many rules the changes add.
func rulesAdded(changes []rules.NativeChange) (n int) {
	for _, c := range changes {
		if c.What == rules.NativeRule && !c.Gone {
			n++
		}
	}
	return n
}

// handles are those of the rules that a transaction has added, in the order of its requests.
func (t *transaction) handles() (all []uint64) {
	for _, m := range t.events {
		if m.Kind == unix.NFT_MSG_NEWRULE {
			all = append(all, m.Attrs.Get(unix.NFTA_RULE_HANDLE).Number())
		}
	}
	return all
}

// undone are the changes that stand no more, in words.
func undone(made []rules.NativeChange, now *nft.Ruleset) (all []string) {
	for _, c := range made {
		if _, stand := nft.Standing([]rules.NativeChange{c}, now); stand > 0 {
			continue
		}
		if c.Gone {
			all = append(all, "this is there again: "+c.Place()+" "+c.Text)
			continue
		}
		all = append(all, "this is gone again: "+c.Place()+" "+c.Text)
	}
	return slices.Compact(all)
}

// misplaced says which rules are not where they were to be.
func misplaced(made []rules.NativeChange, now *nft.Ruleset) error {
	if off := nft.Misplaced(made, now); len(off) > 0 {
		return fmt.Errorf("another program changed the same chain at the same time, so that a rule is not where it was to be: %s", strings.Join(off, "; "))
	}
	return nil
}
