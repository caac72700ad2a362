package nfnetlink

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrNoAside is wrapped by the errors of Aside that mean: no network namespace can be made here. That takes CAP_SYS_ADMIN.
var ErrNoAside = errors.New("no network namespace can be made, which takes CAP_SYS_ADMIN")

// Aside runs a function on a thread of its own in an empty network namespace, where rules can be tried without anybody's
// being touched, and waits for it. The programs that it starts are in there as well; goroutines that it starts are not. The
// namespace ends with the thread (unshare(2), CLONE_NEWNET).
func Aside(do func() error) error {
	return onThreadOfItsOwn(func() error {
		here, err := os.Readlink("/proc/thread-self/ns/net")
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoAside, err)
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: %w", ErrNoAside, err)
		}
		// What is tried may empty tables. That these are not the host's own is looked at, not assumed.
		if aside, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || aside == here {
			return fmt.Errorf("%w: %w", ErrNoAside, errors.Join(err, errors.New("it is not a new one")))
		}
		return do()
	})
}

// onThreadOfItsOwn runs a function that changes its thread, which ends with it. The first thread is never taken: it would not
// end, and what /proc says of the process is what it says of that one.
func onThreadOfItsOwn(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			done <- onThreadOfItsOwn(do) // on another one, as long as this is locked
			return
		}
		done <- do()
	}()
	return <-done
}
