package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// forwarding is a running nattui forward.
type forwarding struct {
	*exec.Cmd
	at       string // where it listens
	log, err *bufio.Reader
}

// startForward forwards to an echo service, and waits until it listens.
func startForward(t *testing.T) *forwarding {
	t.Helper()
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	go func() {
		for {
			c, err := service.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second) // what hangs is killed, and its output ends
	t.Cleanup(stop)
	f := &forwarding{Cmd: exec.CommandContext(ctx, "nattui", "forward", "127.0.0.1:0", service.Addr().String())}
	stdout, err1 := f.StdoutPipe()
	stderr, err2 := f.StderrPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	f.log, f.err = bufio.NewReader(stdout), bufio.NewReader(stderr)
	line := await(t, f.err, "listening on")
	f.at = strings.TrimSuffix(strings.Fields(line)[3], ",")
	return f
}

// await reads on until a line has a word.
func await(t *testing.T, r *bufio.Reader, word string) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if strings.Contains(line, word) {
			return line
		}
		if err != nil {
			t.Fatalf("no line with %q: %v", word, err)
		}
	}
}

func (f *forwarding) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	await(t, f.log, " open ")
	return c
}

// TestForwardEndsWithTheLastConnection is the first signal, of either kind.
func TestForwardEndsWithTheLastConnection(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			f := startForward(t)
			first, second := f.dial(t), f.dial(t)
			if err := f.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			await(t, f.err, "waiting for 2 open connections")
			if late, err := net.Dial("tcp", f.at); err == nil {
				late.Close()
				t.Error("it takes connections after the signal")
			}
			first.Close()
			await(t, f.log, " closed ")
			word := make([]byte, 5)
			fmt.Fprint(second, "still")
			if _, err := io.ReadFull(second, word); err != nil || string(word) != "still" {
				t.Fatalf("the other connection says %q, %v", word, err)
			}
			second.Close()
			await(t, f.log, " closed ")
			if err := f.Wait(); err != nil {
				t.Errorf("after its last connection: %v", err)
			}
		})
	}
}

// TestForwardAbortsAtTheSecondSignal is the second one, of the other kind.
func TestForwardAbortsAtTheSecondSignal(t *testing.T) {
	f := startForward(t)
	c := f.dial(t)
	_ = f.Process.Signal(syscall.SIGTERM)
	await(t, f.err, "waiting for 1 open connection")
	_ = f.Process.Signal(syscall.SIGINT)
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("the connection goes on: %d bytes", n)
	}
	await(t, f.err, "aborted")
	if err := f.Wait(); f.ProcessState.ExitCode() != exitFailed {
		t.Errorf("after the second signal: %v", err)
	}
}
