package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"nattui/model/conntrack"
	"nattui/rules"
	"nattui/rules/commit"
	"nattui/rules/iptables"
	"nattui/rules/nft"
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
	if _, err := commit.Open(c.Store().Dir()); err != nil {
		return nil, err
	}
	if err := c.Recover(ctx); err != nil {
		return nil, err
	}
	return &safeChanges{c, tables}, nil
}

// Apply runs the plan.
func (s *safeChanges) Apply(ctx context.Context, p rules.Plan, t ui.Terms) (ui.Done, error) {
	o := optionsOf(ctx, t)
	if changes := p.Changes(); t.Park && len(changes) == 1 {
		return doneOf(s.committer.Park(ctx, changes[0], o))
	}
	if t.Park {
		o.Kind = commit.KindPark
	}
	p, err := proven(ctx, p)
	if err != nil {
		return ui.Done{}, asConflict(err)
	}
	return doneOf(s.committer.Run(ctx, p, o))
}

func optionsOf(ctx context.Context, t ui.Terms) commit.Options {
	o := operator(ctx)
	o.Confirm, o.For = t.Confirm, t.For
	if t.Provers != nil {
		o.Operators, o.Others = t.Provers, t.Unproven
	}
	return o
}

func doneOf(e commit.Entry, err error) (ui.Done, error) {
	if err != nil {
		return ui.Done{}, asConflict(err)
	}
	return ui.Done{ID: e.ID, Plan: e.Plan, Deadline: e.Deadline}, nil
}

// Entries lists all changes, the latest first.
func (s *safeChanges) Entries() ([]ui.JournalEntry, error) {
	history, aside, err := s.committer.Store().History()
	if err != nil {
		return nil, err
	}
	entries := make([]ui.JournalEntry, 0, len(history))
	for i := range history {
		entries = append(entries, shownEntry(&history[i]))
	}
	slices.SortStableFunc(entries, func(a, b ui.JournalEntry) int { return b.At.Compare(a.At) })
	if len(aside) > 0 {
		return entries, fmt.Errorf("a part of the journal is damaged; it was moved to %s", aside[0])
	}
	return entries, nil
}

// Snapshots are the points that one can go back to, the latest first.
func (s *safeChanges) Snapshots() ([]ui.JournalEntry, error) {
	list, err := snapshots()
	entries := make([]ui.JournalEntry, 0, len(list))
	for _, s := range slices.Backward(list) {
		entries = append(entries, ui.JournalEntry{At: s.At, Snapshot: s.Name, Summary: snapshotTitle(&s), State: "snapshot", Result: s.damage(), Files: []string{s.Path}})
	}
	return entries, err
}

// RestorePlan is what leads back to a snapshot from what is there now, with what is to be known about it.
func (s *safeChanges) RestorePlan(ctx context.Context, name string) (rules.Plan, []string, error) {
	file, err := readSnapshot(ctx, name)
	if err != nil {
		return rules.Plan{}, nil, notReadSnapshot(name, err)
	}
	sets, err := s.tables.ReadAll(ctx)
	if err != nil {
		return rules.Plan{}, nil, err
	}
	plan, notes, err := (&applyOptions{}).whole(ctx, s.tables, sets, "snapshot "+name, &file)
	if err != nil {
		return plan, nil, err
	}
	return plan, append(notes, doubtful(ctx, plan)...), s.tables.Check(ctx, plan.Changes())
}

// lookingJournal is the journal where nattui only looks: what was changed, and what waits. Nothing of it writes,
// and it starts no program.
type lookingJournal struct{ *safeChanges }

// lookAtJournal opens the journal for reading.
func lookAtJournal(tables *iptables.Host) (ui.Journal, error) {
	c, err := openCommitter(tables, nil)
	if err != nil {
		return nil, err
	}
	return lookingJournal{&safeChanges{c, tables}}, nil
}

var errOnlyLooks = errors.New("read-only: nattui was started with --read-only")

