package commit

import (
	"context"
	"errors"
	"fmt"

	"nattui/rules"
)

// This file restores as many of the saved rules as can be: one that the kernel or its program refuses, because its module or
// its set is not there for one, does not lose the others.

// restoreMost makes what is missing of one variant. The error is that of the rules that were left out, or of all.
func (c *Committer) restoreMost(ctx context.Context, r *restoration, out *Restored) error {
	refused := r.leaveUnreadable()
	for {
		err := c.restoreMissing(ctx, r, out)
		culprit, known, mended := culpritOf(err)
		missing := r.insertions()
		switch {
		case !mended || len(missing) == 0:
			return errors.Join(refused, err)
		case known && !r.left[culprit.Table+" "+culprit.Rule.String()]:
			refused = errors.Join(refused, r.leave(culprit.Table, culprit.Rule, err))
			continue
		}
		// What takes packets away comes last, when it is known what before it is there.
		for _, takers := range []bool{false, true} {
			var part []rules.Change
			for _, m := range missing {
				if takes(m.Rule) == takers {
					part = append(part, m)
				}
				if takes(m.Rule) {
					r.left[m.Table+" "+m.Rule.String()] = !takers
				}
			}
			if len(part) > 0 && c.restoreMissing(ctx, r, out) != nil {
				refused = errors.Join(refused, c.restoreHalves(ctx, r, out, part))
			}
		}
		return errors.Join(refused, c.restoreMissing(ctx, r, out)) // policies
	}
}

// leaveUnreadable leaves out what no restore program could read.
func (r *restoration) leaveUnreadable() (refused error) {
	r.left = map[string]bool{}
	for _, t := range r.wish.tables {
		for _, chain := range t.Chains {
			for _, rule := range chain.Rules {
				if why := rule.Restorable(); why != nil {
					refused = errors.Join(refused, r.leave(t.Name, rule, why))
				}
			}
		}
	}
	return refused
}

// leaveRefused works out what is missing and can be made, as far as can be told without making it.
func (c *Committer) leaveRefused(ctx context.Context, r *restoration, out *Restored) error {
	note := func(err error) {
		if err != nil {
			out.Notes = append(out.Notes, err.Error())
		}
	}
	note(r.leaveUnreadable())
	now, err := c.kernel.Tables.Read(ctx, r.variant)
	if err != nil {
		return err
	}
	for {
		r.work(now)
		err := c.kernel.Tables.Check(ctx, r.changes)
		culprit, known, _ := culpritOf(err)
		switch {
		case err == nil:
			return nil
		case !known || r.left[culprit.Table+" "+culprit.Rule.String()]:
			return fmt.Errorf("restore the rules of %s: %w", r.variant, err)
		}
		note(r.leave(culprit.Table, culprit.Rule, err))
	}
}

// mostTries is how often a part of the rules is tried, where it is not said which of them is refused.
const mostTries = 500

// restoreMissing makes all that is missing, but for what is left out.
func (c *Committer) restoreMissing(ctx context.Context, r *restoration, out *Restored) error {
	if r.tries++; r.tries > mostTries {
		return errTooMany
	}
	made, err := c.kernel.Tables.Follow(ctx, r.variant, func(now *rules.Ruleset) ([]rules.Change, error) {
		r.work(now)
		return r.changes, nil
	})
	out.Made = append(out.Made, made...)
	return err
}

// errTooMany is the error of those that were not tried any more.
var errTooMany = errors.New("too many rules are refused")

// leave has a rule left out from now on.
func (r *restoration) leave(table string, rule rules.Rule, why error) error {
	r.left[table+" "+rule.String()] = true
	return fmt.Errorf("not restored: table %s: %s (%w)", table, rule.String(), why)
}

// insertions are the rules that are missing.
func (r *restoration) insertions() (all []rules.Change) {
	for _, c := range r.changes {
		if c.Op == rules.Insert {
			all = append(all, c)
		}
	}
	return all
}

// restoreHalves restores the rules that are missing in two parts, each as far as it can be: who refuses them together
// does not say which he means.
func (c *Committer) restoreHalves(ctx context.Context, r *restoration, out *Restored, missing []rules.Change) error {
	half := len(missing) / 2
	if half == 0 {
		err := c.restoreMissing(ctx, r, out)
		if err == nil {
			return nil
		}
		return r.leave(missing[0].Table, missing[0].Rule, err)
	}
	set := func(part []rules.Change, left bool) {
		for _, m := range part {
			r.left[m.Table+" "+m.Rule.String()] = left
		}
	}
	var refused error
	set(missing, true)
	for _, part := range [][]rules.Change{missing[:half], missing[half:]} {
		set(part, false)
		if c.restoreMissing(ctx, r, out) != nil {
			refused = errors.Join(refused, c.restoreHalves(ctx, r, out, part))
		}
	}
	return refused
}

// culpritOf is the change of several that was refused, where the error tells. mended is false where the rest would fail
// as well: the error is no refusal of what is in them.
func culpritOf(err error) (culprit rules.Change, known, mended bool) {
	named := interface {
		error
		Culprit() (rules.Change, bool)
	}(nil)
	if !errors.As(err, &named) {
		return rules.Change{}, false, false
	}
	culprit, known = named.Culprit()
	return culprit, known && culprit.Op == rules.Insert, true
}
