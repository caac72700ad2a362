package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nattui/model/lab"
)

// slowRestore puts an iptables-restore before the real one that waits, when it is to change something,
// until it is let go. It says when that has begun.
type slowRestore struct {
	testing.TB
	dir string
}

func newSlowRestore(t *testing.T) *slowRestore {
	r := &slowRestore{t, t.TempDir()}
	real := lab.Program(t, "iptables-nft-restore")
	script := fmt.Sprintf("#!/bin/sh\ncd %s\nif [ -e slow ]; then touch begun; while [ ! -e go ]; do sleep 0.02; done; fi\nexec %s \"$@\"\n", r.dir, real)
	if err := os.WriteFile(filepath.Join(r.dir, "iptables-nft-restore"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", r.dir+":"+os.Getenv("PATH"))
	return r
}

func (r *slowRestore) touch(name string) {
	if err := os.WriteFile(filepath.Join(r.dir, name), nil, 0o644); err != nil {
		r.Fatal(err)
	}
}

// has tells whether a file is there, or comes within a time.
func (r *slowRestore) has(name string, within time.Duration) bool {
	for late := time.Now().Add(within); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(r.dir, name)); err == nil {
			return true
		}
	}
	return false
}

// deleting is a program in which a rule is being deleted, by an iptables-restore that takes its time.
func deleting(t *testing.T) (*slowRestore, *seat) {
	t.Helper()
	path := ownProgram(t)
	shell(t, "iptables-nft", "-w", "5", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8080", "-j", "DNAT", "--to-destination", "192.168.0.2:80")
	r := newSlowRestore(t)
	s := sit(t, path)
	s.waitFor(t, "192.168.0.2:80")
	r.touch("slow")
	_, _ = s.tty.Write([]byte("d"))
	s.waitFor(t, "[ No ]")
	for late := time.Now().Add(20 * time.Second); ; { // an answer that comes at once does not count
		if _, _ = s.tty.Write([]byte("y")); r.has("begun", 2*time.Second) {
			break
		} else if time.Now().After(late) {
			t.Fatal("nothing was begun in 20 s")
		}
	}
	return r, s
}

// Whoever quits while the kernel's tables are being changed leaves when that is done, and is
// told so.
func TestQuitDuringARestore(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	r, s := deleting(t)
	_, _ = s.tty.Write([]byte("q"))
	s.waitFor(t, "finishing the change")
	r.touch("go")
	said := s.rest(t)
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(said, "change 1 is applied") {
		t.Errorf("it ended with %q", said)
	}
	out, err := exec.Command("iptables-nft", "-w", "5", "-t", "nat", "-S", "PREROUTING").CombinedOutput()
	if err != nil || strings.Contains(string(out), "DNAT") {
		t.Errorf("%v: the kernel has %s", err, out)
	}
}

// Whoever does not wait is told which change is left, and the journal has it.
func TestQuitTwiceDuringARestore(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	r, s := deleting(t)
	_, _ = s.tty.Write([]byte("q"))
	s.waitFor(t, "finishing the change")
	_, _ = s.tty.Write([]byte("q"))
	said := s.rest(t)
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(said, "the change is not finished: change 1 is pending; nattui history shows") {
		t.Errorf("it ended with %q", said)
	}
	r.touch("go")
	out, err := exec.Command("nattui", "history").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "8080") {
		t.Errorf("%v: history is %s", err, out)
	}
}

// A program whose terminal goes away finishes the change as well.
func TestHangUpDuringARestore(t *testing.T) {
	if lab.Isolate(t) {
		return
	}
	r, s := deleting(t)
	_ = s.tty.Close()
	r.touch("go")
	_ = s.cmd.Wait()
	out, err := exec.Command("nattui", "history", "--json").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"state":"confirmed"`) && !strings.Contains(string(out), `"state":"applied"`) {
		t.Errorf("%v: history is %s", err, out)
	}
}
