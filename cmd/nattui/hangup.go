package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// whileTerminal is a context that ends with its terminal too: the kernel sends SIGHUP to the leader of the session alone, and
// what was started by a shell that has other things in hand hears nothing, reads nothing any more, and would stay for good.
func whileTerminal(ctx context.Context, terminal *os.File) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	wait, left, err := os.Pipe()
	if err != nil {
		return ctx, cancel
	}
	go func() {
		defer wait.Close()
		// No events: what has hung up, and the closed pipe, are told of always (poll(2)).
		fds := []unix.PollFd{{Fd: int32(terminal.Fd())}, {Fd: int32(wait.Fd())}}
		for {
			_, err := unix.Poll(fds, -1)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if fds[0].Revents&unix.POLLHUP != 0 {
			cancel()
		}
	}()
	return ctx, func() {
		cancel()
		_ = left.Close()
	}
}
