package ui

import (
	"io"
	"reflect"
	"runtime"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
)

const (
	// pulseBeat is how soon after a change the screen is written, if it is not at once.
	pulseBeat = time.Millisecond
	// frameRest is the least time between two screens: keys that come together give one, on a slow line too.
	frameRest = 8 * time.Millisecond
	// rest is how long after the last change the renderer goes on looking at that pace where nothing is written.
	rest = 4*pulseBeat + pulseBeat/2
	// steadyFPS is how often it looks if it cannot be told to rest.
	steadyFPS = 60
)

// lateBeats are when it looks once more, each after the one before, where nothing was written: the change was one that
// cannot be seen, or the machine was so busy that the screen had not been handed over by then.
var lateBeats = [...]time.Duration{25 * time.Millisecond, 250 * time.Millisecond, 2 * time.Second}

// NewProgram is the program on a terminal that is written to by out, to be run once. It writes a change within some
// milliseconds and does not wake the machine while nothing changes.
func NewProgram(app *App, out io.Writer, options ...tea.ProgramOption) *tea.Program {
	beats := &pulse{seen: func() { app.giveWay(0) }}
	p := tea.NewProgram(app, append(options, tea.WithOutput(beats.over(out)), tea.WithFPS(steadyFPS))...)
	beats.program = p
	app.pulse = beats
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
	handed  bool        // the renderer has what was drawn last
	last    time.Time   // when the screen changed; zero once that is written
	written time.Time   // when one was written
	end     *time.Timer // of these beats, or of a late one

	seen func() // hears that the last change has been written
}

// handedMsg comes after the screen has been drawn. The program hands a screen to its renderer before it takes the next
// message: when this one comes the renderer has it.
type handedMsg struct{}

// handed sends the message.
func handed() tea.Msg { return handedMsg{} }

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
	p.last, p.handed = time.Now(), false
	if !p.beating {
		p.ticker.Reset(p.soonest(pulseBeat))
		p.beat()
	}
}

// soonest is how long to wait until the next screen, a while at least.
func (p *pulse) soonest(least time.Duration) time.Duration {
	return max(least, time.Until(p.written.Add(frameRest)))
}

// handedOver has the renderer look at once. A beat that is due when this goroutine yields is made then; one that is due
// later waits for the runtime's poller, a millisecond at least.
func (p *pulse) handedOver() {
	if !p.hand() {
		return
	}
	runtime.Gosched()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.beating && p.handed {
		p.ticker.Reset(pulseBeat)
	}
}

// hand notes that the renderer has the screen, and has the next beat be due; false where that was so before, where the
// screen has been written, or where the last one was written only now.
func (p *pulse) hand() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.IsZero() || p.handed {
		return false
	}
	p.handed = true
	if !p.beating { // it was handed over so late that nobody looks for it any more: a terminal was slow to take the one before
		p.beat()
	}
	wait := p.soonest(time.Nanosecond)
	p.ticker.Reset(wait)
	return wait == time.Nanosecond
}

// beat begins the beats.
func (p *pulse) beat() {
	p.beating = true
	if p.end != nil {
		p.end.Stop()
	}
	p.end = time.AfterFunc(rest, p.slacken)
}

// wrote ends the beats. The renderer looks and writes without taking a screen in between: what it writes after the last
// screen was handed over is that screen. What else the program writes, such as text for the clipboard, it writes at the
// same beat, and goes on to the renderer then.
func (p *pulse) wrote() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written = time.Now()
	if p.handed {
		p.last, p.handed, p.beating = time.Time{}, false, false
		p.end.Stop()
		p.ticker.Stop()
		p.seen()
	}
}

// slacken ends the beats when nothing has changed for a while.
func (p *pulse) slacken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.beating {
		return
	}
	if left := max(rest-time.Since(p.last), time.Until(p.written.Add(frameRest+rest))); left > 0 {
		p.end = time.AfterFunc(left, p.slacken)
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
	p.end = time.AfterFunc(lateBeats[n]+pulseBeat, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.beating && p.last.Equal(since) {
			p.beatLate(n+1, since)
		}
	})
}

// over is a writer that tells of what is written to out. Of a terminal it stays one, whose size and modes can be asked.
func (p *pulse) over(out io.Writer) io.Writer {
	if f, ok := out.(term.File); ok {
		return heardFile{f, p}
	}
	return heard{out, p}
}

type (
	heard struct {
		io.Writer
		pulse *pulse
	}
	heardFile struct {
		term.File
		pulse *pulse
	}
)

// Write writes, and tells.
func (h heard) Write(b []byte) (int, error) {
	defer h.pulse.wrote()
	return h.Writer.Write(b)
}

// Write writes, and tells.
func (h heardFile) Write(b []byte) (int, error) {
	defer h.pulse.wrote()
	return h.File.Write(b)
}

// rendererTicker is the ticker that paces the renderer of a running program, or nil.
func rendererTicker(p *tea.Program) *time.Ticker {
	field := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return (*time.Ticker)(field.UnsafePointer())
}
