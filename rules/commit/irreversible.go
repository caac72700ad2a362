package commit

import (
	"fmt"

	"nattui/rules"
)

// Irreversible is the error of a change that takes a rule away which iptables-restore cannot make again: no rollback, undo or
// unpark could. Nothing was changed.
type Irreversible struct {
	Rule rules.Rule
	Why  error
}

// Error says which rule and what can be done.
func (e *Irreversible) Error() string {
	return fmt.Sprintf("the rule %q could not be restored by a rollback, undo or unpark: iptables-restore cannot read it (%v); nothing was changed. With --yes --confirm off it can be deleted, for good", e.Rule.String(), e.Why)
}

// Sentence says that what is agreed to cannot be undone.
func (e *Irreversible) Sentence() string {
	return fmt.Sprintf("this cannot be undone: iptables-restore cannot read the rule (%v), so it is gone for good: %s", e.Why, e.Rule.String())
}

// Unwrap is why.
func (e *Irreversible) Unwrap() error { return e.Why }

// irreversible refuses a change with a way back that nobody can go, unless it was agreed to that there is none.
func irreversible(plan rules.Plan, o Options) error {
	if o.Final && o.Confirm == 0 && o.For == 0 && o.Kind != KindPark {
		return nil
	}
	if e := FinalOf(plan); e != nil {
		return e
	}
	return nil
}

// FinalOf is what of a plan could not be undone; nil where all could.
func FinalOf(plan rules.Plan) *Irreversible {
	for _, c := range plan.Changes() {
		gone := rules.Rule{}
		switch c.Op {
		case rules.Delete, rules.Move:
			gone = c.Rule
		case rules.Replace:
			gone = c.Old
		}
		if gone.IsZero() {
			continue
		}
		if err := gone.Restorable(); err != nil {
			return &Irreversible{gone, err}
		}
	}
	return nil
}
