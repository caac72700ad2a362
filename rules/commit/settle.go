package commit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"nattui/rules"
)

// open reads the journal under the lock and settles what a process that was
// killed left behind.
func (c *Committer) open(ctx context.Context, l *lock) (*journal, error) {
	j, err := c.store.readJournal(true)
	if err != nil {
		return nil, err
	}
	if j.blot {
		c.store.noteHead(j.end(), j.top, j.passed...)
	}
	if aside, err := c.store.tidy(j, c.clock.Now()); err != nil {
		c.log.say(err.Error())
	} else if aside != "" {
		c.log.say("a part of the journal was damaged and moved to " + aside)
	}
	c.noteUnknown(j)
	c.store.sweep()
	return j, c.recover(ctx, l, j)
}

// overdue is how long a guard may be late before others do its work.
const overdue = 2 * time.Second

// recover does the work of guards that are no more.
func (c *Committer) recover(ctx context.Context, l *lock, j *journal) error {
	for _, e := range j.entries {
		if !e.open() {
			continue
		}
		if err := c.recoverOne(ctx, l, e); err != nil && !c.givenUp(e, err) {
			return fmt.Errorf("finish change %s, which was interrupted: %w", e.ID, err)
		}
	}
	return nil
}

// patience is how long it is tried to roll back a change that cannot be.
const patience = time.Hour

// givenUp notes that a change could not be rolled back and never will be, so that
// it does not stand in the way of everything else for ever.
func (c *Committer) givenUp(e *Entry, err error) bool {
	if e.begun.Boot == c.clock.Boot() && e.begun.At+patience > c.clock.SinceBoot() {
		return false
	}
	e.leaving = ""
	e.State, e.Result = Failed, join("it could not be rolled back: "+err.Error(), e.Result)
	e.forgetTimes()
	c.log.write(e)
	return c.store.append(updateOf(e)) == nil
}

func (c *Committer) recoverOne(ctx context.Context, l *lock, e *Entry) error {
	switch {
	case e.leaving != "":
		return c.rollBack(ctx, l, e, e.leaving)
	case e.State == Pending:
		// Whoever makes a change holds the lock until it stands, and we hold it now.
		return c.rollBack(ctx, l, e, "nattui was killed while applying it")
	case e.open():
		end, why := e.ending()
		return c.watchOver(ctx, l, e, end, why)
	}
	return nil
}

// watchOver makes sure that an entry with an end has a guard, or ends.
func (c *Committer) watchOver(ctx context.Context, l *lock, e *Entry, end moment, why string) error {
	rebooted := end.Boot != c.clock.Boot()
	left := end.left(c.clock)
	guarded := c.store.guarded(e.ID)
	switch {
	case rebooted:
		return c.rollBack(ctx, l, e, "the host was rebooted")
	case left == 0 && (!guarded || end.At+overdue < c.clock.SinceBoot()):
		return c.rollBack(ctx, l, e, why)
	case left > 0 && !guarded:
		if err := c.startGuard(ctx, e.ID); err != nil {
			return c.rollBack(ctx, l, e, "its guard was killed and could not be restarted")
		}
	}
	return nil
}

// rollBack rolls back a change and notes why.
func (c *Committer) rollBack(ctx context.Context, l *lock, e *Entry, why string) error {
	var before []string
	if e.leaving == "" {
		c.step("leave")
		e.leaving = why
		if err := c.store.append(updateOf(e)); err != nil {
			c.log.say(err.Error()) // it is rolled back all the same
		}
		if e.State == Applied && e.begun.Boot == c.clock.Boot() { // else perhaps never made, or gone with the kernel
			gone, _, _ := c.gone(ctx, e) // what cannot be read now, revert reports
			before = inShort(gone)
		}
	}
	c.step("rollback")
	notes, err := c.revert(ctx, l, e)
	if err != nil {
		return err
	}
	e.State, e.Result, e.leaving = RolledBack, join(join(why, e.Result), strings.Join(append(before, notes...), "; ")), ""
	e.forgetTimes()
	c.step("rolled back")
	c.log.write(e)
	return c.store.append(updateOf(e))
}

