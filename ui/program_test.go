package ui

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"

	"nattui/model/facts"
	"nattui/model/flow"
	"nattui/rules"
)

// terminal runs the whole program on a terminal emulator, in the bubble of a
// synctest: time passes only when everything waits.
type terminal struct {
	t       *testing.T
	mu      sync.Mutex
	screen  *vt.Emulator
	app     *App
	program *tea.Program
	written int
	writes  int
	done    chan error
}

// Write is the program's output.
func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.written += len(p)
	x.writes++
	return x.screen.Write(p)
}

func (x *terminal) bytes() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.written
}

func (x *terminal) screens() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.writes
}

func (x *terminal) text() string {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.String()
}

func (x *terminal) sees(want string) {
	x.t.Helper()
	if got := x.text(); !strings.Contains(got, want) {
		x.t.Errorf("%q is not on the terminal:\n%s", want, got)
	}
}

// open starts the program on a terminal of 80 columns and 24 lines.
func open(t *testing.T, gw Gateway, profile colorprofile.Profile, env ...string) *terminal {
	return openSized(t, gw, 80, 24, profile, env...)
}

func openSized(t *testing.T, gw Gateway, width, height int, profile colorprofile.Profile, env ...string) *terminal {
	return openIn(t.Context(), t, gw, width, height, profile, env...)
}

// openIn runs the program until ctx ends.
func openIn(ctx context.Context, t *testing.T, gw Gateway, width, height int, profile colorprofile.Profile, env ...string) *terminal {
	x := &terminal{t: t, screen: vt.NewEmulator(width, height), done: make(chan error, 1)}
	_, _ = x.screen.Write([]byte("\x1b[20h")) // a line feed returns, as the tty makes it
	go func() { _, _ = io.Copy(io.Discard, x.screen) }()
	x.app = New(ctx, gw, Options{UTF8: true, Now: time.Now})
	x.program = NewProgram(x.app, x, tea.WithContext(ctx), tea.WithInput(nil), tea.WithoutSignalHandler(), tea.WithoutSignals(), tea.WithWindowSize(width, height),
		tea.WithColorProfile(profile), tea.WithEnvironment(append([]string{"TERM=xterm-256color"}, env...)))
	go func() {
		_, err := x.program.Run()
		x.done <- err
	}()
	return x
}

func (x *terminal) press(names ...string) {
	for _, n := range names {
		x.program.Send(keyPress(n))
	}
	time.Sleep(50 * time.Millisecond)
}

func (x *terminal) write(text string) {
	for _, r := range text {
		x.program.Send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	time.Sleep(50 * time.Millisecond)
}

// quit ends the program and everything that waits for news of the gateway.
func (x *terminal) quit(g *liveGateway) {
	x.press("q")
	close(g.tables)
	close(g.facts)
	close(g.feed.changed)
	time.Sleep(failedTime + time.Second) // ticks that are under way
	if err := <-x.done; err != nil {
		x.t.Error(err)
	}
	x.close()
}

// close ends what reads the terminal's answers. The emulator's own Close writes a flag that its Read
// reads at the same time.
func (x *terminal) close() { _ = x.screen.InputPipe().(io.Closer).Close() }

// liveGateway is a gateway whose news come through channels.
type liveGateway struct {
	Gateway
	kernel *kernel
	feed   *feed
	tables chan Tables
	facts  chan *facts.Facts
}

func newLiveGateway(t *testing.T) *liveGateway {
	g := &liveGateway{kernel: &kernel{sets: sets(t, map[rules.Variant]string{v4: gatewayRules})}, feed: newFeed(), tables: make(chan Tables, 8), facts: make(chan *facts.Facts, 8)}
	g.Gateway = Gateway{Tables: g.tables, Facts: g.facts, Changes: g, Flows: g.feed}
	g.feed.now = time.Now
	g.feed.explainer.SetRules(g.kernel.sets, gatewayFacts().Host(nil))
	g.show(true)
	g.facts <- gatewayFacts()
	return g
}

func (g *liveGateway) show(changed bool) {
	g.tables <- Tables{Sets: g.kernel.sets, At: time.Now(), Changed: changed}
}

func (g *liveGateway) Apply(ctx context.Context, p rules.Plan, t Terms) (Done, error) {
	done, err := g.kernel.Apply(ctx, p, t)
	if err == nil {
		g.show(true)
	}
	return done, err
}

// tell makes an event and announces it.
func (g *liveGateway) tell(kind flow.MessageKind, flows ...flow.Flow) {
	g.feed.tell(kind, flows...)
	select {
	case g.feed.changed <- struct{}{}:
	default:
	}
}

func TestWholeProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.TrueColor)
		time.Sleep(time.Second)
		x.sees("tcp to 203.0.113.1:8443")
		x.press("down", "d")
		x.press("y")
		x.sees("read it first; then y again")
		time.Sleep(time.Second)
		x.press("y")
		if strings.Contains(x.text(), "203.0.113.1:8443") {
			t.Error("the deleted rule is still shown")
		}
		x.press("u")
		x.sees("203.0.113.1:8443")
		x.press("a", "enter", "enter")
		x.write("tcp")
		x.press("enter")
		x.write("wan0")
		x.press("enter", "enter", "enter", "enter")
		x.write("192.168.0.2:22")
		x.press("ctrl+s")
		time.Sleep(time.Second)
		x.press("enter")
		x.sees("-A PREROUTING -i wan0")
		x.press("2")
		g.tell(flow.EventNew, someFlows()...)
		time.Sleep(time.Second)
		x.sees("203.0.113.10:55474")
		x.quit(g)
	})
}

