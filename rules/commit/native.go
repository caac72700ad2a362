package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
	"nattui/rules/nft"
)

// Native changes the native tables of nft.
type Native interface {
	// ReadNative is all native tables of one generation.
	ReadNative(ctx context.Context) (*nft.Ruleset, error)
	// MakeNative makes changes that were checked in the given generation, all or none, and returns them as they were made.
	// The error wraps rules.ErrMoved where the tables have moved on, and nothing was made. Changes returned together with an
	// error were made, and are not what was intended.
	MakeNative(ctx context.Context, generation uint32, changes []rules.NativeChange) ([]rules.NativeChange, error)
}

// errNoNative is the error of native changes where nobody makes them.
var errNoNative = errors.New("native tables of nft cannot be changed here")

// readNative is the native tables; nil where the plan does not change them.
func (c *Committer) readNative(ctx context.Context, p rules.Plan) (*nft.Ruleset, error) {
	if len(p.Natives()) == 0 {
		return nil, nil
	}
	if c.kernel.Native == nil {
		return nil, errNoNative
	}
	return c.kernel.Native.ReadNative(ctx)
}

// checkNatives resolves the native changes of a plan on the tables as they are, and returns their generation.
func (c *Committer) checkNatives(ctx context.Context, p *rules.Plan) (generation uint32, err error) {
	now, err := c.readNative(ctx, *p)
	if now == nil || err != nil {
		return 0, err
	}
	changes, err := nft.Resolve(p.Natives(), now)
	if err != nil {
		return 0, err
	}
	setNatives(p, changes)
	return now.Generation, nil
}

// setNatives puts changes in place of the native changes of a plan.
func setNatives(p *rules.Plan, changes []rules.NativeChange) {
	p.Steps = slices.Clone(p.Steps)
	i := 0
	for n := range p.Steps {
		if p.Steps[n].Native != nil && i < len(changes) {
			change := changes[i]
			p.Steps[n].Native = &change
			i++
		}
	}
}

// makeNatives makes the native changes of an entry in one transaction.
func (c *Committer) makeNatives(ctx context.Context, e *Entry, generation uint32) error {
	changes := e.Plan.Natives()
	if len(changes) == 0 {
		return nil
	}
	c.step("native")
	made, err := c.kernel.Native.MakeNative(ctx, generation, changes)
	if made == nil {
		if notKnown := (interface{ Unknown() bool })(nil); !errors.As(err, &notKnown) {
			e.natives = unmade
		}
		return err
	}
	e.natives = madeForSure
	setNatives(&e.Plan, made)
	if errors.As(err, new(*rules.NativeConflict)) { // what it has deleted is another's, which is to come back, whoever rolls it back
		return errors.Join(err, c.store.append(withPlan(e)))
	}
	if err != nil {
		e.Result = join(e.Result, err.Error()) // ours stands; others changed the tables in the same moment
	}
	return nil
}

// wayBackNatives is how to roll back what stands of the native changes of an entry.
func wayBackNatives(e *Entry, now *nft.Ruleset) nft.Way {
	switch {
	case e.natives == unmade:
		return nft.Way{}
	case e.natives == perhapsMade && e.State == Pending && nft.NoneAdded(e.Plan.Natives(), now):
		// All is made or nothing. What it was to delete others have deleted; or they have deleted what it has added, and
		// with that decided what is to be there.
		return nft.Way{}
	}
	return nft.WayBack(e.Plan.Natives(), now)
}

// revertNatives rolls back what stands of the native changes of an entry, found in the tables as they are in the
// very moment.
func (c *Committer) revertNatives(ctx context.Context, e *Entry) (notes []string, err error) {
	for attempt := range revertAttempts {
		sidestep(attempt)
		now, err := c.readNative(ctx, e.Plan)
		if now == nil || err != nil {
			return nil, err
		}
		back := wayBackNatives(e, now)
		changes, misfits := nft.ResolveFitting(back.Changes, now)
		back.Notes = append(back.Notes, misfits...)
		if len(changes) == 0 {
			return back.Notes, nil
		}
		c.step("back")
		made, err := c.kernel.Native.MakeNative(ctx, now.Generation, changes)
		switch {
		case errors.Is(err, rules.ErrMoved):
			continue
		case made != nil && err != nil:
			return append(back.Notes, err.Error()), nil // it is rolled back, and stands beside its place
		case refused(err) && !nft.Renews(changes):
			return c.revertNativesSingly(ctx, e, err)
		}
		return back.Notes, err
	}
	return nil, rules.ErrMoved
}

// revertNativesSingly rolls back as much as can be, one change at a time, where the kernel refuses all together. What it
// refuses alone too stays, and does not keep the change from ending: nothing else could be changed while it lasts.
func (c *Committer) revertNativesSingly(ctx context.Context, e *Entry, cause error) (notes []string, err error) {
	no := map[string]error{} // what was refused
	var said []string        // of what was rolled back
	for attempt := range revertAttempts * len(e.Plan.Natives()) {
		now, err := c.readNative(ctx, e.Plan)
		if err != nil {
			return nil, err
		}
		back := wayBackNatives(e, now)
		changes, misfits := nft.ResolveFitting(back.Changes, now)
		notes := slices.Concat(back.Notes, misfits, said)
		next := slices.IndexFunc(changes, func(b rules.NativeChange) bool { return no[b.Line()] == nil })
		if next < 0 {
			for _, b := range changes {
				notes = append(notes, fmt.Sprintf("not rolled back: %s (%v)", b.Line(), no[b.Line()]))
			}
			return notes, nil
		}
		sidestep(attempt)
		made, err := c.kernel.Native.MakeNative(ctx, now.Generation, changes[next:next+1])
		switch {
		case made != nil && err != nil:
			said = append(said, err.Error())
		case refused(err):
			no[changes[next].Line()] = err
		case err != nil && !errors.Is(err, rules.ErrMoved):
			return nil, err // it may be otherwise later
		}
	}
	return nil, cause
}

// undoNatives adds what undoes the native changes of an entry to a plan, and insists that all of it fits.
func (c *Committer) undoNatives(ctx context.Context, e *Entry, plan *rules.Plan) error {
	now, err := c.readNative(ctx, e.Plan)
	if now == nil || err != nil {
		return err
	}
	changes := e.Plan.Natives()
	back := nft.UndoWay(changes, now)
	if len(back.Notes) > 0 || len(back.Changes) == 0 || len(back.Changes)+len(back.Kept) < len(changes) {
		text := strings.Join(slices.Concat(back.Notes, back.Kept), "; ")
		if text == "" {
			text = "a part of it is no longer there"
			if missing := missingNatives(changes, now); len(missing) > 0 {
				text = missing[0]
			}
		}
		return &Unfit{Conflict: &rules.NativeConflict{Change: changes[0], Found: text}, Text: fmt.Sprintf("change %s cannot be undone: %s", e.ID, text)}
	}
	steps := rules.NativeSteps(back.Changes)
	steps[0].Why = strings.Join(back.Kept, "; ")
	plan.Steps = append(plan.Steps, steps...)
	return nil
}