// Confirm is refused, and so is what follows.
func (lookingJournal) Confirm(context.Context, string) (string, error) { return "", errOnlyLooks }

// Rollback is refused.
func (lookingJournal) Rollback(context.Context, string) error { return errOnlyLooks }

// Undo is refused.
func (lookingJournal) Undo(context.Context, string, ui.Terms) (ui.Done, error) {
	return ui.Done{}, errOnlyLooks
}

// RestorePlan is refused: to work it out takes programs.
func (lookingJournal) RestorePlan(context.Context, string) (rules.Plan, []string, error) {
	return rules.Plan{}, nil, errOnlyLooks
}

// Drift is not known: to tell it takes programs.
func (lookingJournal) Drift(context.Context) (ui.Unsaved, error) { return ui.Unsaved{}, errOnlyLooks }

// Save is refused.
func (lookingJournal) Save(context.Context, ui.SaveTerms) error { return errOnlyLooks }

func shownEntry(e *commit.Entry) ui.JournalEntry {
	return ui.JournalEntry{
		ID: e.ID, At: e.At, By: e.By, From: e.From, State: string(e.Outlook()), Deadline: e.Deadline, Expires: e.Expires,
		Summary: e.Summary(), Commands: e.Commands(), Result: e.Result, Stands: e.Stands() && e.UndoneBy == "", Undoes: e.Undoes, UndoneBy: e.UndoneBy, Outside: e.Kind == commit.KindOutside,
		Leashed: e.Leashed() && e.FromHere(),
	}
}

// Waiting is the change that waits to be confirmed.
func (s *safeChanges) Waiting() (*ui.JournalEntry, error) {
	e, err := s.committer.Store().Waiting()
	if err != nil || e == nil || e.Deadline.IsZero() {
		return nil, err
	}
	shown := shownEntry(e)
	if p := proofOf(e); p.Login.User != "" {
		shown.Proof = &ui.FreshLogin{From: p.Login.From, After: p.After}
	}
	return &shown, nil
}

// RuleNotes tells which rules are parked, and who made the others and until when.
func (s *safeChanges) RuleNotes(sets map[rules.Variant]*rules.Ruleset, native *nft.Ruleset) (ui.RuleNotes, error) {
	store := s.committer.Store()
	parked, err := store.Parked()
	if err != nil {
		return ui.RuleNotes{}, err
	}
	notes := ui.RuleNotes{Made: map[ui.RuleLine]ui.RuleNote{}}
	for i := range parked {
		e := &parked[i]
		if back, ok := e.Return(sets); ok {
			notes.Parked = append(notes.Parked, ui.Parked{ID: e.ID, By: e.By, At: e.At, Return: back})
		}
		if back, ok := e.ReturnNative(native); ok {
			notes.Parked = append(notes.Parked, ui.Parked{ID: e.ID, By: e.By, At: e.At, Native: &back})
		}
	}
	history, _, err := store.History()
	if err != nil {
		return notes, err
	}
	for i := range history {
		e := &history[i]
		if !e.Stands() || e.UndoneBy != "" || e.Kind == commit.KindOutside || e.Kind == commit.KindUndo {
			continue
		}
		for _, c := range e.Plan.Changes() {
			if c.Op == rules.Insert || c.Op == rules.Replace {
				at := ui.RuleLine{Variant: rules.Variant{Family: c.Family, Backend: c.Backend}, Table: c.Table, Line: c.Rule.InChain(c.Chain).String()}
				notes.Made[at] = ui.RuleNote{ID: e.ID, By: e.By, From: e.From, At: e.At, Expires: e.Expires, Times: notes.Made[at].Times + 1}
			}
		}
	}
	return notes, nil
}

func (s *safeChanges) Confirm(ctx context.Context, id string) (gone string, err error) {
	e, err := s.committer.Store().Waiting()
	if err != nil {
		return "", err
	}
	if e != nil && (id == "" || e.ID == id) {
		if p := thoroughProof(ctx, e); p.Lacking != "" {
			return "", unproven(p)
		}
	}
	confirmed, err := s.committer.Confirm(ctx, id)
	return confirmed.Gone, err
}

