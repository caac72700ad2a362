package ui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// pending is a change that is rolled back by itself unless it is confirmed.
type pending struct {
	id, by, from string
	deadline     time.Time
	proof        *FreshLogin
	leashed      bool // it also ends with the terminal that it was made from
}

// left is how long it still stands.
func (p *pending) left(now time.Time) time.Duration { return p.deadline.Sub(now) }

// whose names the change and who made it.
func (p *pending) whose() string {
	s := "change " + p.id
	if p.by != "" {
		s += " by " + p.by
	}
	if p.from != "" {
		s += " from " + p.from
	}
	return s
}

// countdownLine says how long the change still stands, and which keys settle it.
func (d *desk) countdownLine() string {
	left := max(0, d.pending.left(d.now)).Round(time.Second)
	keep := "  " + d.look.Accent.Render("C") + d.look.Faint.Render(" keep  ") + d.look.Accent.Render("R") + d.look.Faint.Render(" roll back")
	const keepWidth = 24
	line := fmt.Sprintf("! change %s will be rolled back in %s unless confirmed", d.pending.id, left)
	if d.gw.ReadOnly {
		keep = ""
	}
	if d.width < 64 {
		line = fmt.Sprintf("! %s left", left)
	}
	return " " + d.look.Attention.Render(text.Fit(line, max(10, d.width-2-keepWidth))) + keep
}

// proofLine tells, while a change waits, whether somebody has got through since; ""
// while none does.
func (d *desk) proofLine() string {
	p := d.pending
	switch {
	case p == nil:
		return ""
	case p.proof != nil:
		line := fmt.Sprintf("%s new SSH login from %s, %s after the change", d.look.Glyphs.Tick, p.proof.From, p.proof.After.Round(time.Second))
		return " " + d.look.Good.Render(text.Fit(line, d.width-2))
	}
	line := "it will be rolled back unless you confirm it"
	if p.from != "" || d.facts != nil && d.facts.Session != nil {
		line = "a new SSH login that succeeds is shown here"
	}
	switch {
	case p.by == "" || d.width < 60:
	case p.from != "":
		line = "by " + p.by + " from " + p.from + "; " + line
	default:
		line = "by " + p.by + "; " + line
	}
	return " " + d.look.Faint.Render(text.Fit(text.Safe(line), d.width-2))
}

// pendingMsg comes once a second while a change waits to be confirmed.
type pendingMsg struct {
	entry *JournalEntry // nil: none waits any more
	err   error
	again bool // it comes of watchPending
}

// watchPending looks after a change that waits to be confirmed: it may be
// confirmed, or rolled back, from elsewhere.
func (d *desk) watchPending() tea.Cmd {
	journal := d.gw.Journal
	if journal == nil {
		return nil
	}
	return tea.Tick(time.Second, func(time.Time) tea.Msg {
		e, err := journal.Waiting()
		return pendingMsg{e, err, true}
	})
}

// lookForPending asks once whether a change waits.
func (d *desk) lookForPending() tea.Cmd {
	journal := d.gw.Journal
	if journal == nil {
		return nil
	}
	return func() tea.Msg {
		e, err := journal.Waiting()
		return pendingMsg{entry: e, err: err}
	}
}

// seePending takes what the journal says of the change that waits.
func (d *desk) seePending(msg pendingMsg) tea.Cmd {
	watched := d.pending != nil && !msg.again
	switch e := msg.entry; {
	case msg.err != nil:
		d.fail(msg.err)
		if d.pending == nil {
			return nil
		}
	case e == nil:
		if d.pending != nil {
			d.pending = nil
			d.say("the change was confirmed or rolled back elsewhere: see History")
		}
		return nil
	default:
		d.pending = &pending{e.ID, e.By, e.From, e.Deadline, e.Proof, e.Leashed}
	}
	if watched {
		return nil // the next look is under way
	}
	return d.watchPending()
}

// settled takes how something about the journal went.
func (d *desk) settled(msg settledMsg) {
	if msg.err != nil {
		d.fail(msg.err)
		return
	}
	d.sayDone(msg.what)
	d.pending = nil // unless the journal says otherwise
}

// confirm says that the change that waits may stand; rollback rolls it back.
func (d *desk) confirm() tea.Cmd {
	return d.settlePending("the confirmation", "the change is confirmed", Journal.Confirm)
}

func (d *desk) rollback() tea.Cmd {
	return d.settlePending("the rollback", "the change is rolled back", Journal.Rollback)
}

func (d *desk) settlePending(task, what string, act func(Journal, context.Context, string) error) tea.Cmd {
	if d.pending == nil || d.gw.Journal == nil {
		return nil
	}
	journal, id := d.gw.Journal, d.pending.id
	return d.carryOut(task, func(ctx context.Context) (tea.Msg, string) {
		err := act(journal, ctx, id)
		return settledMsg{what, err}, outcomeOf("change "+id+": "+what, "change "+id+": "+task+" failed", err)
	})
}
