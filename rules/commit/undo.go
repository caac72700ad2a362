package commit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nattui/rules"
)

// UndoPlan is the plan that undoes a settled entry on the gateway as it is
// now, found by what stands around its rules today. id "" is the latest change
// that stands; undoing an undo makes the change again. The error is a
// *rules.Conflict or *Changed where the entry fits no more, *Absent where there
// is nothing to undo, *Unsettled for one that waits to be confirmed.
func (c *Committer) UndoPlan(ctx context.Context, id string) (Entry, rules.Plan, error) {
	j, err := c.store.readJournal(false)
	if err != nil {
		return Entry{}, rules.Plan{}, err
	}
	e, err := j.undoable(id)
	if err != nil {
		return Entry{}, rules.Plan{}, err
	}
	now, err := c.read(ctx, e.Plan)
	if err != nil {
		return *e, rules.Plan{}, err
	}
	plan, err := c.undoPlan(ctx, e, now, true)
	if err != nil {
		return *e, plan, err
	}
	return *e, asRun(plan, now), nil
}

// asRun is a plan with its commands as they are run: a deletion goes by number where an equal rule stands before.
func asRun(plan rules.Plan, now sets) rules.Plan {
	if named, err := plan.Resolve(now); err == nil {
		return named
	}
	return plan // what does not fit is told when it is to be made
}

// RollbackPlan is what Rollback would do now to the change that waits to be
// confirmed; the errors are the same. What no longer fits is not in it.
func (c *Committer) RollbackPlan(ctx context.Context, id string) (Entry, rules.Plan, error) {
	j, err := c.store.readJournal(false)
	if err != nil {
		return Entry{}, rules.Plan{}, err
	}
	e, err := c.store.choose(j, id)
	if err != nil {
		return Entry{}, rules.Plan{}, err
	}
	if !e.Unconfirmed() && (e.State != Unknown || id == "" && !c.store.waits(e)) {
		return *e, rules.Plan{}, notWaiting(e)
	}
	now, err := c.read(ctx, e.Plan)
	if err != nil {
		return *e, rules.Plan{}, err
	}
	plan := rules.Plan{Title: e.undoTitle()}
	back, _ := wayBack(e.Plan, e.marks, c.told(ctx, e.Plan, now))
	for _, b := range back {
		plan.Steps = append(plan.Steps, rules.StepOf(b))
	}
	plan = asRun(plan, now)
	natives, err := c.readNative(ctx, e.Plan)
	if err != nil {
		return *e, plan, err
	}
	if natives != nil {
		plan.Steps = append(plan.Steps, rules.NativeSteps(wayBackNatives(e, natives).Changes)...)
	}
	for _, s := range e.Plan.Inverse().Steps {
		if s.Order != nil || s.Sysctl != nil && !sameValue(s.Sysctl.Value, s.Sysctl.Old) {
			plan.Steps = append(plan.Steps, s)
		}
	}
	return *e, plan, nil
}

// undoable finds the entry to undo.
func (j *journal) undoable(id string) (*Entry, error) {
	undone := j.undone()
	if id == "" {
		for _, e := range slices.Backward(j.entries) {
			// What others did is undone only when it is named.
			if e.Unconfirmed() || e.Stands() && e.Kind != KindUndo && e.Kind != KindOutside && undone[e.ID] == "" {
				id = e.ID
				break
			}
		}
		if id == "" {
			return nil, &Absent{"there is no change to undo"}
		}
	}
	e := j.byID[id]
	switch {
	case e == nil:
		return nil, &Absent{fmt.Sprintf("there is no change %s in the journal", id)}
	case e.Unconfirmed():
		return nil, &Unsettled{*e}
	case e.State == Unknown:
		return nil, &Absent{fmt.Sprintf("the outcome of change %s is not known (%s); check, then run nattui confirm %s or nattui rollback %s", id, e.Result, id, id)}
	case !e.Stands():
		return nil, &Absent{fmt.Sprintf("change %s cannot be undone: it is %s%s", e.ID, e.State, inBrackets(e.Result))}
	case undone[id] != "":
		return nil, &Absent{fmt.Sprintf("change %s was already undone by change %s; to redo it: nattui undo %s", id, undone[id], undone[id])}
	case e.Kind == KindOutside && len(e.Plan.Steps) == 0:
		return nil, &Absent{fmt.Sprintf("change %s was made outside nattui and is too large to undo", id)}
	}
	return e, nil
}

