package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nattui/rules"
)

// errNoFrontEnds is the error of an order where nobody could take it.
var errNoFrontEnds = errors.New("orders to firewalld and ufw cannot be given here")

// checkOrder finds out whether an order would change anything.
func (c *Committer) checkOrder(ctx context.Context, o rules.Order) (rules.Order, error) {
	if c.kernel.FrontEnds == nil {
		return o, errNoFrontEnds
	}
	has, err := c.kernel.FrontEnds.Has(ctx, o)
	o.Idle = has != o.Gone
	return o, err
}

// giveOrder carries an order out and asks whether it was.
func (c *Committer) giveOrder(ctx context.Context, o rules.Order) error {
	if o.Idle {
		return nil
	}
	c.step("order")
	if err := c.kernel.FrontEnds.Give(ctx, o); err != nil {
		return err
	}
	has, err := c.kernel.FrontEnds.Has(ctx, o)
	if err == nil && has == o.Gone {
		err = fmt.Errorf("%s took the command and did nothing: %s", o.By, rules.ShellLine(o.Command()))
	}
	return err
}

// revertOrders undoes the orders of an entry that changed something and stand.
func (c *Committer) revertOrders(ctx context.Context, e *Entry) (notes []string) {
	for _, o := range slices.Backward(e.Plan.Orders()) {
		if o.Idle {
			continue
		}
		back, err := c.checkOrder(ctx, o.Inverse())
		if err == nil {
			err = c.giveOrder(ctx, back)
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s was not told: %s: %v", o.By, rules.ShellLine(o.Inverse().Command()), err))
		}
	}
	return notes
}

// undoOrders adds what undoes the orders of an entry to a plan.
func (c *Committer) undoOrders(ctx context.Context, e *Entry, plan *rules.Plan) error {
	for _, o := range slices.Backward(e.Plan.Orders()) {
		if o.Idle {
			continue
		}
		back, err := c.checkOrder(ctx, o.Inverse())
		if err != nil {
			return err
		}
		if !back.Idle {
			plan.Steps = append(plan.Steps, rules.Step{Order: &back})
		}
	}
	return nil
}
