package nfnetlink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoAside is wrapped by the errors of Aside that mean: no network namespace can be made here. That takes CAP_SYS_ADMIN, or
// a kernel that lets users make namespaces of their own (user_namespaces(7)).
var ErrNoAside = errors.New("no network namespace can be made, which takes CAP_SYS_ADMIN or user namespaces")

// Aside runs a function with an empty network namespace, where rules can be tried without anybody's being touched, and
// waits for it. What the function does with its context by DialIn, Run and AddLinks is done in there. The namespace ends
// with the function.
//
// With CAP_SYS_ADMIN it is the namespace of the thread that the function runs on (unshare(2), CLONE_NEWNET). Without it is
// that of a process of its own, which its user owns, and in which he may do everything; main has to call Attend for that.
func Aside(ctx context.Context, do func(context.Context) error) error {
	err := onThreadOfItsOwn(func() error {
		here, err := os.Readlink("/proc/thread-self/ns/net")
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoAside, err)
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: %w", errNotAllowed, err)
		}
		// What is tried may empty tables. That these are not the host's own is looked at, not assumed.
		if aside, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || aside == here {
			return fmt.Errorf("%w: %w", ErrNoAside, errors.Join(err, errors.New("it is not a new one")))
		}
		return do(context.WithValue(ctx, asideKey{}, onThisThread{}))
	})
	if !errors.Is(err, errNotAllowed) {
		return err
	}
	a, err := newAttendant(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoAside, err)
	}
	defer a.close()
	return do(context.WithValue(ctx, asideKey{}, a))
}

// errNotAllowed says that the thread may not leave its network namespace.
var errNotAllowed = fmt.Errorf("%w: not by this process", ErrNoAside)

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

// asideKey is the key of a context's place.
type asideKey struct{}

// place is a network namespace in which something is done.
type place interface {
	dial() (*Socket, error)
	run(*exec.Cmd) error
	addLinks(map[uint32]string) error
}

func placeOf(ctx context.Context) place {
	if p, ok := ctx.Value(asideKey{}).(place); ok {
		return p
	}
	return onThisThread{}
}

// DialIn opens a socket in the network namespace of a context that Aside gave, else in the calling thread's.
func DialIn(ctx context.Context) (*Socket, error) { return placeOf(ctx).dial() }

// Run runs a program in the network namespace of a context that Aside gave, else in the calling thread's, and waits for it.
// A program that cannot be started, or fails, is an error, as of exec.Cmd.Run.
func Run(ctx context.Context, cmd *exec.Cmd) error { return placeOf(ctx).run(cmd) }

// AddLinks makes interfaces of given names and numbers in the network namespace of a context that Aside gave, as far as the
// kernel lets it.
func AddLinks(ctx context.Context, links map[uint32]string) error {
	return placeOf(ctx).addLinks(links)
}

// onThisThread is the network namespace of the calling thread.
type onThisThread struct{}

func (onThisThread) dial() (*Socket, error)  { return Dial() }
func (onThisThread) run(cmd *exec.Cmd) error { return cmd.Run() }

func (onThisThread) addLinks(links map[uint32]string) error {
	for number, name := range links {
		attrs := netlink.LinkAttrs{Name: name, Index: int(number)}
		for _, link := range []netlink.Link{
			&netlink.Dummy{LinkAttrs: attrs}, &netlink.Ifb{LinkAttrs: attrs}, &netlink.Bridge{LinkAttrs: attrs},
			// Its other end takes a number that another one may need.
			&netlink.Veth{LinkAttrs: attrs, PeerName: fmt.Sprintf("nattui%d", number)},
		} {
			if netlink.LinkAdd(link) == nil {
				break
			}
		}
	}
	return nil
}