// Redoable is the latest undo that could itself be undone; "" if there is none,
// also because something else was changed since.
func (s *Store) Redoable() (string, error) {
	j, err := s.readJournal(false)
	if err != nil {
		return "", err
	}
	for _, e := range slices.Backward(j.entries) {
		if !e.Stands() || e.Kind == KindOutside {
			continue
		}
		if e.Kind != KindUndo {
			return "", nil
		}
		if redone := j.byID[e.Undoes]; redone != nil && redone.Kind == KindUndo {
			continue
		}
		if _, err := j.undoable(e.ID); err == nil {
			return e.ID, nil
		}
	}
	return "", nil
}

// undone tells which entry each undone one was undone by. Undoing an undo makes
// what it had undone stand again, and so on.
func (j *journal) undone() map[string]string {
	by := map[string]string{}
	var set func(id, undo string)
	set = func(id, undo string) {
		if undo == "" {
			delete(by, id)
		} else {
			by[id] = undo
		}
		e := j.byID[id]
		switch {
		case e == nil || e.Kind != KindUndo:
		case undo == "":
			set(e.Undoes, id)
		default:
			set(e.Undoes, "")
		}
	}
	for _, e := range j.entries {
		if e.Kind == KindUndo && e.Stands() {
			set(e.Undoes, e.ID)
		}
	}
	return by
}

// undoTitle names what undoes an entry: a parked rule is restored, and what undid something is done again.
func (e *Entry) undoTitle() string {
	const parks, restores, undoes = "Park rule ", "Restore rule ", "Undo: "
	title := e.Plan.Title
	for _, x := range []struct {
		kind       Kind
		begin, now string
	}{{KindPark, parks, restores}, {KindUndo, restores, parks}, {KindUndo, undoes, ""}} {
		if rest, ok := strings.CutPrefix(title, x.begin); ok && e.Kind == x.kind {
			return x.now + rest
		}
	}
	return undoes + title
}

// undoPlan works the way back out, of native changes too where these are wanted, and insists that all of it fits.
func (c *Committer) undoPlan(ctx context.Context, e *Entry, now sets, natives bool) (rules.Plan, error) {
	plan := rules.Plan{Title: e.undoTitle()}
	for _, s := range slices.Backward(e.Plan.Steps) {
		if s.Sysctl == nil {
			continue
		}
		w := s.Sysctl.Inverse()
		if _, err := c.checkSetting(w); err != nil {
			return plan, err
		}
		plan.Steps = append(plan.Steps, rules.Step{Sysctl: &w})
	}
	if err := c.undoOrders(ctx, e, &plan); err != nil {
		return plan, err
	}
	if natives {
		if err := c.undoNatives(ctx, e, &plan); err != nil {
			return plan, err
		}
	}
	now = c.told(ctx, e.Plan, now)
	back, notes := wayBack(e.Plan, e.marks, now)
	// A parked rule comes back in any case, to another place where its own is not there any more.
	if len(notes) > 0 && e.Kind != KindPark || len(back) < len(e.Plan.Changes()) {
		return plan, undoConflict(e, now, back, notes)
	}
	for _, b := range back {
		step := rules.StepOf(b)
		step.Why = strings.Join(notes, "; ")
		plan.Steps = append(plan.Steps, step)
	}
	return plan, nil
}

// undoConflict explains why an entry cannot be undone as a whole.
func undoConflict(e *Entry, now sets, back []rules.Change, notes []string) error {
	conflict := &rules.Conflict{}
	var gone []string
	found := map[rules.Variant]*present{}
	for i, c := range slices.Backward(e.Plan.Changes()) {
		var m mark
		if i < len(e.marks) {
			m = e.marks[i]
		}
		variant := rules.Variant{Family: c.Family, Backend: c.Backend}
		if found[variant] == nil {
			found[variant] = presentOf(setOf(now, variant))
		}
		inv, note := m.inverse(c, found[variant])
		if inv == nil && note == "" {
			gone = append(gone, undoneAlready(c))
		}
		if inv != nil && note == "" || conflict.Want != "" {
			continue
		}
		conflict.Change = c.Inverse()
		conflict.Want, conflict.Found = c.Rule.String(), string(found[variant].list(c).line(c.At))
	}
	if total := len(e.Plan.Changes()); len(notes) == 0 && total > 1 {
		notes = []string{fmt.Sprintf("already undone by something else: %d of %s", total-len(back), rules.Plural(total, "change"))}
	}
	return &Unfit{"change " + e.ID + " can no longer be undone: " + strings.Join(append(notes, inShort(gone)...), "; "), conflict}
}

