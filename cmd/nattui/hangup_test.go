package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nattui/model/lab"
)

// TestTerminalGoes: the screens end with their terminal, where the leader of the session tells them nothing too.
func TestTerminalGoes(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	marker := filepath.Join(t.TempDir(), "ended")
	s := sit(t, "/bin/sh", "-c", `trap "" HUP; "$1"; echo $? >"$2"`, "sh", ownProgram(t), marker)
	s.waitFor(t, "PREROUTING")
	_ = s.tty.Close()
	_ = s.cmd.Wait()
	if _, err := os.Stat(marker); err != nil {
		t.Error(err)
	}
}

// TestTerminalOfLabGoes: the lab ends with its terminal, with the shell that was opened in it and what that started.
func TestTerminalOfLabGoes(t *testing.T) {
	path := ownProgram(t)
	for command, shows := range map[string]string{path: "PREROUTING", "while echo re''ady; do sleep 0.1; done & sleep 1000": "ready"} {
		s := sit(t, path, "lab", "--", lab.Program(t, "bash"), "--norc", "-i")
		_, _ = s.tty.Write([]byte(command + "\n"))
		s.waitFor(t, shows)
		_ = s.tty.Close()
		_ = s.cmd.Wait() // it hangs where somebody stays
	}
}

// TestDumbTerminal: a terminal that cannot move its cursor is told lines.
func TestDumbTerminal(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	s := sit(t, "/bin/sh", "-c", `TERM=dumb exec "$1"`, "sh", ownProgram(t))
	s.waitFor(t, "keys: ")
	_, _ = s.tty.Write([]byte("q"))
	if said := s.rest(t); strings.Contains(said, "\x1b") {
		t.Errorf("escape sequences for a dumb terminal: %q", said)
	}
}
