package ui

import (
	"context"
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"nattui/ui/text"
)

// pending is a change that is rolled back by itself unless it is confirmed.
type pending struct {
	id, by, from string
	at, deadline time.Time
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

// countdownLine says how long the change still stands, and which keys settle it. It has a line of its own, so that it
// hides nothing that is said, and is hidden by nothing.
func (a *App) countdownLine() string {
	if a.pending == nil {
		return ""
	}
	keys := a.settlingKeys()
	words := a.countdownWords(a.width - 3 - text.Width(keys))
	if p := a.pending; p.proof != nil && a.said.text != "" { // else the last line tells of it
		words = a.leftWords() + "; " + a.proofWords()
	}
	return " " + a.look.Attention.Render(text.Fit("! "+words, max(10, a.width-1-text.Width(keys)))) + keys
}

// settlingKeys are the keys that settle the change; in a box, and where letters are text, they do not.
func (a *App) settlingKeys() (labels string) {
	if a.gw.ReadOnly || a.top() != nil || a.typing() {
		return ""
	}
	for _, b := range []key.Binding{keys.Confirm, keys.Rollback} {
		labels += "  " + a.look.Key(b.Help().Key, b.Help().Desc)
	}
	return labels
}

// countdownWords are the most that fit; which these are does not depend on how much time is left.
func (a *App) countdownWords(room int) string {
	const longest, unless = "59m59s", " unless confirmed"
	for _, begin := range []string{"change " + a.pending.id + " will be rolled back in ", "change " + a.pending.id + ": rolled back in ", "rolled back in "} {
		if text.Width(begin+longest+unless) <= room {
			return begin + a.timeLeft() + unless
		}
	}
	return a.leftWords()
}

func (d *desk) timeLeft() string { return max(0, d.pending.left(d.now)).Round(time.Second).String() }

func (d *desk) leftWords() string { return d.timeLeft() + " left" }

func (d *desk) proofWords() string {
	return d.look.Glyphs.Tick + " new SSH login from " + d.pending.proof.From.String()
}

// proofLine tells, while a change waits, whether somebody has got through since; ""
// while none does.
func (d *desk) proofLine() string {
	p := d.pending
	switch {
	case p == nil:
		return ""
	case p.proof != nil:
		line := d.proofWords() + ", " + p.proof.After.Round(time.Second).String() + " after the change"
		return " " + d.look.Good.Render(text.Fit(line, d.width-2))
	}
	line := "it will be rolled back unless you confirm it"
	switch {
	case p.from != "" || d.facts != nil && d.facts.Session != nil:
		line = "a new SSH login is shown here"
	case d.gw.ReadOnly:
		line = "it will be rolled back unless it is confirmed"
	}
	whole := "C" + p.whose()[1:]
	switch long := whole + "; " + line; {
	case p.by == "" || d.width < 60:
		whole = strings.ToUpper(line[:1]) + line[1:]
	case len(long) <= d.width-2:
		whole = long
	}
	return " " + d.look.Faint.Render(text.Fit(text.Safe(whole), d.width-2))
}

// pendingMsg comes once a second while a change waits to be confirmed.
type pendingMsg struct {
	entry  *JournalEntry // nil: none waits any more
	ended  *JournalEntry // what has become of the one that waited; nil: that is not known
	err    error
	number uint64
}

// watchPending looks after a change that waits to be confirmed: it may be
// confirmed, or rolled back, from elsewhere.
func (d *desk) watchPending() tea.Cmd {
	look := d.lookForPending()
	if look == nil {
		return nil
	}
	return tea.Tick(time.Second, func(time.Time) tea.Msg { return look() })
}

// lookForPending asks once whether a change waits, and what became of the one that did.
func (d *desk) lookForPending() tea.Cmd {
	journal, id := d.gw.Journal, ""
	if journal == nil {
		return nil
	}
	if d.pending != nil {
		id = d.pending.id
	}
	number := d.asks.pending.ask()
	return func() tea.Msg {
		e, err := journal.Waiting()
		msg := pendingMsg{entry: e, err: err, number: number}
		if err != nil || id == "" || e != nil && e.ID == id {
			return msg
		}
		entries, _ := journal.Entries() // History says what is wrong with the journal
		for i := range entries {
			if entries[i].ID == id {
				msg.ended = &entries[i]
			}
		}
		return msg
	}
}

// seePending takes what the journal says of the change that waits, and has it looked at again in a second; a look that was
// overtaken is followed by none.
func (d *desk) seePending(msg pendingMsg) tea.Cmd {
	if !d.asks.pending.hear(msg.number) {
		return nil
	}
	var ended tea.Cmd
	if d.pending != nil && msg.err == nil && (msg.entry == nil || msg.entry.ID != d.pending.id) {
		ended = d.sayEnded(msg.ended)
	}
	switch e := msg.entry; {
	case msg.err != nil:
		d.fail(msg.err)
		if d.pending == nil {
			return nil
		}
	case e == nil:
		d.pending = nil
		return ended
	default:
		d.pending = &pending{e.ID, e.By, e.From, e.At, e.Deadline, e.Proof, e.Leashed}
	}
	return tea.Batch(ended, d.watchPending())
}

// sayEnded says what became of the change that waited, other than by a key of these screens.
func (d *desk) sayEnded(e *JournalEntry) (next tea.Cmd) {
	p := d.pending
	name := "change " + p.id
	switch {
	case e == nil || e.ID != p.id:
		d.refuse(name + " no longer waits; whether it was confirmed is not known: see History")
	case e.State == "rolled-back":
		next = d.noteRolledBack(p.id)
		said := name + " was rolled back"
		if e.Result != "" {
			limit := p.deadline.Sub(p.at).Round(time.Second)
			said += ": " + strings.Replace(e.Result, "in time", fmt.Sprintf("within %.0f s", limit.Seconds()), 1)
		}
		d.refuse(said)
	case e.State == "failed" || e.State == "unknown":
		d.refuse(name + ": " + e.Result + "; see History")
	default:
		d.sayDone(name + " was confirmed elsewhere")
	}
	return next
}

// settled takes how something about the journal went.
func (d *desk) settled(msg settledMsg) tea.Cmd {
	if msg.err != nil {
		d.fail(msg.err)
		return nil
	}
	if msg.lost {
		d.refuse(msg.what)
	} else {
		d.sayDone(msg.what)
	}
	d.pending = nil // unless the journal says otherwise
	return d.noteRolledBack(msg.rolledBack)
}

// confirm says that the change that waits may stand; rollback rolls it back.
func (d *desk) confirm() tea.Cmd {
	return d.settlePending("the confirmation", "the change is confirmed", false, Journal.Confirm)
}

func (d *desk) rollback() tea.Cmd {
	return d.settlePending("the rollback", "the change is rolled back", true, func(j Journal, ctx context.Context, id string) (string, error) {
		return "", j.Rollback(ctx, id)
	})
}

func (d *desk) settlePending(task, what string, reverses bool, act func(Journal, context.Context, string) (gone string, err error)) tea.Cmd {
	if d.pending == nil || d.gw.Journal == nil {
		return nil
	}
	journal, id := d.gw.Journal, d.pending.id
	return d.carryOut(task, func(ctx context.Context) (tea.Msg, string) {
		gone, err := act(journal, ctx, id)
		what := what
		if gone != "" {
			what += ", but " + gone + " (something else has changed it since)"
		}
		msg := settledMsg{what: what, lost: gone != "", err: err}
		if reverses {
			msg.rolledBack = id
		}
		return msg, outcomeOf("change "+id+": "+what, "change "+id+": "+task+" failed", err)
	})
}