// inShort names the first of many.
func inShort(all []string) []string {
	if more := len(all) - mostNamed; more > 0 {
		return append(slices.Clone(all[:mostNamed]), fmt.Sprintf("and %d more", more))
	}
	return all
}

// mostNamed is how many changes of one entry are named in a sentence.
const mostNamed = 3

// undoneAlready says what there is in place of a change that stands no more.
func undoneAlready(c rules.Change) string {
	line := c.Rule.InChain(c.Chain).String()
	switch c.Op {
	case rules.Insert:
		return "the rule it added is gone: " + line
	case rules.Delete:
		return "the rule it deleted exists again: " + line
	case rules.Replace:
		return "the rule it changed has its old form again: " + c.Old.InChain(c.Chain).String()
	case rules.Move:
		return "the rule it moved is back where it was: " + line
	case rules.SetPolicy:
		return "the policy of " + c.Chain + " is " + c.OldPolicy + " again"
	case rules.NewChain:
		return "the chain it made is gone: " + c.Chain
	}
	return "the chain it deleted exists again: " + c.Chain
}

// Unfit is the error of undoing a change that is not as it was made. Nothing was
// changed.
type Unfit struct {
	Text     string
	Conflict error
}

// Error says what does not fit.
func (e *Unfit) Error() string { return e.Text + "; nothing was changed" }

// Unwrap is the conflict.
func (e *Unfit) Unwrap() error { return e.Conflict }

// Undo undoes a settled entry as a change of its own, which can be undone in
// turn; see UndoPlan for which and for the errors, and Run.
func (c *Committer) Undo(ctx context.Context, id string, o Options) (Entry, error) {
	l, err := c.store.acquire(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer l.release()
	j, err := c.open(ctx, l)
	if err != nil {
		return Entry{}, err
	}
	e, err := j.undoable(id)
	if err != nil {
		return Entry{}, err
	}
	if len(e.Files) > 0 { // a saving, or what undid one
		return c.undoSave(e, j, o)
	}
	o.Kind, o.Undoes = KindUndo, e.ID
	undone, err := c.run(ctx, l, j, source{
		about: e.Plan,
		plan:  func(now sets) (rules.Plan, error) { return c.undoPlan(ctx, e, now, true) },
		again: func(now sets) (rules.Plan, error) { return c.undoPlan(ctx, e, now, false) },
	}, o)
	if err == nil && e.temporary() {
		e.Expires, e.expires = undone.Expires, moment{}
		err = c.store.append(updateOf(e)) // what was undone does not end a second time
	}
	return undone, err
}

// Park puts the rule away that the deletion names: it goes from its chain, and the
// journal keeps it with its place and counters. Unpark brings it back.
func (c *Committer) Park(ctx context.Context, deletion rules.Change, o Options) (Entry, error) {
	o.Kind = KindPark
	plan := rules.Single(deletion)
	plan.Title = fmt.Sprintf("Park rule %d of %s: %s", deletion.At, deletion.Chain, deletion.Rule.Sentence())
	return c.Run(ctx, plan, o)
}

// Unpark brings a parked rule back to its place, with the counters it had.
func (c *Committer) Unpark(ctx context.Context, id string, o Options) (Entry, error) {
	j, err := c.store.readJournal(false)
	if err != nil {
		return Entry{}, err
	}
	if e := j.byID[id]; e == nil || e.Kind != KindPark {
		return Entry{}, &Absent{fmt.Sprintf("no rule was parked by change %q", id)}
	}
	return c.Undo(ctx, id, o)
}

// Parked lists the entries whose rules are parked now, oldest first.
func (s *Store) Parked() ([]Entry, error) {
	j, err := s.readJournal(false)
	if err != nil {
		return nil, err
	}
	var parked []Entry
	for _, e := range j.entries {
		if _, err := j.undoable(e.ID); err == nil && e.Kind == KindPark {
			parked = append(parked, *e)
		}
	}
	return parked, nil
}
