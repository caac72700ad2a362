package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errOutputClosed is the error of writing to a standard output that nattui was started without.
var errOutputClosed = errors.New("standard output is closed, so the result could not be written")

// closedOutput stands in for a standard output that is not there.
type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) { return 0, errOutputClosed }

// startedClosed reports whether the process was started without the descriptor (>&-). Go's runtime opens
// /dev/null in its place before anything of the program runs (runtime.checkfds), for reading and writing and
// without O_CLOEXEC, and shares it with no other descriptor; that is how it is told from a /dev/null that somebody
// asked for: a shell opens that for writing only, Python with O_CLOEXEC, and a daemon has one for all three.
func startedClosed(file *os.File) bool {
	fd := int(file.Fd())
	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFCHR || uint64(stat.Rdev) != unix.Mkdev(1, 3) {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR || flags&(unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_APPEND) != 0 {
		return false
	}
	for other := range 3 {
		if other != fd && sameFile(fd, other) {
			return false
		}
	}
	return true
}

// sameFile reports whether two descriptors of this process share an open file (kcmp(2), KCMP_FILE), and also where
// the kernel does not say.
func sameFile(a, b int) bool {
	const kcmpFile = 0
	pid := uintptr(os.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, kcmpFile, uintptr(a), uintptr(b), 0)
	return errno != 0 || order == 0
}
