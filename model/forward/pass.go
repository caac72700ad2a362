package forward

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstBytes is how many bytes are read at once when some come after a silence. A word there and back is no more; what
// is longer is spliced.
const firstBytes = 2048

// passOn copies from one connection to the other until the first ends, and returns how many bytes. What
// is more than a few stays in the kernel: io.Copy splices it through a pipe. It would hold that also while it waits
// for bytes, two descriptors for each direction of each connection; so it is asked only for what is there already.
func passOn(to, from *net.TCPConn) (n int64, err error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	first := make([]byte, firstBytes)
	for {
		got, err := readSome(raw, first)
		if got <= 0 || err != nil {
			return n, err
		}
		passed, err := to.Write(first[:got])
		n += int64(passed)
		if err != nil {
			return n, err
		}
		if got < len(first) {
			continue
		}
		spliced, err := passWaiting(to, from, raw)
		n += spliced
		if err != nil {
			return n, err
		}
	}
}

// passWaiting copies what is there already, until nothing is.
func passWaiting(to, from *net.TCPConn, raw syscall.RawConn) (n int64, err error) {
	for {
		var waiting int
		var failed error
		err := raw.Control(func(fd uintptr) { waiting, failed = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
		if err = errors.Join(err, failed); err != nil || waiting == 0 {
			return n, err
		}
		passed, err := io.CopyN(to, from, int64(waiting))
		n += passed
		if errors.Is(err, io.EOF) {
			return n, nil // which the next read finds again
		}
		if err != nil {
			return n, err
		}
	}
}

// readSome waits until there are bytes and reads as many as fit; none at the end.
func readSome(raw syscall.RawConn, b []byte) (n int, err error) {
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, failed = unix.Read(int(fd), b)
			if !errors.Is(failed, unix.EINTR) {
				break
			}
		}
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err == nil {
		err = failed
	}
	return n, err
}
