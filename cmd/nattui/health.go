package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"nattui/model/conntrack"
	"nattui/model/facts"
	"nattui/rules"
	"nattui/ui/text"
)

// newHealthCommand makes "nattui health".
func newHealthCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "health",
		Short: "Print how full the connection table is and what it has lost",
		Long: "health prints the state of the kernel's connection table: how many connections there are and may be, what is counted, what was dropped, and what to do about it. " +
			"It exits with 10 when something is wrong.",
		Example: "nattui health\nnattui health --json | jq '.count / .max'",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return tellHealth(c, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// healthTold is the health of the table as JSON; what the kernel does not tell is absent.
type healthTold struct {
	Count      *int       `json:"count,omitempty"`
	Max        *int       `json:"max,omitempty"`
	Buckets    *int       `json:"buckets,omitempty"`
	Accounting string     `json:"accounting"`
	Timestamps string     `json:"timestamps"`
	Events     string     `json:"events"`
	NoRoom     *uint64    `json:"dropped_no_room,omitempty"`
	Failed     *uint64    `json:"insert_failed,omitempty"`
	Early      *uint64    `json:"early_drop,omitempty"`
	Invalid    *uint64    `json:"invalid,omitempty"`
	Notes      []noteTold `json:"notes,omitempty"`
	problems   bool
}

// noteTold is something to know of the table.
type noteTold struct {
	Name     string   `json:"name"`
	Severity string   `json:"severity"`
	Sentence string   `json:"sentence"`
	Cure     []string `json:"cure,omitempty"`
}

// healthOf is what is told of the health; notes are of this moment alone, with nothing to compare with.
func healthOf(h *facts.Health) healthTold {
	known := func(n int) *int {
		if n < 0 {
			return nil
		}
		return &n
	}
	t := healthTold{
		Count: known(h.Count), Max: known(h.Max), Buckets: known(h.Buckets),
		Accounting: h.Accounting.String(), Timestamps: h.Timestamps.String(), Events: h.Events.String(),
	}
	if h.HasStats {
		room := h.Stats.NoRoom()
		t.NoRoom, t.Failed, t.Early, t.Invalid = &room, &h.Stats.InsertFailed, &h.Stats.EarlyDrop, &h.Stats.Invalid
	}
	for _, n := range h.Notes(h, h) {
		t.Notes = append(t.Notes, noteTold{n.Name, n.Severity, n.Sentence, n.Cure})
		t.problems = t.problems || n.Severity != "note"
	}
	return t
}

func tellHealth(c *cobra.Command, asJSON bool) error {
	kernel, err := conntrack.Open(conntrack.Options{})
	if err != nil {
		return err
	}
	defer kernel.Close()
	h := kernel.Health()
	told := healthOf(&h)
	out := newOutput(c)
	if asJSON {
		err = json.NewEncoder(out).Encode(&told)
	} else {
		out.health(&told)
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err == nil && told.problems {
		return statusError(exitProblems)
	}
	return err
}

// health prints the state of the table in lines.
func (out *output) health(t *healthTold) {
	line := func(label, value string) {
		fmt.Fprintf(out, "%s %s\n", out.ink.faint.Render(text.Pad(label, 12, false)), value)
	}
	switch {
	case t.Count == nil:
		line("used", "not known: the kernel does not report it")
	case t.Max == nil || *t.Max == 0:
		line("used", rules.Plural(*t.Count, "connection"))
	default:
		line("used", fmt.Sprintf("%s of %s, %.1f %%", rules.Plural(*t.Count, "connection"), text.Exact(uint64(*t.Max)), 100*float64(*t.Count)/float64(*t.Max)))
	}
	line("kernel", "counts "+t.Accounting+", times "+t.Timestamps+", events "+t.Events)
	if t.NoRoom == nil {
		line("lost", "not known: the kernel does not report it")
	} else {
		line("lost", fmt.Sprintf("%s for lack of room, %s not entered, %s dropped early, %s invalid; since the table was made",
			rules.Plural(*t.NoRoom, "packet"), text.Exact(*t.Failed), text.Exact(*t.Early), text.Exact(*t.Invalid)))
	}
	for _, n := range t.Notes {
		line(n.Severity, text.Safe(n.Sentence))
		for _, cure := range n.Cure {
			line("", "$ "+text.Safe(cure))
		}
	}
	if len(t.Notes) == 0 {
		line("verdict", "no problems with the table, as of now")
	}
}
