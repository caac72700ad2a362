package frontend

import (
	"context"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ufwLock is the file in /run that ufw locks while a command of its own runs (ufw, src/frontend.py).
const ufwLock = "ufw.lock"

// ufwCommands tells, until ctx ends, when a command of ufw has ended, which may have made its chains anew.
func ufwCommands(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("listen to ufw: %w", err)
	}
	file := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, "/run", unix.IN_CLOSE_WRITE); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("listen to ufw: %w", err)
	}
	told := make(chan struct{}, 1)
	go func() {
		<-ctx.Done()
		_ = file.Close()
	}()
	go func() {
		defer close(told)
		buffer := make([]byte, 64*1024)
		for {
			n, err := file.Read(buffer)
			if err != nil {
				return
			}
			if names(buffer[:n], ufwLock) {
				select {
				case told <- struct{}{}:
				default: // told already, and not looked at yet
				}
			}
		}
	}()
	return told, nil
}

// names reports whether one of the events (inotify(7)) is about the file, or about events that were lost.
func names(events []byte, name string) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		e := (*unix.InotifyEvent)(unsafe.Pointer(&events[0]))
		rest := events[unix.SizeofInotifyEvent:]
		if e.Mask&unix.IN_Q_OVERFLOW != 0 || strings.TrimRight(string(rest[:min(int(e.Len), len(rest))]), "\x00") == name {
			return true
		}
		events = rest[min(int(e.Len), len(rest)):]
	}
	return false
}
