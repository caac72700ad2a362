package ui

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"
)

// A key press is on the terminal within 16 ms, after a rest and in the middle of others, and
// at rest the renderer does not look at all.
func TestKeysAreWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.TrueColor)
		time.Sleep(2 * time.Second)
		ticker := rendererTicker(x.program)
		if ticker == nil {
			t.Fatal("bubbletea keeps its ticker elsewhere now")
		}
		for _, pause := range []time.Duration{time.Minute, time.Millisecond, 3 * time.Millisecond, pulseBeat, rest, rest + 1, time.Second} {
			time.Sleep(pause)
			x.program.Send(keyPress("?"))
			time.Sleep(16 * time.Millisecond)
			if !strings.Contains(x.text(), "esc") {
				t.Errorf("16 ms after a key that came %v after the last one:\n%s", pause, x.text())
			}
			x.program.Send(keyPress("esc"))
			time.Sleep(16 * time.Millisecond)
			if strings.Contains(x.text(), "esc") {
				t.Errorf("the help is still there %v and 16 ms after it was closed", pause)
			}
		}
		time.Sleep(3 * time.Second) // the late beats
		select {
		case <-ticker.C: // it would be the renderer's, but of many we would get some
			t.Error("the renderer still looks for a new screen")
		case <-time.After(time.Minute):
		}
		x.quit(g)
	})
}

// What follows connections stands back from a key until its screen is written.
func TestKeysAreGivenWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.TrueColor)
		time.Sleep(2 * time.Second)
		g.show(false)
		time.Sleep(time.Second)
		if n := g.feed.ways.Load(); n != 0 {
			t.Errorf("way was given %d times without a key", n)
		}
		x.program.Send(keyPress("?"))
		time.Sleep(time.Second)
		if n, left := g.feed.ways.Load(), g.feed.way.Load(); n != 1 || left != 0 {
			t.Errorf("a key was given way %d times, and %v still when its screen has been written", n, time.Duration(left))
		}
		x.press("esc")
		x.quit(g)
	})
}

// Where the screen is handed over late, because the machine is busy, it is drawn late, but it is.
func TestLateScreensAreDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pulse{sought: true, ticker: time.NewTicker(time.Hour), seen: func() {}}
		began := time.Now()
		for range 2 { // the second change comes during the late beats of the first
			p.quicken()
			time.Sleep(100 * time.Millisecond)
		}
		var last time.Duration
		for late := time.After(time.Hour); ; {
			select {
			case at := <-p.ticker.C:
				last = at.Sub(began)
				continue
			case <-late:
			}
			break
		}
		if last < 2*time.Second || last > 3*time.Second {
			t.Errorf("the renderer looked for the last time after %v", last)
		}
	})
}

// A screen that is handed over after all beats have ended, because the terminal did not take the one before, is drawn then.
func TestScreensBehindASlowTerminalAreDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pulse{sought: true, ticker: time.NewTicker(time.Hour), seen: func() {}}
		p.quicken()
		time.Sleep(time.Minute)
		for len(p.ticker.C) > 0 {
			<-p.ticker.C
		}
		p.handedOver()
		select {
		case <-p.ticker.C:
		case <-time.After(time.Second):
			t.Error("nobody looks for it")
		}
		p.wrote()
	})
}

// Keys that come a millisecond apart, as those of a pasted or repeated key do, give a screen for some of them, not one each: on
// a slow line each would have to be waited for.
func TestKeysThatComeTogetherShareScreens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newLiveGateway(t)
		x := open(t, g.Gateway, colorprofile.TrueColor)
		time.Sleep(2 * time.Second)
		before := x.screens()
		const pairs = 20
		for range pairs {
			x.program.Send(keyPress("?"))
			time.Sleep(time.Millisecond)
			x.program.Send(keyPress("esc"))
			time.Sleep(time.Millisecond)
		}
		x.program.Send(keyPress("?"))
		time.Sleep(50 * time.Millisecond)
		if n, most := x.screens()-before, 2+int(2*pairs*time.Millisecond/frameRest); n > most {
			t.Errorf("%d keys gave %d screens, %d at most", 2*pairs+1, n, most)
		}
		if !strings.Contains(x.text(), "esc") {
			t.Errorf("the last key is not on the screen:\n%s", x.text())
		}
		x.program.Send(keyPress("esc"))
		x.quit(g)
	})
}