// revertAttempts is how often the way back is worked out again because the
// tables were changed in the meantime.
const revertAttempts = 20

// A restore that came to nothing and was not refused, as its program was killed for one, is made again as it was,
// restoreAttempts in all; restoreWait is what is waited after the first, doubled each time.
const (
	restoreAttempts = 4
	restoreWait     = 50 * time.Millisecond
)

// refused reports whether the kernel or the restore program said no, so that it would again.
func refused(err error) bool {
	said := interface {
		error
		Refused() bool
	}(nil)
	return errors.As(err, &said) && said.Refused()
}

// sidestep waits a moment of random length, at most a few times as long as a
// change takes, once a few attempts have come to nothing: another program that
// inserts and deletes in turn could otherwise stay in step with ours.
func sidestep(attempt int) {
	if attempt >= 3 {
		time.Sleep(rand.N(40 * time.Millisecond))
	}
}

// revert rolls back what stands of an entry. notes tell what no longer fits;
// an error means that it should be tried again.
func (c *Committer) revert(ctx context.Context, l *lock, e *Entry) (notes []string, err error) {
	l.inherited(func() {
		if notes, err = c.revertRules(ctx, e); err == nil {
			var more []string
			more, err = c.revertNatives(ctx, e)
			notes = append(notes, more...)
		}
		if err == nil {
			notes = append(notes, c.revertOrders(ctx, e)...)
			notes = append(notes, c.revertSettings(e)...)
			err = putBack(c.root, e.Files)
		}
	})
	return notes, err
}

func (c *Committer) revertRules(ctx context.Context, e *Entry) (notes []string, err error) {
	for _, variant := range slices.Backward(variantsOfPlan(e.Plan)) {
		more, err := c.revertAt(ctx, e, variant)
		if err != nil {
			return nil, err
		}
		notes = append(notes, more...)
	}
	return notes, nil
}

// variantsOfPlan are the variants that a plan changes, in the order in which it first
// names them.
func variantsOfPlan(p rules.Plan) []rules.Variant {
	var all []rules.Variant
	for _, c := range p.Changes() {
		if variant := (rules.Variant{Family: c.Family, Backend: c.Backend}); !slices.Contains(all, variant) {
			all = append(all, variant)
		}
	}
	return all
}

// revertAt rolls back what stands of an entry at one variant, found by its rules
// and their neighbours in the tables as they are in the very moment.
func (c *Committer) revertAt(ctx context.Context, e *Entry, variant rules.Variant) (notes []string, err error) {
	plan, marks := partAt(variant, e)
	failures := 0
	for attempt := range revertAttempts {
		sidestep(attempt)
		var back []rules.Change
		var made []rules.Change
		made, err = c.kernel.Tables.Follow(ctx, variant, func(now *rules.Ruleset) ([]rules.Change, error) {
			if back, notes = wayBack(plan, marks, c.told(ctx, plan, sets{variant: now})); len(back) > 0 {
				c.step("back")
			}
			return back, nil
		})
		var conflict *rules.Conflict
		switch {
		case made != nil || err == nil:
			if err != nil {
				notes = append(notes, err.Error()) // it is rolled back, and stands beside its place
			}
			return notes, nil
		case errors.As(err, &conflict):
			continue
		case refused(err) && len(back) > 1:
			return c.revertSingly(ctx, plan, marks, err)
		}
		if failures++; failures == restoreAttempts || refused(err) {
			return nil, err
		}
		time.Sleep(restoreWait << (failures - 1))
	}
	return nil, err
}

// partAt is what an entry changes at one variant, and the marks of that.
func partAt(variant rules.Variant, e *Entry) (rules.Plan, []mark) {
	var plan rules.Plan
	var marks []mark
	for i, c := range e.Plan.Changes() {
		if (rules.Variant{Family: c.Family, Backend: c.Backend}) != variant {
			continue
		}
		plan.Steps = append(plan.Steps, rules.StepOf(c))
		if i < len(e.marks) {
			marks = append(marks, e.marks[i])
		}
	}
	return plan, marks
}

