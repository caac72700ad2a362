package main

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// seat is the program on a pseudo-terminal.
type seat struct {
	cmd    *exec.Cmd
	tty    *os.File
	begun  time.Time
	output chan []byte
	bytes  atomic.Int64
}

// sit starts the program, with arguments, on a terminal of 120x40.
func sit(b testing.TB, path string, args ...string) *seat {
	b.Helper()
	// Not blocking: else it is closed only when something has been read from it, and a quiet program writes nothing.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		b.Fatal(err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		b.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		b.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer slave.Close()
	s := &seat{cmd: exec.Command(path, args...), tty: master, output: make(chan []byte, 1024)}
	s.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "SSH_TTY=/dev/pts/0")
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s.begun = time.Now()
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go s.read()
	return s
}

func (s *seat) read() {
	defer close(s.output)
	buf := make([]byte, 64<<10)
	for {
		n, err := s.tty.Read(buf)
		if err != nil {
			return
		}
		s.bytes.Add(int64(n))
		select {
		case s.output <- bytes.Clone(buf[:n]):
		default: // nobody looks at it any more
		}
	}
}

// waitFor reads until a text has been written.
func (s *seat) waitFor(b testing.TB, text string) time.Duration {
	b.Helper()
	var seen []byte
	timeout := time.After(20 * time.Second)
	for {
		select {
		case p, ok := <-s.output:
			seen = append(seen, p...)
			if bytes.Contains(seen, []byte(text)) {
				return time.Since(s.begun)
			}
			if !ok {
				b.Fatalf("ended without %q: %q", text, seen)
			}
		case <-timeout:
			b.Fatalf("no %q in 20 s: %q", text, seen)
		}
	}
}

func (s *seat) quit(b testing.TB) {
	b.Helper()
	_, _ = s.tty.Write([]byte("q"))
	if err := s.cmd.Wait(); err != nil {
		b.Error(err)
	}
	_ = s.tty.Close()
}

// rest is what is written until the program has ended.
func (s *seat) rest(b testing.TB) string {
	b.Helper()
	var seen []byte
	timeout := time.After(20 * time.Second)
	for {
		select {
		case p, ok := <-s.output:
			if !ok {
				return string(seen)
			}
			seen = append(seen, p...)
		case <-timeout:
			b.Fatalf("it has not ended after 20 s: %q", seen)
		}
	}
}
