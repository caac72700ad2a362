package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nattui/rules/commit"
	"nattui/ui/text"
)

// historyLine is a change or a snapshot as JSON. The names are stable.
type historyLine struct {
	ID       string   `json:"id"`
	At       string   `json:"at"`
	By       string   `json:"by"`
	From     string   `json:"from,omitempty"`
	State    string   `json:"state"`
	Deadline string   `json:"deadline,omitempty"`
	Commands []string `json:"commands"`
	Summary  string   `json:"summary"`
	// What not every change has.
	Kind     string `json:"kind,omitempty"`
	Undoes   string `json:"undoes,omitempty"`
	UndoneBy string `json:"undone_by,omitempty"`
	Expires  string `json:"expires,omitempty"`
	Result   string `json:"result,omitempty"`
	// What only a snapshot has; its id is "", as nobody can undo or confirm it.
	Snapshot string `json:"snapshot,omitempty"`
	Path     string `json:"path,omitempty"`
}

// historyPoint is one of the two that a history is made of.
type historyPoint struct {
	change   *commit.Entry
	snapshot *snapshotJSON
}

// pointsOf are changes with the snapshots among them, each where it was taken, and all in their order.
func pointsOf(changes []commit.Entry, taken []snapshotJSON) []historyPoint {
	points := make([]historyPoint, 0, len(changes)+len(taken))
	for i := range changes {
		for len(taken) > 0 && taken[0].At.Before(changes[i].At) {
			points, taken = append(points, historyPoint{snapshot: &taken[0]}), taken[1:]
		}
		points = append(points, historyPoint{change: &changes[i]})
	}
	for i := range taken {
		points = append(points, historyPoint{snapshot: &taken[i]})
	}
	return points
}

// newHistoryCommand makes "nattui history".
func newHistoryCommand() *cobra.Command {
	var asJSON bool
	var limit int
	c := &cobra.Command{
		Use:   "history",
		Short: "List the changes made with nattui, by whom, and their outcome",
		Long: "history lists the changes made with nattui on this host, the latest last: when, by whom and from where, " +
			"the commands, and whether the change is applied, unconfirmed, or rolled back. " +
			"Snapshots stand among them where they were taken; nattui restore NAME goes back to one. " +
			"It also lists what other programs changed while nattui's screens were open, with the program's name if the kernel tells it (nft).",
		Example: "nattui history\nnattui history --json | jq 'select(.state==\"pending\")'",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit %d: use the number of latest changes, or 0 for all", limit)
			}
			store, err := commit.Look(commit.Directory())
			if err != nil {
				return err
			}
			entries, aside, err := store.History()
			if err != nil {
				return err
			}
			taken, err := snapshots()
			if err != nil {
				say(c.ErrOrStderr(), text.Safe("the snapshots cannot be read: "+err.Error()))
			}
			points := pointsOf(entries, taken)
			if limit > 0 {
				points = points[max(0, len(points)-limit):]
			}
			for _, path := range aside {
				say(c.ErrOrStderr(), "a part of the journal was damaged and moved to "+path)
			}
			out := newOutput(c)
			if asJSON {
				err = out.historyJSON(points)
			} else {
				out.history(points)
			}
			if err != nil {
				return err
			}
			return out.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().IntVar(&limit, "limit", 0, "only this many of the latest changes and snapshots")
	return c
}

func (o *output) historyJSON(points []historyPoint) error {
	enc := json.NewEncoder(o)
	enc.SetEscapeHTML(false)
	for _, p := range points {
		if err := enc.Encode(p.line()); err != nil {
			return err
		}
	}
	return nil
}

func (p *historyPoint) line() historyLine {
	if s := p.snapshot; s != nil {
		return historyLine{
			At: s.At.Format(time.RFC3339), State: "snapshot", Kind: "snapshot", Commands: []string{}, Summary: snapshotTitle(s), Result: s.damage(),
			Snapshot: s.Name, Path: s.Path,
		}
	}
	e := p.change
	return historyLine{
		ID: e.ID, At: e.At.Format(time.RFC3339), By: e.By, From: e.From, State: string(e.Outlook()), Deadline: moment(e.Deadline),
		Commands: append([]string{}, e.Commands()...), Summary: e.Summary(),
		Kind: string(e.Kind), Undoes: e.Undoes, UndoneBy: e.UndoneBy, Expires: moment(e.Expires), Result: e.Result,
	}
}

