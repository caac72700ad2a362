package conntrack

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrNotPermitted is in the chain of every error that comes of a missing
// CAP_NET_ADMIN. The message says what would help.
var ErrNotPermitted = errors.New("CAP_NET_ADMIN is missing: run as root, for instance with sudo")

// ErrUnsupported is in the chain of every error that comes of a kernel without
// connection tracking over netlink.
var ErrUnsupported = errors.New("the kernel has no connection tracking over netlink: modprobe nf_conntrack_netlink")

// explain adds to an error of the kernel what was tried and, where it is known, what would help.
func explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w (%w)", doing, ErrNotPermitted, err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%s: %w (%w)", doing, ErrUnsupported, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