// On a quiet gateway nothing is written, however long one looks.
func TestQuietScreenWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.TrueColor)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		before := x.bytes()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := x.bytes() - before; n > 0 {
			t.Errorf("%d bytes in an hour in which nothing happened", n)
		}
		x.quit(g)
	})
}

// Flows of which nothing is heard count in minutes after a while, and cost the line next to nothing.
func TestOldFlowsStandStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := openSized(t, g.Gateway, 120, 24, colorprofile.TrueColor)
		var flows []flow.Flow
		for i := range 100 {
			client := fmt.Sprintf("10.0.0.%d:1000", i+1)
			f := aFlow(i+1, client, "203.0.113.1:80", "192.168.0.2:8080", client)
			f.Timeout, f.Start = 86400, time.Now().UnixNano()
			flows = append(flows, f)
		}
		g.tell(flow.Listed, flows...)
		x.press("2")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		before := x.bytes()
		const minutes = 10
		time.Sleep(minutes * time.Minute)
		synctest.Wait()
		if n := x.bytes() - before; n == 0 || n > minutes*1000 {
			t.Errorf("%d bytes in %d minutes in which nothing was heard of old flows", n, minutes)
		}
		x.quit(g)
	})
}

// While 200 flows a second change, no more than 8 kB a second go to the terminal,
// and keys are still answered.
func TestBusyScreenIsFrugal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.TrueColor)
		var flows []flow.Flow
		for i := range 400 {
			client := fmt.Sprintf("10.0.%d.%d:1000", i/200, i%200+1)
			flows = append(flows, aFlow(i+1, client, "203.0.113.1:80", "192.168.0.2:8080", client))
		}
		g.tell(flow.Listed, flows...)
		x.press("2", "s", "s")
		time.Sleep(2 * time.Second)
		before := x.bytes()
		const seconds = 10
		for tick := range 10 * seconds {
			for i := range 20 {
				f := flows[(tick*20+i)%len(flows)]
				f.SetCounts(uint64(tick), uint64(tick*1000+i), uint64(tick), uint64(tick*5000+i))
				g.tell(flow.Refreshed, f)
			}
			time.Sleep(100 * time.Millisecond)
		}
		switch rate := (x.bytes() - before) / seconds; {
		case rate > 8000:
			t.Errorf("%d bytes a second go to the terminal", rate)
		case rate == 0:
			t.Error("nothing goes to the terminal")
		default:
			t.Logf("%d bytes a second", rate)
		}
		x.press("1")
		x.sees("PREROUTING")
		x.quit(g)
	})
}

func TestNoColour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.ASCII, "NO_COLOR=1")
		time.Sleep(time.Second)
		x.sees("▌   1  tcp to 203.0.113.1:80")
		x.quit(g)
	})
}