// snapshotTitle is what a history calls a snapshot.
func snapshotTitle(s *snapshotJSON) string { return "Snapshot " + s.Name }

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// history prints the changes and snapshots for a person.
func (o *output) history(points []historyPoint) {
	if len(points) == 0 {
		fmt.Fprintln(o, "No changes are recorded here.")
		return
	}
	for _, p := range points {
		if p.snapshot != nil {
			o.pointOfReturn(p.snapshot)
			continue
		}
		e := *p.change
		who := e.By
		if e.Kind == commit.KindOutside {
			who = "by " + who + ", outside nattui"
		}
		if e.From != "" {
			who += " from " + e.From
		}
		fmt.Fprintf(o, "%s  %s  %s\n", o.ink.strong.Render(e.ID), e.At.Local().Format("2006-01-02 15:04:05"), text.Safe(strings.TrimSpace(who+"  "+outcome(e))))
		fmt.Fprintln(o, "    "+text.Safe(e.Summary()))
		for _, line := range e.Commands() {
			fmt.Fprintln(o, "    "+o.ink.faint.Render(text.Safe(line)))
		}
		for _, f := range e.Files {
			fmt.Fprintln(o, "    "+o.ink.faint.Render(text.Safe("wrote "+f.Path)))
		}
		if e.Unconfirmed() {
			if p := proofOf(&e); p.Login.User != "" {
				fmt.Fprintln(o, "    "+text.Safe(fmt.Sprintf("%s has logged in from %v %s", p.Login.User, p.Login.From, age(p.After))))
			}
		}
	}
}

// pointOfReturn prints a snapshot among changes.
func (o *output) pointOfReturn(s *snapshotJSON) {
	fmt.Fprintf(o, "%s  %s  %s\n", o.ink.strong.Render("snapshot"), s.At.Local().Format("2006-01-02 15:04:05"), s.Name)
	back := "go back to it:  nattui restore " + s.Name
	if s.Damage != "" {
		back = s.damage()
	}
	fmt.Fprintln(o, "    "+text.Safe(back))
	fmt.Fprintln(o, "    "+o.ink.faint.Render(text.Safe(s.Path)))
}

// outcome is what became of a change, in words.
func outcome(e commit.Entry) string {
	words := string(e.State)
	switch {
	case e.Kind == commit.KindOutside:
		return ""
	case e.Unconfirmed() && !e.Deadline.IsZero():
		words = "unconfirmed until " + e.Deadline.Local().Format("15:04:05")
	case e.UndoneBy != "":
		words = "undone by " + e.UndoneBy
	case e.State == commit.Applied:
		words = "applied"
	case e.State == commit.Confirmed:
		words = "confirmed"
	case e.State == commit.RolledBack:
		words = "rolled back"
	case e.State == commit.Pending:
		words = "in progress"
	case e.State == commit.Unknown:
		words = "not known"
	}
	if !e.Expires.IsZero() && e.UndoneBy == "" {
		words += ", expires " + e.Expires.Local().Format("2006-01-02 15:04:05")
	}
	if e.Result != "" {
		words += ": " + e.Result
	}
	return words
}

// offerChanges completes the id of a change.
func offerChanges(c *cobra.Command, which func(commit.Entry) bool) {
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		store, err := commit.Look(commit.Directory())
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		entries, _, _ := store.History()
		var ids []string
		for _, e := range slices.Backward(entries) {
			if which(e) {
				ids = append(ids, e.ID+"\t"+text.Safe(e.Summary()))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// oneID allows the id of a change, or none.
func oneID(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("give one change at most; see  %s --help", c.CommandPath())
	}
	return nil
}

func firstOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
