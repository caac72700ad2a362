package ui

import (
	"reflect"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

const (
	// pulseBeat is how soon after a change the screen is written.
	pulseBeat = time.Millisecond
	// rest is how long after the last change the renderer goes on looking: some beats, as the first may come
	// before the program has handed over what View has told it.
	rest = 4*pulseBeat + pulseBeat/2
	// steadyFPS is how often it looks if it cannot be told to rest.
	steadyFPS = 60
)

// lateBeats are when it looks once more, each after the one before, in case the machine was so busy that
// the screen had not been handed over by then.
var lateBeats = [...]time.Duration{25 * time.Millisecond, 250 * time.Millisecond, 2 * time.Second}

// NewProgram is the program on a terminal, to be run once. It writes a change within some milliseconds and
// does not wake the machine while nothing changes.
func NewProgram(app *App, options ...tea.ProgramOption) *tea.Program {
	p := tea.NewProgram(app, append(options, tea.WithFPS(steadyFPS))...)
	app.pulse = &pulse{program: p}
	return p
}

// pulse has bubbletea's renderer look for a new screen when there is one. By itself it looks at
// a steady pace, which is too late for a key press if slow and costs more than everything else of a quiet
// gateway if fast: 60 looks a second are 1 % of a core where waking up is dear, as in a virtual machine.
//
// The pace is that of a ticker which bubbletea keeps to itself: 2.1.1 still draws when that ticks and at
// no other time, and offers nothing to change its pace. Where a later version has none by that name the
// steady pace stays.
type pulse struct {
	program *tea.Program
	sought  bool
	ticker  *time.Ticker

	mu      sync.Mutex
	beating bool
	last    time.Time
}

// quicken notes a change. It belongs into View, which runs after the renderer has begun.
func (p *pulse) quicken() {
	if !p.sought {
		p.sought = true
		p.ticker = rendererTicker(p.program)
	}
	if p.ticker == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	if !p.beating {
		p.beating = true
		p.ticker.Reset(pulseBeat)
		time.AfterFunc(rest, p.slacken)
	}
}

// slacken ends the beats when nothing has changed for a while.
func (p *pulse) slacken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := rest - time.Since(p.last); left > 0 {
		time.AfterFunc(left, p.slacken)
		return
	}
	p.beating = false
	p.beatLate(0, p.last)
}

// beatLate has the renderer look once more, and goes on with the next late beat, or ends the looking, unless
// there is something new since.
func (p *pulse) beatLate(n int, since time.Time) {
	if n == len(lateBeats) {
		p.ticker.Stop()
		return
	}
	p.ticker.Reset(lateBeats[n])
	time.AfterFunc(lateBeats[n]+pulseBeat, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.beating && p.last.Equal(since) {
			p.beatLate(n+1, since)
		}
	})
}

// rendererTicker is the ticker that paces the renderer of a running program, or nil.
func rendererTicker(p *tea.Program) *time.Ticker {
	field := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return (*time.Ticker)(field.UnsafePointer())
}
