package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nattui/model/lab"
	"nattui/rules/commit"
)

// TestLookingChangesNothing runs everything that only looks under strace, beside a
// change that is unfinished: it opens nothing for writing, starts nothing but what
// reads, and says what is unfinished.
func TestLookingChangesNothing(t *testing.T) {
	sequential(t)
	if lab.Isolate(t) {
		return
	}
	strace := lab.Program(t, "strace")
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	t.Setenv(commit.StateVariable, state)
	interrupted(t, state)
	before := snapshot(t, state)
	for _, args := range [][]string{
		{"rules"},
		{"rules", "--json"},
		{"flows"},
		{"flows", "--json"},
		{"whatif", "tcp", "10.0.0.9:1000", "10.0.0.1:80"},
		{"doctor"},
		{"switches"},
		{"history"},
		{"history", "--json"},
		{"chains"},
		{"health"},
		{"snapshots"},
		{"explain", "--flow", "tcp 10.0.0.9:1000 10.0.0.1:80"},
		{"explain", "-A POSTROUTING -o lo -j MASQUERADE"},
		{"import", "--dry-run", "iptables -t nat -A POSTROUTING -o lo -j MASQUERADE"},
		{"forget", "--filter", "rule stale", "--dry-run"},
		{"add", "masquerade", "--out", "lo", "--dry-run"},
		{"delete", "POSTROUTING", "1", "--dry-run"},
		{"rollback", "--dry-run"},
		{"save", "--dry-run"},
		{"--read-only"},
	} {
		name := strings.Join(args, " ")
		log := filepath.Join(dir, "log")
		cmd := exec.Command(strace, append([]string{"-f", "-qq", "-s", "256", "-o", log, "-e", "trace=file,fchmod,fchown,ftruncate,fallocate", "nattui"}, args...)...)
		var out []byte
		var err error
		if args[0] == "--read-only" {
			out = lookAtScreens(t, cmd)
		} else {
			out, err = cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(log)
		if err != nil || len(text) == 0 {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		for line := range strings.Lines(string(text)) {
			if why := writes(line); why != "" {
				t.Errorf("nattui %s %s: %s", name, why, line)
			}
		}
		if args[0] != "rollback" && !strings.Contains(string(out), "change 1 is unfinished") {
			t.Errorf("nattui %s does not say what is unfinished:\n%s", name, out)
		}
		if now := snapshot(t, state); now != before {
			t.Fatalf("nattui %s: the state directory is\n%swas\n%s", name, now, before)
		}
	}
}

// interrupted leaves a change unfinished: its maker and its guard are killed.
func interrupted(t *testing.T, state string) {
	t.Helper()
	add := exec.Command("nattui", "add", "masquerade", "--out", "lo", "--yes", "--confirm", "1h")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	store, err := commit.Look(state)
	if err != nil {
		t.Fatal(err)
	}
	gone := 0 // looks in a row that found no guard: one that was killed may just have started the other
	for late := time.Now().Add(20 * time.Second); ; gone++ {
		if left, err := store.Unfinished(); err != nil {
			t.Fatal(err)
		} else if len(left) == 1 && gone > 5 {
			return
		}
		if time.Now().After(late) {
			t.Fatal("the guard is not to be killed")
		}
		for _, path := range must(filepath.Glob("/proc/[0-9]*/cmdline")) {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), "\x00guard\x00") {
				gone = 0
				var pid int
				if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err == nil {
					if p, err := os.FindProcess(pid); err == nil {
						_ = p.Kill()
					}
				}
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// snapshot is what a directory holds, and when it was changed.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, e.Name(), info.Size(), info.Mode(), info.ModTime().UnixNano())
	}
	return b.String()
}

// openTerminal is a terminal of 120 columns and 40 rows, and its other side.
func openTerminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	return screen, tty
}

// takeTerminal has a program run on a terminal of its own.
func takeTerminal(cmd *exec.Cmd, tty *os.File) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
}

// lookAtScreens opens the screens read-only, goes through them and quits.
func lookAtScreens(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	screen, tty := openTerminal(t)
	defer screen.Close()
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	takeTerminal(cmd, tty)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	var out lockedBuffer
	go func() { _, _ = io.Copy(&out, screen) }()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for n := 0; ; n++ {
		select {
		case <-ended:
			return []byte(out.String())
		case <-time.After(100 * time.Millisecond):
		}
		// Each screen in turn, then the end; a key that came too early is said again.
		if strings.Contains(out.String(), "unfinished") || n > 100 {
			keys := []string{"1", "2", "3", "4", "6", "\x1b", "q"}
			if _, err := screen.WriteString(keys[n%len(keys)]); err != nil {
				t.Fatal(err)
			}
		}
		if n > 300 {
			_ = cmd.Process.Kill()
			t.Fatalf("the screens do not end:\n%s", out.String())
		}
	}
}

var (
	opened   = regexp.MustCompile(`\bopen(?:at2?)?\((?:[^,"]*, )?"([^"]*)", .*O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)`)
	changes  = regexp.MustCompile(`\b(?:creat|unlink(?:at)?|rename(?:at2?)?|mkdir(?:at)?|rmdir|link(?:at)?|symlink(?:at)?|truncate|ftruncate|fallocate|f?chmod(?:at2?)?|[fl]?chown(?:at)?|mknod(?:at)?|utime\w*|mount|umount2)\(`)
	started  = regexp.MustCompile(`\bexecve\("([^"]*)", \[(.*)\]`)
	terminal = regexp.MustCompile(`^/dev/(?:null|tty|pts/.*)$`)
	// readers are the programs that looking may start, with their arguments. What is
	// only to be checked is given to iptables-restore with the order not to commit.
	readers = regexp.MustCompile(`^(?:.*/)?(?:nattui "nattui".*|ip6?tables(?:-nft|-legacy)?-save .*|ip6?tables(?:-nft|-legacy)? .*"(?:-V|--version)".*|nft .*"list".*|ip6?tables-(?:nft|legacy)-restore .*"--test".*)$`)
)

// writes says what a line of strace's does that looking does not; "" if nothing.
func writes(line string) string {
	if strings.Contains(line, "= -1 E") {
		return ""
	}
	if m := opened.FindStringSubmatch(line); m != nil && !terminal.MatchString(m[1]) {
		return "opens for writing"
	}
	if changes.MatchString(line) {
		return "changes files"
	}
	if m := started.FindStringSubmatch(line); m != nil && !readers.MatchString(filepath.Base(m[1])+" "+m[2]) {
		return "starts"
	}
	return ""
}

// TestRollbackOfUnfinished has the command that is advised for an unfinished change do what it says, and succeed.
func TestRollbackOfUnfinished(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	state := filepath.Join(t.TempDir(), "state")
	t.Setenv(commit.StateVariable, state)
	interrupted(t, state)
	out, err := exec.Command("nattui", "rollback", "--yes").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "change 1 is rolled back") {
		t.Errorf("rollback: %v\n%s", err, out)
	}
	if out, err := exec.Command("nattui", "rollback", "--yes").CombinedOutput(); err == nil {
		t.Errorf("nothing is left to roll back, and yet:\n%s", out)
	}
}