func (s *safeChanges) Rollback(ctx context.Context, id string) error {
	_, err := s.committer.Rollback(ctx, id)
	return err
}

// UndoPlan is what takes a change back as things are now.
func (s *safeChanges) UndoPlan(ctx context.Context, id string) (rules.Plan, error) {
	_, plan, err := s.committer.UndoPlan(ctx, id)
	return plan, err
}

// Undo takes a change back.
func (s *safeChanges) Undo(ctx context.Context, id string, t ui.Terms) (ui.Done, error) {
	e, err := s.committer.Undo(ctx, id, optionsOf(ctx, t))
	if err == nil {
		err = followUnits(ctx, e, false)
	}
	return doneOf(e, err)
}

// Drift compares what runs with what is saved for reboot.
func (s *safeChanges) Drift(ctx context.Context) (ui.Unsaved, error) {
	o, err := saveOptions(ctx, s.tables)
	if err != nil {
		return ui.Unsaved{}, err
	}
	d, err := s.committer.Drift(o)
	if err != nil {
		return ui.Unsaved{}, err
	}
	lost := len(commit.RulesOf(d.Running))
	shown := ui.Unsaved{Rules: lost + len(commit.RulesOf(d.Saved)), Lost: lost, Chains: len(d.Chains()) + len(d.Order), Fewer: d.Fewer, Unwatched: d.Unwatched, Idle: d.Idle, Others: d.Others, Writes: fileWords(d.Files)}
	if commit.Restores(d.Method) {
		shown.By = d.Method
	}
	add := func(what string, list []commit.Drifted) {
		for _, x := range list {
			if len(shown.Lines) < driftLines {
				shown.Lines = append(shown.Lines, what+": "+x.Variant.String()+" "+x.Table+" "+x.Line)
			}
		}
	}
	add("running, not saved", d.Running)
	add("saved, not running", d.Saved)
	if more := len(d.Running) + len(d.Saved) - len(shown.Lines); more > 0 && len(shown.Lines) == driftLines {
		shown.Lines = append(shown.Lines, fmt.Sprintf("and %d more", more))
	}
	shown.Lines = slices.Concat(shown.Lines, d.Idle, d.Others, d.Notes)
	return shown, nil
}

// fileWords names the files that a save writes, and what is set in those that set what the kernel does.
func fileWords(files []commit.File) (list []string) {
	for _, f := range files {
		switch {
		case f.Remove:
			list = append(list, f.Path+" no more: it is removed")
		case strings.HasPrefix(f.Path, "/etc/sysctl.d/"):
			list = append(list, f.Path+": "+strings.Join(settingsIn(f.New), ", "))
		default:
			list = append(list, f.Path)
		}
	}
	return list
}

// settingsIn are the lines of a file of sysctl.d(5) that set something.
func settingsIn(text []byte) (lines []string) {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.Contains(line, "=") && line[0] != '#' && line[0] != ';' {
			lines = append(lines, line)
		}
	}
	return lines
}

// driftLines is how many differences are named.
const driftLines = 5

// Save keeps what runs for the next start of the host.
func (s *safeChanges) Save(ctx context.Context, t ui.SaveTerms) error {
	o, err := saveOptions(ctx, s.tables)
	if err != nil {
		return err
	}
	who := operator(ctx)
	o.By, o.From, o.Replace, o.Watch = who.By, who.From, t.Fewer, t.Watch
	e, _, err := s.committer.Save(ctx, o)
	if err != nil {
		return err
	}
	return followUnits(ctx, e, t.Watch)
}

// withoutJournal explains why changes are refused where no journal can be kept.
func withoutJournal(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "nothing can be changed: " + err.Error()
	}
	return "nothing can be changed without a journal: " + err.Error() + "; NATTUI_STATE names another directory"
}
