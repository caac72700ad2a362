package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"

	"nattui/model/lab"
)

// watched is the program on a terminal whose screen is looked at.
type watched struct {
	*seat
	t      *testing.T
	screen *vt.Emulator
}

// ownProgram is the program to be watched, with a state of the test's own and a locale in which it draws lines.
func ownProgram(t *testing.T) string {
	t.Helper()
	t.Setenv("NATTUI_STATE", t.TempDir())
	t.Setenv("LC_ALL", "C.UTF-8")
	return lab.Program(t, "nattui")
}

// watch looks at the screen of a program, which it makes so large.
func watch(t *testing.T, s *seat, width, height int) *watched {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(s.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)}); err != nil {
		t.Fatal(err)
	}
	w := &watched{s, t, vt.NewEmulator(width, height)}
	go func() { _, _ = io.Copy(s.tty, w.screen) }() // what a terminal answers to questions
	return w
}

func (w *watched) press(keys string) { _, _ = w.tty.Write([]byte(keys)) }

// sees waits until a text is on the screen.
func (w *watched) sees(text string) {
	w.t.Helper()
	if !w.comes(text, 20*time.Second) {
		w.t.Fatalf("no %q in 20 s:\n%s", text, w.screen)
	}
}

// comes tells whether a text comes onto the screen within a time.
func (w *watched) comes(text string, within time.Duration) bool {
	timeout := time.After(within)
	for !strings.Contains(w.screen.String(), text) {
		select {
		case p, ok := <-w.output:
			if !ok {
				w.t.Fatalf("ended without %q:\n%s", text, w.screen)
			}
			_, _ = w.screen.Write(p)
		case <-timeout:
			return false
		}
	}
	return true
}

// agrees answers a question until what it does is on the screen: an answer that comes at once does not count.
func (w *watched) agrees(key, text string) {
	w.t.Helper()
	for range 10 {
		w.press(key)
		if w.comes(text, 2*time.Second) {
			return
		}
	}
	w.t.Fatalf("no %q after %q:\n%s", text, key, w.screen)
}

// end ends the program.
func (w *watched) end() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
}
