package textfile

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// ReadKernel reads a small file of the kernel's own, such as a setting under /proc/sys. It takes three system calls: os.ReadFile
// has the runtime watch each file it opens, which costs as much again and wakes another thread. It does not block; the
// error is an *fs.PathError.
func ReadKernel(path string) ([]byte, error) {
	failed := func(op string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, failed("open", err)
	}
	defer func() { _ = unix.Close(fd) }() // it was only read
	var buf [512]byte
	var text []byte
	for {
		n, err := again(func() (int, error) { return unix.Read(fd, buf[:]) })
		switch {
		case err != nil:
			return nil, failed("read", err)
		case n == 0:
			return text, nil
		case len(text)+n > Most:
			return nil, &TooLong{Path: path, Most: Most}
		}
		text = append(text, buf[:n]...)
	}
}

// again calls what a signal may interrupt until none does.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
