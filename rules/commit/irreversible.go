package commit

import (
	"fmt"

	"nattui/rules"
)

// Irreversible is the error of a change that is to be rolled back or undone later and could not be: it takes a
// rule away that iptables-restore cannot make again. Nothing was changed.
type Irreversible struct {
	Rule rules.Rule
	Why  error
}

// Error says which rule and what can be done.
func (e *Irreversible) Error() string {
	return fmt.Sprintf("the rule %q could not be restored by a rollback or unpark: iptables-restore cannot read it (%v); nothing was changed. Without a countdown (--confirm off) it can be deleted, for good", e.Rule.String(), e.Why)
}

// Unwrap is why.
func (e *Irreversible) Unwrap() error { return e.Why }

// irreversible refuses a change with a way back that nobody can go.
func irreversible(plan rules.Plan, o Options) error {
	if o.Confirm == 0 && o.For == 0 && o.Kind != KindPark {
		return nil
	}
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