// revertSingly rolls back as much as can be, one change at a time, where the
// kernel refuses all together. What was rolled back is done with: it is not looked for again in tables of which only a
// part was rolled back.
func (c *Committer) revertSingly(ctx context.Context, plan rules.Plan, marks []mark, cause error) ([]string, error) {
	no := map[string]error{} // what was refused
	var said []string        // of what was rolled back
	done := false
	for attempt := range revertAttempts * max(1, len(plan.Steps)) {
		now, err := c.read(ctx, plan)
		if err != nil {
			return nil, err
		}
		back, of, notes := wayBackOf(plan, marks, c.told(ctx, plan, now), func(rules.Change, string) {})
		notes = append(notes, said...)
		next := slices.IndexFunc(back, func(b rules.Change) bool { return no[firstCommand(b)] == nil })
		if next < 0 {
			for _, b := range back {
				notes = append(notes, fmt.Sprintf("refused: %s (%v)", firstCommand(b), no[firstCommand(b)]))
			}
			if !done && len(back) > 0 {
				return nil, cause // nothing can be done now: perhaps later
			}
			return notes, nil
		}
		sidestep(attempt)
		made, err := c.kernel.Tables.Apply(ctx, back[next:next+1])
		var conflict *rules.Conflict
		switch {
		case made != nil || err == nil:
			if done = true; err != nil {
				said = append(said, err.Error())
			}
			plan, marks = lessOne(plan, marks, of[next])
		case !errors.As(err, &conflict):
			no[firstCommand(back[next])] = err
		}
	}
	return nil, cause
}

// lessOne is a plan of changes only and their marks but for one of them.
func lessOne(plan rules.Plan, marks []mark, i int) (rules.Plan, []mark) {
	plan.Steps = slices.Delete(slices.Clone(plan.Steps), i, i+1)
	if i < len(marks) {
		marks = slices.Delete(slices.Clone(marks), i, i+1)
	}
	return plan, marks
}

func (c *Committer) revertSettings(e *Entry) (notes []string) {
	for _, s := range slices.Backward(e.Plan.Steps) {
		w := s.Sysctl
		if w == nil || sameValue(w.Value, w.Old) {
			continue
		}
		now, err := c.kernel.Settings.Sysctl(w.Name)
		switch {
		case err != nil:
		case sameValue(now, w.Old):
			continue
		case sameValue(now, w.Value):
			c.step("setting back")
			_, err = c.kernel.Settings.WriteSysctl(w.Name, w.Old)
		default:
			err = fmt.Errorf("it is %q now", now)
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s was not restored to %s: %v", w.Name, w.Old, err))
		}
	}
	return notes
}

// Recover settles what processes that were killed left behind: a change that was
// being made is rolled back as far as it was made, one whose guard is gone is
// rolled back if its time is over and otherwise guarded again. Every nattui calls
// it when it starts; it does nothing where there is nothing to do.
func (c *Committer) Recover(ctx context.Context) error {
	j, err := c.store.readJournal(false)
	if err != nil {
		return err
	}
	if !j.unsettled() && len(c.store.strays()) == 0 {
		return nil
	}
	l, err := c.store.acquire(ctx)
	if err != nil {
		return err
	}
	defer l.release()
	_, err = c.open(ctx, l)
	return err
}

func (j *journal) unsettled() bool {
	return j.hurt() || slices.ContainsFunc(j.entries, func(e *Entry) bool { return e.open() || e.doubt != "" })
}

// Absent is the error for an entry that is not there, or of which there is
// nothing to be done.
type Absent struct{ Text string }

// Error says what is absent.
func (e *Absent) Error() string { return e.Text }

// Waiting is the entry that waits to be confirmed; nil if none does.
func (s *Store) Waiting() (*Entry, error) {
	j, err := s.readJournal(false)
	if err != nil {
		return nil, err
	}
	for _, e := range j.entries {
		if e.Unconfirmed() {
			return e, nil
		}
	}
	return nil, nil
}

