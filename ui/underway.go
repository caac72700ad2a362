package ui

import (
	"context"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// task is something that was confirmed and is being done beside Update.
type task struct {
	what           string // with its article
	begun          time.Time
	started, ended bool
	outcome        string // once it has ended: what became of it, in a sentence
}

// underway are the tasks that quitting waits for. They are noted here rather than in messages,
// which nobody takes any more once the program has ended.
type underway struct {
	mu     sync.Mutex
	tasks  []*task
	closed bool // nothing is begun any more
	ended  chan struct{}
}

func newUnderway() *underway { return &underway{ended: make(chan struct{}, 1)} }

// taskMsg brings what a task ended with.
type taskMsg struct {
	task *task
	msg  tea.Msg
}

// carryOut does something that was confirmed, beside Update. Its context does not end with the
// program: what has begun is finished. do returns a message, and what became of it in a sentence, for
// who has left in the meantime.
func (d *desk) carryOut(what string, do func(context.Context) (tea.Msg, string)) tea.Cmd {
	u, t, ctx := d.underway, &task{what: what, begun: d.now}, context.WithoutCancel(d.ctx)
	u.mu.Lock()
	u.tasks = append(u.tasks, t)
	u.mu.Unlock()
	return func() tea.Msg {
		if !u.start(t) {
			return nil
		}
		msg, outcome := do(ctx)
		u.end(t, outcome)
		return taskMsg{t, msg}
	}
}

// start is false for a task that comes too late.
func (u *underway) start(t *task) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	t.started = !u.closed
	return t.started
}

func (u *underway) end(t *task, outcome string) {
	u.mu.Lock()
	t.ended, t.outcome = true, outcome
	u.mu.Unlock()
	select {
	case u.ended <- struct{}{}:
	default:
	}
}

// heard lets go of a task whose outcome can be seen on the screen.
func (u *underway) heard(t *task) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.tasks {
		if u.tasks[i] == t {
			u.tasks = append(u.tasks[:i:i], u.tasks[i+1:]...)
			return
		}
	}
}

// running is what is being done; "" where nothing is.
func (u *underway) running() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, t := range u.tasks {
		if !t.ended {
			return t.what
		}
	}
	return ""
}

// close lets nothing begin any more, and waits for what has begun while ctx lasts.
func (u *underway) close(ctx context.Context) {
	for {
		u.mu.Lock()
		u.closed = true
		open := 0
		for _, t := range u.tasks {
			if t.started && !t.ended {
				open++
			}
		}
		u.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-u.ended:
		case <-ctx.Done():
			return
		}
	}
}

// leaving is how far quitting has come.
type leaving uint8

const (
	staying       leaving = iota
	finishing             // as soon as what was confirmed has been done
	leavingAtOnce         // at once
)

// askQuit quits, and asks first where a change waits to be confirmed: what becomes of it is to be known
// to whoever leaves.
func (a *App) askQuit() tea.Cmd {
	if a.pending == nil || a.gw.ReadOnly || a.leaving != staying {
		return a.quit()
	}
	a.open(&quitQuestion{desk: &a.desk, quit: a.quit})
	return nil
}

// quit ends the program: at once where nothing is being done, else when that is finished, or when
// it is asked for again.
func (a *App) quit() tea.Cmd {
	switch {
	case a.leaving != staying:
		a.leaving = leavingAtOnce
	case a.underway.running() != "":
		a.leaving = finishing
		return nil
	}
	return tea.Quit
}

// finished takes what a task ended with.
func (a *App) finished(msg taskMsg) tea.Cmd {
	if a.leaving == staying {
		a.underway.heard(msg.task)
		return a.route(msg.msg)
	}
	cmd := a.route(msg.msg)
	if a.underway.running() == "" {
		return tea.Quit
	}
	return cmd
}

// finishingLine says what quitting waits for.
func (a *App) finishingLine() string {
	what := a.underway.running()
	if what == "" {
		what = "the change"
	}
	return " " + a.look.Attention.Render("finishing "+what+" …") + "   " + a.look.Key("q", "leave without waiting")
}

// Leave is called when the program has ended, however that came about. What was confirmed and is
// still being done it finishes while ctx lasts, unless somebody has said not to wait; wait hears of
// that beforehand. What it returns is to be said on the terminal: the outcomes that the screens have
// not shown, and what is left unfinished. It reads the journal.
func (a *App) Leave(ctx context.Context, wait func(what string)) []string {
	if a.leaving == leavingAtOnce {
		done, stop := context.WithCancel(ctx)
		stop()
		ctx = done
	} else if what := a.underway.running(); what != "" {
		wait(what)
	}
	a.underway.close(ctx)
	a.underway.mu.Lock()
	defer a.underway.mu.Unlock()
	var said []string
	if a.pending != nil {
		said = append(said, a.pending.leftLine(a.now.Location()))
	}
	for _, t := range a.underway.tasks {
		switch {
		case t.ended:
			said = append(said, t.outcome)
		case t.started:
			said = append(said, a.unfinished(t))
		default:
			said = append(said, t.what+" was not started")
		}
	}
	return said
}

// unfinished says what is known of a task that is left.
func (a *App) unfinished(t *task) string {
	if a.gw.Journal == nil {
		return t.what + " is not finished"
	}
	if entries, err := a.gw.Journal.Entries(); err == nil && len(entries) > 0 {
		if e := entries[0]; !e.At.Before(t.begun) && !e.Outside {
			return t.what + " is not finished: change " + e.ID + " is " + e.State + "; nattui history shows how it ended"
		}
	}
	return t.what + " is not finished: nattui history shows whether it was applied"
}
