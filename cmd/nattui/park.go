package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nattui/rules"
	"nattui/rules/commit"
	"nattui/ui/text"
)

// newParkCommand makes "nattui park".
func newParkCommand() *cobra.Command {
	var o deleteOptions
	c := &cobra.Command{
		Use:   "park CHAIN NUMBER",
		Short: "Park a rule: remove it for now, to be restored with its position and counters",
		Long: "park removes a rule without losing it: the journal keeps it with its position and counters, even when nattui restarts, until  nattui unpark  restores it. " +
			"nattui rules shows it at its old position.",
		Example: "nattui park PREROUTING 2\nnattui unpark",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("which rule? give its CHAIN and NUMBER; nattui rules lists them")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return o.park(c, args) },
	}
	o.registerPlaces(c)
	o.approval.register(c.Flags())
	o.approval.confirm.register(c.Flags())
	return c
}

// park puts the rule away that the arguments name.
func (o *deleteOptions) park(c *cobra.Command, args []string) error {
	host, native, err := o.isNative(c)
	if err != nil {
		return err
	}
	if native {
		return o.parkNative(c, host, args)
	}
	tables, deletion, err := o.find(c, args)
	if err != nil {
		return err
	}
	return o.carry(c, tables, rules.Single(deletion), func(ctx context.Context, committer *commit.Committer, p commit.Options) (commit.Entry, error) {
		return committer.Park(ctx, deletion, p)
	})
}

// newUnparkCommand makes "nattui unpark".
func newUnparkCommand() *cobra.Command {
	return undoing(&cobra.Command{
		Use:   "unpark [ID]",
		Short: "Restore a parked rule to its position, with its counters",
		Long: "unpark restores the rule that was parked last, or by the given change, between its old neighbours and with its old counters. " +
			"If both neighbours are gone, it gets its old number.",
		Example: "nattui unpark\nnattui unpark 12",
	}, func(e commit.Entry) bool { return e.Kind == commit.KindPark && e.Stands() && e.UndoneBy == "" }, parkedID)
}

// parkedID is the change that parked a rule which is parked now: the last one
// where none is named.
func parkedID(id string) (string, error) {
	store, err := commit.Look(commit.Directory())
	if err != nil {
		return "", err
	}
	parked, err := store.Parked()
	if err != nil {
		return "", err
	}
	for i := len(parked) - 1; i >= 0; i-- {
		if id == "" || parked[i].ID == id {
			return parked[i].ID, nil
		}
	}
	if id == "" {
		return "", errors.New("no rule is parked")
	}
	return "", fmt.Errorf("change %s parked no rule", text.Safe(id))
}

// parkedRules are the rules that are parked, by where they would come back to in
// the sets. A journal that cannot be read has none.
func parkedRules(sets map[rules.Variant]*rules.Ruleset) []parkedRule {
	store, err := commit.Look(commit.Directory())
	if err != nil {
		return nil
	}
	entries, err := store.Parked()
	if err != nil {
		return nil
	}
	var list []parkedRule
	for i := range entries {
		if back, ok := entries[i].Return(sets); ok {
			list = append(list, parkedRule{entries[i].ID, back})
		}
	}
	return list
}

// parkedRule is a rule that is parked, with the change that brings it back.
type parkedRule struct {
	id   string
	back rules.Change
}