// waits tells that an entry can still be rolled back by itself: it is unconfirmed, or was before the journal was damaged, and
// has a guard that has seen it whole.
func (s *Store) waits(e *Entry) bool {
	return e.Unconfirmed() || e.State == Unknown && e.waited && s.guarded(e.ID)
}

// choose finds the entry of the id, or the one that waits to be confirmed.
func (s *Store) choose(j *journal, id string) (*Entry, error) {
	if id != "" {
		if e := j.byID[id]; e != nil {
			return e, nil
		}
		return nil, &Absent{fmt.Sprintf("there is no change %s in the journal", id)}
	}
	for _, e := range j.entries {
		if s.waits(e) {
			return e, nil
		}
	}
	if len(j.entries) > 0 {
		last := j.entries[len(j.entries)-1]
		if last.State == RolledBack {
			return nil, &Absent{fmt.Sprintf("there is no unconfirmed change: change %s was rolled back (%s)", last.ID, last.Result)}
		}
	}
	return nil, &Absent{"there is no unconfirmed change"}
}

// Confirm says that a change may stand. id "" is the one that waits for it. The
// error is *Absent where none does, also because it came too late. Whether it may be
// said is for the caller to ask: Entry.Proof. Entry.Gone says what of it others have changed since.
func (c *Committer) Confirm(ctx context.Context, id string) (Entry, error) {
	return c.confirm(ctx, id, "")
}

// ConfirmUnproven is Confirm for a change of which nothing proves that its operator
// can still get in; lacking, which is what Proof says, is noted with it.
func (c *Committer) ConfirmUnproven(ctx context.Context, id, lacking string) (Entry, error) {
	return c.confirm(ctx, id, "confirmed without proof: "+lacking)
}

func (c *Committer) confirm(ctx context.Context, id, note string) (Entry, error) {
	gone := ""
	e, err := c.decide(ctx, id, func(_ *lock, e *Entry) error {
		switch {
		case e.State == Confirmed:
			return nil
		case e.State == Unknown && (id != "" || c.store.waits(e)): // whoever names it has looked
		case !e.Unconfirmed():
			return &Absent{fmt.Sprintf("change %s is not waiting for confirmation: it is %s%s", e.ID, e.State, inBrackets(e.Result))}
		}
		gone = c.goneInWords(ctx, e)
		e.State, e.Result = Confirmed, join(join(e.Result, note), gone)
		e.Deadline, e.deadline = time.Time{}, moment{}
		if err := c.store.append(updateOf(e)); err != nil {
			return err
		}
		c.settled(e)
		return nil
	})
	e.Gone = gone
	return e, err
}

// Rollback rolls back a change that waits to be confirmed. id "" is the one that
// does. The error is *Absent where none does.
func (c *Committer) Rollback(ctx context.Context, id string) (Entry, error) {
	return c.decide(ctx, id, func(l *lock, e *Entry) error {
		switch {
		case e.State == RolledBack:
			return nil
		case e.State == Unknown && (id != "" || c.store.waits(e)):
		case !e.Unconfirmed():
			return notWaiting(e)
		}
		return c.rollBack(ctx, l, e, "as requested")
	})
}

func (c *Committer) decide(ctx context.Context, id string, then func(*lock, *Entry) error) (Entry, error) {
	l, err := c.store.acquire(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer l.release()
	j, err := c.open(ctx, l)
	if err != nil {
		return Entry{}, err
	}
	e, err := c.store.choose(j, id)
	if err != nil {
		return Entry{}, err
	}
	// A guard that is a moment late has not got the lock yet.
	if e.State == Applied && !e.deadline.zero() {
		if end, why := e.ending(); end.left(c.clock) == 0 {
			if err := c.rollBack(ctx, l, e, why); err != nil {
				return *e, err
			}
		}
	}
	return *e, then(l, e)
}

// notWaiting is the error of rolling back what does not wait any more.
func notWaiting(e *Entry) error {
	text := fmt.Sprintf("change %s is not waiting for confirmation: it is %s%s", e.ID, e.State, inBrackets(e.Result))
	if e.Stands() {
		text += "; to undo it: nattui undo " + e.ID
	}
	return &Absent{text}
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
