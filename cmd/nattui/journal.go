package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"nattui/model/conntrack"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/ui"
)

// safeChanges carries out plans for the screens, with a journal and a way back,
// and answers what the screens ask about the journal.
type safeChanges struct {
	committer *commit.Committer
	tables    *iptables.Host
}

// openSafeChanges opens the state directory and settles what an interrupted
// nattui left. It fails where the directory cannot be used.
func openSafeChanges(ctx context.Context, tables *iptables.Host, flows *conntrack.Table) (*safeChanges, error) {
	c, err := openCommitter(tables, flows)
	if err != nil {
		return nil, err
	}
	if err := c.Recover(ctx); err != nil {
		return nil, err
	}
	return &safeChanges{c, tables}, nil
}

// Apply runs the plan.
func (s *safeChanges) Apply(ctx context.Context, p rules.Plan, confirm time.Duration) (rules.Plan, time.Time, error) {
	o, _ := operator(ctx)
	o.Confirm = confirm
	e, err := s.committer.Run(ctx, p, o)
	if err != nil {
		return p, time.Time{}, asConflict(err)
	}
	return e.Plan, e.Deadline, nil
}

// Entries lists all changes, the latest first.
func (s *safeChanges) Entries() ([]ui.Entry, error) {
	history, aside, err := s.committer.Store().History()
	if err != nil {
		return nil, err
	}
	entries := make([]ui.Entry, 0, len(history))
	for i := range history {
		entries = append(entries, shownEntry(&history[i]))
	}
	slices.SortStableFunc(entries, func(a, b ui.Entry) int { return b.At.Compare(a.At) })
	if len(aside) > 0 {
		return entries, fmt.Errorf("a part of the journal is damaged; it was set aside in %s", aside[0])
	}
	return entries, nil
}

func shownEntry(e *commit.Entry) ui.Entry {
	return ui.Entry{
		ID: e.ID, At: e.At, By: e.By, From: e.From, State: string(e.State), Deadline: e.Deadline,
		Summary: e.Summary(), Commands: e.Commands(), Result: e.Result, Stands: e.Stands(),
	}
}

// Waiting is the change that waits to be confirmed.
func (s *safeChanges) Waiting() (*ui.Entry, error) {
	e, err := s.committer.Store().Waiting()
	if err != nil || e == nil || e.Deadline.IsZero() {
		return nil, err
	}
	shown := shownEntry(e)
	return &shown, nil
}

func (s *safeChanges) Confirm(ctx context.Context, id string) error {
	_, err := s.committer.Confirm(ctx, id)
	return err
}

func (s *safeChanges) Rollback(ctx context.Context, id string) error {
	_, err := s.committer.Rollback(ctx, id)
	return err
}

func (s *safeChanges) Undo(ctx context.Context, id string) error {
	o, _ := operator(ctx)
	_, err := s.committer.Undo(ctx, id, o)
	return asConflict(err)
}

// Drift compares what runs with what is kept for boot.
func (s *safeChanges) Drift(ctx context.Context) (ui.Drift, error) {
	o, err := saveOptions(ctx, s.tables)
	if err != nil {
		return ui.Drift{}, err
	}
	d, err := s.committer.Drift(o)
	if err != nil {
		return ui.Drift{}, err
	}
	shown := ui.Drift{Rules: len(d.Running) + len(d.Saved) + len(d.Order)}
	add := func(what string, list []commit.Drifted) {
		for _, x := range list {
			if len(shown.Lines) < driftLines {
				shown.Lines = append(shown.Lines, what+": "+x.Place.String()+" "+x.Table+" "+x.Line)
			}
		}
	}
	add("runs, and is not kept", d.Running)
	add("is kept, and does not run", d.Saved)
	if more := shown.Rules - len(shown.Lines); more > 0 && len(shown.Lines) == driftLines {
		shown.Lines = append(shown.Lines, fmt.Sprintf("and %d more", more))
	}
	shown.Lines = append(shown.Lines, d.Notes...)
	return shown, nil
}

// driftLines is how many differences are named.
const driftLines = 5

// Save keeps what runs for the next start of the host.
func (s *safeChanges) Save(ctx context.Context) error {
	o, err := saveOptions(ctx, s.tables)
	if err != nil {
		return err
	}
	who, _ := operator(ctx)
	o.By, o.From = who.By, who.From
	_, _, err = s.committer.Save(ctx, o)
	return err
}

// withoutJournal explains why changes are refused where no journal can be kept.
func withoutJournal(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "nothing can be changed: " + err.Error()
	}
	return "nothing can be changed without a journal: " + err.Error() + "; NATTUI_STATE names another directory"
}
